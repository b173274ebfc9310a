"""What the form of a guide may be: a JSON Schema that stands alone, and that no answer can make slow."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeGuard

import jsonschema_rs
import orjson

from conformity.findings import Class, Finding, pointer
from kit.errors import Words
from schemas.guides import Basis

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ROOT = "/form_schema"

SIZE, DEPTH, EXPANDED = 128 * 1024, 16, 5_000
"""Bytes; levels; parts when every reference is written out, which is what a check walks through."""

LARGEST = 2**53
"""Beyond it a number comes back from the database as another one, or can't be written at all."""

DEFINED = "#/$defs/"
REFERENCE = re.compile(re.escape(DEFINED) + "[A-Za-z0-9_-]+")
"""A definition by its plain name: what is escaped, or lies deeper, would be counted as nothing."""

REBASING = frozenset(
    {"$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$vocabulary"}
)
"""Keywords that make a reference mean something else, or that only serve such."""

DATA = frozenset({"examples", "enum", "const", "default"})
"""Keywords that hold values, not schemas."""

NAMED = frozenset(
    {"properties", "patternProperties", "dependentSchemas", "$defs", "definitions", "dependencies"}
)
"""Keywords whose schemas the author names: what stands there is no keyword."""

MARKS: dict[str, Callable[[Any], bool]] = {
    "x-personal": lambda value: isinstance(value, bool),
    "x-routing": lambda value: value in tuple(Basis),
}
"""What the service itself reads of a field, and what it may say there."""

WORDS = {
    "form-too-large": Words("申请表定义过大", "the form is larger than a form may be"),
    "form-too-deep": Words("申请表定义嵌套过深", "the form is nested too deep"),
    "form-number": Words(
        "数值的绝对值不得超过2的53次方", "a number is further from zero than 2 to the power of 53"
    ),
    "form-dialect": Words("申请表须采用 JSON Schema 2020-12", "a form is JSON Schema 2020-12"),
    "form-reference": Words(
        "引用只能指向本表 $defs 中的定义", "a reference points to a definition in the form's own `$defs`"
    ),
    "form-recursive": Words("定义循环引用或展开后过大", "definitions go round, or are too many written out"),
    "form-invalid": Words("不是有效的 JSON Schema", "is no valid JSON Schema"),
    "form-pattern": Words(
        "正则表达式无效，或使用了回溯类语法", "the pattern is not valid, or needs backtracking"
    ),
    "form-object": Words("申请表须为 object", "a form is an object"),
    "form-field": Words("栏目须以对象定义", "a field is defined by an object"),
    "form-mark": Words("栏目标记的值无效", "is not a value that this mark of a field may have"),
    "form-mark-twice": Words("同一路由依据只能由一个栏目给出", "two fields steer by the same basis"),
    "form-example-missing": Words("申请表须至少附一个样例", "a form has one example at least"),
    "form-example-invalid": Words("样例不符合申请表自身的定义", "the example does not pass the form itself"),
}  # fmt: skip


