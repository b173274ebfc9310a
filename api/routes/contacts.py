"""Liaison persons of outlets: sealed, and shown to who looks after the outlet alone."""

from typing import Annotated, Any

from fastapi import APIRouter
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, IfMatch, Session, version_of
from api.deps import may as permits
from api.openapi import VERSIONED
from api.routes.registry import Checked, Kept
from entrusting import contacts
from kit.clock import CHINA
from kit.crypto import KeyRing
from outlets.contacts import NOBODY, Contact, opened
from outlets.models import OutletContact
from schemas.registry import ContactView, ContactWanted

router = APIRouter(prefix="/v1/outlets", tags=["outlets"], route_class=ContractRoute)


def _show(keys: KeyRing, outlet: str, row: OutletContact | None) -> Response:
    said = NOBODY if row is None else opened(keys, row)
    shown: dict[str, Any] = {
        "outlet": outlet, "name": said.name or None, "phone": said.phone or None,
        "changed_at": None if row is None else row.changed_at.astimezone(CHINA),
        "version": 0 if row is None else row.version,
    }  # fmt: skip
    tag = {"ETag": f'"{row.version}"'} if row is not None else {}
    return json(shown, headers=tag | {"Cache-Control": "no-store"})


@router.get("/{outlet}/contact", response_model=ContactView, responses=VERSIONED)
async def get_outlet_contact(
    row: Checked,
    caller: Annotated[Caller, permits(May.REGISTRY_READ)],
    held: Held,
    session: Session,
) -> Response:
    """Show who an outlet's liaison person is."""
    return _show(held.keys, row.number, await contacts.of(session, row.number))


@router.put("/{outlet}/contact", response_model=ContactView, responses=VERSIONED)
async def put_outlet_contact(
    row: Kept,
    wanted: ContactWanted,
    caller: Annotated[Caller, permits(May.OUTLET_CHANGE)],
    held: Held,
    session: Session,
    if_match: IfMatch = None,
) -> Response:
    """Name an outlet's liaison person anew, or nobody; the first one needs no If-Match."""
    before = await contacts.of(session, row.number)
    version = 0 if before is None and if_match is None else version_of(if_match)
    said = Contact(wanted.name or "", wanted.phone or "")
    found = await contacts.change(session, held.keys, caller, row, said, version=version)
    return _show(held.keys, row.number, found)
