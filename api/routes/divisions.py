"""Administrative divisions, from memory."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import dumps, tagged
from api.deps import Held, may
from api.openapi import TAGGED
from api.paging import Pager
from divisions.memory import DivisionsMemory, Place, short_code
from divisions.models import UNKNOWN_START
from kit.clock import today
from schemas.base import Page
from schemas.divisions import LEVELS, DivisionAt, DivisionFilter, DivisionView

router = APIRouter(prefix="/v1/divisions", tags=["divisions"], route_class=ContractRoute)
Reader = Annotated[Caller, may(May.DIVISION_READ)]


@router.get("", response_model=Page[DivisionView], responses=TAGGED)
async def list_divisions(
    request: Request, narrow: Annotated[DivisionFilter, Query()], caller: Reader, held: Held
) -> Response:
    """List today's divisions in the order of their codes."""
    pager = Pager(held, "divisions", caller, narrow)
    after = pager.position
    rows = _matching(held.desk.divisions, narrow, str(after[0]) if after else "", today())
    return tagged(request, dumps(pager.page(rows, narrow.limit, lambda p: [p.code], _view)))


def _matching(
    divisions: DivisionsMemory, narrow: DivisionFilter, after: str, day: date
) -> Iterator[Place]:
    parent = short_code(narrow.parent) if narrow.parent else None
    level = LEVELS.index(narrow.level) + 1 if narrow.level else None
    places = divisions.children(parent, after, day) if parent else divisions.after(after, day)
    for place in places:
        if level in (None, place.level) and _names(place, narrow.q):
            yield place


def _names(place: Place, q: str | None) -> bool:
    return q is None or q in place.name or place.code.startswith(q)


def _view(place: Place) -> dict[str, Any]:
    return {
        "code": place.code,
        "name": place.name,
        "level": LEVELS[place.level - 1],
        "parent": place.parent,
        "scheme": place.scheme,
        "valid_from": None if place.valid_from == UNKNOWN_START else place.valid_from,
        "valid_to": place.valid_to,
        "lat": place.lat,
        "lng": place.lng,
    }


@router.get("/{code}", response_model=DivisionView, responses=TAGGED)
async def get_division(
    request: Request,
    code: Annotated[str, Path(max_length=20, description="6, 9 or 12 digits.")],
    at: Annotated[DivisionAt, Query()],
    caller: Reader,
    held: Held,
) -> Response:
    """Show what a code meant in a scheme on a day."""
    place = held.desk.divisions.get(code, at.on or today(), at.scheme)
    return tagged(request, dumps(_view(place)))
