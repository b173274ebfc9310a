"""Tellers: one outlet at a time, their qualification, and the end of all rights."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from access.policy import Role
from api.state import State
from kit.clock import now, today
from kit.db import Sessions, transaction
from outlets.models import Teller, TellerPost
from terminals import tellers
from tests import make as m
from tests.make import Make, Place

Json = dict[str, Any]
Headers = dict[str, str]


def url(outlet: str, *more: str) -> str:
    return "/".join((f"/v1/outlets/{outlet}/tellers", *more))


async def act(
    http: httpx.AsyncClient, who: Headers, teller: Json, action: str, **more: Any
) -> httpx.Response:
    return await http.post(
        url(teller["outlet"], teller["teller"], "actions"),
        json={"action": action, **more},
        headers={**who, "If-Match": f'"{teller["version"]}"'},
    )


async def shown(http: httpx.AsyncClient, who: Headers, place: Place) -> Json:
    answer = await http.get(url(place.outlet, place.teller), headers=who)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def bank(make: Make) -> Headers:
    return await make.person(Role.BANK_ADMIN, "SRCB")


async def posts(sessions: Sessions, code: str) -> list[tuple[str, bool]]:
    """Outlets of a teller in their order, and whether each post is over."""
    async with transaction(sessions) as session:
        found = select(TellerPost).where(TellerPost.teller == code).order_by(col(TellerPost.id))
        return [(p.outlet, p.ended_at is not None) for p in (await session.exec(found)).all()]


class TestAdding:
    async def test_a_code_is_given_and_no_name_is_asked(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions
    ) -> None:
        place = await make.place()
        who = await make.person(Role.OUTLET_MANAGER, place.outlet)
        made = await http.post(url(place.outlet), json={}, headers=who)
        assert made.status_code == 201, made.text
        body = made.json()
        assert body["teller"].startswith("SRCB-")
        assert (body["status"], body["qualified"], body["last_used_on"]) == ("active", False, None)
        assert made.headers["location"].endswith(url(place.outlet, body["teller"]))
        assert await posts(sessions, body["teller"]) == [(place.outlet, False)]
        named = await http.post(url(place.outlet), json={"name": "张三"}, headers=who)
        assert named.status_code == 422

    async def test_who_is_not_qualified_may_not_hand_in(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place = await make.place()
        who = await bank(make)
        new = (await http.post(url(place.outlet), json={}, headers=who)).json()
        await make.settle()
        at = make.teller(Place(place.outlet, place.terminal, place.key, new["teller"]))
        refused = await m.submit(http, at)
        assert (refused.status_code, refused.json()["code"]) == (403, "matter-not-open")
        assert [r["code"] for r in refused.json()["reasons"]] == ["teller-not-qualified"]
        until = (today() + timedelta(days=365)).isoformat()
        done = await act(http, who, new, "qualify", qualified_until=until, certificate="PX-2026-1")
        assert done.status_code == 200, done.text
        assert (done.json()["qualified"], done.json()["qualified_on"]) == (True, str(today()))
        await make.settle()
        assert (await m.submit(http, at)).status_code == 201
        lost = await act(http, who, done.json(), "disqualify", reason="assessment")
        assert (lost.json()["qualified"], lost.json()["certificate"]) == (False, None)
        await make.settle()
        assert (await m.submit(http, at)).status_code == 403

    @pytest.mark.parametrize(
        "code", ["339900189901010018", "33990018990101001X", "339900890101001", "13900000001"]
    )
    async def test_no_number_of_a_person_is_a_code(
        self, http: httpx.AsyncClient, make: Make, code: str
    ) -> None:
        place = await make.place()
        answer = await http.post(url(place.outlet), json={"code": code}, headers=await bank(make))
        assert (answer.status_code, answer.json()["code"]) == (422, "staff-not-valid")
        assert code not in answer.text

    async def test_a_repeat_adds_no_second_one(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        who = await bank(make) | {"Idempotency-Key": m.key()}
        first, again = [await http.post(url(place.outlet), json={}, headers=who) for _ in range(2)]
        assert first.json() == again.json()
        assert again.headers["idempotent-replayed"] == "true"

    async def test_of_many_at_once_one_outlet_gets_the_teller(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions
    ) -> None:
        places, who, code = (
            [await make.place() for _ in range(4)],
            await bank(make),
            f"T{m.key()[:8].upper()}",
        )
        found = await asyncio.gather(
            *(http.post(url(p.outlet), json={"code": code}, headers=who) for p in places)
        )
        assert sorted(a.status_code for a in found) == [201, 409, 409, 409]
        assert {a.json()["code"] for a in found if a.status_code == 409} == {"teller-exists"}
        assert len(await posts(sessions, code)) == 1

    @pytest.mark.parametrize(
        ("role", "scope", "status"),
        [
            (Role.OUTLET_MANAGER, None, 201), (Role.BANK_ADMIN, "SRCB", 201),
            (Role.OUTLET_MANAGER, "330106000001", 404), (Role.BANK_ADMIN, "SICB", 404),
            (Role.OUTLET_ADMIN, "330106", 403), (Role.OUTLET_ADMIN, "330105", 404),
            (Role.CONTROL_OFFICER, "330000", 403), (Role.MATTER_ADMIN, "330000", 404),
        ],
    )  # fmt: skip
    async def test_who_may(
        self, http: httpx.AsyncClient, make: Make, role: Role, scope: str | None, status: int
    ) -> None:
        place = await make.place()
        who = await make.person(role, scope or place.outlet)
        answer = await http.post(url(place.outlet), json={}, headers=who)
        assert answer.status_code == status, answer.text

    async def test_an_outlet_has_room_for_so_many(
        self, http: httpx.AsyncClient, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tellers, "MOST", 2)
        one, two, who = await make.place(), await make.place(), await bank(make)
        found = await asyncio.gather(
            *(http.post(url(one.outlet), json={}, headers=who) for _ in range(3))
        )
        assert sorted(a.status_code for a in found) == [201, 409, 409]
        moved = await act(http, who, await shown(http, who, two), "move", to_outlet=one.outlet)
        assert (moved.status_code, moved.json()["code"]) == (409, "outlet-full")


class TestMoving:
    async def test_rights_go_along_and_the_time_before_is_kept(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions
    ) -> None:
        one, two, who = await make.place(), await make.place(), await bank(make)
        old = make.teller(one)
        done = await act(
            http, who, await shown(http, who, one), "move", to_outlet=two.outlet, reason="transfer"
        )
        assert done.status_code == 200, done.text
        assert (done.json()["outlet"], done.json()["qualified"]) == (two.outlet, True)
        await make.settle()
        refused = await m.submit(http, old)
        assert (refused.status_code, refused.json()["code"]) == (403, "teller-inactive")
        there = make.teller(Place(two.outlet, two.terminal, two.key, one.teller))
        assert (await m.submit(http, there)).status_code == 201
        assert await posts(sessions, one.teller) == [(one.outlet, True), (two.outlet, False)]
        seen = await http.get(url(two.outlet, one.teller, "posts"), headers=who)
        first, before = seen.json()["items"]
        assert (first["outlet"], first["ended_at"]) == (two.outlet, None)
        assert first["begun_at"] == before["ended_at"]
        assert (await http.get(url(one.outlet, one.teller), headers=who)).status_code == 404
        history = (await http.get(url(two.outlet, one.teller, "history"), headers=who)).json()[
            "items"
        ]
        assert [(c["action"], c["reason"]) for c in history] == [
            ("create", ""),
            ("move", "transfer"),
        ]
        assert history[1]["fields"] == {"outlet": [one.outlet, two.outlet]}

    async def test_of_many_at_once_one_is_made(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions
    ) -> None:
        place, who = await make.place(), await bank(make)
        seen, others = await shown(http, who, place), [await make.place() for _ in range(4)]
        found = await asyncio.gather(
            *(act(http, who, seen, "move", to_outlet=o.outlet) for o in others)
        )
        # Who comes when the move is done finds the teller at the old outlet no more.
        assert sorted(a.status_code for a in found)[0] == 200
        assert {a.status_code for a in found} <= {200, 404, 412}
        assert len([a for a in found if a.status_code == 200]) == 1
        assert [over for _, over in await posts(sessions, place.teller)] == [True, False]

    async def test_where_to(self, http: httpx.AsyncClient, make: Make) -> None:
        one, two, who = await make.place(), await make.place(), await bank(make)
        seen = await shown(http, who, one)
        manager = await make.person(Role.OUTLET_MANAGER, one.outlet)
        for caller, to, rule in (
            (who, one.outlet, "same"), (who, "330106999999", "outlet"), (manager, two.outlet, "outlet"),
        ):  # fmt: skip
            answer = await act(http, caller, seen, "move", to_outlet=to)
            assert (answer.status_code, answer.json()["code"]) == (422, "staff-not-valid")
            assert [(f["at"], f["rule"]) for f in answer.json()["errors"]] == [("/to_outlet", rule)]
        missing = await act(http, who, seen, "move")
        assert [f["rule"] for f in missing.json()["errors"]] == ["missing"]

    async def test_the_database_lets_nobody_be_in_two_places(
        self, make: Make, sessions: Sessions
    ) -> None:
        one, two = await make.place(), await make.place()

        async def put() -> None:
            async with transaction(sessions) as session:
                session.add(TellerPost(teller=one.teller, outlet=two.outlet, begun_at=now()))

        with pytest.raises(IntegrityError, match="teller_post_period_excl"):
            await put()


class TestLeaving:
    async def test_all_rights_end(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions
    ) -> None:
        place, who = await make.place(), await bank(make)
        old, seen = make.teller(place), await shown(http, who, place)
        assert (await m.submit(http, old)).status_code == 201
        assert (await act(http, who, seen, "leave")).status_code == 422
        gone = await act(http, who, seen, "leave", reason="resigned")
        assert (gone.json()["status"], gone.json()["actions"]) == ("left", [])
        await make.settle()
        for call in (m.submit(http, old), http.get("/v1/applications", headers=old)):
            answer = await call
            assert (answer.status_code, answer.json()["code"]) == (403, "teller-inactive")
        assert await posts(sessions, place.teller) == [(place.outlet, True)]
        late = await act(http, who, gone.json(), "move", to_outlet=place.outlet)
        assert (late.status_code, late.json()["code"]) == (409, "staff-action-not-allowed")

    async def test_who_left_may_come_back_to_the_same_bank(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions
    ) -> None:
        one, two, who = await make.place(), await make.place(), await bank(make)
        code = {"code": one.teller}
        early = await http.post(url(two.outlet), json=code, headers=who)
        assert (early.status_code, early.json()["code"]) == (409, "teller-exists")
        await act(http, who, await shown(http, who, one), "leave", reason="resigned")
        back = await http.post(url(two.outlet), json=code, headers=who)
        assert (back.status_code, back.json()["outlet"]) == (201, two.outlet)
        assert await posts(sessions, one.teller) == [(one.outlet, True), (two.outlet, False)]

    async def test_suspended_for_a_while(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        authority = await make.person(Role.OUTLET_ADMIN, "330100")
        who, old = await bank(make), make.teller(place)
        seen = await shown(http, authority, place)
        assert seen["actions"] == ["suspend", "qualify", "disqualify"]
        held = (await act(http, authority, seen, "suspend", reason="security")).json()
        await make.settle()
        assert (await m.submit(http, old)).json()["code"] == "teller-inactive"
        assert "resume" not in (await shown(http, who, place))["actions"]
        assert (await act(http, who, held, "resume")).status_code == 409
        assert (await act(http, authority, held, "resume")).status_code == 200
        await make.settle()
        assert (await m.submit(http, old)).status_code == 201


class TestQualifying:
    @pytest.mark.parametrize(
        ("on", "until", "places"),
        [
            (1, 30, ["/qualified_on"]), (0, -1, ["/qualified_until"]),
            (0, 6 * 366, ["/qualified_until"]), (2, 1, ["/qualified_on", "/qualified_until"]),
            (-10, 5, []),
        ],
    )  # fmt: skip
    async def test_days(
        self, http: httpx.AsyncClient, make: Make, on: int, until: int, places: list[str]
    ) -> None:
        place, who = await make.place(), await bank(make)
        days = {
            "qualified_on": str(today() + timedelta(days=on)),
            "qualified_until": str(today() + timedelta(days=until)),
        }
        answer = await act(http, who, await shown(http, who, place), "qualify", **days)
        assert [f["at"] for f in answer.json().get("errors", ())] == places
        assert answer.status_code == (422 if places else 200)

    async def test_no_manager_says_it_of_the_own_tellers(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place = await make.place()
        who = await make.person(Role.OUTLET_MANAGER, place.outlet)
        seen = await shown(http, who, place)
        assert seen["actions"] == ["move", "suspend", "leave"]
        answer = await act(http, who, seen, "qualify", qualified_until="2099-01-01")
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


class TestFinding:
    async def test_who_has_not_worked_for_90_days_or_is_not_qualified(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        county = "330402"
        long, lately, never = [
            await make.place(county=county, qualified_until=None if n == 2 else today())
            for n in range(3)
        ]
        for place, days in ((long, 90), (lately, 89), (never, 91)):
            await make.change(Teller, code=place.teller, used_on=today() - timedelta(days=days))
        who = await make.person(Role.OUTLET_ADMIN, county)

        async def found(**narrow: Any) -> list[str]:
            answer = await http.get("/v1/tellers", params=narrow, headers=who)
            assert answer.status_code == 200, answer.text
            return [t["teller"] for t in answer.json()["items"]]

        assert await found(unused_days=90) == [never.teller, long.teller]
        assert await found(unused_days=90, qualified=True) == [long.teller]
        assert await found(qualified=False) == [never.teller]
        assert await found(outlet=lately.outlet, bank="SRCB") == [lately.teller]
        assert await found(status="left") == []
        await http.get("/v1/terminals/me", headers=make.teller(long))
        await state.usage.write()
        assert await found(unused_days=90) == [never.teller]

    async def test_pages(self, http: httpx.AsyncClient, make: Make) -> None:
        place, who = await make.place(), await bank(make)
        made = [
            (await http.post(url(place.outlet), json={}, headers=who)).json()["teller"]
            for _ in range(4)
        ]
        found: list[str] = []
        after = None
        while True:
            params = {"limit": 2} | ({"after": after} if after else {})
            page = (await http.get(url(place.outlet), params=params, headers=who)).json()
            found += [t["teller"] for t in page["items"]]
            if (after := page["next"]) is None:
                break
        assert found == sorted([place.teller, *made])
