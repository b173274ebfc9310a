"""Numbers that a terminal reserves, and applications that bring one."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlmodel import select

from access.policy import Role
from api.state import State
from applications import blocks
from applications.intake import STATEMENTS
from applications.models import Application, NumberBlock
from applications.numbers import RESERVED, USED_WITHIN, number, parts
from events.models import Event
from kit.clock import now, today
from kit.db import Sessions, driver, transaction
from kit.ids import uuid7
from outlets.models import Terminal
from tests import make as m
from tests.make import Make, Place
from tests.statements import statements
from worker.housekeeping import keep

URL = "/v1/terminals/me/numbers"


async def reserve(http: httpx.AsyncClient, who: dict[str, str], count: int = 1) -> list[Any]:
    answer = await http.post(URL, json={"count": count}, headers=who)
    assert answer.status_code == 201, answer.text
    found: list[Any] = answer.json()
    return found


async def second_terminal(make: Make, place: Place) -> Place:
    """Another terminal at the same outlet."""
    id_ = uuid7()
    await make.change_to(Terminal, {
        "id": id_, "outlet": place.outlet, "name": "终端二", "status": "active",
        "public_jwk": place.key.as_dict(private=False), "version": 1,
    })  # fmt: skip
    return Place(place.outlet, str(id_), place.key, place.teller)


def rules(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(fault["at"], fault["rule"]) for fault in answer.json()["errors"]]


class TestReserving:
    async def test_numbers_are_ours_of_today_and_apart_from_all_others(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place = await make.place()
        who = make.teller(place)
        found = await reserve(http, who, 3) + await reserve(http, who, 2)
        said = [parts(one["number"]) for one in found]
        assert [one.serial for one in said if one] == list(range(RESERVED[0], RESERVED[0] + 5))
        assert {(one.outlet, one.day) for one in said if one} == {(place.outlet, today())}
        assert {one["use_by"] for one in found} == {(today() + USED_WITHIN).isoformat()}

    async def test_a_repeat_reserves_no_more(self, http: httpx.AsyncClient, make: Make) -> None:
        who = make.teller(await make.place()) | {"Idempotency-Key": m.key()}
        first, again = [await http.post(URL, json={"count": 2}, headers=who) for _ in range(2)]
        assert again.json() == first.json()
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        other = await http.post(URL, json={"count": 3}, headers=who)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")

    async def test_terminals_of_an_outlet_at_once_get_each_their_own(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        one = await make.place()
        two = await second_terminal(make, one)
        found = await asyncio.gather(
            *(reserve(http, make.teller(place), 7) for place in (one, two) * 3)
        )
        numbers = [each["number"] for block in found for each in block]
        assert len(set(numbers)) == 6 * 7

    async def test_a_days_share_has_an_end(
        self, http: httpx.AsyncClient, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(blocks, "DAILY", 5)
        who = make.teller(await make.place())
        await reserve(http, who, 4)
        answer = await http.post(URL, json={"count": 2}, headers=who)
        assert (answer.status_code, answer.json()["code"]) == (409, "numbers-exhausted")
        await reserve(http, who, 1)

    @pytest.mark.parametrize("wanted", [{"count": 0}, {"count": 101}, {"count": True}, {}])
    async def test_shape(self, http: httpx.AsyncClient, make: Make, wanted: dict[str, Any]) -> None:
        answer = await http.post(URL, json=wanted, headers=make.teller(await make.place()))
        assert (answer.status_code, answer.json()["code"]) == (422, "request-invalid")

    async def test_a_closed_outlet_reserves_none(self, http: httpx.AsyncClient, make: Make) -> None:
        who = make.teller(await make.place(status="suspended"))
        answer = await http.post(URL, json={"count": 1}, headers=who)
        assert (answer.status_code, answer.json()["code"]) == (403, "outlet-closed")

    async def test_a_person_away_from_a_terminal_reserves_none(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        who = await make.person(Role.TELLER, (await make.place()).outlet)
        assert (await http.post(URL, json={"count": 1}, headers=who)).status_code == 403
        assert (await http.get("/v1/terminals/me", headers=who)).status_code == 403


class TestHandingIn:
    async def test_it_gets_the_number_and_the_code_that_was_told(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions
    ) -> None:
        who = make.teller(await make.place())
        (mine,) = await reserve(http, who)
        captured = (now() - timedelta(days=3)).replace(microsecond=0)
        wanted = m.body(number=mine["number"], captured_at=captured.isoformat())
        made = await m.submit(http, who, wanted)
        assert made.status_code == 201, made.text
        body = made.json()
        assert (body["number"], body["query_code"]) == (mine["number"], mine["query_code"])
        shown = (await http.get(f"/v1/applications/{mine['number']}", headers=who)).json()
        assert shown["captured_at"].startswith((captured + timedelta(hours=8)).isoformat()[:19])
        assert shown["received_at"][:10] == today().isoformat()
        assert shown["accepted_at"] == shown["received_at"]
        assert shown["applicant"]["name"] != "测试甲"
        async with transaction(sessions) as session:
            kinds = sorted(e.kind for e in (await session.exec(select(Event))).all())
        assert kinds == ["application.accepted", "application.received"]

    async def test_limits_run_from_receipt_not_from_the_device(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        who = make.teller(await make.place())
        late = m.body(captured_at=(now() - timedelta(days=9)).isoformat())
        offline, here = (await m.submit(http, who, late)), (await m.submit(http, who))
        due = ("legal_due_on", "promised_due_on")
        assert [offline.json()[n] for n in due] == [here.json()[n] for n in due]

    async def test_a_repeat_is_told_of_the_first(self, http: httpx.AsyncClient, make: Make) -> None:
        who, k = make.teller(await make.place()), m.key()
        (mine,) = await reserve(http, who)
        wanted = m.body(number=mine["number"])
        first, again = [await m.submit(http, who, wanted, k=k) for _ in range(2)]
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.headers["idempotent-replayed"] == "true"
        assert again.json()["number"] == mine["number"]

    async def test_used_twice(self, http: httpx.AsyncClient, make: Make) -> None:
        who = make.teller(await make.place())
        (mine,) = await reserve(http, who)
        wanted = m.body(number=mine["number"])
        assert (await m.submit(http, who, wanted)).status_code == 201
        again = await m.submit(http, who, wanted)
        assert (again.status_code, again.json()["code"]) == (422, "content-invalid")
        assert rules(again) == [("/number", "used")]

    async def test_used_by_many_at_once_it_is_one_applications(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions
    ) -> None:
        """With different keys, and with one: some share a statement."""
        who = make.teller(await make.place())
        (mine,), (other,) = await reserve(http, who), await reserve(http, who)
        found = await asyncio.gather(
            *(m.submit(http, who, m.body(number=mine["number"])) for _ in range(8))
        )
        assert sorted(a.status_code for a in found) == [201] + [422] * 7
        k, wanted = m.key(), m.body(number=other["number"])
        same = await asyncio.gather(*(m.submit(http, who, wanted, k=k) for _ in range(8)))
        assert {a.status_code for a in same} == {201}
        assert {a.json()["number"] for a in same} == {other["number"]}
        assert sum("idempotent-replayed" in a.headers for a in same) == 7
        async with transaction(sessions) as session:
            assert len((await session.exec(select(Application))).all()) == 2
            assert len((await session.exec(select(Event))).all()) == 4

    async def test_another_terminals(self, http: httpx.AsyncClient, make: Make) -> None:
        one, far = await make.place(), await make.place()
        two = await second_terminal(make, one)
        (mine,) = await reserve(http, make.teller(one))
        beside = await m.submit(http, make.teller(two), m.body(number=mine["number"]))
        assert (beside.status_code, rules(beside)) == (422, [("/number", "not-reserved")])
        stranger = await m.submit(http, make.teller(far), m.body(number=mine["number"]))
        assert rules(stranger) == [("/number", "outlet")]
        assert (await m.submit(http, make.teller(one), m.body(number=mine["number"]))).is_success

    async def test_never_reserved(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        who = make.teller(place)
        await reserve(http, who, 2)
        for serial in (0, 17, RESERVED[0] + 2, RESERVED[-1]):
            answer = await m.submit(http, who, m.body(number=number(place.outlet, today(), serial)))
            assert rules(answer) == [("/number", "not-reserved")]
        ahead = number(place.outlet, today() + timedelta(days=1), RESERVED[0])
        assert rules(await m.submit(http, who, m.body(number=ahead))) == [("/number", "day")]

    @pytest.mark.parametrize(("days", "status"), [(60, 201), (61, 422)])
    async def test_after_sixty_days(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions, days: int, status: int
    ) -> None:
        place, day = await make.place(), today() - timedelta(days=days)
        first = RESERVED[0]
        async with transaction(sessions) as session:
            session.add(
                NumberBlock(
                    terminal=place.terminal, outlet=place.outlet, day=day, first=first, last=first  # type: ignore[arg-type]
                )
            )  # fmt: skip
        given = number(place.outlet, day, first)
        answer = await m.submit(http, make.teller(place), m.body(number=given))
        assert answer.status_code == status, answer.text
        if status == 422:
            assert rules(answer) == [("/number", "expired")]

    async def test_malformed(self, http: httpx.AsyncClient, make: Make) -> None:
        who = make.teller(await make.place())
        (mine,) = await reserve(http, who)
        right = mine["number"]
        wrong = right[:-1] + str((int(right[-1]) + 1) % 10)
        assert rules(await m.submit(http, who, m.body(number=wrong))) == [("/number", "check")]
        for text in ("", "SYT1", right + "0", right.lower(), 7):
            answer = await m.submit(http, who, m.body(number=text))
            assert (answer.status_code, answer.json()["code"]) == (422, "request-invalid")

    async def test_all_that_is_wrong_is_told_at_once(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place = await make.place()
        given = number(place.outlet, today(), RESERVED[0] + 7)
        answer = await m.submit(http, make.teller(place), m.body(number=given, consent=False))
        assert rules(answer) == [("/consent", "consent"), ("/number", "not-reserved")]

    async def test_those_with_and_without_one_share_a_statement(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        who = make.teller(await make.place())
        mine = await reserve(http, who, 3)
        bodies = [m.body(number=one["number"]) for one in mine] + [m.body()] * 3
        async with statements(state) as sent:
            found = await asyncio.gather(*(m.submit(http, who, body) for body in bodies))
        assert [a.status_code for a in found] == [201] * 6, [a.text for a in found]
        assert [a.json()["number"] for a in found[:3]] == [one["number"] for one in mine]
        assert len(sent) == 1

    async def test_it_is_one_statement_too(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        who = make.teller(await make.place())
        (mine,) = await reserve(http, who)
        async with statements(state) as sent:
            assert (await m.submit(http, who, m.body(number=mine["number"]))).status_code == 201
        assert len(sent) == 1

    async def test_its_plan_made_for_empty_tables_serves_full_ones(
        self, state: State, as_new: None
    ) -> None:
        async with driver(state.writing) as connection:
            await connection.execute(
                f"PREPARE looked_at(text, bytea[], bytea[], bytea[]) AS {STATEMENTS[True, True, False]}"
            )
            rows = await connection.fetch("EXPLAIN EXECUTE looked_at('[]', '{}', '{}', '{}')")
            await connection.execute("DEALLOCATE looked_at")
        plan = "\n".join(row[0] for row in rows)
        for index in (
            "application_subject_newest_idx",
            "number_block_outlet_key",
            "application_pkey",
            "stored_file_pkey",
        ):
            assert index in plan, plan
        assert "Seq Scan" not in plan


async def test_old_blocks_are_forgotten(make: Make, sessions: Sessions, clean: None) -> None:
    place = await make.place()
    days = [today() - timedelta(days=n) for n in (59, 60, 61)]
    async with transaction(sessions) as session:
        session.add_all(
            NumberBlock(terminal=place.terminal, outlet=place.outlet, day=day, first=1, last=1)  # type: ignore[arg-type]
            for day in days
        )
    await keep(sessions)
    async with transaction(sessions) as session:
        left = [block.day for block in (await session.exec(select(NumberBlock))).all()]
    assert sorted(left) == sorted(days[:2])


class TestSelf:
    async def test_state_limits_and_clock(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        who, url = make.teller(place), "/v1/terminals/me"
        body = (await http.get(url, headers=who)).json()
        assert (body["terminal"], body["outlet"], body["teller"]) == (
            place.terminal, place.outlet, place.teller,
        )  # fmt: skip
        assert (body["status"], body["outlet_status"]) == ("active", "active")
        assert body["clock_difference"] is None
        assert body["limits"] == {
            "queue_length": 1000, "days_without_contact": 7, "numbers_at_once": 100,
            "numbers_a_day": 1000, "number_days": 30,
        }  # fmt: skip
        ahead = {"device_time": (now() + timedelta(seconds=90)).isoformat()}
        off = (await http.get(url, params=ahead, headers=who)).json()["clock_difference"]
        assert 80 < off <= 90
        wrong = await http.get(url, params={"device_time": "soon"}, headers=who)
        assert (wrong.status_code, wrong.json()["code"]) == (422, "request-invalid")
