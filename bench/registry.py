"""`python -m bench.registry`: finding among 300,000 outlets, the nearest ones, and coverage of a province.

Every combination of filters is asked over HTTP of a service of its own, in turns with a call that looks
nothing up (`/health/ready`): the machine's noise is in both, and what a filter costs is what lies between.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import cycle, product
from math import ceil
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

from access import service as access
from access.policy import Role
from access.tokens import Tokens
from bench import marks
from bench.client import Wire, get
from bench.fill import QUICKLY
from bench.processes import BenchFailed, new_home, service
from cli.home import cluster_of
from cli.sample import COUNT
from kit.crypto import load_keys
from kit.db import make_engine, make_sessions, transaction
from kit.embedded import DATABASE, OWNER, SERVICE
from kit.settings import Settings

OUTLETS = 300_000
READERS, HOURS = 60, 3
"""Persons who ask in turn: each may ask a hundred times a second."""

FILL = """
    INSERT INTO outlet SELECT made.* FROM outlet o, generate_series(1, {times}) k,
    jsonb_populate_record(o, jsonb_build_object(
        'number', left(o.number, 6) || lpad((right(o.number, 6)::int + k * 1000)::text, 6, '0'),
        'name', o.name || k, 'lat', o.lat + (random() - 0.5) / 10, 'lng', o.lng + (random() - 0.5) / 10,
        'status', (ARRAY['active', 'active', 'active', 'active', 'suspended', 'exited'])[1 + k % 6]
    )) made;
    ANALYZE outlet;
