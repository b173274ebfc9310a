"""The registry of outlets, from memory."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from access.callers import Caller, area_of
from access.policy import May
from api.body import ContractRoute
from api.conditional import dumps, tagged
from api.deps import Held, may
from api.openapi import TAGGED, refuses
from api.paging import Pager
from api.state import State
from divisions.memory import short_code
from kit.clock import today
from outlets.memory import OutletInfo, RegistryMemory
from schemas.base import Page
from schemas.outlets import OutletFilter, OutletView

router = APIRouter(prefix="/v1/outlets", tags=["outlets"], route_class=ContractRoute)
Reader = Annotated[Caller, may(May.OUTLET_READ)]

SHOWN = tuple(name for name in OutletInfo._fields if name in OutletView.model_fields)
"""What is held of an outlet and shown in lists."""


@router.get("", response_model=Page[OutletView], responses=TAGGED | refuses(404))
async def list_outlets(
    request: Request, narrow: Annotated[OutletFilter, Query()], caller: Reader, held: Held
) -> Response:
    """List outlets in the order of their numbers, county by county."""
    pager = Pager(held, "outlets", caller, narrow)
    after = pager.position
    rows = _matching(held, narrow, str(after[0]) if after else "")
    page = pager.page(rows, narrow.limit, lambda o: [o.outlet], lambda o: _view(o, held))
    return tagged(request, dumps(page))


def _matching(held: State, narrow: OutletFilter, after: str) -> Iterator[OutletInfo]:
    registry = held.desk.registry
    guide = held.desk.catalogue.resolve(narrow.matter, None, today()) if narrow.matter else None
    wanted = {
        "bank": narrow.bank, "status": narrow.status, "kind": narrow.kind,
        "service_class": narrow.service_class,
    }  # fmt: skip
    tests = [(name, value) for name, value in wanted.items() if value is not None]
    for outlet in _within(registry, narrow.division, after):
        if (
            all(getattr(outlet, name) == value for name, value in tests)
            and (narrow.q is None or narrow.q in outlet.name)
            and (guide is None or not held.desk.permission(guide, outlet, today()).reasons)
        ):
            yield outlet


def _within(registry: RegistryMemory, division: str | None, after: str) -> Iterator[OutletInfo]:
    """Walk the outlets of a division after a number: numbers begin with the county."""
    code = short_code(division) if division else ""
    area = area_of(code) if len(code) == 6 else code[:6]
    if code and not area:
        return
    start = max(bisect_left(registry.ordered, area), bisect_right(registry.ordered, after))
    for at in range(start, len(registry.ordered)):
        number = registry.ordered[at]
        if not number.startswith(area):
            return
        outlet = registry.outlets[number]
        if len(code) < 9 or outlet.division == code:
            yield outlet


def _view(outlet: OutletInfo, held: State) -> dict[str, Any]:
    shown = {name: getattr(outlet, name) for name in SHOWN}
    return {
        **shown,
        "bank_name": held.desk.registry.banks.get(outlet.bank, ""),
        "county": outlet.county,
    }


@router.get("/{outlet}", response_model=OutletView, responses=TAGGED)
async def get_outlet(
    request: Request, outlet: Annotated[str, Path(max_length=20)], caller: Reader, held: Held
) -> Response:
    """Show an outlet."""
    found = held.desk.registry.outlet(outlet)
    return tagged(request, dumps(_view(found, held)))
