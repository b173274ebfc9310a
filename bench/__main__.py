"""`python -m bench`: measure the service beside its reference lines, in one run."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from bench import report
from bench.load import Plan, Round, run_round
from bench.processes import ROOT, BenchFailed, memory, new_home, reference, service
from bench.report import Line, Memory
from bench.seed import MATTER, body, head, sample, seed
from bench.statement import CLIENTS, run_statement
from cli.home import cluster_of

LOOK_UPS = 16
"""Connections of look-ups."""

SERIALS = 100_000
"""Serials set apart for a round: more than it can use."""

GUIDE, SUBMISSION = (0.7, 0.9), (0.25, 0.45)
SETTLED_EVENTS = "SELECT (SELECT count(*) FROM event) = (SELECT count(*) FROM event_sequence)"
SETTLE_SECONDS = 20.0


class Effort(NamedTuple):
    """How long to measure."""

    rounds: int
    seconds: float
    workers: tuple[int, ...]


FULL, QUICK = Effort(5, 2.0, (1, 2)), Effort(2, 1.0, (1,))


class Stand:
    """A running service and its reference lines, ready to be loaded."""

    def __init__(self, home: Path, ports: tuple[int, int], tokens: list[str], etag: str) -> None:
        self._home, self._ports, self._tokens, self._etag = home, ports, tokens, etag

    def look_up(self, seconds: float, *, known: bool) -> Iterator[Plan]:
        """Plan look-ups of the guide on the service and on L0; 304 where the tag is `known`."""
        more = (f"If-None-Match: {self._etag}",) if known else ()
        paths = (f"/v1/matters/{MATTER}/guide", "/unchanged" if known else "/guide")
        for port, path in zip(self._ports, paths, strict=True):
            heads = [head("GET", path, token, *more) for token in self._tokens]
            yield Plan(port, LOOK_UPS, seconds, 304 if known else 200, heads)

    def submit(self, seconds: float, connections: int, first: int) -> Iterator[Plan]:
        """Plan submissions to the service and to L1."""
        for port, path in zip(self._ports, ("/v1/applications", "/applications"), strict=True):
            heads = [
                head("POST", path, token, "Content-Type: application/json")
                for token in self._tokens
            ]
            yield Plan(port, connections, seconds, 201, heads, body(), first)

    def settle(self) -> None:
        """Wait until the background process has told all events: its work is not the next round's."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while cluster_of(self._home).psql(SETTLED_EVENTS, database="syt") != "t":
            if time.monotonic() > deadline:
                raise BenchFailed("events are still untold long after the load")
            time.sleep(0.2)

    def database(self, seconds: float, nth: int) -> Round:
        """Run the statement alone."""
        return run_statement(self._home, seconds, nth)


def measure(stand: Stand, workers: int, effort: Effort, serials: Iterator[int]) -> list[Line]:
    """Load the service and its lines in turns."""
    seconds = effort.seconds
    pairs: list[tuple[Line, Callable[[], Iterator[Plan]]]] = [
        (Line(workers, "guide 200", "L0", GUIDE), lambda: stand.look_up(seconds, known=False)),
        (Line(workers, "guide 304", "L0", GUIDE), lambda: stand.look_up(seconds, known=True)),
    ]
    for connections in (16, 64):
        line = Line(workers, f"submission, {connections} connections", "L1", SUBMISSION)
        pairs.append((line, lambda n=connections: stand.submit(seconds, n, next(serials))))  # type: ignore[misc]
    alone = Line(workers, "submission, 64 connections", f"L2, {CLIENTS} connections", None)
    for nth in range(effort.rounds):
        say(f"{workers} worker(s), round {nth + 1} of {effort.rounds}")
        for line, plans in pairs:
            on_service, on_line = plans()
            line.service.append(run_round(on_service))
            stand.settle()
            line.beside.append(run_round(on_line))
        alone.service.append(pairs[-1][0].service[-1])
        alone.beside.append(stand.database(seconds, workers * 100 + nth))
        stand.settle()
    return [*(line for line, _ in pairs), alone]


def bench(effort: Effort) -> tuple[list[Line], str]:
    """Run everything; give the lines, and the result as Markdown."""
    lines: list[Line] = []
    memories: list[Memory] = []
    serials = count(SERIALS, SERIALS)
    with new_home() as home:
        for workers in effort.workers:
            say(f"{workers} worker(s): starting")
            with service(home, workers) as (port, supervisor):
                tokens = seed(home)
                time.sleep(2.5)  # Every worker looks for changes once a second.
                found = sample(port, tokens[-1], next(serials))
                with reference(home, workers, found.guide, found.made) as beside:
                    stand = Stand(home, (port, beside), tokens, found.etag)
                    lines += measure(stand, workers, effort, serials)
                memories.append(Memory(workers, *max(memory(supervisor))))
                postgres = cluster_of(home).psql("SHOW server_version")
    return lines, report.text(lines, memories, postgres, effort.rounds, effort.seconds)


def say(what: str) -> None:
    """Tell the person at the keyboard how far it is."""
    print(f"bench: {what}", file=sys.stderr, flush=True)


def _stop(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> int:
    """Measure, print, and write the page; 1 when anything was answered wrongly."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run; writes nothing")
    quick: bool = parser.parse_args().quick
    signal.signal(signal.SIGTERM, _stop)
    os.environ.pop("SYT_HOME", None)
    try:
        lines, result = bench(QUICK if quick else FULL)
    except BenchFailed as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("stopped")
        return 130
    print(result)
    failed = [(line, errors) for line in lines if (errors := line.errors())]
    for line, errors in failed:
        say(f"ERRORS: {line.workers} worker(s), {line.load}: {dict(errors)}")
    if not quick and not failed:
        report.write(ROOT / "docs" / "performance.md", result)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
