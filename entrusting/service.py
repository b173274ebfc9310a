"""What can be done with outlets: applied for, changed, and taken through their life.

Writers hold the registry (`outlets.service.hold`) before they look at what they change, so what they see
stays so: numbers, licences and proposals need no locks of their own.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from access.errors import Forbidden
from access.policy import May
from entrusting import lifecycle, queries
from entrusting.errors import (
    DependedOn,
    OutletKnown,
    OutletNotReady,
    OwnProposal,
    RegistryActionNotAllowed,
    RegistryInvalid,
    RegistryStale,
)
from kit.clock import now, today
from kit.coordinates import Point, to_cgcs2000
from kit.crypto import KeyRing
from kit.errors import Fault, Words
from kit.repeats import Asked, made_before
from outlets import acceptance
from outlets.checks import Known, faults, split_division
from outlets.errors import OutletNotFound
from outlets.memory import agreement_info
from outlets.models import AcceptanceSheet, Agreement, Bank, Outlet
from outlets.service import Deed, deed, hold, store, take_numbers
from schemas.hours import said
from schemas.registry import OutletAction, OutletChange, OutletWanted, PointWanted, SheetWanted

REQUIRED = Words("此操作须填写", "is needed for this action")
BANK_WORDS = Words("没有该银行，或已停止合作", "no bank that co-operates")
ITEM_WORDS = Words("验收表没有该项", "the sheet has no such line")
MISSING_WORDS = Words("须逐项评分", "each line of the sheet needs its points")
MOST_WORDS = Words("超过该项满分", "more than the line gives at most")
EARLY_WORDS = Words(
    "开业前无法评价，验收时须为空",
    "can't be seen before the outlet works: null at a site acceptance",
)
FUTURE_WORDS = Words("检查日期不得晚于今天", "the day of the inspection is to come")
PASSED_WORDS = Words("验收表已达合格，不能判为不通过", "the sheet passes")
FAILED_WORDS = Words(
    "验收表未达70分或有一票否决项，不能判为通过", "the sheet fails: under 70, or a veto"
)

DERIVED = {"generation", "created_at", "version"}
"""Columns that keep themselves."""

SYSTEM = "system"
NO_AGREEMENT = Words("未填写服务协议，或协议已终止", "it has no agreement, or one that is over")
BANK_NOT_ACTIVE = Words("所属银行尚未获准合作", "its bank has not been approved")


class Shown(NamedTuple):
    """What stands of an outlet, and what the caller may do with it."""

    row: Outlet
    actions: list[str]


def reaches(caller: Caller, may: May, row: Outlet) -> bool:
    """Tell whether a permission of the caller's holds at an outlet."""
    return caller.reach(may).covers_outlet(outlet=row.number, bank=row.bank, division=row.division)


def whole(row: Outlet) -> dict[str, Any]:
    """Give a row as it is stored, less what keeps itself."""
    return row.model_dump(exclude=DERIVED)


def given(wanted: OutletWanted | OutletChange) -> dict[str, Any]:
    """Turn what a body names into columns; what it leaves out is left out."""
    body = wanted.model_dump(mode="json", exclude_unset=isinstance(wanted, OutletChange))
    row = {n: v for n, v in body.items() if n not in ("reason", "point", "division", "opening")}
    row = {n: v for n, v in row.items() if v is not None or n in NULLABLE} | {
        n: "" for n in ("phone",) if n in row and row[n] is None
    }
    if body.get("division") is not None:
        row["division"], row["village"] = split_division(body["division"])
    if "point" in body:
        row |= _point(wanted.point)
    if "opening" in body:
        # `body` lacks what was not said of the hours themselves; they are kept, and compared, whole.
        row["opening"] = wanted.opening and wanted.opening.model_dump(mode="json")
        row["hours"] = said(wanted.opening) if wanted.opening is not None else ""
    return row


NULLABLE = frozenset({"agreement", "cnaps", "licence", "parent", "allowed"})
"""What null takes away; elsewhere null is nothing said."""


