"""Codes that the trade uses: their forms, and the digits that prove them.

Pure functions, shared by the service and by what terminals install.
"""

import re
from datetime import date
from functools import lru_cache
from operator import mul
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from schemas.telephones import LANDLINE_FORM, MOBILE_FORM

ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
ID_CHECKS = "10X98765432"
ID_ZEROS = ord("0") * sum(ID_WEIGHTS)
"""What seventeen zeros weigh as characters: digits are weighed as such, not read one by one."""
CREDIT_CHARS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
CREDIT_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
ORGANIZATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
PROVINCES = frozenset(
    [
        "11",
        "12",
        "13",
        "14",
        "15",
        "21",
        "22",
        "23",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
        "42",
        "43",
        "44",
        "45",
        "46",
        "50",
        "51",
        "52",
        "53",
        "54",
        "61",
        "62",
        "63",
        "64",
        "65",
        "71",
        "81",
        "82",
        "83",
        "91",
    ]
)
"""First two digits of an ID: GB/T 2260 provinces; 81 to 83 residence permits, 91 foreigners."""

MOD_11_10 = [{str(d): ((p + d) % 10 or 10) * 2 % 11 for d in range(10)} for p in range(11)]
"""The running product of ISO 7064 MOD 11,10 after each digit, by the product before it and the digit."""

ID_FORM = re.compile(r"[0-9]{17}[0-9X]", re.ASCII)
CREDIT_FORM = re.compile(f"[{CREDIT_CHARS}]{{18}}")


def id_fault(number: str, today: date) -> str | None:
    """Tell what is wrong with a citizen's ID number: `form`, `place`, `birth`, `check`, or nothing.

    18 characters; a lower-case x is taken for X. An abolished county is no fault: a number keeps
    its place for life. Source: GB 11643-1999, check by ISO 7064 MOD 11-2.
    """
    number = number.upper()
    if not ID_FORM.fullmatch(number):
        return "form"
    if number[:2] not in PROVINCES:
        return "place"
    if not _is_past_day(number[6:14], today):
        return "birth"
    total = sum(map(mul, number[:17].encode(), ID_WEIGHTS)) - ID_ZEROS
    return None if ID_CHECKS[total % 11] == number[17] else "check"


def _is_past_day(digits: str, today: date) -> bool:
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:])) <= today
    except ValueError:
        return False


def credit_code_fault(code: str) -> str | None:
    """Tell what is wrong with a unified social credit code: `form`, `organization`, `check`, or nothing.

    18 characters without I, O, S, V, Z. Source: GB 32100-2015; the organisation code within it by
    GB 11714.
    """
    if not CREDIT_FORM.fullmatch(code):
        return "form"
    if organization_check(code[8:16]) != code[16]:
        return "organization"
    total = sum(CREDIT_CHARS.index(a) * w for a, w in zip(code, CREDIT_WEIGHTS, strict=False))
    return None if CREDIT_CHARS[(31 - total % 31) % 31] == code[17] else "check"


def organization_check(body: str) -> str:
    """Give the check character of the 8 characters of an organisation code (GB 11714)."""
    total = sum(int(a, 36) * w for a, w in zip(body, ORGANIZATION_WEIGHTS, strict=True))
    return "0X987654321"[total % 11]


@lru_cache(1_000)  # Who takes a number in asks, and the registry's rules ask again.
def mod_11_10(digits: str, product: int = 10) -> str:
    """Give the check digit of `digits` by ISO 7064 MOD 11,10 (CNAPS numbers, our numbers).

    `product` is `mod_11_10_product` of the digits before them, where those are known already.
    """
    return str((11 - mod_11_10_product(digits, product)) % 10)


def mod_11_10_product(digits: str, product: int = 10) -> int:
    """Give the running product after `digits`, to go on from."""
    for digit in digits:
        product = MOD_11_10[product][digit]
    return product


CNAPS_FORM = re.compile(r"[0-9]{12}", re.ASCII)


