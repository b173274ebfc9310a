"""Every statement on subscriptions and deliveries."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from access.policy import May
from applications.queries import in_area
from events.models import Event, EventSequence
from kit.db import Instant, by_index, run
from schemas.subscriptions import DeliveryFilter, SubscriptionFilter
from webhooks.models import Delivery, Mark, Subscription, Target

S, D = Subscription, Delivery
PROVINCE = 2
"""Digits of a province: banks work in all of it."""

COUNTED = 100_000
"""More than so many waiting deliveries are not counted: it is enough to know that there are too many."""

FAN_OUT = sa.text("""
    INSERT INTO webhook_delivery (subscription, seq, event, event_at, kind, application, state, version,
        tries, created_at, next_at, until, attempts)
    SELECT w.id, s.seq, e.id, e.at, e.kind, e.application, 'waiting', 1, 0, :now, :now, :until, '[]'
    FROM event_sequence s
    JOIN event e ON e.id = s.event AND e.at = s.at
    LEFT JOIN event_of_bank b ON b.seq = s.seq
    CROSS JOIN LATERAL (
        VALUES ('outlet', s.outlet), ('bank', b.bank), ('agency', s.agency)
    ) AS v (kind, scope)
    JOIN webhook_subscription w ON w.scope_kind = v.kind AND w.scope = v.scope
    WHERE s.seq > :after AND s.seq <= :upto AND w.state IN ('active', 'paused') AND w.from_seq < s.seq
        AND (w.scope_kind <> 'outlet' OR w.bank = b.bank)
        AND (cardinality(w.kinds) = 0 OR e.kind = ANY (w.kinds))
    ORDER BY s.seq
    ON CONFLICT (subscription, event) DO NOTHING
""").bindparams(sa.bindparam("now", type_=Instant), sa.bindparam("until", type_=Instant))
"""One row for each subscription that an event concerns."""

IS_DUE = """
    d.state = 'waiting' AND d.next_at <= :now AND NOT EXISTS (
        SELECT FROM webhook_delivery earlier
        WHERE earlier.subscription = d.subscription AND earlier.application = d.application
            AND earlier.state = 'waiting' AND earlier.seq < d.seq
    )
"""
"""The head of a line, and its time has come: of one application no later event overtakes an earlier one."""

OF_TARGETS = f"""
    SELECT DISTINCT w.target FROM webhook_subscription w
    LEFT JOIN webhook_target t ON t.target = w.target
    CROSS JOIN LATERAL (
        SELECT FROM webhook_delivery d WHERE d.subscription = w.id AND {IS_DUE}
        ORDER BY d.next_at LIMIT 1
    ) due
    WHERE w.state = 'active' AND (t.open_until IS NULL OR t.open_until <= :now)
"""  # noqa: S608 -- of our own text
DUE_TARGETS = sa.text(OF_TARGETS).bindparams(sa.bindparam("now", type_=Instant))
"""Of each subscription one row is looked for, however many wait."""

OF_LINES = f"""
    WITH heads AS (
        SELECT h.* FROM unnest(:subscriptions) AS s (id) CROSS JOIN LATERAL (
            SELECT d.subscription, d.application, d.seq, d.next_at FROM webhook_delivery d
            WHERE d.subscription = s.id AND {IS_DUE}
            ORDER BY d.next_at LIMIT :lines
        ) h
        ORDER BY h.next_at LIMIT :lines
    )
    SELECT f.id FROM heads h CROSS JOIN LATERAL (
        SELECT d.id FROM webhook_delivery d
        WHERE d.subscription = h.subscription AND d.application = h.application
            AND d.state = 'waiting' AND d.seq >= h.seq
        ORDER BY d.seq LIMIT :deep
    ) f
"""  # noqa: S608 -- of our own text
LINES = sa.text(OF_LINES).bindparams(
    sa.bindparam("now", type_=Instant), sa.bindparam("subscriptions", type_=ARRAY(sa.Uuid))
)
"""Heads of lines that are due, of each subscription the longest waiting, with what stands behind each."""

SETTLE = sa.text("""
    UPDATE webhook_delivery d
    SET state = o.state, next_at = o.next_at, tries = d.tries + 1, version = d.version + 1,
        attempts = CASE WHEN jsonb_array_length(d.attempts) >= :kept THEN d.attempts - 0
            ELSE d.attempts END || jsonb_build_array(o.attempt)
    FROM jsonb_to_recordset(:outcomes) AS o (id bigint, state text, next_at timestamptz, attempt jsonb)
    WHERE d.id = o.id AND d.state = 'waiting'
    RETURNING d.id
""").bindparams(sa.bindparam("outcomes", type_=JSONB))
"""What another process has settled meanwhile stays as it is."""

GIVE_UP = sa.text("""
    UPDATE webhook_delivery SET state = 'dead', version = version + 1 WHERE id IN (
        SELECT id FROM webhook_delivery WHERE state = 'waiting' AND until <= :now
        ORDER BY until LIMIT :limit FOR UPDATE SKIP LOCKED
    )
