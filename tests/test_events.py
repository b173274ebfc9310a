"""The order of events: nothing is passed over that commits late, and each history stays in order."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlmodel.ext.asyncio.session import AsyncSession as Session

from access.policy import Role
from api.state import State
from events import queries
from events.models import Event
from events.service import SEQUENCER_LOCK, append, tell_some
from kit.db import run, transaction
from tests import make as m
from tests.make import Make

LEFT = sa.text("SELECT (SELECT count(*) FROM event) - (SELECT count(*) FROM event_sequence)")


async def tell(state: State, *, all_of_it: bool = True) -> int:
    """Tell events; by default wait for what tests beside this one hold up: transaction ids are the
    server's, not a database's."""
    count = 0
    for _ in range(200):
        async with transaction(state.sessions) as session:
            count += await tell_some(session) or 0
            left = (await (await session.connection()).execute(LEFT)).scalar_one()
        if left == 0 or not all_of_it:
            break
        await asyncio.sleep(0.05)
    return count


async def told(state: State) -> list[str]:
    """What has been told, in order, as `application:version`."""
    async with transaction(state.sessions) as session:
        found = (await session.exec(queries.joined(queries.window(0, 2**62, 1000)))).all()
    assert [seq for seq, _ in found] == list(range(1, len(found) + 1))
    return [f"{event.application}:{event.version}" for _, event in found]


def event(application: str, version: int) -> Event:
    return Event(
        at=datetime.now(UTC), kind="test", application=application, version=version, state="accepted",
        step=1, actor="a", actor_role="r", outlet="330106900001", agency="330106", facts={},
    )  # fmt: skip


@pytest.fixture
async def rows(owner: AsyncEngine, clean: None) -> list[str]:
    """Two rows to be locked; any table's rows would do."""
    async with owner.begin() as connection:
        await connection.execute(
            sa.text("CREATE TABLE IF NOT EXISTS lockable (name text PRIMARY KEY)")
        )
        await connection.execute(
            sa.text("INSERT INTO lockable VALUES ('a'), ('b') ON CONFLICT DO NOTHING")
        )
        await connection.execute(sa.text("GRANT SELECT, UPDATE ON lockable TO syt_service"))
    return ["a", "b"]


async def lock(session: AsyncSession, name: str) -> None:
    connection: AsyncConnection = await session.connection()
    await connection.execute(
        sa.text("SELECT 1 FROM lockable WHERE name = :n FOR NO KEY UPDATE"), {"n": name}
    )


async def test_told_in_the_order_of_happening(
    http: httpx.AsyncClient, make: Make, state: State
) -> None:
    teller = make.teller(await make.place())
    made = [(await m.submit(http, teller)).json() for _ in range(3)]
    reviewer = await make.person(Role.REVIEWER)
    await m.act(http, reviewer, made[0], "take")
    await tell(state)
    assert [row.split(":")[0] for row in await told(state)] == [
        made[0]["number"], made[0]["number"], made[1]["number"], made[1]["number"],
        made[2]["number"], made[2]["number"], made[0]["number"],
    ]  # fmt: skip


async def test_late_commit_is_not_passed_over(state: State, clean: None) -> None:
    """Two open transactions: the later one commits first; the earlier one's event still gets told."""
    late, early = Session(state.engine), Session(state.engine)
    async with late, early:
        await append(late, event("late", 1))
        await append(early, event("early", 1))
        await early.commit()
        await tell(state, all_of_it=False)
        assert await told(state) == []
        await late.commit()
    await tell(state)
    assert await told(state) == ["late:1", "early:1"]
    assert await tell(state) == 0


async def test_rolled_back_leaves_no_gap(state: State, clean: None) -> None:
    gone, kept = Session(state.engine), Session(state.engine)
    async with gone, kept:
        await append(gone, event("gone", 1))
        await append(kept, event("kept", 1))
        await kept.commit()
        await gone.rollback()
    await tell(state)
    assert await told(state) == ["kept:1"]


async def test_two_that_wait_for_each_others_row(state: State, rows: list[str]) -> None:
    """The older transaction waits for a row that the younger one changes: the younger's comes first."""
    older, younger = Session(state.engine), Session(state.engine)
    async with older, younger:
        await lock(older, "a")
        await append(older, event("a", 1))
        await lock(younger, "b")
        await append(younger, event("b", 1))
        waiting = asyncio.create_task(lock(older, "b"))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await younger.commit()
        await waiting
        await append(older, event("b", 2))
        await tell(state, all_of_it=False)
        assert await told(state) == []
        await older.commit()
    await tell(state)
    order = await told(state)
    assert order.index("b:1") < order.index("b:2")
    assert sorted(order) == ["a:1", "b:1", "b:2"]


