"""Rules of routing as data: which one decides and why, no hole and no overlap, and the city's pool."""

import csv
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from access.policy import Role
from api.state import State
from cli.load import DATA, LoadFailed, load_routing, read_csv
from kit.clock import today
from routing.coverage import Gap, gaps, places, turning_days
from routing.models import RoutingRule
from routing.rules import route
from tests import make as m
from tests.make import IDS, PENSION, Make

REHAB, TRANSFER = "332014901016", "332014901006"
HERE, CITY = "330106", "330199"
SHIPPED = read_csv(DATA / "routing.csv")


def rule(**changed: Any) -> RoutingRule:
    """A rule like the one of the guides, but as the test has it."""
    plain = {
        "rule": "test", "position": 500, "matter": "*", "step": 0, "basis": "step", "field": "",
        "area": HERE, "decided_by": "step", "valid_from": date(2020, 1, 1), "valid_to": None,
        "source": "试验", "generation": 0,
    }  # fmt: skip
    return RoutingRule(**{**plain, **changed})


@pytest.fixture
def rules(state: State) -> Iterator[list[RoutingRule]]:
    """The rules that a process holds, to be changed by a test; afterwards they are as they were."""
    held, before = state.desk.routing, state.desk.routing.all
    state.desk.derived.forget()
    yield [
        rule(**{k: v for k, v in one._asdict().items() if k != "digits"}, generation=0)
        for one in before
    ]
    held.all, held._of = before, {}
    state.desk.derived.forget()


def find(state: State, matter: str = m.RECORD, on: date | None = None) -> list[Gap]:
    day, desk = on or today(), state.desk
    guide = desk.catalogue.resolve(matter, None, day)
    return list(gaps(desk.routing, guide, places(desk.divisions, day), day))


@pytest.mark.slow
def test_every_matter_has_one_agency_in_every_township_for_a_year(state: State) -> None:
    desk = state.desk
    days = turning_days(desk.routing, desk.catalogue.in_force(today()), today())
    assert days[0] == today()
    every = sorted({*days, *(today() + timedelta(days=n) for n in (1, 30, 180, 365))})
    for day in every:
        where = places(desk.divisions, day)
        assert len(where) == 1366  # Townships, and the county that has none.
        for guide in desk.catalogue.in_force(day):
            assert list(gaps(desk.routing, guide, where, day)) == []


def test_entrusting_has_its_period(state: State) -> None:
    guide = state.desk.catalogue.resolve(REHAB, None, today())

    def agency(place: str, day: date) -> str | None:
        found = route(state.desk.routing, guide, {"insured_place": place}, HERE, day)
        return found.agency.code if found.agency else None

    assert agency(HERE, date(2026, 11, 25)) == HERE
    assert agency(HERE, date(2028, 12, 31)) == HERE
    assert agency(HERE, date(2029, 1, 1)) == CITY
    assert agency("330302", date(2026, 11, 25)) == "330399"


class TestGaps:
    def test_a_hole_is_listed(self, state: State, rules: list[RoutingRule]) -> None:
        state.desk.routing.take([rule(decided_by="339999", position=1), *rules])
        found = find(state)
        assert {gap.division[:6] for gap in found} == {HERE}
        assert {(gap.agencies, gap.rule, gap.step) for gap in found} == {((), "test", 1)}

    def test_two_of_one_position_are_listed(self, state: State, rules: list[RoutingRule]) -> None:
        state.desk.routing.take([*rules[:-1], rule(decided_by="330105", position=900), rules[-1]])
        assert {gap.agencies for gap in find(state)} == {(HERE, "330105")}

    async def test_the_call_lists_them_page_by_page(
        self, http: httpx.AsyncClient, make: Make, state: State, rules: list[RoutingRule]
    ) -> None:
        who = await make.person(Role.MATTER_ADMIN, "330000")
        path = "/v1/routing/coverage"
        assert (await http.get(path, headers=who)).json() == {"items": [], "next": None}
        state.desk.routing.take(
            [rule(matter=TRANSFER, step=2, decided_by="339999", position=1), *rules]
        )
        found, after = [], ""
        while True:
            answer = (await http.get(f"{path}?limit=5{after}", headers=who)).json()
            found += [(i["matter"], i["step"], i["division"]) for i in answer["items"]]
            if answer["next"] is None:
                break
            after = f"&after={answer['next']}"
        assert found == sorted(set(found))
        assert {f[:2] for f in found} == {(TRANSFER, 2)}
        assert len(found) == len(find(state, TRANSFER)) > 5
        none = await http.get(f"{path}?matter={m.RECORD}", headers=who)
        assert none.status_code == 200, none.text
        assert none.json()["items"] == [], none.text


class TestLoading:
    def file(self, tmp_path: Path, *rows: dict[str, Any]) -> Path:
        path = tmp_path / "rules.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(SHIPPED[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path

    def row(self, **changed: Any) -> dict[str, Any]:
        return {**SHIPPED[1], "rule": "loaded", "area": "330100", **changed}

    async def test_twice_changes_nothing(self, state: State) -> None:
        assert await load_routing(state.sessions, DATA / "routing.csv") == 0

    @pytest.mark.parametrize(
        ("changed", "named"),
        [
            ({"position": "900", "decided_by": "city"}, f"{m.RECORD} 1 {HERE}"),
            ({"position": "1", "decided_by": "339999"}, ": none"),
            ({"position": "1", "decided_by": "339999", "valid_from": str(today() + timedelta(99))}, ": none"),
        ],
        ids=["overlap", "hole", "hole-to-come"],
    )  # fmt: skip
    async def test_holes_and_overlaps_are_refused_with_their_list(
        self, state: State, tmp_path: Path, changed: dict[str, Any], named: str
    ) -> None:
        before = state.desk.routing.all
        with pytest.raises(LoadFailed) as refused:
            await load_routing(state.sessions, self.file(tmp_path, self.row(**changed)))
        assert named in str(refused.value)
        await state.follower.look()
        assert state.desk.routing.all == before

    @pytest.mark.parametrize(
        "changed",
        [
            {"area": "320100"}, {"step": "x"}, {"decided_by": "village"}, {"valid_to": "2000-01-01"},
            {"source": ""}, {"basis": "mood"}, {"matter": "1"},
        ],
        ids=str,
    )  # fmt: skip
    async def test_what_is_no_rule_is_refused(
        self, state: State, tmp_path: Path, changed: dict[str, Any]
    ) -> None:
        with pytest.raises(LoadFailed):
            await load_routing(state.sessions, self.file(tmp_path, self.row(**changed)))


