"""Put the service together."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from access.policy import May
from api import problems
from api.body import needs
from api.edge import Edge
from api.express import LANES, Express
from api.later import Later
from api.routes import (
    applications,
    divisions,
    events,
    files,
    matters,
    oauth,
    pages,
    tasks,
    uploads,
)
from api.state import make_state, running
from api.tracing import Traced
from kit.settings import Settings
from kit.telemetry import traces, wanted

BUSY: tuple[Any, ...] = (
    pages.router, matters.router, applications.router, applications.batches, tasks.router,
    events.router, files.router, uploads.router, divisions.router, oauth.router,
)  # fmt: skip
"""What the main job needs. Health first, which tells when it begins; then the busiest, for they are matched
one after another."""


def routers() -> tuple[Any, ...]:
    """Give all there are."""
    from api.seldom import ROUTERS  # noqa: PLC0415 -- see there

    return (*BUSY, *ROUTERS)


class Operation(NamedTuple):
    """An operation as its route declares it."""

    name: str
    method: str
    path: str
    permission: May | None
    """None where no token is asked for."""


def operations() -> Iterator[Operation]:
    """Name every operation there is, without a service that runs."""
    for router in routers():
        for route in router.routes:
            assert isinstance(route, APIRoute)  # noqa: S101
            name, permission = route.operation_id or route.name, needs(route.endpoint)
            for method in sorted(route.methods or ()):
                yield Operation(name, method, route.path, permission)


CROSSING: dict[str, Any] = {
    "allow_methods": ["GET", "POST", "PUT", "PATCH"],
    "allow_headers": [
        "Authorization", "Content-Type", "If-Match", "If-None-Match", "Idempotency-Key", "X-Request-Id",
    ],
    "expose_headers": ["ETag", "Location", "Idempotent-Replayed", "Retry-After", "X-Request-Id"],
    "allow_credentials": False, "max_age": 600,
}  # fmt: skip
"""What a page of an origin that is named may do; one that is not named may do nothing."""


class Service(FastAPI):
    """The framework, and in front of it what every call passes first.

    What FastAPI does before it comes to middleware of ours is dear for a look-up that needs none of it.
    """

    def __init__(self, settings: Settings, **options: Any) -> None:
        super().__init__(**options)
        lanes: ASGIApp = Express(super().__call__)
        if settings.cors_origins:
            lanes = CORSMiddleware(lanes, allow_origins=sorted(settings.cors_origins), **CROSSING)
        front: ASGIApp = Edge(lanes, over_tls=settings.public_url.startswith("https://"))
        self._front = Traced(front, self._native_telemetry) if wanted() else front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one call."""
        scope["app"] = self
        await self._front(scope, receive, send)


def create_app(settings: Settings | None = None, *, whole: bool = True) -> FastAPI:
    """Make the application; reads the environment only when no settings are given.

    One that is not `whole` loads what is seldom called once it serves.
    """
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with traces("syt-api"):
            async with running(app.state.syt), later.loading():
                yield

    app = Service(
        settings, title="社银通", version="0.1.0", docs_url=None, openapi_url=None,
        redirect_slashes=False, redoc_url=None, lifespan=lifespan,
        description="Bank outlets handle social-security matters.",
        telemetry={"metrics": False, "logs": False},
        generate_unique_id_function=lambda route: route.name,
    )  # fmt: skip
    app.state.syt = make_state(settings, settings.database_url or "")
    app.state.lanes = LANES
    problems.install(app)
    app.add_exception_handler(Exception, _unexpected)
    app.add_route("/openapi.json", _document, include_in_schema=False)
    for router in BUSY:
        app.include_router(router)
    later = Later(app)
    if whole:
        later.include()
    return app


async def _document(request: Request) -> Response:
    """Give the document of all operations. To make it takes seconds, once: others are served meanwhile."""
    return JSONResponse(await asyncio.to_thread(request.app.openapi))


async def _unexpected(request: Request, _: Exception) -> Response:
    """Answer in our form; `Edge` logs what it was."""
    return problems.problem(request, problems.Internal())
