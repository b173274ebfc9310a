"""Every statement on ratings."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller, Reach
from access.policy import May
from applications.queries import in_area
from kit.db import Instant, run
from ratings.models import Rating, RatingFigure, Rectification
from schemas.ratings import FigureFilter, RectificationFilter

R, F = Rectification, RatingFigure


async def add(session: AsyncSession, rating: Rating) -> bool:
    """Keep a rating; tell whether it is the first of its application. Two at once wait for one another."""
    statement = (
        insert(Rating)
        .values(**rating.model_dump())
        .on_conflict_do_nothing(index_elements=["token"])
        .returning(col(Rating.id))
    )
    return (await session.exec(statement)).first() is not None


async def of_token(session: AsyncSession, token: bytes) -> Rating | None:
    """Find the rating of an application."""
    return (await session.exec(select(Rating).where(Rating.token == token))).first()


async def count(session: AsyncSession, rating: Rating, *names: str) -> None:
    """Count a rating, or what became of it, in the month in which it was given."""
    key = {
        "outlet": rating.outlet,
        "agency": rating.agency,
        "month": rating.rated_on.replace(day=1),
    }
    none = {name: 0 for name in COUNTS}
    statement = insert(F).values(**key, **none | dict.fromkeys(names, 1))
    await session.exec(
        statement.on_conflict_do_update(
            index_elements=list(key), set_={name: getattr(F, name) + 1 for name in names}
        )
    )


COUNTS = ("grade_1", "grade_2", "grade_3", "grade_4", "grade_5", "closed", "in_time", "excused")


def _visible(caller: Caller) -> Any:
    """Select what `caller` may see: an outlet's own matters, and all of an agency or an area."""
    reach = caller.reach(May.RECTIFICATION_READ)
    parts: list[Any] = []
    if reach.outlets:
        own = col(R.outlet).in_(sorted(reach.outlets))
        parts.append(sa.and_(own, col(R.responsible) == "outlet"))
    parts += _agencies(col(R.agency), reach)
    return (
        select(R, Rating)
        .join(Rating, col(Rating.id) == R.rating)
        .where(sa.or_(*parts) if parts else sa.false())
    )


def _agencies(agency: Any, reach: Reach) -> list[Any]:
    parts = [agency.in_(sorted(reach.agencies))] if reach.agencies else []
    return [*parts, *(in_area(agency, area) for area in reach.areas)]


async def get(
    session: AsyncSession, caller: Caller, id_: int, *, lock: bool = False
) -> tuple[Rectification, Rating] | None:
    """Load a rectification that `caller` may see, with its rating; hold its row until the end if `lock`."""
    statement = _visible(caller).where(R.id == id_)
    if lock:
        statement = statement.with_for_update(of=R)
    row = (await session.exec(statement)).one_or_none()
    return (row[0], row[1]) if row is not None else None


async def page(
    session: AsyncSession, caller: Caller, narrow: RectificationFilter, after: int | None, day: date
) -> Sequence[tuple[Rectification, Rating]]:
    """List at most `narrow.limit` + 1 rectifications, newest first."""
    if caller.reach(May.RECTIFICATION_READ).misses(narrow.agency):
        return []
    statement = _visible(caller)
    for column, value in (
        (R.state, narrow.state),
        (R.outlet, narrow.outlet),
        (R.agency, narrow.agency),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if narrow.overdue is not None:
        late = sa.and_(col(R.due_on) < day, col(R.state) != "closed")
        statement = statement.where(late if narrow.overdue else ~late)
    if after is not None:
        statement = statement.where(col(R.id) < after)
    rows = (await session.exec(statement.order_by(col(R.id).desc()).limit(narrow.limit + 1))).all()
    return [(row[0], row[1]) for row in rows]


async def figures(
    session: AsyncSession, caller: Caller, narrow: FigureFilter, after: str | None,
    of_banks: Sequence[str],
) -> Sequence[Any]:  # fmt: skip
    """Add up at most `narrow.limit` + 1 outlets' figures; `of_banks` are those of the caller's banks."""
    reach = caller.reach(May.RATING_READ)
    seen = _agencies(col(F.agency), reach)
    if own := sorted({*reach.outlets, *of_banks}):
        seen.append(col(F.outlet).in_(own))
    sums = [sa.func.sum(getattr(F, name)).label(name) for name in COUNTS]
    statement = sa.select(col(F.outlet), *sums).where(sa.or_(*seen) if seen else sa.false())
    if narrow.division is not None:
        statement = statement.where(col(F.outlet).startswith(narrow.division.rstrip("0") or "-"))
    if narrow.month_from is not None:
        statement = statement.where(col(F.month) >= narrow.month_from.replace(day=1))
    if narrow.month_to is not None:
        statement = statement.where(col(F.month) <= narrow.month_to)
    if after is not None:
        statement = statement.where(col(F.outlet) > after)
    statement = statement.group_by(col(F.outlet)).order_by(col(F.outlet)).limit(narrow.limit + 1)
    return (await session.exec(statement)).all()  # type: ignore[call-overload, no-any-return]


TELL = sa.text("""
    WITH late AS (
        SELECT id, agency FROM rectification
        WHERE told_at IS NULL AND state <> 'closed' AND due_on < :day
        ORDER BY due_on LIMIT :limit FOR UPDATE SKIP LOCKED
    ), post AS (
        SELECT 'person:' || subject AS person, CASE
            WHEN scope LIKE '%0000' THEN left(scope, 2) WHEN scope LIKE '%00' THEN left(scope, 4)
            ELSE scope END AS area
        FROM rights_grant
        WHERE role IN ('agency_head', 'control_officer') AND state = 'active' AND ended_at IS NULL
            AND valid_from <= :day AND (valid_to IS NULL OR valid_to >= :day)
    )
    UPDATE rectification r SET told_at = :now, told = ARRAY(
        SELECT DISTINCT person FROM post WHERE starts_with(r.agency, area) ORDER BY 1
    )
    FROM late WHERE late.id = r.id
""").bindparams(
    sa.bindparam("now", type_=Instant),
    sa.bindparam("day", type_=sa.Date),
    sa.bindparam("limit", type_=sa.Integer),
)
"""Tell the heads of the agency and the control officers above it of what is overdue, once."""


async def tell_late(session: AsyncSession, now: datetime, day: date, limit: int) -> int:
    """Tell of rectifications that have become overdue, at most `limit`; tell how many."""
    return (await run(session, TELL, now=now, day=day, limit=limit)).rowcount
