"""Counting working days, against the State Council's notices."""

import csv
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.clock import CHINA, day_of
from kit.workdays import Workdays, WorkdaysMemory, parse_notices

FILE = Path(__file__).parent.parent / "data" / "calendar" / "cn_day_exceptions.csv"
ONE = timedelta(days=1)


def loaded() -> Workdays:
    with FILE.open(encoding="utf-8", newline="") as file:
        return Workdays.of({d.day: d.is_working for d in parse_notices(csv.DictReader(file))})


DAYS = loaded()
YEARS = Counter(day.year for day in DAYS.days)
days = st.dates(date(2018, 1, 1), date(2027, 12, 31))
counts = st.integers(1, 250)

VECTORS = """
    2026-09-28  5 2026-10-10    2025-12-31  1 2026-01-04
    2026-02-13  3 2026-02-25    2026-01-30 20 2026-03-05
    2026-04-30  1 2026-05-06    2025-09-30 10 2025-10-21
    2026-05-08  1 2026-05-09    2026-10-09  1 2026-10-10
    2026-09-24  2 2026-09-29    2026-03-02 45 2026-05-08
    2026-06-18  1 2026-06-22
"""
"""Domain 3.3: from, working days, due."""

NOTICES = """
    2026 off  01-01..03 02-15..23 04-04..06 05-01..05 06-19..21 09-25..27 10-01..07
    2026 work 01-04 02-14 02-28 05-09 09-20 10-10
    2025 off  01-01 01-28..31 02-01..04 04-04..06 05-01..05 05-31 06-01..02 10-01..08
    2025 work 01-26 02-08 04-27 09-28 10-11
"""
"""Domain 3.3: what the notices of two years name."""


def triples(text: str) -> list[tuple[str, str, str]]:
    words = iter(text.split())
    return list(zip(words, words, words, strict=True))


def noticed() -> list[tuple[date, bool]]:
    found = []
    for line in NOTICES.strip().splitlines():
        year, kind, *spans = line.split()
        for span in spans:
            first, _, last = span.partition("..")
            start = date.fromisoformat(f"{year}-{first}")
            for n in range(int(last or start.day) - start.day + 1):
                found.append((start + n * ONE, kind == "work"))
    return found


@pytest.mark.parametrize(("start", "count", "due"), triples(VECTORS))
def test_known_limits_end_where_they_should(start: str, count: str, due: str) -> None:
    assert DAYS.after(date.fromisoformat(start), int(count)) == date.fromisoformat(due)


def test_notices_of_two_years_are_loaded_as_they_were_published() -> None:
    assert [(d, DAYS.is_working(d)) for d, _ in noticed()] == noticed()
    assert (YEARS[2025], YEARS[2026]) == (248, 248)


@given(days, counts)
def test_one_by_one_is_as_at_once(day: date, count: int) -> None:
    stepped = day
    for _ in range(count):
        stepped = DAYS.after(stepped, 1)
    assert DAYS.after(day, count) == stepped


@given(days, counts)
def test_between_counts_what_after_added(day: date, count: int) -> None:
    assert DAYS.between(day, DAYS.after(day, count)) == count


@given(days, counts)
def test_a_limit_ends_on_a_working_day_after_the_first(day: date, count: int) -> None:
    due = DAYS.after(day, count)
    assert due > day
    assert DAYS.is_working(due)
    assert not any(
        DAYS.is_working(day + n * ONE) for n in range(1, (DAYS.after(day, 1) - day).days)
    )


@given(days)
def test_no_days_end_today_or_on_the_next_working_day(day: date) -> None:
    assert DAYS.after(day, 0) == (day if DAYS.is_working(day) else DAYS.after(day, 1))


@given(days, days)
def test_between_is_negative_when_the_end_is_past(start: date, end: date) -> None:
    walked = sum(DAYS.is_working(start + n * ONE) for n in range(1, (end - start).days + 1))
    assert DAYS.between(start, end) == (walked if end >= start else -DAYS.between(end, start))


