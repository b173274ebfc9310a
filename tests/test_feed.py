"""The feed as readers follow it: narrowed, waited for, as a stream; nothing missed and nothing twice."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pytest
import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine

from access.policy import Role
from api import feeding, watching
from api.state import State
from applications import feed
from applications.telling import EVENT_KINDS, STEP_KINDS
from events import queries
from events.service import append
from kit.db import Sessions, make_engine, make_sessions, transaction
from kit.paging import encode_cursor
from kit.settings import Settings
from outlets.models import Teller
from schemas.events import EventKind
from tests import make as m
from tests.make import Make, Place
from tests.test_events import event, tell

Headers = dict[str, str]


async def read(http: httpx.AsyncClient, who: Headers, **params: Any) -> dict[str, Any]:
    answer = await http.get("/v1/events", params=params, headers=who)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def read_on(http: httpx.AsyncClient, who: Headers, **params: Any) -> list[dict[str, Any]]:
    """Read page after page until there is no more."""
    found, more = [], True
    while more:
        page = await read(http, who, **params)
        found += page["items"]
        params["after"], more = page["next"], page["more"]
    return found


@dataclass(frozen=True)
class Some:
    """Two applications at each of two outlets, told."""

    here: Place
    there: Place
    numbers: list[str]


@pytest.fixture
async def some(http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine) -> Some:
    here, there = await make.place(), await make.place(county="330205")
    made = []
    for place in (here, here, there, there):
        answer = await m.submit(http, make.teller(place))
        assert answer.status_code == 201, answer.text
        made.append(answer.json()["number"])
    async with owner.begin() as connection:
        another = sa.text("UPDATE application SET matter = :m WHERE number = :n")
        await connection.execute(another, {"m": m.PENSION, "n": made[1]})
    await tell(state)
    return Some(here, there, made)


class TestNarrowed:
    @pytest.mark.parametrize("window", [3, 2000])
    async def test_each_filter_finds_its_own(
        self,
        http: httpx.AsyncClient,
        make: Make,
        some: Some,
        monkeypatch: pytest.MonkeyPatch,
        window: int,
    ) -> None:
        """Also where fewer are looked at for a page than there are: pages are short, and none is missed."""
        monkeypatch.setattr(feed, "LOOKED_AT", window)
        who = await make.person(Role.AUDITOR, "330000")
        everything = await read_on(http, who)
        assert len(everything) == 8
        numbers = some.numbers
        for narrow, expected in (
            ({"kind": "application.accepted"}, numbers),
            ({"kind": ["application.accepted", "application.voided"]}, numbers),
            ({"kind": "application.voided"}, []),
            ({"application": numbers[1]}, [numbers[1]] * 2),
            ({"application": numbers[1], "kind": "application.received"}, [numbers[1]]),
            ({"matter": m.PENSION}, [numbers[1]] * 2),
            ({"outlet": some.here.outlet, "matter": m.RECORD}, [numbers[0]] * 2),
            ({"outlet": some.there.outlet, "kind": "application.received"}, numbers[2:]),
            ({"bank": "SRCB", "kind": "application.received"}, numbers),
            ({"bank": "SPSB"}, []),
            ({"agency": "330106", "bank": "SRCB", "kind": "application.received"}, numbers),
        ):  # fmt: skip
            found = await read_on(http, who, **narrow)
            assert [e["application"] for e in found] == expected, narrow
            assert await read_on(http, who, limit=1, **narrow) == found, narrow

    async def test_a_bank_sees_what_its_outlets_handed_in_and_no_content(
        self, http: httpx.AsyncClient, make: Make, some: Some
    ) -> None:
        who = await make.person(Role.BANK_ADMIN, "SRCB")
        found = await read_on(http, who)
        assert [e["application"] for e in found] == [n for n in some.numbers for _ in "12"]
        assert len(await read_on(http, who, outlet=some.there.outlet)) == 4
        assert await read_on(http, await make.person(Role.BANK_ADMIN, "SPSB")) == []
        one = await http.get(f"/v1/applications/{some.numbers[0]}", headers=who)
        assert one.status_code == 404

    async def test_who_manages_several_outlets_sees_those_in_order(
        self, http: httpx.AsyncClient, make: Make, state: State, some: Some
    ) -> None:
        """Page by page, and with a post at an agency beside."""
        other = await m.submit(http, make.teller(await make.place(county="330302")))
        for place in (some.here, some.there):
            await m.submit(http, make.teller(place))
        await tell(state)
        everything = await read_on(http, await make.person(Role.AUDITOR, "330000"))
        posts = [(Role.OUTLET_MANAGER, place.outlet) for place in (some.there, some.here)]
        for more in ([], [(Role.REVIEWER, "330205")]):
            subject = m.key()
            held = [await make.person(*post, subject=subject) for post in (*posts, *more)]
            who = held[-1]
            for narrow in ({}, {"kind": "application.received"}):
                wanted = [
                    e["id"] for e in everything
                    if e["application"] != other.json()["number"] and narrow.get("kind", e["kind"]) == e["kind"]
                ]  # fmt: skip
                for limit in (1, 3, 200):
                    found = await read_on(http, who, limit=limit, **narrow)
                    assert [e["id"] for e in found] == wanted, (more, narrow, limit)
                    assert len(wanted) >= 6

    async def test_a_filter_opens_nothing(
        self, http: httpx.AsyncClient, make: Make, some: Some
    ) -> None:
        teller = make.teller(some.here)
        for narrow in (
            {"outlet": some.there.outlet}, {"application": some.numbers[2]}, {"agency": "330205"},
        ):  # fmt: skip
            assert await read_on(http, teller, **narrow) == [], narrow
        assert len(await read_on(http, teller, bank="SRCB")) == 4

    async def test_what_is_misspelt_is_refused(self, http: httpx.AsyncClient, make: Make) -> None:
        who = await make.person(Role.AUDITOR, "330000")
        for wrong in ({"kind": "application.acepted"}, {"kinds": "x"}, {"wait": 31}, {"wait": -1}):
            answer = await http.get("/v1/events", params=wrong, headers=who)
            assert (answer.status_code, answer.json()["code"]) == (422, "request-invalid"), wrong

    async def test_a_mark_is_of_its_filters(
        self, http: httpx.AsyncClient, make: Make, some: Some
    ) -> None:
        who = await make.person(Role.AUDITOR, "330000")
        mark = (await read(http, who, kind="application.received"))["next"]
        answer = await http.get("/v1/events", params={"after": mark}, headers=who)
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor-invalid")

    async def test_marks_of_the_release_before_hold(
        self, http: httpx.AsyncClient, make: Make, some: Some, state: State
    ) -> None:
        """It knew no filters: a reader that was away for a month has one of its marks."""
        purpose = f"events\0{some.here.terminal}\0{{}}"
        async with transaction(state.sessions) as session:
            epoch = (await queries.mark(session)).epoch
        mark = encode_cursor(state.keys, purpose, [epoch, 1])
        found = await read(http, make.teller(some.here), after=mark, wait=5)
        assert [e["kind"] for e in found["items"]] == [
            "application.accepted", "application.received", "application.accepted",
        ]  # fmt: skip

    def test_every_kind_is_known(self) -> None:
        assert {*EVENT_KINDS.values(), *STEP_KINDS.values()} <= set(EventKind)


class TestKept:
    async def test_who_was_away_for_longer_than_is_kept_is_told(
        self, http: httpx.AsyncClient, make: Make, some: Some, owner: AsyncEngine
    ) -> None:
        teller = make.teller(some.here)
        early = (await read(http, teller, limit=1))["next"]
        second = (await read(http, teller, limit=2))["next"]
        async with owner.begin() as connection:
            await connection.execute(sa.text("DELETE FROM event_sequence WHERE seq <= 2"))
        told = await http.get("/v1/events", params={"after": early}, headers=teller)
        assert (told.status_code, told.json()["code"]) == (409, "feed-expired")
        rest = await read(http, teller, after=told.json()["next"])
        assert [e["application"] for e in rest["items"]] == [some.numbers[1]] * 2
        assert await read(http, teller, after=second) == rest  # It has lost nothing.
        assert (await read(http, teller))["items"] == rest["items"]

    async def test_all_of_it_is_gone(
        self, http: httpx.AsyncClient, make: Make, some: Some, owner: AsyncEngine
    ) -> None:
        teller = make.teller(some.here)
        early, now = (await read(http, teller, limit=1))["next"], (await read(http, teller))["next"]
        async with owner.begin() as connection:
            await connection.execute(sa.text("DELETE FROM event_sequence"))
        told = await http.get("/v1/events", params={"after": early}, headers=teller)
        assert told.json()["code"] == "feed-expired"
        assert (await read(http, teller, after=now))["items"] == []

    async def test_the_mark_of_who_sees_nothing_new_grows_too(
        self, http: httpx.AsyncClient, make: Make, some: Some, owner: AsyncEngine, state: State
    ) -> None:
        """A quiet outlet that asks now and then is never told that its mark is too old."""
        quiet = make.teller(await make.place())
        mark = (await read(http, quiet))["next"]
        async with owner.begin() as connection:
            await connection.execute(sa.text("DELETE FROM event_sequence"))
        assert (await read(http, quiet, after=mark))["items"] == []


class Statements:
    """Counts what is asked of the database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine, self.pages, self.all = engine, 0, 0

    def _note(self, *given: Any) -> None:
        self.all += 1
        self.pages += "JOIN event ON" in given[2]

    @contextlib.contextmanager
    def counting(self) -> Iterator["Statements"]:
        self.pages = self.all = 0
        sa_event.listen(self._engine.sync_engine, "before_cursor_execute", self._note)
        yield self
        sa_event.remove(self._engine.sync_engine, "before_cursor_execute", self._note)


