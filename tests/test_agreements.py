"""Banks and agreements: two persons for a bank; what ends takes rights along, and is told ahead."""

import asyncio
from datetime import timedelta
from itertools import product
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import select

from access.policy import Role
from cli.sample import agreement_number
from kit.clock import today
from kit.db import Sessions, transaction
from outlets.models import Outlet, RegistryChange
from schemas.guides import Delegation
from tests import make as m
from tests.make import Make, Place
from worker import expiry

Json = dict[str, Any]
Headers = dict[str, str]


D2, D1, D0 = "332014901014", "332014901006", "332014901015"
"""Matters of which so much is let, to premium outlets; all of a record's print is, to any."""


def signed(**changed: Any) -> Json:
    return {
        "agreement": f"社银〔2026〕{m.key()[:12]}", "bank": "SRCB", "division": "330106",
        "valid_from": str(today()), "valid_to": str(today() + timedelta(days=365)),
        "max_delegation": "D3", **changed,
    }  # fmt: skip


async def record(http: httpx.AsyncClient, who: Headers, **changed: Any) -> Json:
    made = await http.post("/v1/agreements", json=signed(**changed), headers=who)
    assert made.status_code == 201, made.text
    body: Json = made.json()
    assert unquote(made.headers["location"]).endswith(f"/v1/agreements/{body['agreement']}")
    return body


async def change(
    http: httpx.AsyncClient, who: Headers, terms: Json, **fields: Any
) -> httpx.Response:
    return await http.patch(
        f"/v1/agreements/{terms['agreement']}", json={"reason": "补充协议", **fields},
        headers={**who, "If-Match": f'"{terms["version"]}"'},
    )  # fmt: skip


async def end(http: httpx.AsyncClient, who: Headers, terms: Json, **more: Any) -> httpx.Response:
    return await http.post(
        f"/v1/agreements/{terms['agreement']}/actions",
        json={"action": "end", "reason": "双方协商", **more},
        headers={**who, "If-Match": f'"{terms["version"]}"'},
    )


def faults(answer: httpx.Response) -> list[str]:
    return [f"{fault['at']} {fault['rule']}" for fault in answer.json()["errors"]]


@pytest.fixture
async def admin(make: Make) -> Headers:
    return await make.person(Role.OUTLET_ADMIN, "330106")


class TestBanks:
    async def test_one_proposes_and_another_of_the_province_approves(
        self, http: httpx.AsyncClient, make: Make, admin: Headers
    ) -> None:
        code = f"S{m.key()[:6].upper()}"
        body = {"bank": code, "name": "样例村镇银行(样例)", "bank_class": "320"}
        who = await make.person(Role.OUTLET_ADMIN, "330000")
        made = await asyncio.gather(
            *(http.post("/v1/banks", json=body, headers=w) for w in (who, admin, who))
        )
        assert sorted(a.status_code for a in made) == [201, 409, 409]
        mine = made[0].status_code == 201 or made[2].status_code == 201

        async def act(by: Headers, action: str, version: int, **more: Any) -> httpx.Response:
            return await http.post(
                f"/v1/banks/{code}/actions", json={"action": action, **more},
                headers={**by, "If-Match": f'"{version}"'},
            )  # fmt: skip

        if mine:
            own = await act(who, "approve", 1)
            assert (own.status_code, own.json()["code"]) == (409, "own-proposal")
        assert (await act(admin, "approve", 1)).status_code == 403
        other = await make.person(Role.OUTLET_ADMIN, "330000")
        assert (await http.get(f"/v1/banks/{code}", headers=other)).json()["actions"] == [
            "approve", "refuse",
        ]  # fmt: skip
        refused = await http.post("/v1/agreements", json=signed(bank=code), headers=admin)
        assert faults(refused) == ["/bank bank"]
        done = await asyncio.gather(*(act(other, "approve", 1) for _ in range(3)))
        assert sorted(a.status_code for a in done) == [200, 412, 412]
        terms = await record(http, admin, bank=code)
        used = await act(other, "close", 2, reason="停止合作")
        assert (used.status_code, used.json()["code"]) == (409, "depended-on")
        assert used.json()["agreements"] == [terms["agreement"]]
        assert (await end(http, admin, terms)).status_code == 200
        assert (await act(other, "close", 2, reason="停止合作")).json()["status"] == "closed"

    async def test_list(self, http: httpx.AsyncClient, make: Make) -> None:
        who = make.teller(await make.place())
        first = (await http.get("/v1/banks?status=active&limit=2", headers=who)).json()
        rest = (
            await http.get(f"/v1/banks?status=active&limit=200&after={first['next']}", headers=who)
        ).json()
        found = [bank["bank"] for bank in first["items"] + rest["items"]]
        assert found == sorted(set(found))
        assert {"SRCB", "SPSB", "SICB"} <= set(found)


