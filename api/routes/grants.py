"""Rights: applied for, checked, approved, granted, confirmed every year, and ended at once."""

import uuid
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from access import chain, queries, service
from access.callers import Caller
from access.chain import Post
from access.errors import GrantInvalid, GrantNotFound
from access.models import Grant
from access.policy import APPLICANTS, SCOPES, May, Role, Scope
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, IfMatch, Repeat, Session, identify, may, version_of
from api.openapi import VERSIONED, carries, refuses
from api.paging import Pager
from api.state import State
from kit.clock import CHINA, day_of, today
from kit.errors import Fault, Words
from kit.ids import uuid7
from kit.repeats import made_before
from outlets.queries import parties
from routing import posts
from schemas.base import Page
from schemas.rights import GrantActionRequest, GrantApply, GrantDetail, GrantFilter, GrantView

router = APIRouter(prefix="/v1/grants", tags=["rights"], route_class=ContractRoute)
Reader = Annotated[Caller, may(May.GRANT_READ)]
GrantId = Annotated[str, Path(max_length=40, description="Id of a right.")]


async def _visible(
    request: Request, grant: GrantId, session: Session, *, lock: bool = False
) -> Grant:
    caller = await identify(request)
    try:
        id_ = uuid.UUID(grant)
    except ValueError:
        raise GrantNotFound() from None
    row = await queries.visible_grant(session, caller, id_, lock=lock)
    if row is None:
        raise GrantNotFound()
    return row


async def visible_grant(request: Request, grant: GrantId, session: Session) -> Grant:
    """Load the right of the path, if the caller may see it."""
    return await _visible(request, grant, session)


async def locked_grant(request: Request, grant: GrantId, session: Session) -> Grant:
    """Load the right of the path and hold its row, if the caller may see it."""
    return await _visible(request, grant, session, lock=True)


Visible = Annotated[Grant, Depends(visible_grant, scope="function")]
Locked = Annotated[Grant, Depends(locked_grant, scope="function")]


def shown(row: Grant, caller: Caller) -> dict[str, Any]:
    """Show a right to this caller, today."""
    confirm_by = row.confirm_by or day_of(row.created_at) + chain.CONFIRMED_FOR
    return {
        "id": str(row.id), "subject": row.subject, "role": row.role, "scope": row.scope,
        "state": row.state, "version": row.version, "valid_from": row.valid_from,
        "valid_to": row.valid_to, "confirm_by": confirm_by,
        "in_force": chain.holds(row, today()), "applied_by": row.applied_by,
        "checked_by": row.checked_by, "approved_by": row.approved_by,
        "granted_by": row.granted_by or None, "ended_at": _local(row.ended_at),
        "actions": [move.action for move in chain.moves(row, caller)],
    }  # fmt: skip


def _local(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(CHINA)


MADE: dict[int | str, dict[str, Any]] = {
    201: {"headers": carries("Location", "ETag", "Idempotent-Replayed")}
}


@router.post("", status_code=201, response_model=GrantView, responses=MADE | refuses(409))
async def apply_for_grant(
    wanted: GrantApply, caller: Annotated[Caller, may(May.GRANT_APPLY)], held: Held,
    session: Session, asked: Repeat,
) -> Response:  # fmt: skip
    """Apply for a post to be given to a person; three others check, approve and grant it."""
    id_ = uuid7()
    earlier = await made_before(session, held.keys, asked, str(id_))
    if earlier is None:
        await service.apply(session, caller, await _post(session, held, wanted), wanted, id_)
    row = await session.get_one(Grant, uuid.UUID(earlier) if earlier else id_)
    location = f"{held.settings.public_url}/v1/grants/{row.id}"
    headers = {"Location": location, "ETag": f'"{row.version}"'}
    if earlier is not None:
        headers["Idempotent-Replayed"] = "true"
    return json(shown(row, caller), 201, headers)


async def _post(session: Session, state: State, wanted: GrantApply) -> Post:
    """Find the post that is meant.

    Raises:
        GrantInvalid: it is not given by this chain, or the scope is none of the role's kind.
    """
    role, desk = Role(wanted.role), state.desk
    if role not in APPLICANTS:
        words = Words("柜员由网点名册管理", "tellers come with the outlet's own list")
        raise GrantInvalid(faults=[Fault("/role", "role", words)])
    of_bank = SCOPES[role] is Scope.BANK
    known = {wanted.scope: list(await parties(session, wanted.scope))} if of_bank else {}
    fits = service.fits(role, wanted.scope)
    found = posts.place(role, wanted.scope, desk.registry, desk.agencies, desk.divisions, known)
    if not fits or found is None:
        words = Words(
            "不是该角色的机构、区划、银行或网点代码；县级不设权限管理员",
            "no agency, division, bank or outlet for this role; counties hold no rights administrators",
        )
        raise GrantInvalid(faults=[Fault("/scope", "scope", words)])
    return found


@router.get("", response_model=Page[GrantView])
async def list_grants(
    narrow: Annotated[GrantFilter, Query()], caller: Reader, held: Held, session: Session
) -> Response:
    """List the rights of the caller's own place, agency or bank, newest first."""
    pager = Pager(held, "grants", caller, narrow)
    after = uuid.UUID(str(pager.position[0])) if pager.position else None
    rows = await queries.page(session, caller, narrow, after)
    return json(pager.page(rows, narrow.limit, lambda r: [str(r.id)], lambda r: shown(r, caller)))


@router.get("/{grant}", response_model=GrantDetail, responses=VERSIONED)
async def get_grant(row: Visible, caller: Reader, session: Session) -> Response:
    """Show a right, and every step of its life."""
    steps = [
        {"at": step.at.astimezone(CHINA), "action": step.action, "by": step.actor, "reason": step.reason}
        for step in await queries.steps(session, row.id)
    ]  # fmt: skip
    return json({**shown(row, caller), "steps": steps}, headers={"ETag": f'"{row.version}"'})


@router.post("/{grant}/actions", response_model=GrantView, responses=VERSIONED)
async def act_on_grant(
    row: Locked, wanted: GrantActionRequest, caller: Annotated[Caller, may(May.GRANT_ACT)],
    session: Session, if_match: IfMatch = None,
) -> Response:  # fmt: skip
    """Check, approve, grant, refuse, withdraw, confirm for another year, or end at once."""
    changed = await service.act(session, caller, row, wanted, version_of(if_match))
    return json(shown(changed, caller), headers={"ETag": f'"{changed.version}"'})
