"""Working days of China: the State Council's yearly notices, and counting by them."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

import sqlalchemy as sa
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from kit.clock import CHINA, day_of
from kit.generations import Generation

DAY = timedelta(days=1)
KIND = "calendar"
KINDS = {"off": False, "work": True}
REACH_YEARS = 5
"""How many years past the last notice are laid out, Monday to Friday."""


class CalendarDay(SQLModel, table=True):
    """A day that a notice names; all other days are Monday to Friday work, Saturday and Sunday off."""

    __tablename__ = "calendar_day"

    day: date = Field(primary_key=True, sa_type=sa.Date)
    is_working: bool
    holiday: str = Field(default="", max_length=40)


@dataclass(frozen=True, eq=False)
class Workdays:
    """Counts working days. Made anew when a notice is loaded; two are never compared by their days."""

    days: tuple[date, ...]
    """All working days in order, from the first loaded year on."""

    loaded_until: date
    """The last day that a notice covers; beyond it Monday to Friday is only a guess."""

    @classmethod
    def of(cls, notices: Mapping[date, bool]) -> "Workdays":
        """Lay out the years that `notices` name (day → is working), and some after them.

        Raises:
            ValueError: no day is named, or a year between two is missing.
        """
        years = sorted({day.year for day in notices})
        if not years or any(b - a != 1 for a, b in pairwise(years)):
            raise ValueError("notices must name every year from the first to the last")
        first, last = date(years[0], 1, 1), date(years[-1], 12, 31)
        end = date(last.year + REACH_YEARS, 12, 31)
        days = (first + timedelta(n) for n in range((end - first).days + 1))
        return cls(tuple(d for d in days if notices.get(d, d.weekday() < 5)), last)

    def is_working(self, day: date) -> bool:
        """Tell whether `day` is a working day."""
        at = bisect_left(self.days, day)
        return at < len(self.days) and self.days[at] == day

    def after(self, day: date, count: int) -> date:
        """Give the last day of a limit of `count` working days that starts on `day`.

        The first day is not counted (Civil Code 201). `count` 0 ends on `day` itself, or on the next
        working day. Ends on a working day always; see `is_provisional`.
        """
        if day < self.days[0].replace(month=1, day=1):
            raise ValueError("the limit begins before the calendar")
        at = bisect_left(self.days, day) if count == 0 else bisect_right(self.days, day) + count - 1
        if at >= len(self.days):
            raise ValueError("the limit ends beyond the calendar")
        return self.days[max(at, 0)]

    def before(self, day: date, count: int) -> date:
        """Give the day from which on `count` working days or fewer are left until `day`."""
        at = bisect_left(self.days, day) - count
        return self.days[max(at, 0)]

    def between(self, start: date, end: date) -> int:
        """Count the working days in (start, end]; negative when `end` is past."""
        return bisect_right(self.days, end) - bisect_right(self.days, start)

    def spent(self, start: datetime, end: datetime) -> int:
        """Count the working days that went by between two moments, what was begun for a whole one."""
        first, last = day_of(start), day_of(end)
        whole = self.between(first, last) - self.is_working(last)
        parts = [(first, _midnight(first) + DAY - start), (last, end - _midnight(last))]
        if first == last:
            whole, parts = 0, [(first, end - start)]
        part = sum((length for day, length in parts if self.is_working(day)), timedelta())
        return whole + -(-part // DAY)

    def is_provisional(self, day: date) -> bool:
        """Tell whether `day` lies past the last notice, so that it may still move."""
        return day > self.loaded_until


def _midnight(day: date) -> datetime:
    """Give the moment at which a day begins in China."""
    return datetime(day.year, day.month, day.day, tzinfo=CHINA)


class WorkdaysMemory:
    """The calendar that a process holds."""

    def __init__(self) -> None:
        self.now: Workdays | None = None
        self.generation = 0

    @property
    def workdays(self) -> Workdays:
        """The calendar in force.

        Raises:
            RuntimeError: none is loaded.
        """
        if self.now is None:
            raise RuntimeError("no calendar is loaded: run `syt load calendar`")
        return self.now

    async def load(self, session: AsyncSession, since: int) -> None:
        """Read the whole calendar; it is small.

        Its number first: what is dated by it may then be looked through once too often, and never too seldom.
        """
        number = select(Generation.value).where(Generation.kind == KIND)
        generation = (await session.exec(number)).one()
        rows = (await session.exec(select(col(CalendarDay.day), col(CalendarDay.is_working)))).all()
        self.now = Workdays.of(dict(rows)) if rows else None
        self.generation = generation


def parse_notices(rows: Iterable[Mapping[str, str]]) -> list[CalendarDay]:
    """Read `date, day_type (off or work), holiday`.

    Raises:
        ValueError: a row is not of that form, or a day is named twice with different kinds.
    """
    days: dict[date, CalendarDay] = {}
    for row in rows:
        day = date.fromisoformat(row["date"])
        working = KINDS.get(row["day_type"])
        if working is None:
            raise ValueError(f"{day}: day_type must be off or work")
        if day in days and days[day].is_working != working:
            raise ValueError(f"{day} is named twice")
        days[day] = CalendarDay(day=day, is_working=working, holiday=row["holiday"])
    return list(days.values())
