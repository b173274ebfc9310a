"""Administrative divisions: the data that ship, and finding them."""

import csv
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest

from access.policy import Role
from api.state import State
from cli.load import load_divisions
from divisions.errors import DivisionAbolished, DivisionNotFound
from divisions.memory import SCHEMES, DivisionsMemory, short_code
from kit.db import make_engine, make_sessions
from kit.settings import Settings
from tests.make import Make

Get: TypeAlias = Callable[[str], Awaitable[tuple[int, dict[str, Any]]]]
FILE = Path(__file__).parent.parent / "data" / "divisions" / "divisions.csv"
SHARED = (
    Path(os.environ.get("SYT_SHARED", Path(__file__).parent.parent.parent / "shared"))
    / "data" / "divisions"
)  # fmt: skip


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ROWS, HISTORY, NBS = (rows_of(FILE.parent / f"{n}.csv") for n in ("divisions", "history", "nbs"))
GONE = [row for row in HISTORY if row["valid_to"]]
ZHEJIANG = [row for row in ROWS if row["code"].startswith("33")]
DAY = date(2026, 11, 23)

COUNTIES = """
3301 13   02 05 06 08 09 10 11 12 13 14 22 27 82
3302 10   03 05 06 11 12 13 25 26 81 82
3303 12   02 03 04 05 24 26 27 28 29 81 82 83
3304  7   02 11 21 24 81 82 83
3305  5   02 03 21 22 23
3306  6   02 03 04 24 81 83
3307  9   02 03 23 26 27 81 82 83 84
3308  6   02 03 22 24 25 81
3309  4   02 03 21 22
3310  9   02 03 04 22 23 24 81 82 83
3311  9   02 21 22 23 24 25 26 27 81
"""
"""Domain 6.4: cities of Zhejiang, how many counties, and their last two digits."""


def codes(level: int, rows: list[dict[str, str]] = ZHEJIANG) -> list[str]:
    return [row["code"] for row in rows if row["level"] == str(level)]


@pytest.fixture
def divisions(state: State) -> DivisionsMemory:
    return state.desk.divisions


def test_all_are_loaded(divisions: DivisionsMemory) -> None:
    assert len(ROWS) == 41_935
    assert len(divisions) == len(ROWS) + len(GONE) + len(NBS)
    assert len({row["code"] for row in ROWS}) == 41_935


def test_zhejiang_has_its_cities_counties_and_townships() -> None:
    found = Counter(row["level"] for row in ZHEJIANG)
    assert found == {"1": 1, "2": 11, "3": 90, "4": 1365}


def test_the_counties_are_those_of_the_domain_notes() -> None:
    named = []
    for line in COUNTIES.strip().splitlines():
        city, count, *ends = line.split()
        assert len(ends) == int(count)
        named += [city + end for end in ends]
    assert codes(3) == named
    assert codes(2) == [f"{line.split()[0]}00" for line in COUNTIES.strip().splitlines()]


def test_a_city_without_townships_is_there_all_the_same() -> None:
    parents = {row["parent_code"] for row in ZHEJIANG if row["level"] == "4"}
    assert set(codes(3)) - parents == {"330383"}  # 龙港


def test_everyone_lies_one_level_or_more_below_a_parent_that_is_there() -> None:
    levels = {row["code"]: int(row["level"]) for row in ROWS}
    tops = [row["code"] for row in ROWS if not row["parent_code"]]
    assert tops == codes(1, ROWS)
    assert all(levels[row["parent_code"]] < int(row["level"]) for row in ROWS if row["parent_code"])


def test_codes_say_their_level_and_their_parent() -> None:
    for row in ZHEJIANG:
        code, level = row["code"], int(row["level"])
        assert len(code) == (9 if level == 4 else 6)
        parent = {1: "", 2: "330000", 3: code[:4] + "00", 4: code[:6]}[level]
        assert row["parent_code"] == parent


def test_townships_are_streets_towns_or_townships() -> None:
    """GB/T 10114: 001-099, 100-199, 200-399."""
    ends = {"街道": range(1, 100), "镇": range(100, 200), "乡": range(200, 400)}
    for row in ZHEJIANG:
        if row["level"] == "4":
            kind = next(kind for kind in ends if row["name"].endswith(kind))
            assert int(row["code"][6:]) in ends[kind], row


@pytest.mark.parametrize(
    ("code", "short"),
    [
        ("330106", "330106"),
        ("330106000", "330106"),
        ("330106000000", "330106"),
        ("330106013", "330106013"),
        ("330106013000", "330106013"),
        ("330106100000", "330106100"),
        ("330000000000", "330000"),
        ("330106013013", "330106013013"),
        ("", ""),
    ],
)
def test_the_zeros_that_fill_a_code_are_cut(code: str, short: str) -> None:
    assert short_code(code) == short


def test_every_code_is_found_in_each_of_its_forms(divisions: DivisionsMemory) -> None:
    for row in ROWS:
        code = row["code"]
        for spelled in (code, code.ljust(9, "0"), code.ljust(12, "0")):
            assert divisions.get(spelled, DAY).name == row["name"]