async def preview(
    http: httpx.AsyncClient, who: dict[str, str], outlet: str, matter: str, form: dict[str, Any]
) -> httpx.Response:
    wanted = {"matter": matter, "outlet": outlet, "form": form}
    return await http.post("/v1/routing/preview", json=wanted, headers=who)


class TestPreview:
    async def test_it_says_which_rule_and_why(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        who, form = make.teller(place), {"insured_place": HERE, "former_place": "330205"}
        found = (await preview(http, who, place.outlet, TRANSFER, form)).json()
        assert (found["agency"]["code"], found["rule"], found["faults"]) == (HERE, "guide", [])
        assert [(s["agency"]["code"], s["rule"], s["division"]) for s in found["steps"]] == [
            (HERE, "guide", HERE), ("330205", "guide", "330205"), (HERE, "guide", HERE),
        ]  # fmt: skip
        assert "参保地西湖区" in found["steps"][0]["why"]
        away = form | {"former_place": "320104"}
        found = (await preview(http, who, place.outlet, TRANSFER, away)).json()
        assert (found["steps"][1]["agency"]["code"], found["steps"][1]["rule"]) == (
            HERE,
            "elsewhere",
        )
        found = (
            await preview(http, who, place.outlet, REHAB, {"insured_place": f"{HERE}002"})
        ).json()
        assert (found["rule"], "委托" in found["steps"][0]["source"]) == (
            "entrust-rehab-3301",
            True,
        )

    async def test_faults_are_told_and_nothing_personal(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place = await make.place()
        who = make.teller(place)
        gone = await preview(http, who, place.outlet, PENSION, {"insured_place": "330104"})
        assert gone.status_code == 200
        (fault,) = gone.json()["faults"]
        assert (fault["at"], fault["rule"]) == ("/form/insured_place", "division-abolished")
        assert "上城区(330102)" in fault["message"]
        assert "临平" not in fault["message"]
        bad = await preview(http, who, "9" * 12, "332014909999", {"id_number": IDS[0]})
        assert (bad.status_code, [e["at"] for e in bad.json()["errors"]]) == (
            422,
            ["/outlet", "/matter"],
        )
        assert IDS[0] not in bad.text


class TestThePool:
    async def test_what_no_rule_settles_goes_to_the_city_with_an_alarm(
        self, http: httpx.AsyncClient, make: Make, state: State, rules: list[RoutingRule]
    ) -> None:
        state.desk.routing.take([rule(matter=m.RECORD, decided_by="339999", position=1), *rules])
        teller = make.teller(await make.place())
        made = (await m.submit(http, teller)).json()
        assert (made["agency"]["code"], made["state"], made["pooled"]) == (CITY, "received", True)
        officer = await make.person(Role.ACCEPTANCE_OFFICER, CITY)
        path = f"/v1/applications/{made['number']}"
        told = (await http.get(f"{path}/events", headers=officer)).json()["items"]
        assert [(e["kind"], e["agency"]) for e in told] == [
            ("application.received", CITY), ("application.unrouted", CITY),
        ]  # fmt: skip
        (listed,) = (await http.get("/v1/applications?pooled=true", headers=officer)).json()[
            "items"
        ]
        assert (listed["number"], listed["actions"]) == (
            made["number"],
            ["ask_correction", "refuse", "transfer"],
        )
        assert (await http.get("/v1/applications?pooled=false", headers=officer)).json()[
            "items"
        ] == []
        for who in (officer, teller):
            assert (await m.act(http, who, made, "accept")).status_code == 409
        row = (
            await m.act(http, officer, made, "transfer", agency=HERE, reason="参保地为西湖区")
        ).json()
        assert (row["agency"]["code"], row["state"], row["pooled"]) == (HERE, "received", False)
        county = await make.person(Role.ACCEPTANCE_OFFICER, HERE)
        assert (await m.act(http, county, row, "accept")).json()["state"] == "accepted"

    async def test_what_was_routed_is_not_handed_on_before_acceptance(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        made = (await m.submit(http, make.teller(await make.place()), m.body(accept=False))).json()
        officer = await make.person(Role.ACCEPTANCE_OFFICER, HERE)
        answer = await m.act(http, officer, made, "transfer", agency="330105", reason="不是本区")
        assert (answer.status_code, answer.json()["code"]) == (409, "action-not-allowed")

    async def test_a_place_of_a_later_step_is_looked_at_when_it_is_handed_in(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        wanted = m.body(TRANSFER)
        wanted["form"] |= {"insured_place": "330103", "former_place": "330104"}
        answer = await m.submit(http, make.teller(await make.place()), wanted)
        found = {e["at"]: e["rule"] for e in answer.json()["errors"]}
        assert found["/form/insured_place"] == found["/form/former_place"] == "division-abolished"
