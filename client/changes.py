"""What a guide that changed means for an application that was filled in by the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from schemas.guides import GuideView, Limit, Material

OPTIONAL = "optional"
ASKED = {"required": "必须提交", "tolerable": "必须提交，可容缺", OPTIONAL: "选交"}
PLAIN = {
    "accept_conditions": "受理条件",
    "service_objects": "服务对象",
    "outlet_delegation": "委托环节",
    "outlet_classes": "可办网点等级",
    "tolerant_acceptance": "容缺受理",
    "delivery_ways": "结果送达方式",
    "visits_required": "到办事现场次数",
    "steps": "办理步骤",
    "name": "事项名称",
}
"""Fields that a teller has to look at as they stand."""

LIMITS = {"legal_limit": "法定办结时限", "promised_limit": "承诺办结时限"}


class Change(NamedTuple):
    """One thing that is otherwise now."""

    kind: str
    at: str
    """JSON pointer into the application where it bears on one of its places, else into the guide."""
    words: str
    """For the teller, in Chinese."""


def changes(before: GuideView, after: GuideView | None) -> list[Change]:
    """List what is otherwise for whoever hands in: nothing where only addresses and the like have changed."""
    if after is None:
        return [Change("withdrawn", "", "该事项的指南已停止适用，暂不能办理")]
    return [
        *_materials(before, after),
        *_fields(before.form_schema, after.form_schema),
        *_limits(before, after),
        *_plain(before, after),
    ]


def _materials(before: GuideView, after: GuideView) -> Iterator[Change]:
    one, two = ({m.code: m for m in guide.materials} for guide in (before, after))
    for code, material in two.items():
        yield from _material(one.get(code), material)
    for code in one.keys() - two.keys():
        words = f"不再需要材料：{one[code].name}"
        yield Change("material-dropped", f"/materials/{code}", words)


def _material(before: Material | None, after: Material) -> Iterator[Change]:
    at = f"/materials/{after.code}"
    was = OPTIONAL if before is None else before.necessity
    if before is None or after.necessity != was:
        newly = before is None or (was == OPTIONAL)
        kind = "material-required" if newly and after.necessity != OPTIONAL else "material"
        yield Change(kind, at, f"材料“{after.name}”现为：{ASKED[after.necessity]}")
    gone = set(before.exemptions) - set(after.exemptions) if before is not None else set()
    if gone:
        yield Change("exemption-gone", at, f"材料“{after.name}”的免提交方式有变化，请核对")
    elif before is not None and before.accept_standard != after.accept_standard:
        yield Change("material", at, f"材料“{after.name}”的受理标准有变化：{after.accept_standard}")


def _fields(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    one, two = before.get("properties", {}), after.get("properties", {})
    had, needs = set(before.get("required", ())), set(after.get("required", ()))
    for name, field in two.items():
        title = field.get("title", name)
        if name in needs - had:
            yield Change("field-required", f"/form/{name}", f"申请表新增必填项：{title}")
        elif name not in one:
            yield Change("field-added", f"/form/{name}", f"申请表新增栏目：{title}")
        elif _rule(one[name]) != _rule(field):
            yield Change("field-changed", f"/form/{name}", f"申请表栏目的填写要求有变化：{title}")
    for name in one.keys() - two.keys():
        title = one[name].get("title", name)
        yield Change("field-dropped", f"/form/{name}", f"申请表不再有栏目：{title}")
    if any(before.get(word) != after.get(word) for word in CONDITIONS):
        yield Change("field-changed", "/form", "申请表栏目之间的填写条件有变化")


CONDITIONS = ("allOf", "anyOf", "oneOf", "if", "then", "else", "not", "dependentRequired")
WORDS_ONLY = frozenset({"title", "description", "x-labels", "examples"})


def _rule(field: dict[str, Any]) -> dict[str, Any]:
    """Give of a field what decides whether a value is right."""
    return {name: value for name, value in field.items() if name not in WORDS_ONLY}


def _limits(before: GuideView, after: GuideView) -> Iterator[Change]:
    for name, title in LIMITS.items():
        one, two = _days(getattr(before, name)), _days(getattr(after, name))
        if one != two:
            kind = "limit-shorter" if (two or 10**6) < (one or 10**6) else "limit-longer"
            yield Change(kind, f"/{name}", f"{title}由{_said(one)}改为{_said(two)}")


def _days(limit: Limit | None) -> int | None:
    return limit.value if limit is not None else None


def _said(days: int | None) -> str:
    return "无规定" if days is None else f"{days}个工作日"


def _plain(before: GuideView, after: GuideView) -> Iterator[Change]:
    for name, title in PLAIN.items():
        one, two = getattr(before, name), getattr(after, name)
        if one != two:
            yield Change("changed", f"/{name}", f"{title}有变化{_shown(one, two)}")


def _shown(before: Any, after: Any) -> str:
    """Show both where they are short."""
    if isinstance(before, list) and all(isinstance(item, str) for item in [*before, *after]):
        new = [item for item in after if item not in before]
        return f"：新增“{'；'.join(new)}”" if new else ""
    short: Callable[[Any], bool] = lambda v: isinstance(v, str | int | bool)  # noqa: E731
    return f"：{before} → {after}" if short(before) and short(after) else ""
