"""Applications for `bench.fill`: a realistic mix, as PostgreSQL's binary COPY wants them.

What differs from row to row (number, key, keyed hashes, sealed bytes, instants) is written for each; the
rest is the same for many (a place; a matter, day and state) and is written once. Every row is sealed for
its own number, so that any of them opens through the API.
"""

import hashlib
import random
import struct
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

import orjson

from applications.changes import DELIVERED_WITHIN, FILED_AFTER
from applications.clocks import DARK, Due, Told, due, told_of
from applications.draft import SEALED
from applications.numbers import number
from applications.views import RESULT
from bench.load import id_number
from cli.load import shipped_guide
from kit.clock import day_of, today
from kit.crypto import KeyRing
from kit.workdays import Workdays
from schemas.guides import Guide

DAYS = 180
"""The applications spread over so many days, the last of them today."""

LARGE_SHARE = 0.30
"""Of the one large outlet."""

APPLICANTS = 3_000_000
"""Persons who come again and again."""

SHARES = {
    "332014901008": 30, "332014901019": 15, "332014901011": 12, "332014901012": 3,
    "332014901001": 12, "332014901009": 7, "332014901010": 3, "332014901002": 8,
    "332014901003": 4, "332014901004": 3, "332014901013": 1.5, "332014901014": 0.5,
    "332014901015": 0.9, "332014901016": 0.1,
}  # fmt: skip
"""Matters, in the hundred: record prints, proofs of life, cards, flexible workers, changes, residents,
pensions, endings, unemployment, others."""

CARD, WAITED = "332014901011", 10 * 86400.0
"""What waits to be claimed: applications for a card, promised in ten working days, of the last ten days."""

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = struct.pack("!h", -1)
NULL = struct.pack("!i", -1)
VARCHAR_OID, JSONB_VERSION = 1043, b"\x01"
CHUNK = 1 << 20

OWN = (
    "number", "idempotency_key", "body_digest", "subject_index", "sealed", "result_sealed",
    "received_at", "accepted_at", "completed_at",
)  # fmt: skip
OF_PLACE = (
    "submitter", "outlet", "teller", "agency", "accepted_by", "reviewed_by", "second_reviewed_by",
    "decided_by", "claimed_by", "claimed_until", "captured_at",
)  # fmt: skip
OF_KIND = (
    "matter", "guide_version", "step", "risk_class", "state", "version", "legal_due_on",
    "promised_due_on", "due_provisional", "calendar_generation", "due_on", "yellow_on", "red_on",
    "overdue_on", "light_told", "light_until", "outcome", "documents", "materials",
)  # fmt: skip
COLUMNS = (*OWN, *OF_PLACE, *OF_KIND)
HEAD = struct.pack("!h", len(COLUMNS))


class Seat(NamedTuple):
    """A terminal at an outlet, and which agency its applications go to."""

    terminal: str
    outlet: str
    agency: str


class Stage(NamedTuple):
    """How far an application has come."""

    state: str
    version: int
    documents: tuple[str, ...]
    accepted: bool = True
    reviewed: bool = False
    completed: bool = False


FILED = 6
"""Days after which what was delivered lies in the archive: no more than its working days last at least."""

WITHIN = {"completed": DELIVERED_WITHIN, "delivered": FILED_AFTER}

STAGES = {
    "received": Stage("received", 1, ("REC",), accepted=False),
    "accepted": Stage("accepted", 1, ("REC", "ACP")),
    "in_review": Stage("in_review", 2, ("REC", "ACP"), reviewed=True),
    "in_second_review": Stage("in_second_review", 3, ("REC", "ACP"), reviewed=True),
    "in_approval": Stage("in_approval", 4, ("REC", "ACP"), reviewed=True),
    "correction": Stage("correction", 2, ("REC", "SGZ"), accepted=False),
    "completed": Stage("completed", 3, ("REC", "ACP", "STL"), reviewed=True, completed=True),
    "delivered": Stage("delivered", 4, ("REC", "ACP", "STL", "RCH"), reviewed=True, completed=True),
    "archived": Stage("archived", 5, ("REC", "ACP", "STL", "RCH"), reviewed=True, completed=True),
    "refused": Stage("refused", 2, ("REC", "NGA"), accepted=False),
    "returned": Stage("returned", 3, ("REC", "SGZ"), accepted=False),
    "withdrawn": Stage("withdrawn", 2, ("REC", "ACP")),
    "voided": Stage("voided", 2, ("REC",), accepted=False),
}


