"""`python -m bench.imports`: what large spreadsheets of outlets cost, beside a plain COPY of the same rows.

The files go in by HTTP into a demonstration of their own, one after another; the worker and the process that
reads for it are watched while they work.
"""

import argparse
import asyncio
import csv
import io
import json
import time
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import datetime
from itertools import chain, cycle, pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import asyncpg
import xlsxwriter

from bench import marks
from bench.processes import BenchFailed, new_home, service
from cli.home import cluster_of
from cli.sample import Township, townships
from divisions.borders import borders
from kit.coordinates import Point
from kit.embedded import OWNER
from schemas.codes import mod_11_10

ROOT = Path(__file__).parent.parent
LONGEST, PATIENCE = 900.0, 10.0
LOOKS = 0.5
"""Seconds between two looks at memory: one takes 12 ms of a processor, and the heap waits for it."""
AIM_RATE, AIM_SECONDS, AIM_MIB = 2000, 60, 300
HEADING = (
    "row_no", "bank", "outlet_name", "cnaps_code", "county", "township", "township_code", "address",
    "lng", "lat", "phone", "hours", "matters", "kind", "parent",
)  # fmt: skip
POINT, AWAKE = 3, 900_000
"""Every third row of the second file is a point, and names the row before it; rows of no measured file."""


class Came(NamedTuple):
    """What one file came to."""

    name: str
    rows: int
    size: int
    seconds: float
    idle: float
    """MiB that the worker holds before."""
    peak: float
    """MiB at most, of the worker and the process that reads together (PSS: what they share counts once)."""
    copy: float
    """Seconds that COPY took."""

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds

    def shown(self) -> str:
        """Write it as a line of a table."""
        met = self.rate >= AIM_RATE and self.peak <= AIM_MIB and self.seconds <= AIM_SECONDS
        return (
            f"| {self.name} | {self.rows:,} | {self.size / 2**20:.1f} | {self.seconds:.1f} | {self.rate:,.0f} "
            f"| {self.copy:.2f} | {self.seconds / self.copy:.0f} | {self.idle:.0f} | {self.peak:.0f} "
            f"| {'met' if met else '**MISSED**'} |"
        )


Line: TypeAlias = tuple[str, ...]


def rows(first: int, count: int, *, points: bool = False) -> Iterator[Line]:
    """Make rows of which nothing is wrong, over all townships whose point is known to lie in the county."""
    path = ROOT / "data" / "divisions" / "divisions.csv"
    places = [
        p
        for p in townships(path)
        if borders().holds(p.county, Point(p.lat, p.lng)) and len(p.code) == 9
    ]
    pairs = pairwise(chain([None], cycle(places)))
    for n, (before, place) in zip(range(first, first + count), pairs, strict=False):
        same = before is not None and place is not None and before.county == place.county
        if place is not None:
            yield _row(n, place, points and same and n % POINT == 0, f"第{n - 1}支行")


def _row(n: int, place: Township, is_point: bool, before: str) -> Line:
    body = f"402{3310 + n // 10_000:04}{n % 10_000:04}"
    number, kind = ("", "便民服务点") if is_point else (body + mod_11_10(body), "银行网点")
    return (
        str(n), "测试农商银行(样例)", f"第{n}{'便民服务点' if is_point else '支行'}", number, "",
        place.name, place.code, f"{place.name}测试路{n}号", str(place.lng), str(place.lat),
        "0571-88880000", "周一至周五 8:30-11:30,13:30-17:00", "332014901003;332014901008", kind,
        before if is_point else "",
    )  # fmt: skip


def as_csv(made: Iterator[Line]) -> bytes:
    """Write them as CSV."""
    out = io.StringIO()
    csv.writer(out).writerows([HEADING, *made])
    return out.getvalue().encode()