""").bindparams(sa.bindparam("now", type_=Instant))

FORGET = sa.text("""
    DELETE FROM webhook_delivery WHERE id IN (
        SELECT id FROM webhook_delivery WHERE created_at < :before AND state <> 'waiting'
        ORDER BY created_at LIMIT :limit
    )
""").bindparams(sa.bindparam("before", type_=Instant))

FORGET_TARGETS = sa.text("""
    DELETE FROM webhook_target t WHERE NOT EXISTS (
        SELECT FROM webhook_subscription w WHERE w.target = t.target AND w.state <> 'ended'
    )
""")

FIGURES = sa.text("""
    SELECT
        (SELECT count(*) FROM (
            SELECT FROM webhook_delivery WHERE state = 'waiting' LIMIT :counted) w) AS waiting,
        (SELECT count(*) FROM (
            SELECT FROM webhook_subscription w JOIN webhook_delivery d ON d.subscription = w.id
            WHERE w.state <> 'ended' AND d.state = 'dead' LIMIT :counted) x) AS dead,
        (SELECT count(*) FROM webhook_target t WHERE open_until IS NOT NULL AND EXISTS (
            SELECT FROM webhook_subscription w WHERE w.target = t.target AND w.state = 'active'
        )) AS left_alone,
        (SELECT count(*) FROM webhook_subscription WHERE state = 'disabled') AS disabled
