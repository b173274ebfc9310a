"""Ratings: once, by whom it was done for; poor ones are put right by others than those who handled it."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from access.policy import Role
from api.state import State
from applications.numbers import query_code
from kit.clock import today
from ratings.service import STEPS
from tests import make as m
from tests.make import IDS, Make
from tests.test_documents import denied
from worker import rectify

POOR = {"grade": 5, "tags": ["attitude"], "text": "排队两小时"}
WHO, NAME, PHONE = {"purpose": "回访"}, "测试甲", "13900000001"


async def done(http: httpx.AsyncClient, make: Make) -> tuple[dict[str, str], str, str]:
    """One that is over: its teller's headers, its number, its code."""
    teller, number = await denied(http, make)
    return teller, number, query_code(make.state.keys, number)


async def rate(
    http: httpx.AsyncClient, who: dict[str, str], number: str, body: Any = POOR, **more: str
) -> httpx.Response:
    url = f"/v1/applications/{number}/rating"
    return await http.post(url, json=body, headers={**who, **more})


async def manager(http: httpx.AsyncClient, make: Make, number: str) -> dict[str, str]:
    auditor = await make.person(Role.AUDITOR, "330000")
    row = (await http.get(f"/v1/applications/{number}", headers=auditor)).json()
    return await make.person(Role.OUTLET_MANAGER, row["outlet"])


async def poor(http: httpx.AsyncClient, who: dict[str, str]) -> dict[str, Any]:
    found = (await http.get("/v1/rectifications", headers=who)).json()["items"]
    assert len(found) == 1, found
    one: dict[str, Any] = found[0]
    return one


async def step(
    http: httpx.AsyncClient, who: dict[str, str], row: dict[str, Any], action: str, **more: Any
) -> httpx.Response:
    return await http.post(
        f"/v1/rectifications/{row['id']}/actions", json={"action": action, **more},
        headers={**who, "If-Match": f'"{row["version"]}"'},
    )  # fmt: skip


