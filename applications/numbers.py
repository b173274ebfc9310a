"""Numbers of applications, and the codes with which applicants ask after them."""

import asyncio
from datetime import date
from functools import lru_cache

from sqlalchemy.ext.asyncio import AsyncEngine

from kit.crypto import KeyRing
from kit.db import driver
from kit.ids import readable
from schemas.codes import mod_11_10

BLOCK = 1000
"""Serials that a process takes at once; those of a process that ends are gaps, which are normal."""

SERIALS = 1_000_000


def number(outlet: str, day: date, serial: int) -> str:
    """Compose a number: `SYT`, county 6, day 8, outlet serial 6, serial 6, check digit (MOD 11,10)."""
    digits = f"{_head(outlet, day)}{serial % SERIALS:06d}"
    return f"SYT{digits}{mod_11_10(digits)}"


@lru_cache(maxsize=4096)
def _head(outlet: str, day: date) -> str:
    return f"{outlet[:6]}{day:%Y%m%d}{outlet[6:12]}"


def query_code(keys: KeyRing, application: str) -> str:
    """Give the eight characters that, with the number, let an applicant ask after the progress."""
    return readable(keys.find("query-code", application.encode()), 8)


class Serials:
    """Serials out of blocks of a sequence of the database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._next = self._end = 0
        self._lock = asyncio.Lock()

    async def take(self) -> int:
        """Take one; asks the database once in a thousand times."""
        if self._next == self._end:
            async with self._lock:
                if self._next == self._end:
                    await self.refill()
        self._next += 1
        return self._next - 1

    async def refill(self) -> None:
        """Fetch a block."""
        async with driver(self._engine) as connection:
            block = await connection.fetchval("SELECT nextval('application_serial')", timeout=3)
        self._next, self._end = block * BLOCK, (block + 1) * BLOCK
