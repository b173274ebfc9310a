"""The grants that a process holds."""

from collections.abc import Iterator
from datetime import date

from sqlmodel.ext.asyncio.session import AsyncSession

from access import queries
from access.callers import Caller, Held, person
from access.chain import holds
from access.issuers import Claims
from access.models import Grant
from access.policy import Role
from kit.clock import today

KIND = "grants"
REVOKED = "revocations"


class GrantsMemory:
    """Grants by person; the caller they make is worked out once a day and person."""

    def __init__(self) -> None:
        self._grants: dict[str, dict[object, Grant]] = {}
        self._callers: dict[tuple[str, frozenset[Role]], Caller] = {}
        self._day = date.min

    async def load(self, session: AsyncSession, since: int) -> None:
        """Read what changed."""
        for grant in await queries.grants_since(session, since):
            self._grants.setdefault(grant.subject, {})[grant.id] = grant
        self._callers.clear()

    def caller(self, subject: str, withheld: frozenset[Role] = frozenset()) -> Caller:
        """Give the caller that a person is today; one without grants may do nothing.

        `withheld` are roles that ask for a stronger proof than the person has given.
        """
        if (day := today()) != self._day:
            self._day = day
            self._callers.clear()
        found = self._callers.get((subject, withheld))
        if found is None:
            held = self._held(subject, day)
            found = person(subject, held, withheld=withheld)
            self._callers[subject, withheld] = found
        return found

    def _held(self, subject: str, day: date) -> list[Held]:
        return [
            Held(Role(grant.role), grant.scope)
            for grant in self._grants.get(subject, {}).values()
            if holds(grant, day)
        ]


class RevokedMemory:
    """What has been revoked: tokens, and all that a person, a terminal or a key had until then."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str], float] = {}

    async def load(self, session: AsyncSession, since: int) -> None:
        """Read what changed."""
        for row in await queries.revocations_since(session, since):
            mark = (row.kind, row.value)
            self._until[mark] = max(row.at.timestamp(), self._until.get(mark, 0))

    def stops(self, claims: Claims) -> bool:
        """Tell whether a token holds no longer."""
        return bool(self._until) and any(
            claims.issued <= self._until.get(mark, -1) for mark in _marks(claims)
        )


def _marks(claims: Claims) -> Iterator[tuple[str, str]]:
    """Give the names under which a token may have been revoked."""
    if claims.jti is not None:
        yield "token", claims.jti
    if claims.terminal is not None:
        yield "terminal", claims.terminal
    else:
        yield "person", claims.subject
    if claims.issuer is not None:
        yield "key", f"{claims.issuer} {claims.key}"
