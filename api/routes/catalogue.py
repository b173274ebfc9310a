"""The catalogue as a whole: copies at terminals, and reports."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import dumps, json, tagged
from api.deps import Held, Session, may
from api.openapi import TAGGED, refuses
from api.paging import Pager
from api.routes.drafting import drafted
from api.state import State
from conformity.layers import RULES
from divisions.memory import Place, short_code
from kit.clock import today
from matters import queries
from matters.compiled import MASTER
from publishing import copies, reports
from schemas.base import Listing, Page
from schemas.drafting import (
    ChangesAsked,
    ChangesView,
    ConformityAsked,
    ConformityView,
    DraftEntry,
    DraftsAsked,
    ExpiringAsked,
    ExpiringView,
    MissingView,
)

router = APIRouter(prefix="/v1/catalogue", tags=["catalogue"], route_class=ContractRoute)
Reader = Annotated[Caller, may(May.MATTER_READ)]


@router.get("/changes", response_model=ChangesView, responses=TAGGED | refuses(404))
async def list_changes(
    request: Request, narrow: Annotated[ChangesAsked, Query()], caller: Reader, held: Held
) -> Response:
    """List what a copy of all guides of a place has to take over since `after`; without it, all."""
    place, pager = _place(held, narrow.division, caller), Pager(held, "changes", caller, narrow)
    since, until, last = _position(pager, place, held.desk.catalogue.generation)
    matters = copies.touched(held.desk.catalogue, place, since)
    rest = [matter for matter in matters if matter > last]
    page, more = rest[: narrow.limit], len(rest) > narrow.limit
    mark = [place, since, until, page[-1]] if more else [place, until, None, ""]
    body = {
        "division": place,
        "whole": since is None or since > held.desk.catalogue.generation,
        "items": [_item(held, matter, place) for matter in page],
        "next": pager.mark(mark),
        "more": more,
    }
    return tagged(request, dumps(body))


def _place(held: State, division: str | None, caller: Caller) -> str:
    """Give the place whose guides are asked for."""
    if division is None and caller.outlet is not None:
        return short_code(held.desk.registry.outlet(caller.outlet).division)
    return held.desk.divisions.get(division or MASTER, today()).code


def _position(pager: Pager, place: str, generation: int) -> tuple[int | None, int, str]:
    """Tell since when, up to when and after which matter; a mark of another place tells nothing."""
    at, since, until, last = pager.position or [place, None, None, ""]
    return (since, until or generation, last) if at == place else (None, generation, "")


def _item(held: State, matter: str, place: str) -> dict[str, Any]:
    turns = copies.turns(held.desk.catalogue, matter, place, today())
    return {
        "matter": matter,
        "guides": [
            {
                "applies_from": turn.day,
                "etag": turn.guide and turn.guide.etag,
                "guide": turn.guide and orjson.Fragment(turn.guide.body),
            }
            for turn in turns
        ],
    }


@router.get("/drafts", response_model=Page[DraftEntry], responses=refuses(404))
async def list_drafts(
    narrow: Annotated[DraftsAsked, Query()], caller: Annotated[Caller, may(May.GUIDE_READ)], held: Held,
    session: Session,
) -> Response:  # fmt: skip
    """List what is being drafted and what waits to be published, by matter and place."""
    if narrow.division is not None:
        held.desk.divisions.get(narrow.division, today())
    pager = Pager(held, "drafts", caller, narrow)
    area = reports.area_of(narrow.division) if narrow.division not in (None, MASTER) else ""
    rows = await queries.drafts(session, narrow, area, pager.position)

    def show(row: queries.DraftRow) -> dict[str, Any]:
        name = held.desk.catalogue.matters[row.base_code].name
        return {"name": name, "division": row.division, **drafted(row, caller)}

    return json(
        pager.page(rows, narrow.limit, lambda r: [r.base_code, r.division, r.version], show)
    )


@router.get("/conformity", response_model=ConformityView, responses=refuses(404))
async def report_conformity(
    narrow: Annotated[ConformityAsked, Query()], caller: Reader, held: Held
) -> Response:
    """Report what differs where, field by field, with counts of all that was asked for."""
    day = narrow.on or today()
    if narrow.division is not None:
        held.desk.divisions.get(narrow.division, day)
    found = await reports.deviations(held.desk.catalogue, narrow, day)
    pager = Pager(held, "conformity", caller, narrow)
    after = pager.position or []
    rows = (deviation for deviation in found if deviation.key > after)

    def show(one: reports.Deviation) -> dict[str, Any]:
        return _deviation(one, held.desk.divisions.find(one.division, day))

    page = pager.page(rows, narrow.limit, lambda one: list(one.key), show)
    return json({**page, "counts": reports.counts(found)})


def _deviation(one: reports.Deviation, place: Place | None) -> dict[str, Any]:
    return {
        "matter": one.matter,
        "division": one.division,
        "name": place.name if place else one.division,
        "field": one.field,
        "title": reports.title_of(one.field),
        "rule": RULES[one.field].name,
        "master": _plain(one.master),
        "local": _plain(one.local),
    }


def _plain(value: Any) -> Any:
    """Show a value short: of materials their codes, of a limit its days."""
    if isinstance(value, list):
        return [getattr(item, "code", item) for item in value]
    return getattr(value, "value", value)


@router.get("/missing", response_model=Page[MissingView])
async def report_missing(
    narrow: Annotated[Listing, Query()], caller: Reader, held: Held
) -> Response:
    """List the matters that have no guide in force today."""
    pager = Pager(held, "missing", caller, narrow)
    after = pager.position or [""]
    rows = (row for row in reports.missing(held.desk.catalogue, today()) if row.matter > after[0])
    return json(pager.page(rows, narrow.limit, lambda row: [row.matter], lambda row: row._asdict()))


@router.get("/expiring", response_model=Page[ExpiringView])
async def report_expiring(
    narrow: Annotated[ExpiringAsked, Query()], caller: Reader, held: Held
) -> Response:
    """List versions and layers that end within some days while nothing follows them."""
    pager = Pager(held, "expiring", caller, narrow)
    after = tuple(pager.position or ("", ""))
    found = reports.expiring(held.desk.catalogue, today(), narrow.days)
    rows = (row for row in found if (row.matter, row.division) > after)
    return json(
        pager.page(
            rows, narrow.limit, lambda row: [row.matter, row.division], lambda row: row._asdict()
        )
    )
