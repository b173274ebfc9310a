"""Clocks that stand, go on, are moved: suspension, extension, transfer, and a calendar that changes."""

import asyncio
import csv
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from access.policy import Role
from api.state import State
from applications import timers
from applications.clocks import Moved, due
from cli import load
from kit.clock import CHINA, now
from kit.db import transaction
from kit.generations import raise_generation
from kit.workdays import KIND, Workdays, parse_notices
from schemas.guides import Guide
from tests import make as m
from tests.make import PENSION, Make

DATA = Path(__file__).parent.parent / "data" / "calendar" / "cn_day_exceptions.csv"
PROCEDURE = {"procedure": "appraisal", "basis": "须经劳动能力鉴定", "working_days": 20}


def calendar() -> Workdays:
    with DATA.open(encoding="utf-8", newline="") as file:
        return Workdays.of({d.day: d.is_working for d in parse_notices(csv.DictReader(file))})


DAYS, GUIDE = calendar(), load.shipped_guide(PENSION).guide
"""Legal 20 working days, promised 5."""


def limits(moved: Moved, guide: Guide = GUIDE) -> tuple[date, date]:
    moment = datetime(2026, 3, 2, 12, tzinfo=CHINA)
    found = due(guide, DAYS, moment, moment, moved)
    assert found.legal_due_on is not None
    assert found.promised_due_on is not None
    return found.legal_due_on, found.promised_due_on


few = st.integers(0, 40)


class TestMoved:
    @given(few)
    def test_a_suspension_moves_both_by_its_days(self, days: int) -> None:
        legal, promised = limits(Moved())
        assert limits(Moved(suspended=days)) == (
            DAYS.after(legal, days),
            DAYS.after(promised, days),
        )

    @given(few)
    def test_a_correction_moves_what_ran_before_acceptance(self, days: int) -> None:
        legal, promised = limits(Moved())
        assert limits(Moved(corrected=days)) == (DAYS.after(legal, days), promised)

    @given(few, few, few)
    def test_one_after_the_other_is_as_all_at_once(self, one: int, two: int, three: int) -> None:
        legal, promised = limits(Moved(suspended=one))
        assert limits(Moved(corrected=three, suspended=one + two)) == (
            DAYS.after(DAYS.after(legal, two), three), DAYS.after(promised, two),
        )  # fmt: skip

    @given(few)
    def test_an_extension_moves_the_law_only_by_a_basis(self, days: int) -> None:
        legal, promised = limits(Moved())
        assert limits(Moved(extended=days)) == (legal, DAYS.after(promised, days))
        based = GUIDE.model_copy(update={"extension_basis": "某条例第10条"})
        assert limits(Moved(extended=days), based) == (
            DAYS.after(legal, days), DAYS.after(promised, days),
        )  # fmt: skip


async def pension(http: httpx.AsyncClient, make: Make) -> tuple[dict[str, str], dict[str, Any]]:
    """A claim of a pension, accepted: promised in five days, twenty by law."""
    teller = make.teller(await make.place())
    file = {"file": ("a.pdf", b"%PDF-" + b"x" * 99)}
    stored = (await http.post("/v1/files", files=file, headers=teller)).json()["file"]
    materials = [
        {"code": "id_card", "exemption": "card_read"},
        {"code": "claim_form", "file": stored},
    ]
    answer = await m.submit(http, teller, m.body(PENSION, materials=materials))
    assert answer.status_code == 201, answer.text
    return teller, answer.json()


async def posts(make: Make) -> list[dict[str, str]]:
    return [await make.person(role) for role in (Role.REVIEWER, Role.APPROVER)]