@contextlib.contextmanager
def leaving(state: State) -> Iterator[None]:
    """The process is told to leave, for a while."""
    state.watcher.close()
    yield
    state.watcher.closed = False


async def until(condition: Any) -> None:
    for _ in range(400):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to be")


@pytest.fixture(autouse=True)
async def order_known(http: httpx.AsyncClient, state: State) -> None:
    """The order was set back after the test before: seen while somebody waits, it wakes all."""
    await state.watcher.look()


class TestWaited:
    async def test_it_is_answered_when_something_happens_and_holds_nothing_until_then(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        """Ten wait at other outlets: nobody asks for them, and nobody wakes them."""
        place = await make.place()
        teller, others = make.teller(place), [make.teller(await make.place()) for _ in range(10)]
        marks = [(await read(http, who))["next"] for who in (teller, *others)]
        statements = Statements(state.engine)
        with statements.counting():
            calls = [
                asyncio.create_task(read(http, who, after=mark, wait=30))
                for who, mark in zip((teller, *others), marks, strict=True)
            ]
            await until(lambda: len(state.watcher._all) == 11 and statements.pages == 11)
            await asyncio.sleep(0.3)
            assert not any(call.done() for call in calls)
            made = (await m.submit(http, teller)).json()
            await tell(state)
            found = await asyncio.wait_for(calls[0], 10)
            assert {e["application"] for e in found["items"]} == {made["number"]}
            assert statements.pages == 12
            assert state.engine.pool.checkedout() <= 1  # type: ignore[attr-defined]
            with leaving(state):
                for answer in await asyncio.gather(*calls[1:]):
                    assert answer["items"] == []
        again = await read(http, teller, after=found["next"])
        assert again["items"] == []

    async def test_what_is_there_is_not_waited_for(
        self, http: httpx.AsyncClient, make: Make, some: Some
    ) -> None:
        found = await asyncio.wait_for(read(http, make.teller(some.here), wait=30), 10)
        assert len(found["items"]) == 4

    async def test_nothing_comes(self, http: httpx.AsyncClient, make: Make) -> None:
        found = await read(http, make.teller(await make.place()), wait=1)
        assert (found["items"], found["more"]) == ([], False)

    async def test_so_many_for_one_caller_and_no_more(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        teller = make.teller(await make.place())
        calls = [asyncio.create_task(read(http, teller, wait=20)) for _ in range(watching.MOST)]
        await until(lambda: len(state.watcher._all) == watching.MOST)
        one_more = await http.get("/v1/events", params={"wait": 20}, headers=teller)
        assert (one_more.status_code, one_more.json()["code"]) == (429, "too-many-streams")
        assert one_more.headers["Retry-After"]
        other = await read(http, make.teller(await make.place()), wait=1)
        assert other["items"] == []
        with leaving(state):
            await asyncio.gather(*calls)
        assert not state.watcher._held
        assert not state.watcher._waiters

    async def test_whose_rights_end_waits_no_longer(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        place = await make.place()
        call = asyncio.create_task(
            http.get("/v1/events", params={"wait": 25}, headers=make.teller(place))
        )
        await until(lambda: state.watcher._all)
        await make.change(Teller, code=place.teller, status="left")
        answer = await asyncio.wait_for(call, 10)
        assert (answer.status_code, answer.json()["code"]) == (403, "teller-inactive")

    async def test_a_look_that_fails_is_made_again(
        self, http: httpx.AsyncClient, make: Make, state: State, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken, real = asyncio.Event(), queries.mark

        async def fails(session: Any) -> Any:
            if not broken.is_set():
                broken.set()
                raise ConnectionError
            return await real(session)

        teller = make.teller(await make.place())
        call = asyncio.create_task(read(http, teller, wait=20))
        await until(lambda: state.watcher._all)
        monkeypatch.setattr(queries, "mark", fails)
        await asyncio.wait_for(broken.wait(), 10)
        await m.submit(http, teller)
        await tell(state)
        assert len((await asyncio.wait_for(call, 15))["items"]) == 2


@pytest.fixture
async def line(app: FastAPI, http: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client on a real connection: an answer without an end is read as it comes."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve([listening]))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        yield client
    server.should_exit = True
    await serving


class Heard:
    """What comes over a stream, message by message."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()

    async def next(self) -> dict[str, str]:
        said: dict[str, str] = {}
        async for text in self._lines:
            if not text and said:
                return said
            name, _, value = text.partition(":")
            if text:
                said[name] = value.strip()
        return {"end": "end"} | said

    async def next_event(self) -> dict[str, str]:
        while "data" not in (said := await asyncio.wait_for(self.next(), 15)):
            assert "end" not in said
        return said


@contextlib.asynccontextmanager
async def streaming(line: httpx.AsyncClient, who: Headers, **more: str) -> AsyncIterator[Heard]:
    headers = {**who, "Accept": feeding.STREAM, **more}
    async with line.stream("GET", "/v1/events", headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith(feeding.STREAM)
        assert answer.headers["cache-control"] == "no-store"
        yield Heard(answer)


class TestStream:
    async def test_it_tells_what_was_and_what_comes_and_goes_on_by_its_last_id(
        self, line: httpx.AsyncClient, http: httpx.AsyncClient, make: Make, some: Some, state: State
    ) -> None:
        teller = make.teller(some.here)
        async with streaming(line, teller) as heard:
            assert (await heard.next())["retry"] == "2000"
            told = [await heard.next_event() for _ in range(4)]
            await m.submit(http, teller)
            await tell(state)
            told += [await heard.next_event() for _ in range(2)]
        shown = [orjson.loads(one["data"]) for one in told]
        assert shown == (await read_on(http, teller))
        assert [one["event"] for one in told] == [e["kind"] for e in shown]
        async with streaming(line, teller, **{"Last-Event-ID": told[2]["id"]}) as heard:
            again = [await heard.next_event() for _ in range(3)]
        assert again == told[3:]
        await until(lambda: not state.watcher._held)  # Who hangs up is no longer counted.

    async def test_it_ends_with_the_rights_and_says_so(
        self, line: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        place = await make.place()
        async with streaming(line, make.teller(place)) as heard:
            await make.change(Teller, code=place.teller, status="left")
            said = await heard.next_event()
            assert said["event"] == "problem"
            assert orjson.loads(said["data"])["code"] == "teller-inactive"
            assert "end" in await heard.next()

    async def test_it_ends_with_the_token(
        self, line: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        place = await make.place()
        token = state.tokens.for_terminal(place.terminal, place.outlet, place.teller, seconds=2)
        async with streaming(line, {"Authorization": f"Bearer {token}"}) as heard:
            said = await heard.next_event()
            assert orjson.loads(said["data"])["code"] == "token-invalid"

    async def test_it_ends_when_the_process_leaves(
        self, line: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        async with streaming(line, make.teller(await make.place())) as heard:
            await heard.next()
            await until(lambda: state.watcher._all)
            with leaving(state):
                assert "end" in await asyncio.wait_for(heard.next(), 10)

    async def test_it_says_that_it_lives_and_how_far_it_is(
        self, line: httpx.AsyncClient, make: Make, some: Some, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(feeding, "ALIVE", 0.2)
        quiet = make.teller(await make.place())
        async with streaming(line, quiet) as heard:
            await heard.next()
            said = await asyncio.wait_for(heard.next(), 10)
        assert "data" not in said
        again = await line.get("/v1/events", params={"after": said["id"]}, headers=quiet)
        assert again.json()["items"] == []

    async def test_a_wrong_mark_is_refused_before_it_begins(
        self, line: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        headers = make.teller(await make.place()) | {"Accept": feeding.STREAM}
        answer = await line.get("/v1/events", headers=headers | {"Last-Event-ID": "wrong"})
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor-invalid")
        assert not state.watcher._held


WRITERS, APPLICATIONS, EACH = 50, 20, 8
HOLD = sa.text("SELECT 1 FROM lockable WHERE name = :n FOR NO KEY UPDATE")


@pytest.fixture
async def lockable(owner: AsyncEngine) -> None:
    """A row to be held for each application, as its own row is."""
    async with owner.begin() as connection:
        for statement in (
            "CREATE TABLE IF NOT EXISTS lockable (name text PRIMARY KEY)",
            "GRANT SELECT, UPDATE ON lockable TO syt_service",
            f"INSERT INTO lockable SELECT 'w' || n FROM generate_series(0, {APPLICATIONS - 1}) n"
            " ON CONFLICT DO NOTHING",
        ):
            await connection.execute(sa.text(statement))


@pytest.fixture
async def many(settings: Settings) -> AsyncIterator[Sessions]:
    """A connection for each of fifty writers."""
    engine = make_engine(settings.database_url or "", pool_size=WRITERS)
    yield make_sessions(engine)
    await engine.dispose()


class Writers:
    """Fifty who append to twenty histories, each in a transaction that holds the row first."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions, self.versions = sessions, dict.fromkeys(range(APPLICATIONS), 0)
        self.writing = True

    async def write(self, writer: int) -> None:
        for nth in range(EACH):
            which = (writer + nth * 7) % APPLICATIONS
            async with transaction(self._sessions) as session:
                await (await session.connection()).execute(HOLD, {"n": f"w{which}"})
                self.versions[which] += 1
                await append(session, event(f"w{which}", self.versions[which]))

    async def sequence(self, state: State) -> None:
        while self.writing:
            await tell(state, all_of_it=False)
            await asyncio.sleep(0)

    def check(self, found: list[str]) -> None:
        assert len(found) == len(set(found)) == WRITERS * EACH
        for n, last in self.versions.items():
            mine = [row for row in found if row.startswith(f"w{n}:")]
            assert mine == [f"w{n}:{v}" for v in range(1, last + 1)]


async def follow(http: httpx.AsyncClient, who: Headers) -> list[str]:
    """Follow the feed until as many have come as were written."""
    found: list[str] = []
    mark: dict[str, str] = {}
    while len(found) < WRITERS * EACH:
        page = await read(http, who, wait=5, limit=40, **mark)
        found += [f"{e['application']}:{e['version']}" for e in page["items"]]
        mark = {"after": page["next"]}
    return found


async def test_fifty_writers_two_sequencers_and_readers_at_once(
    http: httpx.AsyncClient, make: Make, state: State, many: Sessions, lockable: None
) -> None:
    """Every event once, each history in its order, while all of it happens."""
    writers = Writers(many)
    people = [await make.person(Role.AUDITOR, "330000"), await make.person(Role.REVIEWER)]
    sequencers = [asyncio.create_task(writers.sequence(state)) for _ in range(2)]
    readers = [asyncio.create_task(follow(http, who)) for who in people]
    await asyncio.gather(*(writers.write(n) for n in range(WRITERS)))
    writers.writing = False
    await asyncio.gather(*sequencers)
    await tell(state)
    for found in await asyncio.wait_for(asyncio.gather(*readers), 30):
        writers.check(found)
