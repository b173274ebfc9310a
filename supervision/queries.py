"""Every statement of supervision."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller, Reach
from access.policy import May
from applications.models import IN_WORK, LAW_FIRST, UNACCEPTED, Application
from applications.queries import in_area
from events.models import Event, EventSequence
from kit.db import Instant, by_index, run
from schemas.supervision import CheckFilter, OrderFilter
from supervision.models import Mark, Order, SpotCheck, Stratum

_ORDER = f"""
    WITH late AS (
        SELECT number, red_on, overdue_on FROM application WHERE {IN_WORK} AND due_on <= :day
        UNION ALL
        SELECT number, red_on, overdue_on FROM application WHERE {UNACCEPTED} AND due_on <= :day
        UNION ALL
        SELECT number, red_on, overdue_on FROM application
        WHERE {LAW_FIRST} AND overdue_on <= :day AND due_on > :day
    ), shining AS (
        SELECT number, CASE WHEN overdue_on <= :day THEN 'overdue' ELSE 'red' END AS light,
               CASE WHEN overdue_on <= :day THEN overdue_on ELSE red_on END AS since
        FROM late
    ), untold AS (
        SELECT s.* FROM shining s
        WHERE NOT EXISTS (
            SELECT FROM supervision_order o
            WHERE o.application = s.number AND o.light = s.light AND o.since = s.since
        )
        LIMIT :limit
    ), held AS (
        SELECT a.*, u.light, u.since FROM application a JOIN untold u USING (number)
        FOR NO KEY UPDATE OF a SKIP LOCKED
    ), post AS (
        SELECT 'person:' || subject AS person, role, CASE
            WHEN scope LIKE '%0000' THEN left(scope, 2) WHEN scope LIKE '%00' THEN left(scope, 4)
            ELSE scope END AS area
        FROM rights_grant
        WHERE role IN ('approver', 'agency_head', 'control_officer') AND state = 'active' AND ended_at IS NULL
            AND valid_from <= :day AND (valid_to IS NULL OR valid_to >= :day)
    ), made AS (
        INSERT INTO supervision_order
            (at, application, agency, outlet, matter, light, waits_for, since, told, version)
        SELECT :now, number, agency, outlet, matter, light,
               CASE state WHEN 'received' THEN 'acceptance' ELSE 'decision' END, since,
               ARRAY(
                   SELECT claimed_by WHERE claimed_by LIKE 'person:%'
                   UNION
                   SELECT p.person FROM post p
                   WHERE p.role <> 'control_officer' AND p.area = h.agency
                      OR p.role = 'control_officer' AND h.light = 'overdue'
                         AND starts_with(h.agency, p.area)
                   ORDER BY 1
               ), 1
        FROM held h
        ON CONFLICT DO NOTHING
        RETURNING application, light, waits_for, since, cardinality(told) AS told
    )
    INSERT INTO event
        (at, kind, application, version, state, step, actor, actor_role, outlet, agency, facts)
    SELECT :now, 'application.supervised', h.number, h.version, h.state, h.step, 'system', 'system',
           h.outlet, h.agency, jsonb_build_object('light', m.light, 'waits_for', m.waits_for,
           'since', m.since, 'told', m.told)
    FROM held h JOIN made m ON m.application = h.number
