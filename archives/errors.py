"""What can go wrong with archives."""

from kit.errors import DomainError, Kind, Words


class ArchiveNotFound(DomainError):
    """No such archive, or none that the caller may see."""

    kind = Kind.NOT_FOUND
    code = "archive-not-found"
    title = Words("没有该档案", "No such archive")
    advice = Words(
        "核对编号；只能看到本机构保管的档案。", "Check the number; only your own are seen."
    )


class ArchiveUnknown(DomainError):
    """The register knows no archive of the person."""

    kind = Kind.CONFLICT
    code = "archive-unknown"
    title = Words("没有登记该人员的档案", "The register has no archive of this person")
    advice = Words(
        "档案确由本机构保管的，先登记入库，再办理；否则退回或者不予办理。",
        "If your agency keeps it, enter it first; else send the application back, or deny it.",
    )


class ArchiveElsewhere(DomainError):
    """Another agency has the archive."""

    kind = Kind.CONFLICT
    code = "archive-elsewhere"
    title = Words("该档案由其他机构保管", "Another agency has the archive")
    advice = Words(
        "agency 是保管机构：请申请人改填存档地，或者由该机构办理。",
        "`agency` names who has it: the application belongs there.",
    )


class ArchiveNotFree(DomainError):
    """It is lent, or on its way."""

    kind = Kind.CONFLICT
    code = "archive-not-free"
    title = Words("档案已借出、正在转递或者已经转出", "The archive is lent, on its way, or gone")
    advice = Words(
        "state 是档案现状，借出的 due_on 是归还日期：归还或者转递完成后再办理。",
        "`state` says how it stands, `due_on` when a loan ends: wait, or have it returned.",
    )


class ArchiveKnown(DomainError):
    """The person's archive stands in the register: there is one only."""

    kind = Kind.CONFLICT
    code = "archive-known"
    title = Words("该人员的档案已经登记", "The person's archive is in the register")
    advice = Words(
        "一人只有一份档案：本机构的可以检索；由其他机构保管的，办理转递。",
        "A person has one archive: search yours, or have another agency's transferred.",
    )


class ArchiveInvalid(DomainError):
    """What is to be entered is not right; everything is named."""

    kind = Kind.INVALID
    code = "archive-invalid"
    title = Words("登记内容不正确", "What is to be entered is wrong")
    advice = Words("按 errors 逐项更正。", "Mend what `errors` names.")


class ArchiveStale(DomainError):
    """Someone changed it since the caller read it."""

    kind = Kind.STALE
    code = "archive-stale"
    title = Words("档案登记已被他人更新", "It has changed since you read it")
    advice = Words("重新读取后，以新的 version 重试。", "Read it again and send its new version.")
