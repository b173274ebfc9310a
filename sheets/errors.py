"""What can go wrong with sheets."""

from kit.errors import DomainError, Kind, Words


class SheetsBusy(DomainError):
    """More sheets are waiting to be made than one process makes in good time."""

    kind = Kind.UNAVAILABLE
    code = "sheets-busy"
    retry_after = 5
    title = Words("说明书制作繁忙", "Too many sheets are being made")
    advice = Words(
        "按 Retry-After 的秒数后重试；制成的说明书会保留，再取时立即可得。",
        "Try again after `Retry-After` seconds; what has been made is kept and then there at once.",
    )
