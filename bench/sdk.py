"""`python -m bench.sdk`: what the terminal's SDK costs. Needs a machine at rest; says how much it rested.

The import is measured in processor time of fresh processes, beside `import httpx, pydantic` in each of them.
The flush is of a thousand applications of a thousand people, taken without a line, against a service of
its own.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from bench.processes import new_home, service
from client import Client, Queue, Store, TerminalKey
from schemas.codes import ID_CHECKS, ID_WEIGHTS
from tests.make import RECORD, body

IMPORT, FLUSH = 0.1, 10.0
"""Seconds at most."""

TRY = """
import time
a = time.process_time(); import httpx, pydantic
b = time.process_time(); import client
c = time.process_time(); from client import Client, Queue, Store, TerminalKey
d = time.process_time(); print(b - a, c - b, d - c)
"""


def imports(times: int) -> tuple[float, float, float]:
    """Measure imports in fresh processes: of httpx and pydantic, of the SDK, and of its classes."""
    found = []
    for _ in range(times):
        done = subprocess.run(
            [sys.executable, "-c", TRY], capture_output=True, text=True, check=True
        )
        found.append([float(text) for text in done.stdout.split()])
    base, sdk, classes = (median(column) for column in zip(*found, strict=True))
    return base, sdk, classes


def id_number(nth: int) -> str:
    """Make the ID number of the nth person."""
    head = f"33990019{nth // 28 // 12 % 90 + 10}{nth // 28 % 12 + 1:02}{nth % 28 + 1:02}{nth % 1000:03}"
    total = sum(int(digit) * weight for digit, weight in zip(head, ID_WEIGHTS, strict=True))
    return head + ID_CHECKS[total % 11]


def application(nth: int) -> dict[str, Any]:
    """Make an application of the nth person."""
    made = body(RECORD, accept=False)
    made["applicant"]["id_number"] = id_number(nth)
    return made


def flush(home: Path, port: int, count: int) -> tuple[float, float]:
    """Take so many without a line, then hand them in; give the seconds of each."""
    card = json.loads((home / "demo.json").read_text())
    key = TerminalKey.from_jwk(card["terminal"]["private_jwk"])
    url = f"http://127.0.0.1:{port}"
    with Client(url, card["terminal"]["id"], key, card["teller"]) as client:
        store = Store(home / "terminal.db", os.urandom(32))
        queue = Queue(client, store, numbers=count)
        queue.refresh()
        began = time.perf_counter()
        for nth in range(count):
            queue.take(application(nth))
        taken = time.perf_counter()
        report = queue.flush()
        ended = time.perf_counter()
        store.close()
    if (report.sent, report.stopped) != (count, None):
        raise SystemExit(f"not all were handed in: {report}")
    return taken - began, ended - taken


def main() -> int:
    """Measure and print; 1 where a figure is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.sdk", description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--times", type=int, default=15)
    wanted = parser.parse_args()
    os.environ.pop("SYT_HOME", None)
    print(f"load before: {os.getloadavg()[0]:.2f}")
    base, sdk, classes = imports(wanted.times)
    print(
        f"import httpx, pydantic: {base:.3f} s; client above it: {sdk:.3f} s (at most {IMPORT} s)"
    )
    print(f"its classes, and what of pydantic they load: {classes:.3f} s more")
    with new_home() as home, service(home, 1) as (port, _):
        time.sleep(2.5)
        taking, handing = flush(home, port, wanted.count)
    print(
        f"{wanted.count} taken without a line: {taking:.1f} s; handed in: {handing:.1f} s (at most {FLUSH} s)"
    )
    return 0 if sdk <= IMPORT and handing <= FLUSH else 1


if __name__ == "__main__":
    sys.exit(main())
