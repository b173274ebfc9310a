"""Every statement on rights."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from access.chain import CONFIRMED_FOR, PROVINCE
from access.models import (
    Attempt,
    CallShare,
    Grant,
    GrantStep,
    IssuerKeys,
    Revocation,
    UsedAssertion,
)
from access.policy import May
from kit.clock import CHINA, now
from kit.db import run
from schemas.rights import GrantFilter


async def grants_since(session: AsyncSession, since: int) -> Sequence[Grant]:
    """Load the grants that changed after a generation."""
    return (await session.exec(select(Grant).where(col(Grant.generation) > since))).all()


async def open_grant(session: AsyncSession, subject: str, role: str, scope: str) -> Grant | None:
    """Find a grant that has not been ended."""
    statement = select(Grant).where(
        Grant.subject == subject,
        Grant.role == role,
        Grant.scope == scope,
        col(Grant.ended_at).is_(None),
    )
    return (await session.exec(statement)).one_or_none()


def visible_to(caller: Caller) -> Any:
    """Select the grants that `caller` may see. Every read for somebody starts here."""
    reach = caller.reach(May.GRANT_READ)
    parts = [_within(area) for area in reach.areas]
    if reach.agencies:
        parts.append(col(Grant.agency).in_(sorted(reach.agencies)))
    if reach.banks:
        parts.append(col(Grant.bank).in_(sorted(reach.banks)))
    return select(Grant).where(sa.or_(*parts) if parts else sa.false())


def _within(area: str) -> sa.ColumnElement[bool]:
    """Say that a post is in an area; one whose place is not known is the province's."""
    inside = sa.and_(col(Grant.area) >= area, col(Grant.area) < area + ":")
    return sa.or_(inside, col(Grant.area) == "") if len(area) == PROVINCE else inside


async def visible_grant(
    session: AsyncSession, caller: Caller, id_: uuid.UUID, *, lock: bool = False
) -> Grant | None:
    """Load one grant that `caller` may see; hold its row until the end if `lock`."""
    statement = visible_to(caller).where(Grant.id == id_)
    if lock:
        statement = statement.with_for_update()
    found: Grant | None = (await session.exec(statement)).one_or_none()
    return found


async def page(
    session: AsyncSession, caller: Caller, narrow: GrantFilter, after: uuid.UUID | None
) -> Sequence[Grant]:
    """List at most `narrow.limit` + 1 grants, newest first."""
    statement = visible_to(caller)
    for column, value in (
        (Grant.state, narrow.state), (Grant.role, narrow.role), (Grant.scope, narrow.scope),
        (Grant.subject, narrow.subject),
    ):  # fmt: skip
        if value is not None:
            statement = statement.where(column == value)
    if narrow.confirm_until is not None:
        statement = statement.where(due_by(narrow.confirm_until), Grant.state == "active")
    if after is not None:
        statement = statement.where(col(Grant.id) < after)
    statement = statement.order_by(col(Grant.id).desc()).limit(narrow.limit + 1)
    rows: Sequence[Grant] = (await session.exec(statement)).all()
    return rows


def due_by(day: date) -> sa.ColumnElement[bool]:
    """Say in SQL that a grant must be confirmed by `day` at the latest: `chain.last_day` without the period."""
    made = sa.cast(sa.func.timezone(str(CHINA), col(Grant.created_at)), sa.Date)
    return sa.func.coalesce(col(Grant.confirm_by), made + CONFIRMED_FOR.days) <= day


async def open_grants(session: AsyncSession, subject: str) -> Sequence[Grant]:
    """Load what a person holds, or is to."""
    statement = select(Grant).where(Grant.subject == subject, col(Grant.ended_at).is_(None))
    return (await session.exec(statement)).all()


async def holders(session: AsyncSession, role: str, scope: str) -> Sequence[Grant]:
    """Load the grants of a role within a scope that are in force, or would be."""
    statement = select(Grant).where(
        Grant.role == role,
        Grant.scope == scope,
        Grant.state == "active",
        col(Grant.ended_at).is_(None),
    )
    return (await session.exec(statement)).all()


async def add_grant(session: AsyncSession, values: Mapping[str, Any]) -> bool:
    """Insert a grant; tell whether there was none open of that person, role and scope."""
    statement = insert(Grant).values(**values).on_conflict_do_nothing().returning(col(Grant.id))
    return (await session.exec(statement)).first() is not None


