"""Coverage: townships with an outlet and without, near ones, what closing costs, and the map of it."""

import csv
import re
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest

from access.policy import Role
from api.state import State
from cli.load import load_registry
from outlets.finding import Segment
from outlets.memory import OutletInfo
from territory import drawing, service
from tests.make import Make

DAY = date(2026, 11, 25)
with Path("data/divisions/divisions.csv").open(encoding="utf-8", newline="") as opened:
    ROWS = [row for row in csv.DictReader(opened) if row["code"].startswith("33")]
TOWNSHIPS = [row for row in ROWS if row["level"] == "4"]
KNOWN = next(row for row in TOWNSHIPS if row["lat"])
UNKNOWN = next(row for row in TOWNSHIPS if not row["lat"])


def outlet(number: str, division: str, **changed: object) -> OutletInfo:
    made = OutletInfo(
        number, "测试", "SRCB", None, "bank_branch", "basic", "active", division, "", None, None, "", "", 1,
        None, None, True, 1,
    )  # fmt: skip
    return made._replace(**changed)  # type: ignore[arg-type]


def survey(
    state: State, outlets: list[OutletInfo], without: frozenset[str] = frozenset()
) -> service.Land:
    """As a process does that holds some outlets in arrays, and the last one beside."""
    active = [Segment(some).active(without) for some in (outlets[:-1], outlets[-1:])]
    return service.survey(state.desk.divisions, active, "330000", DAY)


def test_without_outlets_nothing_is_covered_and_longgang_is_one(state: State) -> None:
    land = survey(state, [])
    total = service.summed(land.units)
    assert (total["townships"], total["covered"], total["uncovered"]) == (1366, 0, 1366)
    assert (total["near"], total["not_near"], total["near_unknown"]) == (0, 772, 594)
    assert [u.place.code for u in land.units if u.place.level == 3] == ["330383"]
    assert [len(service.report(land, level)) for level in service.LEVELS] == [11, 90, 1366]
    assert sum(item["townships"] for item in service.report(land, "city")) == 1366


def test_each_is_counted_where_it_is(state: State) -> None:
    code = UNKNOWN["code"]
    land = survey(state, [
        outlet("1", code), outlet("2", code, kind="convenience_point", service_class="premium"),
        outlet("3", code, status="suspended"), outlet("4", "330383"),
    ])  # fmt: skip
    found = {item["division"]: item for item in service.report(land, "township")}
    assert found[code]["outlets"] == 2
    assert found[code]["kinds"] == {"bank_branch": 1, "convenience_point": 1}
    assert found[code]["classes"] == {"basic": 1, "premium": 1}
    assert (found["330383"]["covered"], found["330383"]["near_unknown"]) == (1, 1)
    county = {item["division"]: item for item in service.report(land, "county")}[code[:6]]
    assert (county["covered"], len(county["without"])) == (1, county["uncovered"])
    assert code not in {one["division"] for one in county["without"]}
    assert {one["county_name"] for one in county["without"]} == {county["name"]}


def test_who_is_known_to_be_in_a_county_alone_is_in_none_of_its_townships(state: State) -> None:
    land = survey(state, [outlet("1", "330106"), outlet("2", "330104"), outlet("3", "310101")])
    assert land.unplaced == ["1", "2"]  # 江干区 has two successors: nobody knows in which it is.
    assert service.summed(land.units)["outlets"] == 0


def test_near_is_five_kilometres_from_any_outlet(state: State) -> None:
    lat, lng = float(KNOWN["lat"]), float(KNOWN["lng"])
    for away, is_near in ((0.0447, True), (0.0453, False)):  # 4.97 and 5.04 km of latitude.
        land = survey(state, [outlet("1", "310101001", lat=lat + away, lng=lng)])
        found = next(u for u in land.units if u.place.code == KNOWN["code"])
        assert found.is_near is is_near
    east = survey(state, [outlet("1", KNOWN["code"], lat=lat, lng=lng + 0.0505)])
    assert next(u for u in east.units if u.place.code == KNOWN["code"]).is_near is True


