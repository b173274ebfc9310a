"""`python -m bench.soak`: a steady rate for some minutes, slow clients, and two bursts between.

Submissions, look-ups and lists; a fifth of all calls comes from clients that send a few bytes at a time and
read late. Watched are the memory of every process, how soon the latency is after each burst what it was
before, and that nothing acknowledged is lost.

A burst may raise memory: what a thousand connections held at once is kept for the next thousand. So growth is
looked for while the rate is steady, and the second burst shows whether another one raises it again.
"""

import argparse
import asyncio
import itertools
import math
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, linear_regression, median
from typing import NamedTuple

from bench import marks
from bench.client import Wire, get
from bench.load import Plan, requests
from bench.people import People, invite
from bench.processes import BenchFailed, new_home, service
from bench.seed import MATTER, body, head, sample, seed
from cli.home import cluster_of
from kit.embedded import DATABASE

WARM = 60.0
"""Seconds before memory is looked at: what is held once has been filled."""

BURST_SECONDS, BURST_TIMES = 20.0, 5
BURSTS = (0.4, 0.7)
"""When they begin, as shares of the whole."""

CALM = 60.0
"""Seconds after a burst begins, after which memory is looked at again."""

RECOVERED = 2.0
"""A second's median latency within so many times that before the burst is as it was."""

SLOW_SHARE = 0.2
SLOW_PAUSE = 0.05
"""Seconds between two pieces of a slow client."""

SLOPE_AIM = 0.5
"""MiB a minute: below it memory is called flat."""

RETRY = re.compile(rb"(?i)\r\nretry-after: *\d+\r\n")
MIX = (("submit", 0.5), ("guide", 0.3), ("list", 0.2))
COUNTED = "SELECT count(*) FROM application WHERE idempotency_key LIKE 'bench-%'"
TOLD = "SELECT (SELECT count(*) FROM event) - (SELECT count(*) FROM event_sequence)"


class Call(NamedTuple):
    """An answered call."""

    at: float
    """Seconds since the start, when it was due."""
    kind: str
    slow: bool
    status: int
    ms: float


@dataclass
class Watched:
    """All that was seen."""

    calls: list[Call] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    """When, and MiB by process."""


class Course(NamedTuple):
    """How it goes."""

    seconds: float
    rate: float

    @property
    def bursts(self) -> list[float]:
        """When each begins."""
        return [self.seconds * share for share in BURSTS]

    def in_burst(self, at: float) -> bool:
        """Tell whether a moment is within one."""
        return any(0 <= at - burst < BURST_SECONDS for burst in self.bursts)

    def due(self) -> Iterator[float]:
        """Give the moments at which calls are due."""
        at = 0.0
        while at < self.seconds:
            yield at
            at += 1 / (self.rate * (BURST_TIMES if self.in_burst(at) else 1))

    def stretches(self) -> list[tuple[float, float]]:
        """Give the times in which the rate is steady and nothing is left of a burst."""
        begins = [WARM, *(burst + CALM for burst in self.bursts)]
        return [*zip(begins, [*self.bursts, self.seconds], strict=True)]


