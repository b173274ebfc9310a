"""What a newer OpenAPI document takes away from those who call by an older one. Two documents, no service.

One idea holds it together: what a client may *send* must still be taken, so the new schema is held against the
old one; what a client may *get* must be what it was told of, so the old one is held against the new. More may
always be added: operations, optional fields, answers' fields, values of an answer's codes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Node = Mapping[str, Any]

UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
FORMS = ("pattern", "format")
CHOICES = ("anyOf", "oneOf")
DEEPEST = 24
"""Levels of a schema that are looked at; ours have a handful, and one that holds itself has no end."""


class Break(NamedTuple):
    """Something that no longer holds."""

    operation: str
    """`operationId`, by which clients that were generated call it."""
    rule: str
    at: str

    def __str__(self) -> str:
        return f"{self.operation} {self.rule} {self.at}"


class Side(NamedTuple):
    """A schema, and the document in which its references stand."""

    document: Node
    schema: Node

    def to(self, schema: Node) -> "Side":
        """Go to a part, through references; what stands beside a reference counts too."""
        beside: dict[str, Any] = {}
        while "$ref" in schema:
            beside = {**{k: v for k, v in schema.items() if k != "$ref"}, **beside}
            schema = resolved(self.document, schema["$ref"])
        return Side(self.document, {**schema, **beside} if beside else schema)


def resolved(document: Node, reference: str) -> Node:
    """Follow a reference within a document."""
    part: Any = document
    for name in reference.removeprefix("#/").split("/"):
        part = part[name.replace("~1", "/").replace("~0", "~")]
    found: Node = part
    return found


def breaks(old: Node, new: Node) -> list[Break]:
    """List all that breaks, in the order of the old document."""
    return [
        found
        for path, method in _called(old["paths"])
        for found in _operation(old, new, method, path)
    ]


def _called(paths: Node) -> Iterator[tuple[str, str]]:
    return ((path, method) for path, methods in paths.items() for method in methods)


def _operation(old: Node, new: Node, method: str, path: str) -> Iterator[Break]:
    before, after = old["paths"][path][method], new["paths"].get(path, {}).get(method)
    name = before["operationId"]
    if after is None:
        yield Break(name, "operation-removed", f"{method.upper()} {path}")
        return
    for look in LOOKS:
        for rule, at in look(Side(old, before), Side(new, after)):
            yield Break(name, rule, at)


Fault = tuple[str, str]
"""Rule and place."""


def _name(old: Side, new: Side) -> Iterator[Fault]:
    if old.schema["operationId"] != new.schema["operationId"]:
        yield "operation-renamed", new.schema["operationId"]


def _permission(old: Side, new: Side) -> Iterator[Fault]:
    if old.schema.get("security", []) != new.schema.get("security", []):
        yield "permission-changed", "security"


def _codes(old: Side, new: Side) -> Iterator[Fault]:
    """Tell codes that have another name, or none; where an operation has no more use for one, nobody minds."""
    paths = new.document["paths"]
    known = {
        code
        for path, method in _called(paths)
        for code in paths[path][method].get("x-problems", ())
    }
    gone = set(old.schema.get("x-problems", ())) - known
    yield from (("code-removed", code) for code in sorted(gone))


def _parameters(old: Side, new: Side) -> Iterator[Fault]:
    before, after = _named(old), _named(new)
    for (place, name), parameter in before.items():
        at, kept = f"{place}/{name}", after.get((place, name))
        if kept is None:
            yield "parameter-removed", at
            continue
        if kept.get("required", False) and not parameter.get("required", False):
            yield "parameter-required", at
        yield from lost(old.to(parameter["schema"]), new.to(kept["schema"]), at, sent=True)
    for (place, name), parameter in after.items():
        if parameter.get("required", False) and (place, name) not in before:
            yield "parameter-required", f"{place}/{name}"


def _named(side: Side) -> dict[tuple[str, str], Node]:
    found = [side.to(parameter).schema for parameter in side.schema.get("parameters", ())]
    return {(parameter["in"], parameter["name"]): parameter for parameter in found}


def _body(old: Side, new: Side) -> Iterator[Fault]:
    before, after = old.schema.get("requestBody"), new.schema.get("requestBody")
    if after is None:
        if before is not None:
            yield "body-removed", "body"
        return
    needs = bool(after.get("required")) and not (before or {}).get("required", False)
    if needs:
        yield "body-required", "body"
    yield from _contents(old, new, (before or {}).get("content", {}), after["content"], sent=True)


def _answers(old: Side, new: Side) -> Iterator[Fault]:
    for status, reference in old.schema["responses"].items():
        kept = new.schema["responses"].get(status)
        if kept is None:
            yield "answer-removed", status
            continue
        before, after = old.to(reference).schema, new.to(kept).schema
        gone = set(before.get("headers", ())) - set(after.get("headers", ()))
        yield from (("header-removed", f"{status}/{header}") for header in sorted(gone))
        contents = before.get("content", {}), after.get("content", {})
        for rule, at in _contents(old, new, *contents, sent=False):
            yield rule, f"{status}/{at}"


def _contents(old: Side, new: Side, before: Node, after: Node, *, sent: bool) -> Iterator[Fault]:
    for kind, content in before.items():
        if kind not in after:
            yield "media-type-removed", kind
            continue
        schemas = content.get("schema", {}), after[kind].get("schema", {})
        yield from lost(old.to(schemas[0]), new.to(schemas[1]), "body", sent=sent)


LOOKS: tuple[Callable[[Side, Side], Iterator[Fault]], ...] = (
    _name, _permission, _parameters, _body, _answers, _codes,
)  # fmt: skip


def lost(old: Side, new: Side, at: str, *, sent: bool, depth: int = 0) -> Iterator[Fault]:
    """Tell what a schema no longer takes (`sent`), or gives without having said so."""
    if depth > DEEPEST or old.schema == new.schema == {}:
        return
    if any(name in side.schema for name in CHOICES for side in (old, new)):
        yield from _choices(old, new, at, sent=sent, depth=depth + 1)
        return
    wide, narrow = (old, new) if sent else (new, old)
    faults = list(_of_value(wide.schema, narrow.schema, sent=sent))
    yield from ((rule, at) for rule in faults)
    if "type-narrowed" in faults or "type-widened" in faults:
        return
    yield from _of_parts(old, new, at, sent=sent, depth=depth)


def _of_parts(old: Side, new: Side, at: str, *, sent: bool, depth: int) -> Iterator[Fault]:
    deeper = depth + 1
    yield from _fields(old, new, at, sent=sent, depth=deeper)
    for name, place in (("items", "[]"), ("additionalProperties", "{}")):
        before, after = old.schema.get(name), new.schema.get(name)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            sides = old.to(before), new.to(after)
            yield from lost(*sides, f"{at}/{place}", sent=sent, depth=deeper)


def _of_value(wide: Node, narrow: Node, *, sent: bool) -> Iterator[str]:
    """Compare what a value may be; a fault of an answer has the name of what the client sees."""
    if not _types(wide) <= _types(narrow) and "type" in narrow:
        yield "type-narrowed" if sent else "type-widened"
    if not sent:
        return  # Longer texts and further codes are more of the same: clients take unknown ones.
    values, taken = _values(wide), _values(narrow)
    if taken is not None and (values is None or not values <= taken):
        yield "values-narrowed"
    yield from (f"{key}-narrowed" for key in UPPER if _tighter(wide, narrow, key, 1))
    yield from (f"{key}-narrowed" for key in LOWER if _tighter(wide, narrow, key, -1))
    yield from (f"{key}-changed" for key in FORMS if key in narrow and narrow[key] != wide.get(key))
    if "default" in wide and wide["default"] != narrow.get("default"):
        yield "default-changed"


def _types(schema: Node) -> frozenset[str]:
    if "type" not in schema:
        return frozenset({"any"})
    kinds = schema["type"]
    found = {kinds} if isinstance(kinds, str) else set(kinds)
    return frozenset(found | ({"integer"} if "number" in found else set()))


def _values(schema: Node) -> frozenset[str] | None:
    """Give the values that alone are taken, as texts: 1 and true are told apart."""
    if "const" in schema:
        return frozenset({repr(schema["const"])})
    return frozenset(map(repr, schema["enum"])) if "enum" in schema else None


def _tighter(wide: Node, narrow: Node, key: str, sign: int) -> bool:
    if key not in narrow:
        return False
    return key not in wide or sign * narrow[key] < sign * wide[key]


def _fields(old: Side, new: Side, at: str, *, sent: bool, depth: int) -> Iterator[Fault]:
    before, after = old.schema.get("properties", {}), new.schema.get("properties", {})
    for name, field in before.items():
        if name not in after:
            yield "field-removed", f"{at}/{name}"
            continue
        sides = old.to(field), new.to(after[name])
        yield from lost(*sides, f"{at}/{name}", sent=sent, depth=depth)
    needed = set(old.schema.get("required", ())), set(new.schema.get("required", ()))
    more = needed[1] - needed[0] if sent else (needed[0] - needed[1]) & set(after)
    rule = "field-required" if sent else "field-optional"
    yield from ((rule, f"{at}/{name}") for name in sorted(more))
    if (
        sent
        and _is_closed(new.schema)
        and "properties" in old.schema
        and not _is_closed(old.schema)
    ):
        yield "fields-closed", at


def _is_closed(schema: Node) -> bool:
    return schema.get("additionalProperties") is False


def _choices(old: Side, new: Side, at: str, *, sent: bool, depth: int) -> Iterator[Fault]:
    """Each choice must fit into one of the other side's; of one that fits into none, it alone is told."""
    wide, narrow = (old, new) if sent else (new, old)
    for choice in _alternatives(wide):
        tried = [
            list(lost(*((choice, other) if sent else (other, choice)), at, sent=sent, depth=depth))
            for other in _alternatives(narrow)
        ]
        if all(tried):
            yield from _nearest(tried, at, sent=sent)


def _nearest(tried: Sequence[Sequence[Fault]], at: str, *, sent: bool) -> Iterator[Fault]:
    """Tell what is wrong with the choice that comes nearest: where none is of the type, that there is none."""
    same = [f for f in tried if not any(r.startswith("type-") and a == at for r, a in f)]
    if same:
        yield from min(same, key=len)
    else:
        yield ("choice-removed" if sent else "choice-added"), at


def _alternatives(side: Side) -> list[Side]:
    found = [one for name in CHOICES for one in side.schema.get(name, ())]
    plain = {k: v for k, v in side.schema.items() if k not in CHOICES}
    return [side.to({**one, **plain}) for one in found] or [side]


def accepted(found: Sequence[Break], known: Sequence[str]) -> tuple[list[Break], list[str]]:
    """Take off the breaks that were decided on; tell which are left, and which decisions fit nothing."""
    texts = {str(one) for one in found}
    return [one for one in found if str(one) not in known], [k for k in known if k not in texts]
