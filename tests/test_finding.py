"""Finding outlets: every filter as a look at each outlet would have it, near ones in order, open now."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from access.policy import Role
from api.express import LANES
from api.routes import outlets as routes
from api.routes.outlets import _open_at
from api.state import State
from cli.load import load_registry
from cli.sample import Township, outlets, townships
from kit.clock import CHINA
from kit.coordinates import Point, to_bd09
from kit.pinyin import keys
from outlets import finding
from outlets.finding import Finder, Segment, Sought, Wanted
from outlets.ground import distances
from outlets.memory import OutletInfo, RegistryMemory
from outlets.models import Outlet
from schemas.hours import is_open, parse
from tests.make import Make

PLACES = townships(Path("data/divisions/divisions.csv"))
CHANCE = random.Random(6)
HALL = Point(30.2741, 120.1551)
HOURS = ("", "周一至周五 8:30-17:00", "周六、周日 9:00-12:00", "问大堂")
ASKED = (
    "街道", "支行", "银行街道", "道街", "第2", "2", "样例", "行", "zhihang", "xian", "zhi hang", "hi", "anji",
    "nsyh", "bmfwd", "zh", "z", "Ａ", "(样例)", "（样例）", "ZHIHANG", "lü", "yhyh", "龘", "-",
)  # fmt: skip


def info(row: dict[str, Any], **changed: Any) -> OutletInfo:
    """An outlet as memory holds it, with columns that vary."""
    said, status = keys(row["name"])[0], CHANCE.choice(["active", "active", "suspended"])
    made = OutletInfo(
        row["number"], row["name"], row["bank"], row["agreement"], row["kind"],
        row["service_class"], status, row["division"], row["address"], row["lat"], row["lng"], "",
        CHANCE.choice(HOURS), 1, None, None, True, 1, pinyin=said,
    )  # fmt: skip
    return made._replace(**changed)


@pytest.fixture(scope="module")
def registry() -> RegistryMemory:
    found = RegistryMemory()
    for row in list(outlets(PLACES))[::25]:
        found.outlets[row["number"]] = info(row)
    bare = next(iter(found.outlets.values()))
    nowhere = bare._replace(
        outlet="330102999999", lat=None, lng=None, name="ＡＴＭ服务点", pinyin=""
    )
    found.outlets[nowhere.outlet] = nowhere
    found.changed = dict(found.outlets)
    return found


@pytest.fixture(scope="module")
async def finder(registry: RegistryMemory) -> Finder:
    made = Finder(registry)
    await made.ready()
    return made


def looked_through(registry: RegistryMemory, wanted: Wanted) -> list[str]:
    """What a look at each outlet finds."""
    return sorted(
        o.outlet
        for o in registry.outlets.values()
        if o.division.startswith(wanted.area)
        and all(getattr(o, name) == value for name, value in wanted.equal)
        and (wanted.is_open is None or wanted.is_open(o))
        and wanted.holds(o)
    )


def closed_on_sundays(outlet: OutletInfo) -> bool:
    opening = parse(outlet.hours)
    return opening is not None and is_open(opening, datetime(2026, 11, 23, 9, tzinfo=CHINA), True)


def combinations() -> Iterator[Wanted]:
    """Some of each with some of each other."""
    equal = [(), (("bank", "SRCB"),), (("status", "suspended"), ("kind", "convenience_point")),
             (("bank", "none"),), (("service_class", "basic"), ("kind", "bank_branch"))]  # fmt: skip
    judges = [None, lambda o: o.service_class == "premium" and o.bank == "SRCB"]
    areas = ["", "33", "3301", "330106", "330106013", "330383", "99"]
    texts = [None, *map(Sought, ASKED)]
    for chosen in product(areas, equal, texts, judges, [None, closed_on_sundays]):
        if CHANCE.random() < 0.05:
            yield Wanted(*chosen)


async def test_every_filter_finds_what_a_look_at_each_finds(
    registry: RegistryMemory, finder: Finder
) -> None:
    some = 0
    for wanted in combinations():
        found = [o.outlet for o in finder.matching(wanted, "")]
        assert found == looked_through(registry, wanted), wanted
        some += bool(found)
    assert some > 15


@pytest.mark.parametrize("q", ASKED)
async def test_every_text(registry: RegistryMemory, finder: Finder, q: str) -> None:
    wanted = Wanted(words=Sought(q))
    assert [o.outlet for o in finder.matching(wanted, "")] == looked_through(registry, wanted)


def test_what_a_text_means() -> None:
    bank = info(
        next(outlets(PLACES)), name="乐清农商银行西安支行", pinyin=keys("乐清农商银行西安支行")[0]
    )
    for q in ("西安", "yueqing", "yinhangxi", "xian", "xianzhi", "xi an", "yqnsyh", "xazh", "YUE"):
        assert Sought(q).are_of(bank), q
    for q in ("安西", "leqing", "ueqing", "ang", "qyn", "西 安", "xianx"):
        assert not Sought(q).are_of(bank), q


async def test_pages_go_on_where_they_ended(finder: Finder) -> None:
    whole = [o.outlet for o in finder.matching(Wanted(area="3301"), "")]
    assert [o.outlet for o in finder.matching(Wanted(area="3301"), whole[9])] == whole[10:]
    assert list(finder.matching(Wanted(), "999999999999")) == []


@pytest.mark.parametrize("within", [1, 600, 5_000, 60_000, 500_000])
async def test_the_nearest_first(registry: RegistryMemory, finder: Finder, within: int) -> None:
    known = [o for o in registry.outlets.values() if o.lat is not None]
    metres = distances(HALL, np.array([(o.lat, o.lng) for o in known]))
    wanted = sorted(
        (m, o.outlet) for m, o in zip(metres.tolist(), known, strict=True) if m <= within
    )
    found = [(near.metres, near.outlet.outlet) for near in finder.nearest(Wanted(), HALL, within)]
    assert [number for _, number in found] == [number for _, number in wanted]
    assert [m for m, _ in found] == pytest.approx([m for m, _ in wanted])


@pytest.fixture(scope="module")
def crowd(registry: RegistryMemory) -> Segment:
    """Three thousand, most of them in a town: rings that are full, and wide ones with next to nothing."""
    bare = registry.outlets["330102999999"]
    spread = [CHANCE.choice((0.001, 0.05, 3)) for _ in range(3000)]
    return Segment(
        bare._replace(
            outlet=f"330106{n:06}", lat=HALL.lat + CHANCE.gauss(0, s), lng=HALL.lng + CHANCE.gauss(0, s),
            status=CHANCE.choice(["active", "suspended"]),
        ) for n, s in enumerate(spread)
    )  # fmt: skip


@pytest.mark.parametrize("within", [150, 2_000, 5_000, 90_000, 500_000])
@pytest.mark.parametrize("point", [HALL, Point(30.0, 120.0), Point(30.31, 120.19), Point(27, 118)])
@pytest.mark.parametrize("status", ["active", "suspended", "exited"])
def test_the_nearest_of_a_crowd(crowd: Segment, point: Point, within: int, status: str) -> None:
    some = [o for o in crowd.outlets if o.status == status]
    metres = distances(point, np.array([(o.lat, o.lng) for o in some]).reshape(-1, 2))
    wanted = sorted((m, o.outlet) for m, o in zip(metres, some, strict=True) if m <= within)
    found = [*crowd.nearest(Wanted(equal=(("status", status),)), point, within)]
    assert [near.outlet.outlet for near in found] == [number for _, number in wanted]
    assert [near.metres for near in found] == pytest.approx([m for m, _ in wanted])
    if status == "active":
        assert crowd.active().is_near(point, within) == bool(wanted)


async def test_a_known_distance(finder: Finder) -> None:
    """Hangzhou to Ningbo, 142 km as the crow flies: 三江口 from 武林广场."""
    found = distances(HALL, np.array([(29.8729, 121.5577), (30.2741, 120.1551)]))
    assert found.tolist() == pytest.approx([142_220, 0], abs=300)


async def test_what_changes_is_found_as_it_is(registry: RegistryMemory) -> None:
    mine = RegistryMemory()
    mine.outlets = dict(registry.outlets)
    finder = Finder(mine)
    mine.changed = dict(mine.outlets)
    await finder.ready()
    for round_ in range(4):
        for number in CHANCE.sample(sorted(mine.outlets), 120):
            was = mine.outlets[number]
            now = was._replace(
                status="exited", name=f"新{round_}网点", pinyin=f"xin {round_} wang dian", lat=30.2
            )
            mine.outlets[number] = mine.changed[number] = now
        made = f"33010688{round_:04}"
        mine.outlets[made] = mine.changed[made] = was._replace(outlet=made, division="330106001")
        await finder.ready()
        for wanted in (Wanted(), Wanted(words=Sought("新")), Wanted(words=Sought("xinw")),
                       Wanted(equal=(("status", "exited"),)), Wanted(area="330106")):  # fmt: skip
            expected = looked_through(mine, wanted)
            assert [o.outlet for o in finder.matching(wanted, "")] == expected
            near = sorted(n.outlet.outlet for n in finder.nearest(wanted, HALL, 500_000))
            assert near == [n for n in expected if mine.outlets[n].lng is not None]
    assert finder._making is not None
    await finder._making
    assert [o.outlet for o in finder.matching(Wanted(), "")] == sorted(mine.outlets)


async def test_who_walks_through_all_loses_nothing_that_changes_meanwhile(
    registry: RegistryMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "BLOCK", 64)
    mine = RegistryMemory()
    mine.outlets = dict(registry.outlets)
    finder = Finder(mine)
    await finder.ready()
    walked = finder.matching(Wanted(), "")
    seen = [next(walked).outlet]
    last = max(mine.outlets)
    mine.changed = {last: mine.outlets[last]._replace(name="新名")}
    await finder.ready()
    assert seen + [o.outlet for o in walked] == sorted(mine.outlets)


# Through the front door


@pytest.fixture
async def reader(make: Make) -> dict[str, str]:
    return await make.person(Role.OUTLET_ADMIN, "330000")


@pytest.fixture
async def around(state: State, make: Make) -> list[str]:
    """Six outlets along a meridian far from all others, a kilometre apart."""
    place = Township("330327001", "灵溪镇", "330327", 27.5, 120.4)
    rows = list(outlets([place]))[:6]
    for nth, row in enumerate(rows):
        row |= {"number": f"33032777000{nth}", "lat": 24.0 + nth * 0.009, "lng": 120.4}
        row["hours"] = HOURS[1] if nth % 2 else ""
    await load_registry(state.sessions, {"outlets": rows})
    await make.settle()
    return [row["number"] for row in rows]


class TestOutlets:
    async def test_nearest_first_page_by_page(
        self, http: httpx.AsyncClient, reader: dict[str, str], around: list[str]
    ) -> None:
        found, after = [], ""
        while after is not None:
            mark = f"&after={after}" if after else ""
            url = f"/v1/outlets?near=24.0,120.4&within=4500&limit=2{mark}"
            answer = (await http.get(url, headers=reader)).json()
            found += [(item["outlet"], item["distance_m"]) for item in answer["items"]]
            after = answer["next"]
        assert [number for number, _ in found] == around[:5]
        assert [m for _, m in found] == pytest.approx([0, 1001, 2002, 3002, 4003], abs=2)

    async def test_a_point_of_a_web_map(
        self, http: httpx.AsyncClient, reader: dict[str, str], around: list[str]
    ) -> None:
        shifted = to_bd09(Point(24.0, 120.4))
        url = f"/v1/outlets?near={shifted.lat:.7f},{shifted.lng:.7f}&near_system=bd09&limit=1"
        found = (await http.get(url, headers=reader)).json()["items"][0]
        assert (found["outlet"], found["distance_m"]) == (around[0], 0)

    @pytest.mark.parametrize(
        ("query", "rule"),
        [
            ("near=120.1,30.2", "swapped"), ("near=48.8,2.3", "outside-china"), ("near=0,0", "outside-china"),
            ("near=95,300", "outside-china"), ("near=30.2", "string_pattern_mismatch"),
            ("near=nan,120", "string_pattern_mismatch"), ("near=1e1,120", "string_pattern_mismatch"),
            ("within=5", "near-missing"), ("near_system=bd09", "near-missing"),
            ("near=30.2,120.1&within=0", "greater_than_equal"), ("nearby=30.2,120.1", "extra_forbidden"),
            ("near=30.2,120.1&within=900000", "less_than_equal"), ("division=3", "string_pattern_mismatch"),
        ],
    )  # fmt: skip
    async def test_what_can_not_be_meant(
        self, http: httpx.AsyncClient, reader: dict[str, str], query: str, rule: str
    ) -> None:
        answer = await http.get(f"/v1/outlets?{query}", headers=reader)
        assert (answer.status_code, answer.json()["code"]) == (422, "request-invalid")
        fault = answer.json()["errors"][0]
        assert (fault["at"], fault["rule"]) == (
            f"/query/{query.split('=')[0] if '&' not in query else 'within'}",
            rule,
        )

    @pytest.mark.parametrize(
        "division", ["33", "3303", "330300", "330327", "330327001", "330327001000"]
    )
    async def test_a_division_at_any_level(
        self, http: httpx.AsyncClient, reader: dict[str, str], around: list[str], division: str
    ) -> None:
        url = f"/v1/outlets?division={division}&near=24,120.4&within=10000"
        answer = await http.get(url, headers=reader)
        assert [item["outlet"] for item in answer.json()["items"]] == around

    async def test_a_mark_serves_no_other_question(
        self, http: httpx.AsyncClient, reader: dict[str, str], around: list[str]
    ) -> None:
        first = await http.get("/v1/outlets?near=24.0,120.4&limit=1", headers=reader)
        url = f"/v1/outlets?near=24.0,120.5&limit=1&after={first.json()['next']}"
        assert (await http.get(url, headers=reader)).json()["code"] == "cursor-invalid"

    async def test_divisions_that_never_were_hold_nothing(
        self, http: httpx.AsyncClient, reader: dict[str, str]
    ) -> None:
        for code in ("330198", "99", "000000", "330106013013"):
            answer = await http.get(f"/v1/outlets?division={code}", headers=reader)
            assert (answer.status_code, answer.json()["items"]) == (200, [])


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-25 08:30", True), ("2026-11-25 08:29", False), ("2026-11-25 17:00", False),
        ("2026-11-28 10:00", False),  # A Saturday.
        ("2026-10-01 10:00", False),  # A Thursday, and a public holiday.
        ("2026-10-10 10:00", True),  # A Saturday that is made up for.
        ("2026-10-10 17:30", False),
    ],
)  # fmt: skip
async def test_open_now_keeps_the_calendar(
    state: State, around: list[str], moment: str, is_open: bool
) -> None:
    there = datetime.fromisoformat(moment).replace(tzinfo=CHINA)
    await state.finder.ready()
    wanted = Wanted(area="330327", is_open=_open_at(state, there))
    found = [o.outlet for o in state.finder.matching(wanted, "") if o.outlet in around]
    assert found == (around[1::2] if is_open else [])


async def test_structured_hours_go_before_words(
    http: httpx.AsyncClient, state: State, make: Make, reader: dict[str, str], around: list[str]
) -> None:
    every = {"days": [1, 2, 3, 4, 5, 6, 7], "periods": [["00:00", "24:00"]]}
    always = {"weekly": [every], "holidays": [["00:00", "24:00"]], "exceptions": []}
    await make.change(Outlet, number=around[0], opening=always)
    url = "/v1/outlets?near=24,120.4&within=1&open_now=true"
    assert [o["outlet"] for o in (await http.get(url, headers=reader)).json()["items"]] == [
        around[0]
    ]
    await make.change(Outlet, number=around[0], opening=None)
    assert (await http.get(url, headers=reader)).json()["items"] == []


SAID_PLAINLY = (
    "", "limit=3", "near=24.0,120.4&within=4500", "near=24.0,120.4&open_now=true&limit=2", "open_now=false",
    "matter=332014901008&division=330327", "class=premium&status=active&limit=2", "q=zhihang&limit=2",
)  # fmt: skip
SAID_OTHERWISE = (
    "limit=0", "limit=x", "limit=1&limit=2", "q=", "q=%20", "q=%00", "q=%FF", "unknown=1", "near=120.4,24.0",
    "near=1", "within=5", "matter=000000000000", "matter=1", "status=no", "after=no", "open_now=perhaps",
    "limit", "%00=1",
)  # fmt: skip


@contextmanager
def no_such_lane(app: FastAPI) -> Iterator[None]:
    """Let the router answer all but the main job's calls."""
    lanes, app.state.lanes = app.state.lanes, LANES
    try:
        yield
    finally:
        app.state.lanes = lanes


