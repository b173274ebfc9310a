"""What can be done with rights."""

import hashlib
from datetime import UTC, date, datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from access import queries
from access.errors import AssertionReused
from access.memory import KIND
from access.models import AccessRecord, Grant
from access.policy import Role
from kit.clock import now, today
from kit.generations import raise_generation


async def ensure_grant(
    session: AsyncSession,
    subject: str,
    role: Role,
    scope: str,
    *,
    by: str,
    until: date | None = None,
) -> Grant:
    """Give a person a role within a scope, unless it is held already."""
    held = await queries.open_grant(session, subject, role, scope)
    if held is not None:
        return held
    grant = Grant(
        subject=subject, role=role, scope=scope, valid_from=today(), valid_to=until, granted_by=by,
        generation=await raise_generation(session, KIND),
    )  # fmt: skip
    session.add(grant)
    await session.flush()
    return grant


async def end_grant(session: AsyncSession, grant: Grant) -> None:
    """End a grant at once."""
    grant.ended_at = now()
    grant.generation = await raise_generation(session, KIND)
    session.add(grant)
    await session.flush()


async def use_once(session: AsyncSession, issuer: str, jti: str, expires: int) -> None:
    """Let an assertion be used a single time.

    Raises:
        AssertionReused: it was used before.
    """
    digest = hashlib.sha256(f"{issuer}\0{jti}".encode()).digest()
    if not await queries.use_assertion(session, digest, datetime.fromtimestamp(expires, UTC)):
        raise AssertionReused()


def record_access(
    session: AsyncSession, *, subject: str, role: str, application: str, purpose: str
) -> None:
    """Record that a person is shown personal data in full; written before it is shown."""
    session.add(AccessRecord(subject=subject, role=role, application=application, purpose=purpose))
