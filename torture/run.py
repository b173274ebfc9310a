"""One run: rounds of crashes, a storm and calm, each followed by a reckoning of everything so far."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from torture import books, faults
from torture.clients import Clients
from torture.crash import WAYS, Crash, crash
from torture.journal import Journal
from torture.people import People
from torture.reckoning import reckon
from torture.stand import Stand

ROUND = 120.0
"""Seconds of a storm, after which all is read and reckoned."""

SEEN, SETTLED = 2.5, 60.0
"""Seconds until every process knows everybody; until all is told after a storm."""


@dataclass
class Run:
    """What a run did, and what came of it."""

    seed: int
    journal: Journal = field(default_factory=Journal)
    done: Counter[str] = field(default_factory=Counter)
    """Faults by kind, those that hit something."""
    crashes: list[Crash] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0
    """Of storms."""
    orphans: int = 0
    """Objects in the store that nobody was ever told of."""
    events: int = 0


async def torture(
    stand: Stand, people: People, run: Run, seconds: float, names: Sequence[str]
) -> None:
    """Run rounds until the storms have lasted for so long, or something is wrong."""
    await asyncio.sleep(SEEN)
    for nth in count():
        storm = min(ROUND, seconds - run.seconds)
        if storm <= 0 or run.wrong:
            return
        async with Clients(stand.url, people, run.journal, f"{run.seed}-{nth}") as clients:
            await _round(stand, clients, run, faults.plan(f"{run.seed}-{nth}", storm, names))
        run.seconds += storm


async def _round(stand: Stand, clients: Clients, run: Run, plan: Sequence[faults.Fault]) -> None:
    known = len(run.journal.stored)
    async with clients.working():
        for way in WAYS:
            run.crashes.append(await crash(stand, run.journal, way))
            run.wrong += run.crashes[-1].wrongs()
        await faults.inflict(stand, plan, run.done)
    run.wrong += await _settle(stand)
    await clients.read_out()
    for stored in run.journal.stored[known:]:
        await clients.check_file(stored)
    await _reckon(stand.home, run)


async def _settle(stand: Stand) -> list[str]:
    """Wait until the service is whole again, and all is told."""
    deadline = time.monotonic() + SETTLED
    while time.monotonic() < deadline:
        if await asyncio.to_thread(stand.is_ready) and not await books.untold(stand.home):
            return []
        await asyncio.sleep(0.2)
    return [f"after the storm: expected to be ready, all told, within {SETTLED:g} s; it is not"]


async def _reckon(home: Path, run: Run) -> None:
    found = await books.read(home)
    run.wrong += reckon(run.journal, found)
    run.events = len(found.entries)
    run.orphans = len(found.objects.keys() - {filed.path for filed in found.files})
