"""Numbers of applications, and the codes with which applicants ask after them."""

import asyncio
import re
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from kit.crypto import KeyRing
from kit.db import driver
from kit.ids import readable
from schemas.codes import mod_11_10, mod_11_10_product

BLOCK = 1000
"""Serials that a process takes at once; those of a process that ends are gaps, which are normal."""

ALL = 1_000_000

SERIALS = 900_000
"""Serials that are given out as applications come; the rest of the million is kept for terminals that reserve
theirs, so that no number is ever told twice."""

RESERVED = range(SERIALS, ALL)

USED_WITHIN = timedelta(days=30)
"""How long a terminal may give out a number that it has reserved."""

TAKEN_WITHIN = timedelta(days=60)
"""How long an application is taken under it: what was given out on the last day has a month to come in."""

FORM = re.compile(
    r"SYT(?P<county>[0-9]{6})(?P<day>[0-9]{8})(?P<outlet>[0-9]{6})(?P<serial>[0-9]{6})[0-9]",
    re.ASCII,
)


def number(outlet: str, day: date, serial: int) -> str:
    """Compose a number: `SYT`, county 6, day 8, outlet serial 6, serial 6, check digit (MOD 11,10)."""
    head, product = _head(outlet, day)
    digits = f"{serial % ALL:06d}"
    return f"SYT{head}{digits}{mod_11_10(digits, product)}"


@lru_cache(maxsize=4096)
def _head(outlet: str, day: date) -> tuple[str, int]:
    digits = f"{outlet[:6]}{day:%Y%m%d}{outlet[6:12]}"
    return digits, mod_11_10_product(digits)


class Parts(NamedTuple):
    """What a number says."""

    outlet: str
    day: date
    serial: int


def parts(text: str) -> Parts | None:
    """Take a number apart; None where it is none: form, day or check digit are wrong."""
    found = FORM.fullmatch(text)
    if found is None or mod_11_10(text[3:-1]) != text[-1]:
        return None
    try:
        day = date.fromisoformat(found["day"])
    except ValueError:
        return None
    return Parts(found["county"] + found["outlet"], day, int(found["serial"]))


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
        return (self._next - 1) % SERIALS

    async def refill(self) -> None:
        """Fetch a block."""
        async with driver(self._engine) as connection:
            block = await connection.fetchval("SELECT nextval('application_serial')", timeout=3)
        self._next, self._end = block * BLOCK, (block + 1) * BLOCK
