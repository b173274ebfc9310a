"""The feed of events, in the order in which they were told."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, may
from api.feeding import STREAM, Reader, page, stream, waited_for
from api.openapi import refuses
from schemas.events import EventFilter, EventPage

router = APIRouter(prefix="/v1/events", tags=["events"], route_class=ContractRoute)

AT_ONCE = 200
"""Events that a stream reads at once."""

TOLD: dict[int | str, Any] = {
    200: {
        "content": {
            STREAM: {
                "schema": {"type": "string", "description": "Server-Sent Events without an end."}
            }
        }
    }
}


@router.get("", response_model=EventPage, responses=TOLD | refuses(409))
async def list_events(
    request: Request,
    narrow: Annotated[EventFilter, Query()],
    caller: Annotated[Caller, may(May.EVENT_READ)],
    held: Held,
    last_event_id: Annotated[
        str | None,
        Header(alias="Last-Event-ID", max_length=600, description="Of a stream: where to go on."),
    ] = None,
) -> Response:
    """Read the feed; `next` is never null: it is where to go on.

    With `wait` the answer is held back until there is something to tell. With `Accept: text/event-stream`
    it has no end: each message carries its mark as `id`.
    """
    if last_event_id:
        narrow = narrow.model_copy(update={"after": last_event_id})
    is_stream = STREAM in request.headers.get("accept", "")
    if is_stream:
        narrow = narrow.model_copy(update={"limit": AT_ONCE})
    reader = Reader(request, held, caller, narrow)
    if is_stream:
        return await stream(reader, held, request)
    if not narrow.wait:
        return json(page(reader, await reader.read()))
    return json(page(reader, await waited_for(reader, held, request, narrow.wait)))
