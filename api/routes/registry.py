"""The life of outlets: applied for, changed, checked, stopped; their history, and what they may do."""

import re
import uuid
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import dumps, json, tagged
from api.deps import Held, IfMatch, Repeat, Session, identify, version_of
from api.deps import may as permits
from api.openapi import TAGGED, VERSIONED, carries, refuses
from api.paging import Pager
from api.problems import RequestInvalid, language_of
from api.routes.proposals import show_proposal
from api.state import State
from entrusting import history, proposals, queries, service
from entrusting.service import reaches
from kit.clock import CHINA, today
from kit.errors import Fault, Words
from matters.compiled import CompiledGuide
from outlets.checks import Known
from outlets.errors import OutletNotFound
from outlets.memory import TellerInfo
from outlets.models import AcceptanceSheet, Outlet, OutletProposal, RegistryChange
from routing.permissions import Permission, Reason
from schemas.base import Listing, Page
from schemas.guides import Delegation
from schemas.registry import (
    AsOf,
    OutletAction,
    OutletChange,
    OutletDetail,
    OutletWanted,
    OverdueFilter,
    OverdueView,
    PermissionFilter,
    PermissionView,
    ProposalView,
    RegistryChangeView,
    SheetView,
)
from terminals.errors import TellerNotFound

router = APIRouter(prefix="/v1/outlets", tags=["outlets"], route_class=ContractRoute)
Reader = Annotated[Caller, permits(May.OUTLET_READ)]
Keeper = Annotated[Caller, permits(May.OUTLET_CHANGE)]
Checker = Annotated[Caller, permits(May.REGISTRY_READ)]
Number = Annotated[str, Path(max_length=20, description="Number of an outlet.")]
NUMBER = re.compile(r"[0-9]{12}", re.ASCII)
FUTURE = Words("不得晚于今天", "is to come")

MADE: dict[int | str, Any] = {201: {"headers": carries("Location", "ETag", "Idempotent-Replayed")}}
PROPOSED: dict[int | str, Any] = {
    202: {
        "model": ProposalView, "headers": carries("Location", "ETag"),
        "description": "It waits for a decision.",
    }
}  # fmt: skip


async def found_outlet(request: Request, outlet: Number, session: Session) -> Outlet:
    """Load the outlet of the path, for a caller who is known; one made a moment ago is there for all."""
    await identify(request)
    row = await session.get(Outlet, outlet) if NUMBER.fullmatch(outlet) else None
    if row is None:
        raise OutletNotFound()
    return row


Found = Annotated[Outlet, Depends(found_outlet, scope="function")]


async def _within(request: Request, row: Outlet, may: May) -> Outlet:
    """Let nobody change, or look behind, what is not his: it is answered as if it were not there.

    Who may do so nowhere is refused in his turn.
    """
    caller = await identify(request)
    if caller.may(may) and not reaches(caller, may, row):
        raise OutletNotFound()
    return row


async def kept_outlet(request: Request, row: Found) -> Outlet:
    """Load the outlet of the path, if the caller looks after it."""
    return await _within(request, row, May.OUTLET_CHANGE)


async def checked_outlet(request: Request, row: Found) -> Outlet:
    """Load the outlet of the path, if the caller may look behind it."""
    return await _within(request, row, May.REGISTRY_READ)


Kept = Annotated[Outlet, Depends(kept_outlet, scope="function")]
Checked = Annotated[Outlet, Depends(checked_outlet, scope="function")]


def _known(held: State) -> Known:
    desk = held.desk
    return Known(desk.divisions, desk.registry, desk.catalogue.matters, today())


UNSTORED = frozenset({"outlet", "bank_name", "county", "actions"})
SHOWN = tuple(name for name in OutletDetail.model_fields if name not in UNSTORED)


def show_outlet(
    row: Mapping[str, Any], held: State, actions: list[str], version: int
) -> dict[str, Any]:
    """Show what is public of an outlet."""
    return {
        "outlet": row["number"],
        **{name: row[name] for name in SHOWN},
        "bank_name": held.desk.registry.banks.get(row["bank"], ""),
        "county": row["division"][:6],
        "status_since": _there(row["status_since"]),
        "checked_at": _there(row["checked_at"]),
        "version": version,
        "actions": actions,
    }


def _there(moment: str | None) -> datetime | None:
    """Give a moment as a clock in China tells it."""
    return None if moment is None else datetime.fromisoformat(moment).astimezone(CHINA)