@dataclass(frozen=True)
class Model:
    """A matter as rows of it are written."""

    guide: Guide
    version: int
    plain: tuple[bytes, bytes]
    """What is sealed, before and after the applicant's number."""
    materials: bytes

    @classmethod
    def read(cls, matter: str) -> "Model":
        """Read a matter's guide; materials are those that it lets be exempt."""
        shipped = shipped_guide(matter)
        guide = shipped.guide
        materials = [
            {"code": m.code, "file": None, "exemption": m.exemptions[0], "promised_by": None}
            for m in guide.materials
            if m.necessity != "optional" and m.exemptions
        ]
        before, after = orjson.dumps(_contents(guide.model_dump(mode="json"))).split(b"@")
        return cls(guide, shipped.version, (before, after), orjson.dumps(materials))


def _contents(guide: dict[str, Any]) -> dict[str, Any]:
    applicant = {
        "kind": "person", "name": "测试甲", "id_type": "resident_id", "id_number": "@",
        "phone": "13900000001",
    }  # fmt: skip
    form = guide["form_schema"]["examples"][0]
    return {"applicant": applicant, "subject": None, "proxy": None, "form": form}


def field(data: bytes) -> bytes:
    """Write a field: its length, then it."""
    return struct.pack("!i", len(data)) + data


def text(value: str | None) -> bytes:
    """Write a text."""
    return NULL if value is None else field(value.encode())


def day(value: date | None) -> bytes:
    """Write a day."""
    return NULL if value is None else struct.pack("!ii", 4, (value - EPOCH.date()).days)


def instant(seconds: float | None) -> bytes:
    """Write an instant, given in seconds since 2000."""
    return NULL if seconds is None else struct.pack("!iq", 8, int(seconds * 1e6))


def texts(values: Sequence[str]) -> bytes:
    """Write an array of texts."""
    head = struct.pack("!iiiii", 1, 0, VARCHAR_OID, len(values), 1)
    return field(head + b"".join(map(text, values)))