def test_what_closing_costs(state: State) -> None:
    lat, lng = float(KNOWN["lat"]), float(KNOWN["lng"])
    outlets = [outlet("1", KNOWN["code"], lat=lat, lng=lng), outlet("2", KNOWN["code"]),
               outlet("3", UNKNOWN["code"])]  # fmt: skip
    before = survey(state, outlets)
    cost = service.lost(before, survey(state, outlets, without=frozenset({"1", "3"})))
    assert [one["division"] for one in cost["uncovered"]] == [UNKNOWN["code"]]
    assert KNOWN["code"] in [one["division"] for one in cost["not_near"]]
    assert service.lost(before, before) == {"uncovered": [], "not_near": []}


# The map


def test_every_county_is_drawn_and_named_once() -> None:
    shares = {row["code"]: (1, 1) for row in ROWS if row["level"] == "3"}
    svg = ElementTree.fromstring(drawing.draw("浙江省", shares, "说明"))
    space = "{http://www.w3.org/2000/svg}"
    assert len(svg.findall(f"{space}path")) == 90
    words = [text.text or "" for text in svg.findall(f"{space}text")]
    for row in ROWS:
        if row["level"] == "3":
            assert sum(row["name"] in re.split(r"\s+", text) for text in words) == 1, row["name"]


@pytest.mark.parametrize(
    ("share", "colour"), [((10, 10), 0), ((9, 10), 1), ((89, 100), 2), ((1, 2), 3), ((0, 3), 4)]
)
def test_shades(share: tuple[int, int], colour: int) -> None:
    assert drawing.shade(share) == drawing.SHADES[colour][1]


def test_names_can_not_break_out_of_the_map() -> None:
    svg = ElementTree.fromstring(drawing.draw("<script>&", {"330106": (0, 1)}, "<b>"))
    assert svg.find("{http://www.w3.org/2000/svg}script") is None


# Through the front door


@pytest.fixture
async def reader(make: Make) -> dict[str, str]:
    await load_registry(make.state.sessions, {"outlets": [{
        "number": "330327788801", "name": "测试网点覆盖(样例)", "bank": "SRCB", "agreement": None,
        "kind": "bank_branch", "service_class": "basic", "status": "active", "division": "330383",
        "address": "样例路1号", "phone": "", "hours": "", "windows": 1, "is_sample": True, "version": 1,
    }]})  # fmt: skip
    await make.settle()
    return await make.person(Role.OUTLET_ADMIN, "330000")


class TestCoverage:
    async def test_told_tagged_and_what_if(
        self, http: httpx.AsyncClient, reader: dict[str, str]
    ) -> None:
        url = "/v1/outlets/coverage?division=330383&level=township&without=330327788801"
        answer = await http.get(url, headers=reader)
        told = answer.json()
        assert (told["division"], told["name"], told["total"]["covered"]) == ("330383", "龙港市", 1)
        assert [one["division"] for one in told["lost"]["uncovered"]] == ["330383"]
        again = {**reader, "If-None-Match": answer.headers["etag"]}
        assert (await http.get(url, headers=again)).status_code == 304
        whole = (await http.get("/v1/outlets/coverage", headers=reader)).json()
        assert (whole["division"], len(whole["items"]), whole["lost"]) == ("330000", 90, None)

    async def test_the_map(self, http: httpx.AsyncClient, reader: dict[str, str]) -> None:
        answer = await http.get("/v1/outlets/coverage.svg?division=330300", headers=reader)
        assert answer.headers["content-type"] == "image/svg+xml"
        assert "龙港市" in answer.text
        assert "etag" in answer.headers

    @pytest.mark.parametrize(
        ("query", "status", "code"),
        [
            ("division=330198", 404, "division-not-found"), ("division=330103", 404, "division-abolished"),
            ("without=330106999998", 404, "outlet-not-found"), ("without=1", 422, "request-invalid"),
            ("level=province", 422, "request-invalid"), ("levle=city", 422, "request-invalid"),
        ],
    )  # fmt: skip
    async def test_refused(
        self, http: httpx.AsyncClient, reader: dict[str, str], query: str, status: int, code: str
    ) -> None:
        answer = await http.get(f"/v1/outlets/coverage?{query}", headers=reader)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
