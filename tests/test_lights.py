"""Lights as rows keep them: told when they turn, untold when somebody changes the days by hand."""

from datetime import date, timedelta

import httpx
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import select

from applications import queries
from applications.clocks import SHADES, UNTOLD, Due, light, told
from applications.models import Application
from kit.clock import today
from kit.db import Sessions, transaction
from schemas.applications import Light, State
from tests import make as m
from tests.make import Make
from worker import lights

DAYS = st.integers(-20, 20)


class Row:
    """What has a light."""

    def __init__(self, state: str, yellow: int, red: int, overdue: int | None) -> None:
        self.state = state
        self.yellow_on, self.red_on = day(yellow), day(red)
        self.overdue_on = None if overdue is None else day(overdue)


def day(number: int) -> date:
    return today() + timedelta(days=number)


@given(st.sampled_from(State), DAYS, DAYS, st.none() | DAYS, DAYS)
def test_a_light_that_was_told_holds_until_its_last_day(
    state: State, yellow: int, red: int, overdue: int | None, on: int
) -> None:
    row = Row(state, yellow, red, overdue)
    kept = told(row, day(on))
    shade = light(row, day(on))
    assert kept.light_told == SHADES.get(shade, 0)
    for later in range(on, 25):
        if day(later) < kept.light_until:
            assert light(row, day(later)) is shade
    assert kept.light_until > day(on)


@pytest.fixture
async def number(http: httpx.AsyncClient, make: Make) -> str:
    made = await m.submit(http, make.teller(await make.place()))
    return str(made.json()["number"])


async def row_of(sessions: Sessions, number: str) -> Application:
    async with transaction(sessions) as session:
        return (await session.exec(select(Application).where(Application.number == number))).one()


async def change(owner: AsyncEngine, number: str, how: str) -> None:
    async with owner.begin() as connection:
        await connection.execute(
            sa.text(f"UPDATE application SET {how} WHERE number = :number"), {"number": number}
        )


async def test_a_submission_is_told(sessions: Sessions, number: str) -> None:
    row = await row_of(sessions, number)
    assert (row.light_told, row.light_until) == told(row, today())
    assert row.light_until > today()


@pytest.mark.parametrize(
    "how", ["yellow_on = yellow_on - 1", "red_on = red_on - 30", "overdue_on = NULL"]
)
async def test_days_changed_by_hand_leave_it_untold_and_a_worker_tells_it(
    sessions: Sessions, owner: AsyncEngine, number: str, how: str
) -> None:
    await change(owner, number, how)
    assert (await row_of(sessions, number)).light_until == UNTOLD
    await lights.tell(sessions)
    row = await row_of(sessions, number)
    assert (row.light_told, row.light_until) == told(row, today())


async def test_a_clock_that_runs_again_is_told(
    sessions: Sessions, owner: AsyncEngine, number: str
) -> None:
    await change(owner, number, "state = 'suspended', light_told = 0, light_until = '9999-12-31'")
    await change(owner, number, "state = 'in_review'")
    assert (await row_of(sessions, number)).light_until == UNTOLD


async def test_a_clock_that_stops_is_told(
    sessions: Sessions, owner: AsyncEngine, number: str
) -> None:
    await change(owner, number, "light_told = 3")
    await change(owner, number, "state = 'completed'")
    assert (await row_of(sessions, number)).light_told == 0


async def test_a_claim_tells_nothing_anew(
    sessions: Sessions, owner: AsyncEngine, number: str
) -> None:
    before = await row_of(sessions, number)
    await change(owner, number, "state = 'in_review', claimed_by = 'person:a'")
    assert (await row_of(sessions, number)).light_until == before.light_until


async def test_lights_that_turn_are_told_in_parts(
    sessions: Sessions, http: httpx.AsyncClient, make: Make, owner: AsyncEngine
) -> None:
    who = make.teller(await make.place())
    numbers = [(await m.submit(http, who)).json()["number"] for _ in range(5)]
    async with owner.begin() as connection:
        await connection.execute(
            sa.text("UPDATE application SET light_until = :day WHERE number = ANY(:numbers)"),
            {"day": today(), "numbers": numbers},
        )
    async with transaction(sessions) as session:
        assert await queries.tell_lights(session, today(), 3) == 3
    async with transaction(sessions) as session:
        assert await queries.tell_lights(session, today(), 1000) >= 2
    for number in numbers:
        row = await row_of(sessions, number)
        assert (row.light_told, row.light_until) == told(row, today())


def test_every_light_but_none_has_a_number() -> None:
    assert set(SHADES) == set(Light) - {Light.NONE}
    assert Due.__annotations__.keys() >= {"yellow_on", "red_on", "overdue_on"}
