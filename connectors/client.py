"""A core system over HTTP. Nothing of what it answers is believed before its shape has been looked at."""

import asyncio
import ssl
import time
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol, TypeVar

import httpx
from prometheus_client import Counter, Gauge, Histogram
from pydantic import BaseModel, ValidationError

from connectors.breaker import Breaker
from connectors.errors import CoreAway, Why
from kit.settings import CoreSystem
from schemas.connectors import Completion, Facts, HeldPage, Verdict, Verdicts

LARGEST = 256 * 1024
"""Bytes of an answer at most."""

SLOWEST = 15.0
"""Seconds for one step of a call: each call has a limit of its own that is shorter."""

SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
CALLS = Counter("syt_core_calls_total", "Calls to core systems.", ("core", "call", "outcome"))
LATENCY = Histogram(
    "syt_core_seconds", "How long core systems take to answer.", ("core", "call"), buckets=SECONDS
)
AWAY = Gauge(
    "syt_core_breaker_open", "Whether a core counts as away: it is then asked seldom.", ("core",),
    multiprocess_mode="livemax",
)  # fmt: skip

Shape = TypeVar("Shape", bound=BaseModel)


class Core(Protocol):
    """What an agency's core system can be asked; `within` are seconds.

    Every method raises CoreAway where there is no answer that can be used.
    """

    name: str
    budget: float
    """Seconds that somebody at a counter waits for it."""

    async def check(self, facts: Facts, within: float) -> list[Verdict]:
        """Have an application checked; nothing is changed."""

    async def complete(self, facts: Facts, within: float) -> Completion | list[Verdict]:
        """Have it completed, once for its key however often this is called; or the checks it failed."""

    async def find(self, key: str, within: float) -> Completion | None:
        """Look for what was completed under a key."""

    async def completed(
        self, since: datetime, until: datetime, after: str | None, within: float
    ) -> HeldPage:
        """List what was completed from one instant on and before another."""


class _Answer(NamedTuple):
    status: int
    body: bytes