async def test_chunks_meet(state: State, clean: None) -> None:
    async with transaction(state.sessions) as session:
        for n in range(25):
            await append(session, event("x", n))
    for _ in range(6):
        async with transaction(state.sessions) as session:
            await tell_some(session, limit=7)
    await tell(state)
    assert await told(state) == [f"x:{n}" for n in range(25)]


async def test_many_writers_and_two_sequencers(state: State, clean: None) -> None:
    """Histories stay in order while eight write and two tell."""
    writing = True

    async def write(name: str) -> None:
        for version in range(30):
            async with transaction(state.sessions) as session:
                await append(session, event(name, version))

    async def keep_telling() -> None:
        while writing:
            await tell(state, all_of_it=False)

    tellers = [asyncio.create_task(keep_telling()) for _ in range(2)]
    await asyncio.gather(*(write(f"w{n}") for n in range(4)))
    writing = False
    await asyncio.gather(*tellers)
    await tell(state)
    order = await told(state)
    assert len(order) == len(set(order)) == 120
    for n in range(4):
        mine = [row for row in order if row.startswith(f"w{n}:")]
        assert mine == [f"w{n}:{version}" for version in range(30)]


class TestFeed:
    async def read(
        self, http: httpx.AsyncClient, who: dict[str, str], **params: Any
    ) -> dict[str, Any]:
        answer = await http.get("/v1/events", params=params, headers=who)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def test_goes_on_where_it_ended(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        place = await make.place()
        teller, other = make.teller(place), make.teller(await make.place())
        await m.submit(http, teller)
        await m.submit(http, other)
        await tell(state)
        first = await self.read(http, teller, limit=1)
        second = await self.read(http, teller, after=first["next"])
        assert [e["kind"] for e in first["items"] + second["items"]] == [
            "application.received", "application.accepted",
        ]  # fmt: skip
        assert {e["outlet"] for e in first["items"] + second["items"]} == {place.outlet}
        empty = await self.read(http, teller, after=second["next"])
        assert empty["items"] == []
        assert empty["next"] is not None
        await m.submit(http, teller)
        await tell(state)
        assert len((await self.read(http, teller, after=empty["next"]))["items"]) == 2

    async def test_agency_and_area_see_theirs(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        await m.submit(http, make.teller(await make.place()))
        await tell(state)
        for role, scope, count in (
            (Role.REVIEWER, "330106", 2), (Role.REVIEWER, "330105", 0), (Role.AUDITOR, "330100", 2),
            (Role.AUDITOR, "330200", 0),
        ):  # fmt: skip
            found = await self.read(http, await make.person(role, scope))
            assert len(found["items"]) == count, (role, scope)

    async def test_restore_voids_older_marks(
        self, http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
    ) -> None:
        teller = make.teller(await make.place())
        mark = (await self.read(http, teller))["next"]
        async with owner.begin() as connection:
            await connection.execute(sa.text("UPDATE event_sequencer SET epoch = epoch + 1"))
        answer = await http.get("/v1/events", params={"after": mark}, headers=teller)
        assert (answer.status_code, answer.json()["code"]) == (409, "feed-restarted")

    async def test_history_of_one(self, http: httpx.AsyncClient, make: Make) -> None:
        teller = make.teller(await make.place())
        made = (await m.submit(http, teller)).json()
        await m.act(http, teller, made, "withdraw", reason="不办了")
        url = f"/v1/applications/{made['number']}/events"
        first = (await http.get(url, params={"limit": 2}, headers=teller)).json()
        rest = (await http.get(url, params={"after": first["next"]}, headers=teller)).json()
        assert [e["kind"].split(".")[1] for e in first["items"] + rest["items"]] == [
            "received", "accepted", "withdrawn",
        ]  # fmt: skip
        assert rest["next"] is None
        assert "不办了" not in str(rest)


@pytest.mark.parametrize("statement", [queries.OPEN_WINDOW, queries.TELL], ids=["open", "tell"])
async def test_what_is_planned_on_an_empty_log_reads_by_its_index(
    state: State, as_new: None, statement: sa.TextClause
) -> None:
    """A plan is kept: one that reads a whole month would do so when the month is full."""
    explained = sa.text(f"EXPLAIN {statement.text}")
    async with transaction(state.sessions) as session:
        assert await queries.lead(session, SEQUENCER_LOCK + 1)
        given = {"limit": 10} if ":limit" in statement.text else {}
        plan = "\n".join(line for (line,) in await run(session, explained, **given))
    ranges = [line for line in plan.splitlines() if "Index Cond" in line and "xid" in line]
    assert ranges
    assert all("xid >=" in line and "xid <" in line for line in ranges)
    assert "Seq Scan on event_2" not in plan
