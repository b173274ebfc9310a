"""`python -m bench.evidence`: how long `syt verify` takes over a million events, and how long to seal them.

A home of its own is filled with applications and their events, the events are sealed as the worker does it, and
the command is run as an operator runs it; then one row is altered, and the command has to name it. Writes its
part of docs/performance.md.
"""

import argparse
import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.fill import fill
from bench.marks import machine
from bench.people import large_outlet
from bench.processes import ROOT, BenchFailed, new_home, service
from bench.scale import say
from bench.seed import seed
from cli.home import cluster_of
from evidence import service as evidence
from evidence.chain import HASH_OF
from kit.db import make_engine, make_sessions, transaction
from kit.embedded import SERVICE, Cluster
from kit.settings import Settings
from kit.signing import load_signer

PAGE = ROOT / "docs" / "performance.md"
EVENTS_EACH = 4.7
"""Events of an application of the mix, about."""

LIMIT = 60.0
"""Seconds that a million events may take."""

ALTERED = (
    "UPDATE event SET actor = left(actor, -1) || '~' WHERE id = (SELECT max(id) - 100 FROM event)"
)


class Found(NamedTuple):
    """What was measured."""

    events: int
    sealing: float
    verifying: float
    altered: str

    def text(self) -> str:
        """Tell it as Markdown."""
        rate = 1e6 * self.verifying / self.events
        verdict = "met" if rate < LIMIT else "**MISSED**"
        return (
            f"{machine()}.\n\n"
            f"- `syt verify` over {self.events:,} events: {self.verifying:.1f} s, the database's start"
            f" included; {rate:.1f} s a million (under {LIMIT:.0f}: {verdict})\n"
            f"- sealing them, as the worker does it: {self.sealing:.1f} s,"
            f" {self.events / self.sealing:,.0f} a second\n"
            f"- one letter of one of them changed: `{self.altered}`\n"
        )


async def seal_all(home: Path) -> int:
    """Seal all there is; tell how many events."""
    settings = Settings(home=home)
    engine = make_engine(cluster_of(home).url(SERVICE), pool_size=2, unhurried=True)
    signer, count = load_signer(settings), 0
    try:
        while True:
            async with transaction(make_sessions(engine)) as session:
                done = await evidence.seal_some(session, signer, HASH_OF[settings.suite])
            if not done:
                return count
            count += done
    finally:
        await engine.dispose()


@contextmanager
def running(home: Path) -> Iterator[Cluster]:
    """Run the home's database; the command starts and stops it by itself."""
    cluster = cluster_of(home)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()


def verify(home: Path) -> tuple[int, str, float]:
    """Run the command; give its status, its last line, and how long it took."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "verify"], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "SYT_HOME": str(home)},
    )  # fmt: skip
    lines = (done.stdout + done.stderr).strip().splitlines()
    return done.returncode, lines[-1] if lines else "", time.monotonic() - began


def measure(home: Path, events: int) -> Found:
    """Fill, seal, verify, alter, verify.

    Raises:
        BenchFailed: the command said what is not so.
    """
    with service(home, 1):
        seed(home)
        large = large_outlet(home)
    say(f"filling about {events:,} events")
    filled = fill(home, int(events / EVENTS_EACH), large=large, paced=False)
    with running(home):
        began = time.monotonic()
        count = asyncio.run(seal_all(home))
        sealing = time.monotonic() - began
    say(f"sealed {count:,} of {filled.events:,} in {sealing:.1f} s")
    status, whole, verifying = verify(home)
    if status or count < filled.events:
        raise BenchFailed(f"not whole: {whole}")
    say(whole)
    with running(home) as cluster:
        cluster.psql(ALTERED, database="syt")
    status, altered, _ = verify(home)
    if status != 1 or not re.search(r"event \d+ \(order \d+\): changed", altered):
        raise BenchFailed(f"what was altered was not found: {altered}")
    return Found(count, sealing, verifying, re.sub(r"^syt: ", "", altered))


def write(result: str) -> None:
    """Put the result into its part of the page."""
    begin, end = "<!-- evidence:begin -->", "<!-- evidence:end -->"
    before, _, rest = PAGE.read_text().partition(begin)
    PAGE.write_text(f"{before}{begin}\n{result}{end}{rest.partition(end)[2]}")


def main() -> int:
    """Measure, print and write; 1 where it took too long."""
    parser = argparse.ArgumentParser(prog="python -m bench.evidence", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    wanted = parser.parse_args()
    os.environ.pop("SYT_HOME", None)
    with new_home() as home:
        found = measure(home, wanted.events)
    print(found.text())
    if wanted.events >= 1_000_000:
        write(found.text())
    return int(1e6 * found.verifying / found.events >= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
