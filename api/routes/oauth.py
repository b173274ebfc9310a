"""Tokens for terminals (RFC 6749 client credentials, RFC 7523 assertions)."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from access import service
from access.errors import (
    AssertionReused,
    ClientInvalid,
    MemoryStale,
    TellerInactive,
    TooManyRequests,
)
from access.service import FORGED, GUESSED, ISSUED, Limit
from api.assertions import Proved, admit, prove, said_issuer
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, address_of
from api.openapi import carries, refuses
from api.state import State
from kit.db import transaction
from schemas.tokens import TokenView

LIFETIME = 900
"""Seconds that a terminal's token lives."""


class TokenRoute(ContractRoute):
    """A route that needs no token: its bodies are small."""

    largest = 16 * 1024


router = APIRouter(prefix="/v1/oauth", tags=["tokens"], route_class=TokenRoute)


ONCE: dict[int | str, dict[str, Any]] = {200: {"headers": carries("Cache-Control")}}


@router.post("/token", response_model=TokenView, responses=ONCE | refuses(401, 403, 429, 503))
async def issue_token(
    grant_type: Annotated[Literal["client_credentials"], Form()],
    client_assertion_type: Annotated[
        Literal["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"], Form()
    ],
    client_assertion: Annotated[str, Form(min_length=1, max_length=4000)],
    request: Request,
    held: Held,
) -> Response:
    """Give a token to a terminal whose assertion holds; an assertion holds once."""
    address = address_of(request) or ""
    if not held.doors.take(address):
        raise TooManyRequests()
    if not held.follower.fresh:
        raise MemoryStale()
    proved = await _proved(held, client_assertion, address)
    token = held.tokens.for_terminal(
        proved.terminal.id,
        proved.terminal.outlet,
        proved.teller,
        seconds=LIFETIME,
        since=proved.terminal.tokens_from,
    )
    body = {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME}
    return json(body, headers={"Cache-Control": "no-store"})


async def _proved(state: State, assertion: str, address: str) -> Proved:
    """Check an assertion, use it up, and count what fails: each in a transaction that stays.

    A right signature is looked at before any count of wrong ones: nobody else can lock a terminal out.

    Raises:
        ClientInvalid, AssertionReused, TerminalSuspended, TellerInactive: it gives no token.
        DoorLocked: too many before it gave none, or too many gave one.
    """
    try:
        proved = await _used(state, assertion)
        admit(proved, state.desk.registry)
    except (ClientInvalid, AssertionReused):
        await _count(state, FORGED, _named(assertion), address)
        raise
    except TellerInactive:
        await _count(state, GUESSED, _named(assertion))
        raise
    await _count(state, ISSUED, proved.terminal.id)
    return proved


async def _used(state: State, assertion: str) -> Proved:
    audience = f"{state.settings.public_url}/v1/oauth/token"
    proved = prove(assertion, state.desk.registry, audience)
    async with transaction(state.sessions) as session:
        await service.refuse_locked(session, GUESSED, proved.terminal.id)
        await service.use_once(session, proved.terminal.id, proved.jti, proved.expires)
    return proved


async def _count(state: State, limit: Limit, *whose: str) -> None:
    async with transaction(state.sessions) as session:
        await service.count_try(session, limit, *whose)


def _named(assertion: str) -> str:
    """Name the terminal that an assertion speaks of, whoever made it."""
    try:
        return said_issuer(assertion)
    except ClientInvalid:
        return ""
