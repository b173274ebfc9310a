"""One form and one list of materials for several matters, put together from their guides.

A field that two forms share is asked once. Nothing is kept twice: when a guide changes, so does the package.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from schemas.forms import in_order
from schemas.guides import Guide, Material, Necessity

SCHEMA = "https://json-schema.org/draft/2020-12/schema"


class Part(NamedTuple):
    """A matter of a package."""

    guide: Guide
    names: Mapping[str, str]
    """Field of its form to the package's field, where their names differ."""

    @property
    def form(self) -> dict[str, Any]:
        """Give its form in the package's names."""
        form: dict[str, Any] = _renamed(self.guide.form_schema, self.names)
        return form

    def filled(self, form: Mapping[str, Any]) -> dict[str, Any]:
        """Take what its own form asks for from the package's."""
        fields = self.guide.form_schema.get("properties", {})
        wanted = {name: self.names.get(name, name) for name in fields}
        return {name: form[shared] for name, shared in wanted.items() if shared in form}


def shared_form(title: str, parts: Sequence[Part]) -> dict[str, Any]:
    """Put the forms of `parts` together; of fields with one name the first says how it looks."""
    forms = [part.form for part in parts]
    properties: dict[str, Any] = {}
    example: dict[str, Any] = {}
    for form in reversed(forms):
        properties = {**properties, **form.get("properties", {})}
        example |= form["examples"][0]
    names = dict.fromkeys(name for form in forms for name in form.get("properties", {}))
    rules = [rule for form in forms for rule in form.get("allOf", ())]
    return in_order(
        {
            "$schema": SCHEMA,
            "title": title,
            "type": "object",
            "additionalProperties": False,
            "required": list(dict.fromkeys(n for form in forms for n in form.get("required", ()))),
            "properties": {name: properties[name] for name in names},
            "examples": [example],
            **({"allOf": rules} if rules else {}),
        }
    )


def _renamed(value: Any, names: Mapping[str, str], key: str = "") -> Any:
    """Rename fields where a schema speaks of them: in properties, in what is required, in examples."""
    if isinstance(value, list):
        if key == "required":
            return [names.get(name, name) for name in value]
        return [_renamed(part, names, key) for part in value]
    if not isinstance(value, dict):
        return value
    known = names if key in ("properties", "examples") else {}
    return {
        known.get(name, name): _renamed(part, names, "" if known else name)
        for name, part in value.items()
    }


def shared_materials(parts: Mapping[str, Guide]) -> Iterator[dict[str, Any]]:
    """List every material once, as needed as the matter that needs it most, with who asks for it."""
    found: dict[str, list[tuple[str, Material]]] = {}
    for matter, guide in parts.items():
        for material in guide.materials:
            found.setdefault(material.code, []).append((matter, material))
    order = [Necessity.REQUIRED, Necessity.TOLERABLE, Necessity.OPTIONAL]
    for code, asked in found.items():
        material = min((m for _, m in asked), key=lambda m: order.index(m.necessity))
        everywhere = set.intersection(*(set(m.exemptions) for _, m in asked))
        yield {
            "code": code,
            "name": material.name,
            "necessity": material.necessity,
            "exemptions": [e for e in material.exemptions if e in everywhere],
            "matters": [matter for matter, _ in asked],
        }


def asked_for(guide: Guide, answers: frozenset[str]) -> tuple[list[str], list[Material]]:
    """Narrow the materials by the answers given; tell which questions are still open.

    A material that belongs to no situation is always asked for. One that does is asked for when one of
    its options was chosen, and left out once every question with such an option has another answer.
    """
    open_questions, ruled_out = [], set()
    for situation in guide.situations:
        options = {option.code for option in situation.options}
        if not options & answers:
            open_questions.append(situation.question)
        ruled_out |= options - answers if options & answers else set()
    asked = [m for m in guide.materials if not m.situations or set(m.situations) - ruled_out]
    return open_questions, asked
