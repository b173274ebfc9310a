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
from kit.clock import today
from matters import search
from matters.search import Found
from schemas.base import Page
from schemas.guides import GuideAsked, GuideView
from schemas.matters import MatterDetail, MatterEntry, MatterFilter

router = APIRouter(prefix="/v1/matters", tags=["matters"], route_class=ContractRoute)
Reader = Annotated[Caller, may(May.MATTER_READ, even_when_stale=True)]
MatterCode = Annotated[str, Path(max_length=40, description="Base code, 12 digits.")]


@router.get("", response_model=Page[MatterEntry], responses=TAGGED | refuses(404))
async def list_matters(
    request: Request, narrow: Annotated[MatterFilter, Query()], caller: Reader, held: Held
) -> Response:
    """List matters: those with a guide in force first; with `q` the best match first."""
    catalogue, day = held.desk.catalogue, today()
    if narrow.division is not None:
        held.desk.divisions.get(narrow.division, day)
    guides = {guide.matter: guide for guide in catalogue.in_force(day)}
    found = search.find(catalogue.matters, guides, narrow)
    if narrow.outlet is not None:
        outlet = held.desk.registry.outlet(narrow.outlet)
        found = [
            f for f in found if f.guide and not held.desk.permission(f.guide, outlet, day).reasons
        ]
    pager = Pager(held, "matters", caller, narrow)
    start = tuple(pager.position or ())
    rows = (row for row in found if row[:2] > start)
    page = pager.page(rows, narrow.limit, lambda r: [r.rank, r.code], _entry)
    return tagged(request, dumps(page))


def _entry(found: Found) -> dict[str, Any]:
    matter, guide = found.matter, found.guide.guide if found.guide else None
    return {
        "matter": found.code,
        "name": matter.name,
        "short_name": guide.short_name if guide else matter.name,
        "number": matter.number,
        "group": matter.group_name,
        "category": search.category_of(matter, found.guide),
        "service_objects": search.objects_of(matter, found.guide),
        "insurance_kinds": search.kinds_of(matter, found.guide),
        "items": matter.items,
        "fit": matter.fit or None,
        "covered_by": matter.covered_by or None,
        "national_code": matter.national_code or None,
        "has_guide": guide is not None,
        "guide_version": found.guide.version if found.guide else None,
        "case_kind": guide.case_kind if guide else None,
        "outlet_delegation": guide.outlet.delegation if guide else None,
        "outlet_classes": guide.outlet.classes if guide else [],
        "is_sample": guide.is_sample if guide else search.is_sample(matter),
        "is_reconstruction": matter.is_reconstruction,
    }


@router.get("/{matter}", response_model=MatterDetail, responses=TAGGED)
async def get_matter(request: Request, matter: MatterCode, caller: Reader, held: Held) -> Response:
    """Show a matter and its versions, those that are to come and those that were too."""
    catalogue = held.desk.catalogue
    versions = [
        {
            "version": v.version, "state": v.state, "effective_from": v.effective_from,
            "effective_to": v.effective_to,
        }
        for v in catalogue.versions(matter)
    ]  # fmt: skip
    guide = next((v for v in catalogue.in_force(today()) if v.matter == matter), None)
    found = Found(0, matter, catalogue.matters[matter], guide)
    return tagged(request, dumps({**_entry(found), "versions": versions}))


@router.get("/{matter}/guide", response_model=GuideView, responses=TAGGED)
async def get_guide(
    request: Request, matter: MatterCode, narrow: Annotated[GuideAsked, Query()], caller: Reader,
    held: Held,
) -> Response:  # fmt: skip
    """Show the guide of a matter for a place on a day: ready bytes, and no database."""
    guide = held.desk.catalogue.look_up(matter, narrow.division, narrow.on or today())
    return tagged(request, guide.body, guide.etag)