@given(days.filter(DAYS.is_working), st.integers(0, 60))
def test_before_is_the_first_day_with_so_few_left(due: date, count: int) -> None:
    first = DAYS.before(due, count)
    if first != DAYS.days[0]:
        assert DAYS.between(first, due) <= count < DAYS.between(first - ONE, due)


def test_days_past_the_last_notice_are_flagged() -> None:
    assert not DAYS.is_provisional(date(2026, 12, 31))
    assert DAYS.is_provisional(date(2027, 1, 1))
    assert DAYS.after(date(2026, 12, 31), 1) == date(2027, 1, 1)  # A guess, and marked as one.


def test_a_limit_beyond_the_calendar_is_refused() -> None:
    with pytest.raises(ValueError, match="beyond the calendar"):
        DAYS.after(date(2026, 1, 1), 2000)


def test_a_limit_before_the_calendar_is_refused() -> None:
    with pytest.raises(ValueError, match="calendar"):
        DAYS.after(DAYS.days[0] - 400 * ONE, 5)


@pytest.mark.parametrize("years", [[], [2024, 2026], [2024, 2025, 2027]])
def test_notices_with_a_year_missing_are_refused(years: list[int]) -> None:
    with pytest.raises(ValueError, match="every year"):
        Workdays.of({date(year, 1, 1): False for year in years})


def test_a_notice_overrules_the_week() -> None:
    saturday, monday = date(2024, 3, 2), date(2024, 3, 4)
    assert (DAYS.is_working(saturday), DAYS.is_working(monday)) == (False, True)
    changed = Workdays.of({saturday: True, monday: False})
    assert (changed.is_working(saturday), changed.is_working(monday)) == (True, False)


@pytest.mark.parametrize(
    "rows",
    [
        [("2026-01-01", "holiday")],
        [("2026-13-01", "off")],
        [("2026-01-01", "off"), ("2026-01-01", "work")],
    ],
)
def test_unreadable_or_contradicting_rows_are_refused(rows: list[tuple[str, str]]) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_notices({"date": d, "day_type": k, "holiday": ""} for d, k in rows)


def test_the_same_row_twice_is_one_day() -> None:
    row = {"date": "2026-01-01", "day_type": "off", "holiday": "元旦"}
    assert len(parse_notices([row, row])) == 1


def test_without_a_calendar_nothing_is_counted() -> None:
    with pytest.raises(RuntimeError, match="syt load calendar"):
        _ = WorkdaysMemory().workdays


@given(st.datetimes(timezones=st.just(CHINA)))
def test_the_day_is_the_day_in_china(moment: datetime) -> None:
    assert day_of(moment.astimezone(UTC)) == moment.date()


moments = st.builds(
    lambda day, time: datetime.combine(day, time, tzinfo=CHINA),
    st.dates(date(2025, 1, 2), date(2026, 12, 30)),
    st.times(),
)


@given(moments, counts.filter(lambda count: count < 200))
def test_from_noon_to_noon_as_many_are_spent_as_lie_between(moment: datetime, count: int) -> None:
    start = DAYS.after(moment.date(), 0)
    end = DAYS.after(start, count)
    noon = [moment.replace(year=d.year, month=d.month, day=d.day) for d in (start, end)]
    assert DAYS.spent(*noon) == count == DAYS.between(start, end)


@given(moments, st.timedeltas(timedelta(), timedelta(days=40)))
def test_what_was_begun_is_spent_and_no_holiday_is(moment: datetime, length: timedelta) -> None:
    """Second by second of working days, rounded up."""
    end, at, worked = moment + length, moment, timedelta()
    while at < end:
        night = datetime(at.year, at.month, at.day, tzinfo=CHINA) + timedelta(days=1)
        upto = min(night, end)
        worked += (upto - at) if DAYS.is_working(at.date()) else timedelta()
        at = upto
    assert DAYS.spent(moment, end) == -(-worked // timedelta(days=1))
