"""What can be done with ratings. No HTTP, no commit, no SQL."""

from datetime import date, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from access.policy import May
from applications import draft, lifecycle
from applications.desk import Desk
from applications.models import Application
from kit.clock import CHINA, day_of, now, today
from kit.crypto import KeyRing, place
from kit.ids import uuid7
from ratings import queries
from ratings.errors import (
    RatedBefore,
    RaterSecret,
    RatingTooEarly,
    RectificationNotAllowed,
    RectificationStale,
)
from ratings.models import Rating, Rectification
from schemas.applications import State
from schemas.ratings import RatingGiven, RectificationAction

DUE = 5
"""Working days to put right what was rated poorly, and to say so."""

POOR = 4
"""Grades from which on a rating opens a rectification: 不满意, 非常不满意."""

CHUNK = 200
RATED = lifecycle.ENDED - {State.VOIDED}
"""States in which something has come of an application, good or bad."""

RESPONSIBLE = MappingProxyType({"counter": "outlet", "progress": "agency"})
"""谁办理、谁负责: a rating at the counter is of the outlet, one of the whole matter of the agency that
decides. In neither is it worked on by who handled the application: the manager, or the head, does."""


def token(keys: KeyRing, number: str) -> bytes:
    """Give the hash by which an application is rated once, and which nobody can follow back."""
    return keys.find("rating", number.encode())


async def give(
    session: AsyncSession, desk: Desk, row: Application, wanted: RatingGiven, channel: str
) -> Rating:
    """Rate an application, once. No event tells of it: who handled it is not to see it come.

    Raises:
        RatingTooEarly: it is not over.
        RatedBefore: there is a rating.
    """
    if row.state not in RATED:
        raise RatingTooEarly()
    id_ = uuid7()
    bound = place("rating", "text_sealed", id_)
    text = desk.keys.seal(wanted.text.encode(), bound_to=bound) if wanted.text else None
    rating = Rating(
        id=id_, token=token(desk.keys, row.number), outlet=row.outlet, agency=row.agency,
        matter=row.matter, grade=wanted.grade, channel=channel, tags=sorted(set(wanted.tags)),
        text_sealed=text, rated_on=today(),
    )  # fmt: skip
    if not await queries.add(session, rating):
        raise RatedBefore()
    await queries.count(session, rating, f"grade_{rating.grade}")
    if rating.grade >= POOR:
        await _open(session, desk, row, rating)
    return rating


async def may_rate(session: AsyncSession, keys: KeyRing, row: Application) -> bool:
    """Tell whether an application is over and has not been rated."""
    known = row.state in RATED and await queries.of_token(session, token(keys, row.number))
    return row.state in RATED and known is None


async def _open(session: AsyncSession, desk: Desk, row: Application, rating: Rating) -> None:
    due = desk.calendar.workdays.after(rating.rated_on, DUE)
    opened = Rectification(
        rating=rating.id, due_on=due, outlet=row.outlet, agency=row.agency,
        responsible=RESPONSIBLE[rating.channel],
    )  # fmt: skip
    session.add(opened)
    await session.flush()
    bound = place("rectification", "about_sealed", opened.id)
    opened.about_sealed = desk.keys.seal(row.number.encode(), bound_to=bound)
    await session.flush()


class Step(NamedTuple):
    """What can be done about a poor rating: from which states, to which, by whom."""

    sources: tuple[str, ...]
    target: str
    may: May
    results: tuple[str, ...] = ()
    """Of a step that closes it: what it may end with."""


STEPS = MappingProxyType(
    {
        "contact": Step(("open",), "contacted", May.RECTIFICATION_DO),
        "fix": Step(("contacted",), "fixed", May.RECTIFICATION_DO),
        "explain": Step(("contacted",), "explained", May.RECTIFICATION_DO),
        "appeal": Step(("contacted",), "appealed", May.RECTIFICATION_DO),
        "close": Step(
            ("fixed", "explained"), "closed", May.RECTIFICATION_DO,
            ("satisfied", "unsatisfied", "unreached"),
        ),
        "judge": Step(
            ("appealed",), "closed", May.RECTIFICATION_JUDGE, ("appeal_upheld", "appeal_dismissed")
        ),
    }
)  # fmt: skip
"""Who is responsible calls back first, then puts it right, or explains that it can't be, or appeals as
mistaken; an appeal is judged by a control officer, who is of neither."""


def open_steps(row: Rectification, caller: Caller) -> list[str]:
    """List what the caller may do now."""
    return [
        name
        for name, step in STEPS.items()
        if row.state in step.sources and _answers(row, caller, step.may)
    ]


def _answers(row: Rectification, caller: Caller, may: May) -> bool:
    """Tell whether it is the caller's to do: of the unit that is responsible, or above both."""
    reach = caller.reach(may)
    if may is May.RECTIFICATION_JUDGE:
        return reach.covers(outlet="", agency=row.agency)
    own = {"outlet": row.outlet in reach.outlets, "agency": row.agency in reach.agencies}
    return own[row.responsible]


