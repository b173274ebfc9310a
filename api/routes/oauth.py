"""Tokens for terminals (RFC 6749 client credentials, RFC 7523 assertions)."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form
from starlette.responses import Response

from access import service
from access.errors import MemoryStale
from api.assertions import prove
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, Session
from api.openapi import carries, refuses
from schemas.tokens import TokenView

LIFETIME = 900
"""Seconds that a terminal's token lives."""


class TokenRoute(ContractRoute):
    """A route that needs no token: its bodies are small."""

    largest = 16 * 1024


router = APIRouter(prefix="/v1/oauth", tags=["tokens"], route_class=TokenRoute)


ONCE: dict[int | str, dict[str, Any]] = {200: {"headers": carries("Cache-Control")}}


@router.post("/token", response_model=TokenView, responses=ONCE | refuses(401, 403, 503))
async def issue_token(
    grant_type: Annotated[Literal["client_credentials"], Form()],
    client_assertion_type: Annotated[
        Literal["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"], Form()
    ],
    client_assertion: Annotated[str, Form(min_length=1, max_length=4000)],
    held: Held,
    session: Session,
) -> Response:
    """Give a token to a terminal whose assertion holds; an assertion holds once."""
    if not held.follower.fresh:
        raise MemoryStale()
    audience = f"{held.settings.public_url}/v1/oauth/token"
    proved = prove(client_assertion, held.desk.registry, audience)
    await service.use_once(session, proved.terminal.id, proved.jti, proved.expires)
    token = held.tokens.for_terminal(
        proved.terminal.id, proved.terminal.outlet, proved.teller.code, seconds=LIFETIME
    )
    body = {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME}
    return json(body, headers={"Cache-Control": "no-store"})