def said(answer: httpx.Response) -> dict[str, Any]:
    """What an answer says, but for the number of the call."""
    return {k: v for k, v in answer.json().items() if k not in ("request_id", "instance")}


class TestAheadOfTheRouter:
    """What is answered ahead of the framework is what the framework would have answered."""

    @pytest.fixture(autouse=True)
    def _open(self, around: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(routes, "now", lambda: datetime(2026, 11, 23, 10, tzinfo=CHINA))

    @pytest.mark.parametrize("asked", SAID_PLAINLY + SAID_OTHERWISE)
    async def test_as_the_router_would(
        self, app: FastAPI, http: httpx.AsyncClient, reader: dict[str, str], asked: str
    ) -> None:
        url = f"/v1/outlets?{asked}"
        ahead = await http.get(url, headers=reader)
        later = await http.get(
            url, headers={**reader, "If-None-Match": ahead.headers.get("etag", "")}
        )
        with no_such_lane(app):
            routed = await http.get(url, headers=reader)
        assert ahead.status_code == routed.status_code
        if asked in SAID_PLAINLY:
            assert (ahead.content, later.status_code) == (routed.content, 304)
            assert ahead.headers["etag"] == routed.headers["etag"]
        else:
            assert said(ahead) == said(routed)

    async def test_only_what_is_plain_is(
        self, app: FastAPI, http: httpx.AsyncClient, reader: dict[str, str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        async def no_router(*_: object) -> None:
            raise RuntimeError

        monkeypatch.setattr(app.router, "app", no_router)
        monkeypatch.setattr(type(app.router), "__call__", no_router)
        for asked in SAID_PLAINLY:
            assert (await http.get(f"/v1/outlets?{asked}", headers=reader)).status_code == 200, (
                asked
            )
        assert (await http.get("/v1/outlets?limit=0", headers=reader)).status_code == 500

    async def test_who_may_not_is_refused_as_ever(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        assert (await http.get("/v1/outlets")).status_code == 401
        token = make.state.tokens.for_person("of no role", seconds=60)
        nobody = await http.get("/v1/outlets", headers={"Authorization": f"Bearer {token}"})
        assert (nobody.status_code, nobody.json()["code"]) == (403, "forbidden")

    async def test_what_was_judged_is_judged_anew_when_it_has_changed(
        self, http: httpx.AsyncClient, make: Make, reader: dict[str, str]
    ) -> None:
        place = await make.place(county="330327")
        url = "/v1/outlets?matter=332014901008&division=330327"
        before, again, after = list[str](), list[str](), list[str]()
        for found, change in (
            (before, {}),
            (again, {"denied": ["332014901008"]}),
            (after, {"denied": []}),
        ):
            if change:
                await make.change(Outlet, number=place.outlet, **change)
            answer = (await http.get(url, headers=reader)).json()
            found += [item["outlet"] for item in answer["items"]]
        assert place.outlet in before
        assert place.outlet not in again
        assert after == before