async def lapsed(session: AsyncSession, day: date, limit: int) -> Sequence[Grant]:
    """Load and hold some grants whose period is over, or that nobody confirmed; others' are passed over."""
    statement = (
        select(Grant)
        .where(
            Grant.state == "active",
            col(Grant.ended_at).is_(None),
            sa.or_(col(Grant.valid_to) < day, due_by(day - timedelta(days=1))),
        )
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return (await session.exec(statement)).all()


async def steps(session: AsyncSession, grant: uuid.UUID) -> Sequence[GrantStep]:
    """List the steps of a grant's life, oldest first."""
    statement = select(GrantStep).where(GrantStep.grant_id == grant).order_by(col(GrantStep.id))
    return (await session.exec(statement)).all()


async def issuer_keys(session: AsyncSession, since: int) -> Sequence[IssuerKeys]:
    """Load the keys of issuers that changed after a generation."""
    return (await session.exec(select(IssuerKeys).where(col(IssuerKeys.generation) > since))).all()


async def put_issuer_keys(
    session: AsyncSession, name: str, url: str, keys: Mapping[str, Any], generation: int
) -> None:
    """Keep what an issuer shows as its keys."""
    values = {"url": url, "keys": keys, "read_at": now(), "generation": generation}
    statement = insert(IssuerKeys).values(name=name, **values)
    await session.exec(statement.on_conflict_do_update(index_elements=["name"], set_=values))


async def revocations_since(session: AsyncSession, since: int) -> Sequence[Revocation]:
    """Load what was revoked after a generation."""
    return (await session.exec(select(Revocation).where(col(Revocation.generation) > since))).all()


async def page_of_revocations(
    session: AsyncSession, after: uuid.UUID | None, limit: int
) -> Sequence[Revocation]:
    """List at most `limit` + 1 revocations, newest first."""
    statement = select(Revocation).order_by(col(Revocation.id).desc()).limit(limit + 1)
    if after is not None:
        statement = statement.where(col(Revocation.id) < after)
    return (await session.exec(statement)).all()


async def forget_revocations(session: AsyncSession, before: datetime) -> None:
    """Drop revocations of tokens that have expired since."""
    await session.exec(sa.delete(Revocation).where(col(Revocation.expires_at) < before))


async def use_assertion(session: AsyncSession, digest: bytes, expires_at: datetime) -> bool:
    """Mark an assertion as used; tell whether it was fresh."""
    statement = (
        insert(UsedAssertion)
        .values(digest=digest, expires_at=expires_at)
        .on_conflict_do_nothing()
        .returning(col(UsedAssertion.digest))
    )
    return (await session.exec(statement)).first() is not None


async def forget_assertions(session: AsyncSession, before: datetime) -> None:
    """Drop what has expired: it would be refused for its age."""
    await session.exec(sa.delete(UsedAssertion).where(col(UsedAssertion.expires_at) < before))


SHARE = sa.text("""
    WITH told AS (
        INSERT INTO call_share (process, name, calls, at)
        SELECT :process, name, calls, clock_timestamp()
        FROM unnest(cast(:names AS varchar[]), cast(:calls AS bigint[])) AS ours (name, calls)
        ON CONFLICT (process, name) DO UPDATE SET calls = excluded.calls, at = excluded.at
    )
    SELECT process, name, calls, at FROM call_share
    WHERE name = ANY (:names) AND process <> :process AND at > clock_timestamp() - interval '3 seconds'
""")


async def share_calls(
    session: AsyncSession, process: uuid.UUID, calls: Mapping[str, int]
) -> Sequence[sa.Row[Any]]:
    """Tell how much a process has let through of some callers; give what others have of the same."""
    names, counts = list(calls), list(calls.values())
    return (await run(session, SHARE, process=process, names=names, calls=counts)).all()


async def forget_shares(session: AsyncSession, before: datetime) -> None:
    """Drop what processes told long ago."""
    await session.exec(sa.delete(CallShare).where(col(CallShare.at) < before))


async def attempts(session: AsyncSession, name: bytes, at: datetime) -> tuple[int, datetime]:
    """Tell how often something was tried in the window that is open, and until when that is."""
    row = await session.get(Attempt, name)
    return (row.count, row.expires_at) if row is not None and row.expires_at > at else (0, at)


async def count_attempt(
    session: AsyncSession, name: bytes, at: datetime, within: timedelta
) -> tuple[int, datetime]:
    """Count one more try; the first one after a window has ended opens the next. Others wait meanwhile.

    Gives how many there were in this window, and until when it is open.
    """
    over = col(Attempt.expires_at) <= at
    statement = (
        insert(Attempt)
        .values(name=name, count=1, expires_at=at + within)
        .on_conflict_do_update(
            index_elements=["name"],
            set_={
                "count": sa.case((over, 1), else_=col(Attempt.count) + 1),
                "expires_at": sa.case((over, at + within), else_=col(Attempt.expires_at)),
            },
        )
        .returning(col(Attempt.count), col(Attempt.expires_at))
    )
    count, until = (await session.exec(statement)).one()
    return int(count), until


async def uncount_attempt(session: AsyncSession, name: bytes) -> None:
    """Take a try back that this transaction has counted."""
    await session.exec(
        sa.update(Attempt)
        .where(col(Attempt.name) == name)
        .values(count=col(Attempt.count) - 1)
        .execution_options(synchronize_session=False)
    )


async def forget_attempts(session: AsyncSession, before: datetime) -> None:
    """Drop counts whose window is over."""
    await session.exec(sa.delete(Attempt).where(col(Attempt.expires_at) < before))
