"""How a crash of PostgreSQL is answered, and how long it takes to heal: measured, one crash at a time."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from torture.journal import RIGHT, Journal
from torture.stand import Stand

AWAY = 4.0
"""Seconds for which nobody starts the database again, so that there is something to answer."""

MOST_SECONDS = 5.0
"""An answer may take so much longer than before the crash, whatever became of the database."""

STEADY, PATIENCE = 2.0, 30.0
EXCUSED = frozenset({409, 412, 503})
HEALED = ("POST /v1/applications", "GET /v1/applications", "GET /v1/events", "POST /v1/tasks/claim")
"""Calls that are right again when it has healed."""


@dataclass(frozen=True)
class Way:
    """A way of bringing the database down."""

    label: str
    target: Callable[[Stand], Sequence[int]]
    away: float = 0.0


WAYS = (
    Way("postmaster killed, nobody restarts it for 4 s", Stand.postmaster, AWAY),
    Way("a backend killed", Stand.backends),
    Way("postmaster killed", Stand.postmaster),
)


@dataclass
class Crash:
    """One crash and what was seen of it."""

    way: str
    calm: float
    """Seconds of the slowest answer just before it: what the machine itself is worth."""
    slowest: float
    """Seconds of the slowest answer to a call that ended between the crash and the end of healing."""
    healed: float
    """Seconds from when the database might start until every kind of call was right again."""
    answers: Counter[int] = field(default_factory=Counter)
    same: bool = True
    """Whether the API processes are the ones that there were before."""
    away: bool = False

    def wrongs(self) -> Iterator[str]:
        """List what must not be."""
        if self.slowest > MOST_SECONDS + self.calm:
            yield (
                f"crash ({self.way}): expected every answer within {MOST_SECONDS:g} s and the"
                f" {self.calm:.1f} s that it took before, one took {self.slowest:.1f}"
            )
        if not self.same:
            yield f"crash ({self.way}): expected the API processes to live on, others are there"
        if self.healed > PATIENCE:
            yield f"crash ({self.way}): expected to heal within {PATIENCE:g} s, it did not"
        if self.away and not self.answers[503]:
            yield f"crash ({self.way}): expected answers 503, found {dict(self.answers)}"
        if odd := set(self.answers) - RIGHT - EXCUSED:
            yield f"crash ({self.way}): expected 503 at worst, found {sorted(odd)}"


async def crash(stand: Stand, journal: Journal, way: Way) -> Crash:
    """Bring the database down under load, and watch."""
    before = stand.children("api")
    calm = await _calm(journal)
    if way.away:
        os.kill(stand.supervisor, signal.SIGSTOP)  # It would start the database again at once.
    try:
        for pid in way.target(stand)[:1]:
            os.kill(pid, signal.SIGKILL)
        journal.watched.clear()
        await asyncio.sleep(way.away)
    finally:
        os.kill(stand.supervisor, signal.SIGCONT)
    during = list(journal.watched)
    healed = await _healing(journal)
    seen = during + journal.watched
    return Crash(
        way.label, calm, max(answer.seconds for answer in seen), healed,
        Counter(answer.status for answer in seen), stand.children("api") == before, bool(way.away),
    )  # fmt: skip


async def _calm(journal: Journal) -> float:
    """Watch the load for a while; give how long the slowest answer took."""
    journal.watched.clear()
    await asyncio.sleep(STEADY)
    return max((answer.seconds for answer in journal.watched), default=0.0)


async def _healing(journal: Journal) -> float:
    """Wait until every kind of call is right again; give how long that took."""
    journal.watched.clear()
    began = time.monotonic()
    while (took := time.monotonic() - began) < PATIENCE:
        right = {answer.what for answer in journal.watched if answer.status in RIGHT}
        if right.issuperset(HEALED):
            return took
        await asyncio.sleep(0.02)
    return took + 1
