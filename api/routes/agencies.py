"""Agencies, from memory."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from agencies.models import Agency
from api.body import ContractRoute
from api.conditional import dumps, tagged
from api.deps import Held, may
from api.openapi import TAGGED
from api.paging import Pager
from schemas.agencies import AgencyView
from schemas.base import Listing, Page

router = APIRouter(prefix="/v1/agencies", tags=["agencies"], route_class=ContractRoute)


@router.get("", response_model=Page[AgencyView], responses=TAGGED)
async def list_agencies(
    request: Request,
    narrow: Annotated[Listing, Query()],
    caller: Annotated[Caller, may(May.AGENCY_READ)],
    held: Held,
) -> Response:
    """List the agencies in the order of their codes."""
    pager = Pager(held, "agencies", caller, narrow)
    after = str(pager.position[0]) if pager.position else ""
    rows = (agency for code, agency in held.desk.agencies.by_code.items() if code > after)
    return tagged(request, dumps(pager.page(rows, narrow.limit, lambda a: [a.code], _view)))


def _view(agency: Agency) -> dict[str, str]:
    return {
        "agency": agency.code, "name": agency.name, "level": agency.level,
        "division": agency.division, "phone": agency.phone,
    }  # fmt: skip
