"""Ratings: taken at the counter and from the applicant; figures of outlets; what is done about poor ones."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Header, Path, Query, Request
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import (
    KEY,
    Held,
    IfMatch,
    Repeat,
    Session,
    Visible,
    address_of,
    identify,
    may,
    version_of,
)
from api.openapi import VERSIONED, carries, refuses
from api.paging import Pager
from api.routes.progress import SmallRoute, admitted
from api.state import State
from applications import queries as applications
from applications.errors import ApplicationNotFound
from applications.models import Application
from kit.clock import today
from kit.db import transaction
from kit.repeats import Asked, made_before
from looking.service import Look, record
from ratings import queries, service
from ratings.errors import RectificationNotFound
from ratings.models import Rating, Rectification
from schemas.applications import RevealRequest
from schemas.base import Page
from schemas.ratings import (
    ApplicantRating,
    FigureFilter,
    FigureView,
    RaterContact,
    RatingGiven,
    RatingTaken,
    RectificationAction,
    RectificationFilter,
    RectificationView,
)

router = APIRouter(prefix="/v1", tags=["ratings"], route_class=ContractRoute)
applicants = APIRouter(prefix="/v1", tags=["progress"], route_class=SmallRoute)
Id = Annotated[
    str, Path(alias="rectification", max_length=20, description="Number of a rectification.")
]
FAR = 2**63
Reader = Annotated[Caller, may(May.RECTIFICATION_READ)]
TAKEN: dict[int | str, Any] = {201: {"headers": carries("Idempotent-Replayed")}, **refuses(409)}
Found = tuple[Rectification, Rating]


async def _found(request: Request, id_: str, session: Session, *, lock: bool) -> Found:
    number = int(id_) if id_.isascii() and id_.isdecimal() else 0
    caller = await identify(request)
    row = await queries.get(session, caller, number, lock=lock) if 0 < number < FAR else None
    if row is None:
        raise RectificationNotFound()
    return row


async def visible_rectification(request: Request, id: Id, session: Session) -> Found:
    """Load the rectification of the path, if the caller may see it."""
    return await _found(request, id, session, lock=False)


async def locked_rectification(request: Request, id: Id, session: Session) -> Found:
    """Load the rectification of the path and hold its row, if the caller may see it."""
    return await _found(request, id, session, lock=True)


async def _rated(
    session: Session, held: State, row: Application, wanted: RatingGiven, channel: str,
    asked: Asked | None,
) -> Response:  # fmt: skip
    """Take a rating; the same call again is told that it was taken."""
    earlier = await made_before(session, held.keys, asked, "rating")
    token = service.token(held.keys, row.number)
    known = await queries.of_token(session, token) if earlier is not None else None
    rating = known or await service.give(session, held.desk, row, wanted, channel)
    headers = {"Idempotent-Replayed": "true"} if known is not None else {}
    return json({"rated_on": rating.rated_on}, 201, headers)


@router.post(
    "/applications/{number}/rating", status_code=201, response_model=RatingTaken, responses=TAKEN
)
async def rate_application(
    row: Visible,
    wanted: RatingGiven,
    caller: Annotated[Caller, may(May.RATING_GIVE)],
    held: Held,
    session: Session,
    asked: Repeat,
) -> Response:
    """Take the applicant's rating at the counter, once for each application."""
    return await _rated(session, held, row, wanted, "counter", asked)


@applicants.post(
    "/progress/rating", status_code=201, response_model=RatingTaken,
    responses=TAKEN | refuses(404, 409, 429, 503),
)  # fmt: skip
async def rate_by_code(
    request: Request,
    wanted: ApplicantRating,
    held: Held,
    key: Annotated[str | None, Header(alias="Idempotency-Key", pattern=f"^{KEY.pattern}$")] = None,
) -> Response:
    """Take the rating of who has number and query code, once for each application."""
    row = await admitted(request, held, wanted.number, wanted.code)
    asked = None
    if key is not None:
        token = service.token(held.keys, row.number).hex()
        body = orjson.dumps(wanted.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
        asked = Asked(f"rating:{token}", key, body)
    async with transaction(held.sessions) as session:
        return await _rated(session, held, row, wanted, "progress", asked)


@router.get("/ratings/figures", response_model=Page[FigureView])
async def list_rating_figures(
    narrow: Annotated[FigureFilter, Query()],
    caller: Annotated[Caller, may(May.RATING_READ)],
    held: Held,
    session: Session,
) -> Response:
    """List how outlets are rated: counts, and no more."""
    pager = Pager(held, "rating-figures", caller, narrow)
    after = str(pager.position[0]) if pager.position else None
    banks = caller.reach(May.RATING_READ).banks
    own = (
        [o.outlet for o in held.desk.registry.outlets.values() if o.bank in banks] if banks else []
    )
    rows = await queries.figures(session, caller, narrow, after, own)
    return json(
        pager.page(rows, narrow.limit, lambda r: [r.outlet], lambda r: service.figure(r, held.desk))
    )


@router.get("/rectifications", response_model=Page[RectificationView])
async def list_rectifications(
    narrow: Annotated[RectificationFilter, Query()], caller: Reader, held: Held, session: Session
) -> Response:
    """List what is to be done about poor ratings, newest first; nothing of it says who rated."""
    pager = Pager(held, "rectifications", caller, narrow)
    after = int(pager.position[0]) if pager.position else None
    rows = await queries.page(session, caller, narrow, after, today())

    def show(found: Found) -> dict[str, Any]:
        return service.shown(*found, caller, held.desk)

    return json(pager.page(rows, narrow.limit, lambda found: [found[0].id], show))


@router.get(
    "/rectifications/{rectification}", response_model=RectificationView, responses=VERSIONED
)
async def get_rectification(
    found: Annotated[Found, Depends(visible_rectification, scope="function")],
    caller: Reader,
    held: Held,
) -> Response:
    """Show a rectification."""
    body = service.shown(*found, caller, held.desk)
    return json(body, headers={"ETag": f'"{found[0].version}"'})


@router.post(
    "/rectifications/{rectification}/actions", response_model=RectificationView,
    responses=VERSIONED | refuses(409),
)  # fmt: skip
async def act_on_rectification(
    found: Annotated[Found, Depends(locked_rectification, scope="function")],
    wanted: RectificationAction,
    caller: Annotated[Caller, may(May.RECTIFICATION_ACT)],
    held: Held,
    session: Session,
    if_match: IfMatch = None,
) -> Response:
    """Call back, put right, explain or appeal, and close with what the call back brought."""
    version = version_of(if_match)
    row = await service.act(session, held.desk, caller, *found, wanted, version)
    body = service.shown(row, found[1], caller, held.desk)
    return json(body, headers={"ETag": f'"{row.version}"'})


@router.post(
    "/rectifications/{rectification}/reveal", response_model=RaterContact, responses=refuses(409)
)
async def reveal_rater(
    request: Request,
    found: Annotated[Found, Depends(visible_rectification, scope="function")],
    wanted: RevealRequest,
    caller: Annotated[Caller, may(May.RECTIFICATION_DO)],
    held: Held,
    session: Session,
) -> Response:
    """Tell whom to call back, for a purpose; recorded before it is shown. Never to who handled it."""
    row = await applications.by_number(session, service.about(held.keys, found[0]))
    if row is None:
        raise ApplicationNotFound()
    told = service.contact(held.desk, caller, found[0], row)
    look = Look(
        "rating", wanted.purpose, address_of(request), row.number, row.subject_index, row.outlet,
        row.agency,
    )  # fmt: skip
    await record(session, held.keys, caller, look)
    return json(told)