"""  # noqa: S608 -- conditions of our own indexes
ORDER = sa.text(_ORDER).bindparams(
    sa.bindparam("now", type_=Instant),
    sa.bindparam("day", type_=sa.Date),
    sa.bindparam("limit", type_=sa.Integer),
)
"""Tell of each light that has turned red or gone past it: the person who works on it and the heads of the
agency, and once it is overdue the control officers above. What has one of that light and day has been told."""


async def order(session: AsyncSession, now: datetime, day: date, limit: int) -> int:
    """Make the orders that are due, at most `limit`; tell how many."""
    return (await run(session, ORDER, now=now, day=day, limit=limit)).rowcount


Kept = TypeVar("Kept", Order, SpotCheck)


def _visible_to(caller: Caller, table: type[Kept], may: May) -> Any:
    return select(table).where(_within(col(table.agency), caller.reach(may)))


def _within(agency: Any, reach: Reach) -> sa.ColumnElement[bool]:
    parts = [agency.in_(sorted(reach.agencies))] if reach.agencies else []
    parts += [in_area(agency, area) for area in reach.areas]
    return sa.or_(*parts) if parts else sa.false()


async def get_order(session: AsyncSession, caller: Caller, id_: int) -> Order | None:
    """Load and hold an order that `caller` may see."""
    statement = _visible_to(caller, Order, May.SUPERVISION_READ).where(Order.id == id_)
    found: Order | None = (await session.exec(statement.with_for_update())).one_or_none()
    return found


async def get_check(
    session: AsyncSession, caller: Caller, id_: int, *, lock: bool = False
) -> SpotCheck | None:
    """Load a check that `caller` may see; hold its row until the end if `lock`."""
    statement = _visible_to(caller, SpotCheck, May.CHECK_READ).where(SpotCheck.id == id_)
    if lock:
        statement = statement.with_for_update()
    found: SpotCheck | None = (await session.exec(statement)).one_or_none()
    return found


async def held_application(session: AsyncSession, number: str) -> Application:
    """Load and hold the application that is checked, of which an event is to tell."""
    statement = select(Application).where(Application.number == number)
    return (await session.exec(statement.with_for_update(key_share=True))).one()


async def orders(
    session: AsyncSession, caller: Caller, narrow: OrderFilter, after: int | None
) -> Sequence[Order]:
    """List at most `narrow.limit` + 1 orders, newest first."""
    statement = _visible_to(caller, Order, May.SUPERVISION_READ)
    equal = {
        Order.agency: narrow.agency,
        Order.light: narrow.light,
        Order.application: narrow.number,
    }
    statement = _narrowed(statement, equal)
    if narrow.answered is not None:
        statement = statement.where(col(Order.answered_at).is_not(None) == narrow.answered)
    return await _page(session, statement, col(Order.id), after, narrow.limit)


async def checks(
    session: AsyncSession, caller: Caller, narrow: CheckFilter, after: int | None
) -> Sequence[SpotCheck]:
    """List at most `narrow.limit` + 1 checks, newest first."""
    equal = {
        SpotCheck.agency: narrow.agency, SpotCheck.matter: narrow.matter,
        SpotCheck.outlet: narrow.outlet, SpotCheck.state: narrow.state,
    }  # fmt: skip
    statement = _narrowed(_visible_to(caller, SpotCheck, May.CHECK_READ), equal)
    return await _page(session, statement, col(SpotCheck.id), after, narrow.limit)


def _narrowed(statement: Any, equal: Mapping[Any, Any]) -> Any:
    for column, value in equal.items():
        if value is not None:
            statement = statement.where(column == value)
    return statement


async def _page(
    session: AsyncSession, statement: Any, id_: Any, after: int | None, limit: int
) -> Sequence[Any]:
    if after is not None:
        statement = statement.where(id_ < after)
    rows: Sequence[Any] = (
        await session.exec(statement.order_by(id_.desc()).limit(limit + 1))
    ).all()
    return rows


class Decided(NamedTuple):
    """An application of which an event told that it was decided."""

    seq: int
    number: str
    agency: str
    outlet: str
    matter: str
    risk_class: int
    documents: Sequence[str]
    kind: str

    @property
    def alone(self) -> bool:
        """Whether one person decided it, or none at all: the agency's core completed it."""
        return self.risk_class == 1 or self.kind == BY_SYSTEM


BY_SYSTEM = "application.completed"
DECISIONS = ("application.granted", "application.denied", BY_SYSTEM)


async def hold_mark(session: AsyncSession) -> Mark | None:
    """Hold the mark, unless another worker does."""
    statement = select(Mark).with_for_update(skip_locked=True)
    return (await session.exec(statement)).one_or_none()


async def last_told(session: AsyncSession, after: int, limit: int) -> int | None:
    """Give the number of the last of the next events that were told."""
    numbers = (
        select(col(EventSequence.seq))
        .where(col(EventSequence.seq) > after)
        .order_by(col(EventSequence.seq))
        .limit(limit)
        .subquery()
    )
    found: int | None = (await session.exec(select(sa.func.max(numbers.c.seq)))).one()
    return found


async def decided(session: AsyncSession, after: int, upto: int) -> list[Decided]:
    """List what was decided between two numbers, in the order in which it was told."""
    await by_index(session)
    statement = (
        select(
            col(EventSequence.seq), A.number, A.agency, A.outlet, A.matter, A.risk_class, A.documents,
            Event.kind,
        )  # type: ignore[call-overload]
        .join(Event, sa.and_(col(Event.id) == EventSequence.event, col(Event.at) == EventSequence.at))
        .join(Application, col(A.number) == Event.application)
        .where(
            col(EventSequence.seq) > after, col(EventSequence.seq) <= upto,
            col(Event.kind).in_(DECISIONS),
        )
        .order_by(col(EventSequence.seq))
    )  # fmt: skip
    return [Decided(*row) for row in (await session.exec(statement)).all()]


A = Application


async def strata(
    session: AsyncSession, keys: Iterable[tuple[str, str, str]]
) -> dict[tuple[str, str, str], Stratum]:
    """Load strata by agency, kind and key."""
    columns = sa.tuple_(col(Stratum.agency), col(Stratum.kind), col(Stratum.key))
    rows = (await session.exec(select(Stratum).where(columns.in_(sorted(keys))))).all()
    return {(row.agency, row.kind, row.key): row for row in rows}
