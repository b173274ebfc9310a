"""Rows that name a township of the past, or by the other scheme: put right where that is sure, else told."""

import gc
import weakref
from datetime import date

import pytest

from divisions.memory import DivisionsMemory, Place, level_of
from judging.places import Places, Said

DAY = date(2027, 6, 1)
YEAR = date(2027, 1, 1)
LONG_AGO = date(1, 1, 1)


def place(
    code: str, name: str, parent: str | None, *now: str, scheme: str = "mca", since: date = LONG_AGO
) -> Place:
    """One that is there, or with `now` one that ended with the year and what took its place."""
    ends = YEAR if now else None
    return Place(scheme, code, since, ends, name, level_of(code), parent, None, None, [*now])


ROWS = [
    place("330000", "浙江省", None), place("330100", "杭州市", "330000"),
    place("330106", "西湖区", "330100"), place("330110", "余杭区", "330100"),
    place("330106001", "北山街道", "330106"), place("330106002", "灵隐街道", "330106", "330106001"),
    place("330106109", "三墩镇", "330106", "330110109"), place("330110109", "三墩镇", "330110", since=YEAR),
    place("330106200", "甲乡", "330106", "330106001", "330106003"), place("330106003", "西溪街道", "330106"),
    place("330106201", "乙乡", "330106", "330106101"), place("330106101", "乙镇", "330106", since=YEAR),
    place("330106009", "西溪街道", "330106", scheme="nbs"),
]  # fmt: skip


@pytest.fixture
def places() -> Places:
    memory = DivisionsMemory()
    memory.take(sorted(ROWS, key=lambda p: (p.scheme, p.code, p.valid_from)))
    return Places(memory, DAY, ("33",))


def test_what_was_made_for_a_file_goes_with_it() -> None:
    found = Places(DivisionsMemory(), DAY, ("33",))
    assert found.where(xihu("甲乡")) is found.where(xihu("甲乡"))
    gone = weakref.ref(found)
    gc.disable()  # Nothing else may be what lets go of it.
    try:
        del found
        assert gone() is None
    finally:
        gc.enable()


def xihu(township: str, code: str = "") -> Said:
    return Said(county="西湖区", township=township, code=code)


OLD_NAME = "township_old_name township_code_filled"


@pytest.mark.parametrize(
    ("said", "found", "faults"),
    [
        (xihu("灵隐街道", "330106002"), "330106001", "township_code_abolished"),
        (xihu("乙镇", "330106201"), "330106101", "township_code_abolished"),
        (Said(code="330106002"), "330106001", "township_code_abolished"),
        (xihu("三墩镇", "330106109"), "330110109", "township_code_abolished"),
        (xihu("北河街道", "330106002"), None, "township_code_gone"),
        (xihu("甲乡", "330106200"), None, "township_code_gone"),
        (xihu("乙乡"), "330106101", OLD_NAME),
        (xihu("三墩镇"), "330110109", OLD_NAME),
        (xihu("甲乡"), None, "township_split"),
        (xihu("丙乡"), None, "township_unknown"),
        (Said(code="330106009"), None, "township_code_of_statistics"),
        (xihu("西溪街道", "330106009"), "330106003", "township_code_nbs"),
        (Said(code="330106999"), None, "township_code_unknown"),
    ],
)  # fmt: skip
def test_what_is_of_the_past_is_put_right_or_told(
    places: Places, said: Said, found: str | None, faults: str
) -> None:
    there = places.where(said)
    assert " ".join(finding.fault for finding in there.findings) == faults
    assert all(finding.is_fatal == (found is None) for finding in there.findings)
    assert (there.place.code if there.place else None) == found
    if found is not None:
        assert there.county is not None
        assert there.county.code == found[:6]
