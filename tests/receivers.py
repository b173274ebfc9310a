"""Targets of messages: a real server in this process that takes them, or does not, as its path says."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
import uvicorn
from standardwebhooks import Webhook
from starlette.types import Receive, Scope, Send


class Came(NamedTuple):
    """A message as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.body)["data"]
        return found

    def is_signed_by(self, secret: str) -> bool:
        """Tell by the specification's own library."""
        try:
            Webhook(secret).verify(self.body, self.headers)
        except Exception:
            return False
        return True


@dataclass
class Receiver:
    """Answers by path: /ok, /500, /410, /redirect, /hang, /huge, /slow, /later; `answers` says otherwise."""

    came: list[Came] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    under_way: int = 0
    most: int = 0
    """Calls that were under way at once."""
    connections: set[tuple[str, int]] = field(default_factory=set)
    """Where calls came from: one pair for each connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.connections.add(tuple(scope["client"]))
        self.came.append(Came(scope["path"], headers, body))
        try:
            await self._answer(scope["path"], send)
        finally:
            self.under_way -= 1

    async def _answer(self, path: str, send: Send) -> None:
        kind = path.split("/")[1]
        if kind == "hang":
            await asyncio.sleep(20)
        if kind == "slow":
            await asyncio.sleep(0.05)
        known = {"redirect": 302, "later": 503, "huge": 200}
        status = self.answers.get(path) or known.get(kind) or (int(kind) if kind.isdigit() else 204)
        headers = {"redirect": [(b"location", b"/ok")], "later": [(b"retry-after", b"600")]}
        start = {"type": "http.response.start", "status": status, "headers": headers.get(kind, [])}
        await send(start)
        if kind == "huge":
            with contextlib.suppress(OSError):
                for _ in range(4000):
                    await send(
                        {"type": "http.response.body", "body": b"x" * 65536, "more_body": True}
                    )
        await send({"type": "http.response.body", "body": b""})

    def numbers(self, path: str = "") -> list[str]:
        """Applications of what came, with their versions and kinds, in order."""
        return [
            f"{c.data['application']} {c.data['kind'].split('.')[1]}"
            for c in self.came
            if c.path.startswith(path)
        ]


@dataclass
class Standing:
    """A server that stays for many tests, each with a receiver of its own: to end one takes a while."""

    url: str = ""
    receiver: Receiver = field(default_factory=Receiver)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.receiver(scope, receive, send)


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[Standing]:
    """Run a receiver."""
    standing, listening = Standing(), socket.socket()
    listening.bind(("127.0.0.1", 0))
    standing.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    config = uvicorn.Config(
        standing,
        log_level="critical",
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    yield standing
    server.should_exit = True
    await serving
