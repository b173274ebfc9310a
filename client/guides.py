"""Guides as a terminal holds them: what they ask for, and what is wrong with an application."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from client.later import later
from client.store import Store
from schemas.problems import Fault, ProblemFault

if TYPE_CHECKING:
    import schemas.applications
    import schemas.checks
    import schemas.forms
    import schemas.guides
    from schemas.guides import GuideView, Material
else:
    schemas = later("applications", "checks", "forms", "guides")

LOCAL = "local:"
"""Begins the place of a scan that lies in the terminal's store."""


class LocalGuide(NamedTuple):
    """A guide with its form compiled."""

    etag: str
    guide: GuideView
    form: Any
    materials: dict[str, Material]
    required: tuple[str, ...]
    titles: dict[str, str]

    def form_faults(self, form: dict[str, Any]) -> list[Fault]:
        """Find every place where a filled form breaks its schema, in the service's words."""
        return schemas.forms.form_faults(self.form.iter_errors(form), self.titles)


def compiled(etag: str, body: bytes) -> LocalGuide:
    """Make a guide ready for use; patterns run in linear time, nothing is fetched."""
    import jsonschema_rs  # noqa: PLC0415 -- not before a form is checked

    guide = schemas.guides.GuideView.model_validate_json(body)
    form = jsonschema_rs.Draft202012Validator(
        guide.form_schema, validate_formats=True, offline=True,
        pattern_options=jsonschema_rs.RegexOptions(),
    )  # fmt: skip
    required = tuple(
        m.code for m in guide.materials if m.necessity is not schemas.guides.Necessity.OPTIONAL
    )
    by_code = {material.code: material for material in guide.materials}
    return LocalGuide(etag, guide, form, by_code, required, schemas.forms.titles(guide.form_schema))


class Shelf:
    """The guides of a store; those in use stay compiled."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._compiled = lru_cache(maxsize=64)(self._compile)

    def _compile(self, etag: str) -> LocalGuide | None:
        body = self._store.guide_body(etag)
        return compiled(etag, body) if body is not None else None

    def by_tag(self, etag: str) -> LocalGuide | None:
        """Give a guide by its tag, also one that is out of force."""
        return self._compiled(etag)

    def on(self, matter: str, day: date) -> LocalGuide | None:
        """Give the guide of a matter on a day."""
        etag = self._store.guide_tag(matter, day)
        return self._compiled(etag) if etag is not None else None

    def all(self, day: date) -> list[LocalGuide]:
        """List every guide that holds on a day."""
        found = (self.on(matter, day) for matter in self._store.matters())
        return [guide for guide in found if guide is not None]


def check(
    body: dict[str, Any], guide: LocalGuide, at: datetime, latest: date | None = None
) -> list[ProblemFault]:
    """Find all that shows at the terminal: shape, or content as the service would tell it."""
    try:
        wanted = schemas.applications.ApplicationSubmit.model_validate(body)
    except ValidationError as error:
        return [_shape(one) for one in error.errors()]
    day = (at + timedelta(hours=8) - (at.utcoffset() or timedelta())).date()
    bounds = schemas.checks.Bounds(day, latest, lambda file: file.startswith(LOCAL))
    faults: Sequence[Fault] = [
        *schemas.checks.said_faults(wanted, at),
        *schemas.checks.people_faults(wanted, guide, day),
        *schemas.checks.set_faults(wanted.form, wanted.materials, guide, bounds),
    ]
    return [ProblemFault(at=f.at, rule=f.rule, message=f.message.zh) for f in faults]


TAGS = frozenset({"person", "organization"})
"""Names that pydantic puts into a place where a body has none."""


def _shape(error: Any) -> ProblemFault:
    path = [str(part) for part in error["loc"] if part not in TAGS]
    words = "缺少必填字段" if error["type"] == "missing" else "类型或格式不对"
    return ProblemFault(at="".join(f"/{p}" for p in path), rule=error["type"], message=words)
