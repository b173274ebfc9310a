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
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from standardwebhooks import Webhook
from yarl import URL

from kit.clock import now
from webhooks.service import Outcome, Parcel
from webhooks.targets import Ip, Network, is_open

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
"""Connections to one host and port at most, and how long one is kept that nobody uses."""

AGENT = "syt-webhooks/1"


class AddressRefused(Exception):
    """The name leads to where we do not connect to."""


class Checked(AbstractResolver):
    """Knows the addresses that may be connected to, by name and by themselves."""

    def __init__(self, allowed: Iterable[Network]) -> None:
        self._allowed = tuple(allowed)
        self._threads = ThreadPoolExecutor(RESOLVERS, "resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Ask for the addresses of a name, and look at each: they stand in for it, it is not asked for again.

        Raises:
            AddressRefused: one of the addresses is none that we connect to.
            TimeoutError, OSError: there are none to be had.
        """
        found = await self._addresses(host, port)
        if not found or not all(is_open(address, self._allowed) for address in found):
            raise AddressRefused
        return [_resolved(host, port, address) for address in found]

    async def _addresses(self, host: str, port: int) -> list[Ip]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT):
                rows = await loop.run_in_executor(self._threads, resolve, host, port)
        except UnicodeError:
            raise OSError("no name") from None
        return [_address(row[4]) for row in rows]

    def open_socket(self, row: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        """Open what a connection is made with, after a look at where it leads: what is no name is not resolved.

        Raises:
            AddressRefused: it is none that we connect to.
        """
        family, kind, protocol, _, address = row
        if not is_open(_address(address), self._allowed):
            raise AddressRefused
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        """Let the threads go; one that waits for a name ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def resolve(host: str, port: int) -> Sequence[Any]:
    """Ask the system for the addresses of a host."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _address(written: Sequence[Any]) -> Ip:
    return ipaddress.ip_address(str(written[0]).partition("%")[0])


def _resolved(host: str, port: int, address: Ip) -> ResolveResult:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return ResolveResult(
        hostname=host, host=str(address), port=port, family=family, proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST,
    )  # fmt: skip


class Answer(NamedTuple):
    """What is looked at of an answer."""

    status: int
    retry_after: float | None


class Poster:
    """Sends messages."""

    def __init__(self, allowed: Iterable[Network] = (), certificates: Path | None = None) -> None:
        self._checked = Checked(allowed)
        trusted = str(certificates) if certificates is not None else None
        self._tls = ssl.create_default_context(cafile=trusted)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Let the connections go."""
        if self._session is not None:
            await self._session.close()
        await self._checked.close()

    def _begun(self) -> aiohttp.ClientSession:
        """Give what keeps the connections: no cookies, no proxy of the environment, nothing unpacked."""
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=self._checked, socket_factory=self._checked.open_socket, use_dns_cache=False,
                happy_eyeballs_delay=None, ssl=self._tls, limit=0, limit_per_host=CONNECTIONS,
                keepalive_timeout=IDLE_SECONDS,
            )  # fmt: skip
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT),
                skip_auto_headers=("Accept", "Accept-Encoding"),
            )  # fmt: skip
        return self._session

    async def post(self, url: str, parcel: Parcel, secrets: Sequence[str]) -> Outcome:
        """Send a message; whatever becomes of it is an outcome."""
        at, began = now(), time.monotonic()
        status, fault, wanted = None, None, None
        try:
            status, wanted = await self._call(url, parcel, signed(parcel, secrets, at))
        except AddressRefused:
            fault = "address"
        except TimeoutError:
            fault = "timeout"
        except aiohttp.ClientSSLError:
            fault = "tls"
        except aiohttp.ClientConnectorError:
            fault = "unreachable"
        except (aiohttp.ClientError, OSError, ValueError):
            fault = "broken"
        return Outcome(
            parcel, at, round((time.monotonic() - began) * 1000), status, fault or meaning(status),
            is_alive=status is not None and status < 500 and status != 429, is_gone=status == 410,
            retry_after=wanted,
        )  # fmt: skip

    async def _call(self, url: str, parcel: Parcel, headers: Mapping[str, str]) -> Answer:
        found = None
        try:
            async with asyncio.timeout(SECONDS) as limit:
                calling = self._begun().post(
                    URL(url, encoded=True), data=parcel.body, headers=headers, allow_redirects=False
                )
                async with calling as answer:
                    found = Answer(answer.status, _asked_for(answer.headers.get("Retry-After", "")))
                    limit.reschedule(asyncio.get_running_loop().time() + DRAIN)
                    await _drain(answer.content)
        except Exception:
            if found is None:  # Once it is there, the status says it all.
                raise
        return found


async def _drain(content: aiohttp.StreamReader) -> None:
    size = 0
    while not content.is_eof() and size <= LARGEST:  # What has come whole needs no reading.
        size += len(await content.readany())


def signed(parcel: Parcel, secrets: Sequence[str], at: datetime) -> dict[str, str]:
    """Give the headers of a message: one signature for each secret that holds."""
    body = parcel.body.decode()
    signatures = " ".join(Webhook(secret).sign(parcel.id, at, body) for secret in secrets)
    return {
        "Content-Type": "application/json",
        "User-Agent": AGENT,
        "webhook-id": parcel.id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signatures,
    }


def meaning(status: int | None) -> str | None:
    """Say what a status means; None: the message was taken."""
    if status is None or 200 <= status < 300:
        return None
    if status == 410:
        return "gone"
    if status == 429:
        return "too_many"
    return {1: "broken", 3: "redirect", 4: "refused", 5: "failed"}.get(status // 100, "broken")


def _asked_for(written: str) -> float | None:
    """Read for how many seconds the target asks to be left alone."""
    wanted = written.strip()
    return float(wanted[:6]) if wanted.isascii() and wanted.isdigit() else None
