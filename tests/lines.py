"""Lines between the SDK and the application: whole ones, and such as break where a test says."""

import asyncio
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import httpx
from fastapi import FastAPI

from client import AsyncClient, Client, Patience, TerminalKey
from tests.make import Place

BASE = "http://outlet.test"
QUICK = Patience(tries=4, first=0.001, longest=0.002)

Fate = Callable[[httpx.Request], str]
"""Says of a request what becomes of it: `` whole, `before` it never arrives, `after` its answer is lost."""


def whole(_: httpx.Request) -> str:
    return ""


class Line(httpx.AsyncBaseTransport):
    """To the application in this process; dates its answers, as a server does."""

    def __init__(self, app: FastAPI, fate: Fate = whole) -> None:
        self._inner = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self.fate = fate
        self.sent: list[tuple[str, str]] = []
        self.loop = asyncio.get_running_loop()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append((request.method, request.url.path))
        fate = self.fate(request)
        if fate == "before":
            raise httpx.ConnectError("no line")
        answer = await self._inner.handle_async_request(request)
        if fate == "after":
            raise httpx.ReadError("cut")
        answer.headers["date"] = formatdate(usegmt=True)
        return answer

    def count(self, path: str) -> int:
        return sum(path == sent for _, sent in self.sent)


class Bridge(httpx.BaseTransport):
    """A line for a plain client that runs in another thread than the application's loop."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = httpx.Request(
            request.method, request.url, headers=request.headers, content=request.read()
        )
        return asyncio.run_coroutine_threadsafe(self._ask(asked), self._line.loop).result(30)

    async def _ask(self, request: httpx.Request) -> httpx.Response:
        answer = await self._line.handle_async_request(request)
        body = await answer.aread()
        return httpx.Response(answer.status_code, headers=answer.headers, content=body)


def key_of(place: Place) -> TerminalKey:
    return TerminalKey.from_jwk(place.key.as_dict(private=True))


def client_of(line: Line, place: Place, **more: Any) -> AsyncClient:
    settings = {"patience": QUICK, **more}
    return AsyncClient(
        BASE, place.terminal, key_of(place), place.teller, transport=line, **settings
    )


def plain_client_of(line: Line, place: Place) -> Client:
    return Client(
        BASE, place.terminal, key_of(place), place.teller, transport=Bridge(line), patience=QUICK
    )
