"""Copies of guides at terminals, and reports on the catalogue."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.state import State
from kit.clock import today
from matters.memory import Catalogue
from publishing import copies
from tests import test_catalogue_publishing as base
from tests.make import Make
from tests.test_catalogue_publishing import COUNTY, TOWNSHIP, Desk, day

desk = base.desk


class Copy:
    """A terminal that keeps a copy, as the contract tells it to."""

    def __init__(self, http: httpx.AsyncClient, who: dict[str, str], **params: Any) -> None:
        self.http, self.who, self.params = http, who, params
        self.held: dict[str, list[dict[str, Any]]] = {}
        self.mark: str | None = None
        self.calls = self.received = 0

    async def catch_up(self) -> set[str]:
        """Ask until there is no more; tell which matters were taken over."""
        named: set[str] = set()
        while True:
            params = {**self.params, **({"after": self.mark} if self.mark else {})}
            answer = await self.http.get("/v1/catalogue/changes", params=params, headers=self.who)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            self.mark, self.calls = page["next"], self.calls + 1
            self.received += len(answer.content)
            for item in page["items"]:
                named.add(item["matter"])
                self.held[item["matter"]] = item["guides"]
            if not page["more"]:
                break
        if page["whole"]:
            self.held = {matter: held for matter, held in self.held.items() if matter in named}
        self.held = {matter: held for matter, held in self.held.items() if held}
        return named

    def on(self, matter: str, days: int = 0) -> dict[str, Any] | None:
        """What the copy says on a day, by itself."""
        turns = [turn for turn in self.held.get(matter, []) if turn["applies_from"] <= day(days)]
        return turns[-1]["guide"] if turns else None


async def served(desk: Desk, place: str, days: int = 0) -> dict[str, Any] | None:
    answer = await desk.shown(place, day(days))
    return answer.json() if answer.status_code == 200 else None


class TestCopies:
    async def test_holds_all_and_stays_current_with_a_small_call(
        self, desk: Desk, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        copy = Copy(http, make.teller(await make.place()), limit=3)
        assert await copy.catch_up() >= {
            guide.matter for guide in state.desk.catalogue.in_force(today())
        }
        assert copy.calls >= 5
        assert copy.on(desk.matter) == await served(desk, TOWNSHIP)
        copy.calls = copy.received = 0
        assert await copy.catch_up() == set()
        assert (copy.calls, copy.received < 300) == (1, True)
        await desk.publish(await desk.layer(COUNTY, handle_time="甲"))
        assert await copy.catch_up() == {desk.matter}
        assert copy.on(desk.matter) == await served(desk, TOWNSHIP)
        await desk.publish(await desk.layer("330302", handle_time="别处"))
        assert await copy.catch_up() == set()

    async def test_turns_by_itself_with_the_day(
        self, desk: Desk, http: httpx.AsyncClient, make: Make
    ) -> None:
        copy = Copy(http, make.teller(await make.place()))
        await copy.catch_up()
        await desk.publish(await desk.draft(starts=10, ends=20, summary="将来"))
        await desk.publish(await desk.layer(COUNTY, starts=5, handle_time="甲"))
        assert await copy.catch_up() == {desk.matter}
        for days in (0, 4, 5, 9, 10, 19, 20, 400):
            assert copy.on(desk.matter, days) == await served(desk, TOWNSHIP, days), days
        assert copy.on(desk.matter, 20) is None

    async def test_drops_what_is_withdrawn(
        self, desk: Desk, http: httpx.AsyncClient, make: Make
    ) -> None:
        copy = Copy(http, make.teller(await make.place()))
        await copy.catch_up()
        row = await desk.ask("GET", "/versions/1", desk.writer)
        await desk.act(row, "withdraw", desk.publisher, reason="事项取消")
        assert await copy.catch_up() == {desk.matter}
        assert desk.matter not in copy.held

    async def test_one_that_was_away_catches_up_right(
        self, desk: Desk, http: httpx.AsyncClient, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A year later: versions came, went and came into force meanwhile."""
        copy = Copy(http, make.teller(await make.place()), limit=1)
        await copy.catch_up()
        for days in (30, 90, 200):
            await desk.publish(await desk.draft(starts=days, summary=f"第{days}日"))
        gone = await desk.layer(COUNTY, starts=60, handle_time="甲")
        await desk.act(await desk.publish(gone), "withdraw", desk.publisher, reason="作废")
        later = today() + timedelta(days=365)
        for module in (
            "api.routes.catalogue",
            "matters.memory",
            "api.routes.matters",
            "api.express",
        ):
            monkeypatch.setattr(f"{module}.today", lambda: later)
        copy.calls = 0
        assert await copy.catch_up() == {desk.matter}
        assert copy.calls == 1
        guides = copy.held[desk.matter]
        assert [turn["applies_from"] for turn in guides] == [later.isoformat()]
        assert guides[0]["guide"]["summary"] == "第200日"

    async def test_a_mark_from_before_a_restore_is_sent_everything(
        self, desk: Desk, http: httpx.AsyncClient, make: Make, monkeypatch: pytest.MonkeyPatch, state: State
    ) -> None:  # fmt: skip
        copy = Copy(http, make.teller(await make.place()), limit=50)
        await copy.catch_up()
        copy.held["999999999999"] = [{"applies_from": day(), "guide": {}}]
        shelf = state.desk.catalogue._shelf
        monkeypatch.setattr(shelf, "generation", shelf.generation - 1)
        assert len(await copy.catch_up()) > 1
        assert "999999999999" not in copy.held

    async def test_marks_are_of_their_caller_and_place(
        self, desk: Desk, http: httpx.AsyncClient, make: Make
    ) -> None:
        copy = Copy(http, desk.writer, division="330302")
        await copy.catch_up()
        for params in ({"after": copy.mark, "division": COUNTY}, {"after": "x"}):
            answer = await http.get("/v1/catalogue/changes", params=params, headers=desk.writer)
            assert (answer.status_code, answer.json()["code"]) == (422, "cursor-invalid")
        answer = await http.get("/v1/catalogue/changes?division=999999", headers=desk.writer)
        assert answer.status_code == 404
        answer = await http.get("/v1/catalogue/changes?since=1", headers=desk.writer)
        assert answer.status_code == 422

    async def test_what_has_not_changed_is_a_304(
        self, desk: Desk, http: httpx.AsyncClient, make: Make
    ) -> None:
        who = make.teller(await make.place())
        copy = Copy(http, who)
        await copy.catch_up()
        params = {"after": copy.mark}
        first = await http.get("/v1/catalogue/changes", params=params, headers=who)
        again = await http.get(
            "/v1/catalogue/changes", params=params, headers={**who, "If-None-Match": first.headers["etag"]}
        )  # fmt: skip
        assert again.status_code == 304

    async def test_nothing_is_touched_by_a_draft(self, desk: Desk, state: State) -> None:
        catalogue: Catalogue = state.desk.catalogue
        before = catalogue.generation
        await desk.draft()
        await desk.make.settle()
        assert copies.touched(catalogue, COUNTY, before) == []


