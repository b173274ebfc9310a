"""Procedures of several steps at several agencies: clocks, letters, who sees them, who may not do the next."""

import asyncio
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from access.policy import Role
from api.state import State
from kit.clock import now, today
from tests import make as m
from tests.make import Make
from tests.statements import statements
from worker import lights

TRANSFER, CLOSING, ARCHIVES = "332014901006", "332014901004", "332014901017"
REHABILITATION, ENROLMENT = "332014901016", "332014901002"
NEW, OLD, ELSEWHERE = "330106", "330205", "320104"
LETTER, TABLE = "杭社险函〔2026〕15号", "XXB-2026-000123"


class People:
    """Who works at an agency; each of them another person."""

    def __init__(self, make: Make, agency: str) -> None:
        self.make, self.agency = make, agency

    async def __call__(self, role: Role) -> dict[str, str]:
        return await self.make.person(role, self.agency)


async def transfer(
    http: httpx.AsyncClient, make: Make, former: str = OLD, matter: str = TRANSFER
) -> tuple[dict[str, str], dict[str, Any]]:
    """A transfer of relations, accepted at the new place; with the outlet's teller."""
    teller = make.teller(await make.place())
    wanted = m.body(matter, accept=False)
    if matter == TRANSFER:
        wanted["form"] |= {"former_place": former}
    upload = await http.post(
        "/v1/files", files={"file": ("a.pdf", b"%PDF-" + b"x" * 99)}, headers=teller
    )
    asked = (await http.get(f"/v1/matters/{matter}/guide", headers=teller)).json()["materials"]
    wanted["materials"] = [
        {"code": one["code"], "exemption": one["exemptions"][0]}
        if one["exemptions"] else {"code": one["code"], "file": upload.json()["file"]}
        for one in asked if one["necessity"] != "optional"
    ]  # fmt: skip
    made = await m.submit(http, teller, wanted)
    assert made.status_code == 201, made.text
    officer = await make.person(Role.ACCEPTANCE_OFFICER)
    taken = await m.act(http, officer, made.json(), "accept")
    assert taken.status_code == 200, taken.text
    return teller, taken.json()


async def did(
    http: httpx.AsyncClient, who: dict[str, str], row: dict[str, Any], *actions: str, **more: Any
) -> dict[str, Any]:
    """Take actions one after another; the last one with `more`."""
    for nth, action in enumerate(actions, 1):
        answer = await m.act(http, who, row, action, **(more if nth == len(actions) else {}))
        assert answer.status_code == 200, answer.text
        row = answer.json()
    return row


async def first_step(
    http: httpx.AsyncClient, make: Make, row: dict[str, Any]
) -> tuple[dict[str, str], dict[str, str], dict[str, Any]]:
    """The new place checks, a second person sends the contact letter."""
    reviewer, second = (
        await make.person(Role.REVIEWER, NEW),
        await make.person(Role.SECOND_REVIEWER, NEW),
    )
    row = await did(http, reviewer, row, "take", "pass")
    row = await did(http, second, row, "grant", opinion="同意转入", letter=LETTER)
    return reviewer, second, row


async def back_in_time(owner: AsyncEngine, number: str, days: int) -> None:
    """Let an application be as it would be had everything of it happened so many days earlier."""
    async with owner.begin() as connection:
        await connection.execute(
            sa.text("""
                UPDATE application SET received_at = received_at - make_interval(days => :by),
                    accepted_at = accepted_at - make_interval(days => :by),
                    step_began_at = step_began_at - make_interval(days => :by)
                WHERE number = :number
            """),
            {"by": days, "number": number},
        )


def due(state: State, start: date, length: int) -> str:
    return state.desk.calendar.workdays.after(start, length).isoformat()


