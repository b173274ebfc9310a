"""`python -m bench.reach`: how far behind the feed is under load, and how many messages a worker sends.

The feed is followed as a stream by one that sees all, while as much is handed in as can be; its lag is from the
moment of receipt to the line being read. Then many applications are handed in at once with twenty
subscriptions, one of whose targets takes connections and never answers: what came to the others is counted.
"""

import argparse
import json
import os
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import orjson

from bench.__main__ import SERIALS, SETTLED_EVENTS, say
from bench.load import Plan, Round, run_round
from bench.marks import machine
from bench.processes import BenchFailed, free_port, new_home, running, service, worked
from bench.seed import body, head, sample, seed
from cli.home import cluster_of

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
CONNECTIONS = 64
LAG, RATE = 1.0, 500.0
"""Aims: seconds at p99, and messages a second."""

TARGETS = 20
"""One of them silent."""

BURST = 0.5
"""Seconds for which as much is handed in as can be; all of it is then waited for."""

PATIENCE = 300.0
ALLOWED = {"SYT_WEBHOOK_HTTP": "true", "SYT_WEBHOOK_NETWORKS": '["127.0.0.0/8"]'}


class Follower(threading.Thread):
    """Follows the feed from its end on, and keeps how long after its event each line was read."""

    def __init__(self, port: int, token: str, after: str) -> None:
        super().__init__(daemon=True)
        self.lags: list[float] = []
        self._line = HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "text/event-stream",
            "Last-Event-ID": after,
        }
        self._line.request("GET", "/v1/events?limit=200", headers=headers)
        self._answer = self._line.getresponse()
        if self._answer.status != 200:
            raise BenchFailed(f"the stream was answered {self._answer.status}")

    def leave(self) -> Sequence[float]:
        """Hang up, and give what was read: who goes on reading is a load of the next round."""
        self._line.sock.shutdown(socket.SHUT_RDWR)
        self.join(PATIENCE)
        return self.lags

    def run(self) -> None:
        """Read lines until the stream ends."""
        try:
            while line := self._answer.readline():
                if line.startswith(b"data:"):
                    at = datetime.fromisoformat(orjson.loads(line[5:])["at"])
                    self.lags.append(time.time() - at.timestamp())
        except (OSError, ValueError):
            return


class Lags(NamedTuple):
    """What a round of load and its follower came to."""

    load: Round
    lags: Sequence[float]

    def at(self, part: float) -> float:
        """Give the lag that so many of the events stayed below."""
        return sorted(self.lags)[int((len(self.lags) - 1) * part)]


def asked(port: int, path: str, token: str, wanted: Any = None) -> Any:
    """Call the service."""
    call = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", json.dumps(wanted).encode() if wanted else None,
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )  # fmt: skip
    with urllib.request.urlopen(call, timeout=30) as answer:
        return json.loads(answer.read())


def end_of(port: int, token: str) -> str:
    """Walk to the end of the feed."""
    page = asked(port, "/v1/events?limit=200", token)
    while page["more"]:
        page = asked(port, f"/v1/events?limit=200&after={page['next']}", token)
    return str(page["next"])


def settle(home: Path) -> None:
    """Wait until all events are told: the background process may only just have started."""
    deadline = time.monotonic() + PATIENCE
    while cluster_of(home).psql(SETTLED_EVENTS, database="syt") != "t":
        if time.monotonic() > deadline:
            raise BenchFailed("events are still untold long after the load")
        time.sleep(0.2)


def follow(
    port: int, home: Path, tokens: list[str], auditor: str, seconds: float, first: int
) -> Lags:
    """Load, and follow meanwhile."""
    settle(home)
    follower = Follower(port, auditor, end_of(port, auditor))
    follower.start()
    heads = [head("POST", "/v1/applications", t, "Content-Type: application/json") for t in tokens]
    load = run_round(Plan(port, CONNECTIONS, seconds, 201, heads, body(), first))
    if load.errors:
        raise BenchFailed(f"wrong answers: {load.errors}")
    settle(home)
    before = -1
    while len(follower.lags) != before or not before:  # What is still on its way counts too.
        before = len(follower.lags)
        time.sleep(1.5)
    return Lags(load, follower.leave())


class Sent(NamedTuple):
    """What came to the targets that answer."""

    messages: int
    seconds: float
    lags: Sequence[float]
    processor: float = 0.0
    """Seconds of processor time that the worker took meanwhile, for whatever."""

    @property
    def each(self) -> float:
        """Milliseconds of the worker's processor time for a message."""
        return self.processor * 1000 / self.messages

    @property
    def rate(self) -> float:
        """Messages a second, from the first to the last."""
        return self.messages / self.seconds


