"""The catalogue at its full size: what it weighs, how long it loads, and look-ups while much is published."""

import asyncio
import gc
import json
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from api.state import State
from cli.load import shipped_guide
from conformity import layers
from divisions.memory import DivisionsMemory
from kit.clock import now, today
from kit.db import make_engine, make_sessions, put, transaction
from kit.embedded import OWNER, SERVICE
from matters import queries
from matters.memory import Catalogue
from matters.models import GuideLayer, GuideVersion, Matter
from publishing.service import publish_file
from schemas.guides import Guide, GuideFile
from tests import make as m
from tests.conftest import TEMPLATE, Server
from tests.make import Make
from worker.life import until_none

pytestmark = pytest.mark.slow

MATTERS, DENSE, HISTORY = 200, 20, 10
"""Matters; those of which each township too has a layer of its own; versions of each matter."""

BUDGET, START = 150.0, 4.0
"""MB a process, and seconds: what the catalogue may take. The clock of a busy machine is given twice that."""

ROOT = Path(__file__).parent.parent.parent
CHILD = """
import asyncio, sys
from tests.slow.test_catalogue_scale import weigh
asyncio.run(weigh(sys.argv[1]))
"""


def _code(n: int) -> str:
    return f"332014{900 + n // 100}{500 + n % 100}"


def _versions(n: int) -> Iterator[dict[str, Any]]:
    """Versions of a year each; the last is in force."""
    guide = shipped_guide(m.PENSION).guide
    for version in range(1, HISTORY + 1):
        start = date(2015 + version, 1, 1)
        yield {
            "base_code": _code(n), "version": version, "state": "published", "effective_from": start,
            "effective_to": None if version == HISTORY else date(2016 + version, 1, 1),
            "content": {
                **guide.model_dump(mode="json"), "base_code": _code(n), "summary": f"第{n}项第{version}版",
            },
            "drafted_by": "person:a", "published_by": "person:b", "generation": 1,
        }  # fmt: skip


def _layers(places: list[tuple[str, int]]) -> Iterator[dict[str, Any]]:
    """Every city and county has a layer of every matter, every township of some."""
    guide = shipped_guide(m.PENSION).guide
    shorter = guide.promised_limit.model_copy(update={"value": 4})
    for n in range(MATTERS):
        for code, level in places:
            if level == 1 or (level == 4 and n >= DENSE):
                continue
            wanted: dict[str, Any] = {
                "handle_address": f"{code}政务服务中心",
                "handle_time": "周一至周五",
            }
            if level == 2:
                wanted["promised_limit"] = shorter
            yield {
                "base_code": _code(n), "division": code, "version": 1, "state": "published",
                "effective_from": date(2026, 1, 1), "effective_to": None,
                "content": layers.pack(guide, wanted), "drafted_by": "person:a",
                "published_by": "person:b", "generation": 1,
            }  # fmt: skip


async def _put(session: AsyncSession, table: Any, rows: Iterator[dict[str, Any]]) -> int:
    stamped = [{**row, "created_at": now(), "is_cut": False, "revision": 1} for row in rows]
    for start in range(0, len(stamped), 500):
        await put(session, table, stamped[start : start + 500])
    return len(stamped)


async def _places(session: AsyncSession) -> tuple[DivisionsMemory, list[tuple[str, int]]]:
    divisions = DivisionsMemory()
    await divisions.load(session, 0)
    return divisions, [
        (p.code, p.level) for p in divisions.after("33", today()) if p.code[:2] == "33"
    ]


@pytest.fixture
async def full(server: Server) -> AsyncIterator[str]:
    """A database with the catalogue at its full size."""
    server.cluster.psql(f"CREATE DATABASE scaled TEMPLATE {TEMPLATE} OWNER {OWNER}")
    url = server.url(SERVICE, "scaled")
    engine = make_engine(url)
    sessions = make_sessions(engine)
    async with transaction(sessions) as session:
        _, places = await _places(session)
        for n in range(MATTERS):
            session.add(
                Matter(
                    base_code=_code(n), name=f"样例事项{n}", pinyin="", initials="", generation=1
                )
            )
        await session.flush()
    for n in range(0, MATTERS, 10):
        async with transaction(sessions) as session:
            for one in range(n, n + 10):
                await _put(session, GuideVersion, _versions(one))
    rows = list(_layers(places))
    for start in range(0, len(rows), 4000):
        async with transaction(sessions) as session:
            await _put(session, GuideLayer, iter(rows[start : start + 4000]))
    await until_none(sessions, queries.pack_some, queries.VERSIONS)  # As housekeeping does.
    await engine.dispose()
    yield url
    server.cluster.psql("DROP DATABASE scaled WITH (FORCE)")