async def test_a_transfer_runs_through_two_agencies_with_both_clocks(
    http: httpx.AsyncClient, make: Make, state: State
) -> None:
    teller, row = await transfer(http, make)
    assert (row["step"], row["agency"]["code"]) == (1, NEW)
    assert (row["step_due_on"], row["due_on"]) == (due(state, today(), 15),) * 2
    assert row["legal_due_on"] == row["promised_due_on"] == due(state, today(), 45)

    reviewer, second, row = await first_step(http, make, row)
    assert (row["state"], row["step"], row["agency"]["code"]) == ("accepted", 2, OLD)
    assert (row["step_due_on"], row["legal_due_on"]) == (
        due(state, today(), 15), due(state, today(), 45),
    )  # fmt: skip
    assert (row["decided_by"], row["outcome"], row["claimed_until"]) == (None, None, None)
    assert row["actions"] == []  # It is another agency's now.

    theirs = await make.person(Role.REVIEWER, OLD)
    (listed,) = (await http.get("/v1/tasks", headers=theirs)).json()["items"]
    assert listed["number"] == row["number"]
    row = await did(http, theirs, row, "take")
    assert row["actions"] == ["propose_suspension", "grant", "send_back", "transfer"]
    denied = await m.act(http, theirs, row, "deny", reason="BY01", opinion="欠费")
    assert (denied.status_code, denied.json()["code"]) == (409, "action-not-allowed")
    row = await did(http, theirs, row, "grant", opinion="已转出", letter=TABLE)
    assert (row["state"], row["step"], row["agency"]["code"]) == ("accepted", 3, NEW)

    row = await did(http, reviewer, row, "take", "pass")  # Step 3 goes on with the work of step 1.
    row = await did(http, second, row, "grant", opinion="准予接续", result={"months": 96})
    assert (row["state"], row["outcome"], row["documents"][-1]) == ("completed", "granted", "STL")
    await _shows_its_way(http, teller, row)


async def _shows_its_way(
    http: httpx.AsyncClient, teller: dict[str, str], row: dict[str, Any]
) -> None:

    shown = (await http.get(f"/v1/applications/{row['number']}", headers=teller)).json()
    past = [
        (p["step"], p["name"], p["agency"]["code"], p["how"], p["letter"])
        for p in shown["past_steps"]
    ]
    assert past == [
        (1, "受理审核并发出联系函", NEW, "passed_on", LETTER), (2, "转出地办理", OLD, "passed_on", TABLE),
    ]  # fmt: skip
    assert all("people" not in past for past in shown["past_steps"])


async def test_each_agency_hears_of_what_comes_and_of_what_goes(
    http: httpx.AsyncClient, make: Make
) -> None:
    _, row = await transfer(http, make)
    *_, row = await first_step(http, make, row)
    auditor = await make.person(Role.AUDITOR, "330000")
    events = (await http.get(f"/v1/applications/{row['number']}/events", headers=auditor)).json()[
        "items"
    ]
    assert [(e["kind"], e["agency"]) for e in events[-2:]] == [
        ("application.transferred_away", NEW), ("application.step_passed_on", OLD),
    ]  # fmt: skip
    facts = events[-1]["facts"]
    assert (facts["letter"], facts["from_agency"], facts["step_due_on"]) == (
        LETTER, NEW, row["step_due_on"],
    )  # fmt: skip


async def test_the_second_sends_it_back_and_the_first_goes_on_where_its_clock_stood(
    http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
) -> None:
    workdays = state.desk.calendar.workdays
    _, row = await transfer(http, make)
    await back_in_time(owner, row["number"], 10)
    reviewer, second, row = await first_step(http, make, row)
    begun = today() - timedelta(days=10)
    spent = workdays.between(begun, today())
    assert row["legal_due_on"] == due(state, begun, 45)

    await back_in_time(owner, row["number"], 7)  # The old place had it for a week.
    theirs = await make.person(Role.REVIEWER, OLD)
    taken = await did(http, theirs, row, "take")
    bare = await m.act(http, theirs, taken, "send_back")
    assert (bare.status_code, [e["at"] for e in bare.json()["errors"]]) == (422, ["/reason"])
    row = await did(http, theirs, taken, "send_back", reason="TH02", opinion="缴费凭证信息不符")
    assert (row["state"], row["step"], row["agency"]["code"]) == ("accepted", 1, NEW)
    assert row["step_due_on"] == due(state, today(), 15 - spent)
    assert row["legal_due_on"] == due(state, begun - timedelta(days=7), 45)

    other = await make.person(Role.REVIEWER, NEW)
    shown = (await http.get(f"/v1/applications/{row['number']}", headers=other)).json()
    assert [(p["how"], p["reason"]) for p in shown["past_steps"]] == [
        ("passed_on", None), ("sent_back", "TH02"),
    ]  # fmt: skip
    row = await did(http, reviewer, row, "take", "pass")
    row = await did(http, second, row, "grant", letter="杭社险函〔2026〕16号")
    assert (row["step"], row["agency"]["code"]) == (2, OLD)
    assert row["step_due_on"] == due(
        state, today(), 15 - workdays.between(today() - timedelta(7), today())
    )
    row = await did(http, theirs, row, "take", "grant", letter=TABLE)
    assert row["step"] == 3


