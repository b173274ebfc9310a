"""What can be done with terminals."""

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from access.errors import Forbidden
from access.policy import May
from kit.clock import now
from kit.crypto import KeyRing
from kit.db import hold_name
from kit.errors import Fault, Words
from kit.ids import readable, uuid7
from kit.repeats import Asked, made_before
from outlets.memory import OutletInfo
from outlets.models import Teller, Terminal
from outlets.service import Deed, deed, store
from schemas.terminals import EnrolmentUse, EnrolmentWanted, TerminalAction, TerminalWanted
from terminals import keys, queries
from terminals.errors import (
    EnrolmentInvalid,
    KeyTaken,
    KeyUnusable,
    StaffActionNotAllowed,
    StaffInvalid,
    StaffStale,
    TerminalNotFound,
    TerminalsFull,
)
from terminals.models import Enrolment

MOST = 200
"""Terminals that an outlet may have, and tellers."""

KEPT = frozenset({"generation", "created_at", "version", "last_seen_at", "used_on"})
"""Columns that keep themselves."""

REQUIRED = Words("此操作须填写", "is needed for this action")


class Move(NamedTuple):
    """What may be done from which states, by whom, and where it leads."""

    before: frozenset[str]
    after: str | None
    may: May


ANY = frozenset({"active", "suspended"})
MOVES = MappingProxyType(
    {
        "rename": Move(ANY, None, May.TERMINAL_MANAGE),
        "rotate": Move(ANY, None, May.TERMINAL_MANAGE),
        "suspend": Move(frozenset({"active"}), "suspended", May.TERMINAL_SUSPEND),
        "resume": Move(frozenset({"suspended"}), "active", May.TERMINAL_SUSPEND),
        "retire": Move(ANY, "retired", May.TERMINAL_MANAGE),
    }
)
NEEDED = {
    "rename": ("name",),
    "rotate": ("public_jwk",),
    "suspend": ("reason",),
    "retire": ("reason",),
}
"""What an action needs besides its name."""


def reaches(caller: Caller, may: May, outlet: OutletInfo) -> bool:
    """Tell whether a permission of the caller's holds at an outlet."""
    return caller.reach(may).covers_outlet(
        outlet=outlet.outlet, bank=outlet.bank, division=outlet.division
    )


def as_authority(caller: Caller, may: May, outlet: OutletInfo) -> bool:
    """Tell whether the caller's permission is that of the division, not of the bank."""
    return outlet.division.startswith(caller.reach(may).areas)


def ensure(caller: Caller, may: May, outlet: OutletInfo) -> None:
    """Check that a permission of the caller's holds at an outlet.

    Raises:
        Forbidden: it does not.
    """
    if not reaches(caller, may, outlet):
        raise Forbidden(private=f"{caller.role} lacks {may} there")


def allowed(
    caller: Caller, row: Terminal | Teller, outlet: OutletInfo, moves: Mapping[str, Move]
) -> list[str]:
    """List what the caller may do with a terminal or teller as things stand."""
    return [
        name
        for name, move in moves.items()
        if row.status in move.before
        and reaches(caller, move.may, outlet)
        and not (name == "resume" and held_back(caller, row, outlet, move))
    ]


def held_back(caller: Caller, row: Terminal | Teller, outlet: OutletInfo, move: Move) -> bool:
    """Tell whether the outlet administrator holds down what a bank would raise."""
    return row.by_authority and not as_authority(caller, move.may, outlet)


def check_move(
    caller: Caller,
    row: Terminal | Teller,
    outlet: OutletInfo,
    move: Move,
    *,
    version: int,
    actions: list[str],
    name: str,
) -> None:
    """Check that a move is the caller's to make, of the version read, and legal.

    Raises:
        Forbidden, StaffStale, StaffActionNotAllowed: what its name says.
    """
    ensure(caller, move.may, outlet)
    if row.version != version:
        raise StaffStale(version=row.version)
    if name not in actions:
        raise StaffActionNotAllowed(status=row.status, actions=actions)


def check_needed(wanted: Any, needed: Mapping[str, tuple[str, ...]]) -> None:
    """Check that an action brings what it needs.

    Raises:
        StaffInvalid: with all that is missing.
    """
    missing = [n for n in needed.get(wanted.action, ()) if getattr(wanted, n) is None]
    if missing:
        raise StaffInvalid(faults=[Fault(f"/{name}", "missing", REQUIRED) for name in missing])


