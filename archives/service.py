"""What can be done with archives. No HTTP, no commit, no SQL.

An application moves the archive of whom it is about in its own transaction, which holds its row: that row comes
first, the archive's after it, always.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from access.errors import Forbidden
from access.policy import May
from archives import queries
from archives.errors import (
    ArchiveElsewhere,
    ArchiveInvalid,
    ArchiveKnown,
    ArchiveNotFree,
    ArchiveStale,
    ArchiveUnknown,
)
from archives.lifecycle import ENTER, KEPT, LENT, MOVES, MOVING, NONE, OUTSIDE, RETURN, Move
from archives.models import ArchiveEntry, PersonnelArchive
from kit.clock import CHINA, now, today
from kit.crypto import KeyRing, place
from kit.errors import Fault, Words
from kit.ids import uuid7
from schemas import masking
from schemas.applications import IdType
from schemas.archives import ArchiveEntered
from schemas.codes import id_fault

HELD = (LENT, MOVING)
"""States in which an application has it."""


class Ask(NamedTuple):
    """What is asked of whose archive, and by whom."""

    deed: str
    person: Mapping[str, Any]
    caller: Caller
    agency: str
    """Of the post that asks."""
    application: str | None = None
    note: str = ""
    due_on: date | None = None
    outside: bool = False
    """Its sender is in another province, and keeps a register of its own."""


class Moved(NamedTuple):
    """An archive after something was done with it, and who had it before."""

    row: PersonnelArchive
    had: str


def token(keys: KeyRing, id_number: str) -> bytes:
    """Give the hash by which a person's archive is found: always the same, so that there is one."""
    return keys.find("archive", id_number.upper().encode())


async def move(session: AsyncSession, keys: KeyRing, asked: Ask) -> Moved | None:
    """Do something with a person's archive, and write it down; None where it is not ours to move.

    Raises:
        ArchiveUnknown: there is none in the register.
        ArchiveElsewhere: another agency has it.
        ArchiveNotFree: it is lent or on its way, also by another application that came at the same moment.
    """
    what = MOVES[asked.deed]
    row = await queries.hold(session, token(keys, asked.person["id_number"]))
    if asked.outside and (row is None or row.state in OUTSIDE):
        return None
    if row is None and NONE in what.sources:
        return await _first(session, keys, asked)
    if row is None:
        raise ArchiveUnknown()
    return await _moved(session, keys, row, asked)


async def _moved(session: AsyncSession, keys: KeyRing, row: PersonnelArchive, asked: Ask) -> Moved:
    """Do something with an archive whose row is held."""
    what = MOVES[asked.deed]
    _ensure(row, what, asked)
    had = row.agency
    _take(row, what, asked)
    session.add_all([row, _entry(keys, row, asked)])
    await session.flush()
    return Moved(row, had)


def _ensure(row: PersonnelArchive, what: Move, asked: Ask) -> None:
    if not what.moves_place and row.state != MOVING and row.agency != asked.agency:
        raise ArchiveElsewhere(agency=row.agency)
    if what.moves_place and row.state == KEPT:
        raise ArchiveElsewhere(agency=row.agency)  # What comes can't be what somebody keeps.
    is_anothers = row.state in HELD and row.application != asked.application
    if row.state not in what.sources or is_anothers:
        due = row.due_on.isoformat() if row.due_on else None
        raise ArchiveNotFree(state=row.state, due_on=due)


def _take(row: PersonnelArchive, what: Move, asked: Ask) -> None:
    if what.moves_place:
        row.agency, row.kept_since = asked.agency, today()
    row.state, row.due_on = what.target, asked.due_on if what.target == LENT else None
    row.application = asked.application if what.target in HELD else None
    row.version += 1
    row.changed_at = now()


async def _first(session: AsyncSession, keys: KeyRing, asked: Ask) -> Moved:
    """Enter an archive that comes from where there is no register of ours."""
    row = _new(keys, asked, today())
    if not await queries.add(session, row):
        raise ArchiveNotFree(state=MOVING)  # Another came with it at this moment.
    session.add(_entry(keys, row, asked))
    await session.flush()
    return Moved(row, row.agency)


def _new(keys: KeyRing, asked: Ask, since: date) -> PersonnelArchive:
    id_, person = uuid7(), asked.person
    kept = {name: person[name] for name in ("name", "id_type", "id_number")}
    bound = place("personnel_archive", "sealed", id_)
    return PersonnelArchive(
        id=id_, token=token(keys, person["id_number"]), agency=asked.agency, kept_since=since,
        sealed=keys.seal(orjson.dumps(kept), bound_to=bound),
    )  # fmt: skip


