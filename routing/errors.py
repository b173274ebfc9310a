"""What can go wrong with routing."""

from kit.errors import DomainError, Kind, Words


class Unroutable(DomainError):
    """No agency decides for the place that the application names."""

    kind = Kind.INVALID
    code = "no-agency"
    title = Words("没有经办机构负责该地的该事项", "No agency decides this matter for that place")
    advice = Words("核对参保地等区划代码。", "Check the division code that steers routing.")
