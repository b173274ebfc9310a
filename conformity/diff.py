"""How one guide differs from another, in the words of its fields."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import BaseModel

from conformity.findings import pointer
from schemas import guides
from schemas.guides import GuideContent

PARTS: Mapping[str, type[BaseModel]] = MappingProxyType({
    "legal_bases": guides.LegalBasis,
    "flow": guides.FlowStep,
    "special_procedures": guides.SpecialProcedure,
    "legal_limit": guides.Limit,
    "promised_limit": guides.Limit,
    "materials": guides.Material,
    "situations": guides.Situation,
    "fee_items": guides.FeeItem,
    "result": guides.GuideResult,
    "faqs": guides.FAQ,
    "steps": guides.Step,
    "outlet": guides.OutletPart,
})  # fmt: skip
"""Fields that have fields of their own."""

KEYS = ("code", "name", "question", "law")
"""What tells the items of a list apart, the surest first: one that moved has not changed."""


class Difference(NamedTuple):
    """A place in which two guides differ."""

    at: str
    title: str
    change: str
    before: Any
    after: Any


def differences(before: GuideContent, after: GuideContent) -> list[Difference]:
    """List every place in which two guides differ, field by field."""
    one, two = before.model_dump(mode="json"), after.model_dump(mode="json")
    return [
        found
        for name, field in GuideContent.model_fields.items()
        for found in _walk((name,), (field.title or name,), one[name], two[name], PARTS.get(name))
    ]


def _walk(
    path: tuple[Any, ...],
    titles: tuple[str, ...],
    before: Any,
    after: Any,
    model: type[BaseModel] | None,
) -> Iterator[Difference]:
    if before == after:
        return
    one, two = _named(before), _named(after)
    if one is None or two is None:
        yield Difference(pointer(*path), " › ".join(titles), _change(before, after), before, after)
        return
    for key in [*one, *(key for key in two if key not in one)]:
        part = (one.get(key), two.get(key))
        yield from _walk((*path, key), (*titles, _title(key, part, model)), *part, model)


def _named(value: Any) -> dict[str, Any] | None:
    """Give the parts of a value by name; None where it has none, or where two share one."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return None
    name = next((key for key in KEYS if value and all(key in item for item in value)), None)
    named = {str(item[name]): item for item in value} if name else {}
    return named if len(named) == len(value) else None


def _title(key: str, part: tuple[Any, Any], model: type[BaseModel] | None) -> str:
    """Name a part in Chinese: by its field, or where it is an item or a form's field by itself."""
    field = model.model_fields.get(key) if model else None
    if field is not None and field.title:
        return field.title
    for value in part:
        if isinstance(value, dict):
            return str(value.get("title") or value.get("name") or key)
    return key


def _change(before: Any, after: Any) -> str:
    if before is None:
        return "added"
    return "removed" if after is None else "changed"
