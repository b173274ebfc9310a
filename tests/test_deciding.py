"""Working off: claims, decisions, separation of duties, delivery."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from access.policy import Role
from api.state import State
from kit.clock import now
from kit.commitment import read
from tests import make as m
from tests.make import IDS, PENSION, Make
from tests.statements import statements

CLAIM = "/v1/tasks/claim"


async def claim(
    http: httpx.AsyncClient, who: dict[str, str], limit: int = 1
) -> list[dict[str, Any]]:
    answer = await http.post(CLAIM, json={"limit": limit}, headers=who)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def pension(http: httpx.AsyncClient, make: Make) -> tuple[dict[str, str], dict[str, Any]]:
    """A claim of a resident pension (two persons decide), accepted."""
    teller = make.teller(await make.place())
    wanted = m.body(PENSION)
    upload = await http.post(
        "/v1/files", files={"file": ("a.pdf", b"%PDF-" + b"x" * 99)}, headers=teller
    )
    wanted["materials"] = [
        {"code": "id_card", "exemption": "card_read"},
        {"code": "claim_form", "file": upload.json()["file"]},
    ]
    answer = await m.submit(http, teller, wanted)
    assert answer.status_code == 201, answer.text
    return teller, answer.json()


class TestRiskClassOne:
    async def test_reviewer_decides_and_teller_delivers(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        teller = make.teller(await make.place())
        made = (await m.submit(http, teller)).json()
        reviewer = await make.person(Role.REVIEWER)
        (mine,) = await claim(http, reviewer)
        assert (mine["number"], mine["state"], mine["version"]) == (made["number"], "in_review", 2)
        assert mine["actions"] == ["propose_suspension", "grant", "deny", "transfer"]
        done = await m.act(http, reviewer, mine, "grant", opinion="同意", result={"no": "1"})
        assert done.status_code == 200, done.text
        assert (done.json()["state"], done.json()["outcome"], done.json()["light"]) == (
            "completed", "granted", "none",
        )  # fmt: skip
        given = await m.act(
            http, teller, done.json(), "deliver", way="counter", received_by="测试甲"
        )
        assert (given.json()["state"], given.json()["documents"]) == (
            "delivered", ["REC", "ACP", "STL", "RCH"],
        )  # fmt: skip

    async def test_denial_states_reason_and_remedy(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        made = (await m.submit(http, make.teller(await make.place()))).json()
        reviewer = await make.person(Role.REVIEWER)
        taken = (await m.act(http, reviewer, made, "take")).json()
        bare = await m.act(http, reviewer, taken, "deny")
        assert (bare.status_code, {e["at"] for e in bare.json()["errors"]}) == (
            422, {"/reason", "/opinion"},
        )  # fmt: skip
        wrong = await m.act(http, reviewer, taken, "deny", reason="TH01", opinion="不符")
        assert [e["rule"] for e in wrong.json()["errors"]] == ["enum"]
        done = await m.act(http, reviewer, taken, "deny", reason="BY02", opinion="年限不足")
        assert (done.json()["outcome"], "NST" in done.json()["documents"]) == ("denied", True)
        shown = await http.get(f"/v1/applications/{made['number']}", headers=reviewer)
        assert "行政复议" in shown.json()["result"]["remedy"]


class TestTwoPersons:
    async def test_second_person_decides(self, http: httpx.AsyncClient, make: Make) -> None:
        _, made = await pension(http, make)
        reviewer, second = await make.person(Role.REVIEWER), await make.person(Role.SECOND_REVIEWER)
        taken = (await m.act(http, reviewer, made, "take")).json()
        assert taken["actions"] == ["propose_suspension", "pass", "transfer"]
        early = await m.act(http, reviewer, taken, "grant")
        assert (early.status_code, early.json()["code"]) == (409, "action-not-allowed")
        assert early.json()["actions"] == taken["actions"]
        passed = (await m.act(http, reviewer, taken, "pass", opinion="初审通过")).json()
        assert (passed["state"], passed["actions"]) == ("in_second_review", [])
        (theirs,) = await claim(http, second)
        assert theirs["state"] == "in_second_review"
        done = await m.act(http, second, theirs, "grant", opinion="同意")
        assert done.json()["state"] == "completed"

    async def test_one_person_in_both_posts_is_refused(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        _, made = await pension(http, make)
        await make.person(Role.REVIEWER, subject="both")
        both = await make.person(Role.SECOND_REVIEWER, subject="both")
        taken = (await m.act(http, both, made, "take")).json()
        passed = (await m.act(http, both, taken, "pass")).json()
        assert await claim(http, both) == []
        assert (await http.get("/v1/tasks", headers=both)).json()["items"] == []
        done = await m.act(http, both, passed, "grant")
        assert (done.status_code, done.json()["code"]) == (403, "separation-of-duties")

    async def test_sent_back_to_the_one_who_knows(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        _, made = await pension(http, make)
        reviewer, second = await make.person(Role.REVIEWER), await make.person(Role.SECOND_REVIEWER)
        other = await make.person(Role.REVIEWER)
        taken = (await m.act(http, reviewer, made, "take")).json()
        passed = (await m.act(http, reviewer, taken, "pass")).json()
        back = (await m.act(http, second, passed, "send_back", reason="TH01")).json()
        assert back["state"] == "in_review"
        assert await claim(http, other) == []
        refused = await m.act(http, other, back, "pass")
        assert (refused.status_code, refused.json()["code"]) == (409, "claimed-by-other")
        again = await m.act(http, reviewer, back, "pass")
        assert again.json()["state"] == "in_second_review"

    async def test_three_persons_of_risk_class_three(
        self, http: httpx.AsyncClient, make: Make, owner: AsyncEngine
    ) -> None:
        _, made = await pension(http, make)
        async with owner.begin() as connection:
            await connection.execute(sa.text("UPDATE application SET risk_class = 3"))
        people = [
            await make.person(role) for role in (Role.REVIEWER, Role.SECOND_REVIEWER, Role.APPROVER)
        ]
        row = (await m.act(http, people[0], made, "take")).json()
        row = (await m.act(http, people[0], row, "pass")).json()
        row = (await m.act(http, people[1], row, "pass")).json()
        assert row["state"] == "in_approval"
        row = (await m.act(http, people[2], row, "grant", opinion="批准")).json()
        assert row["state"] == "completed"


class TestClaims:
    async def test_never_one_for_two(self, http: httpx.AsyncClient, make: Make) -> None:
        teller = make.teller(await make.place())
        await asyncio.gather(*(m.submit(http, teller) for _ in range(30)))
        people = [await make.person(Role.REVIEWER) for _ in range(5)]
        taken = await asyncio.gather(*(claim(http, p, 7) for p in people))
        numbers = [row["number"] for rows in taken for row in rows]
        assert len(numbers) == len(set(numbers)) == 30

    async def test_least_time_left_first(
        self, http: httpx.AsyncClient, make: Make, owner: AsyncEngine
    ) -> None:
        teller = make.teller(await make.place())
        made = [(await m.submit(http, teller)).json()["number"] for _ in range(3)]
        async with owner.begin() as connection:
            for days, number in zip((3, 1, 2), made, strict=True):
                await connection.execute(
                    sa.text(
                        "UPDATE application SET due_on = due_on + cast(:d AS int) WHERE number = :n"
                    ),
                    {"d": days, "n": number},
                )
        reviewer = await make.person(Role.REVIEWER)
        listed = (await http.get("/v1/tasks", headers=reviewer)).json()["items"]
        assert [row["number"] for row in listed] == [made[1], made[2], made[0]]
        assert [row["number"] for row in await claim(http, reviewer, 2)] == [made[1], made[2]]

    async def test_lapsed_claim_is_free_to_others(
        self, http: httpx.AsyncClient, make: Make, owner: AsyncEngine
    ) -> None:
        await m.submit(http, make.teller(await make.place()))
        first, second = await make.person(Role.REVIEWER), await make.person(Role.REVIEWER)
        (mine,) = await claim(http, first)
        assert await claim(http, second) == []
        async with owner.begin() as connection:
            await connection.execute(
                sa.text("UPDATE application SET claimed_until = :t"),
                {"t": now() - timedelta(seconds=1)},
            )
        (theirs,) = await claim(http, second)
        assert theirs["number"] == mine["number"]
        late = await m.act(http, first, theirs, "grant")
        assert (late.status_code, late.json()["code"]) == (409, "claimed-by-other")

    async def test_what_another_claim_locks_is_passed_over(
        self, http: httpx.AsyncClient, make: Make, owner: AsyncEngine
    ) -> None:
        """A claim does not wait for another's open transaction: it takes the next."""
        teller = make.teller(await make.place())
        made = [(await m.submit(http, teller)).json()["number"] for _ in range(2)]
        reviewer = await make.person(Role.REVIEWER)
        async with owner.begin() as connection:
            await connection.execute(
                sa.text("SELECT 1 FROM application WHERE number = :n FOR NO KEY UPDATE"),
                {"n": made[0]},
            )
            assert [row["number"] for row in await claim(http, reviewer, 2)] == [made[1]]
        assert [row["number"] for row in await claim(http, reviewer, 2)] == [made[0]]

    async def test_released_is_free_at_once(self, http: httpx.AsyncClient, make: Make) -> None:
        await m.submit(http, make.teller(await make.place()))
        first, second = await make.person(Role.REVIEWER), await make.person(Role.REVIEWER)
        (mine,) = await claim(http, first)
        released = await http.post(f"/v1/tasks/{mine['number']}/release", headers=first)
        assert released.json()["claimed_until"] is None
        assert len(await claim(http, second)) == 1

    async def test_other_agencies_see_nothing(self, http: httpx.AsyncClient, make: Make) -> None:
        made = (await m.submit(http, make.teller(await make.place()))).json()
        other = await make.person(Role.REVIEWER, "330105")
        assert await claim(http, other) == []
        assert (await http.get("/v1/tasks", headers=other)).json()["items"] == []
        url = f"/v1/applications/{made['number']}"
        assert (await http.get(url, headers=other)).status_code == 404
        assert (await m.act(http, other, made, "take")).status_code == 404
        assert (await http.get(f"{url}/events", headers=other)).status_code == 404
        assert (
            await http.post(f"{url}/reveal", json={"purpose": "看看"}, headers=other)
        ).status_code == 404
        listed = await http.get("/v1/applications?agency=330106", headers=other)
        assert listed.json()["items"] == []


