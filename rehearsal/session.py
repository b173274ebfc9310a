"""A session: the relay serves until the client's own program has ended, or until it is told to stop."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

import httpx
import uvicorn
from starlette.applications import Starlette

from rehearsal.faults import Chooser
from rehearsal.journal import Journal
from rehearsal.relay import Relay

TIMEOUT = 70.0
"""Seconds for an answer of the sandbox: a feed may be waited for half a minute."""

GRACE = 3
BASE_URL = "SYT_BASE_URL"
"""Tells a client's own program where to call."""


class SandboxAway(OSError):
    """There is no sandbox at the address."""


class Place(NamedTuple):
    """Where the relay listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """What the client is pointed at."""
        return f"http://{self.host}:{self.port}"


@asynccontextmanager
async def relaying(base_url: str, place: Place, journal: Journal) -> AsyncIterator[Place]:
    """Serve the relay before a sandbox.

    Raises:
        SandboxAway: nothing answers at the address.
        OSError: the port is taken.
    """
    async with httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT) as upstream:
        await _look(upstream, base_url)
        async with serving(Relay(upstream, journal, Chooser()).app(), place) as found:
            yield found


@asynccontextmanager
async def serving(app: Starlette, place: Place) -> AsyncIterator[Place]:
    """Serve on a socket of our own; port 0 takes a free one. Who connects before it serves waits there."""
    config = uvicorn.Config(
        app, log_level="critical", access_log=False, timeout_graceful_shutdown=GRACE, lifespan="off"
    )
    server = uvicorn.Server(config)
    with socket.create_server((place.host, place.port)) as listener:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield Place(place.host, int(listener.getsockname()[1]))
        finally:
            server.should_exit = True
            await task


async def _look(upstream: httpx.AsyncClient, base_url: str) -> None:
    try:
        ready = (await upstream.get("/health/ready")).is_success
    except httpx.TransportError:
        ready = False
    if not ready:
        raise SandboxAway(f"no sandbox answers at {base_url}")


async def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the client's own program to its end, and give its status."""
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **environment})
    try:
        return await process.wait()
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
