"""The command that loads next year's divisions, killed as a real process while it writes."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cli.load import load_divisions
from kit.db import Sessions
from kit.embedded import OWNER, SERVICE
from tests import test_loading_divisions as lists
from tests.conftest import Server

pytestmark = pytest.mark.slow
engine, own, next_year = lists.engine, lists.own, lists.next_year
TRIES = 6000


@pytest.fixture
def surroundings(engine: AsyncEngine, server: Server, tmp_path: Path) -> dict[str, str]:
    """The environment of the command."""
    name = engine.url.database or ""
    outside = {k: v for k, v in os.environ.items() if not k.startswith("SYT_")}
    return outside | {
        "SYT_HOME": str(tmp_path), "SYT_DATABASE_URL": server.url(SERVICE, name),
        "SYT_OWNER_URL": server.url(OWNER, name),
    }  # fmt: skip


async def one_waits(other: AsyncConnection) -> None:
    """Wait until somebody waits for what a connection holds."""
    for _ in range(TRIES):
        if (await other.execute(lists.WAITING)).scalar() is not None:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nobody waits")


async def test_a_killed_command_leaves_nothing_and_may_be_given_again(
    engine: AsyncEngine, own: Sessions, next_year: Path, surroundings: dict[str, str]
) -> None:
    """Somebody holds a row that the list ends: the command waits there, within its writes, and is killed."""
    words = ("load", "divisions", str(next_year), "--apply", "--on", "2027-01-01")
    before = await lists.rows(engine)
    held = sa.text("SELECT 1 FROM division WHERE code = :code FOR UPDATE")
    async with engine.connect() as other:
        await other.execute(held, {"code": lists.GONE})
        loading = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cli.main", *words, cwd=lists.ROOT, env=surroundings,
            stdout=DEVNULL, stderr=DEVNULL,
        )  # fmt: skip
        try:
            await one_waits(other)
            assert loading.returncode is None
        finally:
            with suppress(ProcessLookupError):
                loading.kill()
            await loading.wait()
    assert loading.returncode == -9
    assert await lists.rows(engine) == before
    assert await load_divisions(own, next_year, lists.NEXT_YEAR) == 6