class TestConditions:
    async def test_without_if_match_and_stale(self, http: httpx.AsyncClient, make: Make) -> None:
        made = (await m.submit(http, make.teller(await make.place()))).json()
        reviewer = await make.person(Role.REVIEWER)
        url = f"/v1/applications/{made['number']}/actions"
        bare = await http.post(url, json={"action": "take"}, headers=reviewer)
        assert (bare.status_code, bare.json()["code"]) == (428, "if-match-required")
        stale = await m.act(http, reviewer, {**made, "version": 9}, "take")
        assert (stale.status_code, stale.json()["code"]) == (412, "version-stale")
        for bad in ("3", '"x"', '""', '"-1"', '"1e3"'):
            odd = await http.post(
                url, json={"action": "take"}, headers={**reviewer, "If-Match": bad}
            )
            assert (odd.status_code, odd.json()["code"]) == (422, "request-invalid")

    async def test_same_action_twice_changes_once(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        made = (await m.submit(http, make.teller(await make.place()))).json()
        people = [await make.person(Role.REVIEWER) for _ in range(8)]
        answers = await asyncio.gather(*(m.act(http, p, made, "take") for p in people))
        assert sorted(a.status_code for a in answers) == [200] + [412] * 7

    async def test_role_is_refused_before_the_version(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        teller = make.teller(await make.place())
        made = (await m.submit(http, teller)).json()
        answer = await m.act(http, teller, {**made, "version": 9}, "grant")
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")

    async def test_void_on_the_same_day_by_the_manager(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place = await make.place()
        made = (await m.submit(http, make.teller(place))).json()
        manager = await make.person(Role.OUTLET_MANAGER, place.outlet)
        shown = (await http.get(f"/v1/applications/{made['number']}", headers=manager)).json()
        assert shown["actions"] == ["void"]
        done = await m.act(http, manager, shown, "void", reason="录入错误")
        assert done.json()["state"] == "voided"

    async def test_acceptance_by_the_agency(self, http: httpx.AsyncClient, make: Make) -> None:
        made = (await m.submit(http, make.teller(await make.place()), m.body(accept=False))).json()
        officer = await make.person(Role.ACCEPTANCE_OFFICER)
        done = (await m.act(http, officer, made, "accept")).json()
        assert (done["state"], done["documents"]) == ("accepted", ["REC", "ACP"])
        assert done["promised_due_on"] is not None

    async def test_refusal_names_who_is_competent(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        made = (await m.submit(http, make.teller(await make.place()), m.body(accept=False))).json()
        officer = await make.person(Role.ACCEPTANCE_OFFICER)
        bare = await m.act(http, officer, made, "refuse", reason="BS01", text="不属本机构")
        assert [e["at"] for e in bare.json()["errors"]] == ["/right_agency"]
        done = await m.act(
            http, officer, made, "refuse", reason="BS01", text="不属本机构", right_agency="330105"
        )
        assert (done.json()["state"], done.json()["light"]) == ("refused", "none")


class TestReading:
    async def test_masked_until_revealed_and_recorded(
        self, http: httpx.AsyncClient, make: Make, owner: AsyncEngine, state: State
    ) -> None:
        made = (await m.submit(http, make.teller(await make.place()))).json()
        reviewer = await make.person(Role.REVIEWER)
        url = f"/v1/applications/{made['number']}"
        shown = (await http.get(url, headers=reviewer)).json()
        assert shown["applicant"]["id_number"] == "339900********0018"
        assert IDS[0] not in str(shown)
        full = (
            await http.post(f"{url}/reveal", json={"purpose": "核对身份"}, headers=reviewer)
        ).json()
        assert full["applicant"]["id_number"] == IDS[0]
        async with owner.connect() as connection:
            found = await connection.execute(
                sa.text(
                    "SELECT id, application, purpose_sealed, purpose_commitment FROM access_record"
                )
            )
            ((id_, number, *said),) = found.all()
        purpose = read(state.keys, *said, bound_to=f"access_record.purpose_sealed:{id_}")
        assert (number, purpose) == (made["number"], "核对身份")

    async def test_pages_meet_while_rows_are_added(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        teller = make.teller(await make.place())
        made = [(await m.submit(http, teller)).json()["number"] for _ in range(5)]
        seen: list[str] = []
        after = None
        while True:
            params = {"limit": 2} | ({"after": after} if after else {})
            page = (await http.get("/v1/applications", params=params, headers=teller)).json()
            seen += [row["number"] for row in page["items"]]
            await m.submit(http, teller)
            if (after := page["next"]) is None:
                break
        assert seen == made[::-1]

    async def test_filters(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        teller = make.teller(place)
        await m.submit(http, teller)
        await m.submit(http, teller, m.body(accept=False))

        async def count(query: str) -> int:
            answer = await http.get(f"/v1/applications?{query}", headers=teller)
            assert answer.status_code == 200, answer.text
            return len(answer.json()["items"])

        assert await count("") == 2
        assert await count("state=received") == 1
        assert await count(f"matter={m.RECORD}&outlet={place.outlet}&agency=330106") == 2
        assert await count("received_from=2020-01-01&received_to=2020-01-02") == 0
        assert await count("received_from=2020-01-01&received_to=2099-01-02") == 2
        lights = [await count(f"light={light}") for light in ("green", "yellow", "red", "overdue")]
        assert sum(lights) == 2

    async def test_light_in_sql_is_the_light_shown(
        self, http: httpx.AsyncClient, make: Make, owner: AsyncEngine
    ) -> None:
        teller = make.teller(await make.place())
        for days in range(-12, 4):
            number = (await m.submit(http, teller)).json()["number"]
            async with owner.begin() as connection:
                await connection.execute(
                    sa.text(
                        "UPDATE application SET yellow_on = yellow_on + cast(:d AS int), red_on = red_on"
                        " + cast(:d AS int), overdue_on = overdue_on + cast(:d AS int) WHERE number = :n"
                    ),
                    {"d": days, "n": number},
                )
        seen = 0
        for light in ("green", "yellow", "red", "overdue"):
            rows = (await http.get(f"/v1/applications?light={light}", headers=teller)).json()[
                "items"
            ]
            assert {row["light"] for row in rows} <= {light}
            seen += len(rows)
        assert seen == 16


async def test_statements_of_lists_claims_and_actions(
    http: httpx.AsyncClient, make: Make, state: State
) -> None:
    """Design 6: a list at most 2, a claim at most 2, an action at most 5."""
    teller = make.teller(await make.place())
    made = [(await m.submit(http, teller)).json() for _ in range(4)]
    reviewer = await make.person(Role.REVIEWER)
    async with statements(state) as sent:
        await http.get("/v1/applications", headers=teller)
    assert len(sent) <= 2, sent
    async with statements(state) as sent:
        await http.get("/v1/tasks", headers=reviewer)
    assert len(sent) <= 2, sent
    async with statements(state) as sent:
        assert len(await claim(http, reviewer, 3)) == 3
    assert len(sent) <= 2, sent
    (mine,) = await claim(http, reviewer)
    assert mine["number"] in {row["number"] for row in made}
    async with statements(state) as sent:
        done = await m.act(http, reviewer, mine, "grant", opinion="同意")
    assert done.status_code == 200
    assert len(sent) <= 5, sent