def _now(row: Outlet, caller: Caller, held: State) -> dict[str, Any]:
    plain = row.model_dump(mode="json")
    return show_outlet(plain, held, service.allowed(caller, row), row.version)


@router.post("", status_code=201, response_model=OutletDetail, responses=MADE | refuses(409))
async def apply_for_outlet(
    wanted: OutletWanted, caller: Keeper, held: Held, session: Session, asked: Repeat
) -> Response:
    """Apply for an outlet. An outlet administrator who is another person checks it on the spot."""
    row, replayed = await service.apply(
        session, held.keys, caller, wanted, asked=asked, known=_known(held)
    )
    headers = {
        "Location": f"{held.settings.public_url}/v1/outlets/{row.number}", "ETag": f'"{row.version}"'
    }  # fmt: skip
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return json(_now(row, caller, held), 201, headers)


@router.get("/overdue", response_model=Page[OverdueView])
async def list_overdue_outlets(
    narrow: Annotated[OverdueFilter, Query()], caller: Checker, held: Held, session: Session
) -> Response:
    """List the outlets whose rectification is past its 30 days, the longest first."""
    pager, day = Pager(held, "overdue-outlets", caller, narrow), today()
    after = pager.position and (date.fromisoformat(pager.position[0]), str(pager.position[1]))
    rows = await queries.overdue(
        session, caller.reach(May.REGISTRY_READ), day, after or None, narrow.limit
    )
    return json(
        pager.page(
            rows, narrow.limit, lambda o: [str(o.rectify_by), o.number], lambda o: _overdue(o, day)
        )
    )


def _overdue(row: Outlet, day: date) -> dict[str, Any]:
    last = row.rectify_by or day
    return {
        "outlet": row.number, "name": row.name, "bank": row.bank, "division": row.division,
        "rectify_by": last, "days_over": (day - last).days, "told": row.rectify_told == last,
    }  # fmt: skip


@router.get("/{outlet}", response_model=OutletDetail, responses=TAGGED)
async def get_outlet(
    request: Request,
    row: Found,
    narrow: Annotated[AsOf, Query()],
    caller: Reader,
    held: Held,
    session: Session,
) -> Response:
    """Show an outlet as it is, or as it was at the end of a day."""
    if narrow.as_of is None or narrow.as_of == today():
        return tagged(request, dumps(_now(row, caller, held)))
    if narrow.as_of > today():
        raise RequestInvalid(faults=[Fault("/query/as_of", "future", FUTURE)])
    was = await history.outlet_of(session, row, narrow.as_of)
    return tagged(request, dumps(show_outlet(was, held, [], was["version"])))


@router.patch("/{outlet}", response_model=OutletDetail, responses=VERSIONED | PROPOSED)
async def change_outlet(
    row: Kept,
    wanted: OutletChange,
    caller: Keeper,
    held: Held,
    session: Session,
    if_match: IfMatch = None,
) -> Response:
    """Change hours, telephone, windows, equipment and zones at once; propose all else, together with those."""
    version = version_of(if_match)
    changed = await proposals.change(
        session, caller, row.number, wanted, version=version, known=_known(held)
    )
    headers = {"ETag": f'"{changed.version}"'}
    if isinstance(changed, OutletProposal):
        headers["Location"] = f"{held.settings.public_url}/v1/outlet-proposals/{changed.id}"
        return json(show_proposal(changed, row, caller), 202, headers)
    return json(_now(changed, caller, held), headers=headers)


@router.post("/{outlet}/actions", response_model=OutletDetail, responses=VERSIONED)
async def act_on_outlet(
    row: Kept,
    wanted: OutletAction,
    caller: Keeper,
    held: Held,
    session: Session,
    if_match: IfMatch = None,
) -> Response:
    """Check, pass, fail, have mended, suspend, resume or end an outlet. Suspending bites within two seconds."""
    service.ensure(caller, wanted.action, row)
    changed = await service.act(
        session, caller, row.number, wanted, version=version_of(if_match), known=_known(held)
    )
    return json(_now(changed, caller, held), headers={"ETag": f'"{changed.version}"'})


UNSAID = frozenset({"proposed_by", "approved_by"})
"""Fields of which a history says nothing that its step does not."""


