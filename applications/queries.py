"""Every statement on applications. Nothing here decides; nothing outside here selects."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import reduce
from itertools import product
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONPATH
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller, Reach
from access.policy import May
from agencies.models import Agency
from applications.clocks import DARK, NEVER, SHADES
from applications.lifecycle import ENDED
from applications.models import (
    IN_WORK,
    LAW_FIRST,
    OPEN,
    PROVISIONAL,
    UNACCEPTED,
    Application,
    ApplicationPart,
    NumberBlock,
)
from applications.numbers import SERIALS, parts
from connectors.models import CoreCall
from events.models import Event
from kit.clock import CHINA
from kit.db import Instant, run, table_of
from kit.generations import Generation
from kit.workdays import KIND as CALENDAR
from schemas.applications import ApplicationFilter, Light, State, TaskFilter

A, P = Application, ApplicationPart
AGENCY_DIGITS, PROVINCE_DIGITS = 6, 2
LIT = frozenset(State) - DARK
DARK_ONES: list[str] = sorted(DARK)
UNLIT: sa.ColumnElement[int] = sa.literal_column("0")
"""What is told to a row in which no light shines."""

LEASE = timedelta(minutes=30)
"""How long a claim holds without work."""


def within(reach: Reach) -> sa.ColumnElement[bool]:
    """Say in SQL what a reach covers: keys and key ranges, no joins."""
    parts: list[sa.ColumnElement[bool]] = []
    if reach.outlets:
        parts.append(_one_of(col(A.outlet), reach.outlets))
    if reach.agencies:
        parts.append(_one_of(col(A.agency), reach.agencies))
    parts += [in_area(col(A.agency), area) for area in reach.areas]
    return sa.or_(*parts) if parts else sa.false()


def in_area(agency: Any, area: str) -> sa.ColumnElement[bool]:
    """Say in SQL that an agency is in an area. A county is one agency: said so, its index gives an order."""
    first, last = area.ljust(AGENCY_DIGITS, "0"), area.ljust(AGENCY_DIGITS, "9")
    found: sa.ColumnElement[bool] = (
        agency == area if area == first == last else agency.between(first, last)
    )
    return found


def _one_of(column: Any, values: frozenset[str]) -> sa.ColumnElement[bool]:
    found: sa.ColumnElement[bool] = (
        column == next(iter(values)) if len(values) == 1 else column.in_(sorted(values))
    )
    return found


def visible_to(caller: Caller) -> Any:
    """Select what `caller` may see. Every read starts here."""
    return select(Application).where(within(caller.reach(May.APPLICATION_READ)))


def _was_in(reach: Reach) -> Iterator[sa.ColumnElement[bool]]:
    """Say in SQL that agencies of a reach had a step: by the row alone, which who waits for it reads again."""
    for digits in (*sorted(reach.agencies), *reach.areas):
        path = f'$[*].agency ? (@ starts with "{digits}")'
        yield sa.func.jsonb_path_exists(A.past_steps, sa.cast(path, JSONPATH))


def _of_agencies(reach: Reach, agency: Any) -> sa.ColumnElement[bool]:
    parts = [_one_of(agency, reach.agencies)] if reach.agencies else []
    return sa.or_(*parts, *(in_area(agency, area) for area in reach.areas))


def has_agencies(reach: Reach) -> bool:
    """Tell whether something may have left the reach: no step is done outside of the province."""
    return bool(reach.agencies) or any(len(area) > PROVINCE_DIGITS for area in reach.areas)


async def get(
    session: AsyncSession, caller: Caller, number: str, *, lock: bool = False
) -> Application | None:
    """Load one application that `caller` may see; hold its row until the end if `lock`.

    The lock is taken before anything is written, so that numbers of events follow its history.
    """
    reach = caller.reach(May.APPLICATION_READ)
    statement = select(Application).where(
        A.number == number, sa.or_(within(reach), *_was_in(reach))
    )
    if lock:
        statement = statement.with_for_update(key_share=True)
    found: Application | None = (await session.exec(statement)).one_or_none()
    return found


async def by_number(session: AsyncSession, number: str) -> Application | None:
    """Load one application, for who has proved that it concerns him."""
    return (
        await session.exec(select(Application).where(Application.number == number))
    ).one_or_none()


async def by_keys(
    session: AsyncSession, submitter: str, keys: Sequence[str]
) -> Sequence[Application]:
    """Find what earlier calls with these idempotency keys made."""
    statement = select(Application).where(
        A.submitter == submitter, _one_of(col(A.idempotency_key), frozenset(keys))
    )
    rows: Sequence[Application] = (await session.exec(statement)).all()
    return rows


async def page(
    session: AsyncSession,
    caller: Caller,
    narrow: ApplicationFilter,
    after: tuple[datetime, str] | None,
    day: date,
) -> Sequence[Application]:
    """List at most `narrow.limit` + 1 applications, newest first."""
    reach = caller.reach(May.APPLICATION_READ)
    spread, limit = _spread(reach, narrow), narrow.limit + 1
    # Outlet by outlet it is those of the reach: said twice, the planner expects next to nothing.
    visible = select(*NEWEST) if A.outlet in spread else visible_to(caller)
    statement = _narrowed(visible.with_only_columns(*NEWEST), narrow)
    if after is not None:
        statement = statement.where(_tuple(*NEWEST) < _values(*after))

    def newest(part: Any) -> Any:
        return _merged(part, spread, limit)

    if narrow.light is not None and narrow.state in (LIT if narrow.light is Light.NONE else DARK):
        statement = statement.where(sa.false())
    if narrow.light is Light.NONE:
        each = A.state in spread or narrow.state is not None
        found = newest(
            statement.where(A.light_told == UNLIT if each else col(A.state).in_(DARK_ONES))
        )
    elif narrow.light is not None:
        found = _newest(_shining(statement, narrow.light, day, newest, within(reach)), limit)
    else:
        found = _each_told(statement, narrow.state, newest, limit)
    if has_agencies(reach):
        found = _newest(_both(found, _passed_on(caller, narrow, after, day)), limit)
    return await _whole(session, found, _latest(A))


NEWEST = (col(A.received_at), col(A.number))
SOONEST = (col(A.due_on), col(A.number))
"""Orders of lists. A page is found by these alone, which indexes hold; then its rows are read."""


async def _whole(session: AsyncSession, found: Any, order: Sequence[Any]) -> Sequence[Application]:
    """Read the rows of a page that was found."""
    page = found.subquery()
    statement = select(Application).join(page, page.c.number == A.number).order_by(*order)
    rows: Sequence[Application] = (await session.exec(statement)).all()
    return rows


def _both(one: Any, other: Any) -> Any:
    return sa.union_all(*(sa.select(part.subquery()) for part in (one, other))).subquery()


def _latest(columns: Any) -> tuple[Any, Any]:
    return columns.received_at.desc(), columns.number.desc()


def _newest(found: Any, limit: int) -> Any:
    """Take the newest of what was found."""
    columns = found.c.received_at, found.c.number
    return sa.select(*columns).order_by(*_latest(found.c)).limit(limit)


def _passed_on(
    caller: Caller, narrow: ApplicationFilter, after: tuple[datetime, str] | None, day: date
) -> Any:
    """Select the newest of what agencies of the caller's had a step of, and is elsewhere now.

    Of each agency by itself, in the order of an index; of two that had a step the first one tells of it.
    """
    reach = caller.reach(May.APPLICATION_READ)
    agency = select(Agency.code).where(_of_agencies(reach, col(Agency.code))).subquery()
    earlier = aliased(ApplicationPart)
    twice = select(earlier.application).where(
        earlier.application == P.application, col(earlier.agency) < col(P.agency),
        _of_agencies(reach, col(earlier.agency)),
    )  # fmt: skip
    part = (
        _narrowed(select(*NEWEST).select_from(Application), narrow)
        .join(ApplicationPart, P.application == A.number)
        .where(P.agency == agency.c.code, ~within(reach), ~twice.exists(), *_lit_so(narrow, day))
        .order_by(col(P.received_at).desc(), col(P.application).desc())
        .limit(narrow.limit + 1)
    )
    if after is not None:
        part = part.where(_tuple(P.received_at, P.application) < _values(*after))
    each = part.correlate(agency).lateral()
    return _newest(each, narrow.limit + 1).select_from(agency.join(each, sa.true()))


def _lit_so(narrow: ApplicationFilter, day: date) -> list[sa.ColumnElement[bool]]:
    """Say in SQL which light is asked for, as the days have it."""
    if narrow.light is None:
        return []
    dark = col(A.state).in_(sorted(DARK))
    return [dark] if narrow.light is Light.NONE else [~dark, _shines(narrow.light, day)]


def _narrowed(statement: Any, narrow: ApplicationFilter) -> Any:
    for column, value in (
        (A.state, narrow.state), (A.matter, narrow.matter), (A.outlet, narrow.outlet),
        (A.agency, narrow.agency),
    ):  # fmt: skip
        if value is not None:
            statement = statement.where(column == value)
    if narrow.pooled is not None:
        statement = statement.where(col(A.pooled) if narrow.pooled else ~col(A.pooled))
    if narrow.received_from is not None:
        statement = statement.where(col(A.received_at) >= _midnight(narrow.received_from))
    if narrow.received_to is not None:
        statement = statement.where(
            col(A.received_at) < _midnight(narrow.received_to) + timedelta(days=1)
        )
    return statement


def _spread(reach: Reach, narrow: ApplicationFilter) -> dict[Any, list[str]]:
    """Tell which columns take one of several values, so that no index gives the rows in order."""
    spread: dict[Any, list[str]] = {}
    has_outlets_alone = len(reach.outlets) > 1 and not (reach.agencies or reach.areas)
    if has_outlets_alone and narrow.outlet is None:
        spread[A.outlet] = sorted(reach.outlets)
    if narrow.light is not None and narrow.state is None:
        is_dark = narrow.light is Light.NONE
        if not is_dark or _by_state(reach, narrow):
            spread[A.state] = DARK_ONES if is_dark else sorted(LIT)
    return spread


def _by_state(reach: Reach, narrow: ApplicationFilter) -> bool:
    """Tell whether an index gives what is asked for state by state, and in order.

    Where it does not, a state of millions would be walked through for the few that are wanted of it.
    """
    if narrow.matter is not None or narrow.pooled is not None:
        return False
    if narrow.outlet or narrow.agency:
        return True
    if reach.outlets:
        return not (reach.agencies or reach.areas)
    whole = all(len(area) in (PROVINCE_DIGITS, AGENCY_DIGITS) for area in reach.areas)
    return whole and len(reach.agencies) + len(reach.areas) == 1


def _merged(statement: Any, spread: dict[Any, list[str]], limit: int) -> Any:
    """Take the newest rows: of each value of the `spread` columns by itself, then of those together.

    Each is read from an index in order and no further than needed. To read all of them and sort would take
    the longer the more there are.
    """
    if not spread:
        return statement.order_by(*_latest(A)).limit(limit)
    values = [table_of(found) for found in spread.values()]
    for column, value in zip(spread, values, strict=True):
        statement = statement.where(column == value.c.value)
    part = statement.order_by(*_latest(A)).limit(limit).correlate(*values).lateral()
    every = reduce(lambda one, other: one.join(other, sa.true()), (*values, part))
    return _newest(part, limit).select_from(every)


def _each_told(statement: Any, state: State | None, page: Callable[[Any], Any], limit: int) -> Any:
    """Give a page of a state: its index has the light before the day, so each light is read by itself.

    The numbers stand in the statement: the planner knows which of them are rare. Dark states have one.
    """
    if state is None:
        return page(statement)
    if state in DARK:
        return page(statement.where(A.light_told == UNLIT))
    told = SHADES.values()
    parts = [statement.where(A.light_told == sa.literal_column(str(one))) for one in told]
    every = sa.union_all(*(sa.select(page(part).subquery()) for part in parts))
    return _newest(every.subquery(), limit)


def _shining(
    statement: Any, light: Light, day: date, page: Callable[[Any], Any], *seen: Any
) -> Any:
    """Select those of a light, to choose from: a page of those that are told to shine so, which an
    index gives in order, and all whose light has turned since it was told. Those are few: a worker tells them.
    """
    now_so = statement.where(A.light_told == SHADES[light], col(A.light_until) > day)
    turned = statement.where(sa.text(OPEN), col(A.light_until) <= day, _shines(light, day), *seen)
    apart = turned.cte("turned").prefix_with("MATERIALIZED")  # Not walked in the page's order.
    return sa.union_all(sa.select(page(now_so).subquery()), sa.select(apart)).subquery()


def _tuple(*columns: Any) -> Any:
    return sa.tuple_(*columns)


def _values(*values: Any) -> Any:
    return sa.tuple_(*(sa.literal(v) for v in values))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=CHINA)


def _shines(light: Light, day: date) -> sa.ColumnElement[bool]:
    """Say in SQL what `clocks.light` says of a row for which a clock runs."""
    overdue = sa.func.coalesce(col(A.overdue_on), sa.literal(date.max, sa.Date)) <= day
    red, yellow = col(A.red_on) <= day, col(A.yellow_on) <= day
    return {
        Light.OVERDUE: overdue,
        Light.RED: ~overdue & red,
        Light.YELLOW: ~overdue & ~red & yellow,
        Light.GREEN: ~overdue & ~red & ~yellow,
    }[light]


STEPS = {
    "review": (May.APPLICATION_REVIEW, (State.ACCEPTED, State.IN_REVIEW)),
    "second_review": (May.APPLICATION_SECOND_REVIEW, (State.IN_SECOND_REVIEW,)),
    "approval": (May.APPLICATION_APPROVE, (State.IN_APPROVAL,)),
}
"""Steps of a work list: who works on which states."""


def workable(caller: Caller, now: datetime, step: str | None = None) -> sa.ColumnElement[bool]:
    """Say in SQL what `caller` may work on: nothing that another holds, or that he had a part in.

    Within `in_review` what is free again after a claim lapsed; within `in_second_review` and
    `in_approval` what others passed on.
    """
    mine = col(A.claimed_by) == caller.id
    free = sa.or_(col(A.claimed_until).is_(None), col(A.claimed_until) <= now, mine)
    parts = [
        sa.and_(within(caller.reach(may)), _in_states(states), _had_no_part(caller, name))
        for name, (may, states) in STEPS.items()
        if (step is None or step == name) and caller.may(may)
    ]
    return sa.and_(free, sa.or_(*parts)) if parts else sa.false()


def _in_states(states: Sequence[State]) -> sa.ColumnElement[bool]:
    """Say it with the states' names in the statement, so that each plan knows the index of what is in work.

    To say beside it that they are in work would count twice: PostgreSQL then expects a handful of rows, and
    sorts all there are.
    """
    return col(A.state).in_([sa.literal_column(f"'{state}'", sa.String) for state in states])


def _had_no_part(caller: Caller, step: str) -> sa.ColumnElement[bool]:
    """Say in SQL that other persons did the steps before (separation of duties)."""
    before = {
        "review": (A.accepted_by,),
        "second_review": (A.accepted_by, A.reviewed_by),
        "approval": (A.accepted_by, A.reviewed_by, A.second_reviewed_by),
    }[step]
    barred = sa.literal(f"{step}:{caller.id}") == sa.any_(col(A.barred))
    return sa.and_(~barred, *(col(column).is_distinct_from(caller.id) for column in before))


async def tasks(
    session: AsyncSession,
    caller: Caller,
    narrow: TaskFilter,
    after: tuple[date, str] | None,
    now: datetime,
    day: date,
) -> Sequence[Application]:
    """List at most `narrow.limit` + 1 applications to work on, the least time left first."""
    statement = select(Application).where(workable(caller, now, narrow.step))
    if narrow.agency is not None:
        statement = statement.where(A.agency == narrow.agency)
    if narrow.light in (Light.GREEN, Light.YELLOW):
        statement = statement.where(col(A.due_on) > day)  # Passes over all that is late.
    if narrow.mine:
        statement = statement.where(col(A.claimed_by) == caller.id, col(A.claimed_until) > now)
    if after is not None:
        statement = statement.where(_tuple(*SOONEST) > _values(*after))
    limit = narrow.limit + 1
    if narrow.light is None:
        rows: Sequence[Application] = (
            await session.exec(statement.order_by(*SOONEST).limit(limit))
        ).all()
        return rows
    keys = statement.with_only_columns(*SOONEST)
    shining = _shining(
        keys, Light(narrow.light), day, lambda part: part.order_by(*SOONEST).limit(limit)
    )
    columns = shining.c.due_on, shining.c.number
    return await _whole(session, sa.select(*columns).order_by(*columns).limit(limit), SOONEST)


async def claim(
    session: AsyncSession, caller: Caller, limit: int, matters: Sequence[str] | None, now: datetime
) -> Sequence[Application]:
    """Lock up to `limit` free applications, the least time left first; pass over what others lock."""
    statement = (
        select(Application)
        .where(workable(caller, now))
        .where(sa.or_(col(A.claimed_until).is_(None), col(A.claimed_until) <= now))
        .order_by(col(A.due_on), col(A.number))
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
    )
    if matters is not None:
        statement = statement.where(col(A.matter).in_(matters))
    return (await session.exec(statement)).all()


CLAIM = sa.text("""
    WITH changed AS (
        UPDATE application
        SET state = CASE state WHEN 'accepted' THEN 'in_review' ELSE state END,
            reviewed_by = CASE WHEN state IN ('accepted', 'in_review') THEN :who ELSE reviewed_by END,
            version = version + 1, claimed_by = :who, claimed_until = :until
        WHERE number = ANY(:numbers)
        RETURNING number, state, version, step, outlet, agency
    ), told AS (
        INSERT INTO event
            (at, kind, application, version, state, step, actor, actor_role, outlet, agency, facts)
        SELECT :now, CASE state WHEN 'in_review' THEN 'application.taken' ELSE 'application.claimed' END,
               number, version, state, step, :who, :role, outlet, agency, '{}'
        FROM changed
    )
    SELECT number, state, version FROM changed
