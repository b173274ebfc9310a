"""What can be done in supervision. No HTTP, no commit, no SQL."""

import secrets
from collections.abc import Iterator
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from access.policy import May
from applications import telling
from applications.actions import Case
from applications.desk import Desk
from applications.models import Application
from events import service as events
from kit.clock import day_of, now
from supervision import queries
from supervision.errors import CheckedBySame, SupervisionNotAllowed, SupervisionStale
from supervision.models import Order, SpotCheck, Stratum
from supervision.queries import Decided

CHUNK, WINDOW = 200, 1000

EVERY = MappingProxyType({"matter": 20, "outlet": 20})
"""Of so many that one person alone decided, of a matter and from an outlet, one is checked."""

FINDING, CORRECTION, ANSWER = (
    "spot_check.finding_sealed", "spot_check.correction_sealed", "supervision_order.answer_sealed",
)  # fmt: skip
Key = tuple[str, str, str]


async def order(session: AsyncSession, at: datetime, limit: int = CHUNK) -> int:
    """Tell of what has turned red or gone past it; give how many orders that made."""
    return await queries.order(session, at, day_of(at), limit)


async def draw(session: AsyncSession, at: datetime, window: int = WINDOW) -> int:
    """Look through the next events and draw what is to be checked; give how many events there were.

    The mark is held meanwhile, and kept with what is drawn: nothing is looked at twice or passed over.
    """
    mark = await queries.hold_mark(session)
    upto = await queries.last_told(session, mark.seq, window) if mark is not None else None
    if mark is None or upto is None:
        return 0
    found = await queries.decided(session, mark.seq, upto)
    for row in await _drawn(session, found, at):
        session.add(row)
    seen, mark.seq = upto - mark.seq, upto
    session.add(mark)
    await session.flush()
    return seen


async def _drawn(session: AsyncSession, found: list[Decided], at: datetime) -> list[SpotCheck]:
    alone = [one for one in found if one.alone]
    keys = {key for one in alone for key in _keys(one)}
    strata = await queries.strata(session, keys) if keys else {}
    drawn = []
    for one in found:
        reason = _reason(one, strata)
        if reason is not None:
            drawn.append(SpotCheck(
                at=at, application=one.number, agency=one.agency, outlet=one.outlet,
                matter=one.matter, reason=reason,
            ))  # fmt: skip
    session.add_all(strata.values())
    return drawn


def _keys(one: Decided) -> Iterator[Key]:
    yield (one.agency, "matter", one.matter)
    yield (one.agency, "outlet", one.outlet)


def _reason(one: Decided, strata: dict[Key, Stratum]) -> str | None:
    """Tell why it is drawn: by lot, or since it rests on the applicant's word; None: it is not."""
    lots = [key[1] for key in _keys(one) if one.alone and _by_lot(key, strata)]
    return next(iter(lots), None) or ("commitment" if "COM" in one.documents else None)


def _by_lot(key: Key, strata: dict[Key, Stratum]) -> bool:
    """Count one more in its stratum; of each so many one is taken, and nobody knows which."""
    agency, kind, name = key
    stratum = strata.setdefault(key, Stratum(agency=agency, kind=kind, key=name))
    nth = stratum.decided % EVERY[kind]
    if nth == 0:
        stratum.drawn = secrets.randbelow(EVERY[kind])
    stratum.decided += 1
    return nth == stratum.drawn


class Step(NamedTuple):
    """What can be done with a check: from which state, to which, by whom; what the application is told."""

    source: str
    target: str
    may: May
    kind: str


STEPS = MappingProxyType(
    {
        "confirm": Step("open", "fine", May.CHECK_DO, "application.checked"),
        "report": Step("open", "finding", May.CHECK_DO, "application.fault_found"),
        "correct": Step("finding", "corrected", May.CHECK_CORRECT, "application.corrected"),
    }
)
"""Who checks reports; who answers for the agency puts right, and records how. Nothing is reopened."""


