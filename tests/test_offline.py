"""Work without a line: taken, kept sealed, handed in once and in order, and put before the teller."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.routes import terminals
from applications.models import Application
from client import AsyncClient, AsyncQueue, LineDown, Queue, Store
from client import problems as p
from client.errors import (
    AwayTooLong,
    ClockBehind,
    GuideUnknown,
    NotComplete,
    NotWaiting,
    NumbersUsedUp,
    QueueFull,
    StoreBusy,
    Unsettled,
    WrongKey,
)
from client.work import SEEN
from files.models import StoredFile
from kit.clock import day_of
from kit.db import Sessions, transaction
from outlets.models import Outlet, Teller
from tests import make as m
from tests.lines import Line, client_of, plain_client_of
from tests.make import Make, Place
from tests.test_catalogue_publishing import Desk, desk
from tests.test_submitting import rows
from tests.test_uploads import LARGE

assert desk

KEY = bytes(range(32))
BATCH = "/v1/applications/batch"


@pytest.fixture
async def line(app: FastAPI, http: httpx.AsyncClient) -> Line:
    return Line(app)


@pytest.fixture
async def place(make: Make) -> Place:
    return await make.place()


@contextmanager
def opened(client: AsyncClient, path: Path, *, numbers: int = 20) -> Iterator[AsyncQueue]:
    store = Store(path, KEY)
    try:
        yield AsyncQueue(client, store, numbers=numbers)
    finally:
        store.close()


@pytest.fixture
async def client(line: Line, place: Place) -> AsyncIterator[AsyncClient]:
    async with client_of(line, place) as made:
        yield made


@pytest.fixture
async def queue(client: AsyncClient, tmp_path: Path) -> AsyncIterator[AsyncQueue]:
    """A terminal that has been in contact once."""
    with opened(client, tmp_path / "terminal.db") as queue:
        await queue.refresh()
        yield queue


def someone(n: int, **changed: Any) -> dict[str, Any]:
    """An application of the n-th of three people."""
    body = m.body(m.RECORD, accept=False, **changed)
    body["applicant"]["id_number"] = m.IDS[n % len(m.IDS)]
    return body


def states(queue: AsyncQueue) -> dict[int, str]:
    return {one.id: one.state for one in queue.applications()}


class TestTaking:
    async def test_the_receipt_holds_what_the_service_then_says(
        self, queue: AsyncQueue, line: Line, sessions: Sessions
    ) -> None:
        line.fate = lambda _: "before"
        receipt = queue.take(someone(0))
        line.fate = lambda _: ""
        report = await queue.flush()
        assert (report.sent, report.left, report.stopped) == (1, 0, None)
        (row,) = await rows(sessions, Application)
        assert (row.number, row.captured_at) == (receipt.number, receipt.captured_at)
        asked = {"number": receipt.number, "code": receipt.query_code}
        told = await queue.client.line.post("/v1/progress", json=asked)
        assert told.status_code == 200
        (done,) = queue.applications()
        assert (done.state, done.outcome) == ("sent", "received")

    async def test_all_that_is_wrong_is_told_before_it_is_kept(self, queue: AsyncQueue) -> None:
        body = someone(0, consent=False, materials=[])
        body["applicant"]["id_number"] = "339900189901010019"
        with pytest.raises(NotComplete) as caught:
            queue.take(body)
        assert {(e.at, e.rule) for e in caught.value.errors} == {
            ("/consent", "consent"), ("/applicant/id_number", "id-check"),
            ("/materials/id_card", "required"),
        }  # fmt: skip
        with pytest.raises(NotComplete) as shape:
            queue.take({**someone(0), "consent": "yes", "typo": 1})
        assert {e.at for e in shape.value.errors} == {"/consent", "/typo"}
        with pytest.raises(GuideUnknown):
            queue.take(someone(0) | {"matter": "332014901099"})
        assert queue.applications() == []

    async def test_nothing_personal_stands_on_the_disk_in_clear(
        self, queue: AsyncQueue, tmp_path: Path
    ) -> None:
        body = m.body(m.PENSION, materials=CARD)
        body["applicant"] |= {"name": NAME, "phone": PHONE}
        body["form"]["account_number"] = ACCOUNT
        receipt = queue.take(body, {"claim_form": LARGE})
        everything = on_disk(tmp_path)
        for secret in (
            NAME,
            m.IDS[0],
            PHONE,
            ACCOUNT,
            receipt.query_code,
        ):
            assert secret.encode() not in everything
        assert LARGE[100:140] not in everything
        assert receipt.number.encode() in everything

    async def test_another_key_opens_nothing(self, queue: AsyncQueue, tmp_path: Path) -> None:
        path = tmp_path / "terminal.db"
        with pytest.raises(StoreBusy):
            Store(path, KEY)
        queue.store.close()
        with pytest.raises(WrongKey):
            Store(path, bytes(32))
        with pytest.raises(ValueError, match="32"):
            Store(path, b"short")

    async def test_a_content_moved_to_another_place_is_not_opened(self, queue: AsyncQueue) -> None:
        one, two = queue.take(someone(0)), queue.take(someone(1))
        queue.store.update(two.id, sealed=queue.store.get(one.id).sealed)
        with pytest.raises(WrongKey):
            queue.filled(two.id)


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("terminal.db*"))


NAME, PHONE, ACCOUNT = "诸葛测试密封", "13977553311", "6217333322221111005"
CARD = [{"code": "id_card", "exemption": "card_read"}]


class TestLimits:
    async def test_never_in_contact(self, client: AsyncClient, tmp_path: Path) -> None:
        with opened(client, tmp_path / "t.db") as fresh, pytest.raises(AwayTooLong):
            fresh.take(someone(0))

    async def test_too_long_without_contact(
        self, queue: AsyncQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at = queue.now()
        monkeypatch.setattr(queue, "now", lambda: at + timedelta(days=7, minutes=-1))
        queue.take(someone(0))
        later = at + timedelta(days=7, minutes=1)
        monkeypatch.setattr(queue, "now", lambda: later)
        with pytest.raises(AwayTooLong):
            queue.take(someone(1))
        monkeypatch.undo()
        queue.store.note(SEEN, queue.now().isoformat())
        queue.take(someone(1))

    async def test_a_clock_set_back_gains_no_time(
        self, queue: AsyncQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at = queue.now()
        monkeypatch.setattr(queue, "now", lambda: at + timedelta(days=5))
        queue.take(someone(0))
        monkeypatch.undo()
        with pytest.raises(ClockBehind):
            queue.take(someone(1))
        await queue.refresh()
        queue.take(someone(1))

    async def test_as_many_as_the_service_lets_wait(
        self, client: AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(terminals.LIMITS, "queue_length", 2)
        with opened(client, tmp_path / "t.db") as queue:
            await queue.refresh()
            for n in range(2):
                queue.take(someone(n))
            with pytest.raises(QueueFull):
                queue.take(someone(2))
            await queue.flush()
            queue.take(someone(2))

    async def test_numbers_run_out_and_come_again(
        self, client: AsyncClient, tmp_path: Path
    ) -> None:
        with opened(client, tmp_path / "t.db", numbers=2) as queue:
            await queue.refresh()
            taken = [queue.take(someone(n)).number for n in range(2)]
            with pytest.raises(NumbersUsedUp):
                queue.take(someone(2))
            await queue.flush()
            taken.append(queue.take(someone(2)).number)
            assert len(set(taken)) == 3


class TestRefused:
    async def test_it_holds_up_its_applicant_and_nobody_else(
        self, queue: AsyncQueue, make: Make, place: Place, sessions: Sessions
    ) -> None:
        first, other, second = (queue.take(someone(n)) for n in (0, 1, 0))
        spoil(queue, first.id, insured_place="999999")
        report = await queue.flush()
        assert (report.sent, report.refused, report.left) == (1, 1, 1)
        assert states(queue) == {first.id: "refused", other.id: "sent", second.id: "waiting"}
        (refused,) = queue.applications("refused")
        assert refused.code == "content-invalid"
        assert [e.at for e in refused.errors] == ["/form/insured_place"]
        filled = queue.filled(first.id)
        filled["form"]["insured_place"] = "330106"
        mended = queue.mend(first.id, filled)
        assert mended.number == first.number
        assert (await queue.flush()).sent == 2
        made = sorted(await rows(sessions, Application), key=lambda row: row.received_at)
        assert [row.number for row in made] == [other.number, first.number, second.number]

    async def test_what_is_dropped_is_erased(self, queue: AsyncQueue) -> None:
        one, two = queue.take(someone(0)), queue.take(someone(0))
        spoil(queue, one.id, insured_place="999999")
        await queue.flush()
        queue.drop(one.id)
        with pytest.raises(NotWaiting):
            queue.filled(one.id)
        with pytest.raises(NotWaiting):
            queue.drop(one.id)
        assert (await queue.flush()).sent == 1
        assert states(queue) == {one.id: "dropped", two.id: "sent"}

    async def test_an_unsettled_one_is_left_alone(
        self, queue: AsyncQueue, line: Line, sessions: Sessions
    ) -> None:
        one = queue.take(someone(0))
        line.fate = lambda request: "after" if request.url.path == BATCH else ""
        report = await queue.flush()
        assert isinstance(report.stopped, LineDown)
        for change in (queue.drop, queue.confirm, lambda id_: queue.mend(id_, someone(1))):
            with pytest.raises(Unsettled):
                change(one.id)
        line.fate = lambda _: ""
        assert (await queue.flush()).sent == 1
        assert len(await rows(sessions, Application)) == 1

    async def test_a_number_that_was_used_is_its_own(
        self, queue: AsyncQueue, sessions: Sessions
    ) -> None:
        """Mended under another key while the first try was on its way after all."""
        one = queue.take(someone(0))
        body = queue.filled(one.id)
        await queue.client.submit(body, key=m.key())
        report = await queue.flush()
        assert (report.sent, states(queue)) == (1, {one.id: "sent"})
        assert len(await rows(sessions, Application)) == 1

    async def test_another_number_where_the_first_is_refused(self, queue: AsyncQueue) -> None:
        one = queue.take(someone(0))
        mended = queue.mend(one.id, queue.filled(one.id), renumber=True)
        assert mended.number != one.number
        assert queue.filled(one.id)["number"] == mended.number

    async def test_a_closed_outlet_stops_all_and_refuses_none(
        self, queue: AsyncQueue, make: Make, place: Place
    ) -> None:
        taken = [queue.take(someone(n)) for n in range(3)]
        await make.change(Outlet, number=place.outlet, status="suspended")
        report = await queue.flush()
        assert isinstance(report.stopped, p.OutletClosed)
        assert set(states(queue).values()) == {"waiting"}
        await make.change(Outlet, number=place.outlet, status="active")
        assert (await queue.flush()).sent == len(taken)

    async def test_a_teller_who_left(
        self, queue: AsyncQueue, make: Make, place: Place, sessions: Sessions, line: Line
    ) -> None:
        """What he sent without an answer is settled by who follows; what he did not, another looks at."""
        sent, kept = queue.take(someone(0)), queue.take(someone(0))
        line.fate = lambda request: "after" if request.url.path == BATCH else ""
        await queue.flush()
        line.fate = lambda _: ""
        other = f"{place.outlet}-02"
        await make.change_to(Teller, {
            "code": other, "outlet": place.outlet, "status": "active", "version": 1,
            "qualified_until": "2099-01-01",
        } | {"qualified_until": day_of(queue.now()) + timedelta(days=9)})  # fmt: skip
        await make.change(Teller, code=place.teller, status="suspended")
        queue.client.teller = other
        report = await queue.flush()
        assert states(queue) == {sent.id: "sent", kept.id: "refused"}, report
        assert queue.applications("refused")[0].code == "teller-inactive"
        queue.confirm(kept.id)
        assert (await queue.flush()).sent == 1
        found = {row.number: row.teller for row in await rows(sessions, Application)}
        assert found == {sent.number: place.teller, kept.number: other}


def spoil(queue: AsyncQueue, id_: int, **form: Any) -> None:
    """Put something into the store that only the service can find wrong."""
    row = queue.store.get(id_)
    body = queue.store.body(row)
    body["form"] |= form
    queue.store.update(id_, sealed=queue.store.sealed(id_, body))


class TestScans:
    async def test_they_go_first_and_again_from_where_they_stood(
        self, queue: AsyncQueue, line: Line, sessions: Sessions
    ) -> None:
        queue.take(m.body(m.PENSION, materials=CARD), {"claim_form": LARGE})
        parts = iter(range(100))

        def cut(request: httpx.Request) -> str:
            return "after" if request.method == "PATCH" and next(parts) >= 1 else ""

        line.fate = cut
        assert isinstance((await queue.flush()).stopped, LineDown)
        seen: list[int] = []
        line.fate = lambda _: ""

        def watch(what: str, done: int, _: int) -> None:
            if what == "scans":
                seen.append(done)

        assert (await queue.flush(watch)).sent == 1
        assert seen[0] > 0
        (row,) = await rows(sessions, Application)
        assert [item["code"] for item in row.materials] == ["id_card", "claim_form"]
        assert queue.store.database.execute("SELECT count(*) FROM piece").fetchone() == (0,)

    async def test_one_that_is_none_holds_up_nobody_else(self, queue: AsyncQueue) -> None:
        bad, good = (m.body(m.PENSION, materials=CARD) for _ in range(2))
        good["applicant"]["id_number"] = m.IDS[1]
        one, two = (
            queue.take(bad, {"claim_form": b"MZ" * 400}),
            queue.take(good, {"claim_form": LARGE}),
        )
        report = await queue.flush()
        assert (report.sent, report.refused, report.stopped) == (1, 1, None)
        assert states(queue) == {one.id: "refused", two.id: "sent"}
        queue.mend(one.id, queue.filled(one.id), {"claim_form": LARGE})
        assert (await queue.flush()).sent == 1

    async def test_a_scan_that_waited_there_too_long_is_sent_again(
        self, queue: AsyncQueue, sessions: Sessions
    ) -> None:
        one = queue.take(m.body(m.PENSION, materials=CARD), {"claim_form": LARGE})
        (scan,) = queue.store.scans(one.id)
        made = await queue.client.upload(LARGE)
        queue.store.update_scan(scan.id, file=made.file)
        async with transaction(sessions) as session:
            for found in await rows(sessions, StoredFile):
                await session.delete(await session.get_one(StoredFile, found.id))
        report = await queue.flush()
        assert (report.sent, report.stopped) == (1, None)


def stricter(guide: dict[str, Any]) -> dict[str, Any]:
    """A guide that asks for a paper and a field more, and promises less time."""
    for material in guide["materials"]:
        if material["code"] == "household_book":
            material["necessity"] = "required"
    form = guide["form_schema"]
    form["required"].append("delivery_way")
    form["examples"] = [{**example, "delivery_way": "counter"} for example in form["examples"]]
    guide["promised_limit"]["value"] = guide["steps"][0]["limit"] = 3
    guide["flow"][2]["limit"] = 1
    return {n: guide[n] for n in ("materials", "form_schema", "promised_limit", "steps", "flow")}


class TestChangedGuides:
    async def test_what_is_asked_newly_is_shown_before_it_is_sent(
        self, queue: AsyncQueue, desk: Desk, sessions: Sessions
    ) -> None:
        await queue.refresh()
        body = m.body(m.PENSION, materials=CARD) | {"matter": desk.matter}
        one = queue.take(body, {"claim_form": LARGE})
        drafted = await desk.draft(name=f"样例事项{desk.matter}", **stricter(desk.guide()))
        published = await desk.publish(drafted)
        assert published.json().get("state") == "published", published.text
        report = await queue.flush()
        assert (report.sent, report.review) == (0, 1)
        (shown,) = queue.applications("review")
        assert {(c.kind, c.at) for c in shown.changes} == {
            ("material-required", "/materials/household_book"),
            ("field-required", "/form/delivery_way"),
            ("limit-shorter", "/promised_limit"), ("changed", "/steps"),
        }  # fmt: skip
        assert {e.at for e in shown.errors} == {"/form/delivery_way", "/materials/household_book"}
        with pytest.raises(NotComplete):
            queue.confirm(one.id)
        filled = queue.filled(one.id)
        filled["form"]["delivery_way"] = "counter"
        filled["materials"].append({"code": "household_book", "exemption": "data_sharing"})
        queue.mend(one.id, filled)
        assert (await queue.flush()).sent == 1
        (row,) = await rows(sessions, Application)
        assert (row.number, row.guide_version) == (one.number, 2)

    async def test_what_concerns_nobody_goes_on_by_itself(
        self, queue: AsyncQueue, desk: Desk, sessions: Sessions
    ) -> None:
        await queue.refresh()
        queue.take(
            m.body(m.PENSION, materials=CARD) | {"matter": desk.matter}, {"claim_form": LARGE}
        )
        await desk.publish(
            await desk.draft(name=f"样例事项{desk.matter}", consult_ways=["拨打12333"])
        )
        report = await queue.flush()
        assert report.sent == 1, queue.applications("review")
        (row,) = await rows(sessions, Application)
        assert row.guide_version == 2

    async def test_a_version_refused_by_the_service_is_looked_at(
        self, queue: AsyncQueue, desk: Desk
    ) -> None:
        """Published between contact and handing in: the copy does not know it yet."""
        await queue.refresh()
        one = queue.take(
            m.body(m.PENSION, materials=CARD) | {"matter": desk.matter}, {"claim_form": LARGE}
        )
        row = queue.store.get(one.id)
        body = {**queue.store.body(row), "guide_version": 9}
        queue.store.update(one.id, sealed=queue.store.sealed(one.id, body))
        report = await queue.flush()
        assert (report.review, queue.applications("review")[0].code) == (1, "guide-superseded")
        queue.confirm(one.id)
        assert (await queue.flush()).sent == 1

    async def test_a_matter_that_is_no_more(self, queue: AsyncQueue, desk: Desk) -> None:
        await queue.refresh()
        one = queue.take(
            m.body(m.PENSION, materials=CARD) | {"matter": desk.matter}, {"claim_form": LARGE}
        )
        queue.store.put_turns(desk.matter, [])
        queue.review()
        assert [c.kind for c in queue.applications("review")[0].changes] == ["withdrawn"]
        with pytest.raises(GuideUnknown):
            queue.confirm(one.id)
        queue.drop(one.id)


class TestCopy:
    async def test_it_holds_what_the_service_holds(self, queue: AsyncQueue) -> None:
        held = {found.guide.matter: found.guide for found in queue.search()}
        assert m.PENSION in held
        fresh = await queue.client.guide(m.PENSION)
        assert held[m.PENSION] == fresh
        alike = {code for code, guide in held.items() if guide.name == fresh.name}  # Other tests'.
        assert {g.guide.matter for g in queue.search("居民养老待遇申领")} == alike

    async def test_only_what_changed_comes_again(
        self, queue: AsyncQueue, desk: Desk, line: Line
    ) -> None:
        await queue.refresh()
        await desk.publish(await desk.draft(summary="新的简述"))
        page = await queue.client.changes(queue.store.fact("mark"))
        assert [item.matter for item in page.items] == [desk.matter]
        await queue.refresh()
        assert queue.guide(desk.matter).guide.summary == "新的简述"

    async def test_a_whole_copy_that_was_broken_off_is_begun_anew(
        self, client: AsyncClient, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        changes = type(client).changes.steps
        monkeypatch.setattr(
            type(client).changes, "steps", lambda own, after=None: changes(own, after, limit=6)
        )
        fates = iter(["", "", "before", "before", "before", "before"])
        line.fate = lambda r: next(fates, "") if r.url.path == "/v1/catalogue/changes" else ""
        with opened(client, tmp_path / "t.db") as queue:
            with pytest.raises(LineDown):
                await queue.refresh()
            assert queue.store.fact("mark") is None
            await queue.refresh()
            assert len(queue.search()) >= 20


class Killed(BaseException):
    """The process is no more."""


class Mortal:
    """A database in whose process the power goes at some statement."""

    def __init__(self, database: Any, statements: int) -> None:
        self._database, self._left = database, statements

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def execute(self, *args: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise Killed()
        return self._database.execute(*args)

    def executemany(self, *args: Any) -> Any:
        return self._database.executemany(*args)


@pytest.mark.parametrize("seed", range(6))
async def test_killed_and_cut_at_any_moment_nothing_is_lost_and_nothing_sent_twice(
    client: AsyncClient, line: Line, tmp_path: Path, sessions: Sessions, seed: int
) -> None:
    """The quick sister of `tests/slow/test_offline.py`, which kills real processes and cuts real lines."""
    chance = random.Random(seed)
    path, deaths = tmp_path / "t.db", 0
    receipts: list[tuple[int, str]] = []
    with opened(client, path) as queue:
        await queue.refresh()
    line.fate = lambda _: chance.choices(["", "before", "after"], [8, 1, 1])[0]
    for life in range(200):
        with opened(client, path) as queue:
            statements = 10_000 if life > 50 else chance.randrange(5, 150)
            queue.store.database = Mortal(queue.store.database, statements)  # type: ignore[assignment]
            try:
                while len(receipts) < 12 and chance.random() < 0.8:
                    n = chance.randrange(len(m.IDS))
                    receipts.append((n, queue.take(someone(n)).number))
                report = await queue.flush()
            except Killed:
                deaths += 1
                continue
        if len(receipts) == 12 and report.left == 0 and report.stopped is None:
            break
    made = sorted(await rows(sessions, Application), key=lambda row: row.received_at)
    assert deaths > 1
    assert Counter(r.number for r in made) == Counter(number for _, number in receipts), f"{seed=}"
    for n in range(len(m.IDS)):
        taken = [number for who, number in receipts if who == n]
        assert [row.number for row in made if row.number in taken] == taken, f"{seed=}"


async def test_the_plain_queue_is_the_same(
    line: Line, place: Place, tmp_path: Path, sessions: Sessions
) -> None:
    def work() -> tuple[str, int]:
        with plain_client_of(line, place) as plain:
            store = Store(tmp_path / "t.db", KEY)
            queue = Queue(plain, store, numbers=3)
            queue.refresh()
            number = queue.take(someone(0)).number
            sent = queue.flush().sent
            store.close()
            return number, sent

    number, sent = await asyncio.to_thread(work)
    assert [row.number for row in await rows(sessions, Application)] == [number]
    assert sent == 1