def _point(wanted: PointWanted | None) -> dict[str, Any]:
    """Give the columns of a point: turned into CGCS2000, and as it was handed in."""
    if wanted is None:
        empty = dict.fromkeys(("lat", "lng", "original_lat", "original_lng"))
        return {**empty, "coordinate_system": "cgcs2000"}
    lat, lng = to_cgcs2000(Point(wanted.lat, wanted.lng), wanted.system)
    return {
        "lat": lat, "lng": lng, "coordinate_system": wanted.system,
        "original_lat": wanted.lat, "original_lng": wanted.lng,
    }  # fmt: skip


EMPTY: Mapping[str, Any] = {
    "phone": "", "hours": "", "village": None, "status": "applied", "is_sample": False,
    "suspended_from": None, "failed_checks": 0, "rectify_by": None, "opened_on": None,
    "closed_on": None, "approved_by": None, "contact_name": "", "contact_phone": "", "grade": None,
    "checked_at": None, "by_authority": False, "rectify_told": None,
}  # fmt: skip


async def apply(
    session: AsyncSession,
    ring: KeyRing,
    caller: Caller,
    wanted: OutletWanted,
    *,
    asked: Asked | None,
    known: Known,
) -> tuple[Outlet, bool]:
    """Apply for an outlet; tell too whether an earlier call had done it.

    Raises:
        Forbidden: it is neither of the caller's bank nor in his division.
        OutletKnown: one of the same name and place, or of the same licence, is there.
        CountyFull: the county has no number left.
        RegistryInvalid: with all that is wrong.
    """
    row = {**EMPTY, **given(wanted), "status_since": now(), "proposed_by": caller.id}
    county = row["division"][:6]
    if not caller.reach(May.OUTLET_CHANGE).covers_outlet(
        outlet="", bank=wanted.bank, division=row["division"]
    ):
        raise Forbidden(private=f"{caller.role} applies for no outlet there")
    await hold(session)
    (number,) = (await take_numbers(session, {county: 1}))[county]
    earlier = await made_before(session, ring, asked, number)
    if earlier is not None:
        return await session.get_one(Outlet, earlier), True
    await ensure_unknown(session, None, row)
    found = list(faults(row, await freshly(session, row, known)))
    bank = await queries.fresh(session, Bank, wanted.bank)
    if bank is None or bank.status == "closed":
        found.append(Fault("/bank", "bank", BANK_WORDS))
    if found:
        raise RegistryInvalid(faults=found)
    return await stored(session, {**row, "number": number}, deed(caller)), False


async def freshly(session: AsyncSession, row: Mapping[str, Any], known: Known) -> Known:
    """Look anew at what an outlet names: its parent may have been made a moment ago."""
    parent = await queries.fresh(session, Outlet, row["parent"]) if row["parent"] else None
    number = row["agreement"]
    agreement = await queries.fresh(session, Agreement, number) if number else None
    return known._replace(
        outlets={} if parent is None else {parent.number: parent},
        agreements={} if agreement is None else {agreement.number: agreement_info(agreement)},
    )


async def ensure_unknown(session: AsyncSession, number: str | None, row: Mapping[str, Any]) -> None:
    """Check that no other outlet has the same name and place, or the same licence.

    Raises:
        OutletKnown: with those that have.
    """
    same = await queries.same_outlets(session, number, row["bank"], row["name"], row["division"])
    licence = row.get("licence")
    licensed = await queries.licensed(session, number, licence) if licence else ()
    if same or licensed:
        raise OutletKnown(outlets=sorted({*same, *licensed}))


async def stored(session: AsyncSession, row: Mapping[str, Any], done: Deed) -> Outlet:
    """Store an outlet with its history, and give it as it now stands."""
    await store(session, Outlet, [row], done)
    return await session.get_one(Outlet, row["number"], populate_existing=True)


async def held(session: AsyncSession, number: str) -> Outlet:
    """Hold the registry, and give an outlet as it now stands.

    Raises:
        OutletNotFound: there is none.
    """
    await hold(session)
    row = await queries.fresh(session, Outlet, number)
    if row is None:
        raise OutletNotFound()
    return row


