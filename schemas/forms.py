"""The form of a guide: a JSON Schema whose fields keep the order in which they were written.

A JSON object has no order, and the database's type for it keeps none; people who fill in a form see
one. So a form carries `x-order`, the names of its fields, and is put in that order wherever it is read.
What is wrong with a filled one is told in the same words by the service and by a terminal without a line.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from schemas.problems import Fault, Words

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


WORDS: dict[str, tuple[str, str]] = {
    "required": ("缺少必填项", "is missing"),
    "additionalProperties": ("不是本表的栏目", "is not a field of this form"),
    "type": ("数据类型不对", "has the wrong type"),
    "enum": ("不在可选值之内", "is not one of the values allowed"),
    "const": ("不是规定的值", "is not the value required"),
    "pattern": ("格式不对", "has the wrong form"),
    "format": ("格式不对", "has the wrong form"),
    "minLength": ("太短", "is too short"),
    "maxLength": ("太长", "is too long"),
    "minimum": ("数值太小", "is too small"),
    "maximum": ("数值太大", "is too large"),
}
"""Faults in words of ours: a library's own words quote the value, which may be personal."""


class SchemaError(Protocol):
    """What a validator finds: where, and which rule was broken."""

    @property
    def instance_path(self) -> Sequence[str | int]: ...  # noqa: D102
    @property
    def kind(self) -> Any: ...  # noqa: D102


def titles(form: Mapping[str, Any]) -> dict[str, str]:
    """Name the fields of a form as people read them."""
    fields: dict[str, Any] = form.get("properties", {})
    return {name: schema.get("title", name) for name, schema in fields.items()}


def form_faults(errors: Iterable[SchemaError], titles: Mapping[str, str]) -> list[Fault]:
    """Tell every place where a filled form breaks its schema: one fault a place, in words of ours."""
    found: dict[str, Fault] = {}
    for error in errors:
        for fault in _faults_of(error, titles):
            found.setdefault(fault.at, fault)
    return list(found.values())


def _faults_of(error: SchemaError, titles: Mapping[str, str]) -> Iterator[Fault]:
    path = [str(part) for part in error.instance_path]
    rule = error.kind.name
    if rule == "additionalProperties":
        for name in getattr(error.kind, "unexpected", ()):
            yield _fault([*path, str(name)[:60]], rule, "", titles)
    elif rule == "required":
        name = str(getattr(error.kind, "property", ""))
        yield _fault([*path, name], rule, name, titles)
    else:
        yield _fault(path, rule, path[0] if path else "", titles)


def _fault(path: list[str], rule: str, name: str, titles: Mapping[str, str]) -> Fault:
    zh, en = WORDS.get(rule, ("不符合要求", "does not meet the rule"))
    title = titles.get(name, "该栏目")
    at = "".join(f"/{_escaped(part)}" for part in path)
    return Fault(f"/form{at}", rule, Words(f"{title}{zh}", f"{name or 'field'} {en}"))


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