""").bindparams(
    sa.bindparam("numbers", type_=ARRAY(sa.String)),
    sa.bindparam("now", type_=Instant),
    sa.bindparam("until", type_=Instant),
    sa.bindparam("who", type_=sa.String),
    sa.bindparam("role", type_=sa.String),
)
"""Hand locked applications to a person, with an event each."""


async def hand_to(
    session: AsyncSession, caller: Caller, numbers: Sequence[str], now: datetime
) -> None:
    """Let `caller` hold applications that this transaction has locked."""
    values = {"numbers": list(numbers), "who": caller.id, "role": caller.role}
    await run(session, CLAIM, **values, now=now, until=now + LEASE)


async def ripe(session: AsyncSession, state: State, day: date, limit: int) -> Sequence[Application]:
    """Lock applications in a state whose day has gone by; pass over what others have locked."""
    named = sa.literal_column(f"'{state}'", sa.String)  # Each plan knows the index of that state.
    statement = (
        select(Application)
        .where(col(A.state) == named, col(A.due_on) < day)
        .order_by(col(A.due_on))
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
    )
    return (await session.exec(statement)).all()


async def hold(session: AsyncSession, number: str) -> Application | None:
    """Load an application and hold its row, whoever it is for."""
    statement = select(Application).where(A.number == number).with_for_update(key_share=True)
    return (await session.exec(statement)).one_or_none()


async def due_calls(
    session: AsyncSession, cores: Sequence[str], now: datetime, limit: int
) -> Sequence[tuple[Application, CoreCall]]:
    """Lock applications whose core is to be asked now, with the calls; pass over what others have locked."""
    statement = (
        select(Application, CoreCall)
        .join(CoreCall, col(CoreCall.application) == col(A.number))
        .where(
            col(CoreCall.state) == sa.literal_column("'due'"), col(CoreCall.due_at) <= now,
            col(CoreCall.core).in_(cores),
        )
        .order_by(col(CoreCall.due_at))
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True, of=(Application, CoreCall))
    )  # fmt: skip
    return (await session.exec(statement)).all()


async def dated_before(
    session: AsyncSession, agency: str, generation: int, limit: int
) -> Sequence[Application]:
    """Lock open applications of an agency whose limits were worked out by an older calendar."""
    statement = (
        select(Application)
        .where(
            A.agency == agency,
            col(A.state).in_(sorted(set(State) - ENDED)),
            col(A.calendar_generation) < generation,
        )
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
    )
    return (await session.exec(statement)).all()


async def count_dated_before(session: AsyncSession) -> int:
    """Count open applications whose limits were worked out by an older calendar than there is."""
    newest = select(Generation.value).where(Generation.kind == CALENDAR).scalar_subquery()
    statement = (
        select(sa.func.count())
        .select_from(Application)
        .where(
            col(A.state).in_(sorted(set(State) - ENDED)), col(A.calendar_generation) < newest
        )
    )  # fmt: skip
    return int((await session.exec(statement)).one())


_LEFT_BEHIND = f"""
    WITH left_behind AS (
        SELECT number FROM application a
        WHERE claimed_by IS NOT NULL AND {IN_WORK} AND claimed_until > :now
            AND claimed_by LIKE 'person:%' AND NOT EXISTS (
                SELECT FROM rights_grant g
                WHERE g.subject = substr(a.claimed_by, 8) AND g.scope = a.agency
                    AND g.role = CASE a.state WHEN 'in_second_review' THEN 'second_reviewer'
                        WHEN 'in_approval' THEN 'approver' ELSE 'reviewer' END
                    AND g.state = 'active' AND g.ended_at IS NULL AND g.valid_from <= :day
                    AND (g.valid_to IS NULL OR g.valid_to >= :day)
            )
        LIMIT :limit FOR NO KEY UPDATE OF a SKIP LOCKED
    ), freed AS (
        UPDATE application a SET claimed_by = NULL, claimed_until = NULL, version = version + 1
        FROM left_behind l WHERE a.number = l.number
        RETURNING a.number, a.version, a.state, a.step, a.outlet, a.agency
    )
    INSERT INTO event
        (at, kind, application, version, state, step, actor, actor_role, outlet, agency, facts)
    SELECT :now, 'application.handed_over', number, version, state, step, 'system', 'system',
           outlet, agency, '{{}}'
    FROM freed
