"""Routing: who would decide an application and why, and where nobody would, or two."""

import asyncio
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, may
from api.paging import Pager
from api.problems import language_of
from applications.desk import Desk
from applications.errors import ContentInvalid
from kit.clock import today
from kit.errors import Fault, Words
from matters.compiled import CompiledGuide
from matters.errors import GuideNotFound, MatterNotFound
from routing.coverage import Gap, gaps, places
from routing.rules import Routed, route
from schemas.base import Page
from schemas.guides import Step
from schemas.routing import CoverageFilter, GapView, RoutingAsked, RoutingPreview

router = APIRouter(prefix="/v1/routing", tags=["routing"], route_class=ContractRoute)

BASES = {
    "insured_place": Words("参保地", "insured place"),
    "household_place": Words("户籍地", "household"),
    "residence": Words("常住地", "residence"),
    "work_place": Words("工作地", "place of work"),
    "outlet": Words("网点所在地", "place of the outlet"),
    "form_field": Words("申请表栏目", "field of the form"),
}


@router.post("/preview", response_model=RoutingPreview)
async def preview_routing(
    request: Request,
    wanted: RoutingAsked,
    caller: Annotated[Caller, may(May.ROUTING_READ)],
    held: Held,
) -> Response:
    """Say which agency would do each step of an application, and which rule says so; nothing is kept."""
    desk, language, day = held.desk, language_of(request), today()
    guide = _guide(desk, wanted)
    county = desk.registry.outlet(wanted.outlet).county
    steps: list[dict[str, Any]] = []
    faults: list[dict[str, Any]] = []
    before = ""
    for number, step in enumerate(guide.guide.steps, 1):
        found = route(desk.routing, guide, wanted.form, county, day, step=number, before=before)
        steps.append(_step(number, step, found, language))
        before = found.agency.code if found.agency else before
        if found.fault is not None:
            fault = found.fault
            message = fault.message.within(language)
            faults.append({"step": number, "at": fault.at, "rule": fault.rule, "message": message})
    head = {"agency": steps[0]["agency"], "rule": steps[0]["rule"]}
    kept = {"matter": guide.matter, "guide_version": guide.version, **head}
    return json({**kept, "steps": steps, "faults": faults})


def _guide(desk: Desk, wanted: RoutingAsked) -> CompiledGuide:
    faults = []
    outlet = desk.registry.outlets.get(wanted.outlet)
    if outlet is None:
        faults.append(Fault("/outlet", "unknown", Words("没有该网点", "no such outlet")))
    try:
        guide = desk.catalogue.resolve(wanted.matter, outlet and outlet.division, today())
    except (MatterNotFound, GuideNotFound) as error:
        raise ContentInvalid(faults=[*faults, Fault("/matter", error.code, error.title)]) from error
    if faults:
        raise ContentInvalid(faults=faults)
    return guide


def _step(number: int, step: Step, found: Routed, language: str) -> dict[str, Any]:
    rule, agency, place = found.rule, found.agency, found.place
    basis = rule.basis if rule is not None and rule.basis != "step" else step.basis
    return {
        "step": number, "name": step.name,
        "agency": {"code": agency.code, "name": agency.name} if agency else None,
        "rule": rule.rule if rule else None, "basis": basis,
        "division": place.code if place else None, "pooled": found.pooled,
        "why": _why(found, BASES[basis]).within(language), "source": rule.source if rule else "",
    }  # fmt: skip


def _why(found: Routed, basis: Words) -> Words:
    """Say in a sentence why it goes where it goes."""
    if found.fault is not None:
        return found.fault.message
    place = found.place.name if found.place else ""
    if found.pooled:
        return Words(
            f"按{basis.zh}{place}没有规则指明办理机构，转市级经办机构确认",
            f"no rule names an agency for {place}: the city's finds out whose it is",
        )
    by = found.rule.rule if found.rule else ""
    zh = f"按规则{by}，由{basis.zh}{place}确定"
    return Words(zh, f"by rule {by} and the {basis.en} {place}")


@router.get("/coverage", response_model=Page[GapView])
async def list_routing_gaps(
    narrow: Annotated[CoverageFilter, Query()],
    caller: Annotated[Caller, may(May.ROUTING_READ)],
    held: Held,
) -> Response:
    """List the townships in which no agency does a step of a matter, or two do; none is as it should be."""
    pager, desk = Pager(held, "routing-gaps", caller, narrow), held.desk
    day = narrow.on or today()
    after = tuple(pager.position or ("", 0, ""))
    where, found = places(desk.divisions, day), list[Gap]()
    for guide in desk.catalogue.in_force(day):
        if narrow.matter in (None, guide.matter) and len(found) <= narrow.limit:
            rest = (gap for gap in gaps(desk.routing, guide, where, day) if gap[:3] > after)
            found += islice(rest, narrow.limit + 1)
            await asyncio.sleep(0)  # A matter takes some milliseconds: calls go between.

    def show(gap: Gap) -> dict[str, Any]:
        named = [{"code": code, "name": desk.agencies.name(code)} for code in gap.agencies]
        return {**gap._asdict(), "agencies": named}

    return json(pager.page(found, narrow.limit, lambda gap: list(gap[:3]), show))
