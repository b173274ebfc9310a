"""Calls that are sent again: a key, a digest of what was asked, and what it made.

For all that is made seldom; applications keep their key in their own row. Answers are not kept, since some
hold secrets: whoever repeats a call is told of the same thing as it now stands.
"""

from datetime import datetime
from typing import NamedTuple

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlmodel import Field, SQLModel, col
from sqlmodel.ext.asyncio.session import AsyncSession

from kit.clock import now
from kit.crypto import KeyRing
from kit.db import Instant
from kit.errors import DomainError, Kind, Words

DIGEST = "repeat"


class KeyReused(DomainError):
    """The same idempotency key came with another body."""

    kind = Kind.INVALID
    code = "idempotency-key-reused"
    title = Words("该 Idempotency-Key 已用于另一份请求", "The key was used for another body")
    advice = Words(
        "重试须原样重发；新的请求须用新的键。", "Repeat the same body, or use a new key."
    )


class KeyInProgress(DomainError):
    """The first call with this key has not ended."""

    kind = Kind.CONFLICT
    code = "idempotency-key-in-progress"
    title = Words("同一 Idempotency-Key 的请求仍在处理", "The first call with this key still runs")
    advice = Words("稍候以同一键重试。", "Wait, then repeat with the same key.")
    retry_after = 1


class KeyUse(SQLModel, table=True):
    """What a key of a caller's was used for."""

    __tablename__ = "idempotency_key"
    __table_args__ = ({"info": {"grants": "SELECT, INSERT, DELETE"}},)

    submitter: str = Field(primary_key=True, max_length=100)
    key: str = Field(primary_key=True, max_length=64)
    body_digest: bytes = Field(description="HMAC of address and body, parsed and key-sorted.")
    resource: str = Field(max_length=80, description="What was made, by its id.")
    at: datetime = Field(default_factory=now, sa_type=Instant, index=True)


class Asked(NamedTuple):
    """A call that may be a repeat."""

    submitter: str
    key: str
    canonical: bytes
    """Where it was sent, and the body as parsed and key-sorted."""


async def made_before(
    session: AsyncSession, keys: KeyRing, asked: Asked | None, resource: str
) -> str | None:
    """Give what an earlier call with this key made; None for a first one, which is noted to make `resource`.

    It is kept or forgotten with the transaction: a call that was refused leaves its key free.

    Raises:
        KeyReused: the key was used for another body.
        KeyInProgress: the first call has not ended after two seconds, which is how long a lock is waited for.
    """
    if asked is None or await _is_first(session, keys, asked, resource):
        return None
    earlier = await session.get_one(KeyUse, (asked.submitter, asked.key))
    if not keys.holds(DIGEST, asked.canonical, earlier.body_digest):
        raise KeyReused()
    return earlier.resource


async def _is_first(session: AsyncSession, keys: KeyRing, asked: Asked, resource: str) -> bool:
    statement = (
        insert(KeyUse)
        .values(
            submitter=asked.submitter, key=asked.key, resource=resource, at=now(),
            body_digest=keys.mac(DIGEST, asked.canonical),
        )
        .on_conflict_do_nothing()
        .returning(col(KeyUse.key))
    )  # fmt: skip
    try:
        return (await session.exec(statement)).first() is not None
    except DBAPIError as error:
        if isinstance(getattr(error.orig, "__cause__", None), asyncpg.LockNotAvailableError):
            raise KeyInProgress() from None
        raise


async def forget(session: AsyncSession, before: datetime) -> None:
    """Drop keys that were used long ago."""
    await session.exec(sa.delete(KeyUse).where(col(KeyUse.at) < before))
