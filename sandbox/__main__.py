"""`python -m sandbox CARD`: the people of a sandbox, by the card that `syt demo` writes."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import httpx
import structlog

from kit.logs import configure
from kit.orphan import leave_with_parent
from sandbox.people import People

log = structlog.get_logger()

PACE, PERIOD, TIMEOUT = 1.0, 1.0, 30.0
"""Seconds between two steps of an application, between two looks at the feed, and for an answer."""


async def work(told: dict[str, Any]) -> None:
    """Act until told to stop; a service that is away is waited for."""
    async with httpx.AsyncClient(base_url=told["base_url"], timeout=TIMEOUT) as client:
        people = People(client, told["tokens"], pace=PACE)
        while True:
            try:
                busy = await people.look()
            except (httpx.HTTPError, ValueError, KeyError) as error:
                log.warning("sandbox_waits", error=type(error).__name__)
                busy = 0
            await asyncio.sleep(0 if busy else PERIOD)


if __name__ == "__main__":
    leave_with_parent()
    configure("warning")
    asyncio.run(work(json.loads(Path(sys.argv[1]).read_text("utf-8"))))
