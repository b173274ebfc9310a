"""The life of outlets: applied for, checked, changed, stopped, ended; who may, and what stays of it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select

from access.policy import Role
from api.state import State, make_state, running
from cli.sample import agreement_number
from entrusting import lifecycle
from kit.clock import today
from kit.coordinates import Point, to_bd09
from kit.db import Sessions, transaction
from kit.settings import Settings
from outlets.acceptance import SHEET
from outlets.models import Outlet, OutletProposal, RegistryChange
from schemas.outlets import OutletStatus
from tests import make as m
from tests.make import Make
from worker import expiry

Json = dict[str, Any]
Headers = dict[str, str]
BEFORE = {item.code: item.points for part in SHEET for item in part.items if not item.in_business}
"""Full marks of what a site acceptance looks at: 70 points, which count for a hundred."""


class People(NamedTuple):
    """Who has to do with outlets of SRCB in 330106, and who has not."""

    bank: Headers
    admin: Headers
    city: Headers
    foreign: Headers
    other_bank: Headers


@pytest.fixture
async def people(make: Make) -> People:
    return People(
        await make.person(Role.BANK_ADMIN, "SRCB"), await make.person(Role.OUTLET_ADMIN, "330106"),
        await make.person(Role.OUTLET_ADMIN, "330100"), await make.person(Role.OUTLET_ADMIN, "330105"),
        await make.person(Role.BANK_ADMIN, "SPSB"),
    )  # fmt: skip


def wanted(**changed: Any) -> Json:
    return {
        "name": f"测试支行{m.key()[:8]}(样例)", "bank": "SRCB", "kind": "bank_branch",
        "service_class": "premium", "division": "330106014", "address": "样例路1号",
        "agreement": agreement_number("SRCB"), **changed,
    }  # fmt: skip


def sheet(**points: int | None) -> Json:
    return {"inspected_on": today().isoformat(), "points": {**BEFORE, **points}}


POOR = sheet(uniform_sign=0, card_reader=0, printer=0, two_persons=0, trained=0)
"""45 of 70 points: 64 of a hundred."""


async def apply(http: httpx.AsyncClient, who: Headers, **changed: Any) -> Json:
    made = await http.post("/v1/outlets", json=wanted(**changed), headers=who)
    assert made.status_code == 201, made.text
    body: Json = made.json()
    return body


async def act(
    http: httpx.AsyncClient, who: Headers, outlet: Json, action: str, **more: Any
) -> httpx.Response:
    return await http.post(
        f"/v1/outlets/{outlet['outlet']}/actions",
        json={"action": action, **more},
        headers={**who, "If-Match": f'"{outlet["version"]}"'},
    )


async def shown(http: httpx.AsyncClient, who: Headers, outlet: str) -> Json:
    found = await http.get(f"/v1/outlets/{outlet}", headers=who)
    assert found.status_code == 200, found.text
    body: Json = found.json()
    return body


async def change(
    http: httpx.AsyncClient, who: Headers, outlet: Json, **fields: Any
) -> httpx.Response:
    return await http.patch(
        f"/v1/outlets/{outlet['outlet']}",
        json={"reason": "核实更正", **fields},
        headers={**who, "If-Match": f'"{outlet["version"]}"'},
    )


async def decide(
    http: httpx.AsyncClient, who: Headers, proposal: Json, action: str, **more: Any
) -> httpx.Response:
    return await http.post(
        f"/v1/outlet-proposals/{proposal['proposal']}/actions",
        json={"action": action, **more},
        headers={**who, "If-Match": f'"{proposal["version"]}"'},
    )


def codes(answer: httpx.Response) -> list[str]:
    return [f"{fault['at']} {fault['rule']}" for fault in answer.json()["errors"]]


class TestApplying:
    async def test_all_of_it_is_kept(self, http: httpx.AsyncClient, people: People) -> None:
        there = Point(30.2784, 120.11842)
        shifted = to_bd09(there)
        opening = {"weekly": [{"days": [1, 2, 3, 4, 5], "periods": [["08:30", "17:00"]]}]}
        parent = await apply(http, people.bank)
        made = await apply(
            http, people.bank, kind="convenience_point", service_class="basic", parent=parent["outlet"],
            division="330106014001", point={"lat": shifted.lat, "lng": shifted.lng, "system": "bd09"},
            phone="0571-80000001", opening=opening, windows=2, equipment=["card_reader"], zones=["waiting"],
            cnaps="402331099994", allowed=[m.RECORD], denied=[m.PENSION],
        )  # fmt: skip
        found = await shown(http, people.admin, made["outlet"])
        assert found["outlet"] == f"{int(parent['outlet']) + 1:012}"
        assert (found["status"], found["division"], found["village"]) == (
            "applied", "330106014", "330106014001",
        )  # fmt: skip
        assert (found["lat"], found["lng"]) == (pytest.approx(there.lat), pytest.approx(there.lng))
        assert (found["original_lat"], found["coordinate_system"]) == (shifted.lat, "bd09")
        assert found["hours"] == "周一至周五 08:30-17:00"
        assert found["opening"]["weekly"][0]["periods"] == [["08:30", "17:00"]]
        assert (found["parent"], found["allowed"]) == (parent["outlet"], [m.RECORD])
        assert "person:" not in str(found)

    async def test_all_that_is_wrong_is_told_at_once(
        self, http: httpx.AsyncClient, people: People
    ) -> None:
        wrong = wanted(
            cnaps="402331099995", licence="X", phone="1", point={"lat": 48.85, "lng": 2.35},
            agreement=agreement_number("SPSB"), allowed=["000000000000"], parent="330106999998",
        )  # fmt: skip
        answer = await http.post("/v1/outlets", json=wrong, headers=people.bank)
        assert (answer.status_code, answer.json()["code"]) == (422, "registry-not-valid")
        assert sorted(codes(answer)) == [
            "/agreement bank", "/allowed/0 matter", "/cnaps check", "/licence form", "/parent kind",
            "/phone form", "/point abroad",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("who", "changed", "status"),
        [
            ("bank", {}, 201), ("admin", {}, 201), ("city", {}, 201), ("foreign", {}, 403),
            ("other_bank", {}, 403), ("bank", {"division": "330105010"}, 201),
            ("bank", {"bank": "NONE", "agreement": None}, 403),
            ("admin", {"bank": "NONE", "agreement": None}, 422),
        ],
    )  # fmt: skip
    async def test_who_may(
        self, http: httpx.AsyncClient, people: People, who: str, changed: Json, status: int
    ) -> None:
        headers: Headers = getattr(people, who)
        answer = await http.post("/v1/outlets", json=wanted(**changed), headers=headers)
        assert answer.status_code == status, answer.text

    async def test_a_repeat_makes_no_second_one(
        self, http: httpx.AsyncClient, people: People
    ) -> None:
        body, who = wanted(), people.bank | {"Idempotency-Key": m.key()}
        answers = await asyncio.gather(
            *(http.post("/v1/outlets", json=body, headers=who) for _ in range(4))
        )
        assert {a.status_code for a in answers} == {201}
        assert len({a.json()["outlet"] for a in answers}) == 1
        assert sum("idempotent-replayed" in a.headers for a in answers) == 3
        known = await http.post("/v1/outlets", json=body, headers=people.bank)
        assert (known.status_code, known.json()["code"]) == (409, "outlet-known")
        assert known.json()["outlets"] == [answers[0].json()["outlet"]]

    async def test_a_licence_is_one_outlets(self, http: httpx.AsyncClient, people: People) -> None:
        licence = (
            f"B{m.key().translate({ord(c): str(ord(c) % 10) for c in 'abcdef'})[:4]}H111000001"
        )
        bodies = [wanted(licence=licence) for _ in range(4)]
        answers = await asyncio.gather(
            *(http.post("/v1/outlets", json=body, headers=people.bank) for body in bodies)
        )
        assert sorted(a.status_code for a in answers) == [201, 409, 409, 409]


STEPS = """
applied          start_check>site_acceptance exit>exited
site_acceptance  pass>active fail>rectifying exit>exited
active           pass>active fail>rectifying rectify>rectifying suspend>suspended exit>exited
rectifying       pass>active fail>rectifying suspend>suspended exit>exited
suspended        resume>active exit>exited
exited
"""
BANKS = {
    "applied": {"exit"},
    "active": {"suspend"},
    "rectifying": {"suspend"},
    "suspended": {"resume"},
}
"""Steps that a bank takes by itself."""

ACTIONS = ("start_check", "pass", "fail", "rectify", "suspend", "resume", "exit")
BODIES: dict[str, Json] = {
    "start_check": {}, "pass": {"sheet": sheet()}, "fail": {"sheet": POOR},
    **{action: {"reason": "检查发现"} for action in ("rectify", "suspend", "resume", "exit")},
}  # fmt: skip


def steps(status: str) -> dict[str, str]:
    line = next(line.split() for line in STEPS.strip().splitlines() if line.split()[0] == status)
    return dict(step.split(">") for step in line[1:])


class TestLife:
    @pytest.mark.parametrize("status", OutletStatus.__args__)  # type: ignore[attr-defined]
    async def test_every_step_of_every_state_by_every_side(
        self, http: httpx.AsyncClient, make: Make, people: People, status: str
    ) -> None:
        place = await make.place()
        for side in ("admin", "bank"):
            who: Headers = getattr(people, side)
            may = steps(status).keys() & (ACTIONS if side == "admin" else BANKS.get(status, set()))
            for action in ACTIONS:
                await make.change(Outlet, number=place.outlet, status=status)
                seen = await shown(http, who, place.outlet)
                assert set(seen["actions"]) == may, (side, status)
                answer = await act(http, who, seen, action, **BODIES[action])
                if action in may:
                    assert answer.status_code == 200, answer.text
                    assert answer.json()["status"] == steps(status)[action], action
                else:
                    ever = side == "admin" or action in ("suspend", "resume", "exit")
                    assert answer.status_code == (409 if ever else 403), (side, status, action)
        for stranger in (people.foreign, people.other_bank):
            seen = await shown(http, stranger, place.outlet)
            assert seen["actions"] == []
            for action in ACTIONS:
                answer = await act(http, stranger, seen, action, **BODIES[action])
                assert (answer.status_code, answer.json()["code"]) == (404, "outlet-not-found")

    def test_the_table_is_the_one_that_was_agreed(self) -> None:
        for line in STEPS.strip().splitlines():
            status = line.split()[0]
            assert {move.action for move in lifecycle.steps(status)} == set(steps(status))

    async def test_from_application_to_the_end(
        self, http: httpx.AsyncClient, make: Make, people: People, sessions: Sessions
    ) -> None:
        outlet = await apply(http, people.bank)
        outlet = (await act(http, people.admin, outlet, "start_check")).json()
        failed = (await act(http, people.admin, outlet, "fail", sheet=POOR)).json()
        assert (failed["status"], failed["grade"]) == ("rectifying", "rectify")
        assert failed["rectify_by"] == str(today() + timedelta(days=30))
        passed = (await act(http, people.admin, failed, "pass", sheet=sheet())).json()
        assert (passed["status"], passed["grade"], passed["rectify_by"]) == (
            "active",
            "excellent",
            None,
        )
        assert passed["opened_on"] == str(today())
        again = (await act(http, people.admin, passed, "fail", sheet=POOR)).json()
        assert again["status"] == "rectifying", "one that passed in between counts from the start"
        gone = (await act(http, people.admin, again, "fail", sheet=POOR)).json()
        assert (gone["status"], gone["closed_on"], gone["actions"]) == ("exited", str(today()), [])
        path = f"/v1/outlets/{gone['outlet']}"
        history = (await http.get(f"{path}/history", headers=people.bank)).json()["items"]
        assert [step["action"] for step in history] == [
            "create", "start_check", "fail", "pass", "fail", "fail",
        ]  # fmt: skip
        assert all(step["by"].startswith("person:") for step in history)
        assert history[1]["fields"]["status"] == ["applied", "site_acceptance"]
        sheets = (await http.get(f"{path}/sheets?limit=3", headers=people.bank)).json()
        assert [(s["occasion"], s["total"], s["passed"]) for s in sheets["items"]] == [
            ("inspection", 64, False), ("inspection", 64, False), ("acceptance", 100, True),
        ]  # fmt: skip
        rest = await http.get(f"{path}/sheets?limit=3&after={sheets['next']}", headers=people.bank)
        assert [s["total"] for s in rest.json()["items"]] == [64]
        for tail in ("history", "sheets"):
            for who, status in (
                (people.foreign, 404),
                (people.other_bank, 404),
                (people.city, 200),
            ):
                assert (await http.get(f"{path}/{tail}", headers=who)).status_code == status
        async with transaction(sessions) as session:
            assert await session.get(Outlet, gone["outlet"]) is not None

    @pytest.mark.parametrize(
        ("action", "filled", "faults"),
        [
            ("pass", POOR, ["/sheet verdict"]),
            ("fail", sheet(), ["/sheet verdict"]),
            ("pass", {**sheet(), "vetoes": ["fee_charged"]}, ["/sheet verdict"]),
            ("pass", None, ["/sheet missing"]),
            ("pass", sheet(own_window=7), ["/sheet/points/own_window most"]),
            ("pass", sheet(own_window=None), ["/sheet/points/own_window missing"]),
            ("pass", sheet(complaints=3), ["/sheet/points/complaints early"]),
            ("pass", sheet(no_such_line=1), ["/sheet/points/no_such_line item"]),
            ("pass", sheet() | {"inspected_on": "2099-01-01"}, ["/sheet/inspected_on future"]),
        ],
    )  # fmt: skip
    async def test_a_sheet_says_what_is_decided(
        self, http: httpx.AsyncClient, make: Make, people: People, action: str, filled: Json | None,
        faults: list[str],
    ) -> None:  # fmt: skip
        place = await make.place(status="site_acceptance")
        answer = await act(
            http, people.admin, {"outlet": place.outlet, "version": 1}, action, sheet=filled
        )
        assert (answer.status_code, codes(answer)) == (422, faults)

    async def test_one_veto_ends_what_points_would_pass(
        self, http: httpx.AsyncClient, make: Make, people: People
    ) -> None:
        place = await make.place()
        vetoed = sheet() | {"vetoes": ["data_leaked"]}
        answer = await act(
            http, people.admin, {"outlet": place.outlet, "version": 1}, "fail", sheet=vetoed
        )
        assert (answer.json()["status"], answer.json()["grade"]) == ("rectifying", "rectify")

    async def test_nobody_passes_what_he_applied_for(
        self, http: httpx.AsyncClient, people: People
    ) -> None:
        outlet = await apply(http, people.admin)
        outlet = (await act(http, people.admin, outlet, "start_check")).json()
        assert "pass" not in outlet["actions"]
        own = await act(http, people.admin, outlet, "pass", sheet=sheet())
        assert (own.status_code, own.json()["code"]) == (409, "own-proposal")
        assert (await act(http, people.city, outlet, "pass", sheet=sheet())).status_code == 200

    async def test_one_without_an_agreement_does_not_begin(
        self, http: httpx.AsyncClient, people: People
    ) -> None:
        outlet = await apply(http, people.bank, agreement=None)
        outlet = (await act(http, people.admin, outlet, "start_check")).json()
        answer = await act(http, people.admin, outlet, "pass", sheet=sheet())
        assert (answer.status_code, answer.json()["code"]) == (409, "outlet-not-ready")
        assert [r["code"] for r in answer.json()["reasons"]] == ["no-agreement"]

    async def test_a_branch_stays_while_points_belong_to_it(
        self, http: httpx.AsyncClient, make: Make, people: People
    ) -> None:
        place = await make.place()
        point = await apply(
            http, people.bank, kind="convenience_point", service_class="basic", parent=place.outlet
        )
        branch = await shown(http, people.admin, place.outlet)
        answer = await act(http, people.admin, branch, "exit", reason="撤并")
        assert (answer.status_code, answer.json()["code"]) == (409, "depended-on")
        assert answer.json()["outlets"] == [point["outlet"]]
        other = await change(http, people.bank, branch, kind="self_service")
        assert codes(other) == ["/kind points"]
        await act(http, people.bank, point, "exit", reason="撤回申报")
        assert (await act(http, people.admin, branch, "exit", reason="撤并")).status_code == 200

    async def test_of_two_steps_at_once_one_is_taken(
        self, http: httpx.AsyncClient, make: Make, people: People, sessions: Sessions
    ) -> None:
        place = await make.place()
        outlet = await shown(http, people.admin, place.outlet)
        answers = await asyncio.gather(
            *(act(http, people.admin, outlet, a, **BODIES[a]) for a in ("fail", "suspend", "rectify", "fail"))
        )  # fmt: skip
        assert sorted(a.status_code for a in answers) == [200, 412, 412, 412]
        async with transaction(sessions) as session:
            told = select(RegistryChange.version).where(RegistryChange.key == place.outlet)
            assert list((await session.exec(told.order_by(col(RegistryChange.id)))).all()) == [1, 2]

    @pytest.mark.parametrize("missing", [{}, {"reason": "负责人手机13900000001"}])
    async def test_a_reason_is_given_and_names_nobody(
        self, http: httpx.AsyncClient, make: Make, people: People, missing: Json
    ) -> None:
        place = await make.place()
        answer = await act(
            http, people.admin, {"outlet": place.outlet, "version": 1}, "suspend", **missing
        )
        assert (answer.status_code, codes(answer)[0].split()[0]) == (422, "/reason")

    async def test_it_is_read_first_and_changed_as_read(
        self, http: httpx.AsyncClient, make: Make, people: People
    ) -> None:
        place = await make.place()
        path, body = f"/v1/outlets/{place.outlet}/actions", {"action": "suspend", "reason": "停电"}
        assert (await http.post(path, json=body, headers=people.bank)).status_code == 428
        for version, status in (('"7"', 412), ("7", 422)):
            headers = people.bank | {"If-Match": version}
            assert (await http.post(path, json=body, headers=headers)).status_code == status


@pytest.fixture
async def second(settings: Settings, app: object) -> AsyncIterator[State]:
    """Another process of the same service."""
    async with running(make_state(settings, settings.database_url or "")) as state:
        yield state


async def test_suspending_bites_in_every_process(
    http: httpx.AsyncClient, make: Make, people: People, second: State
) -> None:
    """Nothing but their own looking tells them."""
    place = await make.place()
    assert (await m.submit(http, make.teller(place))).status_code == 201
    outlet = await shown(http, people.bank, place.outlet)
    stopped = (await act(http, people.bank, outlet, "suspend", reason="停电")).json()
    held = [state.desk.registry for state in (second, make.state)]
    for _ in range(300):
        found = [registry.outlets.get(place.outlet) for registry in held]
        if all(outlet is not None and outlet.status == "suspended" for outlet in found):
            break
        await asyncio.sleep(0.1)
    else:
        pytest.fail("a process was never told")
    refused = await m.submit(http, make.teller(place))
    assert (refused.status_code, refused.json()["code"]) == (403, "outlet-closed")
    assert stopped["actions"] == ["resume"]
    resumed = await act(http, people.bank, stopped, "resume", reason="恢复供电")
    assert resumed.json()["status"] == "active"
    await make.settle()
    assert (await m.submit(http, make.teller(place))).status_code == 201


async def test_what_the_authority_stopped_no_bank_opens_again(
    http: httpx.AsyncClient, make: Make, people: People
) -> None:
    """Until the authority has opened it: what the bank stops then is its own again."""
    outlet = await shown(http, people.admin, (await make.place()).outlet)
    await act(http, people.admin, outlet, "suspend", reason="检查发现搭售")
    seen = await shown(http, people.bank, outlet["outlet"])
    assert seen["actions"] == []
    refused = await act(http, people.bank, seen, "resume", reason="已整改")
    assert (refused.status_code, refused.json()["actions"]) == (409, [])
    for who, action in (
        (people.city, "resume"), (people.bank, "suspend"), (people.bank, "resume"),
    ):  # fmt: skip
        seen = await shown(http, who, outlet["outlet"])
        answer = await act(http, who, seen, action, reason="核实")
        assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "active"


async def test_a_rectification_past_its_last_day_is_told_once(
    http: httpx.AsyncClient, make: Make, people: People, sessions: Sessions
) -> None:
    """By two workers at once; in its history and in the list of who may look behind it."""
    number, late = (await make.place()).outlet, today() - timedelta(days=1)
    for last in (today(), late):
        await make.change(Outlet, number=number, status="rectifying", rectify_by=last)
        await asyncio.gather(*(expiry.RECTIFICATIONS.once(sessions) for _ in range(2)))
    await expiry.RECTIFICATIONS.once(sessions)
    changes = (await http.get(f"/v1/outlets/{number}/history", headers=people.bank)).json()
    told = [one for one in changes["items"] if one["action"] == "rectify_overdue"]
    assert [one["fields"] for one in told] == [{"rectify_told": [None, str(late)]}]
    for who, sees in ((people.bank, True), (people.city, True), (people.foreign, False)):
        listed = (await http.get("/v1/outlets/overdue?limit=200", headers=who)).json()["items"]
        found = [one for one in listed if one["outlet"] == number]
        assert [(one["days_over"], one["told"]) for one in found] == [(1, True)] * sees
    teller = await http.get("/v1/outlets/overdue", headers=await make.person(Role.REVIEWER))
    assert teller.status_code == 403


async def test_a_liaison_person_is_shown_to_who_looks_after_the_outlet(
    http: httpx.AsyncClient, make: Make, people: People, owner: AsyncEngine
) -> None:
    number = (await make.place()).outlet
    url = f"/v1/outlets/{number}/contact"
    said = {"name": "欧阳联络", "phone": "13900005678"}
    bad = await http.put(url, json={**said, "phone": "一二三"}, headers=people.bank)
    assert (bad.status_code, bad.json()["errors"][0]["at"]) == (422, "/phone")
    both = await asyncio.gather(
        *(http.put(url, json=said, headers=who) for who in (people.bank, people.admin))
    )
    assert sorted(one.status_code for one in both) in ([200, 412], [200, 428])
    assert (await http.put(url, json=said, headers=people.bank)).status_code == 428
    for who in (people.bank, people.admin, people.city):
        shown_ = (await http.get(url, headers=who)).json()
        assert {name: shown_[name] for name in said} == said
    for who in (people.foreign, people.other_bank):
        assert (await http.get(url, headers=who)).status_code == 404
    gone = {"name": None, "phone": None}
    removed = await http.put(url, json=gone, headers=people.bank | {"If-Match": '"1"'})
    assert (removed.json()["name"], removed.json()["version"]) == (None, 2)


class TestChanging:
    async def test_what_the_bank_alone_knows_holds_at_once(
        self, http: httpx.AsyncClient, make: Make, people: People
    ) -> None:
        place = await make.place()
        outlet = await shown(http, people.bank, place.outlet)
        opening = {"weekly": [{"days": [1], "periods": [["09:00", "12:00"]]}]}
        answer = await change(
            http, people.bank, outlet, phone="95588", opening=opening, windows=3,
            equipment=["printer"], zones=["waiting"],
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert (body["phone"], body["hours"], body["windows"]) == ("95588", "周一 09:00-12:00", 3)
        assert body["version"] == outlet["version"] + 1
        assert body["opening"] == {**opening, "holidays": [], "exceptions": []}
        same = await change(http, people.bank, body, phone="95588", windows=3, opening=opening)
        assert (same.status_code, same.json()["version"]) == (200, body["version"])
        assert codes(await change(http, people.bank, body, phone="1")) == ["/phone form"]

    async def test_the_rest_is_proposed_and_decided(
        self, http: httpx.AsyncClient, make: Make, people: People, sessions: Sessions
    ) -> None:
        place = await make.place()
        outlet = await shown(http, people.bank, place.outlet)
        name = f"测试新名支行{m.key()[:6]}(样例)"
        waits = await change(http, people.bank, outlet, name=name, phone="95588")
        assert waits.status_code == 202, waits.text
        proposal = waits.json()
        assert proposal["fields"] == {"name": name, "phone": "95588"}
        assert waits.headers["location"].endswith(f"/v1/outlet-proposals/{proposal['proposal']}")
        assert (await shown(http, people.bank, place.outlet))["name"] == outlet["name"]
        second = await change(http, people.bank, outlet, address="样例路2号")
        assert (second.status_code, second.json()["code"]) == (409, "proposal-pending")
        assert (await change(http, people.bank, outlet, windows=5)).status_code == 200
        assert (await decide(http, people.bank, proposal, "approve")).status_code == 403
        for stranger in (people.foreign, people.other_bank):
            assert (await decide(http, stranger, proposal, "approve")).status_code == 404
        done = await decide(http, people.admin, proposal, "approve")
        assert (done.status_code, done.json()["state"], done.json()["actions"]) == (
            200,
            "approved",
            [],
        )
        found = await shown(http, people.bank, place.outlet)
        assert (found["name"], found["phone"], found["windows"]) == (name, "95588", 5)
        again = await decide(http, people.admin, done.json(), "approve")
        assert (again.status_code, again.json()["code"]) == (409, "registry-action-not-allowed")
        async with transaction(sessions) as session:
            assert (await session.get_one(Outlet, place.outlet)).pinyin.startswith(
                "ce shi xin ming"
            )

    async def test_refused_and_withdrawn(
        self, http: httpx.AsyncClient, make: Make, people: People
    ) -> None:
        place = await make.place()
        outlet = await shown(http, people.bank, place.outlet)
        first = (await change(http, people.bank, outlet, address="样例路2号")).json()
        assert first["actions"] == ["withdraw"]
        bare = await decide(http, people.admin, first, "refuse")
        assert codes(bare) == ["/reason missing"]
        refused = await decide(http, people.admin, first, "refuse", reason="地址不符")
        assert (refused.json()["state"], refused.json()["words"]) == ("refused", "地址不符")
        second = (await change(http, people.bank, outlet, address="样例路3号")).json()
        other = await decide(http, people.admin, second, "withdraw")
        assert (other.status_code, other.json()["code"]) == (409, "registry-action-not-allowed")
        gone = await decide(http, people.bank, second, "withdraw")
        assert gone.json()["state"] == "withdrawn"
        listed = await http.get(f"/v1/outlet-proposals?outlet={place.outlet}", headers=people.admin)
        assert [p["state"] for p in listed.json()["items"]] == ["withdrawn", "refused"]
        for stranger in (people.foreign, people.other_bank):
            none = await http.get(f"/v1/outlet-proposals?outlet={place.outlet}", headers=stranger)
            assert none.json()["items"] == []

    async def test_nobody_decides_what_he_proposed(
        self, http: httpx.AsyncClient, make: Make, people: People
    ) -> None:
        place = await make.place()
        outlet = await shown(http, people.admin, place.outlet)
        proposal = (await change(http, people.admin, outlet, service_class="basic")).json()
        for action in ("approve", "refuse"):
            own = await decide(http, people.admin, proposal, action, reason="同意")
            assert (own.status_code, own.json()["code"]) == (409, "own-proposal")
        assert (await decide(http, people.city, proposal, "approve")).status_code == 200

    async def test_what_changed_otherwise_is_not_overwritten(
        self, http: httpx.AsyncClient, make: Make, people: People
    ) -> None:
        place = await make.place()
        outlet = await shown(http, people.bank, place.outlet)
        proposal = (await change(http, people.bank, outlet, name="测试旧名(样例)")).json()
        await make.change(Outlet, number=place.outlet, name="测试另名(样例)")
        answer = await decide(http, people.admin, proposal, "approve")
        assert (answer.status_code, answer.json()["code"]) == (409, "proposal-superseded")
        assert answer.json()["fields"] == ["name"]

    async def test_an_outlet_that_leaves_takes_its_proposals_along(
        self, http: httpx.AsyncClient, make: Make, people: People, sessions: Sessions
    ) -> None:
        place = await make.place()
        outlet = await shown(http, people.bank, place.outlet)
        proposal = (await change(http, people.bank, outlet, address="样例路2号")).json()
        await act(http, people.admin, outlet, "exit", reason="撤销")
        found = await http.get(f"/v1/outlet-proposals/{proposal['proposal']}", headers=people.bank)
        assert (found.json()["state"], found.json()["actions"]) == ("superseded", [])
        gone = await shown(http, people.bank, place.outlet)
        assert (await change(http, people.bank, gone, phone="95588")).status_code == 409

    async def test_another_county_is_another_outlet(
        self, http: httpx.AsyncClient, make: Make, people: People
    ) -> None:
        place = await make.place()
        outlet = await shown(http, people.bank, place.outlet)
        answer = await change(http, people.bank, outlet, division="330105010")
        assert codes(answer) == ["/division county"]

    async def test_of_many_who_decide_at_once_one_does(
        self, http: httpx.AsyncClient, make: Make, people: People, sessions: Sessions
    ) -> None:
        place = await make.place()
        outlet = await shown(http, people.bank, place.outlet)
        made = await asyncio.gather(
            *(change(http, people.bank, outlet, address=f"样例路{n}号") for n in range(10, 14))
        )
        assert sorted(a.status_code for a in made) == [202, 409, 409, 409]
        proposal = next(a.json() for a in made if a.status_code == 202)
        answers = await asyncio.gather(
            decide(http, people.admin, proposal, "approve"),
            decide(http, people.city, proposal, "refuse", reason="不同意"),
            decide(http, people.bank, proposal, "withdraw"),
        )
        assert sorted(a.status_code for a in answers) == [200, 412, 412]
        async with transaction(sessions) as session:
            (row,) = (
                await session.exec(
                    select(OutletProposal).where(OutletProposal.outlet == place.outlet)
                )
            ).all()
            address = (await session.get_one(Outlet, place.outlet)).address
        assert (row.state == "approved") == (address == row.fields["address"])

    async def test_a_foreign_county_changes_nothing(
        self, http: httpx.AsyncClient, make: Make, people: People
    ) -> None:
        place = await make.place()
        for stranger in (people.foreign, people.other_bank):
            outlet = await shown(http, stranger, place.outlet)
            answer = await change(http, stranger, outlet, phone="95588")
            assert (answer.status_code, answer.json()["code"]) == (404, "outlet-not-found")


async def test_as_it_was_on_any_day(
    http: httpx.AsyncClient, make: Make, people: People, owner: AsyncEngine
) -> None:
    place = await make.place()
    number, outlet = place.outlet, await shown(http, people.bank, place.outlet)
    outlet = (await change(http, people.bank, outlet, phone="95588", windows=4)).json()
    outlet = (await act(http, people.bank, outlet, "suspend", reason="装修")).json()
    outlet = (await act(http, people.admin, outlet, "resume", reason="装修完成")).json()
    async with owner.begin() as connection:
        await connection.execute(
            sa.text(
                "UPDATE outlet SET created_at = created_at - interval '9 days' WHERE number = :n"
            ),
            {"n": number},
        )
        for version, days in ((1, 9), (2, 6), (3, 4), (4, 2)):
            await connection.execute(
                sa.text(
                    "UPDATE registry_change SET at = at - make_interval(days => :d)"
                    " WHERE key = :n AND version = :v"
                ),
                {"n": number, "v": version, "d": days},
            )

    async def on(days: int) -> httpx.Response:
        day = today() - timedelta(days=days)
        return await http.get(f"/v1/outlets/{number}?as_of={day}", headers=people.foreign)

    seen = {days: (await on(days)).json() for days in (9, 7, 6, 5, 4, 3, 2, 1, 0)}
    assert {d: (s["version"], s["phone"], s["windows"], s["status"]) for d, s in seen.items()} == {
        9: (1, "12333", 1, "active"), 7: (1, "12333", 1, "active"), 6: (2, "95588", 4, "active"),
        5: (2, "95588", 4, "active"), 4: (3, "95588", 4, "suspended"), 3: (3, "95588", 4, "suspended"),
        2: (4, "95588", 4, "active"), 1: (4, "95588", 4, "active"), 0: (4, "95588", 4, "active"),
    }  # fmt: skip
    assert datetime.fromisoformat(seen[4]["status_since"])
    assert (await on(10)).status_code == 404
    assert (await on(-1)).status_code == 422
