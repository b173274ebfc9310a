"""Numbers of applications, their serials, and the codes that go with them."""

import asyncio
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from api.state import State
from applications.numbers import (
    ALL,
    BLOCK,
    RESERVED,
    SERIALS,
    Parts,
    Serials,
    number,
    parts,
    query_code,
)
from kit.crypto import KeyRing
from kit.ids import READABLE, readable
from schemas.codes import mod_11_10

RING = KeyRing("k1", {"k1": b"1" * 32})
STRANGER = KeyRing("k1", {"k1": b"2" * 32})
EXAMPLE = "SYT330106202611230000120000106"
"""The contract's."""

outlets = st.from_regex(r"33[0-9]{10}", fullmatch=True)
days = st.dates(date(2020, 1, 1), date(2099, 12, 31))
serials = st.integers(0, ALL - 1)


def test_the_contracts_example_is_composed_as_it_says() -> None:
    assert number("330106000012", date(2026, 11, 23), 10) == EXAMPLE


@given(outlets, days, serials)
def test_it_can_be_taken_apart(outlet: str, day: date, serial: int) -> None:
    made = number(outlet, day, serial)
    assert len(made) == 30
    assert made[:3] == "SYT"
    assert made[3:9] + made[17:23] == outlet
    assert date.fromisoformat(f"{made[9:13]}-{made[13:15]}-{made[15:17]}") == day
    assert int(made[23:29]) == serial
    assert mod_11_10(made[3:29]) == made[29]


@given(outlets, days, serials, st.integers(3, 29), st.integers(1, 9))
def test_one_wrong_digit_is_found(outlet: str, day: date, serial: int, at: int, more: int) -> None:
    made = number(outlet, day, serial)
    wrong = made[:at] + str((int(made[at]) + more) % 10) + made[at + 1 :]
    assert mod_11_10(wrong[3:29]) != wrong[29]


@given(st.tuples(outlets, days, serials), st.tuples(outlets, days, serials))
def test_no_two_are_alike(one: tuple[str, date, int], other: tuple[str, date, int]) -> None:
    assert (number(*one) == number(*other)) == (one == other)


def test_serials_start_over_after_a_million() -> None:
    day = date(2026, 11, 23)
    assert number("330106000012", day, ALL + 10) == EXAMPLE


@given(outlets, days, serials)
def test_parts_are_read_back(outlet: str, day: date, serial: int) -> None:
    assert parts(number(outlet, day, serial)) == Parts(outlet, day, serial)


@pytest.mark.parametrize(
    "text",
    [
        "",
        EXAMPLE[:-1],
        EXAMPLE[:-1] + "7",
        EXAMPLE + "0",
        EXAMPLE.lower(),
        f"SYT{'0' * 27}",
        "SYT" + "٣" * 27,
    ],
)
def test_what_is_no_number_has_no_parts(text: str) -> None:
    assert parts(text) is None


def test_a_day_that_there_is_not_makes_no_number() -> None:
    digits = EXAMPLE[3:9] + "20260230" + EXAMPLE[17:-1]
    assert parts(f"SYT{digits}{mod_11_10(digits)}") is None


class TestQueryCodes:
    def test_a_code_can_be_read_aloud(self) -> None:
        codes = [query_code(RING, f"{EXAMPLE}{n}") for n in range(2000)]
        assert {len(code) for code in codes} == {8}
        assert {c for code in codes for c in code} == set(READABLE)
        assert not set("01OIlU") & set(READABLE)

    def test_a_number_has_one_code_and_another_number_another(self) -> None:
        assert query_code(RING, EXAMPLE) == query_code(RING, EXAMPLE)
        assert len({query_code(RING, f"{EXAMPLE}{n}") for n in range(5000)}) == 5000

    def test_nobody_works_it_out_without_our_key(self) -> None:
        assert query_code(RING, EXAMPLE) != query_code(STRANGER, EXAMPLE)

    def test_no_character_is_likelier_than_another(self) -> None:
        found = "".join(readable(n.to_bytes(16, "big"), 1) for n in range(30 * 50))
        assert {found.count(c) for c in READABLE} == {50}


class Blocks(Serials):
    """Serials of a database that takes its time, and may be away."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine)
        self.asked, self.away = 0, False

    async def refill(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise ConnectionError
        self._next, self._end = self.asked * BLOCK, (self.asked + 1) * BLOCK
        self.asked += 1


class TestSerials:
    async def test_many_at_once_get_each_their_own(self, state: State) -> None:
        blocks = Blocks(state.engine)
        taken = await asyncio.gather(*(blocks.take() for _ in range(2 * BLOCK + 500)))
        assert sorted(taken) == list(range(2 * BLOCK + 500))
        assert blocks.asked == 3

    async def test_after_a_failure_the_next_one_is_served(self, state: State) -> None:
        blocks = Blocks(state.engine)
        blocks.away = True
        with pytest.raises(ConnectionError):
            await blocks.take()
        blocks.away = False
        assert await blocks.take() == 0

    async def test_what_terminals_reserve_is_never_given_out(self, state: State) -> None:
        blocks = Blocks(state.engine)
        blocks.asked = SERIALS // BLOCK - 1
        taken = [await blocks.take() for _ in range(BLOCK + 2)]
        assert taken[-3:] == [SERIALS - 1, 0, 1]
        assert not set(taken) & set(RESERVED)

    async def test_two_processes_never_share_one(self, state: State) -> None:
        one, other = Serials(state.engine), Serials(state.engine)
        first = {await one.take() for _ in range(BLOCK + 1)}
        second = {await other.take() for _ in range(BLOCK + 1)}
        assert len(first | second) == 2 * (BLOCK + 1)
