"""The registry of outlets, from memory."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import Response

from access.callers import Caller, area_of
from access.policy import May
from api.body import ContractRequest, ContractRoute
from api.conditional import dumps, tagged
from api.deps import Held, identify, may
from api.openapi import TAGGED, refuses
from api.paging import Pager
from api.problems import RequestInvalid
from api.state import State
from divisions.memory import short_code
from kit.clock import CHINA, now, today
from kit.coordinates import Point, in_china, looks_swapped, to_cgcs2000
from kit.errors import DomainError, Fault, Words
from outlets.finding import Judge, Near, Sought, Wanted, open_at
from outlets.memory import OutletInfo
from schemas.base import Page
from schemas.outlets import NEAR_WITHIN, OutletFilter, OutletFound, OutletNarrowed, OutletView

router = APIRouter(prefix="/v1/outlets", tags=["outlets"], route_class=ContractRoute)
Reader = Annotated[Caller, may(May.OUTLET_READ)]

SHOWN = tuple(name for name in OutletInfo._fields if name in OutletView.model_fields)
"""What is held of an outlet and shown in lists."""


@router.get("", response_model=Page[OutletFound], responses=TAGGED | refuses(404))
async def list_outlets(
    request: Request, narrow: Annotated[OutletFilter, Query()], caller: Reader, held: Held
) -> Response:
    """List outlets in the order of their numbers, county by county; with `near` the nearest first.

    Of what is stored a point may be unknown: such outlets are near nothing. Hours that are unknown, or not
    understood, are no opening.
    """
    pager = Pager(held, "outlets", caller, narrow)
    after, wanted, point = pager.position, asked_of(held, narrow), _point(narrow)
    await held.finder.ready()
    if point is None:
        rows = held.finder.matching(wanted, str(after[0]) if after else "")
        return tagged(request, dumps(pager.page(
            rows, narrow.limit, lambda o: [o.outlet], lambda o: _view(o, held),
        )))  # fmt: skip
    return tagged(request, dumps(pager.page(
        _further(held.finder.nearest(wanted, point, narrow.within or NEAR_WITHIN), after),
        narrow.limit, lambda near: [near.metres, near.outlet.outlet],
        lambda near: {**_view(near.outlet, held), "distance_m": round(near.metres)},
    )))  # fmt: skip


async def plain_search(request: ContractRequest) -> Response | None:
    """Answer a search with nothing out of the ordinary; None for any other, see `api.express`."""
    said = request.query_params.multi_items()
    if len(dict(said)) < len(said) or not all(value for _, value in said):
        return None
    try:
        caller = await identify(request)
        narrow = OutletFilter.model_validate(dict(said))
    except (DomainError, ValidationError):
        return None
    held: State = request.app.state.syt
    return (
        await list_outlets(request, narrow, caller, held) if caller.may(May.OUTLET_READ) else None
    )


def _further(found: Iterator[Near], after: list[Any] | None) -> Iterator[Near]:
    """Go on where a page ended: what is nearer, or as near and before it, has been shown."""
    return (n for n in found if after is None or [n.metres, n.outlet.outlet] > after)


def _point(narrow: OutletFilter) -> Point | None:
    """Read from where outlets are looked for, as CGCS2000.

    Raises:
        RequestInvalid: the point lies outside China, or would lie in it the other way round.
    """
    if narrow.near is None:
        _refuse_alone(narrow)
        return None
    lat, _, lng = narrow.near.partition(",")
    point = Point(float(lat), float(lng))
    if looks_swapped(point):
        raise RequestInvalid(faults=[Fault("/query/near", "swapped", SWAPPED)])
    if not in_china(point):
        raise RequestInvalid(faults=[Fault("/query/near", "outside-china", OUTSIDE)])
    return to_cgcs2000(point, narrow.near_system)


SWAPPED = Words("纬度和经度颠倒了：先纬度、后经度", "latitude and longitude are swapped: lat,lng")
OUTSIDE = Words("该坐标不在中国境内", "the point lies outside China")
ALONE = Words("只能与 near 一起使用", "goes with `near` alone")


def _refuse_alone(narrow: OutletFilter) -> None:
    """Let nobody believe that a distance was looked at."""
    given = narrow.model_fields_set & {"within", "near_system"}
    faults = [Fault(f"/query/{name}", "near-missing", ALONE) for name in sorted(given)]
    if faults:
        raise RequestInvalid(faults=faults)


def asked_of(held: State, narrow: OutletNarrowed) -> Wanted:
    """Put a filter into the words of the finder.

    Raises:
        DomainError: the matter is none.
    """
    equal = {"bank": narrow.bank, "status": narrow.status, "kind": narrow.kind,
             "service_class": narrow.service_class}  # fmt: skip
    return Wanted(
        _area(narrow.division) if narrow.division else "",
        tuple((name, value) for name, value in equal.items() if value is not None),
        Sought(narrow.q) if narrow.q else None,
        _may_do(held, narrow.matter) if narrow.matter else None,
        _open_at(held, now()) if narrow.open_now else None,
    )


def _area(division: str) -> str:
    """Give the leading digits that all in a division share; one that is none holds nothing."""
    code = short_code(division)
    return (area_of(code) or code) if len(code) == 6 else code


def _may_do(held: State, matter: str) -> Judge:
    """Judge as a submission does."""
    day, desk = today(), held.desk

    def make() -> Judge:
        guide = desk.catalogue.resolve(matter, None, day)
        return lambda outlet: not desk.permission(guide, outlet, day).reasons

    return desk.derived.once(("may", matter, day), make)


def _open_at(held: State, moment: datetime) -> Judge:
    there = moment.astimezone(CHINA).replace(second=0, microsecond=0)
    return open_at(there, held.desk.calendar.workdays.is_working(there.date()))


def _view(outlet: OutletInfo, held: State) -> dict[str, Any]:
    shown = {name: getattr(outlet, name) for name in SHOWN}
    return {
        **shown,
        "bank_name": held.desk.registry.banks.get(outlet.bank, ""),
        "county": outlet.county,
    }
