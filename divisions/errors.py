"""What can go wrong with divisions."""

from kit.errors import DomainError, Kind, Words


class DivisionNotFound(DomainError):
    """No such division in that scheme on that day."""

    kind = Kind.NOT_FOUND
    code = "division-not-found"
    title = Words("没有该行政区划", "No such division")
    advice = Words(
        "检查代码(6、9或12位)、编码体系和日期；代码逐年变化。",
        "Check the code (6, 9 or 12 digits), its scheme and the day: codes change every year.",
    )
