"""The catalogue: matters and their guides, from memory."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import dumps, tagged
from api.deps import Held, may
from api.openapi import TAGGED, refuses
from api.paging import Pager
from api.state import State
from kit.clock import today
from matters.compiled import CompiledGuide
from matters.models import Matter
from schemas.base import Day, Page
from schemas.codes import DivisionCode
from schemas.guides import GuideView, MatterDetail, MatterView
from schemas.outlets import MatterFilter

router = APIRouter(prefix="/v1/matters", tags=["matters"], route_class=ContractRoute)
Reader = Annotated[Caller, may(May.MATTER_READ, even_when_stale=True)]
MatterCode = Annotated[str, Path(max_length=40, description="Base code, 12 digits.")]


@router.get("", response_model=Page[MatterView], responses=TAGGED | refuses(404))
async def list_matters(
    request: Request, narrow: Annotated[MatterFilter, Query()], caller: Reader, held: Held
) -> Response:
    """List the matters with a guide in force; with `q` the best match first."""
    outlet = held.desk.registry.outlet(narrow.outlet) if narrow.outlet else None
    pager = Pager(held, "matters", caller, narrow)
    start = tuple(pager.position or ())
    ranked = sorted(
        (rank, guide.matter, guide)
        for guide in held.desk.catalogue.in_force(today())
        if (rank := _rank(held.desk.catalogue.matters[guide.matter], narrow.q)) is not None
        and narrow.category in (None, guide.guide.category)
        and (outlet is None or not held.desk.permission(guide, outlet, today()).reasons)
    )
    rows = (row for row in ranked if row[:2] > start)
    page = pager.page(rows, narrow.limit, lambda r: [r[0], r[1]], lambda r: _view(r[2]))
    return tagged(request, dumps(page))


def _rank(matter: Matter, q: str | None) -> int | None:
    """Rank a match: whole before beginning before part; names before codes before pinyin."""
    if q is None:
        return 0
    wanted = q.strip().lower()
    for rank, text in enumerate((matter.name, matter.base_code, matter.initials, matter.pinyin)):
        if wanted in text:
            return rank * 3 + (0 if text == wanted else 1 if text.startswith(wanted) else 2)
    return None


def _view(compiled: CompiledGuide) -> dict[str, Any]:
    guide = compiled.guide
    return {
        "matter": compiled.matter,
        "name": guide.name,
        "short_name": guide.short_name,
        "category": guide.category,
        "case_kind": guide.case_kind,
        "service_objects": guide.service_objects,
        "insurance_kinds": guide.insurance_kinds,
        "outlet_delegation": guide.outlet.delegation,
        "outlet_classes": guide.outlet.classes,
        "guide_version": compiled.version,
        "is_sample": guide.is_sample,
    }


@router.get("/{matter}", response_model=MatterDetail, responses=TAGGED)
async def get_matter(request: Request, matter: MatterCode, caller: Reader, held: Held) -> Response:
    """Show a matter and its published versions."""
    catalogue = held.desk.catalogue
    versions = [
        {"version": v.version, "effective_from": v.effective_from, "effective_to": v.effective_to}
        for v in catalogue.versions(matter)
    ]
    body = {**_view(catalogue.resolve(matter, None, today())), "versions": versions}
    return tagged(request, dumps(body))


@router.get("/{matter}/guide", response_model=GuideView, responses=TAGGED)
async def get_guide(
    request: Request,
    matter: MatterCode,
    caller: Reader,
    division: Annotated[DivisionCode | None, Query(description="For which place.")] = None,
    on: Annotated[Day | None, Query(description="For which day; today.")] = None,
) -> Response:
    """Show the guide of a matter for a place on a day: ready bytes, and no database."""
    state: State = request.app.state.syt
    guide = state.desk.catalogue.resolve(matter, division, on or today())
    return tagged(request, guide.body, guide.etag)