@pytest.mark.parametrize(
    "code", ["330198", "339900", "330106013013", "3301", "", "33010６", "999999"]
)
def test_what_is_none_is_not_found(divisions: DivisionsMemory, code: str) -> None:
    assert divisions.find(code, DAY) is None
    with pytest.raises(DivisionNotFound):
        divisions.get(code, DAY)


def test_another_scheme_is_another_book(divisions: DivisionsMemory) -> None:
    assert divisions.find("330106", DAY, "mca") is not None
    assert (
        divisions.find("110101", DAY, "nbs") is None
    )  # Of the statistics' there is only Zhejiang.
    assert divisions.known("330106")
    assert divisions.known("330103")  # Numbers of people keep it for life.
    assert not divisions.known("330198")


def test_the_county_of_a_place_is_found_from_within_and_not_from_above(
    divisions: DivisionsMemory,
) -> None:
    for row in ZHEJIANG:
        county = divisions.county(row["code"], DAY)
        if int(row["level"]) < 3:
            assert county is None
        else:
            assert county is not None
            assert county.code == row["code"][:6]


def test_walking_gives_everyone_once_and_goes_on_where_it_was_left(
    divisions: DivisionsMemory,
) -> None:
    walked = [place.code for place in divisions.after("", DAY)]
    assert walked == sorted(row["code"] for row in ROWS)
    assert [p.code for p in divisions.after(walked[99], DAY)][:5] == walked[100:105]


def test_children_are_those_directly_below(divisions: DivisionsMemory) -> None:
    assert [p.code for p in divisions.children("330000", "", DAY)] == codes(2)
    assert [p.code for p in divisions.children("330000", "330900", DAY)] == ["331000", "331100"]
    assert [p.code for p in divisions.children("330383", "", DAY)] == []
    xihu = [code for code in codes(4) if code.startswith("330106")]
    assert [p.code for p in divisions.children("330106", "", DAY)] == xihu


def test_points_of_zhejiang_lie_in_zhejiang(divisions: DivisionsMemory) -> None:
    for row in ZHEJIANG:
        if row["lat"]:
            assert 27.0 < float(row["lat"]) < 31.3, row
            assert 118.0 < float(row["lng"]) < 123.5, row


def test_what_is_abolished_names_what_took_its_place(divisions: DivisionsMemory) -> None:
    assert divisions.get("330104", date(2021, 4, 8)).name == "江干区"
    with pytest.raises(DivisionAbolished) as gone:
        divisions.get("330104", date(2021, 4, 9))
    assert gone.value.facts["successors"] == [
        {"division": "330102", "name": "上城区"}, {"division": "330114", "name": "钱塘区"},
    ]  # fmt: skip
    assert divisions.line("330104", DAY) == ("330000", "330100", "330104")


def test_old_codes_lead_to_todays_through_all_that_came_between(divisions: DivisionsMemory) -> None:
    with pytest.raises(DivisionAbolished) as gone:
        divisions.get("330121", DAY)
    assert gone.value.facts["successors"] == [{"division": "330109", "name": "萧山区"}]
    chain: Any = gone.value.facts["chain"]
    assert [(one["division"], one["name"], str(one["until"])) for one in chain] == [
        ("330121", "萧山县", "1988-01-01"), ("339005", "萧山市", "1996-01-01"),
        ("330181", "萧山市", "2002-01-01"),
    ]  # fmt: skip
    assert divisions.only_successor("330121", DAY) == "330109"
    assert divisions.only_successor("330104", DAY) == "330104"  # Two took its place.


def test_a_code_means_what_it_meant_on_the_day(divisions: DivisionsMemory) -> None:
    named = [divisions.get("332421", date(year, 6, 1)).name for year in (1980, 1983)]
    assert named == ["洞头县", "兰溪县"]
    assert divisions.only_successor("332421", date(1982, 6, 1)) == "330321"  # 洞头县, not 兰溪县.
    assert divisions.find("330383", date(2015, 1, 1)) is None  # 龙港 is a city since 2019.
    assert divisions.get("330113", DAY).valid_from == date(2021, 4, 9)


def test_all_that_ever_was_comes_out_today(divisions: DivisionsMemory) -> None:
    assert len(GONE) == 209
    for row in GONE:
        last = date.fromisoformat(row["valid_to"]) - timedelta(days=1)
        place = divisions.get(row["code"], last)
        assert place.name == row["name"]
        assert divisions.became(place, DAY), row


@pytest.mark.skipif(not SHARED.exists(), reason="the source of the history is not here")
def test_every_change_of_the_source_is_in_the_history() -> None:
    held = {(row["code"], row["name"]) for row in [*HISTORY, *ROWS]}
    for row in rows_of(SHARED / "zj_county_history.csv"):
        for code, name in ((row["old_code"], row["old_name"]), (row["new_code"], row["new_name"])):
            by_mistake = (code, name) in {("441502", "城区"), ("330110", "临平区")}
            assert not code or by_mistake or (code, name) in held, row


