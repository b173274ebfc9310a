"""What endpoints are given: who calls, the transaction, and what a process holds."""

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import Depends, Header, Path, Request, Security
from fastapi.security import HTTPBearer
from sqlmodel.ext.asyncio.session import AsyncSession

from access import callers
from access.callers import Caller
from access.errors import (
    MemoryStale,
    TellerInactive,
    TerminalSuspended,
    TokenInvalid,
    TokenMissing,
    TooManyRequests,
)
from access.issuers import Claims, UnknownKey
from access.policy import May
from api.problems import PreconditionRequired, RequestInvalid
from api.state import State
from applications import queries
from applications.errors import ApplicationNotFound
from applications.models import Application
from kit.db import transaction
from kit.errors import Fault, Words
from kit.repeats import Asked


async def get_state(request: Request) -> State:
    """Give what the process holds."""
    state: State = request.app.state.syt
    return state


Held = Annotated[State, Depends(get_state)]


async def open_transaction(request: Request) -> AsyncIterator[AsyncSession]:
    """Give the endpoint one transaction, committed before the answer leaves."""
    async with transaction(request.app.state.syt.sessions) as session:
        yield session


Session = Annotated[AsyncSession, Depends(open_transaction, scope="function")]


CALLER = "syt.caller"
"""Where the caller of a request is kept: who asks twice is counted once."""


class Identify(HTTPBearer):
    """Turns a bearer token into a caller, from memory."""

    def __init__(self, *, even_when_stale: bool) -> None:
        super().__init__(auto_error=False, scheme_name="bearer")
        self._even_when_stale = even_when_stale

    async def __call__(self, request: Request) -> Caller:  # type: ignore[override]
        """Tell who calls.

        Raises:
            TokenMissing, TokenInvalid: nobody we know.
            MemoryStale: what this process knows of rights is too old.
            TerminalSuspended, TellerInactive, TooManyRequests: known, and to be stopped.
        """
        known: Caller | None = request.scope.get(CALLER)
        if known is not None:
            return known
        try:
            caller = self._identify(request)
        except UnknownKey as unknown:
            await request.app.state.syt.reader.learn(unknown.issuer)
            caller = self._once_more(request)
        request.scope[CALLER] = caller
        return caller

    def again(self, request: Request) -> Caller:
        """Tell who calls as things stand now, of a call that takes long; it is counted once.

        Raises:
            TokenInvalid, MemoryStale, TerminalSuspended, TellerInactive: he is to be heard no longer.
        """
        try:
            return self._identify(request, is_counted=True)
        except UnknownKey:
            raise TokenInvalid() from None

    def _once_more(self, request: Request) -> Caller:
        try:
            return self._identify(request)
        except UnknownKey:
            raise TokenInvalid() from None

    def _identify(self, request: Request, *, is_counted: bool = False) -> Caller:
        state: State = request.app.state.syt
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise TokenMissing()
        claims = state.tokens.check(token)
        if not self._even_when_stale and not state.follower.fresh:
            raise MemoryStale()
        if not (is_counted or state.buckets.take(claims.terminal or f"person:{claims.subject}")):
            raise TooManyRequests()
        if claims.terminal is None:
            return state.grants.caller(claims.subject, claims.withheld)
        return _teller(state, claims)


def _teller(state: State, claims: Claims) -> Caller:
    """Let the token meet the state of its terminal and its teller."""
    terminal = state.desk.registry.terminal(claims.terminal or "")
    teller = state.desk.registry.tellers.get(claims.teller or "")
    if terminal is None or terminal.outlet != claims.outlet:
        raise TokenInvalid()
    if terminal.status != "active":
        raise TerminalSuspended()
    if claims.issued < terminal.tokens_from:
        raise TokenInvalid()
    if teller is None or teller.status != "active" or teller.outlet != terminal.outlet:
        raise TellerInactive()
    state.usage.note(terminal.id, teller.code)
    return callers.teller(terminal.id, terminal.outlet, teller.code)


identify, identify_always = Identify(even_when_stale=False), Identify(even_when_stale=True)


def may(permission: May, *, even_when_stale: bool = False) -> Any:
    """Declare, in the endpoint's own signature, what its caller must be allowed to do.

    `ContractRoute` refuses who is not, after the shape of the body has been checked.
    """
    return Security(identify_always if even_when_stale else identify, scopes=[permission])


Number = Annotated[str, Path(max_length=60, description="Number of an application.")]
VERSION = re.compile(r'"([1-9][0-9]{0,9})"', re.ASCII)
NUMBER = re.compile(r"SYT[0-9]{27}", re.ASCII)


async def _visible(
    request: Request, number: Number, session: AsyncSession, *, lock: bool
) -> Application:
    caller = await identify(request)
    known = NUMBER.fullmatch(number) is not None
    row = await queries.get(session, caller, number, lock=lock) if known else None
    if row is None:
        raise ApplicationNotFound()
    return row


async def visible_application(request: Request, number: Number, session: Session) -> Application:
    """Load the application of the path, if the caller may see it."""
    return await _visible(request, number, session, lock=False)


async def locked_application(request: Request, number: Number, session: Session) -> Application:
    """Load the application of the path and hold its row, if the caller may see it."""
    return await _visible(request, number, session, lock=True)


Visible = Annotated[Application, Depends(visible_application, scope="function")]
Locked = Annotated[Application, Depends(locked_application, scope="function")]

IfMatch = Annotated[
    str | None, Header(alias="If-Match", description='The version read, in quotes: `"3"`.')
]


def version_of(if_match: str | None) -> int:
    """Read the version that a change was made for.

    Raises:
        PreconditionRequired: there is none.
        RequestInvalid: it is no version in quotes.
    """
    if if_match is None:
        raise PreconditionRequired()
    found = VERSION.fullmatch(if_match.strip())
    if found is None:
        words = Words('须为带引号的版本号，如 "3"', 'a version in quotes, as "3"')
        raise RequestInvalid(faults=[Fault("/header/If-Match", "form", words)])
    return int(found[1])


KEY = re.compile(r"[\x21-\x7e]{8,64}")
Key = Annotated[
    str,
    Header(alias="Idempotency-Key", pattern=f"^{KEY.pattern}$", description="8-64 visible ASCII."),
]


async def asked_again(
    request: Request,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key", pattern=f"^{KEY.pattern}$",
            description="8-64 visible ASCII: the same call again makes nothing more.",
        ),
    ] = None,
) -> Asked | None:  # fmt: skip
    """Read under which key a call was sent, so that it may be sent again; None without one."""
    if key is None:
        return None
    caller, body = await identify(request), getattr(request.state, "parsed", None)
    sorted_body = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    where = f"{request.method} {request.url.path}\n".encode()
    return Asked(caller.terminal or caller.id, key, where + sorted_body)


Repeat = Annotated[Asked | None, Depends(asked_again)]
"""For `kit.repeats.made_before`, of every POST that makes something."""


def address_of(request: Request) -> str | None:
    """Tell from where a call comes, for records of who looked."""
    return request.client.host[:45] if request.client is not None else None