class TestConformity:
    async def test_tells_what_differs_where_with_counts(self, desk: Desk) -> None:
        limit = desk.guide()["promised_limit"]
        await desk.publish(
            await desk.layer(COUNTY, handle_time="甲", promised_limit={**limit, "value": 4})
        )
        await desk.publish(await desk.layer("330302", handle_time="乙"))
        same = desk.guide()["handle_address"]
        await desk.publish(await desk.layer("330300", handle_address=same))
        url = "/v1/catalogue/conformity"
        params: dict[str, Any] = {"matter": desk.matter, "limit": 2}
        first = (await desk.http.get(url, params=params, headers=desk.city)).json()
        assert first["counts"] == {
            "total": 3, "by_field": {"handle_time": 2, "promised_limit": 1},
            "by_city": {"330100": 2, "330300": 1}, "by_county": {COUNTY: 2, "330302": 1},
        }  # fmt: skip
        assert first["items"][1] == {
            "matter": desk.matter, "division": COUNTY, "name": "西湖区", "field": "promised_limit",
            "title": "承诺办结时限", "rule": "shorter", "master": 5, "local": 4,
        }  # fmt: skip
        rest = (
            await desk.http.get(url, params={**params, "after": first["next"]}, headers=desk.city)
        ).json()
        assert [one["division"] for one in rest["items"]] == ["330302"]
        assert rest["next"] is None
        for narrow, total in (
            ({"division": "330100"}, 2), ({"division": "330302"}, 1), ({"division": "330000"}, 3),
            ({"field": "handle_time"}, 2), ({"on": day(-1)}, 0),
        ):  # fmt: skip
            answer = await desk.http.get(
                url, params={"matter": desk.matter, **narrow}, headers=desk.city
            )
            assert answer.json()["counts"]["total"] == total, narrow


class TestMissingAndExpiring:
    async def ask(self, desk: Desk, report: str, **params: Any) -> list[dict[str, Any]]:
        answer = await desk.http.get(
            f"/v1/catalogue/{report}", params={"limit": 200, **params}, headers=desk.city
        )
        assert answer.status_code == 200, answer.text
        return [one for one in answer.json()["items"] if one["matter"] == desk.matter]

    async def test_missing(self, desk: Desk) -> None:
        assert await self.ask(desk, "missing") == []
        await desk.publish(await desk.draft(starts=10))
        row = await desk.ask("GET", "/versions/1", desk.writer)
        await desk.act(row, "withdraw", desk.publisher, reason="提前停用")
        (found,) = await self.ask(desk, "missing")
        assert (found["ended_on"], found["begins_on"]) == (day(), day(10))

    async def test_expiring_unless_something_follows(self, desk: Desk) -> None:
        await desk.publish(await desk.draft(starts=0, ends=20))
        (found,) = await self.ask(desk, "expiring")
        assert (found["version"], found["division"], found["ends_on"]) == (2, "330000", day(20))
        assert await self.ask(desk, "expiring", days=19) == []
        await desk.publish(await desk.draft(starts=20))
        assert await self.ask(desk, "expiring") == []
        body: dict[str, Any] = {"handle_time": "甲", "effective_to": day(5)}
        await desk.publish(await desk.layer(COUNTY, **body))
        (found,) = await self.ask(desk, "expiring")
        assert (found["division"], found["ends_on"]) == (COUNTY, day(5))
