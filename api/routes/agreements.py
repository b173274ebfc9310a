"""Service agreements between agencies and banks."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from access.callers import Caller, area_of
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, IfMatch, Repeat, Session, identify, version_of
from api.deps import may as permits
from api.openapi import VERSIONED, carries, refuses
from api.paging import Pager
from api.routes.registry import show_change
from api.state import State
from divisions.memory import short_code
from entrusting import agreements, queries
from entrusting.agreements import Known
from entrusting.errors import AgreementNotFound
from kit.clock import today
from outlets.models import Agreement
from schemas.base import Listing, Page
from schemas.registry import (
    AgreementAction,
    AgreementChange,
    AgreementFilter,
    AgreementView,
    AgreementWanted,
    RegistryChangeView,
)

router = APIRouter(prefix="/v1/agreements", tags=["agreements"], route_class=ContractRoute)
Reader = Annotated[Caller, permits(May.AGREEMENT_READ)]
Keeper = Annotated[Caller, permits(May.AGREEMENT_MANAGE)]

MADE: dict[int | str, Any] = {201: {"headers": carries("Location", "ETag", "Idempotent-Replayed")}}


async def found_agreement(
    request: Request,
    agreement: Annotated[str, Path(max_length=60, description="Number of an agreement.")],
    session: Session,
) -> Agreement:
    """Load the agreement of the path, if the caller may see it."""
    caller = await identify(request)
    known = agreement.isprintable()
    reach = caller.reach(May.AGREEMENT_READ)
    row = await queries.agreement(session, reach, agreement) if known else None
    if row is None:
        raise AgreementNotFound()
    return row


Found = Annotated[Agreement, Depends(found_agreement, scope="function")]


def _known(held: State) -> Known:
    return Known(held.desk.divisions, held.desk.agencies, held.desk.catalogue)


def _show(
    row: Agreement, caller: Caller, held: State, replaced: Mapping[str, str]
) -> dict[str, Any]:
    shown = agreements.whole(row)
    return {
        **{name: shown[name] for name in AgreementView.model_fields if name in shown},
        "agreement": row.number,
        "bank_name": held.desk.registry.banks.get(row.bank, ""),
        "in_force": agreements.holds(row, today()),
        "replaced_by": replaced.get(row.number),
        "version": row.version,
        "actions": agreements.allowed(caller, row),
    }


async def _answer(
    row: Agreement, caller: Caller, held: State, session: Session, status: int = 200, **more: str
) -> Response:
    body = _show(row, caller, held, await queries.replaced(session, [row.number]))
    return json(body, status, {"ETag": f'"{row.version}"', **more})


@router.get("", response_model=Page[AgreementView])
async def list_agreements(
    narrow: Annotated[AgreementFilter, Query()], caller: Reader, held: Held, session: Session
) -> Response:
    """List agreements by their numbers: of the caller's bank or place, and those that hold there."""
    pager = Pager(held, "agreements", caller, narrow)
    area = area_of(short_code(narrow.division)[:6]) if narrow.division else None
    rows = await queries.agreements(
        session, caller.reach(May.AGREEMENT_READ), narrow, area=area, day=today(),
        after=pager.position[0] if pager.position else None,
    )  # fmt: skip
    replaced = await queries.replaced(session, [row.number for row in rows])
    return json(
        pager.page(
            rows, narrow.limit, lambda r: [r.number], lambda r: _show(r, caller, held, replaced)
        )
    )


@router.post("", status_code=201, response_model=AgreementView, responses=MADE | refuses(409))
async def record_agreement(
    wanted: AgreementWanted, caller: Keeper, held: Held, session: Session, asked: Repeat
) -> Response:
    """Record an agreement that has been signed. One that replaces another takes its outlets along."""
    row, replayed = await agreements.record(
        session, held.keys, caller, wanted, asked=asked, known=_known(held)
    )
    more = {"Location": f"{held.settings.public_url}/v1/agreements/{quote(row.number)}"}
    if replayed:
        more["Idempotent-Replayed"] = "true"
    return await _answer(row, caller, held, session, 201, **more)


@router.get("/{agreement}", response_model=AgreementView, responses=VERSIONED)
async def get_agreement(row: Found, caller: Reader, held: Held, session: Session) -> Response:
    """Show an agreement."""
    return await _answer(row, caller, held, session)


@router.patch("/{agreement}", response_model=AgreementView, responses=VERSIONED)
async def change_agreement(
    row: Found,
    wanted: AgreementChange,
    caller: Keeper,
    held: Held,
    session: Session,
    if_match: IfMatch = None,
) -> Response:
    """Change what a supplement changes. What it takes from outlets is gone within two seconds."""
    agreements.ensure(caller, row.division)
    changed = await agreements.change(
        session, caller, row.number, wanted, version=version_of(if_match), known=_known(held)
    )
    return await _answer(changed, caller, held, session)


@router.post("/{agreement}/actions", response_model=AgreementView, responses=VERSIONED)
async def act_on_agreement(
    row: Found,
    wanted: AgreementAction,
    caller: Keeper,
    held: Held,
    session: Session,
    if_match: IfMatch = None,
) -> Response:
    """End an agreement early: its outlets' rights go with it on that day."""
    agreements.ensure(caller, row.division)
    changed = await agreements.end(
        session, caller, row.number, wanted, version=version_of(if_match)
    )
    return await _answer(changed, caller, held, session)


@router.get("/{agreement}/history", response_model=Page[RegistryChangeView])
async def list_agreement_history(
    row: Found,
    narrow: Annotated[Listing, Query()],
    caller: Reader,
    held: Held,
    session: Session,
) -> Response:
    """List what was done with an agreement, oldest first; also that its end was told."""
    pager = Pager(held, f"agreement-history\0{row.number}", caller, narrow)
    after = int(pager.position[0]) if pager.position else 0
    rows = await queries.changes(session, "agreement", row.number, after, narrow.limit)
    return json(pager.page(rows, narrow.limit, lambda r: [r.id], show_change))