def as_xlsx(made: Iterator[Line]) -> bytes:
    """Write them as a workbook."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        for n, row in enumerate([HEADING, *made]):
            sheet.write_row(n, 0, row)
    return out.getvalue()


def _call(url: str, token: str, data: bytes | None = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    body = None
    if data is not None:
        mark = uuid.uuid4().hex
        head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        body = head.encode() + data + f"\r\n--{mark}--\r\n".encode()
        headers["Content-Type"] = f"multipart/form-data; boundary={mark}"
    request = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        found: dict[str, Any] = json.loads(answer.read())
    return found


def _children(process: str) -> list[str]:
    try:
        return Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []


def _worker(supervisor: int) -> str:
    """Find the background process; it begins when the service is ready."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for child in _children(str(supervisor)):
            if b"\0-m\0worker\0" in Path(f"/proc/{child}/cmdline").read_bytes():
                return child
        time.sleep(0.1)
    raise BenchFailed("there is no worker")


def _memory(process: str) -> float:
    """Give the memory of a process and its children (PSS), in MiB."""
    found = 0.0
    for one in (process, *_children(process)):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        found += next(
            (int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0
        )
    return found


def bring_in(
    base: str, token: str, worker: str, data: bytes
) -> tuple[dict[str, Any], float, float]:
    """Hand a file in and watch; give what came of it, the memory before, and the most that it took."""
    idle = peak = _memory(worker)
    made = _call(f"{base}/v1/outlets/imports", token, data)
    deadline = time.monotonic() + LONGEST
    while made["state"] in ("queued", "running") and time.monotonic() < deadline:
        time.sleep(LOOKS)
        peak = max(peak, _memory(worker))
        made = _call(f"{base}/v1/outlets/imports/{made['id']}", token)
    if made["state"] != "done" or made["rejected"]:
        raise BenchFailed(f"the import: {made}")
    return made, idle, peak


async def copied(url: str, data: bytes) -> float:
    """Tell how long a plain COPY of the same rows takes."""
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg", "postgresql"))
    try:
        columns = ", ".join(f"{name} text" for name in HEADING)
        await connection.execute(f"CREATE TEMP TABLE beside ({columns})")
        began = time.perf_counter()
        await connection.copy_to_table("beside", source=io.BytesIO(data), format="csv", header=True)
        return time.perf_counter() - began
    finally:
        await connection.close()


def _seconds(done: dict[str, Any]) -> float:
    ends = [datetime.fromisoformat(done[name]) for name in ("created_at", "finished_at")]
    return (ends[1] - ends[0]).total_seconds()


def measure(count: int) -> list[Came]:
    """Bring in files of other rows, each to a service of its own: outlets that are in take memory, too."""
    files = (
        ("CSV", as_csv(rows(0, count))),
        ("CSV, a third points that name their outlet by its name", as_csv(rows(count, count, points=True))),
        ("XLSX", as_xlsx(rows(2 * count, count))),
    )  # fmt: skip
    found = []
    for name, data in files:
        with new_home() as home, service(home, 1) as (port, supervisor):
            found.append(_came(home, port, _worker(supervisor), name, data, files[0][1]))
        print(found[-1].shown(), flush=True)
    return found


def _came(home: Path, port: int, worker: str, name: str, data: bytes, line: bytes) -> Came:
    card = json.loads((home / "demo.json").read_text())
    url, token = f"http://127.0.0.1:{port}", card["tokens"]["outlet_admin_province"]
    bring_in(
        url, token, worker, as_csv(rows(AWAKE, 10))
    )  # What is loaded at the first file is loaded.
    beside = asyncio.run(copied(cluster_of(home).url(OWNER), line))
    done, idle, peak = bring_in(url, token, worker, data)
    return Came(name, done["rows"], len(data), _seconds(done), idle, peak, beside)


def report(found: list[Came]) -> str:
    """Write what was measured."""
    lines = "\n".join(one.shown() for one in found)
    return f"""{marks.machine()}; one API process, one worker, the embedded database, 10,505 outlets before.

| file | rows | MiB | seconds | rows a second | COPY, s | times COPY | idle, MiB | at most, MiB |  |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
{lines}

Aims: {AIM_RATE:,} rows a second, 100,000 rows under {AIM_SECONDS} s and under {AIM_MIB} MiB.
The line is COPY of as many rows into a table without an index, just before each file.
"""


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true", help="a smoke run, which writes nothing")
    wanted = parser.parse_args()
    found = measure(2_000 if wanted.quick else wanted.rows)
    if not wanted.quick:
        marks.write("imports", report(found), marks.REGISTRY)


if __name__ == "__main__":
    main()
