"""Points: systems of web maps, borders of counties, China and what lies beyond."""

import csv
import random
from pathlib import Path

import pytest
from shapely.geometry import Point as Shape

from divisions.borders import TOLERANCE, borders
from kit.coordinates import FORWARD, Point, in_china, looks_swapped, to_bd09, to_cgcs2000, to_gcj02

HALL = Point(30.265555, 120.153576)
"""Somewhere in Hangzhou."""
DIVISIONS = Path(__file__).parent.parent / "data" / "divisions" / "divisions.csv"


def near(a: Point, b: Point, by: float) -> bool:
    return abs(a.lat - b.lat) <= by and abs(a.lng - b.lng) <= by


@pytest.mark.parametrize("system", FORWARD)
def test_what_was_shifted_is_shifted_back(system: str) -> None:
    chance = random.Random(7)
    for _ in range(500):
        point = Point(chance.uniform(18.2, 53.4), chance.uniform(73.7, 135))
        assert near(to_cgcs2000(FORWARD[system](point), system), point, 2e-6), point


def test_shifts_are_those_of_the_maps() -> None:
    """Known pairs of points: Tian'anmen in the three systems, as map services give them."""
    there = Point(39.908692, 116.397477)
    assert near(to_cgcs2000(there, "gcj02"), Point(39.907289, 116.391234), 2e-4)
    assert near(to_bd09(to_cgcs2000(there, "gcj02")), Point(39.915046, 116.403847), 2e-4)


def test_shifts_are_hundreds_of_metres() -> None:
    gcj02, bd09 = to_gcj02(HALL), to_bd09(HALL)
    assert 0.001 < max(abs(gcj02.lat - HALL.lat), abs(gcj02.lng - HALL.lng)) < 0.01
    assert 0.003 < max(abs(bd09.lat - HALL.lat), abs(bd09.lng - HALL.lng)) < 0.02


def test_beyond_china_nothing_is_shifted() -> None:
    paris = Point(48.8566, 2.3522)
    assert not in_china(paris)
    assert to_cgcs2000(paris, "bd09") == paris
    assert looks_swapped(Point(HALL.lng, HALL.lat))
    assert not looks_swapped(HALL)
    assert not looks_swapped(paris)


def test_every_township_lies_in_its_county() -> None:
    found = borders()
    with DIVISIONS.open(encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["code"].startswith("33") and r["lat"]]
    townships = [r for r in rows if r["level"] == "4"]
    assert len(townships) > 700
    for row in townships:
        point = Point(float(row["lat"]), float(row["lng"]))
        assert found.holds(row["code"][:6], point) is True, row


def test_what_is_known_of_cells_is_what_a_look_at_each_point_tells() -> None:
    found, chance, held = borders(), random.Random(5), 0
    for _ in range(400):
        point = Point(chance.uniform(30.1, 30.5), chance.uniform(119.9, 120.4))
        near = [Point(point.lat + chance.gauss(0, 0.002), point.lng) for _ in range(3)]
        for one in (point, *near):
            mine, there = found.county(one), found.holds("330105", one)
            held += mine == "330105"
            assert there or mine != "330105"
            away = found._by_code["330105"].distance(Shape(one.lng, one.lat))
            assert there is (away <= TOLERANCE)
    assert held > 20


def test_a_point_elsewhere_lies_elsewhere() -> None:
    found = borders()
    assert found.county(HALL) == "330105"
    assert found.holds("330106", Point(30.1, 119.9)) is False
    assert found.holds("110101", HALL) is None
    assert found.county(Point(39.9, 116.4)) is None


def test_an_island_that_the_map_leaves_out_lies_at_its_county() -> None:
    sea = Point(30.85, 122.75)
    found = borders()
    assert found.county(sea) is None
    assert found.holds("330922", sea) is True
    assert found.holds("330106", sea) is False
