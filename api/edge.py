"""The outermost layer: request ids, logs, metrics, and the answer to what nobody expected."""

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from itertools import count
from typing import Any

import structlog
from prometheus_client import Counter, Histogram
from starlette.requests import ClientDisconnect, Request

from api.figures import UNEXPECTED
from api.problems import REQUEST_ID, Internal, problem
from kit.ids import secret
from kit.logs import line, where

log = structlog.get_logger()

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

REQUESTS = Counter("syt_requests_total", "Requests answered.", ("method", "route", "status"))
SECONDS = Histogram(
    "syt_request_seconds", "Time to answer.", ("route",),
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)  # fmt: skip
ID_FORM = re.compile(rb"[A-Za-z0-9._-]{1,64}")
PROCESS, NTH = secret(10).encode(), count(1)
"""Ids of requests that bring none: the process, by chance, and which of its own."""

SLOW = 0.5
"""Seconds from which on a quiet look-up is worth a line too."""


class Edge:
    """ASGI middleware without a framework: it stands in the way of every look-up."""

    def __init__(
        self, app: Callable[[Scope, Receive, Send], Awaitable[None]], *, over_tls: bool = False
    ) -> None:
        self._app = app
        self._safe = [*SAFE.items(), OVER_TLS] if over_tls else [*SAFE.items()]
        self._series: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request_id = _given(scope) or b"%b-%x" % (PROCESS, next(NTH))
        scope[REQUEST_ID] = request_id.decode()
        began, status = time.perf_counter(), 0
        bound = structlog.contextvars.bind_contextvars(request_id=request_id.decode())

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._complete(message["headers"], request_id)
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        except ClientDisconnect:
            log.info("client_left", method=scope["method"])  # A poor line is no fault of ours.
        except Exception as error:
            _tell(error)
            if status == 0:
                await problem(Request(scope), Internal())(scope, receive, send_on)
        finally:
            self._note(scope, status, time.perf_counter() - began)
            structlog.contextvars.reset_contextvars(**bound)

    def _complete(self, headers: list[tuple[bytes, bytes]], request_id: bytes) -> None:
        """Add what every answer says, unless it says otherwise itself."""
        said = {name for name, _ in headers}
        headers.append((b"x-request-id", request_id))
        headers.extend(safe for safe in self._safe if safe[0] not in said)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "-")
        method = scope["method"] if scope["method"] in METHODS else "other"
        key = (method, route, status)
        series = self._series.get(key)
        if series is None:
            series = (REQUESTS.labels(*map(str, key)), SECONDS.labels(route))
            self._series[key] = series
        series[0].inc()
        series[1].observe(seconds)
        if method != "GET" or status >= 400 or seconds > SLOW:
            line(
                "answered", method=method, route=route, status=status, ms=round(seconds * 1e3, 1),
                request_id=scope[REQUEST_ID],
            )  # fmt: skip


SAFE = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cache-control": b"no-store",
}
"""Headers of every answer that does not say otherwise itself: what we answer is data, for who asked."""

OVER_TLS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
"""Where the world reaches us by https, it is not to try otherwise."""

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


def _tell(error: Exception) -> None:
    UNEXPECTED.inc()
    log.error("unexpected", error=type(error).__name__, where=where(error))


def _given(scope: Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and ID_FORM.fullmatch(value):
            return bytes(value)
    return None
