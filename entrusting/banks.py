"""What can be done with banks: one outlet administrator proposes, another of the province decides."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from access.errors import Forbidden
from access.policy import May
from entrusting import queries
from entrusting.errors import (
    BankExists,
    BankNotFound,
    DependedOn,
    OwnProposal,
    RegistryActionNotAllowed,
    RegistryInvalid,
    RegistryStale,
)
from entrusting.service import REQUIRED
from kit.clock import today
from kit.crypto import KeyRing
from kit.errors import Fault
from kit.repeats import Asked, made_before
from outlets.models import Bank
from outlets.service import deed, hold, store
from schemas.registry import BankAction, BankWanted

PROVINCE = 2
"""Digits of a province: a bank works in all of it, so no county decides alone whether it may."""


class Move(NamedTuple):
    """What may be done in which state, and where it leads."""

    before: str
    after: str
    is_explained: bool


MOVES: Mapping[str, Move] = MappingProxyType(
    {
        "approve": Move("proposed", "active", is_explained=False),
        "refuse": Move("proposed", "closed", is_explained=True),
        "close": Move("active", "closed", is_explained=True),
    }
)


def decides(caller: Caller) -> bool:
    """Tell whether the caller decides on banks: as an outlet administrator of the province."""
    return any(len(area) == PROVINCE for area in caller.reach(May.BANK_MANAGE).areas)


def allowed(caller: Caller, row: Bank) -> list[str]:
    """List what the caller may do with a bank as things stand."""
    if not decides(caller):
        return []
    own = row.status == "proposed" and row.proposed_by == caller.id
    return [name for name, move in MOVES.items() if move.before == row.status and not own]


def ensure(caller: Caller) -> None:
    """Check that the caller decides on banks.

    Raises:
        Forbidden: he does not.
    """
    if not decides(caller):
        raise Forbidden(private=f"{caller.role} decides on no bank")


async def propose(
    session: AsyncSession, ring: KeyRing, caller: Caller, wanted: BankWanted, *, asked: Asked | None
) -> tuple[Bank, bool]:
    """Propose a bank; tell too whether an earlier call had done it.

    Raises:
        BankExists: there is one of this code.
    """
    earlier = await made_before(session, ring, asked, wanted.bank)
    if earlier is not None:
        return await session.get_one(Bank, earlier), True
    await hold(session)
    if await queries.fresh(session, Bank, wanted.bank) is not None:
        raise BankExists()
    row = {
        "code": wanted.bank, "name": wanted.name, "bank_class": wanted.bank_class,
        "status": "proposed", "short_names": wanted.short_names, "credit_code": wanted.credit_code,
        "proposed_by": caller.id,
    }  # fmt: skip
    await store(session, Bank, [row], deed(caller))
    return await session.get_one(Bank, wanted.bank), False


async def act(
    session: AsyncSession, caller: Caller, code: str, wanted: BankAction, *, version: int
) -> Bank:
    """Approve a bank that was proposed, refuse it, or close one that nothing depends on.

    Raises:
        Forbidden, RegistryStale, RegistryActionNotAllowed, OwnProposal: what its name says.
        DependedOn: it has outlets or agreements.
        RegistryInvalid: the reason is missing.
    """
    ensure(caller)
    await hold(session)
    row, move = await queries.fresh(session, Bank, code), MOVES[wanted.action]
    if row is None:
        raise BankNotFound()
    if row.version != version:
        raise RegistryStale(version=row.version)
    if row.status != move.before:
        raise RegistryActionNotAllowed(status=row.status, actions=allowed(caller, row))
    if row.status == "proposed" and row.proposed_by == caller.id:
        raise OwnProposal()
    if move.after == "closed":
        await _ensure_unused(session, code)
    if move.is_explained and wanted.reason is None:
        raise RegistryInvalid(faults=[Fault("/reason", "missing", REQUIRED)])
    changed = row.model_dump(exclude={"generation", "created_at", "version"})
    done = deed(caller, wanted.action, wanted.reason or "")
    await store(session, Bank, [{**changed, "status": move.after}], done)
    return await session.get_one(Bank, code)


async def _ensure_unused(session: AsyncSession, bank: str) -> None:
    outlets = list(await queries.outlets_of_bank(session, bank))
    agreements = list(await queries.agreements_of_bank(session, bank, today()))
    if outlets or agreements:
        raise DependedOn(outlets=outlets, agreements=agreements)