class TestAgreements:
    async def test_all_that_is_wrong_is_told_at_once(
        self, http: httpx.AsyncClient, admin: Headers
    ) -> None:
        answer = await http.post(
            "/v1/agreements", headers=admin,
            json=signed(
                agency="330105", bank="NONE", valid_to="2020-01-01", matters=["000000000000"],
                max_delegation="D1", delegations={m.RECORD: "D2"}, replaces="NO-SUCH-ONE",
            ),
        )  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (422, "registry-not-valid")
        assert sorted(faults(answer)) == [
            "/agency agency", "/bank bank", f"/delegations/{m.RECORD} more",
            f"/delegations/{m.RECORD} unnamed", "/matters/0 matter", "/replaces agreement",
            "/valid_to period",
        ]  # fmt: skip

    async def test_who_sees_and_who_keeps(
        self, http: httpx.AsyncClient, make: Make, admin: Headers
    ) -> None:
        terms = await record(http, admin)
        city = await record(http, await make.person(Role.OUTLET_ADMIN, "330100"), division="330100")
        for role, scope, county_seen, city_seen in (
            (Role.OUTLET_ADMIN, "330106", 200, 200), (Role.OUTLET_ADMIN, "330105", 404, 200),
            (Role.OUTLET_ADMIN, "330200", 404, 404), (Role.BANK_ADMIN, "SRCB", 200, 200),
            (Role.BANK_ADMIN, "SPSB", 404, 404), (Role.AUDITOR, "330000", 200, 200),
        ):  # fmt: skip
            who = await make.person(role, scope)
            for one, status in ((terms, county_seen), (city, city_seen)):
                path = f"/v1/agreements/{one['agreement']}"
                assert (await http.get(path, headers=who)).status_code == status, (role, scope)
                listed = await http.get("/v1/agreements?bank=SRCB&limit=200", headers=who)
                seen = one["agreement"] in [a["agreement"] for a in listed.json()["items"]]
                assert seen == (status == 200)
        assert (await end(http, admin, city)).status_code == 403
        beyond = await http.post("/v1/agreements", json=signed(division="330105"), headers=admin)
        assert beyond.status_code == 403

    async def test_repeats_and_races(self, http: httpx.AsyncClient, admin: Headers) -> None:
        body, who = signed(), admin | {"Idempotency-Key": m.key()}
        made = await asyncio.gather(
            *(http.post("/v1/agreements", json=body, headers=who) for _ in range(3))
        )
        assert {a.status_code for a in made} == {201}
        assert (await http.post("/v1/agreements", json=body, headers=admin)).status_code == 409
        bodies = [signed(replaces=body["agreement"]) for _ in range(3)]
        after = await asyncio.gather(
            *(http.post("/v1/agreements", json=b, headers=admin) for b in bodies)
        )
        assert sorted(a.status_code for a in after) == [201, 409, 409]
        terms = made[0].json()
        changed = await asyncio.gather(
            *(change(http, admin, terms, max_delegation=f"D{n}") for n in range(3))
        )
        assert sorted(a.status_code for a in changed) == [200, 412, 412]
        shown = (await http.get(f"/v1/agreements/{body['agreement']}", headers=admin)).json()
        assert shown["replaced_by"] in {b["agreement"] for b in bodies}

    async def test_a_supplement_changes_what_it_names(
        self, http: httpx.AsyncClient, admin: Headers
    ) -> None:
        terms = await record(http, admin, matters=[m.RECORD], data_scope=["identity"])
        answer = await change(
            http, admin, terms, matters=None, delegations={m.PENSION: "D1"}, liability="违约责任"
        )
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert (body["matters"], body["delegations"]) == (None, {m.PENSION: "D1"})
        assert (body["data_scope"], body["max_delegation"]) == (["identity"], "D3")
        begun = await change(http, admin, body, valid_from=str(today() + timedelta(days=9)))
        assert faults(begun) == ["/valid_from begun"]
        told = await http.get(f"/v1/agreements/{terms['agreement']}/history", headers=admin)
        assert [(c["action"], c["reason"]) for c in told.json()["items"]] == [
            ("create", ""), ("change", "补充协议"),
        ]  # fmt: skip

    async def test_one_that_ends_takes_its_outlets_rights_that_day(
        self, http: httpx.AsyncClient, make: Make, admin: Headers
    ) -> None:
        terms = await record(http, admin)
        await make.settle()
        place = await make.place(agreement=terms["agreement"])
        assert (await m.submit(http, make.teller(place))).status_code == 201
        tomorrow = str(today() + timedelta(days=1))
        assert faults(await end(http, admin, terms, on="2020-01-01")) == ["/on day"]
        later = await record(http, admin)
        assert (await end(http, admin, later, on=tomorrow)).json()["in_force"] is True
        await make.settle()
        held = make.state.desk.registry.agreements[later["agreement"]]
        assert [held.on(today() + timedelta(days=n)) for n in range(2)] == [True, False]
        ended = await end(http, admin, terms)
        assert (ended.status_code, ended.json()["in_force"], ended.json()["actions"]) == (
            200,
            False,
            [],
        )
        await make.settle()
        refused = await m.submit(http, make.teller(place))
        assert (refused.status_code, refused.json()["code"]) == (403, "outlet-closed")
        assert [r["code"] for r in refused.json()["reasons"]] == ["no-agreement"]
        over = await end(http, admin, ended.json())
        assert (over.status_code, over.json()["code"]) == (409, "agreement-over")
        await record(http, admin, replaces=terms["agreement"])
        await make.settle()
        assert (await m.submit(http, make.teller(place))).status_code == 201


