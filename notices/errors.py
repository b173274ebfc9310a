"""What can go wrong with notices."""

from kit.errors import DomainError, Kind, Words


class NoticeNotFound(DomainError):
    """No such notice, or none that the caller may see."""

    kind = Kind.NOT_FOUND
    code = "notice-not-found"
    title = Words("没有该告知", "No such notice")
    advice = Words("核对编号；只能看到本网点或本机构的告知。", "Only your own are seen.")


class NoticeStale(DomainError):
    """It has changed since the caller read it."""

    kind = Kind.STALE
    code = "notice-stale"
    title = Words("该告知已有变化", "It has changed since you read it")
    advice = Words("重新读取后，以新的 version 重试。", "Read it again and send its new version.")


class NoticeTold(DomainError):
    """The applicant has been told."""

    kind = Kind.CONFLICT
    code = "notice-told"
    title = Words("已经告知申请人", "The applicant has been told")
    advice = Words("无须再次登记。", "There is nothing more to do.")
