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
from divisions.memory import SCHEMES, DivisionsMemory, Place, named, short_code
from divisions.models import UNKNOWN_START
from kit.clock import today
from schemas.base import Page
from schemas.divisions import LEVELS, DivisionAt, DivisionDetail, DivisionFilter, DivisionView

router = APIRouter(prefix="/v1/divisions", tags=["divisions"], route_class=ContractRoute)
Reader = Annotated[Caller, may(May.DIVISION_READ)]


@router.get("", response_model=Page[DivisionView], responses=TAGGED)
async def list_divisions(
    request: Request, narrow: Annotated[DivisionFilter, Query()], caller: Reader, held: Held
) -> Response:
    """List a scheme's divisions of a day in the order of their codes, or those that were there before it."""
    pager = Pager(held, "divisions", caller, narrow)
    walk = _former if narrow.former else _there
    rows = walk(held.desk.divisions, narrow, pager.position, narrow.on or today())
    fitting = (place for place in rows if _fits(place, narrow))
    return tagged(request, dumps(pager.page(fitting, narrow.limit, _position, _view)))


def _position(place: Place) -> list[Any]:
    """Of what is no more a code may have been several's, one after another."""
    return [place.code, str(place.valid_from)]


def _there(
    divisions: DivisionsMemory, narrow: DivisionFilter, position: list[Any] | None, day: date
) -> Iterator[Place]:
    after = str(position[0]) if position else ""
    if narrow.parent:
        return divisions.children(short_code(narrow.parent), after, day, narrow.scheme)
    return divisions.after(after, day, narrow.scheme)


def _former(
    divisions: DivisionsMemory, narrow: DivisionFilter, position: list[Any] | None, day: date
) -> Iterator[Place]:
    code, start = position or ("", str(date.min))
    return divisions.past(day, (str(code), date.fromisoformat(str(start))), narrow.scheme)


def _fits(place: Place, narrow: DivisionFilter) -> bool:
    parent = short_code(narrow.parent) if narrow.parent else place.parent
    level = narrow.level or LEVELS[place.level - 1]
    alike = (parent, level) == (place.parent, LEVELS[place.level - 1])
    return alike and _names(place, narrow.q)


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


@router.get("/{code}", response_model=DivisionDetail, responses=TAGGED)
async def get_division(
    request: Request,
    code: Annotated[str, Path(max_length=20, description="6, 9 or 12 digits.")],
    at: Annotated[DivisionAt, Query()],
    caller: Reader,
    held: Held,
) -> Response:
    """Show what a code meant in a scheme on a day, what the other scheme means by it, and what it is now.

    One that means nothing on that day names what took its place, or what it is in the other scheme.
    """
    divisions, day = held.desk.divisions, at.on or today()
    place = divisions.get(code, day, at.scheme)
    meant = (divisions.find(code, day, scheme) for scheme in SCHEMES)
    same = divisions.counterpart(place, day)
    now = [] if place.on(today()) else divisions.became(place, today())
    return tagged(request, dumps({
        **_view(place),
        "is_ambiguous": divisions.is_ambiguous(code, day),
        "meanings": [_named(one) for one in meant if one is not None],
        "counterpart": _named(same) if same is not None else None,
        "successors": [_named(one) for one in now],
    }))  # fmt: skip


def _named(place: Place) -> dict[str, str]:
    return {"scheme": place.scheme, **named(place)}
