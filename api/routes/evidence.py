"""Signed roots of the chain of evidence, for auditors to keep elsewhere."""

import base64
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, Session, may
from api.paging import Pager
from evidence import queries
from evidence.models import Block
from evidence.service import handed_out
from schemas.base import Listing, Page
from schemas.evidence import RootView

router = APIRouter(prefix="/v1/evidence", tags=["evidence"], route_class=ContractRoute)


@router.get("/roots", response_model=Page[RootView])
async def list_roots(
    narrow: Annotated[Listing, Query()],
    caller: Annotated[Caller, may(May.EVIDENCE_READ)],
    held: Held,
    session: Session,
) -> Response:
    """List the signed roots, newest first: keep them elsewhere, and `syt verify --roots` compares."""
    pager = Pager(held, "roots", caller, narrow)
    before = int(pager.position[0]) if pager.position else None
    blocks = await queries.page(session, before, narrow.limit + 1)
    keys = {row.id: base64.b64encode(row.public).decode() for row in await queries.keys(session)}

    def show(block: Block) -> dict[str, Any]:
        return {**handed_out(block), "public_key": keys.get(block.key, "")}

    return json(pager.page(blocks, narrow.limit, lambda block: [block.number], show))