"""  # noqa: S608 -- conditions of our own indexes
HAND_OVER = sa.text(_LEFT_BEHIND).bindparams(
    sa.bindparam("now", type_=Instant),
    sa.bindparam("day", type_=sa.Date),
    sa.bindparam("limit", type_=sa.Integer),
)
"""What is held by a person whose post has ended; rows that another holds at the moment are passed over."""


async def hand_over(session: AsyncSession, now: datetime, day: date, limit: int) -> int:
    """Free the work of people who have left their posts; tell how much."""
    done = await run(session, HAND_OVER, now=now, day=day, limit=limit)
    return done.rowcount


LATE = sa.text(f"""
    WITH late AS (
        SELECT state, overdue_on FROM application WHERE {IN_WORK} AND due_on <= :day
        UNION ALL
        SELECT state, overdue_on FROM application WHERE {UNACCEPTED} AND due_on <= :day
        UNION ALL
        SELECT state, overdue_on FROM application
        WHERE {LAW_FIRST} AND overdue_on <= :day AND due_on > :day
    )
    SELECT CASE state WHEN 'received' THEN 'acceptance' ELSE 'decision' END AS waits_for,
           CASE WHEN overdue_on <= :day THEN 'overdue' ELSE 'red' END AS light, count(*) AS number
    FROM late GROUP BY 1, 2
