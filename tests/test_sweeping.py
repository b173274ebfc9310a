"""What nobody uses is removed, and what an application uses never is."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from api.state import State
from applications.models import Application
from files import queries, sweeping
from files.models import FileLeftover, FileUse, StoredFile
from files.sweeping import UNUSED
from kit.clock import now
from kit.db import transaction
from tests import make as m
from tests.make import PENSION, Make
from tests.test_files import PDF, send
from tests.test_submitting import rows
from tests.test_uploads import age, objects
from worker import sweeping as worker

WEEK = UNUSED + timedelta(minutes=1)


def claim(file: str) -> dict[str, Any]:
    """A pension claim with a scan."""
    return m.body(
        PENSION,
        materials=[
            {"code": "id_card", "exemption": "card_read"}, {"code": "claim_form", "file": file},
        ],
    )  # fmt: skip


async def stored(http: httpx.AsyncClient, who: dict[str, str], content: bytes = PDF) -> str:
    answer = await send(http, who, content)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["file"])


@pytest.fixture(autouse=True)
def _empty_store(state: State) -> None:
    for path in objects(state):
        path.unlink()


async def sweep(state: State) -> sweeping.Swept:
    return await sweeping.sweep(state.sessions, state.vault.files)


class TestSweeping:
    async def test_the_unused_goes_after_a_week_and_not_before(
        self, http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
    ) -> None:
        who = make.teller(await make.place())
        file = await stored(http, who)
        await age(owner, StoredFile, "created_at", UNUSED - timedelta(minutes=1))
        assert (await sweep(state)).judged == 0
        await age(owner, StoredFile, "created_at", timedelta(minutes=2))
        done = await sweep(state)
        assert (done.judged, done.removed) == (1, 1)
        assert objects(state) == []
        assert await rows(state.sessions, StoredFile) == []
        assert await rows(state.sessions, FileLeftover) == []
        assert (await http.get(f"/v1/files/{file}", headers=who)).status_code == 404

    async def test_the_used_is_looked_at_once_and_stays(
        self, http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
    ) -> None:
        who = make.teller(await make.place())
        file = await stored(http, who)
        made = (await m.submit(http, who, claim(file))).json()
        used = await rows(state.sessions, FileUse)
        assert [(u.file, u.application) for u in used] == [(file, made["number"])]
        await age(owner, StoredFile, "created_at", WEEK)
        assert (await sweep(state)).judged == 1
        assert (await sweep(state)).judged == 0
        assert (await http.get(f"/v1/files/{file}", headers=who)).content == PDF

    async def test_the_same_bytes_again_are_the_same_file_and_young(
        self, http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
    ) -> None:
        place = await make.place()
        who = make.teller(place)
        file = await stored(http, who)
        await age(owner, StoredFile, "created_at", WEEK)
        assert await stored(http, who) == file
        assert len(objects(state)) == 1
        assert (await sweep(state)).judged == 0
        assert (await http.get(f"/v1/files/{file}", headers=who)).content == PDF
        theirs = await stored(http, make.teller(await make.place()))
        assert theirs != file

    async def test_ten_at_once_store_one(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        who = make.teller(await make.place())
        found = await asyncio.gather(*(stored(http, who) for _ in range(10)))
        assert len(set(found)) == 1
        assert len(objects(state)) == 1

    async def test_a_removed_file_is_told_of_and_may_come_again(
        self, http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
    ) -> None:
        who = make.teller(await make.place())
        file = await stored(http, who)
        await age(owner, StoredFile, "created_at", WEEK)
        await sweep(state)
        refused = await m.submit(http, who, claim(file))
        assert (refused.status_code, refused.json()["code"]) == (422, "content-invalid")
        assert [(e["at"], e["rule"]) for e in refused.json()["errors"]] == [
            ("/materials/1/file", "file-removed")
        ]
        assert await rows(state.sessions, Application) == []
        assert await stored(http, who) == file
        assert (await m.submit(http, who, claim(file))).status_code == 201

    async def test_what_was_put_and_never_noted_goes(
        self, http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
    ) -> None:
        """A process was killed between the store and the database."""
        async with transaction(state.sessions) as session:
            await queries.announce(session, ["lost", "uploads/lost/"], now())
        for path in ("lost", "uploads/lost/0-1-x", "uploads/lost/1-2-x", "uploads/lostnot/0-1-x"):
            await state.vault.files.put_async(path, b"sealed")
        await sweep(state)
        assert [p.name for p in objects(state)] == ["0-1-x"]
        assert await rows(state.sessions, FileLeftover) == []

    async def test_a_step_is_bounded_and_two_workers_share_the_work(
        self, state: State, owner: AsyncEngine, monkeypatch: pytest.MonkeyPatch, clean: None
    ) -> None:
        monkeypatch.setattr(sweeping, "STEP", 10)
        old = now() - WEEK
        async with transaction(state.sessions) as session:
            for n in range(45):
                session.add(
                    StoredFile(
                        id=f"f{n}", path=f"p{n}", outlet="3", sha256=b"", size=1, media_type="x",
                        created_at=old,
                    )
                )  # fmt: skip
        for n in range(45):
            await state.vault.files.put_async(f"p{n}", b"sealed")
        steps: list[sweeping.Swept] = []
        while (done := await asyncio.gather(sweep(state), sweep(state)))[0].more or done[1].more:
            steps += done
        assert max(step.judged for step in steps) == 10
        assert objects(state) == []
        assert await rows(state.sessions, StoredFile) == []

    async def test_the_worker_comes_again_at_once_where_there_is_more(
        self, state: State, monkeypatch: pytest.MonkeyPatch, clean: None
    ) -> None:
        task = worker.task(state.vault.files)
        assert await task.once(state.sessions) == worker.PERIOD
        monkeypatch.setattr(sweeping, "STEP", 0)
        assert await task.once(state.sessions) == 0


class TestRaces:
    """A submission and a removal that meet: the file is used and stays, or is gone and told of."""

    async def test_removal_waits_for_nobody_and_takes_nothing_that_is_being_used(
        self, http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
    ) -> None:
        """The submission holds the file and has not committed."""
        file = await stored(http, make.teller(await make.place()))
        await age(owner, StoredFile, "created_at", WEEK)
        async with transaction(state.sessions) as session:
            assert await queries.use(session, "SYT1", [file]) == {file}
            assert (await sweep(state)).judged == 0
        assert (await sweep(state)).judged == 1
        assert [f.id for f in await rows(state.sessions, StoredFile)] == [file]

    async def test_a_submission_waits_for_a_removal_and_is_told(
        self, http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
    ) -> None:
        """The removal has judged the file and has not committed."""
        who = make.teller(await make.place())
        file = await stored(http, who)
        await age(owner, StoredFile, "created_at", WEEK)
        async with transaction(state.sessions) as session:
            at = now()
            assert await queries.drop_unused(session, at - UNUSED, at, 10) == 1
            handing_in = asyncio.create_task(m.submit(http, who, claim(file)))
            await waits_for_a_lock(owner, handing_in)
        refused = await handing_in
        assert [e["rule"] for e in refused.json()["errors"]] == ["file-removed"]
        assert await rows(state.sessions, Application) == []

    async def test_whoever_comes_first_nothing_used_is_removed(
        self, http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
    ) -> None:
        who = make.teller(await make.place())
        files = [await stored(http, who, PDF + bytes([n])) for n in range(20)]
        await age(owner, StoredFile, "created_at", WEEK)
        sweeps = asyncio.gather(*(sweep(state) for _ in range(3)))
        answers = await asyncio.gather(*(m.submit(http, who, claim(file)) for file in files))
        await sweeps
        for file, answer in zip(files, answers, strict=True):
            there = await http.get(f"/v1/files/{file}", headers=who)
            assert (answer.status_code, there.status_code) in ((201, 200), (422, 404))


async def waits_for_a_lock(owner: AsyncEngine, task: "asyncio.Task[Any]") -> None:
    """Let the loop turn until the submission's statement waits."""
    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    for _ in range(500):
        async with owner.connect() as connection:
            if await connection.scalar(waiting):
                return
        assert not task.done()
    raise AssertionError
