"""Who looked at whom: the auditor's report, itself recorded, and alerts of unusual looking."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from access.callers import Caller
from access.models import AccessAlert, AccessRecord
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, Session, address_of, may
from api.paging import Pager
from api.state import State
from applications.draft import subject_indexes
from kit.clock import CHINA
from looking import queries, service
from looking.service import Look
from schemas.base import Listing, Page
from schemas.looking import AlertView, LookFilter, LookKind, LookSearch, LookView

router = APIRouter(prefix="/v1", tags=["looking"], route_class=ContractRoute)
Auditor = Annotated[Caller, may(May.ACCESS_READ)]


@router.get("/access-records", response_model=Page[LookView])
async def list_access_records(
    request: Request, narrow: Annotated[LookFilter, Query()], caller: Auditor, held: Held,
    session: Session,
) -> Response:  # fmt: skip
    """List who was shown personal data in full, newest first. That it was asked is recorded too."""
    asked = narrow.model_dump_json(exclude={"after", "limit"}, exclude_none=True)
    page = await _page(session, held, caller, narrow, None)
    await _record(request, session, held, caller, "report", f"report {asked}"[:200])
    return page


@router.post("/access-records/search", response_model=Page[LookView])
async def search_access_records(
    request: Request, wanted: LookSearch, caller: Auditor, held: Held, session: Session
) -> Response:
    """List who was shown the data of one person, for a purpose; recorded with whose it was."""
    indexes = subject_indexes(held.keys, wanted.id_number)
    page = await _page(session, held, caller, wanted, indexes)
    await _record(request, session, held, caller, "search", wanted.purpose, indexes[0])
    return page


async def _record(
    request: Request, session: Session, state: State, caller: Caller, kind: LookKind, why: str,
    person: bytes | None = None,
) -> None:  # fmt: skip
    look = Look(kind, why, address_of(request), person=person)
    await service.record(session, state.keys, caller, look)


async def _page(
    session: Session, state: State, caller: Caller, narrow: LookFilter,
    people: Sequence[bytes] | None,
) -> Response:  # fmt: skip
    pager = Pager(state, "access-records", caller, narrow)
    place = pager.position
    after = (datetime.fromisoformat(place[0]), uuid.UUID(place[1])) if place else None
    rows = await queries.page(session, caller, narrow, after, people)

    def show(row: AccessRecord) -> dict[str, Any]:
        return {
            "id": str(row.id), "at": row.at.astimezone(CHINA), "looker": row.subject,
            "role": row.role, "kind": row.kind, "application": row.application or None,
            "outlet": row.outlet, "agency": row.agency, "elsewhere": row.elsewhere,
            "address": row.address, "purpose": service.purpose_of(state.keys, row),
        }  # fmt: skip

    return json(pager.page(rows, narrow.limit, lambda row: [row.at.isoformat(), str(row.id)], show))


@router.get("/access-alerts", response_model=Page[AlertView])
async def list_access_alerts(
    narrow: Annotated[Listing, Query()], caller: Auditor, held: Held, session: Session
) -> Response:
    """List unusual looking, newest first."""
    pager = Pager(held, "access-alerts", caller, narrow)
    after = uuid.UUID(str(pager.position[0])) if pager.position else None
    rows = await queries.alerts(session, caller, narrow.limit, after)
    return json(pager.page(rows, narrow.limit, lambda row: [str(row.id)], _alert))


def _alert(row: AccessAlert) -> dict[str, Any]:
    return {
        "id": str(row.id), "at": row.at.astimezone(CHINA), "rule": row.rule, "looker": row.subject,
        "role": row.role, "agency": row.agency, "people": row.people,
        "window_from": row.window_from.astimezone(CHINA),
    }  # fmt: skip
