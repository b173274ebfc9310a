"""What can go wrong with imports as a whole. What is wrong with a row is a finding, not an error."""

from kit.errors import DomainError, Kind, Words


class ImportNotFound(DomainError):
    """No such import, or not within the caller's reach."""

    kind = Kind.NOT_FOUND
    code = "import-not-found"
    title = Words("没有该导入任务", "No such import")
    advice = Words(
        "核对编号；只能看到本行或本辖区的导入，报告保存90天。",
        "Check its id; only your own bank's or division's are shown, and kept for 90 days.",
    )


class NoSpreadsheet(DomainError):
    """The content is no spreadsheet."""

    kind = Kind.UNSUPPORTED
    code = "import-kind-unsupported"
    title = Words("不是电子表格，无法导入", "This is no spreadsheet")
    advice = Words(
        "请上传CSV、XLSX或XLS文件；网页、PDF、图片请先在表格软件中另存。种类按内容判断，与文件名无关。",
        "Send CSV, XLSX or XLS: the content decides, not the name. Save web pages as a spreadsheet first.",
    )


class ImportTooLarge(DomainError):
    """More bytes than an import may have."""

    kind = Kind.TOO_LARGE
    code = "import-too-large"
    title = Words("导入文件超过64 MiB", "The file is larger than 64 MiB")
    advice = Words("请分成几个文件。", "Split it into several files.")


class ImportLost(Exception):
    """Another worker has taken the import up: this one writes no more."""
