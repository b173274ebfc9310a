"""The feed of events, in the order in which they were told."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, Session, may
from api.openapi import refuses
from api.paging import Pager
from applications.feed import FeedEpochOver, page_of
from events import queries
from events.models import Event
from kit.clock import CHINA
from schemas.applications import EventFilter, EventView
from schemas.base import Page

router = APIRouter(prefix="/v1/events", tags=["events"], route_class=ContractRoute)


def shown(event: Event) -> dict[str, Any]:
    """Show an event: ids and states, nothing personal."""
    return {
        "id": str(event.id),
        "kind": event.kind,
        "at": event.at.astimezone(CHINA),
        "application": event.application,
        "state": event.state,
        "version": event.version,
        "actor_role": event.actor_role,
        "outlet": event.outlet,
        "agency": event.agency,
        "facts": event.facts,
    }


@router.get("", response_model=Page[EventView], responses=refuses(409))
async def list_events(
    narrow: Annotated[EventFilter, Query()],
    caller: Annotated[Caller, may(May.EVENT_READ)],
    held: Held,
    session: Session,
) -> Response:
    """Read the feed; `next` is never null: it is where to go on."""
    pager = Pager(held, "events", caller, narrow)
    epoch, position = await queries.epoch(session), pager.position
    if position and position[0] != epoch:
        raise FeedEpochOver()
    start = int(position[1]) if position else 0
    rows = await page_of(session, caller, start, narrow.limit)
    end = rows[-1][0] if rows else start
    return json({"items": [shown(event) for _, event in rows], "next": pager.mark([epoch, end])})