def send(
    port: int,
    supervisor: int,
    stack: ExitStack,
    home: Path,
    tokens: list[str],
    admin: str,
    first: int,
) -> Sent:
    """Subscribe, hand in much at once, and wait until all that answer have all of it."""
    ports = [free_port() for _ in range(TARGETS)]
    names = [*map(str, ports[:-1]), "-", str(ports[-1])]
    stack.enter_context(running(["bench.targets", *names], log=home / "targets.log"))
    time.sleep(1)
    for target in ports:
        wanted = {"name": "x", "url": f"http://127.0.0.1:{target}/x", "bank": "SRCB"}
        asked(port, "/v1/subscriptions", admin, wanted)
    heads = [head("POST", "/v1/applications", t, "Content-Type: application/json") for t in tokens]
    before = worked(supervisor)
    load = run_round(Plan(port, CONNECTIONS, BURST, 201, heads, body(), first))
    if load.errors:
        raise BenchFailed(f"wrong answers: {load.errors}")
    return _came(ports[:-1], home)._replace(processor=worked(supervisor) - before)


def _came(ports: Sequence[int], home: Path) -> Sent:
    due = "SELECT count(*) FROM webhook_delivery WHERE state = 'waiting'"
    deadline, before = time.monotonic() + PATIENCE, -1
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"http://127.0.0.1:{ports[0]}/", timeout=10) as answer:
            told = {int(p): row for p, row in json.loads(answer.read()).items()}
        rows = [told.get(p, [0, 0, 0, []]) for p in ports]
        total = sum(row[0] for row in rows)
        each = int(cluster_of(home).psql("SELECT count(*) FROM webhook_delivery", database="syt"))
        if total == before and total and total * TARGETS >= each * (TARGETS - 1):
            lags = sorted(lag for row in rows for lag in row[3])
            return Sent(total, max(r[2] for r in rows) - min(r[1] for r in rows if r[0]), lags)
        before = total
        time.sleep(2)
    left = cluster_of(home).psql(due, database="syt")
    raise BenchFailed(f"not all came in time: {before} came, {left} wait")


def measure(rounds: int, seconds: float) -> tuple[list[Lags], Sent]:
    """Measure both."""
    serials = count(SERIALS, SERIALS)
    with new_home() as home, ExitStack() as stack:
        port, supervisor = stack.enter_context(service(home, 1, ALLOWED))
        tokens, card = seed(home), json.loads((home / "demo.json").read_text())["tokens"]
        time.sleep(2.5)
        sample(port, tokens[-1], next(serials))
        followed = []
        for _ in range(rounds):
            followed.append(follow(port, home, tokens, card["auditor"], seconds, next(serials)))
            last = followed[-1]
            lag = f"lag p50 {last.at(0.5):.2f} s, p99 {last.at(0.99):.2f} s"
            say(f"{last.load.rate:,.0f} submissions/s, {lag}")
        sent = send(port, supervisor, stack, home, tokens, card["bank_admin"], next(serials))
    return followed, sent


def text(followed: Sequence[Lags], sent: Sent, load: str) -> str:
    """Write the result."""
    rate = median(one.load.rate for one in followed)
    p50, p99 = (median(one.at(part) for one in followed) for part in (0.5, 0.99))
    worst = max(max(one.lags) for one in followed)
    events = sum(len(one.lags) for one in followed)
    said = "met" if p99 < LAG else "**MISSED**"
    reached = "met" if sent.rate >= RATE else "**MISSED**"
    return f"""{machine()}; load of the machine before: {load}.

- feed, as a stream to one who sees all, at {rate:,.0f} submissions a second over {CONNECTIONS} connections: \
lag p50 {p50:.2f} s, p99 {p99:.2f} s, at most {worst:.2f} s, {events:,} events in {len(followed)} rounds \
(p99 below {LAG:g}: {said})
- messages of one worker process to {TARGETS} targets, one of which never answers: {sent.messages:,} in \
{sent.seconds:.1f} s, {sent.rate:,.0f} a second (at least {RATE:,.0f}: {reached}), \
{sent.each:.2f} ms of the worker's processor time for each, with all that it does besides; the targets share \
the machine
"""


def write(result: str) -> None:
    """Put the result into its part of the page."""
    begin, end = "<!-- reach:begin -->", "<!-- reach:end -->"
    before, _, rest = PAGE.read_text().partition(begin)
    PAGE.write_text(f"{before}{begin}\n{result}{end}{rest.partition(end)[2]}")


def main() -> int:
    """Measure, print and write; 1 where an aim is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.reach", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run; writes nothing")
    quick: bool = parser.parse_args().quick
    os.environ.pop("SYT_HOME", None)
    load = f"{os.getloadavg()[0]:.1f}"
    try:
        followed, sent = measure(1 if quick else 5, 2.0 if quick else 5.0)
    except BenchFailed as error:
        say(str(error))
        return 1
    print(text(followed, sent, load))
    if not quick:
        write(text(followed, sent, load))
    p99 = median(one.at(0.99) for one in followed)
    return int(p99 >= LAG or sent.rate < RATE)


if __name__ == "__main__":
    sys.exit(main())
