"""What can be done with agreements: recorded when they are signed, changed by supplements, ended."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller, area_of
from access.errors import Forbidden
from access.policy import May
from agencies.memory import AgenciesMemory
from divisions.memory import DivisionsMemory
from entrusting import queries
from entrusting.errors import (
    AgreementExists,
    AgreementNotFound,
    AgreementOver,
    AgreementReplaced,
    RegistryInvalid,
    RegistryStale,
)
from entrusting.service import REQUIRED
from kit.clock import today
from kit.crypto import KeyRing
from kit.errors import Fault, Words
from kit.repeats import Asked, made_before
from matters.memory import Catalogue
from outlets.checks import no_division
from outlets.models import Agreement, Bank
from outlets.service import Deed, deed, hold, store
from schemas.guides import Delegation
from schemas.registry import AgreementAction, AgreementChange, AgreementWanted

COUNTY = 3
EXPIRY_DAYS = 60
"""So long before its last day an agreement's end is told."""

SYSTEM = "system"

DIVISION_WORDS = Words("没有该省、市或县级区划", "no province, city or county of this code")
AGENCY_WORDS = Words("没有该区划的经办机构", "no agency of this division")
BANK_WORDS = Words("没有该银行，或尚未获准、已停止合作", "no bank that co-operates")
PERIOD_WORDS = Words("终止日期须不早于开始日期", "its last day is before its first")
PAST_WORDS = Words(
    "终止日期已过；提前终止请用 end", "its last day has gone by; `end` ends one early"
)
BEGUN_WORDS = Words("协议已开始，不能改开始日期", "it has begun: its first day stays")
MATTER_WORDS = Words("没有该事项", "there is no such matter")
UNNAMED_WORDS = Words("该事项不在协议之内", "the agreement does not name the matter")
MORE_WORDS = Words("不得超过协议的最高委托环节", "no more than the agreement entrusts at most")
REPLACES_WORDS = Words(
    "须为同一银行、区划不大于本协议的协议", "an agreement of the same bank, within this division"
)
ON_WORDS = Words(
    "须不早于今天，不晚于协议最后一日", "not before today, nor after its last day"
)  # fmt: skip


class Known(NamedTuple):
    """What an agreement is held against."""

    divisions: DivisionsMemory
    agencies: AgenciesMemory
    catalogue: Catalogue


def holds(row: Agreement, day: date) -> bool:
    """Tell whether an agreement is in force on a day."""
    ended = row.ended_on is not None and day >= row.ended_on
    return row.valid_from <= day <= row.valid_to and not ended


def is_open(row: Agreement, day: date) -> bool:
    """Tell whether it may still be changed: neither over, nor its end settled."""
    return day <= row.valid_to and row.ended_on is None


def manages(caller: Caller, division: str) -> bool:
    """Tell whether the caller keeps agreements of a division."""
    return division.startswith(caller.reach(May.AGREEMENT_MANAGE).areas)


def allowed(caller: Caller, row: Agreement) -> list[str]:
    """List what the caller may do with an agreement as things stand."""
    return ["end"] if manages(caller, row.division) and is_open(row, today()) else []


def ensure(caller: Caller, division: str) -> None:
    """Check that the caller keeps agreements of a division.

    Raises:
        Forbidden: he does not.
    """
    if not manages(caller, division):
        raise Forbidden(private=f"{caller.role} keeps no agreements there")


async def record(
    session: AsyncSession,
    ring: KeyRing,
    caller: Caller,
    wanted: AgreementWanted,
    *,
    asked: Asked | None,
    known: Known,
) -> tuple[Agreement, bool]:
    """Record an agreement that was signed; tell too whether an earlier call had done it.

    Raises:
        Forbidden: it is none of the caller's divisions.
        AgreementExists, AgreementReplaced: what its name says.
        RegistryInvalid: with all that is wrong.
    """
    ensure(caller, wanted.division)
    earlier = await made_before(session, ring, asked, wanted.agreement)
    if earlier is not None:
        return await session.get_one(Agreement, earlier), True
    await hold(session)
    await _ensure_new(session, wanted)
    row = _row(wanted, known) | {"recorded_by": caller.id}
    faults = [*_faults(row, known), *await _party_faults(session, wanted, row)]
    if faults:
        raise RegistryInvalid(faults=faults)
    return await _stored(session, row, deed(caller)), False


async def _ensure_new(session: AsyncSession, wanted: AgreementWanted) -> None:
    if await queries.fresh(session, Agreement, wanted.agreement) is not None:
        raise AgreementExists()
    replaces = wanted.replaces
    by = await queries.replacing(session, replaces) if replaces is not None else None
    if by is not None:
        raise AgreementReplaced(replaced_by=by)


def _row(wanted: AgreementWanted, known: Known) -> dict[str, Any]:
    row = wanted.model_dump(mode="json", exclude={"agreement"})
    own = next(
        (a.code for a in known.agencies.by_code.values() if a.division == wanted.division), ""
    )
    return {
        **row, "number": wanted.agreement, "agency": wanted.agency or own,
        "liability": wanted.liability or "", "ended_on": None, "end_reason": "", "expiry_told": None,
        "valid_from": wanted.valid_from, "valid_to": wanted.valid_to,
    }  # fmt: skip


async def _party_faults(
    session: AsyncSession, wanted: AgreementWanted, row: Mapping[str, Any]
) -> list[Fault]:
    found = []
    bank = await queries.fresh(session, Bank, wanted.bank)
    if bank is None or bank.status != "active":
        found.append(Fault("/bank", "bank", BANK_WORDS))
    if wanted.replaces is not None:
        before = await queries.fresh(session, Agreement, wanted.replaces)
        if before is None or not _follows(before, row):
            found.append(Fault("/replaces", "agreement", REPLACES_WORDS))
    return found


