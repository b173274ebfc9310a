"""Page marks: good for their list, filters and caller, and for nothing else."""

from itertools import islice
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from access.callers import Caller, person, teller
from api.paging import Pager
from api.state import State
from kit.crypto import KeyRing
from kit.paging import CursorInvalid, decode_cursor, encode_cursor
from schemas.base import Listing

RING = KeyRing("k1", {"k1": b"1" * 32})
ROTATED = KeyRing("k2", {"k1": b"1" * 32, "k2": b"2" * 32})
STRANGER = KeyRing("k1", {"k1": b"2" * 32})
positions = st.lists(st.none() | st.integers(-(2**63), 2**63) | st.text(), max_size=4)
purposes = st.text(max_size=40)


@given(purposes, positions)
def test_a_mark_gives_back_its_position(purpose: str, position: list[object]) -> None:
    assert decode_cursor(RING, purpose, encode_cursor(RING, purpose, position)) == position


@given(purposes, purposes, positions)
def test_a_mark_of_another_list_is_refused(here: str, there: str, position: list[object]) -> None:
    mark = encode_cursor(RING, here, position)
    if here != there:
        with pytest.raises(CursorInvalid):
            decode_cursor(RING, there, mark)


@given(st.text(st.characters(exclude_categories=())) | st.text("AZaz09-_=", max_size=200))
@example("\ud800")
def test_any_junk_is_refused_in_the_same_way(junk: str) -> None:
    with pytest.raises(CursorInvalid):
        decode_cursor(RING, "list", junk)


@given(st.data())
def test_no_character_may_change(data: st.DataObject) -> None:
    mark = encode_cursor(RING, "list", ["2026-11-23", 55])
    assert not mark.endswith("=")  # Every bit of the text counts.
    at = data.draw(st.integers(0, len(mark) - 1))
    changed = mark[:at] + data.draw(st.sampled_from("AQgw05_-=")) + mark[at + 1 :]
    if changed != mark:
        with pytest.raises(CursorInvalid):
            decode_cursor(RING, "list", changed)


def test_a_mark_holds_after_a_rotation_and_not_in_another_service() -> None:
    mark = encode_cursor(RING, "list", [1])
    assert decode_cursor(ROTATED, "list", mark) == [1]
    with pytest.raises(CursorInvalid):
        decode_cursor(STRANGER, "list", mark)


class Numbers(Listing):
    """A list of numbers, narrowed."""

    above: int = 0


STATE = cast(State, SimpleNamespace(keys=RING))
ANNE, BERT = person("anne", []), person("bert", [])


def page(rows: list[int], wanted: Numbers) -> dict[str, object]:
    pager = Pager(STATE, "numbers", ANNE, wanted)
    start = pager.position[0] if pager.position else 0
    found = (row for row in sorted(rows) if row > start)
    return pager.page(found, wanted.limit, lambda row: [row], str)


@given(st.sets(st.integers(1, 500), max_size=40), st.integers(1, 12))
def test_pages_together_are_the_list(rows: set[int], limit: int) -> None:
    seen: list[str] = []
    after: str | None = None
    for _ in range(len(rows) + 2):
        got = page(sorted(rows), Numbers(limit=limit, after=after))
        items = cast(list[str], got["items"])
        assert len(items) <= limit
        seen += items
        after = cast(str | None, got["next"])
        if after is None:
            break
    assert seen == [str(row) for row in sorted(rows)]


def test_what_is_inserted_before_shifts_nothing() -> None:
    rows = [10, 20, 30, 40]
    first = page(rows, Numbers(limit=2))
    rows += [5, 15]
    after = cast(str, first["next"])
    assert page(rows, Numbers(limit=2, after=after))["items"] == ["30", "40"]


@pytest.mark.parametrize(
    ("name", "caller", "above"),
    [
        pytest.param("numbers", BERT, 0, id="another caller"),
        pytest.param("numbers", teller("t", "330106000012", "anne"), 0, id="a terminal"),
        pytest.param("letters", ANNE, 0, id="another list"),
        pytest.param("numbers", ANNE, 1, id="another filter"),
    ],
)
def test_a_mark_is_of_its_list_caller_and_filters(name: str, caller: Caller, above: int) -> None:
    mark = Pager(STATE, "numbers", ANNE, Numbers()).mark([7])
    with pytest.raises(CursorInvalid):
        _ = Pager(STATE, name, caller, Numbers(above=above, after=mark)).position
    assert Pager(STATE, "numbers", ANNE, Numbers(limit=3, after=mark)).position == [7]


def test_the_last_page_of_an_endless_list_reads_one_row_more() -> None:
    endless = iter(range(1, 10**9))
    Pager(STATE, "numbers", ANNE, Numbers()).page(endless, 5, lambda row: [row], str)
    assert list(islice(endless, 1)) == [7]