class Soak:
    """The clients."""

    def __init__(self, port: int, people: People, tellers: list[str]) -> None:
        self._port, self.seen, self.began = port, Watched(), 0.0
        heads = [
            head("POST", "/v1/applications", token, "Content-Type: application/json")
            for token in tellers
        ]
        guide = [get(f"/v1/matters/{MATTER}/guide", token) for token in tellers]
        lists = [get("/v1/applications", people.reviewer), get("/v1/tasks", people.reviewer)]
        self._sources = {
            "submit": requests(Plan(port, 1, 1, 201, heads, body(), 200_000)),
            "guide": itertools.cycle(guide),
            "list": itertools.cycle(lists),
        }

    async def run(self, course: Course) -> None:
        """Send every call when it is due, whatever became of the ones before."""
        self.began = time.perf_counter()
        async with asyncio.TaskGroup() as calls:
            for nth, at in enumerate(course.due()):
                await asyncio.sleep(max(0.0, self.began + at - time.perf_counter()))
                calls.create_task(self._call(at, _kind(nth), slow=nth % 10 in (3, 8)))

    async def _call(self, at: float, kind: str, *, slow: bool) -> None:
        request = next(self._sources[kind])
        try:
            async with Wire.to(self._port) as wire:
                answer = await (wire.slowly(request, SLOW_PAUSE) if slow else wire.call(request))
        except (OSError, EOFError, TimeoutError) as error:
            self.seen.wrong[type(error).__name__] += 1
            return
        if answer.status == 503 and not RETRY.search(answer.head):
            self.seen.wrong["503 without Retry-After"] += 1
        elif answer.status not in (200, 201, 503):
            self.seen.wrong[str(answer.status)] += 1
        took = (time.perf_counter() - self.began - at) * 1e3
        self.seen.calls.append(Call(at, kind, slow, answer.status, took))

    async def watch(self, supervisor: int) -> None:
        """Note the memory of every process, now and then, for ever."""
        while True:
            self.seen.memory.append((time.perf_counter() - self.began, memories(supervisor)))
            await asyncio.sleep(5)


def _kind(nth: int) -> str:
    place = (nth * 0.618034) % 1
    for kind, share in MIX:
        if place < share:
            return kind
        place -= share
    return MIX[0][0]


def memories(supervisor: int) -> dict[str, float]:
    """Give the PSS in MiB of the API processes and the background process."""
    found = {}
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    for child in children:
        command = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        if b"-m" in command:
            name = command[command.index(b"-m") + 1].decode()
            rollup = Path(f"/proc/{child}/smaps_rollup").read_text()
            pss = re.search(r"^Pss: +(\d+) kB", rollup, re.MULTILINE)
            found[f"{name} {child}"] = int(pss[1]) / 1024 if pss else 0.0
    return found


async def soak(supervisor: int, clients: Soak, course: Course) -> None:
    """Run the course, and watch."""
    watching = asyncio.create_task(clients.watch(supervisor))
    try:
        await clients.run(course)
    finally:
        watching.cancel()


def second_medians(calls: list[Call]) -> dict[int, float]:
    """Give the median latency of quick clients' submissions, second by second."""
    by_second: dict[int, list[float]] = {}
    for call in calls:
        if call.kind == "submit" and call.status == 201 and not call.slow:
            by_second.setdefault(int(call.at), []).append(call.ms)
    return {second: median(found) for second, found in sorted(by_second.items())}


def recovery(medians: dict[int, float], burst: float) -> tuple[float, float | None]:
    """Give the latency before a burst, and how long after it it was so again, for five seconds on end."""
    before = median(ms for s, ms in medians.items() if burst - WARM / 2 <= s < burst)
    end = math.ceil(burst + BURST_SECONDS)
    for second in range(end, max(medians) - 5):
        following = [medians.get(second + n, math.inf) for n in range(5)]
        if max(following) <= before * RECOVERED:
            return before, second - burst - BURST_SECONDS
    return before, None


def slopes(seen: Watched, course: Course) -> list[str]:
    """Tell how memory went while the rate was steady, by process, in a line each."""
    told = []
    for name in seen.memory[-1][1]:
        stretches = [
            [
                (at / 60, sizes[name])
                for at, sizes in seen.memory
                if begin <= at < end and name in sizes
            ]
            for begin, end in course.stretches()
        ]
        if min(map(len, stretches)) < 3:
            raise BenchFailed("too short to see a slope of memory")
        slope = _common_slope(stretches)
        levels = ", ".join(f"{fmean(size for _, size in points):.1f}" for points in stretches)
        flat = "flat" if slope < SLOPE_AIM else "**NOT FLAT**"
        told.append(
            f"{name.split()[0]}: PSS {levels} MiB before, between and after the bursts; "
            f"{slope:+.2f} MiB a minute while the rate is steady ({flat}: below {SLOPE_AIM:g})"
        )
    return told


