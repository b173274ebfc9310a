"""When an outlet is open: structured, said in words, and asked "now?".

Pure functions, shared by the service and by what terminals install. A week is counted in minutes from
Monday 0:00 on, a day from 0:00; both in Asia/Shanghai, which has no summer time.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import DayOfOurs, Request

Span: TypeAlias = tuple[int, int]
"""Minutes: the first, and the first no more."""

Clock = Annotated[str, StringConstraints(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
WEEKDAYS = "一二三四五六日"


def minutes(clock: str) -> int:
    """Turn `08:30` into minutes."""
    hour, _, minute = clock.partition(":")
    return int(hour) * 60 + int(minute)


def _in_order(periods: list[tuple[str, str]]) -> list[tuple[str, str]]:
    ends = [minutes(clock) for period in periods for clock in period]
    if ends != sorted(set(ends)):
        raise PydanticCustomError(
            "periods-order", "periods are in order, each ends after it begins, and none touch"
        )
    return periods


Periods = Annotated[
    list[tuple[Clock, Clock]],
    Field(max_length=6, examples=[[["08:30", "11:30"], ["13:30", "17:00"]]]),
    AfterValidator(_in_order),
]
"""Periods of a day; an empty list: closed."""


class DaysOpen(Request):
    """Periods of some days of the week."""

    days: list[Annotated[int, Field(ge=1, le=7)]] = Field(
        min_length=1, max_length=7, description="1 is Monday."
    )
    periods: Periods


class DayOpen(Request):
    """Periods of one day, whatever day of the week it is."""

    on: DayOfOurs
    periods: Periods


class Opening(Request):
    """When an outlet is open."""

    weekly: list[DaysOpen] = Field(max_length=7)
    holidays: Periods = Field(
        default_factory=list, description="On public holidays that free a working day, too."
    )
    exceptions: list[DayOpen] = Field(default_factory=list, max_length=60)

    @model_validator(mode="after")
    def _each_day_once(self) -> "Opening":
        days = [day for part in self.weekly for day in part.days]
        dates = [part.on for part in self.exceptions]
        if len(set(days)) < len(days) or len(set(dates)) < len(dates):
            raise PydanticCustomError("day-twice", "a day is named once")
        return self


def _spans(periods: Iterable[tuple[str, str]]) -> list[Span]:
    return [(minutes(a), minutes(b)) for a, b in periods]


def is_open(opening: Opening, there: datetime, is_working: bool) -> bool:
    """Tell whether it is open at a moment, told by a clock in China.

    `is_working` says whether the day is one in the State Council's calendar. A weekday that is none is a
    public holiday; a weekend day that is one is made up for, and opens as the Monday does where the outlet is
    closed on that day of the week.
    """
    at = there.hour * 60 + there.minute
    return any(start <= at < end for start, end in _that_day(opening, there, is_working))


def _that_day(opening: Opening, there: datetime, is_working: bool) -> list[Span]:
    for exception in opening.exceptions:
        if exception.on == there.date():
            return _spans(exception.periods)
    weekday = there.isoweekday()
    if not is_working and weekday <= 5:
        return _spans(opening.holidays)
    own = _of_weekday(opening, weekday)
    return own or (_of_weekday(opening, 1) if is_working and weekday > 5 else [])


def _of_weekday(opening: Opening, weekday: int) -> list[Span]:
    return next((_spans(part.periods) for part in opening.weekly if weekday in part.days), [])


# Words


ALIKE = str.maketrans("：，、；～—－–至到~天", ":,,;-------日", "　 ")
AFTER_DAYS = re.compile(r"(?<=[一二三四五六日]):")
DAYS_FORM = re.compile(r"(?:周|星期|每周)([一二三四五六日])(?:-(?:周|星期)?([一二三四五六日]))?")
NAMED = {"工作日": (1, 5), "每日": (1, 7), "周末": (6, 7), "双休日": (6, 7)}
NAMED_FORM = re.compile("|".join(NAMED))
CLOCK = r"(?:上午|下午|中午)?(?:[01]?[0-9]|2[0-4]):[0-5][0-9]"
PERIOD_FORM = re.compile(f"({CLOCK})-({CLOCK})", re.ASCII)
TOKENS = re.compile(f"{NAMED_FORM.pattern}|{DAYS_FORM.pattern}|{PERIOD_FORM.pattern}|[,;]")


def parse(text: str) -> Opening | None:
    """Read hours as outlets write them: `周一至周五 8:30-11:30,13:30-17:00;周六 9:00-12:00`.

    Without days, Monday to Friday. None: what stands there is not understood whole, or contradicts itself.
    """
    tokens = _tokens(AFTER_DAYS.sub("", text.translate(ALIKE)))
    if not tokens:
        return None
    try:
        return Opening(weekly=list(_parts(tokens)))
    except ValueError:
        return None


def _tokens(text: str) -> list[re.Match[str]] | None:
    """Cut a text into what we know; None where anything else stands in it."""
    found = list(TOKENS.finditer(text))
    return found if found and "".join(m[0] for m in found) == text else None


def _parts(tokens: list[re.Match[str]]) -> Iterator[dict[str, object]]:
    days: list[int] = []
    periods: list[tuple[str, str]] = []
    for token in tokens:
        if PERIOD_FORM.fullmatch(token[0]):
            periods.append(_period(token[3], token[4]))
        elif token[0] not in ",;":
            if periods:
                yield {"days": days or [1, 2, 3, 4, 5], "periods": periods}
                days, periods = [], []
            days = days + _days(token)
    if not periods:
        raise ValueError("days without hours")
    yield {"days": days or [1, 2, 3, 4, 5], "periods": periods}


def _period(start: str, end: str) -> tuple[str, str]:
    """Turn `下午1:30` and `5:00` into `13:30` and `17:00`: who ends in the afternoon need not say so again."""
    if start.startswith("下午") and end[0].isascii():
        end = f"下午{end}"
    return _clock(start), _clock(end)


def _clock(said: str) -> str:
    hour, _, minute = said.lstrip("上下中午").partition(":")
    later = 12 if said.startswith("下午") and int(hour) < 12 else 0
    return f"{int(hour) + later:02}:{minute}"


def _days(token: re.Match[str]) -> list[int]:
    first, last = NAMED.get(token[0]) or _range(token)
    return list(range(first, last + 1))


def _range(token: re.Match[str]) -> Span:
    first = WEEKDAYS.index(token[1]) + 1
    return first, WEEKDAYS.index(token[2]) + 1 if token[2] else first


def said(opening: Opening) -> str:
    """Say the weekly hours in words that `parse` reads."""
    return ";".join(
        f"{_said_days(sorted(part.days))} {','.join('-'.join(p) for p in part.periods) or '休息'}"
        for part in opening.weekly
    )


def _said_days(days: list[int]) -> str:
    names = [f"周{WEEKDAYS[day - 1]}" for day in days]
    if len(days) > 1 and days[-1] - days[0] == len(days) - 1:
        return f"{names[0]}至{names[-1]}"
    return ",".join(names)
