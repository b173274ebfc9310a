"""`python -m bench.scale`: every kind of call at ten thousand, a million and ten million applications.

Each load is measured beside a reference, a call that asks the database for nothing (`/health/ready`), in turns
on the same service, with one client and with sixteen. What counts is the ratio of the two, at one size against
the smallest: so the machine's noise falls out of it.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import count, cycle
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench import marks
from bench.client import closed, get, open_loop
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

PATIENCE, CALM, IDLE = 900.0, 8.0, 0.1
"""Seconds; seconds of a look; the share of a processor below which a process has nothing to do."""

UNLIMITED = {"SYT_CALLS_PER_SECOND": "1000000", "SYT_CALLS_AT_ONCE": "1000000"}
"""One caller calls as often as many do."""

SPREAD_CLIENTS, SPREAD_SECONDS = 64, 8.0


class Effort(NamedTuple):
    """How long to measure a load: rounds, seconds of a round, of the reference beside it."""

    rounds: int = 3
    seconds: float = 0.4
    beside: float = 0.2


@dataclass
class Measured:
    """A load at one size with one number of clients."""

    name: str
    kind: str
    shape: str
    """How many items an answer holds."""
    clients: int
    rounds: list[Round] = field(default_factory=list)
    beside: list[Round] = field(default_factory=list)

    @property
    def p50(self) -> float:
        """Milliseconds."""
        return median(one.p50 for one in self.rounds)

    @property
    def rate(self) -> float:
        """Right answers a second."""
        return median(one.rate for one in self.rounds)

    def beside_reference(self, figure: str) -> float:
        """Give a figure in units of the reference's, round by round: neighbours share their noise."""
        pairs = zip(self.rounds, self.beside, strict=True)
        return float(median(getattr(a, figure) / getattr(b, figure) for a, b in pairs))

    @property
    def key(self) -> tuple[str, int]:
        """Tell which load this is at every size."""
        return self.name, self.clients

    @classmethod
    def read(cls, kept: dict[str, Any]) -> "Measured":
        """Read what `asdict` wrote."""
        rounds, beside = ([Round(**r) for r in kept[name]] for name in ("rounds", "beside"))
        return cls(**kept | {"rounds": rounds, "beside": beside})


class Tail(NamedTuple):
    """Submissions at half of the highest rate."""

    highest: float
    half: Round


class Size(NamedTuple):
    """All that was measured at one size."""

    rows: int
    filled: Filled | None
    measured: dict[tuple[str, int], Measured]
    tail: Tail

    def write(self, home: Path) -> None:
        """Keep it beside its home, for the page of a later run."""
        tail = {"highest": self.tail.highest, "half": asdict(self.tail.half)}
        kept = {
            "rows": self.rows, "filled": self.filled and self.filled._asdict(), "tail": tail,
            "measured": [asdict(one) for one in self.measured.values()],
        }  # fmt: skip
        home.with_suffix(".json").write_text(json.dumps(kept))

    @classmethod
    def read(cls, path: Path) -> "Size":
        """Read what was kept."""
        kept = json.loads(path.read_text())
        filled = Filled(**kept["filled"]) if kept["filled"] else None
        measured = [Measured.read(one) for one in kept["measured"]]
        tail = Tail(kept["tail"]["highest"], Round(**kept["tail"]["half"]))
        return cls(kept["rows"], filled, {one.key: one for one in measured}, tail)


def measure_size(home: Path, rows: int, filled: Filled | None, effort: Effort) -> Size:
    """Start the service on a filled home, and measure."""
    with service(home, 1, UNLIMITED) as (port, supervisor):
        tellers, people, serials = seed(home), invite(home), count(SERIALS, SERIALS)
        _calm_down(supervisor)
        sample(port, tellers[-1], next(serials))
        site = Site(home, port, rows, people, tellers)
        return asyncio.run(_measure(site, filled, serials, effort))


def _calm_down(supervisor: int) -> None:
    """Wait, at most `PATIENCE` seconds, until the background process has done what had come due."""
    deadline, busy = time.monotonic() + PATIENCE, True
    while busy and time.monotonic() < deadline:
        before = worked(supervisor)
        time.sleep(CALM)
        busy = worked(supervisor) - before > CALM * IDLE


async def _measure(
    site: Site, filled: Filled | None, serials: Iterator[int], effort: Effort
) -> Size:
    found: dict[tuple[str, int], Measured] = {}
    for load in await loads(site, serials):
        for clients in CLIENTS:
            one = Measured(load.name, load.kind, load.shape, clients)
            found[one.key] = one
            for _ in range(effort.rounds):
                await _round(site, load, one, effort)
            say(f"{site.rows:,} {load.name}, {clients}: {one.p50:.2f} ms")
    tail = await _tail(site, serials)
    cluster_of(site.home).psql(GIVE_BACK, database=DATABASE)
    return Size(site.rows, filled, found, tail)


