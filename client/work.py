"""Work without a line: applications are taken here, kept sealed, and handed in when the line is back.

States of an application in the store:

    waiting ── sent to the service ──▶ sending ──▶ sent
       ▲  │                               │
       │  └── its guide changed ──▶ review│── refused ──▶ refused
       └────── the teller confirms, mends ┴───────────────┘ or drops ──▶ dropped

`sending` means that it may have reached the service: until that has told, it is sent again as it is, under the
same key, and nobody changes or drops it. So nothing is lost and nothing is made twice. What is refused holds
up the later applications of the same applicant, and of nobody else.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_core import to_jsonable_python

from client.calls import Application, Calls, body_of, fresh_key
from client.changes import Change, changes
from client.errors import (
    AwayTooLong,
    ClockBehind,
    GuideUnknown,
    NotComplete,
    NotWaiting,
    QueueFull,
    Refused,
    Unsettled,
)
from client.guides import LOCAL, LocalGuide, Shelf, check
from client.later import later
from client.store import OPEN, Row, Store
from client.uploads import Source, source_of
from schemas.problems import ProblemFault

if TYPE_CHECKING:
    import schemas.terminals
else:
    schemas = later("terminals")

CHINA = timezone(timedelta(hours=8))
BACK = timedelta(minutes=5)
"""By how much a clock may be set back without anybody minding."""

NUMBERS = 100
"""Numbers that are kept at hand, unless the caller says otherwise."""

CONTACT, LIMITS, OUTLET, MARK, AHEAD, SEEN = "contact", "limits", "outlet", "mark", "ahead", "seen"
"""Facts: the last contact, what the service allows, where we are, how far the copy goes, by how much the
service's clock is before ours, and the latest time that was shown."""

Scans = Mapping[str, bytes | Path | Source]
"""Scans by the code of their material."""


class Receipt(NamedTuple):
    """What the applicant is given: the final number, also without a line."""

    id: int
    number: str
    query_code: str
    captured_at: datetime
    guide_version: int


class Waiting(NamedTuple):
    """An application in the store, as the teller sees it."""

    id: int
    number: str
    matter: str
    name: str
    teller: str
    state: str
    captured_at: datetime
    tries: int
    problem: str
    """In words, where it is refused or in review."""
    code: str
    errors: list[ProblemFault]
    changes: list[Change]
    outcome: str | None
    """The state that the service gave it, once it was sent."""


