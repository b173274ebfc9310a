"""What can go wrong with files."""

from kit.errors import DomainError, Kind, Words


class FileNotFound(DomainError):
    """No such file, or not the caller's to see."""

    kind = Kind.NOT_FOUND
    code = "file-not-found"
    title = Words("没有该文件", "No such file")
    advice = Words(
        "只有上传网点可直接读取；经办机构须用 application 参数指明办件。",
        "The outlet that sent it reads it; an agency names the application in `application`.",
    )


class FileTooLarge(DomainError):
    """More than 20 MiB."""

    kind = Kind.TOO_LARGE
    code = "file-too-large"
    title = Words("文件超过20 MiB", "The file is larger than 20 MiB")
    advice = Words("降低扫描分辨率或分页上传。", "Scan with less resolution, or page by page.")


class FileEmpty(DomainError):
    """No bytes, or no part named `file`."""

    kind = Kind.INVALID
    code = "file-missing"
    title = Words("没有收到文件内容", "No file was received")
    advice = Words(
        "以 multipart/form-data 的 file 字段上传。", "Send multipart/form-data with a part `file`."
    )


class FileKindUnsupported(DomainError):
    """The content is no PDF, JPEG, PNG or OFD."""

    kind = Kind.UNSUPPORTED
    code = "file-kind-unsupported"
    title = Words("只接受 PDF、JPEG、PNG、OFD 文件", "Only PDF, JPEG, PNG and OFD are taken")
    advice = Words(
        "按内容判断种类，与文件名无关；请转换后上传。",
        "The content decides, not the name: convert it.",
    )


class UploadMalformed(DomainError):
    """The multipart body is broken off or not multipart."""

    kind = Kind.MALFORMED
    code = "upload-malformed"
    title = Words("上传内容不完整或格式不对", "The upload is broken off or malformed")
    advice = Words("重新上传整个文件。", "Send the whole file again.")


class FilesAway(DomainError):
    """The store refuses to write or to read: its disk is full, or it can't be reached."""

    kind = Kind.UNAVAILABLE
    code = "files-away"
    title = Words("文件暂时无法存取，请稍后重试", "Files can't be stored or read now")
    advice = Words(
        "稍后重新上传整个文件；没有任何内容被部分保存。",
        "Send the whole file again later; nothing was half kept.",
    )
    retry_after = 5