def test_213_codes_mean_two_places(divisions: DivisionsMemory) -> None:
    found = [row["code"] for row in NBS if divisions.is_ambiguous(row["code"], DAY)]
    assert len(found) == 213
    for code in found:
        ours, theirs = (divisions.get(code, DAY, scheme) for scheme in SCHEMES)
        assert ours.name != theirs.name
        assert ours.parent == theirs.parent
    assert not divisions.is_ambiguous("330106", DAY)
    assert not divisions.is_ambiguous("330106007", DAY)  # Only one scheme has it.


def test_the_same_place_is_found_in_the_other_scheme_and_back(divisions: DivisionsMemory) -> None:
    met = Counter[str]()
    for row in NBS:
        place = divisions.get(row["code"], DAY, "nbs")
        other = divisions.counterpart(place, DAY)
        assert (other.code if other else "") == row["counterpart"], row
        if other is not None and place.level == 4:
            met["same" if other.code == place.code else "other"] += 1
            assert divisions.counterpart(other, DAY) == place
    assert met == {"same": 939, "other": 422}


@pytest.mark.skipif(not SHARED.exists(), reason="the table of both schemes is not here")
def test_both_schemes_are_those_of_the_table() -> None:
    wanted = {
        row["nbs_code"]: (row["nbs_name"], row["county_code"], row["mca_code"])
        for row in rows_of(SHARED / "zj_township_mca_nbs.csv")
        if row["nbs_code"]
    }
    townships = [row for row in NBS if row["level"] == "4"]
    assert {r["code"]: (r["name"], r["parent_code"], r["counterpart"]) for r in townships} == wanted


async def test_loading_what_ships_again_changes_nothing(settings: Settings) -> None:
    engine = make_engine(settings.database_url or "", unhurried=True)  # As the command has it.
    for name in ("history", "nbs"):  # The whole country takes its time: tests/slow loads it twice.
        assert await load_divisions(make_sessions(engine), FILE.parent / f"{name}.csv") == 0
    await engine.dispose()


class TestOverHttp:
    @pytest.fixture
    async def get(self, http: httpx.AsyncClient, make: Make) -> Get:
        reader = await make.person(Role.OUTLET_ADMIN, "330000")

        async def get(path: str) -> tuple[int, dict[str, Any]]:
            answer = await http.get(f"/v1/divisions{path}", headers=reader)
            return answer.status_code, answer.json()

        return get

    async def test_an_ambiguous_code_says_so_in_both_schemes(self, get: Get) -> None:
        (_, ours), (_, theirs) = [await get(f"/330106011?scheme={scheme}") for scheme in SCHEMES]
        assert (ours["name"], theirs["name"]) == ("转塘街道", "蒋村街道")
        for told in (ours, theirs):
            assert told["is_ambiguous"]
            assert told["meanings"] == [
                {"scheme": "mca", "division": "330106011", "name": "转塘街道"},
                {"scheme": "nbs", "division": "330106011", "name": "蒋村街道"},
            ]
        assert ours["counterpart"]["division"] == "330106010"
        assert theirs["counterpart"]["division"] == "330106012"
        _, plain = await get("/330106")
        assert (plain["is_ambiguous"], len(plain["meanings"]), plain["successors"]) == (
            False,
            2,
            [],
        )

    async def test_a_code_of_the_other_scheme_names_the_one_that_is_meant(self, get: Get) -> None:
        status, told = await get("/330106007")
        assert (status, told["code"], told["scheme"]) == (404, "division-scheme", "nbs")
        assert told["same"] == [{"division": "330106014", "name": "古荡街道"}]

    async def test_what_was_is_shown_with_what_it_is_now(self, get: Get) -> None:
        _, told = await get("/332421?on=1980-06-01")
        assert (told["name"], told["valid_to"]) == ("洞头县", "1982-01-01")
        assert told["successors"] == [{"scheme": "mca", "division": "330305", "name": "洞头区"}]
        status, told = await get("/330121")
        assert (status, told["code"]) == (404, "division-abolished")
        assert told["successors"] == [{"division": "330109", "name": "萧山区"}]

    async def test_former_ones_are_found_by_name_page_by_page(self, get: Get) -> None:
        found, after = [], ""
        while after is not None:
            mark = f"&after={after}" if after else ""
            _, page = await get(f"?former=true&q=萧山&limit=1{mark}")
            found += [(one["code"], one["name"]) for one in page["items"]]
            after = page["next"]
        assert found == [("330121", "萧山县"), ("330181", "萧山市"), ("339005", "萧山市")]

    async def test_lists_are_of_a_scheme_and_a_day(self, get: Get) -> None:
        _, page = await get("?parent=330109&scheme=nbs&q=农场")
        assert [one["name"] for one in page["items"]] == ["红山农场"]
        _, page = await get("?parent=330100&on=2020-01-01&q=江干")
        assert [one["code"] for one in page["items"]] == ["330104"]
        for wrong in ("?scheme=gb", "?on=2020", "?former=perhaps", "/330106?scheme=MCA"):
            assert (await get(wrong))[0] == 422
