"""The register beside the guides: items, documents, packages, and what a situation asks for."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import dumps, tagged
from api.deps import Held, Session, may
from api.openapi import TAGGED, refuses
from api.paging import Pager
from kit.clock import today
from matters import register
from matters.compiled import CompiledGuide
from matters.models import Matter
from schemas.base import Listing, Page
from schemas.guides import Material
from schemas.matters import (
    AnswersFilter,
    Asked,
    DocumentFilter,
    DocumentView,
    ItemView,
    Outdated,
    PackageFile,
    PackageView,
)
from schemas.packages import Part, asked_for, shared_form, shared_materials

router = APIRouter(prefix="/v1", tags=["matters"], route_class=ContractRoute)
Reader = Annotated[Caller, may(May.MATTER_READ)]
MatterCode = Annotated[str, Path(max_length=40, description="Base code, 12 digits.")]


@router.get("/items", response_model=Page[ItemView], responses=TAGGED)
async def list_items(
    request: Request,
    narrow: Annotated[Listing, Query()],
    caller: Reader,
    held: Held,
    session: Session,
) -> Response:
    """List the 18 items of the national standard of basic public services, with their matters."""
    pager = Pager(held, "items", caller, narrow)
    after = int(pager.position[0]) if pager.position else 0
    matters = held.desk.catalogue.matters
    rows = (
        {
            **item.model_dump(exclude={"created_at"}),
            "matters": sorted(
                code for code, matter in matters.items() if item.item in matter.items
            ),
        }
        for item in await register.items(session)
        if item.item > after
    )
    return tagged(request, dumps(pager.page(rows, narrow.limit, lambda r: [r["item"]], dict)))


@router.get("/documents", response_model=Page[DocumentView], responses=TAGGED)
async def list_documents(
    request: Request,
    narrow: Annotated[DocumentFilter, Query()],
    caller: Reader,
    held: Held,
    session: Session,
) -> Response:
    """List the laws, notices and standards of the register, with their states today."""
    pager = Pager(held, "documents", caller, narrow)
    after = str(pager.position[0]) if pager.position else ""
    rows = (
        row
        for row in await register.documents(session, today())
        if row["document"] > after
        and narrow.state in (None, row["state"])
        and narrow.kind in (None, row["kind"])
    )
    return tagged(request, dumps(pager.page(rows, narrow.limit, lambda r: [r["document"]], dict)))


@router.get("/catalogue/outdated", response_model=Page[Outdated], responses=TAGGED)
async def list_outdated(
    request: Request,
    narrow: Annotated[Listing, Query()],
    caller: Reader,
    held: Held,
    session: Session,
) -> Response:
    """List the guides in force that rest on a document which was replaced or abolished."""
    pager = Pager(held, "outdated", caller, narrow)
    start, day = tuple(pager.position or ()), today()
    known = await register.documents(session, day)
    found = sorted(
        register.outdated(held.desk.catalogue.in_force(day), known), key=_place_of_outdated
    )
    rows = (row for row in found if tuple(_place_of_outdated(row)) > start)
    return tagged(request, dumps(pager.page(rows, narrow.limit, _place_of_outdated, dict)))


def _place_of_outdated(row: Mapping[str, Any]) -> list[Any]:
    return [row["matter"], row["document"], row["article"]]


@router.get("/packages", response_model=Page[PackageView], responses=TAGGED)
async def list_packages(
    request: Request,
    narrow: Annotated[Listing, Query()],
    caller: Reader,
    held: Held,
    session: Session,
) -> Response:
    """List the packages (一件事): several matters, one form, every material once."""
    pager = Pager(held, "packages", caller, narrow)
    after = str(pager.position[0]) if pager.position else ""
    guides = {guide.matter: guide for guide in held.desk.catalogue.in_force(today())}
    rows = (p for p in await register.packages(session) if p.package > after)
    page = pager.page(
        rows,
        narrow.limit,
        lambda p: [p.package],
        lambda p: _package(p, held.desk.catalogue.matters, guides),
    )
    return tagged(request, dumps(page))


def _package(
    package: PackageFile, matters: Mapping[str, Matter], guides: Mapping[str, CompiledGuide]
) -> dict[str, Any]:
    parts = {
        one.matter: Part(guides[one.matter].guide, one.form)
        for one in package.matters
        if one.matter in guides
    }
    return {
        **package.model_dump(include={"package", "name", "summary", "is_sample", "source_note"}),
        "matters": [
            {
                "matter": one.matter,
                "name": matters[one.matter].name,
                "has_guide": one.matter in guides,
                "form": one.form,
            }
            for one in package.matters
        ],
        "form_schema": shared_form(package.name, [*parts.values()]) if len(parts) > 1 else None,
        "materials": list(shared_materials({code: part.guide for code, part in parts.items()})),
    }


@router.get("/matters/{matter}/materials", response_model=Asked, responses=TAGGED | refuses(404))
async def list_asked_materials(
    request: Request,
    matter: MatterCode,
    narrow: Annotated[AnswersFilter, Query()],
    caller: Reader,
    held: Held,
) -> Response:
    """Show what a guide asks for once its questions are answered, and which are still open."""
    found = held.desk.catalogue.look_up(matter, narrow.division, narrow.on or today())
    questions, materials = asked_for(found.guide, frozenset(narrow.answer))
    body = {
        "matter": found.matter,
        "version": found.version,
        "open_questions": questions,
        "materials": [_material(material) for material in materials],
    }
    return tagged(request, dumps(body))


def _material(material: Material) -> dict[str, Any]:
    return material.model_dump(include={"code", "name", "necessity", "exemptions", "fill_note"})
