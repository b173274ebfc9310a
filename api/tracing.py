"""Spans of calls: the framework's own telemetry, around what stands in front of the framework too."""

from typing import Any

from opentelemetry import trace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.edge import METHODS


class Traced:
    """ASGI middleware that lets the framework trace what it would not come to see.

    `framework` is FastAPI's own tracing; within it FastAPI traces no second time.
    """

    def __init__(self, app: ASGIApp, framework: Any) -> None:
        self._app, self._framework = app, framework

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one call."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        await self._framework(app=self._named, scope=scope, receive=receive, send=send)

    async def _named(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                _name(scope)
            await send(message)

        await self._app(scope, receive, send_on)


def _name(scope: Scope) -> None:
    """Name the span by its route's template: a lane has no router to do it."""
    path = getattr(scope.get("route"), "path", None)
    if path is not None:
        span = trace.get_current_span()
        span.set_attribute("http.route", path)
        span.update_name(f"{scope['method'] if scope['method'] in METHODS else 'HTTP'} {path}")