def whole(row: Terminal | Teller) -> dict[str, Any]:
    """Give a row as it is stored, less what keeps itself; the driver's own kind of UUID as a text."""
    kept = row.model_dump(exclude=set(KEPT))
    return {n: str(v) if isinstance(v, uuid.UUID) else v for n, v in kept.items()}


async def enrol(
    session: AsyncSession,
    ring: KeyRing,
    caller: Caller,
    outlet: OutletInfo,
    wanted: TerminalWanted,
    *,
    asked: Asked | None,
) -> tuple[Terminal, bool]:
    """Enrol a terminal whose key is at hand; tell too whether an earlier call had done it.

    Raises:
        KeyUnusable, KeyTaken: the key is none for a terminal, or is known already.
        TerminalsFull: the outlet has as many as it may have.
    """
    id_ = uuid7()
    earlier = await made_before(session, ring, asked, str(id_))
    if earlier is not None:
        return await session.get_one(Terminal, uuid.UUID(earlier)), True
    jwk = keys.checked(wanted.public_jwk)
    row = await _make(session, outlet.outlet, wanted.name, jwk, deed(caller, "enrol"), id_=id_)
    return row, False


async def _make(
    session: AsyncSession,
    outlet: str,
    name: str,
    jwk: dict[str, Any],
    done: Deed,
    *,
    id_: uuid.UUID,
) -> Terminal:
    await hold_name(session, f"staff:{outlet}")
    if await queries.count(session, Terminal, outlet) >= MOST:
        raise TerminalsFull()
    row = Terminal(id=id_, outlet=outlet, name=name, public_jwk=jwk, generation=0)
    return await _store_with_key(session, row, jwk, done)


async def _store_with_key(
    session: AsyncSession, row: Terminal, jwk: dict[str, Any], done: Deed
) -> Terminal:
    """Store a terminal that gets a key which nobody ever had."""
    await hold_name(session, f"terminal_key:{jwk['x']}")
    if await queries.owner_of_key(session, jwk["x"]) is not None:
        raise KeyTaken()
    return await _stored(session, row, done)


async def _stored(session: AsyncSession, row: Terminal, done: Deed) -> Terminal:
    await store(session, Terminal, [whole(row)], done)
    return await session.get_one(Terminal, row.id)


async def allow_enrolment(
    session: AsyncSession,
    ring: KeyRing,
    caller: Caller,
    outlet: OutletInfo,
    wanted: EnrolmentWanted,
    *,
    asked: Asked | None,
) -> tuple[Enrolment, bool]:
    """Let one device hand in its key within minutes; tell too whether an earlier call had done it.

    Raises:
        TerminalNotFound: the terminal whose key is to be replaced is not there, or retired.
    """
    id_ = uuid7()
    earlier = await made_before(session, ring, asked, str(id_))
    if earlier is not None:
        return await session.get_one(Enrolment, uuid.UUID(earlier)), True
    if wanted.terminal is not None:
        known = await queries.terminal(session, outlet.outlet, wanted.terminal)
        if known is None or known.status == "retired":
            raise TerminalNotFound()
    leave = Enrolment(
        id=id_, outlet=outlet.outlet, name=wanted.name, terminal=wanted.terminal,
        overlap_hours=wanted.overlap_hours, code_index=_index(ring, code_of(ring, id_)),
        expires_at=now() + timedelta(minutes=wanted.minutes), made_by=caller.id,
        made_role=caller.role,
    )  # fmt: skip
    session.add(leave)
    await session.flush()
    return leave, False


def code_of(ring: KeyRing, id_: uuid.UUID) -> str:
    """Give the code of leave to enrol: twelve characters, told again to who asks again, stored nowhere."""
    code = readable(ring.find("enrolment", id_.bytes), 12)
    return "-".join((code[:4], code[4:8], code[8:]))


def _index(ring: KeyRing, code: str) -> bytes:
    return ring.find("enrolment-code", code.encode())


