"""A submission made ready to be written: the row's values, sealed, before any statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple

import orjson

from access.callers import Caller
from applications.actions import SYSTEM
from applications.clocks import Due, due, told_of
from applications.desk import Desk
from applications.numbers import number
from kit.clock import CHINA, day_of
from kit.crypto import KeyRing
from kit.once import Once
from kit.workdays import Workdays
from matters.compiled import CompiledGuide
from schemas.applications import ApplicationSubmit, HandedIn, Organization, State
from schemas.guides import Exemption

SEALED, DIGEST = "application.sealed", "body"

HOLD = timedelta(seconds=45)
"""How long an application is held for its core: longer than any call, and lapsed within a minute."""


@dataclass(slots=True)
class Draft:
    """The columns of a new application, by their names.

    Nobody changes one; that it is not frozen spares thirty calls for each that is made.
    """

    number: str
    submitter: str
    idempotency_key: str
    body_digest: bytes
    matter: str
    guide_version: int
    outlet: str
    teller: str
    agency: str
    risk_class: int
    state: str
    received_at: datetime
    captured_at: datetime | None
    accepted_at: datetime | None
    legal_due_on: date | None
    promised_due_on: date | None
    due_provisional: bool
    calendar_generation: int
    due_on: date
    yellow_on: date
    red_on: date
    overdue_on: date | None
    step_due_on: date | None
    light_told: int
    light_until: date
    accepted_by: str | None
    documents: list[str]
    materials: str
    subject_index: bytes
    sealed: bytes
    actor: str
    files: list[str]
    pooled: bool = False
    reserved: bool = False
    """The number is one that the terminal reserved: it is that one or none."""
    core: str | None = None
    """The agency's core system that completes it (applications.instant)."""
    held_until: datetime | None = None
    """Until when it is held for that core; none: a worker asks it."""

    # What a row has as well, and a new one has not: a draft is shown as the row it becomes.
    step: ClassVar[int] = 1
    version: ClassVar[int] = 1
    decided_by: ClassVar[str | None] = None
    outcome: ClassVar[str | None] = None
    completed_at: ClassVar[datetime | None] = None
    reviewed_by: ClassVar[str | None] = None
    second_reviewed_by: ClassVar[str | None] = None
    corrected_at: ClassVar[datetime | None] = None
    supplied_at: ClassVar[datetime | None] = None
    stopped_at: ClassVar[datetime | None] = None
    extended_days: ClassVar[int] = 0
    proposal: ClassVar[str | None] = None
    past_steps: ClassVar[Sequence[Mapping[str, Any]]] = ()
    barred: ClassVar[Sequence[str]] = ()
    result_sealed: ClassVar[bytes | None] = None

    def likeness(self) -> tuple[object, ...]:
        """Give all by which it is shown, but its own number: documents and files follow from the rest."""
        return _likeness(self)

    @property
    def claimed_by(self) -> str | None:
        """Who holds it, as the row has it."""
        return None if self.held_until is None else SYSTEM.id

    @property
    def claimed_until(self) -> datetime | None:
        """Until when."""
        return self.held_until


OWN = frozenset(
    {
        "number", "idempotency_key", "body_digest", "subject_index", "sealed", "reserved",
        "documents", "files",
    }
)  # fmt: skip
_likeness = attrgetter(*(column.name for column in fields(Draft) if column.name not in OWN))


def papers(state: State, handed: Sequence[HandedIn]) -> list[str]:
    """List the documents that a submission makes (9A.1): receipt, and acceptance where it is accepted."""
    if state is not State.ACCEPTED:
        return ["REC"]
    return ["REC", "ACP", *pledges([material(item) for item in handed])]


def pledges(materials: Sequence[Mapping[str, Any]]) -> list[str]:
    """List what an acceptance rests on: a promise of what follows, the applicant's word."""
    tolerant = any(item["promised_by"] for item in materials)
    committed = any(item["exemption"] == Exemption.COMMITMENT for item in materials)
    return ["TOL"] * tolerant + ["COM"] * committed


class Shared(Once):
    """What the applications of one call share, worked out once: one teller hands them in, at one moment."""


class Filing(NamedTuple):
    """A submission as it came: who, what, under which key, when."""

    caller: Caller
    wanted: ApplicationSubmit
    key: str
    canonical: bytes
    """The body as parsed and key-sorted."""
    at: datetime
    shared: Shared
    """Of the call with which it came; its caller and moment are those of all who share it."""
    kept: bool = False
    """One of many: what a core completes at once is left to the background process."""


