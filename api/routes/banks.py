"""Banks that co-operate, and those that somebody proposes."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, IfMatch, Repeat, Session, identify, version_of
from api.deps import may as permits
from api.openapi import VERSIONED, carries, refuses
from api.paging import Pager
from entrusting import banks, queries
from entrusting.errors import BankNotFound
from outlets.models import Bank
from schemas.base import Page
from schemas.registry import BankAction, BankFilter, BankView, BankWanted

router = APIRouter(prefix="/v1/banks", tags=["banks"], route_class=ContractRoute)
Reader = Annotated[Caller, permits(May.BANK_READ)]
Keeper = Annotated[Caller, permits(May.BANK_MANAGE)]

MADE: dict[int | str, Any] = {201: {"headers": carries("Location", "ETag", "Idempotent-Replayed")}}


async def found_bank(
    request: Request,
    bank: Annotated[str, Path(max_length=20, description="Code of a bank.")],
    session: Session,
) -> Bank:
    """Load the bank of the path, for a caller who is known."""
    await identify(request)
    row = await session.get(Bank, bank) if bank.isascii() and bank.isalnum() else None
    if row is None:
        raise BankNotFound()
    return row


Found = Annotated[Bank, Depends(found_bank, scope="function")]


def _show(row: Bank, caller: Caller) -> dict[str, Any]:
    return {
        "bank": row.code, "name": row.name, "bank_class": row.bank_class, "status": row.status,
        "short_names": row.short_names, "credit_code": row.credit_code, "version": row.version,
        "actions": banks.allowed(caller, row),
    }  # fmt: skip


@router.get("", response_model=Page[BankView])
async def list_banks(
    narrow: Annotated[BankFilter, Query()], caller: Reader, held: Held, session: Session
) -> Response:
    """List banks in the order of their codes."""
    pager = Pager(held, "banks", caller, narrow)
    rows = await queries.banks(session, narrow, pager.position[0] if pager.position else None)
    return json(pager.page(rows, narrow.limit, lambda r: [r.code], lambda r: _show(r, caller)))


@router.post("", status_code=201, response_model=BankView, responses=MADE | refuses(409))
async def propose_bank(
    wanted: BankWanted, caller: Keeper, held: Held, session: Session, asked: Repeat
) -> Response:
    """Propose a bank; an outlet administrator of the province, another person, approves it."""
    row, replayed = await banks.propose(session, held.keys, caller, wanted, asked=asked)
    headers = {
        "Location": f"{held.settings.public_url}/v1/banks/{row.code}", "ETag": f'"{row.version}"'
    }  # fmt: skip
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return json(_show(row, caller), 201, headers)


@router.get("/{bank}", response_model=BankView, responses=VERSIONED)
async def get_bank(row: Found, caller: Reader) -> Response:
    """Show a bank."""
    return json(_show(row, caller), headers={"ETag": f'"{row.version}"'})


@router.post("/{bank}/actions", response_model=BankView, responses=VERSIONED)
async def act_on_bank(
    row: Found, wanted: BankAction, caller: Keeper, session: Session, if_match: IfMatch = None
) -> Response:
    """Approve or refuse a bank that was proposed, or close one that has no outlets and agreements left."""
    banks.ensure(caller)
    version = version_of(if_match)
    changed = await banks.act(session, caller, row.code, wanted, version=version)
    return json(_show(changed, caller), headers={"ETag": f'"{changed.version}"'})
