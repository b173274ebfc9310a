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


class DivisionAbolished(DomainError):
    """The division was there, and is no more."""

    kind = Kind.NOT_FOUND
    code = "division-abolished"
    title = Words("该行政区划已撤销", "The division has been abolished")
    advice = Words(
        "改用 successors 列出的区划代码；查过去的日期用 on。",
        "Use a code of `successors`; for a day in the past name it by `on`.",
    )


class DivisionOfOtherScheme(DomainError):
    """The code is one of the other coding scheme."""

    kind = Kind.NOT_FOUND
    code = "division-scheme"
    title = Words("这是另一编码体系的区划代码", "A code of the other coding scheme")
    advice = Words(
        "改用 same 列出的代码；要按另一体系查询，加 scheme=nbs 或 scheme=mca。",
        "Use the code of `same`; to look it up in the other scheme say scheme=nbs or scheme=mca.",
    )
