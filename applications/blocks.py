"""Numbers that a terminal reserves, to give receipts with the final number while it has no line."""

import uuid

from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from applications import queries
from applications.desk import Desk
from applications.errors import NumbersExhausted
from applications.models import NumberBlock
from applications.numbers import RESERVED
from kit.clock import today
from kit.db import hold_name
from kit.ids import uuid7
from kit.repeats import Asked, made_before
from outlets.errors import OutletClosed
from routing.permissions import STATUS

DAILY = 1000
"""Numbers that a terminal may reserve in a day: what a village point hands in takes it months."""


async def reserve(
    session: AsyncSession, desk: Desk, caller: Caller, count: int, *, asked: Asked | None
) -> tuple[NumberBlock, bool]:
    """Reserve numbers for the caller's terminal; tell too whether an earlier call had done it.

    Raises:
        OutletClosed: the outlet takes nothing now.
        NumbersExhausted: the terminal has had its share of the day, or the outlet all there are.
    """
    terminal, outlet, day = caller.terminal or "", caller.outlet or "", today()
    id_ = uuid7()
    earlier = await made_before(session, desk.keys, asked, str(id_))
    if earlier is not None:
        return await queries.block(session, earlier), True
    if desk.registry.outlet(outlet).status != "active":
        raise OutletClosed(reasons=[{"code": STATUS.code, "message": STATUS.message}])
    await hold_name(session, f"number_block:{outlet}")
    first = await queries.numbers_reserved(session, outlet, day)
    last = first + count - 1
    if last not in RESERVED or await queries.numbers_of(session, terminal, day) + count > DAILY:
        raise NumbersExhausted()
    block = NumberBlock(
        id=id_, terminal=uuid.UUID(terminal), outlet=outlet, day=day, first=first, last=last
    )
    session.add(block)
    await session.flush()
    return block, False