async def use_enrolment(
    session: AsyncSession, ring: KeyRing, wanted: EnrolmentUse, *, audience: str
) -> Terminal:
    """Let a device in that has the code and proves its key; the same again is answered alike.

    Raises:
        EnrolmentInvalid: the code is unknown, used or too old.
        KeyUnusable, KeyTaken: the key is none for a terminal, not proved, or known already.
    """
    at = now()
    leave = await queries.enrolment(session, _index(ring, wanted.code))
    if leave is None or leave.expires_at <= at:
        raise EnrolmentInvalid()
    jwk = keys.checked(wanted.public_jwk)
    if not keys.proves(wanted.proof, jwk, audience=audience, jti=wanted.code):
        raise KeyUnusable(reason="proof")
    if leave.used_by is None:
        return await _let_in(session, leave, jwk, at)
    if leave.used_key != jwk["x"]:
        raise EnrolmentInvalid()
    return await session.get_one(Terminal, leave.used_by)


async def _let_in(
    session: AsyncSession, leave: Enrolment, jwk: dict[str, Any], at: datetime
) -> Terminal:
    done = Deed(leave.made_by, leave.made_role, "enrol" if leave.terminal is None else "rotate")
    if leave.terminal is None:
        row = await _make(session, leave.outlet, leave.name, jwk, done, id_=uuid7())
    else:
        row = await _renewed(session, leave, jwk, done, at)
    leave.used_by, leave.used_key = row.id, jwk["x"]
    session.add(leave)
    await session.flush()
    return row


async def _renewed(
    session: AsyncSession, leave: Enrolment, jwk: dict[str, Any], done: Deed, at: datetime
) -> Terminal:
    assert leave.terminal is not None  # noqa: S101
    known = await queries.terminal(session, leave.outlet, leave.terminal, lock=True)
    if known is None or known.status == "retired":
        raise EnrolmentInvalid()
    _replace_key(known, jwk, leave.overlap_hours, at)
    return await _store_with_key(session, known, jwk, done)


def _replace_key(row: Terminal, jwk: dict[str, Any], hours: int, at: datetime) -> None:
    """Give a terminal another key. Without overlap what the one before has got ends too."""
    row.former_jwk, row.former_until = (
        (row.public_jwk, at + timedelta(hours=hours)) if hours else (None, None)
    )
    row.public_jwk = jwk
    if not hours:
        row.tokens_from = _next_second(at)


def _next_second(at: datetime) -> datetime:
    """Tokens say to the second when they were issued: those of this one end too."""
    return at.replace(microsecond=0) + timedelta(seconds=1)


def _rename(row: Terminal, wanted: TerminalAction, at: datetime) -> None:
    row.name = wanted.name or row.name


def _suspend(row: Terminal, wanted: TerminalAction, at: datetime) -> None:
    row.tokens_from = _next_second(at)


def _resume(row: Terminal, wanted: TerminalAction, at: datetime) -> None:
    row.by_authority = False


def _retire(row: Terminal, wanted: TerminalAction, at: datetime) -> None:
    row.tokens_from, row.former_jwk, row.former_until = _next_second(at), None, None


CHANGES: Mapping[str, Callable[[Terminal, TerminalAction, datetime], None]] = {
    "rename": _rename, "suspend": _suspend, "resume": _resume, "retire": _retire,
}  # fmt: skip


async def act(
    session: AsyncSession,
    caller: Caller,
    outlet: OutletInfo,
    row: Terminal,
    wanted: TerminalAction,
    *,
    version: int,
) -> Terminal:
    """Take an action on a terminal whose row is held.

    Raises:
        Forbidden, StaffStale, StaffActionNotAllowed, StaffInvalid: what its name says.
        KeyUnusable, KeyTaken: the key is none for a terminal, or is known already.
    """
    move, actions = MOVES[wanted.action], allowed(caller, row, outlet, MOVES)
    check_move(caller, row, outlet, move, version=version, actions=actions, name=wanted.action)
    check_needed(wanted, NEEDED)
    done, at = deed(caller, wanted.action, wanted.reason or ""), now()
    if wanted.public_jwk is not None and wanted.action == "rotate":
        jwk = keys.checked(wanted.public_jwk)
        _replace_key(row, jwk, wanted.overlap_hours, at)
        return await _store_with_key(session, row, jwk, done)
    row.status = move.after or row.status
    row.by_authority |= wanted.action == "suspend" and as_authority(caller, move.may, outlet)
    CHANGES[wanted.action](row, wanted, at)
    return await _stored(session, row, done)
