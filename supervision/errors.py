"""What can go wrong with supervision."""

from kit.errors import DomainError, Kind, Words


class OrderNotFound(DomainError):
    """No such order, or none that the caller may see."""

    kind = Kind.NOT_FOUND
    code = "supervision-order-not-found"
    title = Words("没有该督办", "No such supervision order")
    advice = Words("核对编号；只能看到本辖区的督办。", "Check the number; only your own are seen.")


class CheckNotFound(DomainError):
    """No such check, or none that the caller may see."""

    kind = Kind.NOT_FOUND
    code = "spot-check-not-found"
    title = Words("没有该抽查", "No such spot check")
    advice = Words("核对编号；只能看到本辖区的抽查。", "Check the number; only your own are seen.")


class DifferenceNotFound(DomainError):
    """No such difference, or none that the caller may see."""

    kind = Kind.NOT_FOUND
    code = "difference-not-found"
    title = Words("没有该对账差异", "No such difference")
    advice = Words(
        "核对编号；只能看到本辖区的对账差异。", "Check the number; only your own are seen."
    )


class SupervisionStale(DomainError):
    """Someone changed it since the caller read it."""

    kind = Kind.STALE
    code = "supervision-stale"
    title = Words("该记录已被他人更新", "It has changed since you read it")
    advice = Words("重新读取后，以新的 version 重试。", "Read it again and send its new version.")


class SupervisionNotAllowed(DomainError):
    """It stands where this can't be done, or is another's to do."""

    kind = Kind.CONFLICT
    code = "supervision-not-allowed"
    title = Words("当前状态不允许此操作", "It can't be done now")
    advice = Words("actions 列出您现在可做的操作。", "`actions` lists what you may do now.")


class CheckedBySame(DomainError):
    """One person may not check what he handled, nor put right what he found."""

    kind = Kind.FORBIDDEN
    code = "check-separation"
    title = Words(
        "经办人不得抽查自己办理的办件", "Who handled it, or found the fault, does not do this"
    )
    advice = Words("由另一名有权限的人员办理。", "Let another person do it.")