class TestSuspension:
    async def test_is_proposed_by_one_decided_by_another_and_told(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        _, made = await pension(http, make)
        reviewer, approver = await posts(make)
        taken = (await m.act(http, reviewer, made, "take")).json()
        early = await m.act(http, approver, taken, "suspend", **PROCEDURE)
        assert (early.status_code, early.json()["code"]) == (409, "action-not-allowed")
        bare = await m.act(http, reviewer, taken, "propose_suspension")
        assert [e["at"] for e in bare.json()["errors"]] == ["/procedure", "/basis"]
        row = (await m.act(http, reviewer, taken, "propose_suspension", **PROCEDURE)).json()
        assert (row["state"], row["proposal"]) == ("in_review", "suspension")
        assert "propose_suspension" not in row["actions"]
        shown = (await http.get(f"/v1/applications/{row['number']}", headers=approver)).json()
        assert shown["notices"]["suspension"] == PROCEDURE
        assert "suspend" in shown["actions"]
        row = (await m.act(http, approver, row, "suspend")).json()
        assert (row["state"], row["light"], row["proposal"]) == ("suspended", "none", None)
        assert "SPE" in row["documents"]
        again = await m.act(http, approver, row, "suspend", **PROCEDURE)
        assert (again.status_code, again.json()["code"]) == (409, "action-not-allowed")

    async def test_moves_both_limits_by_the_working_days_it_took(
        self, http: httpx.AsyncClient, make: Make, state: State, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, made = await pension(http, make)
        reviewer, approver = await posts(make)
        row = (await m.act(http, reviewer, made, "take")).json()
        row = (await m.act(http, reviewer, row, "propose_suspension", **PROCEDURE)).json()
        days, start = state.desk.calendar.workdays, now()
        monkeypatch.setattr("applications.service.now", lambda: start)
        row = (await m.act(http, approver, row, "suspend")).json()
        for total, length in ((11, 11), (14, 3)):
            stop = start + timedelta(days=length)
            moved = days.spent(start, stop)
            monkeypatch.setattr("applications.service.now", lambda stop=stop: stop)
            before = [date.fromisoformat(row[n]) for n in ("legal_due_on", "promised_due_on")]
            row = (await m.act(http, reviewer, row, "resume")).json()
            after = [date.fromisoformat(row[n]) for n in ("legal_due_on", "promised_due_on")]
            assert after == [days.after(day, moved) for day in before], total
            assert row["state"] == "in_review"
            row = (await m.act(http, reviewer, row, "propose_suspension", **PROCEDURE)).json()
            row = (await m.act(http, approver, row, "suspend")).json()
            start = stop

    async def test_one_person_does_not_do_both(self, http: httpx.AsyncClient, make: Make) -> None:
        _, made = await pension(http, make)
        await make.person(Role.REVIEWER, subject="anne")
        anne = await make.person(Role.APPROVER, subject="anne")
        row = (await m.act(http, anne, made, "take")).json()
        assert "extend" not in row["actions"]
        row = (await m.act(http, anne, row, "propose_suspension", **PROCEDURE)).json()
        assert "suspend" not in row["actions"]
        alone = await m.act(http, anne, row, "suspend")
        assert (alone.status_code, alone.json()["code"]) == (403, "separation-of-duties")


class TestExtension:
    async def test_once_and_within_the_law(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        _, made = await pension(http, make)
        _, approver = await posts(make)
        far = await m.act(http, approver, made, "extend", working_days=16, reason="材料较多")
        assert [e["rule"] for e in far.json()["errors"]] == ["range", "legal-limit"]
        row = (
            await m.act(http, approver, made, "extend", working_days=3, reason="材料较多")
        ).json()
        promised = date.fromisoformat(made["promised_due_on"])
        days = state.desk.calendar.workdays
        assert row["promised_due_on"] == days.after(promised, 3).isoformat()
        assert row["legal_due_on"] == made["legal_due_on"]
        assert (row["extended_days"], "EXT" in row["documents"]) == (3, True)
        again = await m.act(http, approver, row, "extend", working_days=1, reason="再延")
        assert (again.status_code, again.json()["code"]) == (409, "action-not-allowed")

    async def test_not_after_the_limit(
        self, http: httpx.AsyncClient, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, made = await pension(http, make)
        _, approver = await posts(make)
        last = datetime.fromisoformat(made["promised_due_on"] + "T23:59:59+08:00")
        for moment, status in ((last + timedelta(seconds=1), 409), (last, 200)):
            monkeypatch.setattr("applications.service.now", lambda moment=moment: moment)
            answer = await m.act(http, approver, made, "extend", working_days=1, reason="材料较多")
            assert answer.status_code == status, answer.text


class TestTransfer:
    async def test_to_another_agency_that_signs_it_in(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        teller, made = await pension(http, make)
        reviewer, _ = await posts(make)
        row = (await m.act(http, reviewer, made, "take")).json()
        for wrong, rule in (("330106", "same"), ("999999", "unknown"), ("330199", "level")):
            answer = await m.act(http, reviewer, row, "transfer", agency=wrong, reason="参保地变更")
            assert [e["rule"] for e in answer.json()["errors"]] == [rule]
        row = (
            await m.act(http, reviewer, row, "transfer", agency="330105", reason="参保地变更")
        ).json()
        assert (row["agency"]["code"], row["state"], row["actions"]) == ("330105", "accepted", [])
        url = f"/v1/applications/{row['number']}"
        assert (await http.get(url, headers=reviewer)).status_code == 404
        there = await make.person(Role.REVIEWER, "330105")
        (mine,) = (await http.post("/v1/tasks/claim", json={}, headers=there)).json()["items"]
        assert mine["number"] == row["number"]
        told = (await http.get(f"{url}/events", headers=teller)).json()["items"][-3:-1]
        assert {(e["kind"], e["agency"]) for e in told} == {
            ("application.transferred", "330105"), ("application.transferred_away", "330106"),
        }  # fmt: skip


@pytest.fixture
async def notices(
    make: Make, owner: AsyncEngine, state: State, tmp_path: Path
) -> AsyncIterator[Path]:
    """A file for notices; what it loads is undone after the test."""
    yield tmp_path / "notices.csv"
    async with owner.begin() as connection:
        await connection.execute(sa.text("DELETE FROM calendar_day WHERE day > '2026-12-31'"))
    await load.load_calendar(state.sessions, DATA)
    async with transaction(state.sessions) as session:
        await raise_generation(session, KIND)
    await make.settle()


def write(file: Path, rows: str) -> None:
    file.write_text(f"date,day_type,holiday\n{rows}")


class TestCalendar:
    async def test_a_changed_notice_moves_what_it_touches_and_says_so(
        self, http: httpx.AsyncClient, make: Make, state: State, notices: Path
    ) -> None:
        teller, made = await pension(http, make)
        last = date.fromisoformat(made["promised_due_on"])
        write(notices, f"{last},off,样例\n{date(2027, 1, 1)},off,元旦\n")
        assert await load.load_calendar(state.sessions, notices) == 2
        assert await load.waiting_for_calendar(state.sessions) >= 1
        await make.settle()

        async def worker() -> tuple[int, int]:
            async with transaction(state.sessions) as session:
                return await timers.date_anew(session, state.desk, "330106", now())

        done = await asyncio.gather(worker(), worker())
        assert sum(changed for _, changed in done) == sum(found for found, _ in done) >= 1
        assert await load.waiting_for_calendar(state.sessions) == 0
        row = (await http.get(f"/v1/applications/{made['number']}", headers=teller)).json()
        moved = state.desk.calendar.workdays.after(last, 0)
        assert (row["promised_due_on"], row["version"]) == (moved.isoformat(), 2)
        told = await http.get(f"/v1/applications/{made['number']}/events", headers=teller)
        kinds = [e["kind"] for e in told.json()["items"]]
        assert kinds.count("application.dated_anew") == 1
        facts = told.json()["items"][-1]["facts"]
        assert facts["before"]["promised_due_on"] == last.isoformat()
        assert facts["after"]["promised_due_on"] == moved.isoformat()

    async def test_what_contradicts_itself_or_leaves_a_gap_changes_nothing(
        self, state: State, notices: Path
    ) -> None:
        before = await load.waiting_for_calendar(state.sessions)
        for rows in ("2027-01-01,off,x\n2027-01-01,work,x\n", "2029-01-01,off,x\n"):
            write(notices, rows)
            with pytest.raises(load.LoadFailed):
                await load.load_calendar(state.sessions, notices)
        await state.follower.look()
        assert state.desk.calendar.workdays.loaded_until == date(2026, 12, 31)
        assert await load.waiting_for_calendar(state.sessions) == before


async def test_a_provisional_day_becomes_certain(
    http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine, notices: Path
) -> None:
    teller, made = await pension(http, make)
    async with owner.begin() as connection:
        await connection.execute(
            sa.text(
                "UPDATE application SET received_at = :t, accepted_at = :t, due_provisional = true"
            ),
            {"t": datetime(2026, 12, 28, 12, tzinfo=CHINA)},
        )
    write(notices, "2027-01-01,off,元旦\n")
    await load.load_calendar(state.sessions, notices)
    await make.settle()
    async with transaction(state.sessions) as session:
        assert await timers.date_anew(session, state.desk, "330106", now()) == (1, 1)
    row = (await http.get(f"/v1/applications/{made['number']}", headers=teller)).json()
    assert (row["promised_due_on"], row["due_provisional"]) == ("2027-01-05", False)
