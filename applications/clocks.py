"""The two clocks of an application, and the lights that tell of them."""

from datetime import date, datetime, timedelta
from typing import NamedTuple, Protocol

from kit.clock import day_of
from kit.workdays import Workdays
from schemas.applications import Light, State
from schemas.guides import Guide, Step


class Due(NamedTuple):
    """When an application is due, and from which days on its light changes."""

    legal_due_on: date | None
    promised_due_on: date | None
    due_provisional: bool
    due_on: date
    yellow_on: date
    red_on: date
    overdue_on: date | None
    step_due_on: date | None


class Moved(NamedTuple):
    """Working days that are taken out of the clocks or put to them, and from when acceptance is waited for."""

    corrected: int = 0
    """For the applicant to put right what he handed in: the legal clock stood."""
    suspended: int = 0
    """In special procedures: both clocks stood."""
    extended: int = 0
    supplied_at: datetime | None = None


UNMOVED = Moved()


class Standing(NamedTuple):
    """In which step an application is, and what is known of that step's own clock."""

    step: int = 1
    began_at: datetime | None = None
    """None: with the application itself."""
    moved_from: int = 0
    """Working days that the clocks had been moved by when it began."""
    spent: int = 0
    """Working days that went by on it before it was sent back: the step's limit is one, however often it is
    taken up."""


AT_FIRST = Standing()


def due(
    guide: Guide,
    days: Workdays,
    received_at: datetime,
    accepted_at: datetime | None,
    moved: Moved = UNMOVED,
    standing: Standing = AT_FIRST,
) -> Due:
    """Work out both limits in working days, the first day not counted.

    The legal clock runs from receipt (社会保险经办条例 6, 10, 18, 20, 24), the promised one from
    acceptance; until then the day to tell about acceptance is what is waited for. Yellow from the day
    on which a third of the promise, one day at least, is left; red on its last day; overdue after the
    legal limit, or after the promised one where the law sets none. An extension moves the legal limit
    only where the guide names the basis for it. Of several steps each has its own limit, which is what is
    waited for; where it is one of law (转移接续各环节15个工作日), the application is overdue after it.
    """
    stood = moved.corrected + moved.suspended + (moved.extended if guide.extension_basis else 0)
    legal = _limit(days, received_at, guide.legal_limit.value, stood) if guide.legal_limit else None
    promised, length = None, guide.accept_limit
    near = _limit(days, moved.supplied_at or received_at, length, 0)
    if accepted_at is not None:
        length = guide.promised_limit.value
        near = promised = _limit(days, accepted_at, length, moved.suspended + moved.extended)
    last, step_due = legal or promised, promised
    if accepted_at is not None and len(guide.steps) > 1:
        step = guide.steps[standing.step - 1]
        step_due = _step_limit(step, days, received_at, accepted_at, moved, standing)
        if step_due < near:
            near, length = step_due, step.limit
        last = min(last or step_due, step_due) if step.is_legal else last
    return Due(
        legal_due_on=legal,
        promised_due_on=promised,
        due_provisional=any(d is not None and days.is_provisional(d) for d in (legal, promised)),
        due_on=near,
        yellow_on=days.before(near, max(1, length // 3)),
        red_on=near,
        overdue_on=last + timedelta(days=1) if last else None,
        step_due_on=step_due,
    )


def _step_limit(
    step: Step,
    days: Workdays,
    received_at: datetime,
    accepted_at: datetime,
    moved: Moved,
    standing: Standing,
) -> date:
    """Give the last day of a step: from when it began, less what was spent on it, moved by what stood since."""
    since, stood = standing.began_at, moved.suspended + moved.extended - standing.moved_from
    if since is None and step.is_legal:
        since, stood = received_at, stood + moved.corrected
    left = max(step.limit - standing.spent, 1) if standing.spent else step.limit
    return _limit(days, since or accepted_at, left, stood)


def _limit(days: Workdays, start: datetime, length: int, moved: int) -> date:
    """Give the last day of a limit that was moved by so many working days."""
    return days.after(days.after(day_of(start), length), moved)


class Limited(Protocol):
    """What has days on which a light turns."""

    @property
    def yellow_on(self) -> date: ...  # noqa: D102
    @property
    def red_on(self) -> date: ...  # noqa: D102
    @property
    def overdue_on(self) -> date | None: ...  # noqa: D102


class Timed(Limited, Protocol):
    """What has a light, as long as its state lets a clock run."""

    @property
    def state(self) -> str: ...  # noqa: D102


DARK = frozenset(
    {
        State.COMPLETED, State.DELIVERED, State.ARCHIVED, State.REFUSED, State.RETURNED,
        State.WITHDRAWN, State.VOIDED, State.SUSPENDED, State.CORRECTION,
    }
)  # fmt: skip
"""States in which no clock of ours runs."""


def light(application: Timed, day: date) -> Light:
    """Give the light of an application on `day`."""
    return Light.NONE if application.state in DARK else _lit(application, day)


def _lit(limits: Limited, day: date) -> Light:
    if limits.overdue_on is not None and day >= limits.overdue_on:
        return Light.OVERDUE
    if day >= limits.red_on:
        return Light.RED
    return Light.YELLOW if day >= limits.yellow_on else Light.GREEN


UNTOLD, NEVER = date(2000, 1, 1), date(9999, 12, 31)
"""Last days of a light that nobody worked out, and of one that does not turn again."""

SHADES: dict[Light, int] = {
    shade: number for number, shade in enumerate(Light) if shade is not Light.NONE
}
"""Lights as a row keeps them."""


class Told(NamedTuple):
    """A light as it stands on the row, so that lists find it: exact until the day on which it turns."""

    light_told: int = 0
    light_until: date = NEVER


def told(application: Timed, day: date) -> Told:
    """Give what a row keeps of its light on `day`."""
    return Told() if application.state in DARK else told_of(application, day)


def told_of(limits: Limited, day: date) -> Told:
    """Give what a row keeps while a clock runs."""
    turns = (limits.yellow_on, limits.red_on, limits.overdue_on or NEVER)
    until = min((turn for turn in turns if turn > day), default=NEVER)
    return Told(SHADES[_lit(limits, day)], until)
