"""`python -m bench.batches`: a hundred applications in one call beside as many single calls, in one run.

In turns: singles, batches, singles ... Rates are applications a second; at the end the database is asked
whether every one that was answered is there. What a terminal does that comes back from a week offline is one
connection; many connections is the whole service at its limit, where single calls share statements too.
"""

import argparse
import os
import sys
import time
from itertools import count
from statistics import median
from typing import NamedTuple

from bench.__main__ import SERIALS, say
from bench.load import Plan, Round, run_round
from bench.processes import BenchFailed, new_home, service
from bench.seed import body, head, sample, seed
from cli.home import cluster_of

BATCH = 100
LEAST = 4.0
"""How many times as much a terminal's batches are to bring as its single calls."""


class Pair(NamedTuple):
    """Single calls over some connections, and batches over some."""

    singles: int
    batches: int
    aimed: bool


PAIRS = (Pair(1, 1, True), Pair(16, 4, False), Pair(64, 8, False))


def plan(port: int, tokens: list[str], connections: int, seconds: float, batch: int) -> Plan:
    """Plan submissions, each by itself or `batch` in a call."""
    path = "/v1/applications/batch" if batch else "/v1/applications"
    heads = [head("POST", path, token, "Content-Type: application/json") for token in tokens]
    first = next(serials)
    return Plan(port, connections, seconds, 200 if batch else 201, heads, body(), first, batch)


serials = count(SERIALS, SERIALS)


def compare(port: int, tokens: list[str], pair: Pair, rounds: int, seconds: float) -> list[float]:
    """Load in turns; give the ratio of each round."""
    ratios = []
    for _ in range(rounds):
        alone = run_round(plan(port, tokens, pair.singles, seconds, 0))
        many = run_round(plan(port, tokens, pair.batches, seconds, BATCH))
        for one in (alone, many):
            if one.errors:
                raise BenchFailed(f"wrong answers: {one.errors}")
        ratios.append(many.rate * BATCH / alone.rate)
        say(f"{_said(pair, alone, many)}: {ratios[-1]:.1f} times")
    return ratios


def _said(pair: Pair, alone: Round, many: Round) -> str:
    return (
        f"singles over {pair.singles}: {alone.rate:,.0f}/s, p99 {alone.p99:.0f} ms;"
        f" batches over {pair.batches}: {many.rate * BATCH:,.0f}/s, p99 {many.p99:.0f} ms"
    )


def main() -> int:
    """Measure and print; 1 where a terminal's batches bring less than they should."""
    parser = argparse.ArgumentParser(prog="python -m bench.batches", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    wanted = parser.parse_args()
    os.environ.pop("SYT_HOME", None)
    failed = False
    with new_home() as home, service(home, 1) as (port, _):
        tokens = seed(home)
        time.sleep(2.5)  # The process looks for changes once a second.
        sample(port, tokens[-1], next(serials))
        for pair in PAIRS:
            ratio = median(compare(port, tokens, pair, wanted.rounds, wanted.seconds))
            print(f"{pair.singles} to {pair.batches} connections: {ratio:.1f} times as many")
            failed |= pair.aimed and ratio < LEAST
        keys = "SELECT count(*) FROM application WHERE idempotency_key LIKE 'bench-%'"
        print(f"applications there: {cluster_of(home).psql(keys, database='syt')}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
