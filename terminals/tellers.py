"""What can be done with tellers. Each belongs to one outlet at a time, and the database says so too."""

import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType

from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from access.policy import May
from kit.clock import today
from kit.crypto import KeyRing
from kit.db import hold_name
from kit.errors import Fault, Words
from kit.ids import readable
from kit.repeats import Asked, made_before
from outlets.memory import OutletInfo, RegistryMemory
from outlets.models import Teller
from outlets.service import Deed, deed, store
from schemas.terminals import TellerAction, TellerWanted
from terminals import queries
from terminals.errors import StaffInvalid, TellerExists, TerminalsFull
from terminals.service import (
    ANY,
    MOST,
    Move,
    allowed,
    as_authority,
    check_move,
    check_needed,
    reaches,
    whole,
)

MOVES = MappingProxyType(
    {
        "move": Move(ANY, None, May.TELLER_MANAGE),
        "suspend": Move(frozenset({"active"}), "suspended", May.TELLER_SUSPEND),
        "resume": Move(frozenset({"suspended"}), "active", May.TELLER_SUSPEND),
        "leave": Move(ANY, "left", May.TELLER_MANAGE),
        "qualify": Move(ANY, None, May.TELLER_QUALIFY),
        "disqualify": Move(ANY, None, May.TELLER_QUALIFY),
    }
)
NEEDED = {
    "move": ("to_outlet",), "suspend": ("reason",), "leave": ("reason",),
    "qualify": ("qualified_until",), "disqualify": ("reason",),
}  # fmt: skip
"""What an action needs besides its name."""

PERSONAL = re.compile(r"[0-9]{15}|[0-9]{17}[0-9X]|1[3-9][0-9]{9}", re.ASCII)
"""Forms of numbers of people's papers and telephones: codes of tellers stand in events for ever."""

LONGEST = timedelta(days=5 * 366)
"""How long a training may hold."""

CODE_WORDS = Words(
    "柜员编号不得使用证件号码或手机号码", "no number of a person's papers or telephone"
)
OUTLET_WORDS = Words("没有该网点，或不在您的管辖范围内", "no such outlet, or none of yours")
SAME_WORDS = Words("柜员已在该网点", "the teller is there already")
BANK_WORDS = Words("只能在同一银行的网点之间调动", "a teller moves between outlets of one bank")
PASSED_WORDS = Words("考核日期不得晚于今天", "the day of the assessment is to come")
UNTIL_WORDS = Words(
    "有效期须在考核日期之后，且不超过五年", "from the assessment on, and five years at most"
)


async def add(
    session: AsyncSession,
    ring: KeyRing,
    caller: Caller,
    outlet: OutletInfo,
    wanted: TellerWanted,
    *,
    asked: Asked | None,
    registry: RegistryMemory,
) -> tuple[Teller, bool]:
    """Add a teller to an outlet, or take one back who had left the bank; tell too whether it was done before.

    Raises:
        StaffInvalid: the code is one of a person's papers.
        TellerExists: the code is a teller's.
        TerminalsFull: the outlet has as many as it may have.
    """
    code = wanted.code or f"{outlet.bank}-{readable(secrets.token_bytes(16), 6)}"
    earlier = await made_before(session, ring, asked, code)
    if earlier is not None:
        return await session.get_one(Teller, earlier), True
    if PERSONAL.fullmatch(code):
        raise StaffInvalid(faults=[Fault("/code", "personal", CODE_WORDS)])
    await hold_name(session, f"teller:{code}")
    known = await queries.teller_anywhere(session, code)
    if known is not None and not (known.status == "left" and _of_bank(known, outlet, registry)):
        raise TellerExists()
    await _ensure_room(session, outlet.outlet)
    row = known or Teller(code=code, outlet=outlet.outlet, generation=0)
    row.outlet, row.status, row.by_authority = outlet.outlet, "active", False
    return await _stored(session, row, deed(caller, "rejoin" if known else "add")), False


def _of_bank(row: Teller, outlet: OutletInfo, registry: RegistryMemory) -> bool:
    before = registry.outlets.get(row.outlet)
    return before is not None and before.bank == outlet.bank


async def _ensure_room(session: AsyncSession, outlet: str) -> None:
    await hold_name(session, f"staff:{outlet}")
    if await queries.count(session, Teller, outlet) >= MOST:
        raise TerminalsFull()


async def _stored(session: AsyncSession, row: Teller, done: Deed) -> Teller:
    await store(session, Teller, [whole(row)], done)
    return await session.get_one(Teller, row.code)


def _move(row: Teller, wanted: TellerAction) -> None:
    row.outlet = wanted.to_outlet or row.outlet


def _resume(row: Teller, wanted: TellerAction) -> None:
    row.by_authority = False


def _qualify(row: Teller, wanted: TellerAction) -> None:
    row.qualified_on = wanted.qualified_on or today()
    row.qualified_until, row.certificate = wanted.qualified_until, wanted.certificate


def _disqualify(row: Teller, wanted: TellerAction) -> None:
    row.qualified_on = row.qualified_until = row.certificate = None


CHANGES: Mapping[str, Callable[[Teller, TellerAction], None]] = {
    "move": _move, "resume": _resume, "qualify": _qualify, "disqualify": _disqualify,
}  # fmt: skip


async def act(
    session: AsyncSession,
    caller: Caller,
    outlet: OutletInfo,
    row: Teller,
    wanted: TellerAction,
    *,
    version: int,
    registry: RegistryMemory,
) -> Teller:
    """Take an action on a teller whose row is held.

    Raises:
        Forbidden, StaffStale, StaffActionNotAllowed, StaffInvalid: what its name says.
        TerminalsFull: the outlet to move to has as many as it may have.
    """
    move, actions = MOVES[wanted.action], allowed(caller, row, outlet, MOVES)
    check_move(caller, row, outlet, move, version=version, actions=actions, name=wanted.action)
    check_needed(wanted, NEEDED)
    faults = list(_faults(caller, outlet, wanted, registry))
    if faults:
        raise StaffInvalid(faults=faults)
    if wanted.action == "move":
        await _ensure_room(session, wanted.to_outlet or "")
    row.status = move.after or row.status
    if wanted.action == "suspend":
        row.by_authority = as_authority(caller, move.may, outlet)
    if wanted.action in CHANGES:
        CHANGES[wanted.action](row, wanted)
    return await _stored(session, row, deed(caller, wanted.action, wanted.reason or ""))


def _faults(
    caller: Caller, outlet: OutletInfo, wanted: TellerAction, registry: RegistryMemory
) -> Iterator[Fault]:
    if wanted.action == "move":
        yield from _no_way(caller, outlet, registry.outlets.get(wanted.to_outlet or ""))
    if wanted.action == "qualify" and wanted.qualified_until is not None:
        passed = wanted.qualified_on or today()
        if passed > today():
            yield Fault("/qualified_on", "future", PASSED_WORDS)
        if not passed <= wanted.qualified_until <= passed + LONGEST:
            yield Fault("/qualified_until", "period", UNTIL_WORDS)


def _no_way(caller: Caller, here: OutletInfo, there: OutletInfo | None) -> Iterator[Fault]:
    """Find why a teller can't move there."""
    if there is None or not reaches(caller, May.TELLER_MANAGE, there):
        yield Fault("/to_outlet", "outlet", OUTLET_WORDS)
    elif there.bank != here.bank:
        yield Fault("/to_outlet", "bank", BANK_WORDS)
    elif there.outlet == here.outlet:
        yield Fault("/to_outlet", "same", SAME_WORDS)
