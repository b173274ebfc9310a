"""Bodies, and the order in which a request is checked (contract: 401, 404, shape, 403, 412 ...).

FastAPI would read the body before it asks who calls, and refuse a role before it has looked at the
body. `ContractRoute` puts that right in one place, for every route.
"""

import functools
import inspect
import re
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request
from fastapi.params import Security
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope

from access.callers import Caller
from access.errors import Forbidden, StrongerProofNeeded
from access.policy import May
from api.problems import BodyTooLarge, JsonMalformed, JsonTooDeep, JsonTooMany, TextForbidden
from kit.errors import DomainError

PARSED_ALREADY = "syt.request"
"""Where a request stands whose body has been read on its way here."""

STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
OPENING = frozenset(b"[{")
NO_MARKS = bytes(set(NO_BRACKETS) - set(b'"'))
DEPTH, MEMBERS = 32, 10_000
LARGEST = 1024 * 1024

Handler = Callable[..., Coroutine[Any, Any, Any]]


def parse(body: bytes, members: int = MEMBERS) -> Any:
    """Read JSON, within limits that are checked before it is parsed.

    Raises:
        JsonTooMany, JsonTooDeep, JsonMalformed, TextForbidden: what its name says.
    """
    if body.count(b",") > members:
        raise JsonTooMany()
    may_be_deep = body.count(b"[") + body.count(b"{") > DEPTH
    if may_be_deep and _is_deep(_quickly(body)) and _is_deep(_brackets(body)):
        raise JsonTooDeep()
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        deep = may_be_deep and _is_deep(_brackets(body))
        raise (JsonTooDeep if deep else JsonMalformed)() from None
    if b"\\u0000" in body and _has_nul(parsed):
        raise TextForbidden()
    return parsed


def _brackets(body: bytes) -> bytes:
    """Leave only the brackets outside of strings, whatever the body is."""
    return STRINGS.sub(b"", body).translate(None, NO_BRACKETS)


def _quickly(body: bytes) -> bytes:
    """Leave the same of what is JSON, at a thirtieth of the cost; of what is none it may leave others."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(body.translate(None, NO_MARKS).split(b'"')[::2])


def _is_deep(brackets: bytes) -> bool:
    """Tell whether brackets nest deeper than we take."""
    depth = 0
    for byte in brackets:
        depth += 1 if byte in OPENING else -1
        if depth > DEPTH:
            return True
    return False


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in key or _has_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(_has_nul(item) for item in value)


class ContractRequest(Request):
    """A request whose body is read within our limits; a fault waits until its turn comes."""

    def __init__(
        self, scope: Scope, receive: Receive, largest: int, members: int = MEMBERS
    ) -> None:
        super().__init__(scope, receive)
        self._largest, self._members = largest, members

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Give the body piece by piece.

        Raises:
            BodyTooLarge: as soon as it is known to be.
        """
        self._refuse_declared()
        size = 0
        async for piece in super().stream():
            size += len(piece)
            self._refuse(size)
            yield piece

    def _refuse_declared(self) -> None:
        declared = self.headers.get("content-length", "")
        self._refuse(int(declared[:18]) if declared.isdigit() else 0)

    def _refuse(self, size: int) -> None:
        if size > self._largest:
            raise BodyTooLarge()

    async def body(self) -> bytes:
        """Give the whole body; nothing where it is too large, and the fault in the state."""
        if not hasattr(self, "_body"):
            try:
                self._body = await self._whole()
            except BodyTooLarge as fault:
                self.state.body_fault = fault
                self._body = b""
        return self._body

    async def _whole(self) -> bytes:
        """Read what mostly comes in one piece; by way of `stream` that costs twice as much as to parse it."""
        self._refuse_declared()
        pieces, size = [], 0
        while not self._stream_consumed:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect()
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            self._refuse(size)
            self._stream_consumed = not message.get("more_body", False)
        return b"".join(pieces)

    async def json(self) -> Any:
        """Give the parsed body; None where it is faulty, and the fault in the state."""
        body = await self.body()
        if hasattr(self.state, "body_fault"):
            return None
        try:
            self.state.parsed = parse(body, self._members)
        except DomainError as fault:
            self.state.body_fault = fault
            return None
        return self.state.parsed


class ContractRoute(APIRoute):
    """A route that keeps the contract's order of checks."""

    largest = LARGEST
    """Bytes that a body may have."""

    members = MEMBERS
    """Members that its JSON may have."""

    def __init__(self, path: str, endpoint: Handler, **options: Any) -> None:
        options["operation_id"] = options.get("operation_id") or endpoint.__name__
        super().__init__(path, _guarded(endpoint), **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Let the route read bodies our way."""
        handle = super().get_route_handler()
        largest, members = self.largest, self.members

        async def read_our_way(request: Request) -> Response:
            known: ContractRequest | None = request.scope.get(PARSED_ALREADY)
            ours = known or ContractRequest(request.scope, request.receive, largest, members)
            return await handle(ours)

        return read_our_way


def needs(endpoint: Handler) -> May | None:
    """Read the permission off an endpoint's signature; None for what is open to all."""
    caller = inspect.signature(endpoint).parameters.get("caller")
    marks = getattr(caller.annotation, "__metadata__", ()) if caller else ()
    return next((May(m.scopes[0]) for m in marks if isinstance(m, Security) and m.scopes), None)


def _guarded(endpoint: Handler) -> Handler:
    """Refuse a role after the shape of the body, and before anything is done."""
    permission = needs(endpoint)
    if permission is None:
        return endpoint

    @functools.wraps(endpoint)
    async def guarded(**values: Any) -> Any:
        caller: Caller = values["caller"]
        if permission not in caller.reaches:
            if permission in caller.withheld:
                raise StrongerProofNeeded()
            raise Forbidden(private=f"{caller.role} lacks {permission}")
        return await endpoint(**values)

    return guarded