def _rss() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


async def weigh(url: str) -> None:
    """Load the catalogue in a process of its own, resolve it everywhere, and print what that took."""
    gc.disable()  # As a process does while it starts.
    engine = make_engine(url)
    sessions = make_sessions(engine)
    async with transaction(sessions) as session:
        divisions, places = await _places(session)
    catalogue = Catalogue(divisions)
    async with transaction(sessions) as session:
        before, began = _rss(), time.perf_counter()
        await catalogue.load(session, 0)
    loaded, seconds = _rss(), time.perf_counter() - began
    gc.enable()
    day, began, seen = today(), time.perf_counter(), set()
    asked = [(_code(n), code) for n in range(MATTERS) for code, _ in places]
    random.Random(4).shuffle(asked)  # In no order that would favour what is kept.
    for matter, code in asked:
        seen.add(hash(catalogue.resolve(matter, code, day).etag))
    resolving = time.perf_counter() - began
    print(json.dumps({  # noqa: T201
        "seconds": seconds, "loaded_mb": loaded - before, "resolved_mb": _rss() - before,
        "resolved": len(asked), "different": len(seen), "microseconds": resolving / len(asked) * 1e6,
    }))  # fmt: skip
    await engine.dispose()


async def test_two_hundred_matters_everywhere_fit_into_a_process(
    full: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", CHILD, full], cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    with capsys.disabled():
        sys.stdout.write(
            f"\n{found['resolved']} resolved, {found['different']} different, {found['microseconds']:.0f} µs"
            f" each in no order; loaded in {found['seconds']:.1f} s: {found['loaded_mb']:.0f} MB,"
            f" {found['resolved_mb']:.0f} MB after\n"
        )
    assert found["resolved"] == MATTERS * 1467
    assert found["different"] > MATTERS * 101
    assert found["resolved_mb"] < BUDGET
    assert found["seconds"] < 2 * START


async def test_look_ups_do_not_wait_for_publications(
    http: httpx.AsyncClient, make: Make, state: State, capsys: pytest.CaptureFixture[str]
) -> None:
    """One process looks up, publishes a hundred versions one after another, and takes each over."""
    who = make.teller(await make.place())
    await _look_up(http, who, asyncio.create_task(asyncio.sleep(0.5)))
    quiet = await _look_up(http, who, asyncio.create_task(asyncio.sleep(5)))
    busy = await _look_up(http, who, asyncio.create_task(_publish_many(state)))
    with capsys.disabled():
        for name, times in (("quiet", quiet), ("publishing", busy)):
            sys.stdout.write(
                f"\n{name}: {len(times)} look-ups, p50 {_share(times, 50):.1f} ms,"
                f" p99 {_share(times, 99):.1f} ms, longest {max(times):.1f} ms"
            )
        sys.stdout.write("\n")
    assert _share(busy, 99) < max(25.0, 3 * _share(quiet, 99))


def _share(times: list[float], percent: int) -> float:
    return sorted(times)[len(times) * percent // 100]


async def _look_up(
    http: httpx.AsyncClient, who: dict[str, str], until: asyncio.Task[None]
) -> list[float]:
    """Look a guide up a hundred times a second; give how long each took, in milliseconds."""
    times, url = [], f"/v1/matters/{m.RECORD}/guide?division=330106002"
    due = time.perf_counter()
    while not until.done():
        due += 0.01
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        assert (await http.get(url, headers=who)).status_code == 200
        times.append((time.perf_counter() - due) * 1e3)  # Also what it waited before it began.
        due = max(due, time.perf_counter() - 0.01)
    await until
    return times


async def _publish_many(state: State) -> None:
    matter = "332014999999"
    content = shipped_guide(m.PENSION).guide.model_dump(mode="json")
    for version in range(1, 101):
        start = today() - timedelta(days=200 - version)
        guide = Guide.model_validate({**content, "base_code": matter, "summary": f"第{version}版"})
        file = GuideFile(version=version, effective_from=start, guide=guide)
        async with transaction(state.sessions) as session:
            await publish_file(session, file, by="person:file")
        await state.follower.look()