class Work:
    """What a terminal does by itself. Both queues are this, and differ only in how they reach the service."""

    def __init__(self, client: Calls, store: Store, *, numbers: int = NUMBERS) -> None:
        self.client, self.store = client, store
        self.line = client.line
        self.stock = numbers
        """Numbers that are kept at hand, as far as the service lets them be had."""
        self.shelf = Shelf(store)
        client.ahead = float(store.fact(AHEAD) or 0.0)

    # Time and limits

    def now(self) -> datetime:
        """Give the time, by the device's clock and what is known of its fault."""
        return datetime.now(UTC).astimezone(CHINA) + timedelta(seconds=self.client.ahead)

    @property
    def limits(self) -> "schemas.terminals.Limits | None":
        """What the service allows a terminal that has no line; None before the first contact."""
        said = self.store.fact(LIMITS)
        return schemas.terminals.Limits.model_validate_json(said) if said is not None else None

    @property
    def contact(self) -> datetime | None:
        """When the service was last reached, by its clock."""
        return _instant(self.store.fact(CONTACT))

    def check_may_take(self) -> None:
        """Tell whether a new application may be taken here.

        Raises:
            AwayTooLong, QueueFull, ClockBehind: what its name says.
        """
        limits, contact, now = self.limits, self.contact, self.now()
        seen = _instant(self.store.fact(SEEN))
        if limits is None or contact is None:
            raise AwayTooLong("the service was never reached")
        if seen is not None and now < seen - BACK:
            raise ClockBehind("the clock was set back: it is set right with the next contact")
        if now - contact > timedelta(days=limits.days_without_contact):
            raise AwayTooLong(f"no contact for {limits.days_without_contact} days")
        if self.store.count(*OPEN) >= limits.queue_length:
            raise QueueFull(f"{limits.queue_length} applications wait")

    # Guides

    def guide(self, matter: str) -> LocalGuide:
        """Give today's guide of a matter out of the terminal's copy.

        Raises:
            GuideUnknown: the copy has none.
        """
        found = self.shelf.on(matter, self.now().date())
        if found is None:
            raise GuideUnknown(matter)
        return found

    def search(self, text: str = "") -> list[LocalGuide]:
        """Find guides in the terminal's copy by name or code."""
        today = self.shelf.all(self.now().date())
        return [
            found
            for found in today
            if any(
                text in said
                for said in (found.guide.name, found.guide.short_name, found.guide.matter)
            )
        ]

    def faults(self, application: Application, scans: Scans | None = None) -> list[ProblemFault]:
        """Find what is wrong with an application, as far as shows here."""
        body = _with_scans(body_of(application), scans or {})
        return check(body, self.guide(str(body.get("matter"))), self.now())

    # Taking

    def take(self, application: Application, scans: Scans | None = None) -> Receipt:
        """Keep an application until it can be handed in; its number is final.

        Scans are given by the code of their material. It is on the disk when this returns.

        Raises:
            AwayTooLong, QueueFull, ClockBehind, NumbersUsedUp: none is taken now.
            GuideUnknown, NotComplete: this one is not; with everything that is wrong.
        """
        self.check_may_take()
        body = _with_scans(body_of(application), scans or {})
        guide, at = self.guide(str(body.get("matter"))), self.now()
        body |= {"guide_version": guide.guide.version, "captured_at": at.isoformat()}
        body.pop("number", None)
        self._check(body, guide, at)
        with self.store.change():
            number, code = self.store.take_number(at.date())
            row = self.store.add(
                {**body, "number": number}, person=_person(body), teller=self.client.teller,
                key=fresh_key(), guide=guide.etag, at=at,
            )  # fmt: skip
            for material, what in (scans or {}).items():
                self.store.add_scan(row.id, material, source_of(what))
            self.store.note(SEEN, at.isoformat())
        return Receipt(row.id, number, code, at, guide.guide.version)

    def _check(self, body: dict[str, Any], guide: LocalGuide, at: datetime) -> None:
        if errors := check(body, guide, at):
            raise NotComplete(errors)

    # What the teller does with what waits

    def applications(self, *states: str) -> list[Waiting]:
        """List what is in the store, in the order in which it was taken."""
        return [self._shown(row) for row in self.store.rows(*states)]

    def filled(self, id_: int) -> dict[str, Any]:
        """Open what was filled in, to be mended."""
        return self.store.body(self._open(id_))

    def receipt(self, id_: int) -> Receipt:
        """Give the receipt of an application again."""
        row = self._known(id_)
        version = self.shelf.by_tag(row.guide)
        return Receipt(
            row.id, row.number, self.store.query_code(row.number),
            datetime.fromisoformat(row.captured_at), version.guide.version if version else 0,
        )  # fmt: skip

    def mend(
        self, id_: int, application: Application, scans: Scans | None = None, *,
        renumber: bool = False,
    ) -> Receipt:  # fmt: skip
        """Put another content in the place of one that was refused, is in review or was never sent.

        It keeps its place among the applicant's, and its number unless that is what was refused (`renumber`):
        then the applicant gets another receipt. Scans that are not named again stay.

        Raises:
            Unsettled, NotWaiting: it can't be changed now, or any more.
            GuideUnknown, NotComplete, NumbersUsedUp: the content is not right either.
        """
        row = self._changeable(id_)
        kept = {scan.material for scan in self.store.scans(id_)}
        body = _with_scans(body_of(application), dict.fromkeys([*kept, *(scans or {})]))
        guide, at = self.guide(str(body.get("matter"))), datetime.fromisoformat(row.captured_at)
        body |= {
            "guide_version": guide.guide.version, "captured_at": row.captured_at, "number": row.number,
        }  # fmt: skip
        self._check(body, guide, at)
        with self.store.change():
            if renumber:
                body["number"], _ = self.store.take_number(self.now().date())
            self._put_scans(id_, scans or {})
            person = self.store.seal.index(_person(body))
            self._renew(row, body, guide, person=person, teller=self.client.teller)
        return self.receipt(id_)

    def confirm(self, id_: int) -> Receipt:
        """Let an application be handed in by the guide that holds now, as it is.

        Raises:
            Unsettled, NotWaiting, GuideUnknown: it can't be.
            NotComplete: the guide asks for more: it has to be mended.
        """
        row = self._changeable(id_)
        body, guide = self.store.body(row), self.guide(row.matter)
        body["guide_version"] = guide.guide.version
        self._check(body, guide, datetime.fromisoformat(row.captured_at))
        with self.store.change():
            self._renew(row, body, guide, teller=self.client.teller)
        return self.receipt(id_)

    def drop(self, id_: int) -> None:
        """Give an application up; what was filled in is erased.

        Raises:
            Unsettled, NotWaiting: it can't be.
        """
        self._changeable(id_)
        with self.store.change():
            self.store.update(id_, state="dropped", told=None)
            self.store.forget(id_)

    def _renew(self, row: Row, body: dict[str, Any], guide: LocalGuide, **columns: Any) -> None:
        """Let it wait with another content, under a key that no content was ever sent with."""
        self.store.update(
            row.id, state="waiting", told=None, key=fresh_key(), guide=guide.etag,
            matter=body["matter"], number=body["number"],
            sealed=self.store.sealed(row.id, body), **columns,
        )  # fmt: skip

    def _put_scans(self, id_: int, scans: Scans) -> None:
        for material, what in scans.items():
            for old in self.store.scans(id_):
                if old.material == material:
                    self.store.drop_scan(old.id)
            self.store.add_scan(id_, material, source_of(what))

    def _known(self, id_: int) -> Row:
        try:
            return self.store.get(id_)
        except KeyError:
            raise NotWaiting(str(id_)) from None

    def _open(self, id_: int) -> Row:
        row = self._known(id_)
        if row.sealed is None:
            raise NotWaiting(row.state)
        return row

    def _changeable(self, id_: int) -> Row:
        row = self._open(id_)
        if row.state == "sending":
            raise Unsettled("it was sent, and no answer came: the next contact settles it")
        return row

    # Guides that changed meanwhile

    def review(self) -> list[Waiting]:
        """Hold what waits against the guides of today.

        What was filled in by a guide that is not in force any more goes on by itself where nothing is otherwise
        for it; else it stays until the teller has seen what is, and confirms or mends it.
        """
        for row in self.store.rows("waiting", "review"):
            with self.store.change():
                self._review(row)
        return self.applications("review")

    def _review(self, row: Row) -> None:
        guide = self.shelf.on(row.matter, self.now().date())
        if guide is not None and guide.etag == row.guide:
            if row.state == "review":  # What had changed was taken back.
                self.store.update(row.id, state="waiting", told=None)
            return
        before = self.shelf.by_tag(row.guide)
        found = changes(before.guide, guide.guide if guide else None) if before else [LOST]
        body = self.store.body(row)
        errors = check(body, guide, datetime.fromisoformat(row.captured_at)) if guide else []
        if guide is not None and not found and not errors:
            self._renew(row, {**body, "guide_version": guide.guide.version}, guide)
        else:
            self._tell(row.id, "review", Told(SUPERSEDED, "", errors, found))

    def _tell(self, id_: int, state: str, told: "Told") -> None:
        self.store.update(id_, state=state, told=told.dump())

    def _refuse(self, row: Row, refusal: Refused) -> None:
        told = Told(
            refusal.problem.detail or refusal.problem.title,
            refusal.problem.code,
            refusal.errors,
            [],
        )
        self._tell(row.id, "refused", told)

    def _shown(self, row: Row) -> Waiting:
        told = Told.load(row.told)
        guide = self.shelf.by_tag(row.guide)
        return Waiting(
            row.id, row.number, row.matter, guide.guide.name if guide else row.matter, row.teller,
            row.state, datetime.fromisoformat(row.captured_at), row.tries, told.problem, told.code,
            told.errors, told.changes, told.outcome,
        )  # fmt: skip


