"""What an application does with the personal archive of whom it is about: as the steps of its guide say."""

from collections.abc import Iterator, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from applications import draft, lifecycle, queries, steps, telling
from applications.actions import Case
from applications.desk import Desk
from applications.lifecycle import Move
from applications.models import Application
from archives import service
from archives.lifecycle import GIVE_BACK, RETURN
from archives.models import PersonnelArchive
from archives.service import Ask, Moved
from events import service as events
from kit.clock import now
from routing.rules import STAY
from schemas.applications import Action, State
from schemas.guides import ArchiveDeed, ArchiveMove

KINDS: Mapping[str, str] = MappingProxyType({
    ArchiveDeed.SEND: "application.archive_sent",
    ArchiveDeed.ARRIVE: "application.archive_arrived",
    ArchiveDeed.LEAVE: "application.archive_left",
    ArchiveDeed.LEND: "application.archive_lent",
    ArchiveDeed.CONSULT: "application.archive_consulted",
    ArchiveDeed.CERTIFY: "application.archive_certified",
    GIVE_BACK: "application.archive_given_back",
    RETURN: "application.archive_returned",
})  # fmt: skip
RECEIPT = "application.archive_receipt"
"""The former holder hears by it that the archive has arrived (回执)."""

PAPERS: Mapping[str, str] = MappingProxyType({
    ArchiveDeed.SEND: "DAZ", ArchiveDeed.ARRIVE: "DAH", ArchiveDeed.CERTIFY: "DAM",
    ArchiveDeed.LEND: "DAJ", ArchiveDeed.CONSULT: "DAJ",
})  # fmt: skip
"""Which paper a deed is told by (documents.service)."""

LOAN, LONGEST = 15, 250
"""Working days of a loan whose form names none, and of any."""

SHOWN = (ArchiveDeed.LEND, ArchiveDeed.CONSULT)
"""Deeds of which the log says to whom."""


def _asked(case: Case, move: Move) -> list[Ask]:
    """List what a move is to do with the archive; before the row changes, which says whose step it is."""
    if not any(step.archive for step in case.steps):
        return []
    plain = draft.opened(case.desk.keys, case.row.number, case.row.sealed)
    if move.by is Action.GRANT:
        return list(_granted(case, plain))
    comes_to_nothing = move.target in lifecycle.ENDED and move.source not in lifecycle.ENDED
    goes_back = move.by is Action.SEND_BACK and move.target is State.ACCEPTED
    return [_ask(case, plain, GIVE_BACK)] if comes_to_nothing or goes_back else []


def _granted(case: Case, plain: Mapping[str, Any]) -> Iterator[Ask]:
    form = plain["form"]
    for wanted in case.step.archive:
        if all(form.get(name) in values for name, values in wanted.when.items()):
            ask = _ask(case, plain, wanted.deed)
            yield ask._replace(due_on=_ends(case, wanted, form), outside=_is_outside(case, wanted))


def _ask(case: Case, plain: Mapping[str, Any], deed: str) -> Ask:
    row = case.row
    person = plain["subject"] or plain["applicant"]
    note = plain["applicant"]["name"] if deed in SHOWN else ""
    return Ask(deed, person, case.caller, row.agency, row.number, note)


def _ends(case: Case, wanted: ArchiveMove, form: Mapping[str, Any]) -> date | None:
    """Work out the last day of a loan: working days, the first not counted. None: it is no loan."""
    if wanted.deed is not ArchiveDeed.LEND:
        return None
    asked = form.get(wanted.days or "")  # JSON Schema takes 5.0 for a whole number too.
    days = int(asked) if isinstance(asked, int | float) else LOAN
    return case.desk.calendar.workdays.after(case.day, min(max(days, 1), LONGEST))


def _is_outside(case: Case, wanted: ArchiveMove) -> bool:
    """Tell whether the step is done in the stead of an agency in another province."""
    if wanted.deed is not ArchiveDeed.SEND:
        return False
    rule = steps.routed(case, case.row.step).rule
    return rule is not None and rule.decided_by == STAY


class Done(NamedTuple):
    """What was done with an archive, to be told of once the application has moved."""

    ask: Ask
    moved: Moved


async def move(session: AsyncSession, case: Case, taken: Move) -> list[Done]:
    """Move the archive, in the transaction of what moves it and before that.

    Raises:
        ArchiveUnknown, ArchiveElsewhere, ArchiveNotFree: it can't be; nothing else is done then either.
    """
    done = []
    for ask in _asked(case, taken):
        do = service.release if ask.deed == GIVE_BACK else service.move
        moved = await do(session, case.desk.keys, ask)
        if moved is not None:
            done.append(Done(ask, moved))
    return done


def issue(row: Application, done: list[Done]) -> None:
    """Note the papers of what was done."""
    new = [PAPERS[one.ask.deed] for one in done if one.ask.deed in PAPERS]
    row.documents = [*row.documents, *(code for code in new if code not in row.documents)]


async def tell(session: AsyncSession, case: Case, done: list[Done]) -> None:
    """Tell of what was done, after what the application did."""
    for one in done:
        await _tell(session, case, one.ask, one.moved)


async def take_back(
    session: AsyncSession, desk: Desk, caller: Caller, row: PersonnelArchive, note: str, version: int
) -> PersonnelArchive:  # fmt: skip
    """Take back an archive that was lent; the application by which it was hears of it.

    Raises:
        ArchiveStale, ArchiveNotFree: as their names say.
    """
    lent_by = await queries.hold(session, row.application) if row.application else None
    moved = await service.take_back(session, desk.keys, caller, row, note, version)
    if lent_by is not None:
        ask = Ask(RETURN, {}, caller, moved.had)
        await _tell(session, Case(lent_by, caller, desk, now()), ask, moved)
    return moved.row


async def _tell(session: AsyncSession, case: Case, ask: Ask, moved: Moved) -> None:
    due = ask.due_on.isoformat() if ask.due_on else None
    letter = case.wanted.letter if case.wanted is not None else None
    facts = {
        "archive": str(moved.row.id), "due_on": due, "letter": letter, "had_by": moved.had,
        "now_at": case.row.agency, "kept_since": moved.row.kept_since.isoformat(),
    }  # fmt: skip
    made = telling.event(case, KINDS[ask.deed], **facts)
    made.agency = ask.agency
    await events.append(session, made)
    if ask.deed == ArchiveDeed.ARRIVE and moved.had != ask.agency:
        receipt = telling.event(case, RECEIPT, **facts)
        receipt.agency = moved.had
        await events.append(session, receipt)