async def test_an_agency_that_is_away_is_seen_in_the_lights_and_loses_nothing(
    http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
) -> None:
    _, row = await transfer(http, make)
    *_, row = await first_step(http, make, row)
    theirs = await make.person(Role.REVIEWER, OLD)
    assert row["light"] == "green"
    late = 31  # Calendar days: past the fifteen working days, and a week more.
    await back_in_time(owner, row["number"], late)
    async with owner.begin() as connection:
        await connection.execute(sa.text("UPDATE application SET calendar_generation = 0"))
    async with state.sessions() as session, session.begin():
        from applications import timers  # noqa: PLC0415

        assert await timers.date_anew(session, state.desk, OLD, now()) == (1, 1)
    await lights.tell(state.sessions)
    (listed,) = (await http.get("/v1/tasks?light=overdue", headers=theirs)).json()["items"]
    assert (listed["number"], listed["light"]) == (row["number"], "overdue")
    assert listed["step_due_on"] == due(state, today() - timedelta(late), 15)
    assert listed["step_due_on"] < str(today()) < listed["legal_due_on"]
    row = await did(http, theirs, listed, "take", "grant", letter=TABLE)
    assert (row["step"], row["light"], row["step_due_on"]) == (3, "green", due(state, today(), 15))


async def test_who_had_a_step_goes_on_seeing_it_and_does_nothing_more(
    http: httpx.AsyncClient, make: Make, state: State
) -> None:
    _, row = await transfer(http, make)
    here, there = await make.person(Role.REVIEWER, NEW), await make.person(Role.REVIEWER, OLD)
    stranger = await make.person(Role.REVIEWER, "330302")
    city = await make.person(Role.AUDITOR, "330100")
    path = f"/v1/applications/{row['number']}"

    async def seen(who: dict[str, str], query: str = "") -> tuple[int, int]:
        found = (await http.get(f"/v1/applications?limit=2{query}", headers=who)).json()["items"]
        return (await http.get(path, headers=who)).status_code, len(found)

    assert [await seen(who) for who in (here, there, stranger, city)] == [
        (200, 1), (404, 0), (404, 0), (200, 1),
    ]  # fmt: skip
    *_, row = await first_step(http, make, row)
    assert [await seen(who) for who in (here, there, stranger, city)] == [
        (200, 1), (200, 1), (404, 0), (200, 1),
    ]  # fmt: skip
    for query, number in (
        (f"&agency={OLD}", 1), (f"&agency={NEW}", 0), ("&state=accepted", 1), ("&state=in_review", 0),
        ("&light=green", 1), ("&light=red", 0), ("&light=none", 0), (f"&matter={TRANSFER}", 1),
    ):  # fmt: skip
        assert (await seen(here, query))[1] == number, query
    assert (await http.get("/v1/tasks", headers=here)).json()["items"] == []
    refused = await m.act(http, here, row, "take")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    async with statements(state) as sent:
        await http.get("/v1/applications", headers=here)
    assert len(sent) == 1, sent


