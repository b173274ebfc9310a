"""Administrative divisions: the data that ship, and finding them."""

import csv
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from api.state import State
from divisions.errors import DivisionAbolished, DivisionNotFound
from divisions.memory import DivisionsMemory, short_code

FILE = Path(__file__).parent.parent / "data" / "divisions" / "divisions.csv"
with FILE.open(encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file))
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
    assert len(divisions) == len(ROWS) + 10  # Those that are abolished.
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
    assert divisions.find("330106", DAY, "nbs") is None
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


def test_every_successor_is_there(divisions: DivisionsMemory) -> None:
    with (FILE.parent / "abolished.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    for row in rows:
        for successor in row["successors"].split():
            assert divisions.get(successor, DAY).parent == row["parent_code"]
