"""The simulated core over HTTP: docs/connectors.md, and `/simulation` to make it misbehave."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from schemas.connectors import Facts
from simulated_core import rules
from simulated_core.rules import Fault
from simulated_core.store import Store, new_reference

PAGE = 200


class Behaviour(BaseModel):
    """How it behaves until it is told otherwise."""

    model_config = ConfigDict(extra="forbid")

    fault: Fault | None = None
    latency: float = Field(0.0, ge=0, le=60)
    """Seconds before each answer."""
    late: float = Field(4.0, ge=0, le=600)
    """Seconds that `slow` and `late` take."""


class Wanted(BaseSettings):
    """`SYT_SIMULATED_CORE_*` variables."""

    model_config = SettingsConfigDict(env_prefix="SYT_SIMULATED_CORE_", extra="ignore")

    database_url: str = Field(repr=False)
    token: SecretStr = SecretStr("")
    fault: Fault | None = None
    latency: float = Field(0.0, ge=0, le=60)
    late: float = Field(4.0, ge=0, le=600)

    def behaviour(self) -> Behaviour:
        """How it is to behave at first."""
        return Behaviour(fault=self.fault, latency=self.latency, late=self.late)


def json(content: Any, status: int = 200) -> Response:
    """Answer; every answer says what it is."""
    headers = {"X-Simulated": "true"}
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


class SimulatedCore:
    """What one simulated core holds."""

    def __init__(self, store: Store, token: str, behaviour: Behaviour) -> None:
        self.store, self._token, self.behaviour = store, token, behaviour

    def app(self) -> Starlette:
        """Put it together."""

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            await self.store.open()
            yield
            await self.store.close()

        routes = [
            Route("/v1/checks", self._guarded(self._check), methods=["POST"]),
            Route("/v1/completions", self._guarded(self._complete), methods=["POST"]),
            Route("/v1/completions", self._guarded(self._list), methods=["GET"]),
            Route("/v1/completions/{key}", self._guarded(self._find), methods=["GET"]),
            Route("/simulation", self._simulation, methods=["GET", "PUT"]),
        ]
        return Starlette(routes=routes, lifespan=lifespan)

    def _allows(self, request: Request) -> bool:
        given = request.headers.get("authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode())

    def _guarded(
        self, answer: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            if self._token and not self._allows(request):
                return json({"error": "unauthorized"}, 401)
            await asyncio.sleep(self.behaviour.latency)
            if self.behaviour.fault is Fault.DOWN:
                return json({"error": "down"}, 503)
            return await answer(request)

        return guarded

    async def _simulation(self, request: Request) -> Response:
        if self._token and not self._allows(request):
            return json({"error": "unauthorized"}, 401)
        if request.method == "PUT":
            try:
                self.behaviour = Behaviour.model_validate_json(await request.body())
            except ValidationError:
                return json({"error": "unreadable"}, 422)
        return json(self.behaviour.model_dump(mode="json"))

    async def _read(self, request: Request) -> Facts | None:
        try:
            return Facts.model_validate_json(await request.body())
        except ValidationError:
            return None

    def _fault(self, facts: Facts) -> Fault | None:
        return rules.MISBEHAVING.get(rules.paper(facts), self.behaviour.fault)

    async def _check(self, request: Request) -> Response:
        facts = await self._read(request)
        if facts is None:
            return json({"error": "unreadable"}, 422)
        if self._fault(facts) is Fault.ERROR:
            return json({"error": "error"}, 500)
        return json(_verdicts(facts))

    async def _complete(self, request: Request) -> Response:
        facts = await self._read(request)
        key = request.headers.get("idempotency-key")
        if facts is None or key != facts.key:
            return json({"error": "unreadable"}, 422)
        fault = self._fault(facts)
        if fault is Fault.SLOW:
            await asyncio.sleep(self.behaviour.late)
        if fault is Fault.ERROR:
            return json({"error": "error"}, 500)
        if not all(verdict.passes for verdict in rules.verdicts(facts)):
            return json(_verdicts(facts), 409)
        return await self._misbehave(fault, await self._completed(facts, fault))

    async def _completed(self, facts: Facts, fault: Fault | None) -> Mapping[str, Any]:
        reference, at = new_reference(), datetime.now(UTC)
        made = rules.result(facts, reference, at)
        return await self.store.add(
            facts.key, facts.application, reference, at, made, again=fault is Fault.TWICE
        )

    async def _misbehave(self, fault: Fault | None, made: Mapping[str, Any]) -> Response:
        if fault is Fault.LATE:
            await asyncio.sleep(self.behaviour.late)
        if fault is Fault.ERROR_AFTER:
            return json({"error": "error"}, 500)
        if fault is Fault.GARBAGE:
            return Response(b"<html>\xff OK", 200, media_type="text/html")
        if fault is Fault.FOREIGN:
            return json({**made, "application": f"{made['application']}9"}, 201)
        return json(made, 201)

    async def _find(self, request: Request) -> Response:
        found = await self.store.find(request.path_params["key"])
        return json({"error": "not found"}, 404) if found is None else json(found)

    async def _list(self, request: Request) -> Response:
        try:
            since, until = (
                datetime.fromisoformat(request.query_params[n]) for n in ("from", "until")
            )
            after = int(request.query_params.get("after", "0"))
        except (KeyError, ValueError):
            return json({"error": "unreadable"}, 422)
        rows = await self.store.listed(since, until, after, PAGE + 1)
        more = str(rows[PAGE - 1]["id"]) if len(rows) > PAGE else None
        items = [{n: v for n, v in row.items() if n != "id"} for row in rows[:PAGE]]
        return json({"items": items, "next": more})


def _verdicts(facts: Facts) -> Any:
    found = [verdict.model_dump() for verdict in rules.verdicts(facts)]
    return {"application": facts.application, "verdicts": found}


def make_app(wanted: Wanted) -> Starlette:
    """Make the simulated core of its settings."""
    store = Store(wanted.database_url)
    return SimulatedCore(store, wanted.token.get_secret_value(), wanted.behaviour()).app()
