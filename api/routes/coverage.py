"""Coverage: which townships have an outlet, as JSON and as a map."""

import asyncio
from datetime import date
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import dumps, tagged
from api.deps import Held, may
from api.openapi import TAGGED, refuses
from api.state import State
from divisions.memory import Place
from kit.clock import today
from schemas.outlets import CoverageAsked, CoverageMapAsked, CoverageView
from territory import drawing, service

router = APIRouter(prefix="/v1/outlets", tags=["outlets"], route_class=ContractRoute)
Reader = Annotated[Caller, may(May.OUTLET_READ)]


class Surveyed(NamedTuple):
    """A division, and what was found in it."""

    place: Place
    land: service.Land


@router.get("/coverage", response_model=CoverageView, responses=TAGGED | refuses(404))
async def get_coverage(
    request: Request, asked: Annotated[CoverageAsked, Query()], caller: Reader, held: Held
) -> Response:
    """Count townships with and without an active outlet, those within 5 km of one, and what closing would cost.

    A county without townships counts as one. Of a township whose point is unknown it is said that it is unknown
    whether an outlet is near.
    """  # fmt: skip
    found = await _survey(held, asked.division, today())
    answer: dict[str, Any] = {
        "division": found.place.code, "name": found.place.name, "level": asked.level,
        "within_m": service.NEAR, "total": service.summed(found.land.units),
        "items": service.report(found.land, asked.level), "unplaced": found.land.unplaced,
        "lost": None,
    }  # fmt: skip
    if asked.without:
        closed = frozenset(asked.without.split(","))
        for number in sorted(closed):
            held.desk.registry.outlet(number)
        without = await _survey(held, asked.division, today(), closed)
        answer["lost"] = service.lost(found.land, without.land)
    return tagged(request, dumps(answer))


async def _survey(
    held: State, division: str, day: date, without: frozenset[str] = frozenset()
) -> Surveyed:
    """Look at a division as it is on a day, in a thread: a province takes a tenth of a second.

    Raises:
        DivisionNotFound, DivisionAbolished: it is none.
    """
    place = held.desk.divisions.get(division, day)
    await held.finder.ready()
    active = held.finder.active(without)
    land = await asyncio.to_thread(service.survey, held.desk.divisions, active, place.code, day)
    return Surveyed(place, land)


@router.get("/coverage.svg", response_class=Response, responses=TAGGED | refuses(404))
async def get_coverage_map(
    request: Request, asked: Annotated[CoverageMapAsked, Query()], caller: Reader, held: Held
) -> Response:
    """Draw the counties of a division, shaded by the share of their townships that have an active outlet."""
    found = await _survey(held, asked.division, today())
    total = service.summed(found.land.units)
    told = (
        f"{total['townships']}个乡镇(街道)中{total['covered']}个有运行中的网点，"
        f"共{total['outlets']}个网点；{today():%Y年%m月%d日}"
    )
    title = f"{found.place.name}社银合作网点覆盖"
    svg = await asyncio.to_thread(drawing.draw, title, service.shares(found.land), told)
    answer = tagged(request, svg.encode())
    answer.headers["Content-Type"] = "image/svg+xml"
    return answer