def show_change(row: RegistryChange) -> dict[str, Any]:
    """Show a change: who, when, what it was and what it became."""
    fields = {name: value for name, value in row.fields.items() if name not in UNSAID}
    return {
        "at": row.at.astimezone(CHINA), "action": row.action, "reason": row.reason, "by": row.actor,
        "role": row.actor_role, "version": row.version, "fields": fields,
    }  # fmt: skip


@router.get("/{outlet}/history", response_model=Page[RegistryChangeView])
async def list_outlet_history(
    row: Checked,
    narrow: Annotated[Listing, Query()],
    caller: Checker,
    held: Held,
    session: Session,
) -> Response:
    """List what was done with an outlet, oldest first."""
    pager = Pager(held, f"outlet-history\0{row.number}", caller, narrow)
    after = int(pager.position[0]) if pager.position else 0
    rows = await queries.changes(session, "outlet", row.number, after, narrow.limit)
    return json(pager.page(rows, narrow.limit, lambda r: [r.id], show_change))


@router.get("/{outlet}/sheets", response_model=Page[SheetView])
async def list_outlet_sheets(
    row: Checked,
    narrow: Annotated[Listing, Query()],
    caller: Checker,
    held: Held,
    session: Session,
) -> Response:
    """List the sheets of an outlet's site acceptance and inspections, newest first."""
    pager = Pager(held, f"outlet-sheets\0{row.number}", caller, narrow)
    place = pager.position
    after = (datetime.fromisoformat(place[0]), uuid.UUID(place[1])) if place else None
    rows = await queries.sheets(session, row.number, after, narrow.limit)
    return json(
        pager.page(
            rows, narrow.limit, lambda r: [r.filled_at.isoformat(), str(r.id)], _show_sheet
        )
    )  # fmt: skip


def _show_sheet(row: AcceptanceSheet) -> dict[str, Any]:
    return {
        "occasion": row.occasion, "inspected_on": row.inspected_on,
        "filled_at": row.filled_at.astimezone(CHINA), "filled_by": row.filled_by,
        "points": row.points, "vetoes": row.vetoes, "total": row.total, "grade": row.grade,
        "passed": row.passed, "remarks": row.remarks,
    }  # fmt: skip


@router.get("/{outlet}/permissions", response_model=Page[PermissionView])
async def list_outlet_permissions(
    request: Request,
    outlet: Number,
    narrow: Annotated[PermissionFilter, Query()],
    caller: Reader,
    held: Held,
) -> Response:
    """List what an outlet, or a teller at it, may do: matter by matter, link by link, and why not.

    By the function that a submission goes by, on what this process knows.
    """
    desk, day = held.desk, today()
    found = desk.registry.outlet(outlet)
    teller = _teller(held, caller, outlet, narrow.teller)
    pager = Pager(held, f"outlet-permissions\0{outlet}", caller, narrow)
    after = pager.position[0] if pager.position else ""
    guides = sorted(desk.catalogue.in_force(day), key=lambda guide: guide.matter)
    rows = (g for g in guides if g.matter > after and narrow.matter in (None, g.matter))
    return json(
        pager.page(
            rows, narrow.limit, lambda g: [g.matter],
            lambda g: _show_permission(
                g, desk.permission(g, found, day, teller), language_of(request)
            ),
        )
    )  # fmt: skip


def _teller(held: State, caller: Caller, outlet: str, code: str | None) -> TellerInfo | None:
    """Find a teller of an outlet whose qualification the caller may know of.

    Raises:
        TellerNotFound: there is none, or none that he may see.
    """
    if code is None:
        return None
    known, found = held.desk.registry.outlet(outlet), held.desk.registry.tellers.get(code)
    seen = caller.teller == code or caller.reach(May.TELLER_READ).covers_outlet(
        outlet=outlet, bank=known.bank, division=known.division
    )
    if found is None or found.outlet != outlet or found.status == "left" or not seen:
        raise TellerNotFound()
    return found


def _show_permission(guide: CompiledGuide, found: Permission, language: str) -> dict[str, Any]:
    let = [link for link in Delegation if found.lets(link)]
    return {
        "matter": guide.matter, "name": guide.guide.name, "may": not found.reasons,
        "delegation": max(let, default=None),
        "links": [
            {
                "link": link, "may": link in let,
                "reasons": [_why(reason, language) for reason in found.against(link)],
            }
            for link in Delegation
        ],
    }  # fmt: skip


def _why(reason: Reason, language: str) -> dict[str, str]:
    return {"code": reason.code, "message": reason.message.within(language)}