def cnaps_fault(number: str) -> str | None:
    """Tell what is wrong with a payment-system number (支付系统行号): `form`, `check`, or nothing.

    12 digits: bank 3, area 4, branch 4, check digit by ISO 7064 MOD 11,10.
    """
    if not CNAPS_FORM.fullmatch(number):
        return "form"
    return None if mod_11_10(number[:11]) == number[11] else "check"


LICENCE_FORM = re.compile(r"[A-Z][0-9]{4}[A-Z][0-9]{9}", re.ASCII)
"""Number of a financial licence: letter, institution 4, kind letter, level 1, area 4, serial 4."""


def luhn_holds(number: str) -> bool:
    """Tell whether a bank card number passes the Luhn check (GB/T 15694)."""
    digits = [int(d) for d in reversed(number)]
    return sum(d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits)) % 10 == 0


def _credit_code(code: str) -> str:
    if credit_code_fault(code) is not None:
        raise PydanticCustomError("credit-code", "not a unified social credit code")
    return code


BaseCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
"""Base code of a matter (GB/T 39554): scope 2, type 2, department 2, main 3, sub 3."""

CreditCode = Annotated[
    str,
    StringConstraints(max_length=18, pattern=r"^[0-9A-HJ-NP-RTUW-Y]{18}$"),
    AfterValidator(_credit_code),
    Field(json_schema_extra={"format": "credit-code"}),
]
"""Unified social credit code (GB 32100)."""

DivisionCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}([0-9]{3}){0,2}$")]
"""Administrative division: 6 digits (GB/T 2260), 9 (GB/T 10114) or 12 (zero-filled)."""


def mobile_holds(number: str) -> bool:
    """Tell whether `number` is a mobile number of mainland China."""
    return MOBILE_FORM.fullmatch(number) is not None


def landline_holds(number: str) -> bool:
    """Tell whether `number` is a landline with its area code, 0 and two or three digits before it."""
    return LANDLINE_FORM.fullmatch(number) is not None


BASE_CODE_FORM = re.compile(r"[0-9]{12}", re.ASCII)
MATTER_TYPES = frozenset(["01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "20"])
"""GB/T 39046 A.1, from administrative licences to public services."""

SCOPES = PROVINCES - {"81", "82", "83", "91"} | {"00"}
"""Whose list a matter stands on: the nation's, or a province's."""

EXERCISE_LEVELS = frozenset("1234567")
"""GB/T 39046 A.2."""

HUMAN_RESOURCES = "14"
"""Department of human resources and social security within a base code."""

SAMPLE_MAIN = 900
"""From this main number on a base code is a sample of ours: no list goes so far."""


def base_code_fault(code: str) -> str | None:
    """Tell what is wrong with a base code: `form`, `scope`, `type`, `department`, or nothing.

    12 digits: scope 2, type 2, department 2, main matter 3, sub-matter 3. Source: GB/T 39554.1, as
    read from codes in use.
    """
    if not BASE_CODE_FORM.fullmatch(code):
        return "form"
    if code[:2] not in SCOPES:
        return "scope"
    if code[2:4] not in MATTER_TYPES:
        return "type"
    return None if code[4:6] == HUMAN_RESOURCES else "department"


def implementation_code_fault(code: str) -> str | None:
    """Tell what is wrong with an implementation code: `form`, `body`, `level`, a base code's, or nothing.

    31 characters: the body's unified social credit code 18, exercise level 1, base code 12.
    """
    if len(code) != 31:
        return "form"
    if credit_code_fault(code[:18]) is not None:
        return "body"
    if code[18] not in EXERCISE_LEVELS:
        return "level"
    return base_code_fault(code[19:])


def handling_item_fault(code: str) -> str | None:
    """Tell what is wrong with a handling-item code: `serial`, an implementation code's, or nothing.

    33 characters: an implementation code 31, and a serial of two digits from 01 on.
    """
    if not re.fullmatch(r"0[1-9]|[1-9][0-9]", code[31:], re.ASCII):
        return "serial"
    return implementation_code_fault(code[:31])


def is_sample_code(code: str) -> bool:
    """Tell whether a base code is one that no list can hold."""
    return int(code[6:9]) >= SAMPLE_MAIN
