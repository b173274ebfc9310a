"""Lists that are put together from several ranges of an index: whole, in order, and each application once."""

import itertools
import random
from collections.abc import Sequence
from datetime import timedelta

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import select

from access import service as access
from access.callers import Caller, reaches_of
from access.callers import Held as Post
from access.policy import Role
from api.state import State as Held
from applications import queries
from applications.clocks import light
from applications.models import Application
from kit.clock import today
from kit.db import transaction
from schemas.applications import ApplicationFilter, Light, State
from tests.make import Make, Place, key, submit
from worker import lights

PLACES, EACH, SEED = 3, 8, 2026
SCATTER = sa.text("""
    UPDATE application
    SET state = :state, yellow_on = :yellow, red_on = :red, due_on = :red, overdue_on = :overdue
    WHERE number = :number
""")


@pytest.fixture
async def places(make: Make) -> list[Place]:
    return [await make.place() for _ in range(PLACES)]


@pytest.fixture
async def rows(
    http: httpx.AsyncClient, make: Make, owner: AsyncEngine, places: list[Place]
) -> Sequence[Application]:
    """Applications of three outlets, in all states and lights."""
    chance = random.Random(SEED)
    for _ in range(EACH):
        for place in places:
            assert (await submit(http, make.teller(place))).status_code == 201
    async with owner.begin() as connection:
        numbers = (await connection.scalars(sa.text("SELECT number FROM application"))).all()
        for number in numbers:
            yellow = today() + timedelta(days=chance.randint(-6, 3))
            red, overdue = yellow + timedelta(days=chance.randint(1, 3)), yellow + timedelta(days=5)
            state = chance.choice(list(State))
            values = {"state": state, "yellow": yellow, "red": red, "overdue": overdue}
            await connection.execute(SCATTER, {"number": number, **values})
    async with transaction(make.state.sessions) as session:
        return (await session.exec(select(Application))).all()


async def manager(state: Held, make: Make, places: list[Place]) -> dict[str, str]:
    """One who manages several outlets, and none of those that tests before had."""
    who = f"of-{key()}"
    async with transaction(state.sessions) as session:
        for place in places:
            await access.ensure_grant(
                session, who, Role.OUTLET_MANAGER, place.outlet, by="person:test"
            )
    await make.settle()
    return {"Authorization": f"Bearer {state.tokens.for_person(who, seconds=900)}"}


async def read(http: httpx.AsyncClient, who: dict[str, str], query: str) -> list[str]:
    """Read a list to its end, a few at a time."""
    numbers: list[str] = []
    after: str | None = ""
    while after is not None:
        mark = f"&after={after}" if after else ""
        answer = await http.get(f"/v1/applications?limit=3{query}{mark}", headers=who)
        assert answer.status_code == 200, answer.text
        numbers += [item["number"] for item in answer.json()["items"]]
        after = answer.json()["next"]
    return numbers


@pytest.mark.slow
async def test_every_light_of_every_outlet_newest_first(
    http: httpx.AsyncClient, state: Held, make: Make, places: list[Place],
    rows: Sequence[Application],
) -> None:  # fmt: skip
    newest = sorted(rows, key=lambda r: (r.received_at, r.number), reverse=True)
    held, first = [places[:count] for count in (1, 2, PLACES)], places[0].outlet
    managers = [(mine, await manager(state, make, mine)) for mine in held]
    wrong = []
    for is_told in (False, True):
        if is_told:
            await lights.tell(state.sessions)
        for (mine, who), shade in itertools.product(managers, (None, *Light)):
            outlets = {place.outlet for place in mine}
            query = f"&light={shade}" if shade else ""
            of_all = f"&matter={rows[0].matter}"
            for narrow, wanted in (("", outlets), (f"&outlet={first}", {first}), (of_all, outlets)):
                found = await read(http, who, query + narrow)
                expected = [r.number for r in lit(newest, shade) if r.outlet in wanted]
                if found != expected:
                    wrong.append((is_told, len(mine), shade, narrow, found, expected))
    assert wrong == []


def lit(rows: Sequence[Application], shade: Light | None) -> list[Application]:
    return [row for row in rows if shade in (None, light(row, today()))]


async def test_who_has_outlets_and_more_sees_more_than_his_outlets(
    state: Held, places: list[Place], rows: Sequence[Application]
) -> None:  # fmt: skip
    mores = (Post(Role.REVIEWER, rows[0].agency), Post(Role.AUDITOR, "330000"))
    wrong = []
    for more, shade in itertools.product(mores, (None, *Light)):
        posts = [more, *(Post(Role.OUTLET_MANAGER, place.outlet) for place in places[:2])]
        who = Caller(id="person:both", role=more.role, reaches=reaches_of(posts))
        narrow = ApplicationFilter(light=shade, limit=200)
        async with transaction(state.sessions) as session:
            page = await queries.page(session, who, narrow, None, today())
        found, expected = {row.number for row in page}, {row.number for row in lit(rows, shade)}
        if found != expected:
            wrong.append((more, shade, found, expected))
    assert wrong == []


@pytest.mark.parametrize("is_told", [False, True], ids=["untold", "told"])
async def test_a_light_within_a_state_and_within_days(
    http: httpx.AsyncClient, make: Make, places: list[Place], rows: Sequence[Application],
    is_told: bool,
) -> None:  # fmt: skip
    if is_told:
        await lights.tell(make.state.sessions)
    who = make.teller(places[0])
    for state in State:
        for shade in Light:
            expected = {
                row.number
                for row in rows
                if (row.outlet, row.state, light(row, today())) == (places[0].outlet, state, shade)
            }
            found = await read(http, who, f"&state={state}&light={shade}&received_to={today()}")
            assert set(found) == expected
    past = today() - timedelta(days=1)
    assert await read(http, who, f"&light=green&received_to={past}") == []