SUPERSEDED = "办理指南在等待期间有更新，请核对后确认或者修改"
LOST = Change("unknown", "", "填写时所用的指南已不在本机，请重新核对")


class Told(NamedTuple):
    """What is told of an application: kept as JSON, with nothing of what was filled in."""

    problem: str = ""
    code: str = ""
    errors: list[ProblemFault] = []  # noqa: RUF012 -- a tuple's default is never changed
    changes: list[Change] = []  # noqa: RUF012
    outcome: str | None = None

    def dump(self) -> str:
        """Write it."""
        return json.dumps(to_jsonable_python(self._asdict()), ensure_ascii=False)

    @classmethod
    def load(cls, text: str | None) -> "Told":
        """Read it."""
        if text is None:
            return cls()
        said = json.loads(text)
        said["errors"] = [ProblemFault(**one) for one in said["errors"]]
        said["changes"] = [Change(*one) for one in said["changes"]]
        return cls(**said)


def _with_scans(body: dict[str, Any], scans: Mapping[str, Any]) -> dict[str, Any]:
    """Name scans as materials: where they lie, until they are files of the service."""
    others = [m for m in body.get("materials", []) if m.get("code") not in scans]
    return {**body, "materials": [*others, *({"code": c, "file": LOCAL + c} for c in scans)]}


def _person(body: Mapping[str, Any]) -> str:
    """Name the applicant by whose order applications go."""
    applicant = body["applicant"]
    number = applicant.get("id_number") or applicant.get("credit_code") or ""
    return f"{applicant.get('id_type', 'organization')}:{number.strip().upper()}"


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
