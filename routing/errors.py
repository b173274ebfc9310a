"""What can go wrong with routing."""

from kit.errors import DomainError, Kind, Words


class RulesLeaveGaps(DomainError):
    """With these rules a place would have no agency for a step, or two."""

    kind = Kind.CONFLICT
    code = "routing-gaps"
    title = Words(
        "按这些规则，部分乡镇没有办理机构或者有两个",
        "With these rules places have no agency, or two",
    )
    advice = Words(
        "gaps 逐项列出事项、环节和乡镇：补上规则，或者用 position 分出先后。",
        "`gaps` lists matter, step and place: add a rule, or put one before the other by `position`.",
    )
