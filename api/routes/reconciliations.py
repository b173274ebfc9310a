"""Where agencies' core systems and this service differ."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, IfMatch, Session, identify, may, version_of
from api.openapi import VERSIONED, refuses
from api.paging import Pager
from connectors import queries
from connectors.models import Difference
from kit.clock import CHINA
from schemas.base import Page
from schemas.reconciliations import DifferenceAction, DifferenceFilter, DifferenceView
from supervision import reconciling
from supervision.errors import DifferenceNotFound

router = APIRouter(prefix="/v1/reconciliations", tags=["supervision"], route_class=ContractRoute)
DifferenceId = Annotated[str, Path(max_length=20, description="Number of a difference.")]
FAR = 2**63


async def locked_difference(
    request: Request, difference: DifferenceId, session: Session
) -> Difference:
    """Load the difference of the path and hold its row, if the caller may see it."""
    number = int(difference) if difference.isascii() and difference.isdecimal() else 0
    caller = await identify(request)
    row = await queries.get_difference(session, caller, number if number < FAR else 0)
    if row is None:
        raise DifferenceNotFound()
    return row


def _shown(row: Difference, caller: Caller, held: Held) -> dict[str, Any]:
    found = reconciling.shown(row, caller, held.desk)
    return {n: v.astimezone(CHINA) if hasattr(v, "astimezone") else v for n, v in found.items()}


@router.get("", response_model=Page[DifferenceView])
async def list_reconciliations(
    narrow: Annotated[DifferenceFilter, Query()],
    caller: Annotated[Caller, may(May.RECONCILIATION_READ)],
    held: Held,
    session: Session,
) -> Response:
    """List what core systems and this service hold differently, newest first."""
    pager = Pager(held, "reconciliations", caller, narrow)
    after = int(pager.position[0]) if pager.position else None
    rows = await queries.differences(session, caller, narrow, after)
    return json(
        pager.page(rows, narrow.limit, lambda row: [row.id], lambda r: _shown(r, caller, held))
    )


@router.post(
    "/{difference}/actions", response_model=DifferenceView, responses=VERSIONED | refuses(409)
)
async def act_on_reconciliation(
    row: Annotated[Difference, Depends(locked_difference, scope="function")],
    wanted: DifferenceAction,
    caller: Annotated[Caller, may(May.RECONCILIATION_SETTLE)],
    held: Held,
    session: Session,
    if_match: IfMatch = None,
) -> Response:
    """Record what was found about a difference, and what was done: it changes neither side."""
    version = version_of(if_match)
    done = await reconciling.settle(session, held.desk, caller, row, wanted.text, version)
    return json(_shown(done, caller, held), headers={"ETag": f'"{done.version}"'})
