"""`python -m bench.scale`: every kind of call at ten thousand, a million and ten million applications.

A service runs on each, and each load is measured in turns on all of them, with one client and with sixteen.
What counts is the ratio of a round at one size to the round beside it at the smallest: so the machine's noise
falls out of it. A call that asks for nothing (`/health/ready`) is among the loads, and shows what is left.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench import marks
from bench.client import closed, open_loop
from bench.fill import Filled, fill
from bench.load import Round
from bench.loads import AIMED, GIVE_BACK, Load, Site, loads, submissions
from bench.people import invite, large_outlet
from bench.processes import BenchFailed, new_home, service, worked
from bench.seed import sample, seed
from cli.home import cluster_of
from kit.embedded import DATABASE

SIZES = (10_000, 1_000_000, 10_000_000)
CLIENTS = (1, 16)
SERIALS = 100_000
AIM, LEAST = 1.2, 1.5
LONGER = "other length"
"""In place of a verdict: an empty page and one of fifty items cost other times at any size."""

TAIL_AIM = 4.0
"""p99 / p50 of submissions at half of the highest rate."""

TAILS = 3
"""How often they are looked at."""

PATIENCE, CALM, IDLE = 900.0, 8.0, 0.1
"""Seconds; seconds of a look; the share of a processor below which a process has nothing to do."""

UNLIMITED = {"SYT_CALLS_PER_SECOND": "1000000", "SYT_CALLS_AT_ONCE": "1000000"}
"""One caller calls as often as many do."""

SPREAD_CLIENTS, SPREAD_SECONDS = 64, 8.0


class Effort(NamedTuple):
    """How long to measure a load: rounds, and seconds of a round."""

    rounds: int = 3
    seconds: float = 0.25


@dataclass
class Measured:
    """A load at one size with one number of clients."""

    load: Load
    clients: int
    rounds: list[Round] = field(default_factory=list)

    @property
    def p50(self) -> float:
        """Milliseconds."""
        return median(one.p50 for one in self.rounds)

    def against(self, base: "Measured", figure: str) -> float:
        """Give a figure in units of the smallest size's, round by round: neighbours share their noise."""
        pairs = zip(self.rounds, base.rounds, strict=True)
        return float(median(getattr(a, figure) / getattr(b, figure) for a, b in pairs))


class Tail(NamedTuple):
    """Submissions at half of the highest rate."""

    highest: float
    half: Round

    @property
    def ratio(self) -> float:
        """p99 in units of p50."""
        return self.half.p99 / self.half.p50


class Size(NamedTuple):
    """All that was measured at one size."""

    rows: int
    filled: Filled | None
    measured: list[Measured]
    tails: list[Tail]


def measure(filled: Mapping[int, tuple[Path, Filled | None]], effort: Effort) -> list[Size]:
    """Start a service on each filled home, and measure them in turns; then each alone, for its tail."""
    serials = count(SERIALS, SERIALS)
    with contextlib.ExitStack() as stack:
        sites = [_site(stack, rows, home, serials) for rows, (home, _) in filled.items()]
        measured = asyncio.run(_measure(sites, serials, effort))
    tails = [_tails(rows, home, serials) for rows, (home, _) in filled.items()]
    told = zip(filled.items(), measured, tails, strict=True)
    return [Size(rows, made, loads_, tails_) for (rows, (_, made)), loads_, tails_ in told]


def _site(stack: contextlib.ExitStack, rows: int, home: Path, serials: Iterator[int]) -> Site:
    port, supervisor = stack.enter_context(service(home, 1, UNLIMITED))
    tellers, people = seed(home), invite(home)
    _calm_down(supervisor)
    sample(port, tellers[-1], next(serials))
    return Site(home, port, rows, people, tellers, supervisor)


def _calm_down(supervisor: int) -> None:
    """Wait, at most `PATIENCE` seconds, until the background process has done what had come due."""
    deadline, busy = time.monotonic() + PATIENCE, True
    while busy and time.monotonic() < deadline:
        before = worked(supervisor)
        time.sleep(CALM)
        busy = worked(supervisor) - before > CALM * IDLE


async def _measure(
    sites: Sequence[Site], serials: Iterator[int], effort: Effort
) -> list[list[Measured]]:
    """Give what was measured, by site."""
    alike = zip(*[await loads(site, serials) for site in sites], strict=True)
    found = [[Measured(one, n) for one in ones] for ones in alike for n in CLIENTS]
    for beside in found:
        for _ in range(effort.rounds):
            for site, one in zip(sites, beside, strict=True):
                await _round(site, one, effort)
        say(
            f"{beside[0].load.name}, {beside[0].clients}: {[round(one.p50, 2) for one in beside]} ms"
        )
    for site in sites:
        cluster_of(site.home).psql(GIVE_BACK, database=DATABASE)
    return [[*some] for some in zip(*found, strict=True)]


async def _round(site: Site, one: Measured, effort: Effort) -> None:
    load = one.load
    load.before()
    one.rounds.append(await closed(
        site.port, load.requests(), clients=one.clients, seconds=effort.seconds,
        expected=load.status,
    ))  # fmt: skip
    if errors := one.rounds[-1].errors:
        raise BenchFailed(f"{load.name} at {site.rows:,}: {errors}")


def _tails(rows: int, home: Path, serials: Iterator[int]) -> list[Tail]:
    """Look at the tail of a service that has the machine to itself: others' disks and processors make one."""
    with contextlib.ExitStack() as stack:
        site = _site(stack, rows, home, serials)
        return [asyncio.run(_tail(site, serials)) for _ in range(TAILS)]