class Rows:
    """Makes rows, the oldest first; the same ones for the same seed but for what is random in a seal."""

    def __init__(self, keys: KeyRing, workdays: Workdays, large: list[Seat], others: list[Seat]):
        self._keys, self._workdays, self._large, self._others = keys, workdays, large, others
        self._chance = random.Random(0)
        self._models = {code: Model.read(code) for code in SHARES}
        self._codes, self._weights = list(SHARES), list(accumulate(SHARES.values()))
        self._ids = [id_number(serial).encode() for serial in range(999)]
        self._place = lru_cache(maxsize=200_000)(self._make_place)
        self._kind = lru_cache(maxsize=200_000)(self._make_kind)

    def chunks(self, count: int, waiting: int, end: datetime) -> Iterator[bytes]:
        """Give `count` rows of the mix, then `waiting` that wait at the large outlet, in large pieces."""
        parts, size = [SIGNATURE], 0
        for row in self._all(count, waiting, (end - EPOCH).total_seconds()):
            parts.append(row)
            size += len(row)
            if size > CHUNK:
                yield b"".join(parts)
                parts, size = [], 0
        yield b"".join((*parts, END))

    def _all(self, count: int, waiting: int, end: float) -> Iterator[bytes]:
        span = DAYS * 86400.0
        start, chance = end - span - 60, self._chance
        for nth in range(count):
            at = start + span * nth / count
            seats = self._large if chance.random() < LARGE_SHARE else self._others
            matter = chance.choices(self._codes, cum_weights=self._weights)[0]
            model = self._models[matter]
            stage = self._stage((end - at) / 86400, model.guide)
            yield self._row(nth, at, chance.choice(seats), matter, stage)
        for nth in range(waiting):
            at = end - WAITED * (1 - nth / waiting) - 60
            seat = self._large[nth % len(self._large)]
            yield self._row(count + nth, at, seat, CARD, STAGES["accepted"])

    def _stage(self, age: float, guide: Guide) -> Stage:
        """Draw how far an application of an age in days has come: 0.3 % stay behind."""
        drawn, progress = self._chance.random(), self._chance.random()
        if drawn < 0.055:
            left = "refused" if drawn < 0.03 else "withdrawn" if drawn < 0.05 else "returned"
            return STAGES[left if age > 1 else "received"]
        if drawn < 0.056:
            return STAGES["voided"]
        if drawn < 0.15 and age < 10 * progress:
            return STAGES["correction"]
        if drawn > 0.997 or age < guide.promised_limit.value * 1.5 * progress:
            return self._working(guide)
        if age > FILED:
            return STAGES["archived"]
        return STAGES["delivered" if age > 3 or progress < 0.5 else "completed"]

    def _working(self, guide: Guide) -> Stage:
        risk = guide.steps[0].risk_class
        names = ("received", "accepted", "in_review", "in_second_review", "in_approval")
        return STAGES[self._chance.choices(names[: 2 + risk], (1, 6, 2, 1, 1)[: 2 + risk])[0]]

    def _row(self, nth: int, at: float, seat: Seat, matter: str, stage: Stage) -> bytes:
        model, on = self._models[matter], _day(int(at) // 3600)
        named = number(seat.outlet, on, nth)
        mark = hashlib.sha256(b"%d" % (nth * 2654435761 % APPLICANTS)).digest()
        plain = self._ids[nth % 999].join(model.plain)
        result = NULL
        if stage.completed:
            sealed = self._keys.seal(b'{"number":"S-1"}', bound_to=f"{RESULT}:{named}")
            result = field(sealed)
        return b"".join((
            HEAD,
            field(named.encode()), field(b"fill-%012d" % nth), field(mark[::-1]), field(mark),
            field(self._keys.seal(plain, bound_to=f"{SEALED}:{named}")), result,
            instant(at), instant(at if stage.accepted else None),
            instant(at + 7200 if stage.completed else None),
            self._place(seat, stage), self._kind(matter, on, stage),
        ))  # fmt: skip

    def _make_place(self, seat: Seat, stage: Stage) -> bytes:
        teller, reviewer = f"teller:{seat.outlet}-01", f"person:reviewer-{seat.agency}"
        second = f"person:second-{seat.agency}" if stage.state == "in_approval" else None
        return b"".join((
            text(seat.terminal), text(seat.outlet), text(f"{seat.outlet}-01"), text(seat.agency),
            text(teller if stage.accepted else None), text(reviewer if stage.reviewed else None),
            text(second), text(reviewer if stage.completed else None), NULL, NULL, NULL,
        ))  # fmt: skip

    def _make_kind(self, matter: str, on: date, stage: Stage) -> bytes:
        model = self._models[matter]
        noon = datetime(on.year, on.month, on.day, 4, tzinfo=UTC)
        clocks = due(model.guide, self._workdays, noon, noon if stage.accepted else None)
        if stage.state in WITHIN:  # The working days of the applicant, or of the file, count now.
            clocks = clocks._replace(due_on=self._workdays.after(on, WITHIN[stage.state]))
        return b"".join((
            text(matter), struct.pack("!ii", 4, model.version), struct.pack("!ih", 2, 1),
            struct.pack("!ih", 2, model.guide.steps[0].risk_class), text(stage.state),
            struct.pack("!ii", 4, stage.version), *_days(clocks), *_light(clocks, stage.state),
            text("granted" if stage.completed else None), texts(stage.documents),
            field(JSONB_VERSION + model.materials),
        ))  # fmt: skip


def _days(clocks: Due) -> Iterator[bytes]:
    yield day(clocks.legal_due_on)
    yield day(clocks.promised_due_on)
    yield struct.pack("!i?", 1, clocks.due_provisional)
    yield struct.pack("!iq", 8, 1)
    for value in (clocks.due_on, clocks.yellow_on, clocks.red_on, clocks.overdue_on):
        yield day(value)


def _light(clocks: Due, state: str) -> Iterator[bytes]:
    known = Told() if state in DARK else told_of(clocks, today())
    yield struct.pack("!ih", 2, known.light_told)
    yield day(known.light_until)


@lru_cache(maxsize=10_000)
def _day(hours: int) -> date:
    """Give the day in China of an hour since 2000."""
    return day_of(EPOCH + timedelta(hours=hours))


def terminal_of(outlet: str) -> str:
    """Give an outlet that has none a terminal that never calls."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, outlet))
