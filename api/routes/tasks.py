"""Work lists: what a person of an agency may work on, by the time left."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, Locked, Session, may
from api.paging import Pager
from applications import queries, service, views
from applications.models import Application
from kit.clock import now, today
from schemas.applications import ApplicationList, ApplicationView, ClaimRequest, TaskFilter
from schemas.base import Page

router = APIRouter(prefix="/v1/tasks", tags=["tasks"], route_class=ContractRoute)
Claimer = Annotated[Caller, may(May.TASK_CLAIM)]


@router.get("", response_model=Page[ApplicationView])
async def list_tasks(
    narrow: Annotated[TaskFilter, Query()],
    caller: Annotated[Caller, may(May.TASK_READ)],
    held: Held,
    session: Session,
) -> Response:
    """List what the caller may work on, the least time left first."""
    pager = Pager(held, "tasks", caller, narrow)
    position = pager.position
    after = (date.fromisoformat(position[0]), str(position[1])) if position else None
    at = now()
    rows = await queries.tasks(session, caller, narrow, after, at, today())

    def show(row: Application) -> dict[str, Any]:
        return views.view(row, caller, held.desk, at)

    return json(pager.page(rows, narrow.limit, lambda r: [r.due_on.isoformat(), r.number], show))


@router.post("/claim", response_model=ApplicationList)
async def claim_tasks(
    wanted: ClaimRequest, caller: Claimer, held: Held, session: Session
) -> Response:
    """Take applications to work on; never one for two persons. Free to others after 30 minutes."""
    rows = await service.claim(session, caller, wanted.limit, wanted.matters)
    at = now()
    return json({"items": [views.view(row, caller, held.desk, at) for row in rows]})


@router.post("/{number}/release", response_model=ApplicationView)
async def release_task(row: Locked, caller: Claimer, held: Held, session: Session) -> Response:
    """Give a claimed application back."""
    released = await service.release(session, held.desk, caller, row)
    return json(views.view(released, caller, held.desk, now()))