def _follows(before: Agreement, row: Mapping[str, Any]) -> bool:
    """Tell whether one agreement may take another's outlets: it holds wherever that held."""
    within = before.division.startswith(area_of(row["division"]))
    return before.bank == row["bank"] and within


def _faults(row: Mapping[str, Any], known: Known) -> Iterator[Fault]:
    """Find all that is wrong with an agreement by itself."""
    yield from _place_faults(row, known)
    if row["valid_to"] < row["valid_from"]:
        yield Fault("/valid_to", "period", PERIOD_WORDS)
    elif row["valid_to"] < today():
        yield Fault("/valid_to", "past", PAST_WORDS)
    yield from _matter_faults(row, known)


def _matter_faults(row: Mapping[str, Any], known: Known) -> Iterator[Fault]:
    for at, code in enumerate(row["matters"] or ()):
        if code not in known.catalogue.matters:
            yield Fault(f"/matters/{at}", "matter", MATTER_WORDS)
    for code, link in row["delegations"].items():
        if code not in known.catalogue.matters:
            yield Fault(f"/delegations/{code}", "matter", MATTER_WORDS)
        elif row["matters"] is not None and code not in row["matters"]:
            yield Fault(f"/delegations/{code}", "unnamed", UNNAMED_WORDS)
        if Delegation(link) > Delegation(row["max_delegation"]):
            yield Fault(f"/delegations/{code}", "more", MORE_WORDS)


def _place_faults(row: Mapping[str, Any], known: Known) -> Iterator[Fault]:
    place = known.divisions.find(row["division"], today())
    agency = known.agencies.by_code.get(row["agency"])
    if place is None:
        yield no_division(row["division"], known.divisions, today())
    elif place.level > COUNTY:
        yield Fault("/division", "unknown", DIVISION_WORDS)
    elif agency is None or agency.division != row["division"]:
        yield Fault("/agency", "agency", AGENCY_WORDS)


async def _stored(session: AsyncSession, row: Mapping[str, Any], done: Deed) -> Agreement:
    await store(session, Agreement, [row], done)
    return await session.get_one(Agreement, row["number"], populate_existing=True)


async def _held(session: AsyncSession, caller: Caller, number: str, version: int) -> Agreement:
    """Give an agreement as it now stands, to be changed.

    Raises:
        Forbidden, RegistryStale, AgreementOver: what its name says.
    """
    await hold(session)
    row = await queries.fresh(session, Agreement, number)
    if row is None:
        raise AgreementNotFound()
    ensure(caller, row.division)
    if row.version != version:
        raise RegistryStale(version=row.version)
    if not is_open(row, today()):
        raise AgreementOver(ended_on=row.ended_on)
    return row


def whole(row: Agreement) -> dict[str, Any]:
    """Give a row as it is stored, less what keeps itself."""
    return row.model_dump(exclude={"generation", "created_at", "version"})


async def change(
    session: AsyncSession,
    caller: Caller,
    number: str,
    wanted: AgreementChange,
    *,
    version: int,
    known: Known,
) -> Agreement:
    """Change what a supplement changes.

    Raises:
        Forbidden, RegistryStale, AgreementOver: what its name says.
        RegistryInvalid: with all that is wrong.
    """
    row = await _held(session, caller, number, version)
    given = wanted.model_dump(exclude={"reason"}, exclude_unset=True)
    given = {n: v for n, v in given.items() if v is not None or n == "matters"}
    if "delegations" in given:
        given["delegations"] = {code: str(link) for code, link in given["delegations"].items()}
    changed = whole(row) | given
    faults = list(_faults(changed, known))
    if row.valid_from <= today() and changed["valid_from"] != row.valid_from:
        faults.append(Fault("/valid_from", "begun", BEGUN_WORDS))
    if faults:
        raise RegistryInvalid(faults=faults)
    return await _stored(session, changed, deed(caller, "change", wanted.reason))


async def end(
    session: AsyncSession, caller: Caller, number: str, wanted: AgreementAction, *, version: int
) -> Agreement:
    """End an agreement early. Its outlets' rights go with it on that day; today, within two seconds.

    Raises:
        Forbidden, RegistryStale, AgreementOver: what its name says.
        RegistryInvalid: the day or the reason.
    """
    row, on = await _held(session, caller, number, version), wanted.on or today()
    faults = [] if wanted.reason else [Fault("/reason", "missing", REQUIRED)]
    if not today() <= on <= row.valid_to:
        faults.append(Fault("/on", "day", ON_WORDS))
    if faults:
        raise RegistryInvalid(faults=faults)
    reason = wanted.reason or ""
    changed = whole(row) | {"ended_on": on, "end_reason": reason}
    return await _stored(session, changed, deed(caller, "end", reason))


async def tell_expiry(session: AsyncSession, day: date, limit: int) -> int:
    """Tell of agreements that run out within sixty days, each last day once; give how many.

    Told is what their history says from then on. Rows are held: of two that tell at once each takes others.
    """
    rows = await queries.untold(session, day, EXPIRY_DAYS, limit)
    if rows:
        told = [whole(row) | {"expiry_told": row.valid_to} for row in rows]
        await store(session, Agreement, told, Deed(SYSTEM, SYSTEM, "expiry_told"))
    return len(rows)
