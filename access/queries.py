"""Every statement on rights."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from access.models import Grant, UsedAssertion


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