""")


def _visible(caller: Caller) -> Any:
    reach = caller.reach(May.SUBSCRIPTION_READ)
    parts: list[Any] = [
        col(S.bank).in_(sorted(reach.banks)), col(S.agency).in_(sorted(reach.agencies)),
    ]  # fmt: skip
    for area in reach.areas:
        parts.append(in_area(col(S.agency), area))
        here = sa.and_(col(S.scope_kind) == "outlet", col(S.scope).startswith(area))
        parts.append(col(S.bank).is_not(None) if len(area) == PROVINCE else here)
    return select(Subscription).where(sa.or_(*parts))


async def get(
    session: AsyncSession, caller: Caller, id_: uuid.UUID, *, lock: bool = False
) -> Subscription | None:
    """Load a subscription that `caller` may see; hold its row if `lock`."""
    statement = _visible(caller).where(S.id == id_)
    if lock:
        statement = statement.with_for_update(key_share=True)
    found: Subscription | None = (await session.exec(statement)).one_or_none()
    return found


async def page(
    session: AsyncSession, caller: Caller, narrow: SubscriptionFilter, after: uuid.UUID | None
) -> Sequence[Subscription]:
    """List at most `narrow.limit` + 1 subscriptions, newest first."""
    statement = _visible(caller)
    for column, value in (
        (S.state, narrow.state), (S.bank, narrow.bank), (S.agency, narrow.agency),
    ):  # fmt: skip
        if value is not None:
            statement = statement.where(column == value)
    if after is not None:
        statement = statement.where(col(S.id) < after)
    statement = statement.order_by(col(S.id).desc()).limit(narrow.limit + 1)
    rows: Sequence[Subscription] = (await session.exec(statement)).all()
    return rows


async def count_of(session: AsyncSession, bank: str | None, agency: str | None) -> int:
    """Count the subscriptions of a unit that have not ended."""
    owner = S.bank == bank if bank is not None else S.agency == agency
    return (await session.exec(select(sa.func.count()).where(owner, S.state != "ended"))).one()


async def deliveries(
    session: AsyncSession, subscription: uuid.UUID, narrow: DeliveryFilter, after: int | None
) -> Sequence[Delivery]:
    """List at most `narrow.limit` + 1 deliveries of a subscription, newest first."""
    statement = select(Delivery).where(D.subscription == subscription)
    if narrow.state is not None:
        statement = statement.where(D.state == narrow.state)
    if narrow.application is not None:
        statement = statement.where(D.application == narrow.application)
    if after is not None:
        statement = statement.where(col(D.id) < after)
    return (await session.exec(statement.order_by(col(D.id).desc()).limit(narrow.limit + 1))).all()


async def delivery(session: AsyncSession, subscription: uuid.UUID, id_: int) -> Delivery | None:
    """Load and hold a delivery of a subscription."""
    statement = select(Delivery).where(D.subscription == subscription, D.id == id_)
    return (await session.exec(statement.with_for_update())).one_or_none()


async def set_state(
    session: AsyncSession, subscription: uuid.UUID, before: str, limit: int, **values: Any
) -> int:
    """Change the oldest deliveries of a subscription that are in a state; give how many."""
    ids = (
        select(D.id)
        .where(D.subscription == subscription, D.state == before)
        .order_by(col(D.id))
        .limit(limit)
        .with_for_update()
    )
    statement = (
        sa.update(Delivery)
        .where(col(D.id).in_(ids))
        .values(**values, version=col(D.version) + 1)
        .execution_options(synchronize_session=False)
    )
    return int((await session.exec(statement)).rowcount)


async def hold_mark(session: AsyncSession) -> Mark | None:
    """Hold the mark, unless another worker does."""
    return (await session.exec(select(Mark).with_for_update(skip_locked=True))).one_or_none()


async def last_told(session: AsyncSession, after: int, limit: int) -> int | None:
    """Give the number of the last of the next events."""
    seq = col(EventSequence.seq)
    numbers = select(seq).where(seq > after).order_by(seq).limit(limit).subquery()
    found: int | None = (await session.exec(select(sa.func.max(numbers.c.seq)))).one()
    return found


async def count_live(session: AsyncSession) -> int:
    """Count the subscriptions to which events go."""
    wanted = col(S.state).in_(("active", "paused"))
    return (await session.exec(select(sa.func.count()).where(wanted))).one()


async def fan_out(
    session: AsyncSession, after: int, upto: int, now: datetime, until: datetime
) -> int:
    """Make the deliveries of events between two numbers; give how many."""
    await by_index(session)
    done = await run(session, FAN_OUT, after=after, upto=upto, now=now, until=until)
    return done.rowcount


async def due_targets(session: AsyncSession, now: datetime) -> Sequence[str]:
    """Name the targets for which something is due and which are not left alone."""
    return (await run(session, DUE_TARGETS, now=now)).scalars().all()


async def of_target(session: AsyncSession, target: str) -> Sequence[Subscription]:
    """List the subscriptions that are sent to a target."""
    statement = select(Subscription).where(S.target == target, S.state == "active")
    return (await session.exec(statement)).all()


async def target(session: AsyncSession, name: str, *, lock: bool = False) -> Target | None:
    """Tell how a target answers."""
    statement = select(Target).where(Target.target == name)
    statement = statement.with_for_update() if lock else statement
    return (await session.exec(statement)).one_or_none()


async def open_until(session: AsyncSession, names: Sequence[str]) -> Mapping[str, datetime]:
    """Tell until when each of some targets is left alone."""
    T = Target
    statement = select(T.target, T.open_until).where(
        col(T.target).in_(names), col(T.open_until).is_not(None)
    )
    return {name: at for name, at in (await session.exec(statement)).all() if at is not None}


async def ensure_target(session: AsyncSession, name: str) -> None:
    """Let there be a row for a target."""
    await session.exec(pg_insert(Target).values(target=name).on_conflict_do_nothing())


async def forget_target(session: AsyncSession, name: str) -> None:
    """Let a target be tried as if it had never failed."""
    await session.exec(sa.delete(Target).where(col(Target.target) == name))


async def lines(
    session: AsyncSession, subscriptions: Sequence[uuid.UUID], now: datetime, most: int, deep: int
) -> Sequence[tuple[Delivery, Event]]:
    """Give what is due for subscriptions, with the events, in their order."""
    values = {"subscriptions": list(subscriptions), "lines": most, "deep": deep}
    ids = (await run(session, LINES, now=now, **values)).scalars().all()
    statement = (
        select(Delivery, Event)
        .join(Event, sa.and_(col(Event.id) == D.event, col(Event.at) == D.event_at))
        .where(col(D.id).in_(ids))
        .order_by(col(D.seq))
    )
    return [(row[0], row[1]) for row in (await session.exec(statement)).all()]


async def settle(
    session: AsyncSession, outcomes: Sequence[Mapping[str, Any]], kept: int
) -> Sequence[int]:
    """Note what became of deliveries; give those that were still waiting."""
    return (await run(session, SETTLE, outcomes=list(outcomes), kept=kept)).scalars().all()


async def touch(session: AsyncSession, ids: Sequence[uuid.UUID], now: datetime) -> None:
    """Note when something was delivered."""
    await session.exec(
        sa.update(Subscription)
        .where(col(S.id).in_(ids))
        .values(last_delivered_at=now)
        .execution_options(synchronize_session=False)
    )


async def disable(session: AsyncSession, ids: Sequence[uuid.UUID], why: str) -> None:
    """Send nothing more, until somebody resumes."""
    await session.exec(
        sa.update(Subscription)
        .where(col(S.id).in_(ids), col(S.state).in_(("active", "paused")))
        .values(state="disabled", why=why, version=col(S.version) + 1)
        .execution_options(synchronize_session=False)
    )


async def give_up(session: AsyncSession, now: datetime, limit: int) -> int:
    """Give up what was tried for long enough; give how many."""
    return (await run(session, GIVE_UP, now=now, limit=limit)).rowcount


async def forget(session: AsyncSession, before: datetime, limit: int) -> int:
    """Drop deliveries that ended long ago; give how many."""
    return (await run(session, FORGET, before=before, limit=limit)).rowcount


async def forget_targets(session: AsyncSession) -> None:
    """Drop what is known of targets to which nobody sends any more."""
    await run(session, FORGET_TARGETS)


async def figures(session: AsyncSession) -> tuple[int, int, int, int]:
    """Count what waits, what is dead, targets that are left alone, subscriptions that are disabled."""
    row = (await run(session, FIGURES, counted=COUNTED)).mappings().one()
    return row["waiting"], row["dead"], row["left_alone"], row["disabled"]
