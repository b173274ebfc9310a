"""The statement of a submission, as PostgreSQL means to run it, and who shares one."""

import asyncio
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from api.state import State
from applications import intake
from applications.intake import STATEMENT
from kit.db import Sessions, driver, run, transaction
from tests import make as m
from tests.make import Make

HALF, TIMES, DISTANCE = 4, 8, 30
"""Clients of a half, submissions of each, and turns of the loop until one that was answered comes again."""


async def test_a_plan_made_for_an_empty_table_serves_a_full_one(state: State, as_new: None) -> None:
    """It is kept for a connection's life: an index that is as good only while there are no rows ruins it."""
    async with driver(state.writing) as connection:
        await connection.execute(
            f"PREPARE looked_at(text, bytea[], bytea[], bytea[]) AS {STATEMENT}"
        )
        rows = await connection.fetch("EXPLAIN EXECUTE looked_at('[]', '{}', '{}', '{}')")
        await connection.execute("DEALLOCATE looked_at")
    plan = "\n".join(row[0] for row in rows)
    assert "Index Scan using application_subject_newest_idx" in plan
    assert "Seq Scan" not in plan


async def test_who_comes_again_together_shares_a_statement(
    http: httpx.AsyncClient, make: Make, state: State, sessions: Sessions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Not two halves by turns: while one is answered and comes again, the other would be written alone."""
    teller, send, under_way = make.teller(await make.place()), intake._send, asyncio.Event()

    async def send_slowly(*arguments: Any) -> list[intake.Written]:
        """Begin with two halves: the second comes while the first is under way."""
        if not under_way.is_set():
            under_way.set()
            while state.counter.intake.waiting < HALF:  # noqa: ASYNC110 -- a queue without an event
                await asyncio.sleep(0)
        return await send(*arguments)

    async def client() -> None:
        for _ in range(TIMES):
            assert (await m.submit(http, teller)).status_code == 201
            for _ in range(DISTANCE):
                await asyncio.sleep(0)

    async def late_client() -> None:
        await under_way.wait()
        await client()

    monkeypatch.setattr(intake, "AGAIN", 5.0)
    monkeypatch.setattr(intake, "_send", send_slowly)
    await asyncio.gather(*(c() for c in (client, late_client) for _ in range(HALF)))
    async with transaction(sessions) as session:
        counted = sa.text(
            "SELECT count(*) AS made, count(DISTINCT xmin::text) AS statements FROM application"
        )
        found = (await run(session, counted)).mappings().one()
    assert found["made"] == 2 * HALF * TIMES
    assert found["statements"] <= TIMES + 2
