"""The two clocks of an application, and its lights."""

import csv
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from applications.clocks import DARK, Due, due, light
from applications.lifecycle import ENDED
from cli.load import shipped_guide
from kit.clock import CHINA
from kit.workdays import Workdays, parse_notices
from schemas.applications import Light, State
from schemas.guides import Guide

DATA = Path(__file__).parent.parent / "data"
ONE = timedelta(days=1)
MARKS = {
    Light.GREEN: "g",
    Light.YELLOW: "y",
    Light.RED: "r",
    Light.OVERDUE: "o",
    Light.NONE: ".",
}


def calendar() -> Workdays:
    path = DATA / "calendar" / "cn_day_exceptions.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return Workdays.of({d.day: d.is_working for d in parse_notices(csv.DictReader(file))})


def pension() -> Guide:
    return shipped_guide("332014901003").guide


DAYS, GUIDE = calendar(), pension()
"""Legal 20 working days, promised 5, told about acceptance within 5."""


def guide(*, legal: int | None = 20, promised: int = 5, accept: int = 5) -> Guide:
    limits = {
        "legal_limit": legal
        if legal is None
        else GUIDE.promised_limit.model_copy(update={"value": legal}),
        "promised_limit": GUIDE.promised_limit.model_copy(update={"value": promised}),
        "accept_limit": accept,
    }
    return GUIDE.model_copy(update=limits)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=CHINA)


def clocks(
    received: date,
    accepted: date | None,
    *,
    legal: int | None = 20,
    promised: int = 5,
    accept: int = 5,
) -> Due:
    wanted = guide(legal=legal, promised=promised, accept=accept)
    return due(wanted, DAYS, noon(received), noon(accepted) if accepted else None)


@dataclass
class Timed:
    """What has a light."""

    state: str
    yellow_on: date
    red_on: date
    overdue_on: date | None


def shown(found: Due, day: date, state: State = State.ACCEPTED) -> Light:
    return light(Timed(state, found.yellow_on, found.red_on, found.overdue_on), day)


SEPTEMBER, NOVEMBER = date(2026, 9, 24), date(2026, 11, 23)


def test_both_limits_leave_out_the_first_day_and_the_holidays() -> None:
    found = clocks(SEPTEMBER, SEPTEMBER)  # Before Mid-Autumn and the National Day.
    assert found.promised_due_on == date(2026, 10, 9)
    assert found.legal_due_on == date(2026, 10, 29)
    assert found.due_on == found.promised_due_on
    assert not found.due_provisional


def test_the_contracts_example_is_due_as_it_says() -> None:
    found = clocks(NOVEMBER, NOVEMBER)
    assert (found.legal_due_on, found.promised_due_on) == (date(2026, 12, 21), date(2026, 11, 30))


def test_the_legal_clock_runs_from_receipt_and_the_promised_one_from_acceptance() -> None:
    found = clocks(NOVEMBER, NOVEMBER + 3 * ONE)
    assert (found.legal_due_on, found.promised_due_on) == (date(2026, 12, 21), date(2026, 12, 3))


def test_until_acceptance_the_day_to_tell_about_it_is_waited_for() -> None:
    found = clocks(NOVEMBER, None)
    assert (found.promised_due_on, found.due_on) == (None, date(2026, 11, 30))
    assert found.legal_due_on == date(2026, 12, 21)


def test_where_the_law_sets_no_limit_the_promise_is_the_last() -> None:
    assert clocks(NOVEMBER, NOVEMBER, legal=None).overdue_on == date(2026, 12, 1)
    assert clocks(NOVEMBER, None, legal=None).overdue_on is None


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 11, 23, 23, 59, tzinfo=CHINA), date(2026, 11, 24)),
        (datetime(2026, 11, 24, 0, 0, tzinfo=CHINA), date(2026, 11, 25)),
    ],
)
def test_the_day_of_receipt_is_the_day_in_china(moment: datetime, day: date) -> None:
    found = due(guide(legal=1, promised=1), DAYS, moment.astimezone(), moment)
    assert found.legal_due_on == found.promised_due_on == day


@pytest.mark.parametrize(
    ("received", "provisional"), [(date(2026, 12, 1), False), (date(2026, 12, 24), True)]
)
def test_limits_in_a_year_without_a_notice_are_provisional(
    received: date, provisional: bool
) -> None:
    assert clocks(received, received, legal=20).due_provisional is provisional


LIGHTS = """
2026-09-24  8  ggggggg gggggggyrrrrroo
2026-11-23 20  ggggyyyr rrrrrrrrrrrrrrrrrrrrroo
"""
"""Received and accepted on, legal limit: the light of each day from then on, a word for each month."""


@pytest.mark.parametrize("line", LIGHTS.strip().splitlines())
def test_lights_change_as_the_days_go_by(line: str) -> None:
    received, legal, *months = line.split()
    start, marks = date.fromisoformat(received), "".join(months)
    found = clocks(start, start, legal=int(legal))
    assert "".join(MARKS[shown(found, start + n * ONE)] for n in range(len(marks))) == marks


def expected(day: date, promised_due: date, legal_due: date, promised: int) -> Light:
    """Domain 3.4, word for word."""
    left = DAYS.between(day, promised_due)
    if day > legal_due:
        return Light.OVERDUE
    if left <= 0:
        return Light.RED
    return Light.YELLOW if left <= max(1, promised / 3) else Light.GREEN


starts = st.dates(date(2025, 1, 1), date(2026, 9, 30))


@given(starts, st.integers(0, 30), st.integers(0, 30), st.integers(0, 90))
def test_lights_follow_the_rule_on_every_working_day(
    start: date, promised: int, more: int, later: int
) -> None:
    found = clocks(start, start, legal=promised + more, promised=promised)
    assert found.promised_due_on is not None
    assert found.legal_due_on is not None
    day = start + later * ONE
    if DAYS.is_working(day) or day <= found.legal_due_on:
        rule = expected(day, found.promised_due_on, found.legal_due_on, promised)
        assert shown(found, day) is rule


def test_a_limit_that_ended_on_friday_is_overdue_on_saturday() -> None:
    found = clocks(date(2026, 11, 26), date(2026, 11, 26), legal=1, promised=1)
    assert found.legal_due_on == date(2026, 11, 27)
    assert shown(found, date(2026, 11, 28)) is Light.OVERDUE


@given(starts, st.integers(0, 30), st.booleans(), st.integers(0, 60))
def test_no_light_goes_back(start: date, promised: int, accepted: bool, later: int) -> None:
    order = [Light.GREEN, Light.YELLOW, Light.RED, Light.OVERDUE]
    found = clocks(start, start if accepted else None, promised=promised, legal=30, accept=5)
    day = start + later * ONE
    assert order.index(shown(found, day)) <= order.index(shown(found, day + ONE))


def test_where_no_clock_of_ours_runs_there_is_no_light() -> None:
    assert ENDED | {State.SUSPENDED, State.CORRECTION} == DARK
    found = clocks(SEPTEMBER, SEPTEMBER)
    for state in State:
        late = shown(found, date(2026, 12, 31), state)
        assert late is (Light.NONE if state in DARK else Light.OVERDUE)
