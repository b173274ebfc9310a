"""How far an application is: for the applicant, who has its number and its code and no token."""

import base64
import hashlib
from pathlib import Path as Folder
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import Response

from access.errors import TooManyRequests
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, address_of
from api.openapi import STATUS, carries, refuses, shows
from api.state import State
from applications import progress
from applications.errors import ProgressLocked, ProgressNotFound
from applications.models import Application
from kit.clock import now
from kit.db import transaction
from notices import queries as notices
from ratings import service as ratings
from ratings.errors import RatedBefore, RatingTooEarly
from schemas.progress import ProgressAsked, ProgressView
from schemas.ratings import RatingGiven


class SmallRoute(ContractRoute):
    """A route that needs no token: its bodies are small."""

    largest = 16 * 1024


router = APIRouter(tags=["progress"], route_class=SmallRoute)
Number = Annotated[str, Path(pattern=r"^SYT[0-9]{27}$", description="Number of an application.")]


async def admitted(request: Request, held: State, number: str, code: str) -> Application:
    """Let in who has the code of a number, from an address that does not call too often.

    Raises:
        TooManyRequests: it does.
        ProgressNotFound, ProgressLocked: as `progress.enter` says.
    """
    if not held.doors.take(f"progress:{address_of(request) or ''}"):
        raise TooManyRequests()
    return await progress.enter(held.sessions, held.keys, number, code)


async def shown(held: State, row: Application) -> dict[str, Any]:
    """Tell how far it is."""
    async with transaction(held.sessions) as session:
        await notices.see(session, row.number, now())
        found = await progress.shown(session, held.desk, row)
        return found | {"may_rate": await ratings.may_rate(session, held.keys, row)}


@router.post("/v1/progress", response_model=ProgressView, responses=refuses(404, 429, 503))
async def ask_progress(request: Request, wanted: ProgressAsked, held: Held) -> Response:
    """Tell how far an application is. After 5 wrong codes for a number in 15 minutes one has to wait."""
    row = await admitted(request, held, wanted.number, wanted.code)
    return json(await shown(held, row))


STYLE = (Folder(__file__).parent / "progress.css").read_text("utf-8")
SCRIPT = (
    "const c=location.hash.slice(1);if(/^[2-9A-Za-z]{8}$/.test(c)){"
    "document.querySelector('input[name=code]').value=c;document.querySelector('form').submit()}"
)
"""Sends the code that stands behind the address, where no server sees it, by the form that people fill in."""


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


POLICY = (
    f"default-src 'none'; style-src 'sha256-{_hash(STYLE)}'; {{}}form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
RUNS, RUNS_NOTHING = POLICY.format(f"script-src 'sha256-{_hash(SCRIPT)}'; "), POLICY.format("")
"""Content-Security-Policy of the question, with a script of ours alone, and of answers, with none."""

POLICED: dict[int | str, Any] = {200: {"headers": carries("Content-Security-Policy")}}


PAGES = Environment(
    loader=FileSystemLoader(Folder(__file__).parent), autoescape=True,
    undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip


def page(
    number: str, *, said: str = "", found: dict[str, Any] | None = None, status: int = 200,
    asks: bool = False, wait: int | None = None, code: str = "",
) -> Response:  # fmt: skip
    """Make the page: the question for the code, or what is known."""
    made = PAGES.get_template("progress.html").render(
        number=number, said=said, shown=found, code=code, style=Markup(STYLE),  # noqa: S704 -- ours
        script=Markup(SCRIPT) if asks else "",  # noqa: S704 -- ours
    )  # fmt: skip
    headers = {"Content-Security-Policy": RUNS if asks else RUNS_NOTHING}
    if wait is not None:
        headers["Retry-After"] = str(wait)
    return HTMLResponse(made, status, headers)


@router.get("/p/{number}", response_class=HTMLResponse, responses=POLICED)
async def open_progress(number: Number) -> Response:
    """Ask for the code, whether or not there is such an application; a code behind `#` is sent at once."""
    return page(number, asks=True)


@router.post(
    "/p/{number}", response_class=HTMLResponse, responses=POLICED | shows(404, 429) | refuses(503)
)
async def show_progress(
    request: Request,
    number: Number,
    code: Annotated[str, Form(min_length=1, max_length=40)],
    held: Held,
) -> Response:
    """Show how far an application is to who has sent its code by the form."""
    try:
        row = await admitted(request, held, number, code.strip())
    except (ProgressNotFound, ProgressLocked) as refusal:
        status = STATUS[refusal.kind]
        return page(number, said=refusal.title.zh, status=status, wait=refusal.retry_after)
    found = await shown(held, row)
    return page(number, found=found, code=code.strip() if found["may_rate"] else "")


@router.post(
    "/p/{number}/rating",
    response_class=HTMLResponse,
    responses=POLICED | shows(404, 409, 429) | refuses(503),
)
async def rate_on_page(
    request: Request,
    number: Number,
    code: Annotated[str, Form(min_length=1, max_length=40)],
    grade: Annotated[int, Form(ge=1, le=5)],
    held: Held,
    text: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Take the rating of who has sent the code by the page's form."""
    try:
        row = await admitted(request, held, number, code.strip())
        async with transaction(held.sessions) as session:
            given = RatingGiven(grade=grade, text=text.strip() or None)
            await ratings.give(session, held.desk, row, given, "progress")
    except (ProgressNotFound, ProgressLocked, RatedBefore, RatingTooEarly) as refusal:
        status = STATUS[refusal.kind]
        return page(number, said=refusal.title.zh, status=status, wait=refusal.retry_after)
    return page(number, said="谢谢您的评价。", found=await shown(held, row))