async def test_an_end_is_told_sixty_days_ahead_and_once(
    http: httpx.AsyncClient, make: Make, admin: Headers, sessions: Sessions, owner: AsyncEngine
) -> None:
    """By the three workers that look at once, and by the one that looks again."""
    async with owner.begin() as connection:  # What other tests left.
        await connection.execute(sa.text("UPDATE agreement SET expiry_told = valid_to"))
    ends = {60: True, 0: True, 61: False}
    made = {
        days: await record(http, admin, valid_to=str(today() + timedelta(days=days)))
        for days in ends
    }
    ended = await record(http, admin, valid_to=str(today() + timedelta(days=30)))
    assert (await end(http, admin, ended)).status_code == 200
    await asyncio.gather(*(expiry.TASK.once(sessions) for _ in range(3)))
    await expiry.TASK.once(sessions)

    async def told(terms: Json) -> int:
        async with transaction(sessions) as session:
            found = select(RegistryChange).where(
                RegistryChange.key == terms["agreement"], RegistryChange.action == "expiry_told"
            )
            return len((await session.exec(found)).all())

    assert {days: await told(terms) for days, terms in made.items()} == {60: 1, 0: 1, 61: 0}
    assert await told(ended) == 0
    listed = await http.get("/v1/agreements?expiring=60&limit=200", headers=admin)
    found = {a["agreement"]: a["expiry_told"] for a in listed.json()["items"]}
    assert {days: found.get(terms["agreement"]) for days, terms in made.items()} == {
        60: made[60]["valid_to"], 0: made[0]["valid_to"], 61: None,
    }  # fmt: skip
    shown = (await http.get(f"/v1/agreements/{made[60]['agreement']}", headers=admin)).json()
    longer = await change(http, admin, shown, valid_to=str(today() + timedelta(days=59)))
    assert longer.status_code == 200
    await expiry.TASK.once(sessions)
    assert await told(shown) == 2, "another last day is told anew"