def open_steps(row: SpotCheck, caller: Caller) -> list[str]:
    """List what the caller may do with a check now, as far as the check itself tells."""
    return [
        name for name, step in STEPS.items()
        if step.source == row.state and caller.id != row.checked_by
        and caller.reach(step.may).covers(outlet="", agency=row.agency)
    ]  # fmt: skip


async def act(
    session: AsyncSession, desk: Desk, caller: Caller, row: SpotCheck, action: str, text: str | None,
    version: int,
) -> SpotCheck:  # fmt: skip
    """Take a step of a check; the application's history tells of it.

    Raises:
        SupervisionStale: it has changed since `version`.
        SupervisionNotAllowed: it stands where this can't be done.
        CheckedBySame: the caller handled the application, or found the fault.
    """
    step, at = STEPS[action], now()
    if row.version != version:
        raise SupervisionStale(version=row.version)
    if action not in open_steps(row, caller):
        same = step.source == row.state and caller.id == row.checked_by
        raise (CheckedBySame if same else SupervisionNotAllowed)(
            actions=open_steps(row, caller), state=row.state
        )
    application = await queries.held_application(session, row.application)
    if action != "correct" and caller.id in _handlers(application):
        raise CheckedBySame()
    _settle(row, step, caller, at)
    _keep(row, desk, action, text)
    session.add(row)
    case = Case(application, caller, desk, at)
    made = telling.event(case, step.kind, spot_check=row.id, reason=row.reason)
    await events.append(session, made, text=_words(text), keys=desk.keys)
    return row


def _handlers(row: Application) -> set[str | None]:
    return {row.accepted_by, row.reviewed_by, row.second_reviewed_by, row.decided_by}


def _settle(row: SpotCheck, step: Step, caller: Caller, at: datetime) -> None:
    row.state = step.target
    row.version += 1
    if step.target == "corrected":
        row.corrected_at, row.corrected_by = at, caller.id
    else:
        row.checked_at, row.checked_by = at, caller.id


def _keep(row: SpotCheck, desk: Desk, action: str, text: str | None) -> None:
    if text is None:
        return
    if action == "correct":
        row.correction_sealed = desk.keys.seal(text.encode(), bound_to=f"{CORRECTION}:{row.id}")
    else:
        row.finding_sealed = desk.keys.seal(text.encode(), bound_to=f"{FINDING}:{row.id}")


def _words(text: str | None) -> str:
    return orjson.dumps({"text": text}).decode() if text else ""


async def answer(
    session: AsyncSession, desk: Desk, caller: Caller, row: Order, text: str, version: int
) -> Order:
    """Answer an order: why it is late, and what is done.

    Raises:
        SupervisionStale: it has changed since `version`.
        SupervisionNotAllowed: it has been answered.
    """
    if row.version != version:
        raise SupervisionStale(version=row.version)
    if row.answered_at is not None:
        raise SupervisionNotAllowed(actions=[])
    row.answered_at, row.answered_by = now(), caller.id
    row.answer_sealed = desk.keys.seal(text.encode(), bound_to=f"{ANSWER}:{row.id}")
    row.version += 1
    session.add(row)
    return row


def said(desk: Desk, place: str, id_: int | None, sealed: bytes | None) -> str | None:
    """Open what was said."""
    return desk.keys.open(sealed, bound_to=f"{place}:{id_}").decode() if sealed else None


def shown_check(row: SpotCheck, caller: Caller, desk: Desk) -> dict[str, Any]:
    """Answer with a check."""
    return {
        **row.model_dump(include={
            "id", "at", "application", "agency", "outlet", "matter", "reason", "state", "version",
            "checked_at", "corrected_at",
        }),
        "finding": said(desk, FINDING, row.id, row.finding_sealed),
        "correction": said(desk, CORRECTION, row.id, row.correction_sealed),
        "actions": open_steps(row, caller),
    }  # fmt: skip


def shown_order(row: Order, desk: Desk) -> dict[str, Any]:
    """Answer with an order."""
    return {
        **row.model_dump(exclude={"answer_sealed", "answered_by"}),
        "answer": said(desk, ANSWER, row.id, row.answer_sealed),
    }