def _common_slope(stretches: list[list[tuple[float, float]]]) -> float:
    """Fit one slope to all stretches, each with a level of its own."""
    centred = [
        (at - fmean(a for a, _ in points), size - fmean(s for _, s in points))
        for points in stretches
        for at, size in points
    ]
    return linear_regression(*zip(*centred, strict=True), proportional=True).slope


def page(seen: Watched, course: Course, lost: int, untold: int) -> str:
    """Write it as Markdown."""
    medians = second_medians(seen.calls)
    recoveries = [recovery(medians, burst) for burst in course.bursts]
    statuses = Counter(call.status for call in seen.calls)
    burst = [c for c in seen.calls if course.in_burst(c.at)]
    refused = sum(c.status == 503 for c in burst)
    latency = "\n".join(f"- {_recovered(*one)}" for one in recoveries)
    counted = ", ".join(f"{status}: {n:,}" for status, n in sorted(statuses.items()))
    wrong = ", ".join(f"{what}: {n}" for what, n in seen.wrong.items()) or "none"
    memory = "\n".join(f"- memory of {line}" for line in slopes(seen, course))
    begins = " and ".join(f"{at:.0f}" for at in course.bursts)
    return f"""{marks.machine()}; {course.seconds / 60:.1f} minutes at {course.rate:.0f} calls a second \
({", ".join(f"{kind} {share:.0%}" for kind, share in MIX)}), {SLOW_SHARE:.0%} of them slow.

- answers by status: {counted}; wrong ones: {wrong}
- acknowledged submissions that are not in the database: {lost}; events not told: {untold}
- bursts of {BURST_TIMES} times the rate for {BURST_SECONDS:.0f} s at {begins} s: \
{len(burst):,} calls, {refused:,} answered 503 with Retry-After, all others right
{latency}
{memory}
"""


def _recovered(before: float, back: float | None) -> str:
    met = "met" if back is not None and back <= 60 else "**MISSED**"
    again = "not within the run" if back is None else f"{back:.0f} s after its end"
    return (
        f"median latency of a submission before a burst {before:.1f} ms; as it was "
        f"(within {RECOVERED:g} times) {again} ({met}: within 60 s)"
    )


def reckon(home: Path, seen: Watched, before: int) -> tuple[int, int]:
    """Count acknowledged submissions that are missing, and events not told."""
    acknowledged = sum(c.status == 201 for c in seen.calls)
    there = int(cluster_of(home).psql(COUNTED, database=DATABASE)) - before
    deadline = time.monotonic() + 60
    while (
        untold := int(cluster_of(home).psql(TOLD, database=DATABASE))
    ) and time.monotonic() < deadline:
        time.sleep(1)
    return max(0, acknowledged - there), untold


def main() -> int:
    """Soak, print, and write the page; 1 when something was lost or wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=100, help="calls a second, steady")
    parser.add_argument("--dry", action="store_true", help="print, and write no page")
    wanted = parser.parse_args()
    os.environ.pop("SYT_HOME", None)
    seconds = wanted.minutes * 60
    course = Course(seconds, wanted.rate)
    with new_home() as home, service(home, 2) as (port, supervisor):
        tellers, people = seed(home), invite(home)
        time.sleep(2.5)
        sample(port, tellers[-1], 100_000)
        clients = Soak(port, people, tellers)
        before = int(cluster_of(home).psql(COUNTED, database=DATABASE))
        asyncio.run(soak(supervisor, clients, course))
        lost, untold = reckon(home, clients.seen, before)
    result = page(clients.seen, course, lost, untold)
    print(result)
    if not wanted.dry:
        marks.write("soak", result)
    return 1 if lost or untold or clients.seen.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
