"""Codes of the trade: their forms, and that a slip of one character is always found."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.codes import (
    CREDIT_CHARS,
    PROVINCES,
    BaseCode,
    CreditCode,
    DivisionCode,
    credit_code_fault,
    id_fault,
    luhn_holds,
    mobile_holds,
    mod_11_10,
    organization_check,
)

TODAY = date(2026, 11, 23)
IDS = [
    "339900189901010018",
    "339900189901010026",
    "339900188812310030",
    "339900189912319993",
    "339900188808080084",
]
CREDIT_CODES = [
    "12339900YY000001XL",
    "11339900YY0000028P",
    "91339900YY0000036A",
    "11320829014341463H",
    "11511012008562235K",
    "113418230032919586",
]
"""Three made up, and the three of real pages (domain 2.4)."""
BANK_NUMBERS = [
    "402331099994",
    "314331299985",
    "403331099966",
    "103331099978",
    "102100099996",
    "103100000026",
    "104100000004",
    "105100000017",
    "301290000007",
    "308584000013",
]
"""Four made up, and head offices of public lists."""
CARDS = ["6217000000000000012", "6222020000000000018"]
DIGITS = "0123456789"


def completed(body: str) -> str:
    """An ID number, its check found by trying: 2 ** (17 - place) sums to 1 (ISO 7064 MOD 11-2)."""
    values = {**{d: int(d) for d in DIGITS}, "X": 10}
    total = sum(values[c] * 2 ** (17 - place) for place, c in enumerate(body))
    return body + next(c for c, value in values.items() if (total + value) % 11 == 1)


ids = st.builds(
    lambda place, rest, born, serial: completed(f"{place}{rest:04}{born:%Y%m%d}{serial:03}"),
    st.sampled_from(sorted(PROVINCES)),
    st.integers(0, 9999),
    st.dates(date(1000, 1, 1), TODAY),
    st.integers(0, 999),
)


@st.composite
def slips(draw: st.DrawFn, codes: st.SearchStrategy[str], characters: str) -> tuple[str, str]:
    """A right code, and the same with one character changed."""
    code = draw(codes)
    place = draw(st.integers(0, len(code) - 1))
    other = draw(st.sampled_from([c for c in characters if c != code[place]]))
    return code, code[:place] + other + code[place + 1 :]


class TestIdNumbers:
    @pytest.mark.parametrize("number", IDS)
    def test_samples_hold(self, number: str) -> None:
        assert id_fault(number, TODAY) is None

    @given(ids)
    def test_every_number_made_by_the_rule_holds(self, number: str) -> None:
        assert id_fault(number, TODAY) is None
        assert id_fault(number.lower(), TODAY) is None

    @given(slips(ids, DIGITS + "X"))
    def test_one_wrong_character_is_found(self, pair: tuple[str, str]) -> None:
        assert id_fault(pair[1], TODAY) is not None

    @given(ids, st.integers(0, 16))
    def test_two_neighbours_exchanged_are_found(self, number: str, at: int) -> None:
        turned = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
        assert (id_fault(turned, TODAY) is None) == (turned == number)

    @pytest.mark.parametrize(
        ("number", "fault"),
        [
            ("", "form"),
            ("33990018990101001", "form"),
            ("3399001899010100188", "form"),
            ("339900189901010018\n", "form"),
            ("３39900189901010018", "form"),
            ("33990018990101X018", "form"),
            (completed("99010118990101001"), "place"),
            (completed("33010619991301001"), "birth"),
            (completed("33010620260229001"), "birth"),
            (completed("33010600000101001"), "birth"),
            ("339900189901010019", "check"),
        ],
    )
    def test_faults(self, number: str, fault: str) -> None:
        assert id_fault(number, TODAY) == fault

    def test_nobody_is_born_tomorrow(self) -> None:
        born_today = completed(f"330106{TODAY:%Y%m%d}001")
        assert id_fault(born_today, TODAY) is None
        assert id_fault(born_today, TODAY - timedelta(days=1)) == "birth"

    def test_an_abolished_county_stays_good_for_life(self) -> None:
        assert id_fault(completed("33010319800101001"), TODAY) is None  # 下城, until 2021


class TestCreditCodes:
    @pytest.mark.parametrize("code", CREDIT_CODES)
    def test_samples_hold(self, code: str) -> None:
        assert credit_code_fault(code) is None

    @given(slips(st.sampled_from(CREDIT_CODES), CREDIT_CHARS))
    def test_one_wrong_character_is_found(self, pair: tuple[str, str]) -> None:
        assert credit_code_fault(pair[1]) is not None

    @pytest.mark.parametrize(
        ("code", "fault"),
        [
            ("", "form"),
            ("12339900YY000001X", "form"),
            ("12339900yy000001xl", "form"),
            *((f"1{letter}339900YY000001XL", "form") for letter in "IOSVZ"),
            ("12339900YY0000011L", "organization"),
            ("12339900YY000001XM", "check"),
        ],
    )
    def test_faults(self, code: str, fault: str) -> None:
        assert credit_code_fault(code) == fault

    def test_organisation_check_takes_x_and_zero(self) -> None:
        assert {organization_check(f"{n:08}") for n in range(200)} == set(DIGITS + "X")


class TestBankNumbers:
    @pytest.mark.parametrize("number", BANK_NUMBERS)
    def test_samples_hold(self, number: str) -> None:
        assert mod_11_10(number[:-1]) == number[-1]

    @given(
        slips(
            st.text(DIGITS, min_size=1, max_size=30).map(lambda body: body + mod_11_10(body)),
            DIGITS,
        )
    )
    def test_one_wrong_digit_is_found(self, pair: tuple[str, str]) -> None:
        assert mod_11_10(pair[1][:-1]) != pair[1][-1]


class TestCards:
    @pytest.mark.parametrize("number", CARDS)
    def test_samples_hold(self, number: str) -> None:
        assert luhn_holds(number)

    @given(slips(st.sampled_from(CARDS), DIGITS))
    def test_one_wrong_digit_is_found(self, pair: tuple[str, str]) -> None:
        assert not luhn_holds(pair[1])


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            BaseCode,
            ["332014901003", "002014005002"],
            ["", "33201490100", "3320149010031", "33201490100a", "332014901003\n", "３32014901003"],
        ),
        (
            DivisionCode,
            ["330000", "330106", "330106013", "330106013000"],
            ["", "33", "3301060", "33010601300", "3301060130000", "330106\n", "３30106"],
        ),
        (CreditCode, CREDIT_CODES, ["", "12339900YY000001XM", "12339900YY000001XL0"]),
    ],
)
def test_fields_take_what_is_good_and_nothing_else(
    kind: Any, good: list[str], bad: list[str]
) -> None:
    field: TypeAdapter[str] = TypeAdapter(kind)
    assert [field.validate_python(code) for code in good] == good
    for code in bad:
        with pytest.raises(ValidationError):
            field.validate_python(code)


@pytest.mark.parametrize(
    ("number", "holds"),
    [
        ("13900000001", True),
        ("19912345678", True),
        ("12345678901", False),
        ("1390000000", False),
        ("139000000011", False),
        ("13900000001\n", False),
        ("１3900000001", False),
        ("+8613900000001", False),
        ("", False),
    ],
)
def test_mobile_numbers(number: str, holds: bool) -> None:
    assert mobile_holds(number) is holds