async def _round(site: Site, load: Load, one: Measured, effort: Effort) -> None:
    load.before()
    ready = cycle([get("/health/ready", site.people.reviewer)])
    one.beside.append(await closed(site.port, ready, clients=one.clients, seconds=effort.beside))
    one.rounds.append(await closed(
        site.port, load.requests(), clients=one.clients, seconds=effort.seconds,
        expected=load.status,
    ))  # fmt: skip
    if errors := one.rounds[-1].errors:
        raise BenchFailed(f"{load.name} at {site.rows:,}: {errors}")


async def _tail(site: Site, serials: Iterator[int]) -> Tail:
    full = await closed(
        site.port, submissions(site, next(serials)), clients=SPREAD_CLIENTS, seconds=4, expected=201
    )
    half = await open_loop(
        site.port, submissions(site, next(serials)), rate=full.rate / 2, seconds=SPREAD_SECONDS
    )
    return Tail(full.rate, half)


@contextlib.contextmanager
def filled_home(rows: int, homes: Path | None) -> Iterator[tuple[Path, Filled | None]]:
    """Give a filled home: one that is kept in `homes`, or a fresh one."""
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(new_home()) if homes is None else homes / str(rows)
        if (home / "pg").exists():
            yield home, None
            return
        home.mkdir(mode=0o755, parents=True, exist_ok=True)
        with service(home, 1):
            seed(home)
            large = large_outlet(home)
        say(f"filling {rows:,}")
        filled = fill(home, rows, large=large)
        say(f"filled: {filled}")
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
    lines = [head, ["---"] * len(head), *(_line(one, more) for one in base.measured.values())]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    fills = "\n".join(f"- {_filled(size)}" for size in sizes)
    tails = "\n".join(f"- {_tail_line(size)}" for size in sizes)
    return (
        f"{marks.machine()}; medians of {effort.rounds} rounds of {effort.seconds:g} s.\n\n"
        f"{fills}\n\n{table}\n\n{_summary(sizes)}\n\n{tails}\n"
    )


def _line(one: Measured, more: list[Size]) -> list[str]:
    cells = [one.name, str(one.clients), f"{one.p50:.2f}"]
    last, length = 1.0, ""
    for size in more:
        other = size.measured[one.key]
        last = _ratio(other, one)
        rate = other.beside_reference("rate") / one.beside_reference("rate")
        length = "" if other.shape == one.shape else f" ({one.shape} → {other.shape} items)"
        cells += [f"{other.p50:.2f}", f"{last:.2f}{length}", f"{rate:.2f}"]
    return [*cells, LONGER if length else verdict(one.kind, last)]


def _ratio(other: Measured, base: Measured) -> float:
    return other.beside_reference("p50") / base.beside_reference("p50")


def _summary(sizes: list[Size]) -> str:
    base, last = sizes[0], sizes[-1]
    kinds: dict[str, list[float]] = {}
    for key, one in base.measured.items():
        if last.measured[key].shape == one.shape:
            kinds.setdefault(one.kind, []).append(_ratio(last.measured[key], one))
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
    half, tail = size.tail.half, size.tail.half.p99 / size.tail.half.p50
    return (
        f"{size.rows:,}: submissions, highest rate {size.tail.highest:,.0f} a second; at half of it "
        f"{half.rate:,.0f} a second, p50 {half.p50:.1f} ms, p99 {half.p99:.1f} ms, p99/p50 {tail:.1f} "
        f"({'aim met' if tail <= TAIL_AIM else '**MISSED**'}: at most {TAIL_AIM:g})"
    )


def say(what: str) -> None:
    """Tell the person at the keyboard how far it is."""
    print(f"scale: {what}", file=sys.stderr, flush=True)


def main() -> int:
    """Fill, measure, print, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=list(SIZES), help="the sizes")
    parser.add_argument(
        "--homes", type=Path, help="folder that keeps filled homes, and what was measured"
    )
    parser.add_argument("--rounds", type=int, default=Effort().rounds)
    parser.add_argument("--seconds", type=float, default=Effort().seconds, help="of a round")
    parser.add_argument("--dry", action="store_true", help="print, and write no page")
    wanted = parser.parse_args()
    os.environ.pop("SYT_HOME", None)
    effort = Effort(wanted.rounds, wanted.seconds, wanted.seconds / 2)
    sizes: list[Size] = []
    for rows in wanted.rows:
        with filled_home(rows, wanted.homes) as (home, filled):
            sizes.append(measure_size(home, rows, filled, effort))
            if wanted.homes:
                sizes[-1].write(home)
    kept = wanted.homes.glob("*.json") if wanted.homes else ()
    known = {size.rows: size for size in [*map(Size.read, kept), *sizes]}
    result = page([known[rows] for rows in sorted(known)], effort)
    print(result)
    if not wanted.dry:
        marks.write("scale", result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
