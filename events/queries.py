"""Every statement on the event log."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from events.models import Event, EventOfBank, EventSequence
from kit.db import BY_INDEX, run, table_of

OPEN_WINDOW = sa.text("""
    WITH fresh AS (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS upto),
    first AS (
        SELECT min(next.id) - 1 AS id FROM (
            SELECT e.id FROM event e
            WHERE e.xid >= (SELECT window_to FROM event_sequencer) AND e.xid < (SELECT upto FROM fresh)
            OFFSET 0
        ) AS next
    )
    UPDATE event_sequencer s
    SET window_from = s.window_to, window_to = fresh.upto, done_id = coalesce(first.id, s.done_id)
    FROM fresh, first
    WHERE s.window_to < fresh.upto
    RETURNING 1
""")
"""Go on to the transactions that have ended since the window before. What is behind the oldest
transaction still running can't grow any more, so nothing that commits late is passed over.

Both ends are values before the log is read: joined, a planner without statistics takes one for a filter."""

TELL = sa.text("""
    WITH mark AS (SELECT seq, window_from, window_to, done_id FROM event_sequencer FOR UPDATE),
    next AS (
        SELECT e.id, e.at, e.outlet, e.agency
        FROM event e
        WHERE e.id > (SELECT done_id FROM mark)
            AND e.xid >= (SELECT window_from FROM mark) AND e.xid < (SELECT window_to FROM mark)
        ORDER BY e.id LIMIT :limit
    ),
    told AS (
        INSERT INTO event_sequence (seq, event, at, outlet, agency)
        SELECT mark.seq + row_number() OVER (ORDER BY next.id), next.id, next.at, next.outlet, next.agency
        FROM next, mark
        RETURNING event
    ),
    done AS (
        UPDATE event_sequencer s
        SET seq = s.seq + (SELECT count(*) FROM told), done_id = (SELECT max(event) FROM told)
        WHERE EXISTS (SELECT 1 FROM told)
    )
    SELECT count(*) FROM told
""")
"""Number the next events of the window by id: ids of one application follow its history, because they
are drawn while its row is held."""

LAG = sa.text("""
    SELECT count(*) AS events, coalesce(extract(epoch FROM now() - min(at)), 0) AS seconds FROM (
        SELECT e.at FROM event e, event_sequencer s
        WHERE e.xid >= s.window_from AND e.xid < pg_snapshot_xmax(pg_current_snapshot())
          AND (e.xid >= s.window_to OR e.id > s.done_id)
        LIMIT :limit
    ) untold
""")
"""Both ends of the range are named so that the planner takes the index, whatever it believes of the
table. The age is that of the oldest among the first that are found: by partition, then by transaction."""

MARK = sa.text("""
    SELECT s.epoch, s.seq, coalesce((SELECT min(seq) FROM event_sequence), s.seq + 1)
    FROM event_sequencer s
""")
TOLD_AFTER = sa.text("""
    SELECT t.seq, t.outlet, t.agency, b.bank
    FROM event_sequence t LEFT JOIN event_of_bank b ON b.seq = t.seq
    WHERE t.seq > :seq ORDER BY t.seq LIMIT :limit
