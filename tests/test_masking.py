"""Masking: what stays to be seen, and that no more does."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import masking

ID = "330106199001011234"


@pytest.mark.parametrize(
    ("mask", "value", "shown"),
    [
        (masking.name, "李小明", "李**"),
        (masking.name, "欧阳小明", "欧**"),
        (masking.name, "", "**"),
        (masking.id_number, ID, "330106********1234"),
        (masking.id_number, "E12345678", "********"),
        (masking.phone, "13812341234", "138****1234"),
        (masking.phone, "88886666", "********"),
        (masking.anything, "6217000000000000012", "********0012"),
        (masking.anything, "1990-01-01", "***"),
        (masking.anything, 250000, "***"),
        (masking.anything, True, "***"),
        (masking.anything, {"name": "李小明"}, "***"),
        (masking.anything, ["李小明"], "***"),
        (masking.anything, None, None),
    ],
)
def test_what_stays_to_be_seen(mask: Any, value: Any, shown: Any) -> None:
    assert mask(value) == shown


@given(st.text("0123456789X", min_size=5, max_size=30))
def test_four_characters_at_least_are_hidden_of_any_number(number: str) -> None:
    for hidden in (masking.id_number(number), masking.phone(number), masking.anything(number)):
        assert "*" in hidden
        assert len(hidden.replace("*", "")) <= len(number) - 4


def test_a_person_is_masked_field_by_field() -> None:
    assert masking.person(
        {
            "kind": "person",
            "name": "测试甲",
            "id_type": "resident_id",
            "id_number": ID,
            "phone": "13900000001",
        }
    ) == {
        "kind": "person",
        "name": "测**",
        "id_type": "resident_id",
        "id_number": "330106********1234",
        "phone": "139****0001",
    }
    assert masking.person(None) is None


def test_a_field_nobody_thought_of_is_masked() -> None:
    assert masking.person({"nickname": "小明", "credit_code": "91339900YY0000036A"}) == {
        "nickname": "***",
        "credit_code": "********036A",
    }


def test_of_a_form_what_is_personal_is_masked() -> None:
    form = {"insured_place": "330106", "account_number": "6217000000000000012"}
    assert masking.form(form, frozenset({"account_number"})) == {
        "insured_place": "330106",
        "account_number": "********0012",
    }


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("杭州市西湖区测试路1号2幢303室", id="address"),
        pytest.param("右胫骨骨折术后，并发慢性抑郁症", id="diagnosis"),
        pytest.param("Alexander Miller", id="name"),
    ],
)
def test_words_show_nothing_of_their_end(value: str) -> None:
    assert value[-4:] not in masking.anything(value)