"""
"""Each outlet of the demonstration as often as is needed, round where it is, in several states."""

FILTERS: dict[str, tuple[str | None, ...]] = {
    "division": (None, "33", "3301", "330106", "330106002"),
    "bank": (None, "SRCB", "SABC"),
    "kind": (None, "convenience_point"),
    "class": (None, "premium"),
    "status": (None, "active", "exited"),
    "matter": (None, "332014901008"),
    "open_now": (None, "true"),
    "q": (None, "支行", "古荡", "zhihang", "nsyh"),
}
AIMS = {"search": 20.0, "nearest": 5.0, "coverage": 300.0}
"""Milliseconds; of searches and the nearest the p99, of coverage the median."""

COVERAGE, LEVELS = "/v1/outlets/coverage", ("city", "county", "township")
CHANCE = random.Random(33)


@dataclass
class Line:
    """One question, and how long its answers took, in milliseconds; beside each the call that finds nothing."""

    name: str
    path: str
    took: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)


def combinations() -> list[Line]:
    """Give every combination of filters."""
    found = []
    for chosen in product(*FILTERS.values()):
        asked = {n: v for n, v in zip(FILTERS, chosen, strict=True) if v is not None}
        name = ", ".join(f"{n}={v}" for n, v in asked.items()) or "no filter"
        found.append(Line(name, f"/v1/outlets?{urlencode(asked)}"))
    return found


def nearest(count: int) -> list[Line]:
    """Ask for the nearest to points all over the province, alone and with filters beside."""
    found = []
    for more in ({}, {"kind": "bank_branch"}, {"matter": "332014901008", "open_now": "true"}):
        for _ in range(count):
            point = f"{CHANCE.uniform(27.5, 31.0):.5f},{CHANCE.uniform(118.5, 122.0):.5f}"
            asked = {"near": point, "limit": "10", "within": "20000", **more}
            name = " and ".join(["nearest", *more])
            found.append(Line(name, f"/v1/outlets?{urlencode(asked)}"))
    return found


def coverage() -> list[Line]:
    """Ask for what covers the province, and for the map."""
    closed = (f"330106{n:06}" for n in range(1, 11))
    return [
        *(Line(f"by {level}", f"{COVERAGE}?level={level}") for level in LEVELS),
        Line("what if ten closed", f"{COVERAGE}?without={','.join(closed)}"),
        Line("the map", f"{COVERAGE}.svg"),
    ]


def quantile(values: Sequence[float], share: float) -> float:
    """Give the value that so large a share does not exceed."""
    return sorted(values)[ceil(len(values) * share) - 1]


def fill(home: Path, outlets: int) -> int:
    """Put outlets into the database of a home that does not run; give how many there are."""
    cluster, times = cluster_of(home), max(round(outlets / COUNT) - 1, 0)
    cluster.start(QUICKLY)
    try:
        cluster.psql(FILL.format(times=times), role=OWNER, database=DATABASE)
        return int(cluster.psql("SELECT count(*) FROM outlet", database=DATABASE))
    finally:
        cluster.stop()


async def invite(home: Path) -> list[str]:
    """Give readers their rights, and tokens."""
    engine = make_engine(cluster_of(home).url(SERVICE), pool_size=1)
    names = [f"reader-{n}" for n in range(READERS)]
    try:
        async with transaction(make_sessions(engine)) as session:
            for name in names:
                await access.ensure_grant(session, name, Role.AUDITOR, "330000", by="person:bench")
    finally:
        await engine.dispose()
    tokens = Tokens(load_keys(Settings(home=home)), local_people=True)
    return [tokens.for_person(name, seconds=HOURS * 3600) for name in names]


async def ask(port: int, lines: Iterable[Line], tokens: Sequence[str], rounds: int) -> None:
    """Ask each question in turn, as often as there are rounds, one after another.

    Raises:
        BenchFailed: an answer is wrong.
    """
    token = cycle(tokens)
    questions = list(lines)
    async with Wire.to(port) as wire:
        for _ in range(rounds):
            for line in questions:
                line.took.append(await _timed(wire, line.path, next(token)))
                line.beside.append(await _timed(wire, "/health/ready", next(token)))


async def _timed(wire: Wire, path: str, token: str) -> float:
    began = time.perf_counter()
    answer = await wire.call(get(path, token))
    took = (time.perf_counter() - began) * 1e3
    if answer.status != 200:
        raise BenchFailed(f"{path}: {answer.status} {answer.body[:300]!r}")
    return took


def measure(outlets: int, rounds: int) -> tuple[int, float, dict[str, list[Line]]]:
    """Fill a demonstration, start it anew, and ask."""
    found = {"search": combinations(), "nearest": nearest(200), "coverage": coverage()}
    with new_home() as home:
        with service(home, 1):
            pass
        held = fill(home, outlets)
        with service(home, 1) as (port, _):
            tokens = asyncio.run(invite(home))
            time.sleep(2.5)
            began = time.perf_counter()
            asyncio.run(ask(port, [Line("first", "/v1/outlets")], tokens, 1))
            first = time.perf_counter() - began
            for name, times in (("search", rounds), ("nearest", rounds), ("coverage", rounds * 2)):
                asyncio.run(ask(port, found[name], tokens, times))
                print(name, _row(name, found[name]), flush=True)
    return held, first, found


def _row(name: str, lines: Sequence[Line]) -> str:
    took = [one for line in lines for one in line.took]
    beside = [one for line in lines for one in line.beside]
    figures = [median(took), quantile(took, 0.99), median(beside), quantile(beside, 0.99)]
    held = median(took) if name == "coverage" else quantile(took, 0.99)
    verdict = "met" if held <= AIMS[name] else "**MISSED**"
    shown = " | ".join(f"{one:.1f}" for one in figures)
    return f"| {name} | {len(lines):,} | {len(took):,} | {shown} | {AIMS[name]:g} | {verdict} |"


def _slowest(lines: Sequence[Line], count: int = 8) -> str:
    worst = sorted(lines, key=lambda one: -median(one.took))[:count]
    return "\n".join(map(_shown, worst))


def _shown(one: Line) -> str:
    figures = (median(one.took), max(one.took), median(one.beside))
    return f"| {one.name} | {' | '.join(f'{n:.1f}' for n in figures)} |"


def report(held: int, first: float, found: dict[str, list[Line]]) -> str:
    """Write what was measured."""
    rows = "\n".join(_row(name, lines) for name, lines in found.items())
    search = found["search"]
    within = sum(quantile(one.took, 0.99) <= AIMS["search"] for one in search)
    parts = "\n".join(map(_shown, found["coverage"]))
    return f"""{marks.machine()}; one API process, {held:,} outlets.

| questions | different | asked | p50 ms | p99 ms | line p50 | line p99 | aim |  |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
{rows}

The line is `/health/ready`, asked after each question over the same connection. The aim is held against the
p99, of coverage against the median. Of {len(search):,} combinations of filters {within:,} stayed below
{AIMS["search"]:g} ms every time. The first question after a start, which puts all outlets into arrays, took
{first:.2f} s. The slowest combinations by their median:

| combination | p50 ms | most ms | line p50 |
| --- | --- | --- | --- |
{_slowest(search)}

| coverage of the province | p50 ms | most ms | line p50 |
| --- | --- | --- | --- |
{parts}
"""


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outlets", type=int, default=OUTLETS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a smoke run, which writes nothing")
    wanted = parser.parse_args()
    outlets, rounds = (2 * COUNT, 1) if wanted.quick else (wanted.outlets, wanted.rounds)
    text = report(*measure(outlets, rounds))
    if wanted.quick:
        sys.stdout.write(text)
    else:
        marks.write("registry", text, marks.REGISTRY)


if __name__ == "__main__":
    main()
