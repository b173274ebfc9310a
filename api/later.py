"""What is loaded when the service already serves."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from kit.heap import filling

log = structlog.get_logger()


class Later(BaseRoute):
    """Stands at the end of the routes for those that are not there yet: who calls one waits until they are."""

    def __init__(self, app: FastAPI) -> None:
        self._app, self._document = app, app.openapi
        self._loading: asyncio.Task[None] | None = None
        self._including = threading.Lock()
        app.router.routes.append(self)
        app.openapi = self._whole_document  # type: ignore[method-assign]

    def include(self) -> None:
        """Put them in its place; to say it twice does nothing."""
        from api.seldom import LANES, ROUTERS  # noqa: PLC0415 -- this is when

        with self._including:
            if self in self._app.router.routes:
                for router in ROUTERS:
                    self._app.include_router(router)
                self._app.router.routes.remove(self)
                self._app.state.lanes += LANES

    def _whole_document(self) -> dict[str, Any]:
        self.include()
        return self._document()

    @asynccontextmanager
    async def loading(self) -> AsyncIterator[None]:
        """Load them beside whatever is done meanwhile."""
        beside = asyncio.create_task(self._ready_or_end())
        try:
            yield
        finally:
            beside.cancel()

    async def _ready_or_end(self) -> None:
        """End a process that can't load them, as one ends that can't start: who rolls it out must see it."""
        try:
            await self.ready()
        except Exception as error:
            log.critical("operations_not_loaded", error=type(error).__name__, exc_info=True)
            signal.raise_signal(signal.SIGTERM)

    async def ready(self) -> None:
        """Wait until they are there. A fault is a fault of this call, and tried again by the next."""
        if self not in self._app.router.routes:
            return
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._load())
        await asyncio.shield(self._loading)

    async def _load(self) -> None:
        with filling():
            await asyncio.to_thread(__import__, "api.seldom")
            self.include()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match every call that nothing before it has matched."""
        return (Match.FULL if scope["type"] == "http" else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a call once all is there."""
        await self.ready()
        await self._app.router(scope, receive, send)