def _entry(keys: KeyRing, row: PersonnelArchive, asked: Ask) -> ArchiveEntry:
    id_ = uuid7()
    bound = place("archive_entry", "note_sealed", id_)
    return ArchiveEntry(
        id=id_, archive=row.id, deed=asked.deed, actor=asked.caller.id, agency=asked.agency,
        application=asked.application, due_on=asked.due_on,
        note_sealed=keys.seal(asked.note.encode(), bound_to=bound) if asked.note else None,
    )  # fmt: skip


async def enter(
    session: AsyncSession, keys: KeyRing, caller: Caller, wanted: ArchiveEntered
) -> PersonnelArchive:
    """Enter an archive that an agency has kept since before there was a register.

    Raises:
        Forbidden: it is another agency's to say.
        ArchiveInvalid: number or day can't be.
        ArchiveKnown: there is one of this person.
    """
    _ensure_keeper(caller, wanted.agency)
    if faults := _faults(wanted):
        raise ArchiveInvalid(faults=faults)
    asked = Ask(ENTER, wanted.person.model_dump(mode="json"), caller, wanted.agency)
    row = _new(keys, asked, wanted.kept_since)
    if not await queries.add(session, row):
        raise ArchiveKnown()
    session.add(_entry(keys, row, asked))
    await session.flush()
    return row


def _ensure_keeper(caller: Caller, agency: str) -> None:
    if not caller.reach(May.ARCHIVE_KEEP).covers(outlet="", agency=agency):
        raise Forbidden(private=f"{caller.role} of another agency")


def _faults(wanted: ArchiveEntered) -> list[Fault]:
    faults, person = [], wanted.person
    wrong = id_fault(person.id_number, today()) if person.id_type == IdType.RESIDENT_ID else None
    if wrong is not None:
        words = Words("居民身份证号码不正确", "no number of a resident's identity card")
        faults.append(Fault("/person/id_number", wrong, words))
    if wanted.kept_since > today():
        words = Words("入库日期不能晚于今天", "not after today")
        faults.append(Fault("/kept_since", "range", words))
    return faults


async def release(session: AsyncSession, keys: KeyRing, asked: Ask) -> Moved | None:
    """Give back what was on its way by an application that has come to nothing; None where nothing was."""
    row = await queries.hold(session, token(keys, asked.person["id_number"]))
    if row is None or row.state != MOVING or row.application != asked.application:
        return None
    return await _moved(session, keys, row, asked)


async def take_back(
    session: AsyncSession, keys: KeyRing, caller: Caller, row: PersonnelArchive, note: str, version: int
) -> Moved:  # fmt: skip
    """Take back an archive that was lent.

    Raises:
        Forbidden: the caller sees it, but is no keeper of this agency.
        ArchiveStale: it has changed since `version`.
        ArchiveNotFree: it is not lent.
    """
    _ensure_keeper(caller, row.agency)
    held = await queries.hold(session, row.token)
    if held is None or held.version != version:
        raise ArchiveStale(version=held.version if held else 0)
    asked = Ask(RETURN, {}, caller, held.agency, held.application, note)
    return await _moved(session, keys, held, asked)


def open_actions(row: PersonnelArchive, caller: Caller) -> list[str]:
    """List what the caller may do with an archive now."""
    keeps = caller.reach(May.ARCHIVE_KEEP).covers(outlet="", agency=row.agency)
    return [RETURN] if keeps and row.state == LENT else []


def _opened(keys: KeyRing, row: PersonnelArchive) -> bytes:
    return keys.open(row.sealed, bound_to=place("personnel_archive", "sealed", row.id))


def shown(row: PersonnelArchive, caller: Caller, keys: KeyRing) -> dict[str, Any]:
    """Answer with an archive; whose it is masked."""
    return {
        **row.model_dump(include={"agency", "state", "version", "kept_since", "due_on", "application"}),
        "archive": str(row.id),
        "person": masking.person(orjson.loads(_opened(keys, row))),
        "overdue": row.state == LENT and row.due_on is not None and row.due_on < today(),
        "changed_at": row.changed_at.astimezone(CHINA),
        "actions": open_actions(row, caller),
    }  # fmt: skip


def shown_entry(row: ArchiveEntry, keys: KeyRing) -> dict[str, Any]:
    """Answer with what was done with an archive."""
    bound, sealed = place("archive_entry", "note_sealed", row.id), row.note_sealed
    return {
        **row.model_dump(include={"deed", "actor", "agency", "application", "due_on"}),
        "at": row.at.astimezone(CHINA),
        "note": keys.open(sealed, bound_to=bound).decode() if sealed else None,
    }
