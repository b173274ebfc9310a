"""Reading the keys of trusted issuers, beside the requests: none waits for an issuer whose keys are known.

Keys that were read go into the database, from where every process takes them, also one that starts while the
issuer is away.
"""

import asyncio
import random
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import structlog

from access import queries
from access.issuers import KIND, Issuer, Issuers
from kit.db import Sessions, transaction
from kit.generations import raise_generation

log = structlog.get_logger()

DISCOVERY = "/.well-known/openid-configuration"
PATIENCE = 5.0
"""Seconds that an issuer has for each of its two answers."""

LARGEST = 256 * 1024
AT_MOST_EVERY = 60.0
"""Seconds between two readings that tokens with unknown keys ask for: anybody can make such tokens."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds after a reading that failed; twice as long each time."""


class IssuerWrong(Exception):
    """An issuer answers, and not with what it must."""


class Reader:
    """Keeps the keys of all trusted issuers, in one task for each."""

    def __init__(self, issuers: Issuers, sessions: Sessions) -> None:
        self._issuers, self._sessions = issuers, sessions
        self._asked: dict[str, float] = {}
        self._locks = {url: asyncio.Lock() for url in issuers.by_url}

    async def keep(self) -> None:
        """Read all of them again and again, for ever."""
        await asyncio.gather(*map(self._follow, self._issuers.by_url.values()))

    async def _follow(self, issuer: Issuer) -> None:
        pause = FIRST_PAUSE
        while True:
            if await self._try(issuer):
                pause, wait = FIRST_PAUSE, issuer.trusted.refresh
            else:
                pause, wait = min(pause * 2, LONGEST_PAUSE), pause
            await asyncio.sleep(wait * random.uniform(0.8, 1.2))  # noqa: S311 -- not all at once

    async def learn(self, issuer: Issuer) -> None:
        """Read an issuer's keys for a token that names one we do not know, once a minute at most."""
        async with self._locks[issuer.url]:
            asked = self._asked.get(issuer.url)
            if asked is None or time.monotonic() - asked >= AT_MOST_EVERY:
                self._asked[issuer.url] = time.monotonic()
                await self._try(issuer)

    async def _try(self, issuer: Issuer) -> bool:
        """Read; tell whether it went well. What is known of an issuer that is away stays."""
        try:
            shown = await fetch(issuer)
            if shown != issuer.shown:
                issuer.take(shown)
                await self._keep(issuer, shown)
        except Exception as error:
            log.warning("issuer_unread", issuer=issuer.name, error=type(error).__name__)
            return False
        return True

    async def _keep(self, issuer: Issuer, shown: dict[str, Any]) -> None:
        async with transaction(self._sessions) as session:
            stamp = await raise_generation(session, KIND)
            await queries.put_issuer_keys(session, issuer.name, issuer.url, shown, stamp)
        log.info("issuer_read", issuer=issuer.name, keys=sorted(issuer.keys))


async def fetch(issuer: Issuer) -> dict[str, Any]:
    """Discover where an issuer shows its keys, and read them.

    Raises:
        IssuerWrong: it is another issuer, shows its keys elsewhere than it may, or says too much.
        httpx.HTTPError: it is away.
    """
    async with httpx.AsyncClient(timeout=PATIENCE, follow_redirects=False) as client:
        about = await _read(client, issuer.url.rstrip("/") + DISCOVERY)
        if about.get("issuer") != issuer.url:
            raise IssuerWrong("it calls itself otherwise")
        place = str(about.get("jwks_uri"))
        if urlsplit(place).scheme != urlsplit(issuer.url).scheme:
            raise IssuerWrong("it shows its keys in the open")
        return await _read(client, place)


async def _read(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE), client.stream("GET", url) as answer:
        if answer.status_code != 200:
            raise IssuerWrong(f"it answers {answer.status_code}")
        body = b""
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > LARGEST:
                raise IssuerWrong("it says too much")
    found = orjson.loads(body)
    if not isinstance(found, dict):
        raise IssuerWrong("it answers with no object")
    return found
