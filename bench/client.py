"""A client of the load: keep-alive connections that send ready bytes, in closed or open loop."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import count
from typing import NamedTuple

from bench.load import Round, summed_up

HOST = "127.0.0.1"
PATIENCE = 20.0
"""Seconds after which an answer is given up: a wrong answer of the load."""

SETTLED = 0.5
"""Seconds in which a server takes a few dozen connections."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    head: bytes
    body: bytes


class Wire:
    """One connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, port: int) -> AsyncIterator["Wire"]:
        """Connect."""
        reader, writer = await asyncio.open_connection(HOST, port)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()

    async def call(self, request: bytes) -> Answer:
        """Send a request and read its answer."""
        self._writer.write(request)
        return await self.answer()

    async def answer(self) -> Answer:
        """Read an answer: it has a length."""
        async with asyncio.timeout(PATIENCE):
            head = await self._reader.readuntil(b"\r\n\r\n")
            body = await self._reader.readexactly(_length(head))
        return Answer(int(head[9:12]), head, body)

    async def slowly(self, request: bytes, pause: float) -> Answer:
        """Send a request in small pieces and read its answer late, as a client on a bad line does."""
        for start in range(0, len(request), PIECE):
            self._writer.write(request[start : start + PIECE])
            await self._writer.drain()
            await asyncio.sleep(pause)
        await asyncio.sleep(pause * 10)
        return await self.answer()


PIECE = 64
"""Bytes of a slow client's piece."""


def _length(head: bytes) -> int:
    lower = head.lower()
    start = lower.index(b"content-length:") + 15
    return int(lower[start : lower.index(b"\r\n", start)])


class Tally:
    """What the connections of a round count together."""

    def __init__(self, expected: frozenset[int]) -> None:
        self.expected, self.took, self.errors = expected, list[float](), Counter[str]()

    async def one(self, wire: Wire, request: bytes, began: float) -> None:
        """Send one request and count its answer; `began` is when it was due."""
        answer = await wire.call(request)
        if answer.status in self.expected:
            self.took.append((time.perf_counter() - began) * 1e3)
        else:
            self.errors[str(answer.status)] += 1

    def round(self, seconds: float) -> Round:
        """Sum up."""
        return summed_up(seconds, self.took, dict(self.errors))


async def closed(
    port: int, requests: Iterable[bytes], *, clients: int, seconds: float, expected: int = 200
) -> Round:
    """Load in closed loop: each client sends the next request when it has its answer, until time or
    requests are used up.
    """
    tally, source, end = Tally(frozenset({expected})), iter(requests), time.perf_counter() + seconds

    async def client() -> None:
        async with Wire.to(port) as wire:
            for request in source:
                await tally.one(wire, request, time.perf_counter())
                if time.perf_counter() > end:
                    break

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return tally.round(time.perf_counter() - began)


async def open_loop(
    port: int, requests: Iterator[bytes], *, rate: float, seconds: float, clients: int = 64
) -> Round:
    """Load at a steady rate, whatever the answers; each is timed from the moment at which it was due.

    Connections are there before the clock starts, as a terminal keeps its own.
    """
    tally, turn = Tally(frozenset({201})), count()

    async def client(wire: Wire, began: float) -> None:
        while (nth := next(turn)) < rate * seconds:
            due = began + nth / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await tally.one(wire, next(requests), due)

    async with contextlib.AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(Wire.to(port)) for _ in range(clients)]
        began = time.perf_counter() + SETTLED
        await asyncio.gather(*(client(wire, began) for wire in wires))
    return tally.round(time.perf_counter() - began)


def get(path: str, token: str) -> bytes:
    """Write a GET."""
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


def post(path: str, token: str, body: bytes, *more: str) -> bytes:
    """Write a POST of JSON."""
    lines = [
        f"POST {path} HTTP/1.1", f"Host: {HOST}", f"Authorization: Bearer {token}",
        "Content-Type: application/json", f"Content-Length: {len(body)}", *more,
    ]  # fmt: skip
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body