def make_validator(schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
    """Compile a form. Patterns run in linear time; nothing is fetched.

    Raises:
        ValueError: it is no JSON Schema.
    """
    return jsonschema_rs.Draft202012Validator(
        dict(schema), validate_formats=True, offline=True,
        pattern_options=jsonschema_rs.RegexOptions(),
    )  # fmt: skip


def check(schema: Mapping[str, Any]) -> list[Finding]:
    """Find what is wrong with a form; it is compiled only when nothing about it can do harm."""
    return list(_bounds(schema)) or list(_shape(schema)) or list(_compiled(schema))


def _finding(code: str, *path: Any) -> Finding:
    return Finding(code, ROOT + pointer(*path), Class.ERROR, WORDS[code])


def _bounds(schema: Mapping[str, Any]) -> Iterator[Finding]:
    if _depth(schema) > DEPTH:
        yield _finding("form-too-deep")
    elif not all(_is_kept(part) for part in _parts(schema)):
        yield _finding("form-number")
    elif len(orjson.dumps(schema)) > SIZE:
        yield _finding("form-too-large")


def _depth(value: Any) -> int:
    """Count levels, one beyond the limit at most: the value may be as deep as a body may be."""
    level, deep = [value], 0
    while level and deep <= DEPTH:
        level = [child for part in level for child in _children(part)]
        deep += 1
    return deep


def _is_kept(part: Any) -> bool:
    return not isinstance(part, int | float) or -LARGEST <= part <= LARGEST


def _children(part: Any) -> list[Any]:
    if isinstance(part, dict):
        return list(part.values())
    return part if isinstance(part, list) else []


def _parts(value: Any) -> Iterator[Any]:
    """Walk a value and everything in it."""
    yield value
    for child in _children(value):
        yield from _parts(child)


def _shape(schema: Mapping[str, Any]) -> Iterator[Finding]:
    if schema.get("$schema", DIALECT) != DIALECT:
        yield _finding("form-dialect", "$schema")
    if schema.get("type") != "object":
        yield _finding("form-object", "type")
    yield from _fields(schema.get("properties"))
    yield from _twice(schema.get("properties"))
    references = [*_references(schema, ())]
    yield from references
    if not references and _expanded(schema) > EXPANDED:
        yield _finding("form-recursive")


def _fields(properties: Any) -> Iterator[Finding]:
    """Find fields that are good JSON Schema, and that the service can't read."""
    for name, field in properties.items() if isinstance(properties, dict) else ():
        if not isinstance(field, dict):
            yield _finding("form-field", "properties", name)
            continue
        for mark, holds in MARKS.items():
            if mark in field and not holds(field[mark]):
                yield _finding("form-mark", "properties", name, mark)


def _twice(properties: Any) -> Iterator[Finding]:
    """Find fields that steer to an agency by the same basis: nobody could tell which of them counts."""
    seen: set[str] = set()
    for name, field in properties.items() if isinstance(properties, dict) else ():
        basis = field.get("x-routing") if isinstance(field, dict) else None
        if isinstance(basis, str):
            if basis in seen:
                yield _finding("form-mark-twice", "properties", name, "x-routing")
            seen.add(basis)


def _references(
    part: Any, path: tuple[Any, ...], is_named_by_author: bool = False
) -> Iterator[Finding]:
    """Find what points outside, or makes references mean something else."""
    if isinstance(part, list):
        for at, item in enumerate(part):
            yield from _references(item, (*path, at))
    elif isinstance(part, dict) and is_named_by_author:
        for name, value in part.items():
            yield from _references(value, (*path, name))
    elif isinstance(part, dict):
        for name, value in part.items():
            if name not in DATA:
                yield from _reference(name, value, path)
                yield from _references(value, (*path, name), name in NAMED)


def _reference(name: str, value: Any, path: tuple[Any, ...]) -> Iterator[Finding]:
    if name in REBASING or (name == "$ref" and not _is_reference(value)):
        yield _finding("form-reference", *path, name)
    elif name == "$schema" and path:
        yield _finding("form-dialect", *path, name)


def _is_reference(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and REFERENCE.fullmatch(value) is not None


def _expanded(schema: Mapping[str, Any]) -> int:
    """Count the parts of a form with every reference written out; too many where they go round."""
    definitions = schema.get("$defs")
    parts: dict[str, Any] = {"": schema}
    if isinstance(definitions, dict):
        parts |= {DEFINED + name: part for name, part in definitions.items()}
    inner = {name: [*_parts(part)] for name, part in parts.items()}
    targets = {name: Counter(_targets(found)) for name, found in inner.items()}
    sizes: dict[str, int] = {}
    try:
        for name in TopologicalSorter(targets).static_order():
            written_out = (sizes[to] * times for to, times in targets.get(name, {}).items())
            sizes[name] = len(inner.get(name, ())) + sum(written_out)
    except CycleError:
        return EXPANDED + 1
    return sizes[""]


def _targets(parts: Iterable[Any]) -> Iterator[str]:
    found = (part.get("$ref") for part in parts if isinstance(part, dict))
    return (target for target in found if _is_reference(target))


def _compiled(schema: Mapping[str, Any]) -> Iterator[Finding]:
    try:
        validator = make_validator(schema)
    except jsonschema_rs.ValidationError as error:
        path = list(error.instance_path)
        yield _finding("form-pattern" if path[-1:] == ["pattern"] else "form-invalid", *path)
        return
    except ValueError:
        yield _finding("form-invalid")
        return
    examples = schema.get("examples")
    if not isinstance(examples, list) or not examples:
        yield _finding("form-example-missing", "examples")
        return
    for at, example in enumerate(examples):
        if not validator.is_valid(example):
            yield _finding("form-example-invalid", "examples", at)