class HttpCore:
    """A core that speaks docs/connectors.md."""

    def __init__(
        self, system: CoreSystem, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        token = system.token.get_secret_value() if system.token is not None else ""
        headers = {"Accept-Encoding": "identity"} | (
            {"Authorization": f"Bearer {token}"} if token else {}
        )
        self.name, self.budget, self.breaker = system.name, system.budget, Breaker()
        self._http = httpx.AsyncClient(
            base_url=system.url, headers=headers, transport=transport, timeout=SLOWEST,
            trust_env=False, verify=_trusted(system),
        )  # fmt: skip
        AWAY.labels(self.name).set(0)

    async def close(self) -> None:
        """Let its connections go."""
        await self._http.aclose()

    async def check(self, facts: Facts, within: float) -> list[Verdict]:
        """Have an application checked."""
        answer = await self._call("check", "POST", "/v1/checks", within, facts=facts)
        return self._verdicts(answer, facts, HTTPStatus.OK, asked=False)

    async def complete(self, facts: Facts, within: float) -> Completion | list[Verdict]:
        """Have it completed, or the checks that it failed meanwhile."""
        answer = await self._call("complete", "POST", "/v1/completions", within, facts=facts)
        if answer.status == HTTPStatus.CONFLICT:
            return self._verdicts(answer, facts, HTTPStatus.CONFLICT, asked=True)
        self._expect(answer, HTTPStatus.OK, HTTPStatus.CREATED, asked=True)
        made = self._read(Completion, answer, asked=True)
        if (made.key, made.application) != (facts.key, facts.application):
            raise self._unusable(Why.FOREIGN, asked=True)
        return made

    async def find(self, key: str, within: float) -> Completion | None:
        """Look for what was completed under a key."""
        answer = await self._call("find", "GET", f"/v1/completions/{key}", within)
        if answer.status == HTTPStatus.NOT_FOUND:
            self._note(heard=True)
            return None
        self._expect(answer, HTTPStatus.OK, asked=False)
        found = self._read(Completion, answer, asked=False)
        if found.key != key:
            raise self._unusable(Why.FOREIGN, asked=False)
        return found

    async def completed(
        self, since: datetime, until: datetime, after: str | None, within: float
    ) -> HeldPage:
        """List what was completed in a time."""
        asked = {"from": since.isoformat(), "until": until.isoformat()}
        query = asked | ({"after": after} if after is not None else {})
        answer = await self._call("completed", "GET", "/v1/completions", within, query=query)
        self._expect(answer, HTTPStatus.OK, asked=False)
        return self._read(HeldPage, answer, asked=False)

    def _verdicts(
        self, answer: _Answer, facts: Facts, wanted: HTTPStatus, *, asked: bool
    ) -> list[Verdict]:
        self._expect(answer, wanted, asked=asked)
        found = self._read(Verdicts, answer, asked=asked)
        if found.application != facts.application:
            raise self._unusable(Why.FOREIGN, asked=asked)
        return found.verdicts

    def _read(self, shape: type[Shape], answer: _Answer, *, asked: bool) -> Shape:
        try:
            found = shape.model_validate_json(answer.body)
        except ValidationError:  # Not chained: it would quote what may be personal.
            raise self._unusable(Why.GARBAGE, asked=asked) from None
        self._note(heard=True)
        return found

    def _expect(self, answer: _Answer, *wanted: HTTPStatus, asked: bool) -> None:
        if answer.status not in wanted:
            raise self._unusable(Why.STATUS, asked=asked)

    def _unusable(self, why: Why, *, asked: bool) -> CoreAway:
        """Count an answer that came and is of no use."""
        CALLS.labels(self.name, "answer", why).inc()
        self._note(heard=False)
        return CoreAway(self.name, why, asked=asked)

    async def _call(
        self, call: str, method: str, path: str, within: float,
        *, facts: Facts | None = None, query: Mapping[str, str] | None = None,
    ) -> _Answer:  # fmt: skip
        if not self.breaker.lets():
            CALLS.labels(self.name, call, Why.OPEN).inc()
            raise CoreAway(self.name, Why.OPEN, asked=False)
        began, acts = time.monotonic(), call == "complete"
        try:
            async with asyncio.timeout(max(0.0, within)):
                answer = await self._send(method, path, facts, query)
        except (httpx.HTTPError, TimeoutError) as error:
            why = _why(error)
            CALLS.labels(self.name, call, why).inc()
            self._note(heard=False)
            raise CoreAway(self.name, why, asked=acts and why is not Why.REFUSED) from None
        LATENCY.labels(self.name, call).observe(time.monotonic() - began)
        CALLS.labels(self.name, call, "answered").inc()
        return answer

    async def _send(
        self, method: str, path: str, facts: Facts | None, query: Mapping[str, str] | None
    ) -> _Answer:
        more: dict[str, Any] = {"params": query} if query else {}
        if facts is not None:
            more["content"] = facts.model_dump_json()
            more["headers"] = {"Content-Type": "application/json", "Idempotency-Key": facts.key}
        async with self._http.stream(method, path, **more) as answer:
            body = bytearray()
            async for part in answer.aiter_raw():
                body += part
                if len(body) > LARGEST:
                    raise httpx.DecodingError("more than was agreed")
            return _Answer(answer.status_code, bytes(body))

    def _note(self, *, heard: bool) -> None:
        (self.breaker.heard if heard else self.breaker.failed)()
        AWAY.labels(self.name).set(self.breaker.is_open)


def _why(error: Exception) -> Why:
    """Tell what became of a call; only a connection that never was can have done nothing."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return Why.REFUSED
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return Why.TIMEOUT
    return Why.GARBAGE if isinstance(error, httpx.DecodingError) else Why.BROKEN


def _trusted(system: CoreSystem) -> ssl.SSLContext | bool:
    """Believe the certificates that the settings name, or those that everybody does."""
    if system.certificates is None:
        return system.url.startswith("https://")
    return ssl.create_default_context(cafile=str(system.certificates))
