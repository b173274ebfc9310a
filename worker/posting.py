"""One call to a target: signed (Standard Webhooks), bounded in time and size, and only to where we may connect.

A name is resolved here, its addresses are looked at, and one of those very addresses is connected to: a name
that answers otherwise a moment later leads nowhere. No redirect is followed, and nothing of an answer is kept
but its status.
"""

import asyncio
import ipaddress
import socket
import ssl
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpcore
from standardwebhooks import Webhook

from kit.clock import now
from webhooks.service import Outcome, Parcel
from webhooks.targets import Ip, Network, is_open, origin_of

SECONDS = 10.0
"""For a whole call until its status is known."""

CONNECT = 5.0
DRAIN = 1.0
"""Seconds for what comes behind the status; what is not there by then is not waited for."""

LARGEST = 64 * 1024
"""Bytes of an answer that are read, so that the connection can be used again; of a longer one it ends."""

RESOLVERS = 64
"""Threads that may wait for names: one target whose names never come holds up no other."""

CONNECTIONS, IDLE_SECONDS = 100, 30.0
POOLS = 1000
"""Origins whose connections are kept: more than are served at once."""

AGENT = b"syt-webhooks/1"
LIMITS = {"timeout": {"connect": CONNECT, "read": SECONDS, "write": SECONDS, "pool": SECONDS}}


class AddressRefused(Exception):
    """The name leads to where we do not connect to."""


class Checked(httpcore.AsyncNetworkBackend):
    """Connects to the addresses that it has looked at, and to no others."""

    def __init__(self, allowed: Iterable[Network]) -> None:
        self._allowed, self._inner = tuple(allowed), httpcore.AnyIOBackend()
        self._threads = ThreadPoolExecutor(RESOLVERS, "resolver")

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,  # noqa: ASYNC109
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:  # fmt: skip
        """Resolve, look, and connect.

        Raises:
            AddressRefused: one of the addresses is none that we connect to.
            httpcore.ConnectError, httpcore.ConnectTimeout: there is no way.
        """
        found = await self._addresses(host, port)
        if not found or not all(is_open(address, self._allowed) for address in found):
            raise AddressRefused
        return await self._inner.connect_tcp(
            str(found[0]), port, timeout, local_address, socket_options
        )

    async def _addresses(self, host: str, port: int) -> list[Ip]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT):
                rows = await loop.run_in_executor(self._threads, resolve, host, port)
        except TimeoutError:
            raise httpcore.ConnectTimeout from None
        except (OSError, UnicodeError):
            raise httpcore.ConnectError from None
        return [ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in rows]

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        """Refuse: no target is one.

        Raises:
            AddressRefused: always.
        """
        raise AddressRefused

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._inner.sleep(seconds)

    def close(self) -> None:
        """Let the threads go; one that waits for a name ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def resolve(host: str, port: int) -> Sequence[Any]:
    """Ask the system for the addresses of a host."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class Answer(NamedTuple):
    """What is looked at of an answer."""

    status: int
    retry_after: float | None


class Poster:
    """Sends messages."""

    def __init__(self, allowed: Iterable[Network] = (), certificates: Path | None = None) -> None:
        self._backend = Checked(allowed)
        trusted = str(certificates) if certificates is not None else None
        self._tls = ssl.create_default_context(cafile=trusted)
        self._pools: OrderedDict[str, httpcore.AsyncConnectionPool] = OrderedDict()

    async def close(self) -> None:
        """Let the connections go."""
        for pool in self._pools.values():
            await pool.aclose()
        self._backend.close()

    async def _pool_of(self, url: str) -> httpcore.AsyncConnectionPool:
        """Give the connections of an origin: a pool looks through all that it has, at each call."""
        origin = origin_of(url)
        if origin not in self._pools:
            self._pools[origin] = httpcore.AsyncConnectionPool(
                ssl_context=self._tls, network_backend=self._backend, keepalive_expiry=IDLE_SECONDS,
                max_connections=CONNECTIONS, retries=0,
            )  # fmt: skip
        self._pools.move_to_end(origin)
        if len(self._pools) > POOLS:
            await self._pools.popitem(last=False)[1].aclose()
        return self._pools[origin]

    async def post(self, url: str, parcel: Parcel, secrets: Sequence[str]) -> Outcome:
        """Send a message; whatever becomes of it is an outcome."""
        at, began = now(), time.monotonic()
        status, fault, wanted = None, None, None
        try:
            async with asyncio.timeout(SECONDS + DRAIN):
                status, wanted = await self._call(url, parcel, signed(parcel, secrets, at))
        except AddressRefused:
            fault = "address"
        except (TimeoutError, httpcore.TimeoutException):
            fault = "timeout"
        except httpcore.ConnectError as error:
            fault = "tls" if isinstance(error.__context__, ssl.SSLError) else "unreachable"
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError):
            fault = "broken"
        return Outcome(
            parcel, at, round((time.monotonic() - began) * 1000), status, fault or meaning(status),
            is_alive=status is not None and status < 500 and status != 429, is_gone=status == 410,
            retry_after=wanted,
        )  # fmt: skip

    async def _call(
        self, url: str, parcel: Parcel, headers: Sequence[tuple[bytes, bytes]]
    ) -> Answer:
        pool = await self._pool_of(url)
        calling = pool.stream(
            "POST", url, headers=list(headers), content=parcel.body, extensions=LIMITS
        )
        async with calling as answer:
            found = Answer(answer.status, _asked_for(answer.headers))
            with suppress(Exception):  # The status says it all.
                async with asyncio.timeout(DRAIN):
                    await _drain(answer)
        return found


async def _drain(answer: httpcore.Response) -> None:
    size = 0
    async for part in answer.aiter_stream():
        size += len(part)
        if size > LARGEST:
            return


def signed(parcel: Parcel, secrets: Sequence[str], at: datetime) -> list[tuple[bytes, bytes]]:
    """Give the headers of a message: one signature for each secret that holds."""
    body = parcel.body.decode()
    signatures = " ".join(Webhook(secret).sign(parcel.id, at, body) for secret in secrets)
    return [
        (b"content-type", b"application/json"),
        (b"user-agent", AGENT),
        (b"webhook-id", parcel.id.encode()),
        (b"webhook-timestamp", str(int(at.timestamp())).encode()),
        (b"webhook-signature", signatures.encode()),
    ]


def meaning(status: int | None) -> str | None:
    """Say what a status means; None: the message was taken."""
    if status is None or 200 <= status < 300:
        return None
    if status == 410:
        return "gone"
    if status == 429:
        return "too_many"
    return {1: "broken", 3: "redirect", 4: "refused", 5: "failed"}.get(status // 100, "broken")


def _asked_for(headers: Iterable[tuple[bytes, bytes]]) -> float | None:
    """Read for how many seconds the target asks to be left alone."""
    for name, value in headers:
        if name.lower() == b"retry-after" and value.strip().isdigit():
            return float(value.strip()[:6])
    return None
