"""Who decides where: one agency of each level for each county, and only one."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from agencies.memory import AgenciesMemory
from api.state import State

DATA = Path(__file__).parent.parent / "data"
with (DATA / "agencies.csv").open(encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file))
with (DATA / "divisions" / "divisions.csv").open(encoding="utf-8", newline="") as file:
    DIVISIONS = {r["code"]: r for r in csv.DictReader(file) if r["code"].startswith("33")}
COUNTIES = [code for code, row in DIVISIONS.items() if row["level"] == "3"]
LEVELS = ("province", "city", "county")


@pytest.fixture
def agencies(state: State) -> AgenciesMemory:
    return state.desk.agencies


def test_there_are_one_eleven_and_ninety() -> None:
    assert Counter(row["level"] for row in ROWS) == {"province": 1, "city": 11, "county": 90}
    assert len({row["code"] for row in ROWS}) == 102


def test_all_are_loaded(agencies: AgenciesMemory) -> None:
    assert set(agencies.by_code) == {row["code"] for row in ROWS}


@pytest.mark.parametrize("level", LEVELS)
def test_each_county_is_covered_once_at_each_level(level: str) -> None:
    covered = Counter(c for r in ROWS if r["level"] == level for c in r["covers"].split())
    assert covered == dict.fromkeys(COUNTIES, 1)


def test_codes_are_those_of_the_trade() -> None:
    """GB/T 40217: a city's own agency is the city and 99; a province's ends in 9900."""
    for row in ROWS:
        division = row["division"]
        code = {"province": "339900", "city": f"{division[:4]}99", "county": division}[row["level"]]
        assert row["code"] == code
        assert DIVISIONS[division]["level"] == str(LEVELS.index(row["level"]) + 1)


def test_an_agency_covers_its_own_division() -> None:
    shared = {"province": 2, "city": 4, "county": 6}
    for row in ROWS:
        digits = shared[row["level"]]
        within = [c for c in COUNTIES if c[:digits] == row["division"][:digits]]
        assert sorted(row["covers"].split()) == within


def test_names_are_marked_as_samples_and_say_the_place() -> None:
    for row in ROWS:
        assert row["name"].startswith(DIVISIONS[row["division"]]["name"])
        assert "样例" in row["name"]
        assert row["phone"] == "12333"


def test_the_agency_of_a_county_is_found_at_each_level(agencies: AgenciesMemory) -> None:
    for county in COUNTIES:
        found = [agencies.covering(level, county) for level in LEVELS]
        assert [a and a.code for a in found] == ["339900", f"{county[:4]}99", county]


@pytest.mark.parametrize(
    ("level", "county"),
    [("county", "330100"), ("county", "310115"), ("county", ""), ("village", "330106")],
)
def test_where_none_decides_none_is_found(
    agencies: AgenciesMemory, level: str, county: str
) -> None:
    assert agencies.covering(level, county) is None


def test_an_agency_has_a_name_and_an_unknown_one_its_code(agencies: AgenciesMemory) -> None:
    assert agencies.name("330106").startswith("西湖区")
    assert agencies.name("999999") == "999999"
