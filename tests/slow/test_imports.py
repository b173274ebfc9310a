"""A worker killed in the middle of an import, by another taken up where it was; the whole real file."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlmodel import select

from access.policy import Role
from api.state import State
from importing.running import LEASE
from kit.db import transaction
from kit.settings import Settings
from outlets.models import Outlet
from tests import test_imports as imports
from tests.make import Make

pytestmark = pytest.mark.slow
_as_before = imports._as_before
ROWS = 3000
PATIENCE = 240.0


def worker(settings: Settings) -> subprocess.Popen[bytes]:
    ours = {"SYT_HOME": str(settings.home), "SYT_DATABASE_URL": settings.database_url or ""}
    outside = {k: v for k, v in os.environ.items() if not k.startswith("SYT_")}
    root = Path(__file__).parent.parent.parent
    return subprocess.Popen([sys.executable, "-m", "worker"], env=outside | ours, cwd=root)


async def seen(
    http: httpx.AsyncClient, who: dict[str, str], id_: str, least: int
) -> dict[str, Any]:
    """Wait until an import has come so far."""
    async with asyncio.timeout(PATIENCE + LEASE.total_seconds()):
        while True:
            body: dict[str, Any] = (
                await http.get(f"/v1/outlets/imports/{id_}", headers=who)
            ).json()
            if body["rows"] >= least or body["state"] in ("done", "failed"):
                return body
            await asyncio.sleep(0.02)


async def worked(
    http: httpx.AsyncClient, who: dict[str, str], settings: Settings, id_: str, least: int
) -> dict[str, Any]:
    """Let a worker bring an import so far, and kill it."""
    one = worker(settings)
    try:
        return await seen(http, who, id_, least)
    finally:
        one.send_signal(signal.SIGKILL)
        one.wait()


async def test_a_killed_worker_s_import_is_taken_up_where_it_was(
    http: httpx.AsyncClient, make: Make, state: State, settings: Settings
) -> None:
    """It is killed among the rows that name no parent, and another among those that do: as if nothing were."""
    who = await make.person(Role.OUTLET_ADMIN)
    rows = [imports.row(n, lng="", lat="", kind="") for n in range(ROWS)]
    for n in range(1, ROWS, 3):  # Its branch stands below it.
        below = rows[min(n + 1, ROWS - 1)]["outlet_name"]
        rows[n] = imports.point(n, lng="", lat="") | {"所属网点": below}
    made = await imports.handed_in(http, who, imports.text(rows))
    first_part = sum(not row.get("所属网点") for row in rows)
    for least in (500, first_part + 100):
        half = await worked(http, who, settings, made.json()["id"], least)
        assert half["state"] == "running", half
    done = await worked(http, who, settings, made.json()["id"], ROWS + 1)
    assert (done["state"], done["rows"], done["ok"], done["created"]) == ("done", ROWS, ROWS, ROWS)
    told = await imports.report(http, who, done["id"])
    assert [line["row_no"] for line in told] == [row["row_no"] for row in rows]
    async with transaction(state.sessions) as session:
        names = [row["outlet_name"] for row in rows]
        found = (await session.exec(select(Outlet).where(sa.column("name").in_(names)))).all()
    by_number = {one.number: one.name for one in found}
    assert Counter(one.name for one in found) == Counter(names)
    assert {one.name: by_number[one.parent] for one in found if one.parent} == {
        row["outlet_name"]: row["所属网点"] for row in rows if row.get("所属网点")
    }


@imports.needs_data
async def test_the_real_file_goes_in_whole(
    http: httpx.AsyncClient, make: Make, state: State
) -> None:
    await imports.load_lists(state)
    who = await make.person(Role.OUTLET_ADMIN, "330000")
    data = (imports.DATA / "outlets_zhejiang.csv").read_bytes()
    runner = imports.runner_of(state)
    done = await imports.run(http, runner, who, data)
    assert (done["rows"], done["ok"], done["fixed"], done["rejected"]) == (3016, 3012, 4, 0)
    assert done["created"] == 3016
    again = await imports.run(http, runner, who, data)
    assert (again["created"], again["changed"], again["rejected"]) == (0, 0, 0)


@imports.needs_data
async def test_what_the_real_file_made_is_exported_and_comes_back_as_it_is(
    http: httpx.AsyncClient, make: Make, state: State
) -> None:
    """Outlets of which only the city is known, too: they stay where they are."""
    who = await make.person(Role.OUTLET_ADMIN, "330000")
    data = (imports.DATA / "outlets_zhejiang.csv").read_bytes()
    runner = imports.runner_of(state)
    assert (await imports.run(http, runner, who, data))["created"] == 3016
    await make.settle()
    for kind in ("csv", "xlsx"):
        out = await http.get("/v1/outlets/export", params={"format": kind}, headers=who)
        again = await imports.run(http, runner, who, out.content)
        assert again["rows"] >= 3016
        assert (again["created"], again["changed"], again["rejected"]) == (0, 0, 0), kind