async def test_what_is_said_is_what_is_done(
    http: httpx.AsyncClient, make: Make, admin: Headers
) -> None:
    """Over all combinations: what `permissions` lets is taken, and what it refuses is refused alike."""
    terms: dict[str, str | None] = {"all": agreement_number("SRCB"), "none": None}
    terms["collect"] = (await record(http, admin, max_delegation="D1"))["agreement"]
    terms["other"] = (await record(http, admin, matters=[D2]))["agreement"]
    await make.settle()
    place, outcomes = await make.place(), set()
    bare = (await http.post(f"/v1/outlets/{place.outlet}/tellers", json={},
        headers=await make.person(Role.BANK_ADMIN, "SRCB"))).json()["teller"]  # fmt: skip
    for status, kind, agreed, denied in product(
        ("active", "rectifying"), ("premium", "basic"), terms, ([], [m.RECORD])
    ):
        await make.change(
            Outlet, number=place.outlet, status=status, service_class=kind,
            agreement=terms[agreed], denied=denied,
        )  # fmt: skip
        for code, matter in product((place.teller, bare), (m.RECORD, D2, D1, D0)):
            who = make.teller(Place(place.outlet, place.terminal, place.key, code))
            said = await http.get(
                f"/v1/outlets/{place.outlet}/permissions?teller={code}&matter={matter}", headers=who
            )
            (item,) = said.json()["items"]
            done = await m.submit(http, who, m.body(matter))
            assert done.status_code != 422, done.text
            links = {link["link"]: link for link in item["links"]}
            assert (done.status_code == 201) == item["may"] == links["D1"]["may"]
            if item["may"]:
                accepted = done.json()["state"] == "accepted"
                assert accepted == links["D2"]["may"] == (Delegation(item["delegation"]) >= "D2")
            else:
                assert done.status_code == 403
                assert done.json()["reasons"] == links["D1"]["reasons"]
            outcomes.add((done.status_code, done.json().get("state"), done.json().get("code")))
    assert outcomes == {
        (201, "accepted", None), (201, "received", None), (403, None, "outlet-closed"),
        (403, None, "matter-not-open"),
    }  # fmt: skip


async def test_whose_qualification_is_told_to_whom(http: httpx.AsyncClient, make: Make) -> None:
    place, other = await make.place(), await make.place()
    path = f"/v1/outlets/{place.outlet}/permissions"
    for who, status in (
        (make.teller(place), 200), (make.teller(other), 404),
        (await make.person(Role.REVIEWER), 404), (await make.person(Role.BANK_ADMIN, "SRCB"), 200),
        (await make.person(Role.BANK_ADMIN, "SPSB"), 404),
    ):  # fmt: skip
        assert (await http.get(f"{path}?teller={place.teller}", headers=who)).status_code == status
        assert (await http.get(path, headers=who)).status_code == 200
    assert (
        await http.get(f"{path}?teller={other.teller}", headers=make.teller(place))
    ).status_code == 404
    english = await http.get(path, headers=make.teller(place) | {"Accept-Language": "en"})
    reasons = [r for item in english.json()["items"] for x in item["links"] for r in x["reasons"]]
    assert reasons
    assert all(reason["message"].isascii() for reason in reasons)
    half = (await http.get(f"{path}?limit=9", headers=make.teller(place))).json()
    rest = await http.get(f"{path}?limit=200&after={half['next']}", headers=make.teller(place))
    found = [item["matter"] for item in half["items"] + rest.json()["items"]]
    assert found == [item["matter"] for item in english.json()["items"]]
