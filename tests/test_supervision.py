"""Late work is told of once, samples are drawn by lot, and what is found leads to a recorded correction."""

import asyncio
from collections import Counter
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from access.policy import Role
from api.state import State
from applications import timers
from kit.clock import now, today
from kit.db import transaction
from supervision import service
from tests import make as m
from tests.make import Make
from tests.test_events import tell

ORDERS, CHECKS = "/v1/supervision-orders", "/v1/spot-checks"


async def two(state: State, some: Any) -> list[int]:
    """Let two workers do the same at once."""

    async def once() -> int:
        async with transaction(state.sessions) as session:
            return int(await some(session))

    return list(await asyncio.gather(once(), once()))


async def items(http: httpx.AsyncClient, who: dict[str, str], url: str, **query: Any) -> list[Any]:
    answer = await http.get(url, headers=who, params=query)
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["items"]
    return found


class TestOrders:
    async def test_each_change_of_a_light_is_told_of_once(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        teller = make.teller(await make.place())
        made = (await m.submit(http, teller)).json()
        reviewer, approver = await make.person(Role.REVIEWER), await make.person(Role.APPROVER)
        controller = await make.person(Role.CONTROL_OFFICER, "330000")
        await m.act(http, reviewer, made, "take")
        due = date.fromisoformat(made["promised_due_on"])
        last = max(due, date.fromisoformat(made["legal_due_on"] or made["promised_due_on"]))

        async def at(day: date) -> list[int]:
            moment = now() + timedelta(days=(day - today()).days)
            return await two(state, lambda session: service.order(session, moment))

        assert await at(due - timedelta(days=1)) == [0, 0]
        assert sorted(await at(due)) == [0, 1]
        assert await at(due) == [0, 0]
        (red,) = await items(http, approver, ORDERS)
        assert (red["application"], red["light"], red["waits_for"], red["since"]) == (
            made["number"], "red", "decision", due.isoformat(),
        )  # fmt: skip
        assert any(who.startswith("person:reviewer-330106") for who in red["told"])
        assert any(who.startswith("person:approver-330106") for who in red["told"])
        assert not any("control_officer" in who for who in red["told"])

        assert sorted(await at(last + timedelta(days=1))) == [0, 1]
        (over,) = await items(http, controller, ORDERS, light="overdue")
        assert any("control_officer-330000" in who for who in over["told"])
        told = await items(http, teller, f"/v1/applications/{made['number']}/events")
        assert [e["facts"]["light"] for e in told if e["kind"] == "application.supervised"] == [
            "red", "overdue",
        ]  # fmt: skip
        assert await items(http, controller, ORDERS, agency="330105") == []

    async def test_what_waits_for_acceptance_too_and_what_stands_not(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        teller = make.teller(await make.place())
        made = (await m.submit(http, teller, m.body(accept=False))).json()
        gone = (await m.submit(http, teller, m.body(accept=False))).json()
        await m.act(http, teller, gone, "withdraw", reason="撤回")
        later = now() + timedelta(days=30)
        assert sum(await two(state, lambda session: service.order(session, later))) == 1
        approver = await make.person(Role.APPROVER)
        (found,) = await items(http, approver, ORDERS, number=made["number"])
        assert found["waits_for"] == "acceptance"

    async def test_is_answered_once(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        await m.submit(http, make.teller(await make.place()))
        later = now() + timedelta(days=60)
        await two(state, lambda session: service.order(session, later))
        approver = await make.person(Role.APPROVER)
        (order,) = await items(http, approver, ORDERS, answered=False)
        url, match = f"{ORDERS}/{order['id']}/answer", {"If-Match": '"1"'}
        stranger = await make.person(Role.APPROVER, "330105")
        why = {"text": "正在核实"}
        assert (await http.post(url, json=why, headers=stranger | match)).status_code == 404
        assert (await http.post(url, json=why, headers=approver)).status_code == 428
        done = await http.post(url, json=why, headers=approver | match)
        assert (done.status_code, done.json()["answer"]) == (200, "正在核实")
        again = await http.post(url, json=why, headers=approver | match)
        assert again.status_code == 412
        fresh = await http.post(url, json=why, headers=approver | {"If-Match": '"2"'})
        assert (fresh.status_code, fresh.json()["code"]) == (409, "supervision-not-allowed")
        assert await items(http, approver, ORDERS, answered=False) == []
        for odd in ("x", "0", "9" * 19):
            lost = f"{ORDERS}/{odd}/answer"
            assert (await http.post(lost, json=why, headers=approver | match)).status_code == 404


async def decided(http: httpx.AsyncClient, make: Make, count: int) -> None:
    """So many decided by one person alone, handed in at two outlets in turn."""
    tellers = [make.teller(await make.place()) for _ in range(2)]
    reviewer = await make.person(Role.REVIEWER, subject="checked-by-lot")
    for n in range(count):
        made = (await m.submit(http, tellers[n % 2])).json()
        taken = (await m.act(http, reviewer, made, "take")).json()
        done = await m.act(http, reviewer, taken, "grant", opinion="同意")
        assert done.status_code == 200


class TestSpotChecks:
    async def test_a_share_of_each_matter_and_outlet_is_drawn_once(
        self, http: httpx.AsyncClient, make: Make, state: State, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "EVERY", {"matter": 4, "outlet": 3})
        await decided(http, make, 12)
        await tell(state)
        assert sum(n > 0 for n in await two(state, lambda s: service.draw(s, now()))) == 1
        assert await two(state, lambda s: service.draw(s, now())) == [0, 0]
        controller = await make.person(Role.CONTROL_OFFICER, "330000")
        found = await items(http, controller, CHECKS, agency="330106", state="open")
        assert {row["matter"] for row in found} == {m.RECORD}
        assert len({row["application"] for row in found}) == len(found)
        reasons = Counter(row["reason"] for row in found)
        assert reasons["matter"] == 3  # One of each four, whichever.
        assert reasons["outlet"] + reasons["matter"] >= 4 >= reasons["outlet"]

    async def test_in_small_windows_as_in_one(
        self, http: httpx.AsyncClient, make: Make, state: State, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "EVERY", {"matter": 2, "outlet": 1000})
        await decided(http, make, 4)
        await tell(state)
        seen = 1
        while seen:
            async with transaction(state.sessions) as session:
                seen = await service.draw(session, now(), window=3)
        controller = await make.person(Role.CONTROL_OFFICER, "330000")
        assert len(await items(http, controller, CHECKS)) == 2

    async def test_a_finding_leads_to_a_correction_by_another(
        self, http: httpx.AsyncClient, make: Make, one: dict[str, Any]
    ) -> None:
        controller = await make.person(Role.CONTROL_OFFICER, "330106")
        approver = await make.person(Role.APPROVER)
        (row,) = await items(http, controller, CHECKS)
        assert row["actions"] == ["confirm", "report"]
        bare = await check(http, controller, row, 1, action="report")
        assert bare.json()["code"] == "request-invalid"
        done = await check(http, controller, row, 1, action="report", text="账户户名不符")
        assert (done.json()["state"], done.json()["actions"]) == ("finding", [])
        stale = await check(http, controller, row, 1, action="report", text="又一次")
        assert stale.status_code == 412
        fixed = await check(http, approver, row, 2, action="correct", text="已更正账户")
        assert (fixed.json()["state"], fixed.json()["correction"]) == ("corrected", "已更正账户")
        shown = await http.get(f"/v1/applications/{row['application']}", headers=approver)
        assert shown.json()["state"] == "completed"  # Nothing is reopened.
        told = await items(http, approver, f"/v1/applications/{row['application']}/events")
        kinds = [event["kind"] for event in told]
        assert kinds[-2:] == ["application.fault_found", "application.corrected"]
        assert "账户" not in str(told)

    async def test_who_handled_it_does_not_check_it(
        self, http: httpx.AsyncClient, make: Make, one: dict[str, Any]
    ) -> None:
        handler = await make.person(Role.CONTROL_OFFICER, "330000", subject="checked-by-lot")
        approver = await make.person(Role.APPROVER)
        own = await check(http, handler, one, 1, action="confirm")
        assert (own.status_code, own.json()["code"]) == (403, "check-separation")
        wrong = await check(http, approver, one, 1, action="report", text="不符")
        assert (wrong.status_code, wrong.json()["actions"]) == (409, [])
        stranger = await make.person(Role.CONTROL_OFFICER, "330105")
        assert (await http.get(f"{CHECKS}/{one['id']}", headers=stranger)).status_code == 404
        fine = await check(
            http, await make.person(Role.CONTROL_OFFICER, "330106"), one, 1, action="confirm"
        )
        assert fine.json()["state"] == "fine"


async def check(
    http: httpx.AsyncClient, who: dict[str, str], row: dict[str, Any], version: int, **body: Any
) -> httpx.Response:
    headers = who | {"If-Match": f'"{version}"'}
    return await http.post(f"{CHECKS}/{row['id']}/actions", json=body, headers=headers)


@pytest.fixture
async def one(
    http: httpx.AsyncClient, make: Make, state: State, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """One that was drawn."""
    monkeypatch.setattr(service, "EVERY", {"matter": 1, "outlet": 1})
    await decided(http, make, 1)
    await tell(state)
    await two(state, lambda s: service.draw(s, now()))
    controller = await make.person(Role.CONTROL_OFFICER, "330106")
    (row,) = await items(http, controller, CHECKS)
    return dict(row)


class TestHandOver:
    async def test_work_of_who_has_left_is_free_once(
        self, http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
    ) -> None:
        teller = make.teller(await make.place())
        made = [(await m.submit(http, teller)).json() for _ in range(2)]
        leaver = await make.person(Role.REVIEWER, subject="leaver")
        stayer = await make.person(Role.REVIEWER)
        await m.act(http, leaver, made[0], "take")
        await m.act(http, stayer, made[1], "take")
        assert await two(state, lambda s: timers.hand_over(s, now())) == [0, 0]
        async with owner.begin() as connection:
            await connection.execute(
                sa.text(
                    "UPDATE rights_grant SET ended_at = now(), state = 'ended' WHERE subject = 'leaver'"
                )
            )
        assert sorted(await two(state, lambda s: timers.hand_over(s, now()))) == [0, 1]
        (free,) = (await http.post("/v1/tasks/claim", json={}, headers=stayer)).json()["items"]
        assert free["number"] == made[0]["number"]
        told = await items(http, teller, f"/v1/applications/{free['number']}/events")
        assert [e["kind"] for e in told][-2:] == ["application.handed_over", "application.taken"]


async def test_an_action_sent_again_is_taken_once(
    http: httpx.AsyncClient, make: Make, state: State
) -> None:
    made = (await m.submit(http, make.teller(await make.place()))).json()
    reviewer = await make.person(Role.REVIEWER)
    url = f"/v1/applications/{made['number']}/actions"
    headers = reviewer | {"If-Match": '"1"', "Idempotency-Key": "taken-once"}
    answers = await asyncio.gather(
        *(http.post(url, json={"action": "take"}, headers=headers) for _ in range(6))
    )
    assert {a.status_code for a in answers} == {200}
    assert {a.json()["version"] for a in answers} == {2}
    assert sorted("idempotent-replayed" in a.headers for a in answers) == [False] + [True] * 5
    other = await http.post(url, json={"action": "grant"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    refused = {**headers, "Idempotency-Key": "refused-first", "If-Match": '"9"'}
    assert (await http.post(url, json={"action": "grant"}, headers=refused)).status_code == 412
    right = {**refused, "If-Match": '"2"'}
    assert (await http.post(url, json={"action": "grant"}, headers=right)).status_code == 200
