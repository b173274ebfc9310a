"""Opening hours: read, said again, and asked "now?"."""

from datetime import date, datetime

import pytest
from pydantic import ValidationError

from schemas.hours import (
    DayOpen,
    Opening,
    is_open,
    parse,
    said,
)

OFFICE = "周一至周五 08:30-11:30,13:30-17:00"

READ = {
    "周一至周五 8:30-11:30,13:30-17:00": OFFICE,
    "08:30-11:30,13:30-17:00": OFFICE,
    "工作日上午8:30-11:30，下午13:30-17:00": OFFICE,
    "周一到周五 上午8:30-11:30 下午1:30-5:00": OFFICE,
    "星期一至星期五：08：30—11：30、13：30—17：00": OFFICE,
    "周一至周五 8:00-16:30": "周一至周五 08:00-16:30",
    "周一至周五 8:30-17:00;周六 9:00-12:00": "周一至周五 08:30-17:00;周六 09:00-12:00",
    "周一、周三 9:00-12:00": "周一,周三 09:00-12:00",
    "每天 8:00-20:00": "周一至周日 08:00-20:00",
    "星期一到星期日 08:30～17：00": "周一至周日 08:30-17:00",
    "周日 0:00-24:00": "周日 00:00-24:00",
}  # fmt: skip
UNREAD = ("", "abc", "周一至周五", "9:00-8:00", "25:00-26:00", "8:30-11:30 节假日除外", "8:30-17",
          "周八 8:00-9:00",
          "周一 8:00-9:00;周一 10:00-11:00", "8:00-10:00,9:00-11:00", "下午13:30-")  # fmt: skip


@pytest.mark.parametrize(("text", "meant"), READ.items())
def test_hours_are_read_as_outlets_write_them(text: str, meant: str) -> None:
    opening = parse(text)
    assert opening is not None
    assert said(opening) == meant
    assert parse(meant) == opening


@pytest.mark.parametrize("text", UNREAD)
def test_what_is_not_understood_whole_is_not_guessed(text: str) -> None:
    assert parse(text) is None


def office(**more: object) -> Opening:
    found = parse(OFFICE)
    assert found is not None
    return found.model_copy(update=more)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


@pytest.mark.parametrize(
    ("moment", "is_working", "opened"),
    [
        ("2026-11-23T08:29", True, False),
        ("2026-11-23T08:30", True, True),
        ("2026-11-23T11:30", True, False),
        ("2026-11-23T16:59", True, True),
        ("2026-11-21T10:00", False, False),
        ("2026-11-21T10:00", True, True),
        ("2026-10-01T10:00", False, False),
    ],
    ids=["early", "opens", "noon", "late", "Saturday", "made-up Saturday", "national day"],
)
def test_whether_it_is_open(moment: str, is_working: bool, opened: bool) -> None:
    assert is_open(office(), at(moment), is_working) is opened


def test_holidays_and_single_days_have_hours_of_their_own() -> None:
    opening = office(
        holidays=[("09:00", "11:00")],
        exceptions=[DayOpen(on=date(2026, 11, 24), periods=[])],
    )
    assert is_open(opening, at("2026-10-01T10:00"), False)
    assert not is_open(opening, at("2026-11-24T10:00"), True)


def test_a_day_is_named_once_and_periods_do_not_meet() -> None:
    part = {"days": [1, 2], "periods": [["08:00", "09:00"]]}
    Opening.model_validate({"weekly": [part]})
    for wrong in (
        {"weekly": [part, {"days": [2], "periods": []}]},
        {"weekly": [{"days": [1, 1], "periods": []}]},
        {"weekly": [{"days": [8], "periods": []}]},
        {"weekly": [{"days": [1], "periods": [["09:00", "08:00"]]}]},
        {"weekly": [{"days": [1], "periods": [["08:00", "09:00"], ["08:30", "10:00"]]}]},
        {"weekly": [{"days": [1], "periods": [["8:00", "9:00"]]}]},
    ):
        with pytest.raises(ValidationError):
            Opening.model_validate(wrong)
