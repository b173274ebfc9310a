"""Between receipt and acceptance: four ways to accept, correction once, refusal, and what time does."""

import asyncio
from datetime import date, datetime, timedelta
from typing import Any

import httpx
import pytest

from access.policy import Role
from api.state import State
from applications import timers
from applications.lifecycle import Timer
from cli.load import shipped_guide
from kit.clock import day_of, now, today
from kit.db import transaction
from tests import make as m
from tests.make import Make

TOLERANT, COMMITTED = "332014901002", "332014901004"
"""Resident enrolment: its household book may follow. Closing: papers may rest on the applicant's word."""

LATER = timedelta(days=60)
REASON = {"code": "BZ02", "material": "id_card", "text": "照片不清晰，请重新拍摄"}


def in_days(count: int) -> str:
    return (today() + timedelta(days=count)).isoformat()


async def received(
    http: httpx.AsyncClient, make: Make, matter: str = m.RECORD, **more: Any
) -> tuple[dict[str, str], dict[str, Any]]:
    teller = make.teller(await make.place())
    wanted = m.body(matter, accept=False, **more)
    given = {item["code"] for item in wanted["materials"]}
    for material in shipped_guide(matter).guide.materials:
        if material.necessity != "optional" and material.code not in given:
            file = {"file": ("a.pdf", b"%PDF-" + material.code.encode() * 9)}
            stored = (await http.post("/v1/files", files=file, headers=teller)).json()["file"]
            wanted["materials"].append({"code": material.code, "file": stored})
    answer = await m.submit(http, teller, wanted)
    assert answer.status_code == 201, answer.text
    return teller, answer.json()


