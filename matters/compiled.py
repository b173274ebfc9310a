"""A guide ready for use: its form compiled, its answer in bytes."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Protocol

import jsonschema_rs
import orjson

from conformity.forms import make_validator
from conformity.layers import lay
from kit.errors import Fault
from schemas.forms import form_faults, titles
from schemas.guides import Guide, Material, Necessity

MASTER = "330000"
"""Division that publishes the master (the province)."""


class Version(Protocol):
    """What a guide is compiled from: a row, or what a process keeps of one."""

    @property
    def base_code(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> int: ...  # noqa: D102
    @property
    def effective_from(self) -> date: ...  # noqa: D102
    @property
    def effective_to(self) -> date | None: ...  # noqa: D102
    @property
    def content(self) -> dict[str, Any]: ...  # noqa: D102


@dataclass(frozen=True, slots=True, eq=False)
class CompiledGuide:
    """One published version, resolved for a place, with what is asked of it often worked out once."""

    matter: str
    version: int
    effective_from: date
    effective_to: date | None
    guide: Guide
    body: bytes
    etag: str
    form: jsonschema_rs.Validator
    titles: dict[str, str]
    personal: frozenset[str]
    routing: dict[str, str]
    """Form field by routing basis."""
    materials: dict[str, Material]
    required: tuple[str, ...]
    provenance: dict[str, str]
    """Field to the code of the division that wrote it."""
    fragments: dict[str, orjson.Fragment]
    """The answer's fields, each written out: what a layer changes is put between them."""

    def on(self, day: date) -> bool:
        """Tell whether it is in force on `day`."""
        return self.effective_from <= day and (self.effective_to is None or day < self.effective_to)

    def form_faults(self, form: dict[str, Any]) -> list[Fault]:
        """Find every place where `form` breaks its schema: one fault a place, in words of ours."""
        if self.form.is_valid(form):  # Takes half as long as to list nothing.
            return []
        return form_faults(self.form.iter_errors(form), self.titles)


def compile_guide(row: Version) -> CompiledGuide:
    """Make a stored version ready for use.

    Raises:
        ValueError: the content is no guide, or its form no JSON Schema 2020-12.
    """
    guide = Guide.model_validate(row.content)
    properties: dict[str, Any] = guide.form_schema.get("properties", {})
    answer = _answer(row, guide)
    body = _written(answer)
    return CompiledGuide(
        matter=row.base_code,
        version=row.version,
        effective_from=row.effective_from,
        effective_to=row.effective_to,
        guide=guide,
        body=body,
        etag=_tag(body),
        form=make_validator(guide.form_schema),
        titles=titles(guide.form_schema),
        personal=frozenset(n for n, schema in properties.items() if schema.get("x-personal")),
        routing={s["x-routing"]: n for n, s in properties.items() if "x-routing" in s},
        **_asked_for(guide),
        provenance=answer["provenance"],
        fragments={name: orjson.Fragment(_written(value)) for name, value in answer.items()},
    )


def _asked_for(guide: Guide) -> dict[str, Any]:
    return {
        "materials": {material.code: material for material in guide.materials},
        "required": tuple(m.code for m in guide.materials if m.necessity is not Necessity.OPTIONAL),
    }


def _written(value: Any) -> bytes:
    """Write JSON to be kept: the library's own bytes hold on to a buffer of kilobytes."""
    return bytes(memoryview(orjson.dumps(value)))


def _tag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:24]}"'


def lay_over(
    master: CompiledGuide, layers: Iterable[tuple[str, Mapping[str, Any]]]
) -> CompiledGuide:
    """Lay the contents of layers over a master, from the city down; what they leave alone is shared."""
    guide, provenance = master.guide, dict(master.provenance)
    changed: set[str] = set()
    for division, content in layers:
        fields = lay(guide, content)
        guide = guide.model_copy(update=fields)
        changed |= set(fields)
        provenance |= dict.fromkeys(fields, division)
    if not changed:
        return master
    shown = guide.model_dump(mode="json", include=changed)
    body = _written({**master.fragments, **shown, "provenance": provenance})
    laid = replace(master, guide=guide, body=body, etag=_tag(body), provenance=provenance)
    return replace(laid, **_asked_for(guide)) if "materials" in changed else laid


def _answer(row: Version, guide: Guide) -> dict[str, Any]:
    """Build what `GET /v1/matters/{matter}/guide` answers."""
    content = guide.model_dump(mode="json")
    return {
        "matter": row.base_code,
        "version": row.version,
        "state": "in_force",
        "effective_from": row.effective_from.isoformat(),
        "effective_to": row.effective_to.isoformat() if row.effective_to else None,
        **content,
        "implementation_code": guide.implementation_code,
        "handling_item_code": f"{guide.implementation_code}01",
        "outlet_delegation": guide.outlet.delegation,
        "outlet_classes": guide.outlet.classes,
        "outlet_instant_when": guide.outlet.instant_when,
        "provenance": dict.fromkeys(content, MASTER),
    }
