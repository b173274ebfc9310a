"""Whatever a worker does by itself, two do it once; and what one was killed over is done by the next.

Acceptance, return, filing, dates, orders, samples, sealing and sweeping have theirs where they are tested.
"""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from access.policy import Role
from api.state import State
from applications import timers
from applications.lifecycle import Timer
from kit.clock import now, today
from kit.db import transaction
from tests import make as m
from tests.make import Make
from worker import housekeeping, lights


async def rows(owner: AsyncEngine, statement: str, **values: Any) -> list[Any]:
    async with owner.begin() as connection:
        found = await connection.execute(sa.text(statement), values)
        return [tuple(row) for row in found] if found.returns_rows else []


async def test_a_right_that_has_run_out_is_closed_once(
    make: Make, state: State, owner: AsyncEngine, clean: None
) -> None:
    people = [f"ran-out-{n}" for n in range(5)]
    for subject in people:
        await make.person(Role.REVIEWER, subject=subject)
    await rows(
        owner, "UPDATE rights_grant SET valid_to = :day WHERE subject LIKE 'ran-out-%'",
        day=today() - timedelta(days=1),
    )  # fmt: skip
    await asyncio.gather(*(housekeeping.keep(state.sessions) for _ in range(3)))
    told = await rows(
        owner,
        "SELECT g.subject, count(*) FROM grant_step s JOIN rights_grant g ON g.id = s.grant_id"
        " WHERE s.action = 'lapse' AND g.subject LIKE 'ran-out-%' GROUP BY 1 ORDER BY 1",
    )
    assert told == [(subject, 1) for subject in people]


async def test_lights_are_told_by_both_and_end_the_same(
    http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
) -> None:
    who = make.teller(await make.place())
    numbers = [(await m.submit(http, who)).json()["number"] for _ in range(6)]
    wanted = "SELECT number, light_told, light_until FROM application ORDER BY number"
    before = await rows(owner, wanted)
    await rows(owner, "UPDATE application SET light_told = 0, light_until = :day", day=today())
    await asyncio.gather(*(lights.tell(state.sessions) for _ in range(3)))
    assert await rows(owner, wanted) == before
    assert len(before) == len(numbers)
    versions = await rows(owner, "SELECT DISTINCT version FROM application")
    assert versions == [(1,)]  # Nobody's `If-Match` goes stale for a light.


class Killed(Exception):
    """Where the process ended."""


@pytest.mark.parametrize("timer", list(Timer))
async def test_what_a_killed_worker_had_in_hand_is_done_once_by_the_next(
    http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine, timer: Timer
) -> None:
    """Ended before its commit it has done nothing: no version, no event, no paper of it is there."""
    teller = make.teller(await make.place())
    made = (await m.submit(http, teller, m.body(accept=False))).json()
    await rows(
        owner, "UPDATE application SET state = :state, due_on = :day",
        state=timers.WAITING[timer], day=today() - timedelta(days=1),
    )  # fmt: skip
    wanted = "SELECT state, version, documents::text, (SELECT count(*) FROM event) FROM application"
    before = await rows(owner, wanted)

    async def worker(*, is_killed: bool = False) -> int:
        async with transaction(state.sessions) as session:
            done = await timers.pass_time(session, state.desk, timer, now())
            if is_killed:
                assert done == 1
                raise Killed
            return done

    with pytest.raises(Killed):
        await worker(is_killed=True)
    assert await rows(owner, wanted) == before

    assert sorted(await asyncio.gather(worker(), worker(), worker())) == [0, 0, 1]
    ((stands, version, _, events),) = await rows(owner, wanted)
    assert (version, events) == (made["version"] + 1, before[0][3] + 1)
    assert stands != timers.WAITING[timer]
