"""The relay: takes what the bank's client sends, passes it on, and answers; it notes both."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

import httpx
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from rehearsal.faults import Chooser, Fault, tampered
from rehearsal.journal import Exchange, Journal

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade", "host", "content-length", "accept-encoding", "content-encoding",
    "date", "server",
})  # fmt: skip
"""Headers of one line only (RFC 9110), and those that each side makes for itself."""

STREAM = "text/event-stream"
LARGEST = 32 * 1024 * 1024
Wait = Callable[[float], Awaitable[None]]


class Lost(Response):
    """An answer whose line breaks: announced, and never sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Begin, and stop: the server has to close the line."""
        headers = [(b"content-length", b"1"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 502, "headers": headers})


class Relay:
    """Stands between a client and a sandbox."""

    def __init__(
        self,
        upstream: httpx.AsyncClient,
        journal: Journal,
        chooser: Chooser,
        wait: Wait = asyncio.sleep,
    ) -> None:
        self._upstream, self._journal = upstream, journal
        self._chooser, self._wait = chooser, wait

    def app(self) -> Starlette:
        """Put it together."""
        return Starlette(routes=[Route("/{path:path}", self._handle, methods=METHODS)])

    async def _handle(self, request: Request) -> Response:
        body = await request.body()
        if len(body) > LARGEST:
            return Response(None, 413)
        noted = self._journal.note(
            request.method, request.url.path, request.url.query, dict(request.headers), body
        )
        if STREAM in request.headers.get("accept", ""):
            return await self._streamed(request, noted)
        fault = self._chooser.choose(noted)
        if fault is not None and fault.refusal is not None:
            refusal = fault.refusal
            return self._answer(noted, refusal.status, refusal.headers(), refusal.body())
        answer = await self._pass_on(request, body)
        if answer is None:
            return self._answer(
                noted, 502, {"Content-Type": "text/plain"}, b"the sandbox does not answer"
            )
        return await self._answered(request, noted, answer, fault)

    async def _streamed(self, request: Request, noted: Exchange) -> Response:
        """Pass on what has no end as it comes; it is noted that it was asked for, not what it said."""
        target = httpx.URL(path=request.url.path, query=request.url.query.encode())
        asked = self._upstream.build_request("GET", target, headers=_passed(request.headers))
        try:
            answer = await self._upstream.send(asked, stream=True)
        except httpx.TransportError:
            return self._answer(noted, 502, {}, b"")
        noted.status = answer.status_code
        return StreamingResponse(
            answer.aiter_bytes(), answer.status_code, _passed(answer.headers),
            background=BackgroundTask(answer.aclose),
        )  # fmt: skip

    async def _pass_on(self, request: Request, body: bytes) -> httpx.Response | None:
        target = httpx.URL(path=request.url.path, query=request.url.query.encode())
        try:
            return await self._upstream.request(
                request.method, target, content=body or None, headers=_passed(request.headers)
            )
        except httpx.TransportError:
            return None

    async def _answered(
        self, request: Request, noted: Exchange, answer: httpx.Response, fault: Fault | None
    ) -> Response:
        headers = _located(_passed(answer.headers), str(request.base_url))
        content = answer.content
        if fault is not None and not answer.is_success:
            noted.fault = None  # Nothing was done, so nothing was put in.
        elif fault is not None:
            await self._wait(fault.seconds)
            if fault.tampers:
                content = tampered(content)
            if fault.loses:
                noted.answered_at = self._journal.clock()
                return Lost()
        return self._answer(noted, answer.status_code, headers, content)

    def _answer(
        self, noted: Exchange, status: int, headers: Mapping[str, str], content: bytes
    ) -> Response:
        noted.status, noted.answer = status, content
        noted.answer_headers = {name.lower(): value for name, value in headers.items()}
        noted.answered_at = self._journal.clock()
        return Response(content or None, status, dict(headers))


def _passed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in HOP}


def _located(headers: dict[str, str], base: str) -> dict[str, str]:
    """Lead the client to the relay, wherever the sandbox says that something is."""
    place = headers.get("location")
    if place is None:
        return headers
    parts = urlsplit(place)
    return {
        **headers,
        "location": f"{base.rstrip('/')}{parts.path}{'?' * bool(parts.query)}{parts.query}",
    }
