"""What can be done with rights."""

import hashlib
import re
from datetime import UTC, date, datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from access import queries
from access.callers import Caller
from access.errors import AssertionReused, ScopeInvalid
from access.memory import KIND
from access.models import AccessRecord, Grant
from access.policy import SCOPES, Role, Scope
from kit.clock import today
from kit.crypto import KeyRing
from kit.generations import raise_generation
from kit.ids import uuid7

SCOPE_FORMS = {
    Scope.OUTLET: re.compile(r"[1-9][0-9]{11}", re.ASCII),
    Scope.BANK: re.compile(r"[A-Z0-9]{2,12}", re.ASCII),
    Scope.AGENCY: re.compile(r"[1-9][0-9]{5}", re.ASCII),
    Scope.DIVISION: re.compile(r"[1-9][0-9]{5}", re.ASCII),
}


def _placed(role: Role, scope: str) -> bool:
    """Tell whether a role may be held at that level: counties hold no rights administrators."""
    return role is not Role.RIGHTS_ADMIN or scope.endswith("00")


async def ensure_grant(
    session: AsyncSession,
    subject: str,
    role: Role,
    scope: str,
    *,
    by: str,
    until: date | None = None,
) -> Grant:
    """Give a person a role within a scope, unless it is held already.

    Raises:
        ScopeInvalid: the scope is none of the role's kind, or the county has no such post.
    """
    if not SCOPE_FORMS[SCOPES[role]].fullmatch(scope) or not _placed(role, scope):
        raise ScopeInvalid()
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


async def use_once(session: AsyncSession, issuer: str, jti: str, expires: int) -> None:
    """Let an assertion be used a single time.

    Raises:
        AssertionReused: it was used before.
    """
    digest = hashlib.sha256(f"{issuer}\0{jti}".encode()).digest()
    if not await queries.use_assertion(session, digest, datetime.fromtimestamp(expires, UTC)):
        raise AssertionReused()


def record_access(
    session: AsyncSession, keys: KeyRing, caller: Caller, *, application: str, purpose: str
) -> None:
    """Record that a person is shown personal data in full; written before it is shown."""
    id_ = uuid7()
    sealed = keys.seal(purpose.encode(), bound_to=f"access_record.purpose:{id_}")
    session.add(
        AccessRecord(
            id=id_, subject=caller.id, role=caller.role, application=application,
            purpose_sealed=sealed,
        )
    )  # fmt: skip