async def _tail(site: Site, serials: Iterator[int]) -> Tail:
    """Submit as fast as it goes, and when the background process has told of it, half as fast."""
    full = await closed(
        site.port, submissions(site, next(serials)), clients=SPREAD_CLIENTS, seconds=4, expected=201
    )
    _calm_down(site.supervisor)
    half = await open_loop(
        site.port, submissions(site, next(serials)), rate=full.rate / 2, seconds=SPREAD_SECONDS
    )
    return Tail(full.rate, half)


@contextlib.contextmanager
def filled_home(rows: int, homes: Path | None) -> Iterator[tuple[Path, Filled | None]]:
    """Give a filled home: one that is kept in `homes`, or a fresh one."""
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(new_home()) if homes is None else homes / str(rows)
        told = home.with_suffix(".filled")
        if (home / "pg").exists():
            yield home, Filled(**json.loads(told.read_text())) if told.exists() else None
            return
        home.mkdir(mode=0o755, parents=True, exist_ok=True)
        with service(home, 1):
            seed(home)
            large = large_outlet(home)
        say(f"filling {rows:,}")
        filled = fill(home, rows, large=large)
        say(f"filled: {filled}")
        if homes is not None:
            told.write_text(json.dumps(filled._asdict()))
        yield home, filled


def verdict(kind: str, ratio: float) -> str:
    """Tell how a ratio stands to the aim."""
    if kind not in AIMED:
        return ""
    return "aim met" if ratio <= AIM else "met" if ratio <= LEAST else "**MISSED**"


def page(sizes: list[Size], effort: Effort) -> str:
    """Write all that was measured as Markdown."""
    base, more = sizes[0], sizes[1:]
    head = ["load", "clients", f"p50 ms at {base.rows:,}"]
    for size in more:
        head += [f"p50 ms at {size.rows:,}", "ratio", "req/s ratio"]
    head.append(f"at {sizes[-1].rows:,}")
    alike = zip(*(size.measured for size in sizes), strict=True)
    lines = [head, ["---"] * len(head), *(_line(*ones) for ones in alike)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    fills = "\n".join(f"- {_filled(size)}" for size in sizes)
    tails = "\n".join(f"- {_tail_line(size)}" for size in sizes)
    return (
        f"{marks.machine()}; medians of {effort.rounds} rounds of {effort.seconds:g} s, in turns.\n\n"
        f"{fills}\n\n{table}\n\n{_summary(sizes)}\n\n{tails}\n"
    )


def _line(base: Measured, *more: Measured) -> list[str]:
    cells = [base.load.name, str(base.clients), f"{base.p50:.2f}"]
    last, length = 1.0, ""
    for other in more:
        last, shape = other.against(base, "p50"), other.load.shape
        length = "" if shape == base.load.shape else f" ({base.load.shape} → {shape} items)"
        cells += [f"{other.p50:.2f}", f"{last:.2f}{length}", f"{other.against(base, 'rate'):.2f}"]
    return [*cells, LONGER if length else verdict(base.load.kind, last)]


def _summary(sizes: list[Size]) -> str:
    base, last = sizes[0], sizes[-1]
    kinds: dict[str, list[float]] = {}
    for one, other in zip(base.measured, last.measured, strict=True):
        if other.load.shape == one.load.shape:
            kinds.setdefault(one.load.kind, []).append(other.against(one, "p50"))
    told = [
        f"- {kind}: median ratio {median(found):.2f}; {sum(r <= AIM for r in found)} of {len(found)} "
        f"within {AIM}, {sum(r <= LEAST for r in found)} within {LEAST}"
        for kind, found in kinds.items()
    ]
    return f"At {last.rows:,} against {base.rows:,}, pages of the same length:\n\n" + "\n".join(
        told
    )


def _filled(size: Size) -> str:
    if size.filled is None:
        return f"{size.rows:,}: filled before"
    made = size.filled
    return (
        f"{size.rows:,}: {made.applications:,} applications and {made.events:,} events, "
        f"{made.size / 2**30:.1f} GiB, filled in {made.seconds:.0f} s"
    )


def _tail_line(size: Size) -> str:
    tails = sorted(size.tails, key=lambda one: one.ratio)
    middle, half = tails[len(tails) // 2], tails[len(tails) // 2].half
    return (
        f"{size.rows:,}: submissions, highest rate {middle.highest:,.0f} a second; at half of it "
        f"{half.rate:,.0f} a second, p50 {half.p50:.1f} ms, p99 {half.p99:.1f} ms, p99/p50 "
        f"{', '.join(f'{one.ratio:.1f}' for one in tails)} "
        f"({'aim met' if middle.ratio <= TAIL_AIM else '**MISSED**'}: at most {TAIL_AIM:g} in the middle one)"
    )


def say(what: str) -> None:
    """Tell the person at the keyboard how far it is."""
    print(f"scale: {what}", file=sys.stderr, flush=True)


def main() -> int:
    """Fill, measure, print, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=list(SIZES), help="the sizes")
    parser.add_argument("--homes", type=Path, help="folder that keeps filled homes")
    parser.add_argument("--rounds", type=int, default=Effort().rounds)
    parser.add_argument("--seconds", type=float, default=Effort().seconds, help="of a round")
    parser.add_argument("--dry", action="store_true", help="print, and write no page")
    wanted = parser.parse_args()
    os.environ.pop("SYT_HOME", None)
    effort = Effort(wanted.rounds, wanted.seconds)
    with contextlib.ExitStack() as stack:
        homes = {n: stack.enter_context(filled_home(n, wanted.homes)) for n in sorted(wanted.rows)}
        result = page(measure(homes, effort), effort)
    print(result)
    if not wanted.dry:
        marks.write("scale", result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