def make(
    filing: Filing,
    guide: CompiledGuide,
    desk: Desk,
    *,
    agency: str,
    accept: bool,
    numbered: str,
    pooled: bool,
    core: str | None,
) -> Draft:
    """Make the row of a submission that has passed all checks."""
    wanted = filing.wanted
    materials = orjson.dumps([material(item) for item in wanted.materials]).decode()
    common = filing.shared.once(
        (guide, agency, accept, pooled, core, wanted.captured_at, materials),
        lambda: _common(filing, guide, desk, agency, accept=accept, pooled=pooled, core=core),
    )
    return Draft(
        number=numbered,
        idempotency_key=filing.key,
        body_digest=desk.keys.mac(DIGEST, filing.canonical),
        subject_index=subject_index(desk.keys, identity(wanted)),
        sealed=sealed(desk.keys, numbered, contents(wanted)),
        reserved=wanted.number is not None,
        materials=materials,
        **common,
    )


def _common(
    filing: Filing,
    guide: CompiledGuide,
    desk: Desk,
    agency: str,
    *,
    accept: bool,
    pooled: bool,
    core: str | None,
) -> dict[str, Any]:
    """Work out the columns in which all that a teller hands in at once for the same end are alike."""
    caller, wanted, now = filing.caller, filing.wanted, filing.at
    if caller.outlet is None or caller.terminal is None or caller.teller is None:
        raise TypeError("only a teller at a terminal hands in")
    state = State.ACCEPTED if accept else State.RECEIVED
    clocks = _due_when_made(guide, desk.calendar.workdays, day_of(now), accept=accept)
    return {
        "submitter": caller.terminal,
        "matter": guide.matter,
        "guide_version": guide.version,
        "outlet": caller.outlet,
        "teller": caller.teller,
        "agency": agency,
        "risk_class": guide.guide.steps[0].risk_class,
        "state": state,
        "received_at": now,
        "captured_at": wanted.captured_at,
        "accepted_at": now if accept else None,
        "calendar_generation": desk.calendar.generation,
        "accepted_by": caller.id if accept else None,
        "documents": papers(state, wanted.materials),
        "actor": caller.id,
        "pooled": pooled,
        "core": core,
        "held_until": now + HOLD if core is not None and not filing.kept else None,
        "files": [item.file for item in wanted.materials if item.file is not None],
        **clocks._asdict(),
        **told_of(clocks, day_of(now))._asdict(),
    }


@lru_cache(maxsize=512)
def _due_when_made(guide: CompiledGuide, workdays: Workdays, day: date, *, accept: bool) -> Due:
    """Work out the limits of what is handed in on a day: those of a guide are the same until midnight."""
    noon = datetime.combine(day, time(12), CHINA)
    return due(guide.guide, workdays, noon, noon if accept else None)


def renumbered(draft: Draft, keys: KeyRing, serial: int) -> Draft:
    """Give a draft another number, and seal it for that: sealed bytes open at their own number only."""
    fresh = number(draft.outlet, day_of(draft.received_at), serial)
    plain = keys.open(draft.sealed, bound_to=f"{SEALED}:{draft.number}")
    return replace(draft, number=fresh, sealed=keys.seal(plain, bound_to=f"{SEALED}:{fresh}"))


def sealed(keys: KeyRing, number: str, plain: dict[str, Any]) -> bytes:
    """Seal what an application holds."""
    return keys.seal(orjson.dumps(plain), bound_to=f"{SEALED}:{number}")


def opened(keys: KeyRing, number: str, sealed: bytes) -> dict[str, Any]:
    """Open what an application holds."""
    plain: dict[str, Any] = orjson.loads(keys.open(sealed, bound_to=f"{SEALED}:{number}"))
    return plain


def contents(wanted: ApplicationSubmit) -> dict[str, Any]:
    """Gather what is personal."""
    return {
        "applicant": wanted.applicant.model_dump(mode="json"),
        "subject": wanted.subject.model_dump(mode="json") if wanted.subject else None,
        "proxy": wanted.proxy.model_dump(mode="json") if wanted.proxy else None,
        "form": wanted.form,
    }


def identity(wanted: ApplicationSubmit) -> str:
    """Give the number of whom the application is about: rights and routing follow the subject."""
    if wanted.subject is not None:
        return wanted.subject.id_number
    if isinstance(wanted.applicant, Organization):
        return wanted.applicant.credit_code
    return wanted.applicant.id_number


def subject_index(keys: KeyRing, id_number: str) -> bytes:
    """Hash an identity number under the current key, for search."""
    return keys.mac("subject", id_number.upper().encode())


def subject_indexes(keys: KeyRing, id_number: str) -> list[bytes]:
    """Hash an identity number under every key: what is looked for may have been hashed under an older one."""
    return keys.each("subject", id_number.upper().encode())


def reindexed(keys: KeyRing, plain: bytes) -> Mapping[str, bytes]:
    """Hash anew what is searched for, when contents are sealed under another key."""
    held = orjson.loads(plain)
    person = held["subject"] or held["applicant"]
    number = person["id_number"] if "id_number" in person else person["credit_code"]
    return {"subject_index": subject_index(keys, number)}


def material(item: HandedIn) -> dict[str, Any]:
    """Write a material as the row keeps it."""
    return {
        "code": item.code,
        "file": item.file,
        "exemption": item.exemption,
        "promised_by": item.promised_by.isoformat() if item.promised_by else None,
    }