""").bindparams(sa.bindparam("day", type_=sa.Date))  # noqa: S608 -- conditions of our own indexes
"""Each part reads one partial index up to the day; an application turns red on the day it is due."""


async def tell_lights(session: AsyncSession, day: date, limit: int) -> int:
    """Tell rows anew whose light has turned, at most `limit`; pass over what others have locked."""
    turned = (
        sa.select(col(A.number))
        .where(sa.text(OPEN), col(A.light_until) <= day)
        .order_by(col(A.light_until))
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
        .cte("turned")
    )
    shade = sa.case(*((_shines(light, day), number) for light, number in SHADES.items()))
    turns = (col(A.yellow_on), col(A.red_on), col(A.overdue_on))
    until = sa.func.least(*(sa.case((turn > day, turn)) for turn in turns))
    done = await session.exec(
        sa.update(Application)
        .where(col(A.number) == turned.c.number)
        .values(light_told=shade, light_until=sa.func.coalesce(until, NEVER))
        .execution_options(synchronize_session=False)
    )
    return int(done.rowcount)


async def late(session: AsyncSession, day: date) -> dict[tuple[str, str], int]:
    """Count open applications by what they wait for and their light, red or overdue."""
    none = dict.fromkeys(product(("acceptance", "decision"), ("red", "overdue")), 0)
    rows = (await run(session, LATE, day=day)).mappings().all()
    return none | {(row["waits_for"], row["light"]): row["number"] for row in rows}


async def provisional(session: AsyncSession) -> int:
    """Count open applications with a due day in a year whose calendar is not known yet."""
    statement = select(sa.func.count()).select_from(Application).where(PROVISIONAL)
    return int((await session.exec(statement)).one())


async def let_go(session: AsyncSession, gone: Event, received_at: datetime) -> None:
    """Tell an agency that its step has ended elsewhere, and let it go on seeing the application."""
    values = {"application": gone.application, "agency": gone.agency, "received_at": received_at}
    part = pg_insert(ApplicationPart).values(values).on_conflict_do_nothing().cte("part")
    told = gone.model_dump(exclude={"id", "xid"})
    await session.exec(sa.insert(Event).values(told).add_cte(part))


async def number_refused(session: AsyncSession, terminal: str, number: str) -> str | None:
    """Tell why a terminal may not use a number, as the statement of a submission does."""
    said = parts(number)
    if said is None:
        return None
    held = select(NumberBlock.id).where(
        NumberBlock.terminal == uuid.UUID(terminal),
        NumberBlock.outlet == said.outlet,
        NumberBlock.day == said.day,
        col(NumberBlock.first) <= said.serial,
        col(NumberBlock.last) >= said.serial,
    )
    used = select(Application.number).where(Application.number == number)
    is_held, is_used = (await session.exec(select(held.exists(), used.exists()))).one()
    return "not-reserved" if not is_held else "used" if is_used else None


async def numbers_reserved(session: AsyncSession, outlet: str, day: date) -> int:
    """Give the first serial of an outlet's day that nobody has reserved."""
    last = select(sa.func.max(NumberBlock.last)).where(
        NumberBlock.outlet == outlet, NumberBlock.day == day
    )
    found = (await session.exec(last)).one()
    return SERIALS if found is None else int(found) + 1


async def numbers_of(session: AsyncSession, terminal: str, day: date) -> int:
    """Count the numbers that a terminal has reserved on a day."""
    size = sa.func.sum(NumberBlock.last - NumberBlock.first + 1)
    statement = select(sa.func.coalesce(size, 0)).where(
        NumberBlock.terminal == uuid.UUID(terminal), NumberBlock.day == day
    )
    return int((await session.exec(statement)).one())


async def block(session: AsyncSession, id_: str) -> NumberBlock:
    """Load a block of numbers."""
    return await session.get_one(NumberBlock, uuid.UUID(id_))


async def forget_blocks(session: AsyncSession, before: date) -> None:
    """Drop blocks whose numbers are taken no more."""
    await session.exec(sa.delete(NumberBlock).where(col(NumberBlock.day) < before))
