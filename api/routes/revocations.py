"""Tokens that are to hold no longer: lost, stolen, or of somebody who has left."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from access import queries, service
from access.callers import Caller
from access.models import Revocation
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, Repeat, Session, may
from api.openapi import carries, refuses
from api.paging import Pager
from api.state import State
from kit.clock import CHINA
from kit.ids import uuid7
from kit.repeats import made_before
from schemas.base import Listing, Page
from schemas.rights import RevocationMake, RevocationView

router = APIRouter(prefix="/v1/revocations", tags=["rights"], route_class=ContractRoute)
Revoker = Annotated[Caller, may(May.TOKEN_REVOKE)]
MADE: dict[int | str, dict[str, Any]] = {201: {"headers": carries("Idempotent-Replayed")}}


def shown(row: Revocation) -> dict[str, Any]:
    """Show what was revoked."""
    return {
        "id": str(row.id), "kind": row.kind, "value": row.value, "at": row.at.astimezone(CHINA),
        "expires_at": row.expires_at.astimezone(CHINA), "made_by": row.made_by,
        "reason": row.reason,
    }  # fmt: skip


def _area(state: State, wanted: RevocationMake) -> str | None:
    """Tell the county in which a terminal stands."""
    registry = state.desk.registry
    found = registry.terminal(wanted.value) if wanted.kind == "terminal" else None
    return registry.outlet(found.outlet).county if found is not None else None


@router.post("", status_code=201, response_model=RevocationView, responses=MADE | refuses(409))
async def revoke(
    wanted: RevocationMake, caller: Revoker, held: Held, session: Session, asked: Repeat
) -> Response:
    """Revoke a token, or all that a person, a terminal or an issuer's key has by now."""
    id_ = uuid7()
    earlier = await made_before(session, held.keys, asked, str(id_))
    if earlier is None:
        await service.revoke(session, caller, wanted, id_, area=_area(held, wanted))
    row = await session.get_one(Revocation, uuid.UUID(earlier) if earlier else id_)
    headers = {"Idempotent-Replayed": "true"} if earlier else {}
    return json(shown(row), 201, headers)


@router.get("", response_model=Page[RevocationView])
async def list_revocations(
    narrow: Annotated[Listing, Query()], caller: Revoker, held: Held, session: Session
) -> Response:
    """List what was revoked and would else hold, newest first."""
    pager = Pager(held, "revocations", caller, narrow)
    after = uuid.UUID(str(pager.position[0])) if pager.position else None
    rows = await queries.page_of_revocations(session, after, narrow.limit)
    return json(pager.page(rows, narrow.limit, lambda r: [str(r.id)], shown))