class TestRating:
    async def test_is_taken_once_and_a_repeat_is_harmless(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        teller, number, _ = await done(http, make)
        key = {"Idempotency-Key": m.key()}
        first, again = [await rate(http, teller, number, **key) for _ in range(2)]
        assert (first.status_code, first.json()) == (201, {"rated_on": today().isoformat()})
        assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
        second = await rate(http, teller, number, {"grade": 1})
        assert (second.status_code, second.json()["code"]) == (409, "rated-before")
        other = await rate(http, teller, number, {"grade": 1}, **key)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")

    async def test_of_many_at_once_one_is_taken(self, http: httpx.AsyncClient, make: Make) -> None:
        teller, number, code = await done(http, make)
        by_code = {"number": number, "code": code, "grade": 2}
        answers = await asyncio.gather(
            *(rate(http, teller, number) for _ in range(4)),
            *(http.post("/v1/progress/rating", json=by_code) for _ in range(4)),
        )
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7

    async def test_by_the_applicant_with_his_code_and_by_nobody_with_another(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        _, number, code = await done(http, make)
        _, _, foreign = await done(http, make)
        body, key = {"number": number, "grade": 4}, {"Idempotency-Key": m.key()}
        wrong = await http.post("/v1/progress/rating", json=body | {"code": foreign})
        assert (wrong.status_code, wrong.json()["code"]) == (404, "progress-not-found")
        for replayed in (None, "true"):
            answer = await http.post("/v1/progress/rating", json=body | {"code": code}, headers=key)
            assert answer.status_code == 201
            assert answer.headers.get("idempotent-replayed") == replayed
        for _ in range(4):
            await http.post("/v1/progress/rating", json=body | {"code": foreign})
        locked = await http.post("/v1/progress/rating", json=body | {"code": code})
        assert locked.status_code == 429

    async def test_by_the_page_s_own_form(self, http: httpx.AsyncClient, make: Make) -> None:
        _, number, code = await done(http, make)
        page = await http.post(f"/p/{number}", data={"code": code})
        assert f'action="/p/{number}/rating"' in page.text
        form = {"code": code, "grade": "5", "text": "<b>慢</b>"}
        wrong = await http.post(f"/p/{number}/rating", data=form | {"code": "AAAAAAAA"})
        assert wrong.status_code == 404
        rated = await http.post(f"/p/{number}/rating", data=form)
        assert (rated.status_code, "谢谢" in rated.text, "/rating" in rated.text) == (
            200,
            True,
            False,
        )
        again = await http.post(f"/p/{number}/rating", data=form)
        assert (again.status_code, "评价过" in again.text) == (409, True)
        told = await http.post("/v1/progress", json={"number": number, "code": code})
        assert told.json()["may_rate"] is False
        assert (await poor(http, await make.person(Role.AGENCY_HEAD)))["text"] == form["text"]

    async def test_of_one_that_is_not_over_is_too_early(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        teller = make.teller(await make.place())
        made = (await m.submit(http, teller)).json()
        answer = await rate(http, teller, made["number"])
        assert (answer.status_code, answer.json()["code"]) == (409, "rating-too-early")

    @pytest.mark.parametrize(
        "body",
        [{}, {"grade": 0}, {"grade": 6}, {"grade": "1"}, {"grade": True}, {"grade": 1, "tags": ["x"]},
         {"grade": 1, "name": "x"}, {"grade": 1, "text": " "}],
    )  # fmt: skip
    async def test_what_is_none_is_refused(
        self, http: httpx.AsyncClient, make: Make, body: dict[str, Any]
    ) -> None:
        teller = make.teller(await make.place())
        made = (await m.submit(http, teller)).json()
        assert (await rate(http, teller, made["number"], body)).status_code == 422

    async def test_another_outlet_s_teller_does_not_rate(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        _, number, _ = await done(http, make)
        assert (await rate(http, make.teller(await make.place()), number)).status_code == 404


async def test_nothing_leads_from_a_rating_to_who_gave_it(
    http: httpx.AsyncClient, make: Make, owner: AsyncEngine
) -> None:
    """For teller and reviewer nothing changes at all; in the tables the number stands nowhere in clear."""
    teller, number, code = await done(http, make)
    reviewer = await make.person(Role.REVIEWER)
    urls = [f"/v1/applications/{number}{rest}" for rest in ("", "/events", "/documents")]
    urls += ["/v1/events", "/v1/applications"]

    async def seen() -> list[str]:
        return [
            (await http.get(url, headers=who)).text for who in (teller, reviewer) for url in urls
        ]

    before = await seen()
    await http.post("/v1/progress/rating", json={"number": number, "code": code, **POOR})
    assert await seen() == before
    for who in (teller, reviewer):
        for url in ("/v1/rectifications", "/v1/ratings/figures"):
            assert (await http.get(url, headers=who)).status_code == 403
    head = await make.person(Role.AGENCY_HEAD)
    listed = (await http.get("/v1/rectifications", headers=head)).text
    assert "排队两小时" in listed
    for secret in (number, NAME, PHONE, IDS[0]):
        assert secret not in listed
    async with owner.connect() as connection:
        for table in ("rating", "rating_figure", "rectification"):
            rows = await connection.execute(sa.text(f"SELECT t::text FROM {table} t"))
            text = "".join(rows.scalars().all())
            assert text
            for secret in (
                number,
                number.encode().hex(),
                "排队两小时",
                "排队两小时".encode().hex(),
            ):
                assert secret not in text


class TestRectification:
    async def test_is_of_the_unit_and_runs_to_its_end(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        teller, number, _ = await done(http, make)
        await rate(http, teller, number)
        boss, head = await manager(http, make, number), await make.person(Role.AGENCY_HEAD)
        row = await poor(http, boss)
        due = state.desk.calendar.workdays.after(today(), 5).isoformat()
        assert (row["state"], row["due_on"], row["actions"]) == ("open", due, ["contact"])
        assert (await poor(http, head))["actions"] == []  # It was at the counter.
        url = f"/v1/rectifications/{row['id']}/reveal"
        told = (await http.post(url, json=WHO, headers=boss)).json()
        assert told == {"number": number, "name": NAME, "phone": PHONE}
        auditor = await make.person(Role.AUDITOR, "330000")
        looks = (await http.get("/v1/access-records?kind=rating", headers=auditor)).json()["items"]
        assert [(look["application"], look["purpose"]) for look in looks] == [(number, "回访")]
        assert (await step(http, head, row, "contact")).status_code == 409
        row = (await step(http, boss, row, "contact")).json()
        row = (await step(http, boss, row, "fix", text="已增开窗口")).json()
        assert row["actions"] == ["close"]
        wrong = await step(http, boss, row, "close", text="已回访", callback_result="appeal_upheld")
        assert wrong.status_code == 409
        row = (
            await step(http, boss, row, "close", text="已回访", callback_result="satisfied")
        ).json()
        assert (row["state"], row["callback_result"], row["actions"]) == ("closed", "satisfied", [])
        assert [note["text"] for note in row["notes"]] == ["已增开窗口", "已回访"]
        assert (await http.post(url, json=WHO, headers=boss)).status_code == 409

    async def test_an_appeal_is_judged_above(self, http: httpx.AsyncClient, make: Make) -> None:
        _, number, code = await done(http, make)
        await http.post("/v1/progress/rating", json={"number": number, "code": code, **POOR})
        head, control = (
            await make.person(Role.AGENCY_HEAD),
            await make.person(Role.CONTROL_OFFICER, "330000"),
        )
        row = await poor(http, head)
        row = (await step(http, head, row, "contact")).json()
        row = (await step(http, head, row, "appeal", text="评错了对象")).json()
        assert row["actions"] == []
        row = await poor(http, control)
        assert row["actions"] == ["judge"]
        ended = await step(
            http, control, row, "judge", text="属实", callback_result="appeal_upheld"
        )
        assert (ended.status_code, ended.json()["state"]) == (200, "closed")
        figures = (await http.get("/v1/ratings/figures", headers=control)).json()["items"]
        assert [(f["excused"], f["satisfaction"], f["closed"]) for f in figures] == [(1, None, 1)]

    async def test_stale_and_wordless_steps_are_refused(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        teller, number, _ = await done(http, make)
        await rate(http, teller, number)
        boss = await manager(http, make, number)
        row = await poor(http, boss)
        both = await asyncio.gather(*(step(http, boss, row, "contact") for _ in range(2)))
        assert sorted(answer.status_code for answer in both) == [200, 412]
        fresh = await poor(http, boss)
        assert (await step(http, boss, fresh, "fix")).status_code == 422
        bare = await http.post(
            f"/v1/rectifications/{row['id']}/actions", json={"action": "contact"}, headers=boss
        )
        assert bare.status_code == 428

    async def test_who_handled_it_is_not_told_though_he_holds_another_post(
        self, http: httpx.AsyncClient, make: Make, owner: AsyncEngine
    ) -> None:
        _, number, code = await done(http, make)
        await http.post("/v1/progress/rating", json={"number": number, "code": code, **POOR})
        head = await make.person(Role.AGENCY_HEAD, subject="both")
        async with owner.begin() as connection:
            await connection.execute(
                sa.text("UPDATE application SET reviewed_by = 'person:both' WHERE number = :n"),
                {"n": number},
            )
        row = await poor(http, head)
        url = f"/v1/rectifications/{row['id']}/reveal"
        answer = await http.post(url, json=WHO, headers=head)
        assert (answer.status_code, answer.json()["code"]) == (403, "rater-secret")

    async def test_what_is_overdue_is_told_once(
        self, http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
    ) -> None:
        teller, number, _ = await done(http, make)
        await rate(http, teller, number)
        head = await make.person(Role.AGENCY_HEAD, subject="the-head")
        await rectify.TASK.once(state.sessions)
        assert (await poor(http, head))["told_at"] is None
        async with owner.begin() as connection:
            await connection.execute(
                sa.text("UPDATE rectification SET due_on = :day"),
                {"day": today() - timedelta(days=1)},
            )
        await asyncio.gather(*(rectify.TASK.once(state.sessions) for _ in range(2)))
        row = (await http.get("/v1/rectifications?overdue=true", headers=head)).json()["items"][0]
        assert "person:the-head" in row["told"]
        await rectify.TASK.once(state.sessions)
        assert (await poor(http, head))["told_at"] == row["told_at"]
        assert not (await http.get("/v1/rectifications?overdue=false", headers=head)).json()[
            "items"
        ]

    def test_the_table_of_steps(self) -> None:
        assert {name: (s.sources, s.target) for name, s in STEPS.items()} == {
            "contact": (("open",), "contacted"), "fix": (("contacted",), "fixed"),
            "explain": (("contacted",), "explained"), "appeal": (("contacted",), "appealed"),
            "close": (("fixed", "explained"), "closed"), "judge": (("appealed",), "closed"),
        }  # fmt: skip


async def test_figures_are_counts_of_what_one_may_see(http: httpx.AsyncClient, make: Make) -> None:
    outlets = []
    for grade in (1, 3, 5):
        teller, number, _ = await done(http, make)
        await rate(http, teller, number, {"grade": grade})
        auditor = await make.person(Role.AUDITOR, "330000")
        row = (await http.get(f"/v1/applications/{number}", headers=auditor)).json()
        outlets.append(row["outlet"])
    url = "/v1/ratings/figures"
    for role, scope, seen in (
        (Role.OUTLET_MANAGER, outlets[2], outlets[2:]), (Role.BANK_ADMIN, "SRCB", outlets),
        (Role.BANK_ADMIN, "SPSB", []), (Role.OUTLET_ADMIN, "330100", outlets),
        (Role.OUTLET_ADMIN, "330205", []), (Role.AGENCY_HEAD, "330106", outlets),
    ):  # fmt: skip
        who = await make.person(role, scope)
        listed = (await http.get(url, headers=who)).json()["items"]
        assert [item["outlet"] for item in listed] == sorted(seen), (role, scope)
    who = await make.person(Role.AUDITOR, "330000")
    first = (await http.get(f"{url}?limit=2&division=330106", headers=who)).json()
    rest = (
        await http.get(f"{url}?limit=2&division=330106&after={first['next']}", headers=who)
    ).json()
    items = {item["outlet"]: item for item in first["items"] + rest["items"]}
    assert len(items) == 3
    worst = items[outlets[2]]
    assert (worst["grades"], worst["satisfaction"]) == ([0, 0, 0, 0, 1], 0.0)
    assert (worst["rectifications"], worst["rectification_rate"]) == (1, 0.0)
    assert items[outlets[0]]["rectification_rate"] is None
    assert not (await http.get(f"{url}?month_to=2020-01-01", headers=who)).json()["items"]