def allowed(caller: Caller, row: Outlet) -> list[str]:
    """List the steps that the caller may take with an outlet as things stand."""
    return [
        move.action
        for move in lifecycle.steps(row.status)
        if reaches(caller, move.may, row)
        and not (move.action == "pass" and is_own(caller, row))
        and not (move.action == "resume" and held_down(caller, row))
    ]


def held_down(caller: Caller, row: Outlet) -> bool:
    """Tell whether the administrator stopped what a bank would open again."""
    return row.by_authority and not reaches(caller, May.OUTLET_DECIDE, row)


def is_own(caller: Caller, row: Outlet) -> bool:
    """Tell whether the caller applied for an outlet that nobody has approved yet."""
    return row.opened_on is None and row.proposed_by == caller.id


async def act(
    session: AsyncSession,
    caller: Caller,
    number: str,
    wanted: OutletAction,
    *,
    version: int,
    known: Known,
) -> Outlet:
    """Take a step with an outlet.

    Raises:
        Forbidden, RegistryStale, RegistryActionNotAllowed, OwnProposal: what its name says.
        OutletNotReady, DependedOn: what it needs to begin is missing; others belong to it.
        RegistryInvalid: the reason or the sheet.
    """
    row = await held(session, number)
    move = _move(caller, row, wanted.action, version)
    after = _after(move, row)
    await _ensure_possible(session, row, after, known)
    found = list(_body_faults(move, row, wanted))
    if found:
        raise RegistryInvalid(faults=found)
    if wanted.sheet is not None and move.needs == "sheet":
        sheet = _sheet(caller, row, wanted.sheet)
        session.add(sheet)
        row.grade, row.checked_at = sheet.grade, sheet.filled_at
    _step(row, move, after, caller)
    if after == "exited":
        await queries.supersede(session, number)
    return await stored(session, whole(row), deed(caller, wanted.action, wanted.reason or ""))


def ensure(caller: Caller, action: str, row: Outlet) -> None:
    """Check that a step is ever the caller's to take with an outlet.

    Raises:
        Forbidden: it is not.
    """
    if not any(reaches(caller, may, row) for may in lifecycle.needed(action)):
        raise Forbidden(private=f"{caller.role} does not {action} there")


def _move(caller: Caller, row: Outlet, action: str, version: int) -> lifecycle.Move:
    ensure(caller, action, row)
    if row.version != version:
        raise RegistryStale(version=row.version)
    move = lifecycle.find(action, row.status)
    if (
        move is None
        or not reaches(caller, move.may, row)
        or (action == "resume" and held_down(caller, row))
    ):
        raise RegistryActionNotAllowed(status=row.status, actions=allowed(caller, row))
    if action == "pass" and is_own(caller, row):
        raise OwnProposal()
    return move


def _after(move: lifecycle.Move, row: Outlet) -> str:
    """Say where a step leads: back to where it was, or out where it fails again."""
    if move.action == "fail" and row.failed_checks + 1 >= lifecycle.FAILURES:
        return "exited"
    return move.after or row.suspended_from or "active"


async def _ensure_possible(session: AsyncSession, row: Outlet, after: str, known: Known) -> None:
    if after == "active" and row.opened_on is None:
        await _ensure_ready(session, row, known)
    if after == "exited":
        points = list(await queries.points_of(session, row.number))
        if points:
            raise DependedOn(outlets=points, agreements=[])


async def _ensure_ready(session: AsyncSession, row: Outlet, known: Known) -> None:
    bank = await queries.fresh(session, Bank, row.bank)
    known = await freshly(session, whole(row), known)
    agreement = known.agreement(row.agreement or "")
    missing = []
    if bank is None or bank.status != "active":
        missing.append(("bank-not-active", BANK_NOT_ACTIVE))
    if agreement is None or known.registry.is_over(agreement, known.day):
        missing.append(("no-agreement", NO_AGREEMENT))
    if missing:
        raise OutletNotReady(reasons=[{"code": c, "message": words} for c, words in missing])


