"""Changes of outlets that wait for a decision, or have been decided."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, IfMatch, Session, identify, version_of
from api.deps import may as permits
from api.openapi import VERSIONED
from api.paging import Pager
from entrusting import proposals, queries
from entrusting.errors import ProposalNotFound
from kit.clock import CHINA, today
from outlets.checks import Known
from outlets.models import Outlet, OutletProposal
from schemas.base import Page
from schemas.registry import ProposalAction, ProposalFilter, ProposalView

router = APIRouter(prefix="/v1/outlet-proposals", tags=["outlets"], route_class=ContractRoute)
Checker = Annotated[Caller, permits(May.REGISTRY_READ)]
Keeper = Annotated[Caller, permits(May.OUTLET_CHANGE)]
Pair = tuple[OutletProposal, Outlet]


async def found_proposal(
    request: Request,
    proposal: Annotated[str, Path(max_length=60, description="Id of a proposal.")],
    session: Session,
) -> Pair:
    """Load the proposal of the path and its outlet, if the caller may look behind that."""
    caller = await identify(request)
    try:
        id_ = uuid.UUID(proposal)
    except ValueError:
        raise ProposalNotFound() from None
    found = await queries.proposal(session, caller.reach(May.REGISTRY_READ), id_)
    if found is None:
        raise ProposalNotFound()
    return found


Found = Annotated[Pair, Depends(found_proposal, scope="function")]


def show_proposal(row: OutletProposal, outlet: Outlet, caller: Caller) -> dict[str, Any]:
    """Show a proposal, and what the caller may do with it."""
    return {
        "proposal": str(row.id), "outlet": row.outlet, "state": row.state, "fields": row.fields,
        "reason": row.reason, "proposed_by": row.proposed_by,
        "created_at": row.created_at.astimezone(CHINA), "base_version": row.base_version,
        "decided_by": row.decided_by,
        "decided_at": row.decided_at.astimezone(CHINA) if row.decided_at else None,
        "words": row.words, "version": row.version,
        "actions": proposals.allowed(caller, row, outlet),
    }  # fmt: skip


@router.get("", response_model=Page[ProposalView])
async def list_outlet_proposals(
    narrow: Annotated[ProposalFilter, Query()], caller: Checker, held: Held, session: Session
) -> Response:
    """List the proposals for outlets that the caller may look behind, newest first."""
    pager = Pager(held, "outlet-proposals", caller, narrow)
    after = uuid.UUID(pager.position[0]) if pager.position else None
    rows = await queries.proposals(session, caller.reach(May.REGISTRY_READ), narrow, after)
    return json(
        pager.page(
            rows, narrow.limit, lambda r: [str(r[0].id)], lambda r: show_proposal(*r, caller)
        )
    )


@router.get("/{proposal}", response_model=ProposalView, responses=VERSIONED)
async def get_outlet_proposal(found: Found, caller: Checker) -> Response:
    """Show a proposal."""
    return json(show_proposal(*found, caller), headers={"ETag": f'"{found[0].version}"'})


@router.post("/{proposal}/actions", response_model=ProposalView, responses=VERSIONED)
async def act_on_outlet_proposal(
    found: Found,
    wanted: ProposalAction,
    caller: Keeper,
    held: Held,
    session: Session,
    if_match: IfMatch = None,
) -> Response:
    """Approve or refuse what another proposed, or withdraw what one proposed oneself."""
    proposals.ensure(caller, proposals.MOVES[wanted.action], found[1])
    desk, version = held.desk, version_of(if_match)
    known = Known(desk.divisions, desk.registry, desk.catalogue.matters, today())
    row = await proposals.act(session, caller, found[0], wanted, version=version, known=known)
    return json(show_proposal(row, found[1], caller), headers={"ETag": f'"{row.version}"'})