async def act(
    session: AsyncSession, desk: Desk, caller: Caller, row: Rectification, rating: Rating,
    wanted: RectificationAction, version: int,
) -> Rectification:  # fmt: skip
    """Take a step of a rectification.

    Raises:
        RectificationStale: it has changed since `version`.
        RectificationNotAllowed: it stands where this can't be done, is another's, or ends otherwise.
    """
    if row.version != version:
        raise RectificationStale(version=row.version)
    step, may = STEPS[wanted.action], open_steps(row, caller)
    fits = not step.results or wanted.callback_result in step.results
    if wanted.action not in may or not fits:
        raise RectificationNotAllowed(actions=may, state=row.state)
    row.state, row.changed_at, row.changed_by = step.target, now(), caller.id
    row.callback_result = wanted.callback_result if step.results else None
    row.version += 1
    _note(desk.keys, row, wanted)
    session.add(row)
    await session.flush()
    if step.results:
        await queries.count(session, rating, *_counts(row, today()))
    return row


def _counts(row: Rectification, day: date) -> list[str]:
    """Name what is counted when it is closed."""
    excused = ["excused"] if row.callback_result == "appeal_upheld" else []
    return ["closed", *(["in_time"] if day <= row.due_on else []), *excused]


def _note(keys: KeyRing, row: Rectification, wanted: RectificationAction) -> None:
    if wanted.text is None:
        return
    kept = [*_notes(keys, row), {"action": wanted.action, "text": wanted.text}]
    bound = place("rectification", "notes_sealed", row.id)
    row.notes_sealed = keys.seal(orjson.dumps(kept), bound_to=bound)


def _notes(keys: KeyRing, row: Rectification) -> list[dict[str, str]]:
    if row.notes_sealed is None:
        return []
    bound = place("rectification", "notes_sealed", row.id)
    found: list[dict[str, str]] = orjson.loads(keys.open(row.notes_sealed, bound_to=bound))
    return found


def about(keys: KeyRing, row: Rectification) -> str:
    """Give the number of the application: to be recorded by whoever shows it."""
    bound = place("rectification", "about_sealed", row.id)
    return keys.open(row.about_sealed or b"", bound_to=bound).decode()


def contact(desk: Desk, caller: Caller, opened: Rectification, row: Application) -> dict[str, Any]:
    """Tell whom to call back, while there is something to be done.

    Raises:
        RectificationNotAllowed: it is closed, or another's.
        RaterSecret: the caller handled the application.
    """
    if opened.state == "closed" or not _answers(opened, caller, May.RECTIFICATION_DO):
        raise RectificationNotAllowed(actions=open_steps(opened, caller), state=opened.state)
    if caller.id in _handlers(row):
        raise RaterSecret()
    applicant = draft.opened(desk.keys, row.number, row.sealed)["applicant"]
    return {"number": row.number, "name": applicant["name"], "phone": applicant["phone"]}


def _handlers(row: Application) -> set[str | None]:
    """List who had a part in it, in this step and in those before."""
    past = {part.partition(":")[2] for step in row.past_steps for part in step["people"]}
    now_at_it = {row.accepted_by, row.reviewed_by, row.second_reviewed_by, row.decided_by}
    return past | now_at_it | {f"person:{row.teller}"}


def shown(row: Rectification, rating: Rating, caller: Caller, desk: Desk) -> dict[str, Any]:
    """Answer with a rectification: what was said, and nothing of who said it."""
    bound = place("rating", "text_sealed", rating.id)
    text = rating.text_sealed
    return {
        **row.model_dump(include={
            "id", "opened_on", "due_on", "outlet", "agency", "responsible", "state", "version",
            "callback_result", "told",
        }),
        "matter": rating.matter, "grade": rating.grade, "channel": rating.channel,
        "tags": rating.tags, "text": desk.keys.open(text, bound_to=bound).decode() if text else None,
        "overdue": row.state != "closed" and row.due_on < today(),
        "told_at": row.told_at.astimezone(CHINA) if row.told_at else None,
        "notes": _notes(desk.keys, row),
        "actions": open_steps(row, caller),
    }  # fmt: skip


def figure(row: Any, desk: Desk) -> dict[str, Any]:
    """Answer with an outlet's figures: what a review found mistaken is left out of the poor ones."""
    grades = [int(getattr(row, f"grade_{grade}")) for grade in range(1, 6)]
    given, poor = sum(grades) - row.excused, grades[3] + grades[4]
    outlet = desk.registry.outlets.get(row.outlet)
    return {
        "outlet": row.outlet,
        "name": outlet.name if outlet else row.outlet,
        "grades": grades,
        "excused": int(row.excused),
        "satisfaction": round(sum(grades[:3]) / given, 4) if given else None,
        "rectifications": poor,
        "closed": int(row.closed),
        "closed_in_time": int(row.in_time),
        "rectification_rate": round(row.closed / poor, 4) if poor else None,
    }


async def tell_late(session: AsyncSession, at: datetime, limit: int = CHUNK) -> int:
    """Tell of what is overdue; give how many that were."""
    return await queries.tell_late(session, at, day_of(at), limit)