def _step(row: Outlet, move: lifecycle.Move, after: str, caller: Caller) -> None:
    at, before = now(), row.status
    if after != before:
        row.status, row.status_since = after, at
    row.suspended_from = before if after == "suspended" else None
    row.by_authority = after == "suspended" and reaches(caller, May.OUTLET_DECIDE, row)
    if move.action == "fail":
        row.failed_checks += 1
    if after == "rectifying" and move.action in ("fail", "rectify"):
        row.rectify_by = today() + lifecycle.RECTIFY_WITHIN
    if move.action == "pass":
        _open(row, at, caller)
    if after == "exited":
        row.closed_on, row.rectify_by = today(), None


def _open(row: Outlet, at: datetime, caller: Caller) -> None:
    row.failed_checks, row.rectify_by = 0, None
    if row.opened_on is None:
        row.opened_on, row.approved_by = today(), caller.id


async def tell_overdue(session: AsyncSession, day: date, limit: int) -> int:
    """Tell of rectifications whose last day has passed, each last day once; give how many.

    Told is what the outlet's history says from then on.
    """
    if not await queries.untold_overdue(session, day, 1):
        return 0
    await hold(session)
    rows = await queries.untold_overdue(session, day, limit)
    if rows:
        told = [whole(row) | {"rectify_told": row.rectify_by} for row in rows]
        await store(session, Outlet, told, Deed(SYSTEM, SYSTEM, "rectify_overdue"))
    return len(rows)


def _body_faults(move: lifecycle.Move, row: Outlet, wanted: OutletAction) -> Iterator[Fault]:
    if move.needs is not None and getattr(wanted, move.needs) is None:
        yield Fault(f"/{move.needs}", "missing", REQUIRED)
    if move.needs == "sheet" and wanted.sheet is not None:
        wrong = list(_sheet_faults(row, wanted.sheet))
        yield from wrong
        if not wrong and _passes(wanted.sheet) != (move.action == "pass"):
            words = FAILED_WORDS if move.action == "pass" else PASSED_WORDS
            yield Fault("/sheet", "verdict", words)


def _passes(wanted: SheetWanted) -> bool:
    return acceptance.judge(wanted.points, _vetoes(wanted)).passed


def _vetoes(wanted: SheetWanted) -> list[str]:
    return sorted({str(veto) for veto in wanted.vetoes})


def _sheet_faults(row: Outlet, wanted: SheetWanted) -> Iterator[Fault]:
    """Find what is wrong with a sheet: each line has its points, within what it gives at most."""
    if wanted.inspected_on > today():
        yield Fault("/sheet/inspected_on", "future", FUTURE_WORDS)
    for code, given_points in wanted.points.items():
        item, at = acceptance.ITEMS.get(code), f"/sheet/points/{code}"
        if item is None:
            yield Fault(at, "item", ITEM_WORDS)
        elif given_points is not None and given_points > item.points:
            yield Fault(at, "most", MOST_WORDS)
        elif given_points is not None and item.in_business and row.opened_on is None:
            yield Fault(at, "early", EARLY_WORDS)
    for code, item in acceptance.ITEMS.items():
        if not item.in_business and wanted.points.get(code) is None:
            yield Fault(f"/sheet/points/{code}", "missing", MISSING_WORDS)


def _sheet(caller: Caller, row: Outlet, wanted: SheetWanted) -> AcceptanceSheet:
    vetoes = _vetoes(wanted)
    verdict = acceptance.judge(wanted.points, vetoes)
    return AcceptanceSheet(
        outlet=row.number, occasion="acceptance" if row.opened_on is None else "inspection",
        inspected_on=wanted.inspected_on, filled_at=now(), filled_by=caller.id,
        points=dict(wanted.points), vetoes=vetoes, total=verdict.total, grade=verdict.grade,
        passed=verdict.passed, remarks=wanted.remarks,
    )  # fmt: skip
