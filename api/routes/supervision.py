"""Supervision: orders for late work, and the control list of what is checked afterwards."""

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
from kit.clock import CHINA
from schemas.base import Page
from schemas.supervision import (
    CheckAction,
    CheckFilter,
    CheckView,
    OrderAnswer,
    OrderFilter,
    OrderView,
)
from supervision import queries, service
from supervision.errors import CheckNotFound, OrderNotFound
from supervision.models import Order, SpotCheck

router = APIRouter(prefix="/v1", tags=["supervision"], route_class=ContractRoute)
OrderId = Annotated[str, Path(max_length=20, description="Number of an order.")]
CheckId = Annotated[str, Path(max_length=20, description="Number of a check.")]
FAR = 2**63


def _number(id_: str) -> int:
    """Read a number of ours; what is none is of nothing that is there."""
    number = int(id_) if id_.isascii() and id_.isdecimal() else 0
    return number if number < FAR else 0


async def locked_order(request: Request, order: OrderId, session: Session) -> Order:
    """Load the order of the path and hold its row, if the caller may see it."""
    row = await queries.get_order(session, await identify(request), _number(order))
    if row is None:
        raise OrderNotFound()
    return row


async def visible_check(request: Request, check: CheckId, session: Session) -> SpotCheck:
    """Load the check of the path, if the caller may see it."""
    row = await queries.get_check(session, await identify(request), _number(check))
    if row is None:
        raise CheckNotFound()
    return row


async def locked_check(request: Request, check: CheckId, session: Session) -> SpotCheck:
    """Load the check of the path and hold its row, if the caller may see it."""
    row = await queries.get_check(session, await identify(request), _number(check), lock=True)
    if row is None:
        raise CheckNotFound()
    return row


def _local(shown: dict[str, Any]) -> dict[str, Any]:
    return {n: v.astimezone(CHINA) if hasattr(v, "astimezone") else v for n, v in shown.items()}


@router.get("/supervision-orders", response_model=Page[OrderView])
async def list_supervision_orders(
    narrow: Annotated[OrderFilter, Query()],
    caller: Annotated[Caller, may(May.SUPERVISION_READ)],
    held: Held,
    session: Session,
) -> Response:
    """List who was told of late work, and when; newest first."""
    pager = Pager(held, "supervision-orders", caller, narrow)
    after = int(pager.position[0]) if pager.position else None
    rows = await queries.orders(session, caller, narrow, after)

    def show(row: Order) -> dict[str, Any]:
        return _local(service.shown_order(row, held.desk))

    return json(pager.page(rows, narrow.limit, lambda row: [row.id], show))


@router.post(
    "/supervision-orders/{order}/answer",
    response_model=OrderView,
    responses=VERSIONED | refuses(409),
)
async def answer_supervision_order(
    row: Annotated[Order, Depends(locked_order, scope="function")],
    wanted: OrderAnswer,
    caller: Annotated[Caller, may(May.SUPERVISION_ANSWER)],
    held: Held,
    session: Session,
    if_match: IfMatch = None,
) -> Response:
    """Answer an order: why it is late, and what is done."""
    done = await service.answer(session, held.desk, caller, row, wanted.text, version_of(if_match))
    return json(_local(service.shown_order(done, held.desk)), headers={"ETag": f'"{done.version}"'})


@router.get("/spot-checks", response_model=Page[CheckView])
async def list_spot_checks(
    narrow: Annotated[CheckFilter, Query()],
    caller: Annotated[Caller, may(May.CHECK_READ)],
    held: Held,
    session: Session,
) -> Response:
    """List what was drawn to be checked, newest first."""
    pager = Pager(held, "spot-checks", caller, narrow)
    after = int(pager.position[0]) if pager.position else None
    rows = await queries.checks(session, caller, narrow, after)

    def show(row: SpotCheck) -> dict[str, Any]:
        return _local(service.shown_check(row, caller, held.desk))

    return json(pager.page(rows, narrow.limit, lambda row: [row.id], show))


@router.get("/spot-checks/{check}", response_model=CheckView, responses=VERSIONED)
async def get_spot_check(
    row: Annotated[SpotCheck, Depends(visible_check, scope="function")],
    caller: Annotated[Caller, may(May.CHECK_READ)],
    held: Held,
) -> Response:
    """Show a check."""
    shown = _local(service.shown_check(row, caller, held.desk))
    return json(shown, headers={"ETag": f'"{row.version}"'})


@router.post(
    "/spot-checks/{check}/actions", response_model=CheckView, responses=VERSIONED | refuses(409)
)
async def act_on_spot_check(
    row: Annotated[SpotCheck, Depends(locked_check, scope="function")],
    wanted: CheckAction,
    caller: Annotated[Caller, may(May.CHECK_ACT)],
    held: Held,
    session: Session,
    if_match: IfMatch = None,
) -> Response:
    """Confirm what was checked, report a fault, or record how it was put right."""
    version = version_of(if_match)
    done = await service.act(session, held.desk, caller, row, wanted.action, wanted.text, version)
    shown = _local(service.shown_check(done, caller, held.desk))
    return json(shown, headers={"ETag": f'"{done.version}"'})