async def test_a_list_of_both_kinds_is_whole_and_in_order(
    http: httpx.AsyncClient, make: Make
) -> None:
    numbers = []
    for nth in range(5):
        _, row = await transfer(http, make)
        numbers.append(row["number"])
        if nth % 2:
            await first_step(http, make, row)
    here, found, after = await make.person(Role.REVIEWER, NEW), [], ""
    while True:
        page = (await http.get(f"/v1/applications?limit=2{after}", headers=here)).json()
        found += [item["number"] for item in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert found == numbers[::-1]


@pytest.mark.parametrize("letter", [None, "没有编号", "<1>号", "x" * 41])
async def test_a_step_that_sends_a_letter_asks_for_its_number(
    http: httpx.AsyncClient, make: Make, letter: str | None
) -> None:
    _, row = await transfer(http, make)
    reviewer, second = await make.person(Role.REVIEWER), await make.person(Role.SECOND_REVIEWER)
    row = await did(http, reviewer, row, "take", "pass")
    answer = await m.act(http, second, row, "grant", letter=letter)
    assert answer.status_code in (400, 422)
    assert [e["at"] for e in answer.json()["errors"]] == ["/letter"]


async def test_a_result_is_of_the_last_step_and_a_letter_of_one_that_sends_one(
    http: httpx.AsyncClient, make: Make
) -> None:
    _, row = await transfer(http, make)
    reviewer, second = await make.person(Role.REVIEWER), await make.person(Role.SECOND_REVIEWER)
    row = await did(http, reviewer, row, "take", "pass")
    early = await m.act(http, second, row, "grant", letter=LETTER, result={"a": 1})
    assert [e["at"] for e in early.json()["errors"]] == ["/result"]
    teller = make.teller(await make.place())
    plain = (await m.submit(http, teller)).json()
    taken = await did(http, reviewer, plain, "take")
    odd = await m.act(http, reviewer, taken, "grant", letter=LETTER)
    assert [e["at"] for e in odd.json()["errors"]] == ["/letter"]


async def test_a_place_in_another_province_is_waited_for_where_it_was(
    http: httpx.AsyncClient, make: Make
) -> None:
    _, row = await transfer(http, make, ELSEWHERE)
    reviewer, _, row = await first_step(http, make, row)
    assert (row["step"], row["agency"]["code"], row["state"]) == (2, NEW, "accepted")
    again = await m.act(http, reviewer, row, "take")
    assert (again.status_code, again.json()["code"]) == (403, "separation-of-duties")


async def test_first_check_second_check_and_approval_are_different_persons(
    http: httpx.AsyncClient, make: Make, state: State
) -> None:
    _, row = await transfer(http, make, matter=CLOSING)
    assert row["step_due_on"] == due(state, today(), 2)
    village, township, county = [await make.person(Role.REVIEWER) for _ in range(3)]
    await make.person(Role.REVIEWER, subject="of-all-posts")
    both = await make.person(Role.SECOND_REVIEWER, subject="of-all-posts")
    row = await did(http, both, row, "take")
    row = await did(http, both, row, "grant", opinion="初审属实")
    assert (row["step"], row["agency"]["code"]) == (2, NEW)
    assert (await http.post("/v1/tasks/claim", json={"limit": 1}, headers=both)).json()[
        "items"
    ] == []
    assert (await http.get("/v1/tasks", headers=both)).json()["items"] == []
    (row,) = (await http.post("/v1/tasks/claim", json={"limit": 1}, headers=township)).json()[
        "items"
    ]
    row = await did(http, township, row, "grant", opinion="复核无误")
    assert row["step"] == 3
    refused = await m.act(http, township, row, "take")
    assert refused.json()["code"] == "separation-of-duties"
    row = await did(http, county, row, "take", "pass")
    assert (await m.act(http, both, row, "grant")).json()["code"] == "separation-of-duties"
    row = await did(http, await make.person(Role.SECOND_REVIEWER), row, "grant")
    assert (row["state"], row["outcome"]) == ("completed", "granted")
    assert village  # One more who might have.


async def test_an_enrolment_is_checked_in_village_and_township_and_confirmed_by_the_county(
    http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
) -> None:
    _, made = await transfer(http, make, matter=ENROLMENT)
    assert (made["state"], made["step"], made["agency"]["code"]) == ("accepted", 1, NEW)
    assert (made["step_due_on"], made["due_on"]) == (due(state, today(), 1),) * 2
    assert (made["promised_due_on"], made["legal_due_on"]) == (
        due(state, today(), 3), due(state, today(), 10),
    )  # fmt: skip
    village, township, county = [await make.person(Role.REVIEWER) for _ in range(3)]
    row = await did(http, village, made, "take")
    denied = await m.act(http, village, row, "deny", reason="BY01", opinion="非本村居民")
    assert (
        denied.json()["code"] == "action-not-allowed"
    )  # A village may not: it says what it knows.
    row = await did(http, village, row, "grant", opinion="情况属实")
    assert (row["step"], row["agency"]["code"]) == (2, NEW)

    await back_in_time(owner, row["number"], 7)
    row = await did(http, township, row, "take", "send_back", reason="TH02", opinion="户籍地有出入")
    begun = today() - timedelta(days=7)
    # The village's day had not been used: it has it now.
    assert (row["step"], row["step_due_on"]) == (1, due(state, today(), 1))
    assert [(p["name"], p["how"]) for p in await _past(http, county, row)] == [
        ("村（社区）协办", "passed_on"), ("乡镇（街道）初核", "sent_back"),
    ]  # fmt: skip
    row = await did(http, village, row, "take", "grant", opinion="已核对户口簿")
    assert (row["step"], row["step_due_on"]) == (
        2,
        due(state, today(), 1),
    )  # Never less than a day.
    row = await did(http, township, row, "take", "grant", opinion="无误")
    assert (row["step"], row["step_due_on"]) == (3, due(state, today(), 1))
    for who in (village, township):
        assert (await m.act(http, who, row, "take")).json()["code"] == "separation-of-duties"
    row = await did(http, county, row, "take", "grant", opinion="准予登记")
    assert (row["state"], row["outcome"], row["legal_due_on"]) == (
        "completed", "granted", due(state, begun, 10),
    )  # fmt: skip


async def _past(
    http: httpx.AsyncClient, who: dict[str, str], row: dict[str, Any]
) -> list[dict[str, Any]]:
    shown = await http.get(f"/v1/applications/{row['number']}", headers=who)
    found: list[dict[str, Any]] = shown.json()["past_steps"]
    return found


async def test_two_pass_it_on_at_once_and_one_does(http: httpx.AsyncClient, make: Make) -> None:
    _, row = await transfer(http, make)
    reviewer, second = await make.person(Role.REVIEWER), await make.person(Role.SECOND_REVIEWER)
    row = await did(http, reviewer, row, "take", "pass")
    answers = await asyncio.gather(
        *(m.act(http, second, row, "grant", letter=LETTER) for _ in range(3))
    )
    assert sorted(a.status_code for a in answers) == [
        200,
        403,
        403,
    ]  # It is the other agency's now.
    shown = (await http.get(f"/v1/applications/{row['number']}", headers=second)).json()
    assert len(shown["past_steps"]) == 1


async def test_passing_on_takes_five_statements_at_most(
    http: httpx.AsyncClient, make: Make, state: State
) -> None:
    _, row = await transfer(http, make)
    reviewer, second = await make.person(Role.REVIEWER), await make.person(Role.SECOND_REVIEWER)
    row = await did(http, reviewer, row, "take", "pass")
    async with statements(state) as sent:
        await did(http, second, row, "grant", opinion="同意", letter=LETTER)
    assert len(sent) <= 5, "\n".join(sent)


async def test_archives_stay_where_no_holder_is_named(http: httpx.AsyncClient, make: Make) -> None:
    _, row = await transfer(http, make, matter=ARCHIVES)
    reviewer, second = await make.person(Role.REVIEWER), await make.person(Role.SECOND_REVIEWER)
    row = await did(http, reviewer, row, "take", "pass")
    row = await did(http, second, row, "grant", letter="杭人才商调〔2026〕第8号")
    assert (row["step"], row["agency"]["code"]) == (2, NEW)  # The holder is in another province.


async def test_whoever_is_voided_is_in_its_first_step(http: httpx.AsyncClient, make: Make) -> None:
    """What another agency has in hand is withdrawn, and not wiped away as a wrong entry."""
    _, row = await transfer(http, make)
    manager = await make.person(Role.OUTLET_MANAGER, row["outlet"])
    before = (await http.get(f"/v1/applications/{row['number']}", headers=manager)).json()
    assert "void" in before["actions"]
    *_, row = await first_step(http, make, row)
    after = (await http.get(f"/v1/applications/{row['number']}", headers=manager)).json()
    assert "void" not in after["actions"]


async def test_a_confirmation_waits_for_a_ruling_as_long_as_it_takes(
    http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
) -> None:
    """Where the labour relation is in doubt, both clocks stand until the ruling (浙江省工伤保险条例 17)."""
    _, row = await transfer(http, make, matter=REHABILITATION)
    assert row["agency"]["code"] == NEW  # The city's committee has entrusted its counties.
    reviewer, head = await make.person(Role.REVIEWER), await make.person(Role.APPROVER)
    row = await did(http, reviewer, row, "take")
    row = await did(
        http, reviewer, row, "propose_suspension", procedure="ruling", basis="劳动关系待仲裁"
    )
    row = await did(http, head, row, "suspend")
    assert (row["state"], row["light"]) == ("suspended", "none")
    await back_in_time(owner, row["number"], 100)
    async with owner.begin() as connection:
        await connection.execute(
            sa.text("UPDATE application SET stopped_at = stopped_at - interval '100 days'")
        )
    started = today() - timedelta(days=100)
    row = await did(http, reviewer, row, "resume")
    stood = state.desk.calendar.workdays.between(started, today())
    assert row["state"] == "in_review"
    assert row["legal_due_on"] >= due(state, started, 3 + stood)
    assert row["light"] != "overdue"


async def test_a_refusal_for_another_agency_names_it(http: httpx.AsyncClient, make: Make) -> None:
    made = (await m.submit(http, make.teller(await make.place()), m.body(accept=False))).json()
    officer = await make.person(Role.ACCEPTANCE_OFFICER)
    bare = await m.act(http, officer, made, "refuse", reason="BS01", text="不属于本机构")
    assert [e["at"] for e in bare.json()["errors"]] == ["/right_agency"]
    await did(
        http, officer, made, "refuse", reason="BS01", text="不属于本机构", right_agency="330105"
    )
    shown = (await http.get(f"/v1/applications/{made['number']}", headers=officer)).json()
    assert "拱墅区" in shown["notices"]["refusal"]["right_agency_name"]
