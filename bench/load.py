"""`python -m bench.load`: the load generator, a process of its own. A plan on stdin, figures on stdout.

Closed loop: each connection sends its next request when it has its answer. It knows keep-alive and
Content-Length, and nothing more, so that it takes little of the processors that it shares.
"""

import asyncio
import json
import math
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from itertools import count, cycle
from typing import cast

import httptools
import uvloop

from schemas.codes import ID_CHECKS, ID_WEIGHTS

PERSON = "{id_number}"
"""Stands in a plan's body where each request has another person's number."""

PER_DAY = 999
FIRST_BIRTH = date(1800, 1, 1)
WARM = 0.3
"""Seconds of load before the clock starts."""

LAST_TRIES = 80
"""Tenths of a second that answers may take when the load is over."""


@dataclass(frozen=True)
class Plan:
    """One round of load."""

    port: int
    connections: int
    seconds: float
    expected: int
    """Status of a right answer; every other one is an error."""
    heads: list[str]
    """Heads of a request, each line ended, without the empty line: one a terminal, used in turn."""
    body: str | None = None
    first: int = 0
    """Serial of the first submission: keys and persons differ from serial to serial."""
    batch: int = 0
    """Submissions in one request; 0: each by itself."""


@dataclass(frozen=True)
class Round:
    """What a round came to."""

    rate: float
    """Right answers a second."""
    p50: float
    """Milliseconds."""
    p99: float
    """Milliseconds."""
    errors: dict[str, int]
    """By status, or `lost` for a connection that ended."""


def run_round(plan: Plan) -> Round:
    """Run a round in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"], input=json.dumps(asdict(plan)), text=True,
        stdout=subprocess.PIPE, check=True, timeout=plan.seconds + 60,
    )  # fmt: skip
    return Round(**json.loads(done.stdout))


def summed_up(seconds: float, took: Sequence[float], errors: dict[str, int]) -> Round:
    """Make the figures of a round from the milliseconds of its right answers."""
    if not took:
        errors = errors | {"no right answer": 1}
    ordered = sorted(took) or [math.nan]
    p50, p99 = (ordered[int((len(ordered) - 1) * part)] for part in (0.5, 0.99))
    return Round(len(took) / seconds, p50, p99, errors)


def id_number(serial: int) -> str:
    """Give the resident ID number (GB 11643) of a person born in the 1800s in no place that there is."""
    day, order = divmod(serial, PER_DAY)
    digits = f"339900{FIRST_BIRTH + timedelta(days=day):%Y%m%d}{order + 1:03}"
    total = sum(int(digit) * weight for digit, weight in zip(digits, ID_WEIGHTS, strict=True))
    return digits + ID_CHECKS[total % 11]


def requests(plan: Plan) -> Iterator[bytes]:
    """Give the requests of a plan, without an end."""
    heads = [head.encode() for head in plan.heads]
    if plan.body is None:
        yield from cycle([head + b"\r\n" for head in heads])
        return
    if plan.batch:
        yield from _batches(plan, heads)
        return
    before, after = plan.body.encode().split(PERSON.encode())
    length = len(before) + len(id_number(0)) + len(after)
    for serial, head in zip(count(plan.first), cycle(heads), strict=False):
        named = f"Idempotency-Key: bench-{serial:012}\r\nContent-Length: {length}\r\n\r\n".encode()
        yield b"".join((head, named, before, id_number(serial).encode(), after))


def _batches(plan: Plan, heads: list[bytes]) -> Iterator[bytes]:
    before, after = (plan.body or "").encode().split(PERSON.encode())
    for first, head in zip(count(plan.first, plan.batch), cycle(heads), strict=False):
        items = (
            b'{"key":"bench-%012d","application":%b%b%b}'
            % (serial, before, id_number(serial).encode(), after)
            for serial in range(first, first + plan.batch)
        )
        content = b'{"items":[%b]}' % b",".join(items)
        yield b"%bContent-Length: %d\r\n\r\n%b" % (head, len(content), content)


class Tally:
    """What all connections of a round count together."""

    def __init__(self, plan: Plan) -> None:
        self.requests = requests(plan)
        self.expected = plan.expected
        self.took: list[float] = []
        self.errors: Counter[str] = Counter()
        self.counting = False
        self.over = False
        self.open = plan.connections

    def note(self, status: int, began: float) -> None:
        """Count an answer: errors always, right ones while the clock runs."""
        if status != self.expected:
            self.errors[str(status)] += 1
        elif self.counting:
            self.took.append((time.perf_counter() - began) * 1e3)


class Connection(asyncio.Protocol):
    """One connection with one request under way."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpResponseParser(self)
        self._send()

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(next(self._tally.requests))

    def data_received(self, data: bytes) -> None:
        """Read on in the answer."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Count the answer, and send the next request."""
        self._tally.note(self._parser.get_status_code(), self._began)
        if self._tally.over:
            self._transport.close()
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a connection that the other end closed."""
        self._tally.open -= 1
        if not self._tally.over:
            self._tally.errors["lost"] += 1


async def load(plan: Plan) -> Round:
    """Load a server by a plan."""
    tally, loop = Tally(plan), asyncio.get_running_loop()
    for _ in range(plan.connections):
        await loop.create_connection(lambda: Connection(tally), "127.0.0.1", plan.port)
    await asyncio.sleep(WARM)
    tally.counting, began = True, time.perf_counter()
    await asyncio.sleep(plan.seconds)
    tally.counting, took = False, time.perf_counter() - began
    tally.over = True
    for _ in range(LAST_TRIES):  # What is under way ends on its own.
        await asyncio.sleep(0.1)
        if not tally.open:
            break
    tally.errors["unanswered"] += tally.open
    return summed_up(took, tally.took, dict(+tally.errors))


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(load(Plan(**json.load(sys.stdin)))))))
