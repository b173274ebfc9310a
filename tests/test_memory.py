"""What processes hold in memory follows the database."""

import asyncio
import time
from itertools import count

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.state import State, running
from kit import generations
from kit.db import Sessions, transaction
from kit.generations import POLL, Derived, Follower
from kit.once import MOST
from kit.settings import Settings
from outlets.models import Terminal
from outlets.queries import TO_SHOW
from publishing import service as publishing
from tests import test_looking_up
from tests.make import Make
from worker import __main__ as background
from worker.life import Office
from worker.tasks import Task


@pytest.fixture
async def second(settings: Settings) -> FastAPI:
    """Another process of the service: its own memory, the same database."""
    return create_app(settings)


async def test_a_change_reaches_every_process_by_itself(
    app: FastAPI, second: FastAPI, make: Make, http: httpx.AsyncClient
) -> None:
    """Suspended through one process, refused by the other, without anyone telling it."""
    place = await make.place()
    who = make.teller(place)
    async with running(second.state.syt):
        transport = httpx.ASGITransport(app=second)
        async with httpx.AsyncClient(transport=transport, base_url="http://outlet.test") as other:
            assert (await other.get("/v1/matters", headers=who)).status_code == 200
            await make.change(Terminal, id=place.terminal, status="suspended")
            began = time.monotonic()
            while (await other.get("/v1/matters", headers=who)).status_code == 200:
                assert time.monotonic() - began < 10
                await asyncio.sleep(0.05)
            assert (await other.get("/v1/matters", headers=who)).json()[
                "code"
            ] == "terminal-suspended"


async def test_a_published_guide_reaches_every_process(second: FastAPI, state: State) -> None:
    code = "332014901997"
    async with running(second.state.syt):
        async with transaction(state.sessions) as session:
            await publishing.publish_file(
                session, test_looking_up.TestPublishing().wanted(1, code=code), by="person:a"
            )
        began = time.monotonic()
        while code not in second.state.syt.desk.catalogue.matters:
            assert time.monotonic() - began < 10
            await asyncio.sleep(0.05)


def test_period_keeps_the_promise() -> None:
    """Within two seconds: a poll each second, and a second for reading what changed."""
    assert POLL <= 1


async def test_what_commits_late_is_read(state: State, make: Make) -> None:
    """Two changes of a kind at once: the later number waits, so no number is passed over."""
    one, two = await make.place(), await make.place()
    first = asyncio.create_task(make.change(Terminal, id=one.terminal, status="suspended"))
    second = asyncio.create_task(make.change(Terminal, id=two.terminal, status="suspended"))
    await asyncio.gather(first, second)
    await state.follower.look()
    for place in (one, two):
        found = state.desk.registry.terminal(place.terminal)
        assert found is not None
        assert found.status == "suspended"


async def test_a_failed_look_is_not_forgotten(state: State) -> None:
    """A memory that could not be read is read at the next look."""

    class Breaks:
        reads = 0

        async def load(self, session: object, since: int) -> None:
            self.reads += 1
            if self.reads == 1:
                raise OSError("line lost")

    memory = Breaks()
    follower = Follower(state.sessions, {"outlets": memory})
    with pytest.raises(OSError, match="line lost"):
        await follower.look()
    assert not follower.fresh
    await follower.look()
    assert (memory.reads, follower.fresh) == (2, True)
    await follower.look()
    assert memory.reads == 2


async def test_a_worker_holds_of_outlets_what_rules_ask_for(state: State) -> None:
    office = Office(state.sessions)
    await office.follower.look()
    whole, held = state.desk.registry.outlets, office.desk.registry.outlets
    assert {*held} == {*whole} != set()
    for number, outlet in held.items():
        assert outlet == whole[number]._replace(**TO_SHOW)  # type: ignore[arg-type]


@pytest.mark.parametrize("patience", [60.0, 0.0])
async def test_a_workers_task_waits_for_what_it_must_know(
    state: State, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    """It failed once at each start; where nothing can be read it begins, and fails, so that alarms hear."""
    monkeypatch.setattr(background, "PATIENCE", patience)
    office, begun = Office(state.sessions), asyncio.Event()

    async def once(_: Sessions) -> float:
        begun.set()
        return 60.0

    task = asyncio.create_task(background.known(office, Task("tried", once, 60.0), state.sessions))
    await asyncio.sleep(0.05)
    assert begun.is_set() is (patience == 0)
    assert not office.follower.fresh
    await office.follower.look()
    await asyncio.wait_for(begun.wait(), 5)
    task.cancel()


async def test_following_ends_when_told_to_whatever_it_is_at(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancellation that meets the end of a look was lost once, and the process never stopped."""
    monkeypatch.setattr(generations, "POLL", 0)
    follower = Follower(state.sessions, {})

    async def look() -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(follower, "look", look)
    for steps in range(20):
        following = asyncio.create_task(follower.follow())
        for _ in range(steps):
            await asyncio.sleep(0)
        following.cancel()
        await asyncio.wait({following}, timeout=1)
        ended = following.done()
        following.cancel()
        assert ended, steps


class TestDerived:
    """What was worked out from memories lasts until any of them is read, whatever comes of the reading."""

    async def test_kept_until_a_memory_is_read(self, state: State) -> None:
        class Broken:
            async def load(self, session: object, since: int) -> None:
                if since:
                    raise ConnectionResetError

        derived, answers = Derived(), count()
        memory = derived.after(Broken())
        async with transaction(state.sessions) as session:
            seen = [derived.once("key", lambda: next(answers)) for _ in range(2)]
            await memory.load(session, 0)
            seen.append(derived.once("key", lambda: next(answers)))
            with pytest.raises(ConnectionResetError):
                await memory.load(session, 1)
        assert [*seen, derived.once("key", lambda: next(answers))] == [0, 0, 1, 2]

    def test_never_more_than_a_process_has_room_for(self) -> None:
        derived = Derived()
        for key in range(3 * MOST):
            derived.once(key, object)
        assert len(derived._known) <= MOST