def faults(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [fault["at"] for fault in answer.json()["errors"]]


async def corrected(
    http: httpx.AsyncClient, make: Make, *reasons: dict[str, Any]
) -> tuple[dict[str, str], dict[str, str], dict[str, Any]]:
    """One whose applicant has been told, once, what to put right."""
    teller, made = await received(http, make)
    officer = await make.person(Role.ACCEPTANCE_OFFICER)
    asked = await m.act(
        http, officer, made, "ask_correction", reasons=list(reasons or [REASON]), by=in_days(9)
    )
    assert asked.status_code == 200, asked.text
    return teller, officer, asked.json()


async def events_of(http: httpx.AsyncClient, who: dict[str, str], number: str) -> list[Any]:
    answer = await http.get(f"/v1/applications/{number}/events", headers=who)
    found: list[Any] = answer.json()["items"]
    return found


async def at_once(state: State, timer: Timer, days: int) -> list[int]:
    """Let two workers look at the same moment, some days ahead."""

    async def look() -> int:
        async with transaction(state.sessions) as session:
            return await timers.pass_time(session, state.desk, timer, now() + timedelta(days=days))

    return list(await asyncio.gather(look(), look()))


class TestCorrection:
    async def test_is_told_once_completely_and_until_a_day(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        teller, officer, row = await corrected(http, make)
        assert (row["state"], row["light"], row["due_on"]) == ("correction", "none", in_days(9))
        assert "SGZ" in row["documents"]
        shown = (await http.get(f"/v1/applications/{row['number']}", headers=teller)).json()
        assert shown["notices"]["correction"] == {"reasons": [REASON], "by": in_days(9)}
        assert shown["actions"] == ["supply", "withdraw"]
        back = await m.act(http, teller, row, "supply", materials=[card()])
        assert back.status_code == 200, back.text
        assert (back.json()["state"], "SUP" in back.json()["documents"]) == ("received", True)
        assert "ask_correction" not in back.json()["actions"]
        again = await m.act(
            http, officer, back.json(), "ask_correction", reasons=[REASON], by=in_days(9)
        )
        assert (again.status_code, again.json()["code"]) == (409, "action-not-allowed")
        assert "refuse" in again.json()["actions"]  # A second incomplete set is refused.

    async def test_what_is_wrong_with_a_notice_is_all_named(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        _, made = await received(http, make)
        officer = await make.person(Role.ACCEPTANCE_OFFICER)
        bare = await m.act(http, officer, made, "ask_correction")
        assert faults(bare) == ["/reasons", "/by"]
        assert faults(
            await m.act(http, officer, made, "ask_correction", reasons=[], by=in_days(3))
        ) == ["/reasons"]
        wrong = [
            {"code": "BY01", "text": "不对"},
            {"code": "BZ01", "text": "缺材料"},
            {"code": "BZ02", "material": "no_such", "text": "不清晰"},
        ]
        answer = await m.act(http, officer, made, "ask_correction", reasons=wrong, by=in_days(0))
        assert faults(answer) == [
            "/reasons/0/code", "/reasons/1/material", "/reasons/2/material", "/by",
        ]  # fmt: skip
        blank = await m.act(
            http, officer, made, "ask_correction", reasons=[{"code": "BZ01", "text": " "}]
        )
        assert blank.json()["code"] == "request-invalid"

    async def test_supply_is_looked_at_as_a_whole(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        form = {"code": "BZ03", "text": "用途未填"}
        teller, _, row = await corrected(http, make, REASON, form)
        assert faults(await m.act(http, teller, row, "supply")) == [
            "/materials", "/materials/id_card", "/form",
        ]  # fmt: skip
        wrong = [{"code": "id_card", "file": "f_x"}, {"code": "no_such", "exemption": "card_read"}]
        answer = await m.act(http, teller, row, "supply", materials=wrong, form={"odd": 1})
        assert {"/materials/0/file", "/materials/1/code", "/form/odd"} <= set(faults(answer))
        whole = m.body()["form"]
        away = await m.act(
            http, teller, row, "supply", materials=[card()],
            form={**whole, "insured_place": "330105"},
        )  # fmt: skip
        assert faults(away) == ["/form"]
        back = await m.act(http, teller, row, "supply", materials=[card()], form=whole)
        assert back.json()["state"] == "received"

    async def test_applicants_time_is_not_the_agencys(
        self, http: httpx.AsyncClient, make: Make, state: State, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        teller, officer, row = await corrected(http, make)
        days = state.desk.calendar.workdays
        moment = now() + timedelta(days=5)
        monkeypatch.setattr("applications.service.now", lambda: moment)
        back = (await m.act(http, teller, row, "supply", materials=[card()])).json()
        told = await events_of(http, teller, row["number"])
        asked = next(e for e in told if e["kind"] == "application.correction_asked")
        spent = days.spent(datetime.fromisoformat(asked["at"]), moment)
        before = date.fromisoformat(row["legal_due_on"])
        assert back["legal_due_on"] == days.after(before, spent).isoformat()
        limit = shipped_guide(m.RECORD).guide.accept_limit  # To tell, there is all of it again.
        assert back["due_on"] == days.after(day_of(moment), limit).isoformat()
        done = (await m.act(http, officer, back, "accept")).json()
        assert done["state"] == "accepted"

    async def test_not_supplied_in_time_is_returned_once(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        teller, _, row = await corrected(http, make)
        assert await at_once(state, Timer.RETURN_UNSUPPLIED, 9) == [0, 0]
        assert sorted(await at_once(state, Timer.RETURN_UNSUPPLIED, 10)) == [0, 1]
        shown = (await http.get(f"/v1/applications/{row['number']}", headers=teller)).json()
        assert (shown["state"], shown["actions"], shown["due_on"]) == ("returned", [], None)
        told = await events_of(http, teller, row["number"])
        assert [e["kind"] for e in told].count("application.returned") == 1

    async def test_events_hold_codes_and_no_words(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        teller, _, row = await corrected(http, make)
        told = (await events_of(http, teller, row["number"]))[-1]
        assert told["kind"] == "application.correction_asked"
        assert told["facts"] == {
            "reasons": [{"code": "BZ02", "material": "id_card"}], "by": in_days(9),
        }  # fmt: skip


def card() -> dict[str, str]:
    return {"code": "id_card", "exemption": "card_read"}


class TestDeemed:
    async def test_accepted_from_the_day_of_receipt_exactly_once(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        made = [(await received(http, make))[1] for _ in range(3)]
        last = date.fromisoformat(made[0]["due_on"])
        in_time = (last - today()).days
        assert await at_once(state, Timer.DEEM_ACCEPTED, in_time) == [0, 0]
        assert sum(await at_once(state, Timer.DEEM_ACCEPTED, in_time + 1)) == 3
        officer = await make.person(Role.ACCEPTANCE_OFFICER)
        for row in made:
            shown = (await http.get(f"/v1/applications/{row['number']}", headers=officer)).json()
            assert (shown["state"], shown["accepted_at"]) == ("accepted", row["received_at"])
            assert shown["documents"] == ["REC", "ACP"]
            kinds = [e["kind"] for e in await events_of(http, officer, row["number"])]
            assert kinds == ["application.received", "application.deemed_accepted"]

    async def test_who_was_told_is_not_deemed(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        await corrected(http, make)
        assert await at_once(state, Timer.DEEM_ACCEPTED, 60) == [0, 0]

    async def test_too_late_to_tell(
        self, http: httpx.AsyncClient, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Until the job comes round nothing else is true: neither correction nor refusal is left."""
        _, made = await received(http, make)
        officer = await make.person(Role.ACCEPTANCE_OFFICER)
        moment = now() + LATER
        monkeypatch.setattr("applications.service.now", lambda: moment)
        for action in ("ask_correction", "refuse"):
            late = await m.act(http, officer, made, action)
            assert (late.status_code, late.json()["actions"]) == (409, ["accept"])
        done = (await m.act(http, officer, made, "accept")).json()
        assert done["accepted_at"] == made["received_at"]


class TestTolerance:
    async def test_a_promise_that_the_guide_allows(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        teller, made = await received(http, make, TOLERANT)
        officer = await make.person(Role.ACCEPTANCE_OFFICER)
        assert faults(await m.act(http, officer, made, "accept_tolerant")) == ["/missing"]
        wrong = [
            {"code": "id_card", "promised_by": in_days(1)},
            {"code": "household_book", "promised_by": in_days(300)},
            {"code": "no_such"},
        ]
        answer = await m.act(http, officer, made, "accept_tolerant", missing=wrong)
        assert faults(answer) == [
            "/missing/0/code", "/missing/1/promised_by", "/missing/2/code", "/missing/2/promised_by",
        ]  # fmt: skip
        missing = [{"code": "household_book", "promised_by": in_days(1)}]
        done = (await m.act(http, officer, made, "accept_tolerant", missing=missing)).json()
        assert (done["state"], done["documents"]) == ("accepted", ["REC", "ACP", "TOL"])

        reviewer = await make.person(Role.REVIEWER)
        taken = (await m.act(http, reviewer, done, "take")).json()
        assert "grant" not in taken["actions"]  # Not before what was promised has come.
        shown = (await http.get(f"/v1/applications/{made['number']}", headers=teller)).json()
        assert sorted(shown["actions"]) == ["supply", "withdraw"]
        stranger = {"code": "id_card", "exemption": "card_read"}
        assert faults(await m.act(http, teller, shown, "supply", materials=[stranger])) == [
            "/materials/0/code"
        ]
        book = {"file": ("a.pdf", b"%PDF-household")}
        file = (await http.post("/v1/files", files=book, headers=teller)).json()["file"]
        came = await m.act(
            http, teller, shown, "supply", materials=[{"code": "household_book", "file": file}]
        )
        assert (came.status_code, came.json()["state"]) == (200, "in_review"), came.text
        assert "supply" not in came.json()["actions"]
        assert (await m.act(http, reviewer, came.json(), "grant")).status_code == 200

    async def test_not_where_the_guide_does_not(self, http: httpx.AsyncClient, make: Make) -> None:
        _, made = await received(http, make)
        officer = await make.person(Role.ACCEPTANCE_OFFICER)
        for action in ("accept_tolerant", "accept_commitment"):
            answer = await m.act(http, officer, made, action)
            assert (answer.status_code, answer.json()["code"]) == (409, "action-not-allowed")
            assert action not in answer.json()["actions"]


async def test_commitment(http: httpx.AsyncClient, make: Make) -> None:
    _, made = await received(http, make, COMMITTED)
    officer = await make.person(Role.ACCEPTANCE_OFFICER)
    guide = shipped_guide(COMMITTED).guide
    codes = [x.code for x in guide.materials if "commitment" in x.exemptions]
    other = next(x.code for x in guide.materials if "commitment" not in x.exemptions)
    wrong = [{"code": other}, {"code": codes[0]}, {"code": codes[0]}]
    answer = await m.act(http, officer, made, "accept_commitment", missing=wrong)
    assert faults(answer) == ["/missing/0/code", "/missing/2/code"]
    missing = [{"code": codes[0]}]
    done = (await m.act(http, officer, made, "accept_commitment", missing=missing)).json()
    assert (done["state"], "COM" in done["documents"]) == ("accepted", True)
    shown = (await http.get(f"/v1/applications/{made['number']}", headers=officer)).json()
    assert {"code": codes[0], "file": None, "exemption": "commitment", "promised_by": None} in (
        shown["materials"]
    )


async def test_refusal_is_proposed_by_the_outlet_and_decided_by_the_agency(
    http: httpx.AsyncClient, make: Make
) -> None:
    teller, made = await received(http, make)
    said = {"reason": "BS01", "text": "不属本机构", "right_agency": "330105"}
    bare = await m.act(http, teller, made, "propose_refusal", reason="BS01", text="不属本机构")
    assert faults(bare) == ["/right_agency"]
    proposed = (await m.act(http, teller, made, "propose_refusal", **said)).json()
    assert (proposed["state"], proposed["proposal"]) == ("received", "refusal")
    assert "propose_refusal" not in proposed["actions"]
    officer = await make.person(Role.ACCEPTANCE_OFFICER)
    shown = (await http.get(f"/v1/applications/{made['number']}", headers=officer)).json()
    named = {"right_agency_name": "拱墅区社会保险经办机构(样例)"}
    assert shown["notices"]["refusal"] == said | named
    done = (await m.act(http, officer, proposed, "refuse", **said)).json()
    assert (done["state"], done["proposal"], "NGA" in done["documents"]) == ("refused", None, True)


async def test_filing_after_delivery_exactly_once(
    http: httpx.AsyncClient, make: Make, state: State
) -> None:
    teller = make.teller(await make.place())
    made = (await m.submit(http, teller)).json()
    reviewer = await make.person(Role.REVIEWER)
    row = (await m.act(http, reviewer, made, "take")).json()
    row = (await m.act(http, reviewer, row, "grant", opinion="同意")).json()
    days = state.desk.calendar.workdays
    assert row["due_on"] == days.after(today(), 10).isoformat()  # To be delivered by then.
    row = (await m.act(http, teller, row, "deliver", way="counter", received_by="测试甲")).json()
    wait = (days.after(today(), 5) - today()).days
    assert row["due_on"] == in_days(wait)
    assert await at_once(state, Timer.ARCHIVE, wait) == [0, 0]
    assert sorted(await at_once(state, Timer.ARCHIVE, wait + 1)) == [0, 1]
    shown = (await http.get(f"/v1/applications/{made['number']}", headers=teller)).json()
    assert (shown["state"], shown["due_on"]) == ("archived", None)