""")

COUNTED = 100_000
"""More than so many untold events are not counted: it is enough to know that there are too many."""


class Lag(NamedTuple):
    """How far the feed is behind."""

    events: int
    seconds: float


class Mark(NamedTuple):
    """Where the order stands."""

    epoch: int
    seq: int
    """The last number that was told."""
    first: int
    """The first that is still kept: those before it were given up when their time was over."""


class Place(NamedTuple):
    """Where an event that was told happened."""

    seq: int
    outlet: str
    agency: str
    bank: str | None


async def lag(session: AsyncSession) -> Lag:
    """Count the events that are not told yet, and give the age of the oldest."""
    row = (await run(session, LAG, limit=COUNTED)).mappings().one()
    return Lag(row["events"], float(row["seconds"]))


async def open_window(session: AsyncSession) -> bool:
    """Open the next window; tell whether there was one to open."""
    return (await run(session, OPEN_WINDOW)).first() is not None


async def tell(session: AsyncSession, limit: int) -> int:
    """Number up to `limit` events of the open window; tell how many there were."""
    return int((await run(session, TELL, limit=limit)).scalar_one())


async def lead(session: AsyncSession, lock: int) -> bool:
    """Tell whether this transaction is the only sequencer now."""
    taken = sa.select(sa.func.pg_try_advisory_xact_lock(lock), *BY_INDEX)
    return bool((await run(session, taken)).scalar())


async def mark(session: AsyncSession) -> Mark:
    """Tell how far the order has been told, and from where on it is still kept."""
    return Mark._make((await run(session, MARK)).one())


async def told_after(session: AsyncSession, seq: int, limit: int) -> Sequence[Place]:
    """Name what was told after a number, in order."""
    return list(map(Place._make, await run(session, TOLD_AFTER, seq=seq, limit=limit)))


def joined(told: sa.Subquery, *wanted: sa.ColumnElement[bool]) -> Any:
    """Select the events of numbers that are cut to a page already: the other way round all were joined."""
    return (
        select(told.c.seq, Event)
        .join(Event, sa.and_(col(Event.id) == told.c.event, col(Event.at) == told.c.at))
        .where(*wanted)
        .order_by(told.c.seq)
    )


def window(after: int, upto: int, limit: int, *seen: sa.ColumnElement[bool]) -> sa.Subquery:
    """Select numbers after one and not after another whose events are `seen`, in order."""
    T = EventSequence
    return (
        sa.select(col(T.seq), col(T.event), col(T.at), col(T.outlet), col(T.agency))
        .where(col(T.seq) > after, col(T.seq) <= upto, *seen)
        .order_by(col(T.seq))
        .limit(limit)
        .subquery()
    )


def of_outlets(outlets: Iterable[str], after: int, upto: int, limit: int) -> sa.ColumnElement[bool]:
    """Say in SQL that a number is one of the next of some outlets: those of each are read from its index in
    order. Asked for by the outlet alone, the planner walks past what all others have done."""  # fmt: skip
    T = aliased(EventSequence)
    one = table_of(sorted(outlets))
    following = (
        sa.select(col(T.seq))
        .where(col(T.outlet) == one.c.value, col(T.seq) > after, col(T.seq) <= upto)
        .order_by(col(T.seq))
        .limit(limit)
        .correlate(one)
        .lateral()
    )
    return col(EventSequence.seq).in_(
        sa.select(following.c.seq).select_from(one.join(following, sa.true()))
    )


def of_bank(bank: str, after: int, upto: int, limit: int) -> sa.ColumnElement[bool]:
    """Say in SQL that a number is one of the next of a bank's."""
    B = EventOfBank
    numbers = (
        select(col(B.seq))
        .where(B.bank == bank, col(B.seq) > after, col(B.seq) <= upto)
        .order_by(col(B.seq))
        .limit(limit)
    )
    return col(EventSequence.seq).in_(numbers)


def is_of_banks(seq: Any, banks: Iterable[str]) -> sa.ColumnElement[bool]:
    """Say in SQL that a number is of one of some banks."""
    B = EventOfBank
    return sa.exists().where(col(B.seq) == seq, col(B.bank).in_(sorted(banks)))


async def last_of(session: AsyncSession, told: sa.Subquery) -> tuple[int, int]:
    """Give the last number of a window and how many there are; 0 of none."""
    last, count = (await session.exec(select(sa.func.max(told.c.seq), sa.func.count()))).one()
    return last or 0, count


async def of_application(
    session: AsyncSession, number: str, after: int, limit: int
) -> Sequence[Event]:
    """List an application's own events, oldest first."""
    statement = (
        select(Event)
        .where(Event.application == number, col(Event.id) > after)
        .order_by(col(Event.id))
        .limit(limit)
    )
    return (await session.exec(statement)).all()


async def make_partitions(session: AsyncSession, months: int) -> None:
    """Make the partitions of this month and the next ones; what is there stays."""
    await run(session, sa.select(sa.func.make_event_partitions(months)))
