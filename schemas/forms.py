"""The form of a guide: a JSON Schema whose fields keep the order in which they were written.

A JSON object has no order, and the database's type for it keeps none; people who fill in a form see
one. So a form carries `x-order`, the names of its fields, and is put in that order wherever it is read.
"""

from collections.abc import Sequence
from typing import Any

ORDER = "x-order"

KEYWORDS = (
    "$schema", "$id", "$ref", "title", "description", "type", "additionalProperties", ORDER, "required",
    "properties", "items", "enum", "const", "x-labels", "format", "pattern", "minLength", "maxLength",
    "minimum", "maximum", "x-routing", "x-personal", "if", "then", "else", "allOf", "anyOf", "oneOf", "not",
    "examples",
)  # fmt: skip
"""As people read a schema: what it is, then what it asks for; others come after, by name."""

Names = Sequence[str]


def in_order(form: dict[str, Any]) -> dict[str, Any]:
    """Give the form with everything in order, and `x-order` in it if it has named fields."""
    fields = form.get("properties")
    if not isinstance(fields, dict):
        return form
    wanted = form.get(ORDER)
    named = (
        [n for n in wanted if isinstance(n, str) and n in fields]
        if isinstance(wanted, list)
        else []
    )
    names = [*dict.fromkeys(named), *(name for name in fields if name not in named)]
    ordered: dict[str, Any] = _schema({**form, ORDER: names}, names)
    return ordered


def _schema(schema: Any, names: Names) -> Any:
    """Order a schema's keywords, and what stands in them."""
    if isinstance(schema, list):
        return [_schema(part, names) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _part(key, schema, names) for key in sorted(schema, key=_rank(KEYWORDS))}


def _part(key: str, schema: dict[str, Any], names: Names) -> Any:
    part = schema[key]
    if key == "properties" and isinstance(part, dict):
        return {name: _schema(part[name], names) for name in sorted(part, key=_rank(names))}
    if key == "x-labels" and isinstance(part, dict):
        codes = schema.get("enum")
        return _named(part, codes if isinstance(codes, list) else ())
    if key == "examples" and isinstance(part, list):
        return [_named(example, names) for example in part]
    return part if key in (ORDER, "enum", "const", "required") else _schema(part, names)


def _named(value: Any, names: Sequence[Any]) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: value[name] for name in sorted(value, key=_rank(names))}


def _rank(names: Sequence[Any]) -> Any:
    places = {name: place for place, name in enumerate(names) if isinstance(name, str)}
    return lambda name: (places.get(name, len(places)), name)
