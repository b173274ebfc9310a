"""Sheets of guides: what a hall hangs up, and what its QR code opens."""

from datetime import date
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import HTMLResponse, Response

from api.body import ContractRoute
from api.conditional import tagged
from api.deps import Held
from api.openapi import Node, carries, refuses
from api.routes.matters import MatterCode, Reader
from api.state import State
from divisions.memory import short_code
from kit.clock import today
from matters.compiled import CompiledGuide
from schemas.guides import GuideAsked, PlaceAsked
from sheets.content import compose
from sheets.press import Press
from sheets.printing import KINDS, POLICY, tag_of

router = APIRouter(tags=["matters"], route_class=ContractRoute)

Asked = Annotated[GuideAsked, Query()]


async def get_press(request: Request) -> Press:
    """Give the process's press, which is set up when the first sheet is asked for."""
    state = request.app.state
    if not hasattr(state, "press"):
        state.press = Press()
    press: Press = state.press
    return press


Pressing = Annotated[Press, Depends(get_press)]


def _given(media_type: str, **headers: str) -> dict[int | str, Node]:
    """Declare what an answer that is a sheet has."""
    ours = {
        name: {"schema": {"type": "string"}, "description": text} for name, text in headers.items()
    }
    known = carries("ETag", "Cache-Control", "X-Content-Type-Options")
    return {
        200: {
            "content": {media_type: {"schema": {"type": "string"}}},
            "headers": known | {name.replace("_", "-"): of for name, of in ours.items()},
        },
        304: {"description": "As it was when it got this tag.", "headers": carries("ETag", "Cache-Control")},
    }  # fmt: skip


PAGE = _given("text/html", Content_Security_Policy="Its own style, and nothing from elsewhere.")
PRINT = _given("application/pdf", Content_Disposition="Shown; how it is called when it is kept.")


@router.get(
    "/v1/matters/{matter}/guide.html", response_class=HTMLResponse, responses=PAGE | refuses(503)
)
async def get_guide_page(
    request: Request, matter: MatterCode, narrow: Asked, caller: Reader, held: Held, press: Pressing
) -> Response:
    """Show the sheet of a guide (产品说明书) as a page, for a place on a day."""
    return await _sheet(request, held, press, "html", matter, narrow)


@router.get(
    "/v1/matters/{matter}/guide.pdf", response_class=Response, responses=PRINT | refuses(503)
)
async def get_guide_print(
    request: Request, matter: MatterCode, narrow: Asked, caller: Reader, held: Held, press: Pressing
) -> Response:
    """Give the sheet of a guide (产品说明书) for printing: A4, two pages at most."""
    return await _sheet(request, held, press, "pdf", matter, narrow)


@router.get("/g/{matter}", response_class=HTMLResponse, responses=PAGE | refuses(503))
async def open_guide(
    request: Request, matter: MatterCode, narrow: Annotated[PlaceAsked, Query()], held: Held,
    press: Pressing,
) -> Response:  # fmt: skip
    """Show the sheet in force today to whoever scans its QR code: nobody needs a token for it."""
    return await _sheet(request, held, press, "html", matter, GuideAsked(division=narrow.division))


async def _sheet(
    request: Request, held: State, press: Press, kind: str, matter: str, asked: GuideAsked
) -> Response:
    division, day = asked.division, asked.on or today()
    guide = held.desk.catalogue.look_up(matter, division, day)
    place, address = _place(held, division, day), _address(held, matter, division)
    tag = tag_of(kind, guide.etag, place, address)
    known = tagged(request, b"", tag)
    if known.status_code == 304:
        return known
    media_type, make = KINDS[kind]
    made = await press.get(tag, lambda: make(compose(guide, place, address)))
    headers = {"ETag": tag, "Cache-Control": known.headers["cache-control"], **HEADERS[kind](guide)}
    return Response(made, 200, headers, media_type=media_type)


def _place(held: State, division: str | None, day: date) -> str:
    """Name a place in full, from the province on; nothing where none is asked for."""
    names: list[str] = []
    place = held.desk.divisions.find(division, day) if division else None
    while place is not None:
        names.insert(0, place.name)
        place = held.desk.divisions.find(place.parent, day) if place.parent else None
    return "".join(names)


def _address(held: State, matter: str, division: str | None) -> str:
    """Give the address that everybody may open; it shows what is in force when it is opened."""
    place = f"?division={short_code(division)}" if division else ""
    return f"{held.settings.public_url}/g/{matter}{place}"


def _page_headers(_: CompiledGuide) -> dict[str, str]:
    return {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}


def _print_headers(guide: CompiledGuide) -> dict[str, str]:
    """Name the file in Chinese, and in ASCII for who can't read that (RFC 8187)."""
    plain = f"{guide.matter}-{guide.version}.pdf"
    full = quote(f"{guide.guide.name}-办事指南-第{guide.version}版.pdf", safe="")
    shown = f"inline; filename=\"{plain}\"; filename*=UTF-8''{full}"
    return {"Content-Disposition": shown, "X-Content-Type-Options": "nosniff"}


HEADERS = {"html": _page_headers, "pdf": _print_headers}
