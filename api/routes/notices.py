"""Notices to applicants: what was told and how, and what is still to be told by hand."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, IfMatch, Session, identify, may, version_of
from api.openapi import VERSIONED, refuses
from api.paging import Pager
from notices import queries, service
from notices.errors import NoticeNotFound
from notices.models import Notice
from schemas.base import Page
from schemas.notices import NoticeAction, NoticeFilter, NoticeView

router = APIRouter(prefix="/v1/notices", tags=["notices"], route_class=ContractRoute)
NoticeId = Annotated[str, Path(max_length=20, description="Number of a notice.")]
FAR = 2**63


async def locked_notice(request: Request, notice: NoticeId, session: Session) -> Notice:
    """Load the notice of the path and hold its row, if the caller may see it."""
    number = int(notice) if notice.isascii() and notice.isdecimal() else 0
    caller = await identify(request)
    row = await queries.get(session, caller, number) if 0 < number < FAR else None
    if row is None:
        raise NoticeNotFound()
    return row


@router.get("", response_model=Page[NoticeView])
async def list_notices(
    narrow: Annotated[NoticeFilter, Query()],
    caller: Annotated[Caller, may(May.NOTICE_READ)],
    held: Held,
    session: Session,
) -> Response:
    """List notices, newest first; `state=undelivered` is what somebody has to tell by hand."""
    pager = Pager(held, "notices", caller, narrow)
    after = int(pager.position[0]) if pager.position else None
    rows = await queries.page(session, caller, narrow, after)

    def show(row: Notice) -> dict[str, Any]:
        return service.shown(row, held.keys)

    return json(pager.page(rows, narrow.limit, lambda row: [row.id], show))


@router.post("/{notice}/actions", response_model=NoticeView, responses=VERSIONED | refuses(409))
async def act_on_notice(
    row: Annotated[Notice, Depends(locked_notice, scope="function")],
    wanted: NoticeAction,
    caller: Annotated[Caller, may(May.NOTICE_TELL)],
    held: Held,
    session: Session,
    if_match: IfMatch = None,
) -> Response:
    """Note that the applicant was told otherwise: by phone, by a visit, by post, at the counter."""
    version = version_of(if_match)
    done = await service.act(session, held.keys, caller, row, wanted, version)
    return json(service.shown(done, held.keys), headers={"ETag": f'"{done.version}"'})
