"""Terminals: what one sees of itself, and the numbers it reserves."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from access.callers import Caller
from access.errors import Forbidden
from access.policy import May
from api.assertions import SKEW
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, Repeat, Session, may
from api.openapi import carries, refuses
from applications import blocks
from applications.models import NumberBlock
from applications.numbers import USED_WITHIN, number, query_code
from kit.clock import CHINA, now
from kit.crypto import KeyRing
from schemas.terminals import NUMBERS_AT_ONCE, ClockFilter, NumbersWanted, NumberView, OwnView

router = APIRouter(prefix="/v1/terminals", tags=["terminals"], route_class=ContractRoute)
User = Annotated[Caller, may(May.TERMINAL_USE)]

LIMITS = {
    "queue_length": 1000,
    "days_without_contact": 7,
    "numbers_at_once": NUMBERS_AT_ONCE,
    "numbers_a_day": blocks.DAILY,
    "number_days": USED_WITHIN.days,
}
"""What a terminal keeps to by itself: a village without a line for a week is looked after by a person. As
many may wait as numbers can be reserved in a day."""


def terminal_of(caller: Caller) -> str:
    """Give the terminal that calls.

    Raises:
        Forbidden: a person who holds a teller's post, and stands at none.
    """
    if caller.terminal is None:
        raise Forbidden(private="a teller away from a terminal")
    return caller.terminal


@router.get("/me", response_model=OwnView)
async def get_own_terminal(
    narrow: Annotated[ClockFilter, Query()], caller: User, held: Held
) -> Response:
    """Show a terminal its own state, its limits, and how far its clock is off."""
    registry, at = held.desk.registry, now()
    terminal = registry.terminals[terminal_of(caller)]
    said = narrow.device_time
    body = {
        "terminal": terminal.id, "outlet": terminal.outlet, "teller": caller.teller,
        "outlet_status": registry.outlet(terminal.outlet).status, "status": terminal.status,
        "server_time": at.astimezone(CHINA), "clock_tolerance": SKEW, "limits": LIMITS,
        "clock_difference": None if said is None else round((said - at).total_seconds(), 3),
    }  # fmt: skip
    return json(body)


RESERVED: dict[int | str, dict[str, Any]] = {201: {"headers": carries("Idempotent-Replayed")}}


@router.post(
    "/me/numbers", status_code=201, response_model=list[NumberView],
    responses=RESERVED | refuses(409),
)  # fmt: skip
async def reserve_numbers(
    wanted: NumbersWanted, caller: User, held: Held, session: Session, asked: Repeat
) -> Response:
    """Reserve numbers for receipts that are given without a line; they are this terminal's alone."""
    terminal_of(caller)
    block, replayed = await blocks.reserve(session, held.desk, caller, wanted.count, asked=asked)
    headers = {"Idempotent-Replayed": "true"} if replayed else {}
    return json(_numbers(block, held.keys), 201, headers)


def _numbers(block: NumberBlock, keys: KeyRing) -> list[dict[str, Any]]:
    made = [number(block.outlet, block.day, n) for n in range(block.first, block.last + 1)]
    return [
        {"number": n, "query_code": query_code(keys, n), "use_by": block.day + USED_WITHIN}
        for n in made
    ]
