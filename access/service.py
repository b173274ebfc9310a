"""What can be done with rights: apply for them, give them, end them, and record what they are used for."""

import hashlib
import math
import re
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from sqlmodel.ext.asyncio.session import AsyncSession

from access import chain, queries
from access.callers import Caller
from access.chain import Move, Post
from access.errors import (
    AssertionReused,
    DoorLocked,
    Forbidden,
    GrantActionNotAllowed,
    GrantHeld,
    GrantInvalid,
    GrantSamePerson,
    GrantStale,
    PostsExclude,
    ScopeInvalid,
)
from access.memory import KIND, REVOKED
from access.models import NOT_IN_FORCE_YET, Grant, GrantStep, Revocation
from access.policy import GRANTS, SCOPES, May, Role, Scope
from kit.clock import now, today
from kit.errors import Fault, Words
from kit.generations import raise_generation
from schemas.rights import GrantActionRequest, GrantApply, RevocationMake

SCOPE_FORMS = {
    Scope.OUTLET: re.compile(r"[1-9][0-9]{11}", re.ASCII),
    Scope.BANK: re.compile(r"[A-Z0-9]{2,12}", re.ASCII),
    Scope.AGENCY: re.compile(r"[1-9][0-9]{5}", re.ASCII),
    Scope.DIVISION: re.compile(r"[1-9][0-9]{5}", re.ASCII),
}
CHAIN_POSTS = frozenset({May.GRANT_APPLY, May.GRANT_CHECK, May.GRANT_APPROVE, May.GRANT_GRANT})
LAPSED_AT_ONCE = 500
CLOCKS_DIFFER = timedelta(seconds=2)
"""By which the clocks of our hosts may differ: what one of them has just issued is revoked too."""

LONGEST_LIFE = timedelta(days=45)
"""No token that we believe lives longer, and no repeat of a call is known for longer."""

SYSTEM = "system"


def fits(role: Role, scope: str) -> bool:
    """Tell whether a role may be held within a scope: counties hold no rights administrators."""
    placed = role is not Role.RIGHTS_ADMIN or scope.endswith("00")
    return placed and SCOPE_FORMS[SCOPES[role]].fullmatch(scope) is not None


async def ensure_grant(
    session: AsyncSession,
    subject: str,
    role: Role,
    scope: str,
    *,
    by: str,
    until: date | None = None,
) -> Grant:
    """Give a person a role within a scope, unless it is held already: by the operator, outside of the chain.

    Raises:
        ScopeInvalid: the scope is none of the role's kind, or the county has no such post.
    """
    if not fits(role, scope):
        raise ScopeInvalid()
    held = await queries.open_grant(session, subject, role, scope)
    if held is not None and chain.holds(held, today()):
        return held
    stamp = await raise_generation(session, KIND)
    if held is not None:
        _close(held, "ended", stamp)
        await session.flush()
    post = chain.bare_post(role, scope)
    grant = Grant(
        subject=subject, role=role, scope=scope, valid_from=today(), valid_to=until, granted_by=by,
        generation=stamp, confirm_by=today() + chain.CONFIRMED_FOR, area=post.area,
        agency=post.agency, bank=post.bank,
    )  # fmt: skip
    session.add(grant)
    await session.flush()
    _note(session, grant, "grant", by)
    return grant


async def appoint(session: AsyncSession, subject: str, role: Role, scope: str, *, by: str) -> Grant:
    """Give the first of a post that the chain itself needs: nobody could apply, check, approve or grant before.

    Raises:
        ScopeInvalid: the scope is none of the role's kind, or the county has no such post.
        Forbidden: not one of those posts.
        GrantHeld: somebody holds it there; others come by the chain.
        PostsExclude: the person's other posts are against it.
    """
    if not CHAIN_POSTS & GRANTS[role]:
        raise Forbidden()
    await raise_generation(session, KIND)  # Of two at once the second finds the first.
    if any(chain.holds(row, today()) for row in await queries.holders(session, role, scope)):
        raise GrantHeld()
    await _refuse_excluded(session, subject, role)
    return await ensure_grant(session, subject, role, scope, by=by)


async def apply(
    session: AsyncSession, caller: Caller, post: Post, wanted: GrantApply, id_: uuid.UUID
) -> None:
    """Apply for a post to be given to a person.

    Raises:
        Forbidden: not a post that the caller speaks for.
        GrantSamePerson: nobody applies for himself.
        GrantInvalid: the role is not given so, or the period is wrong.
        PostsExclude, GrantHeld: the person's other posts are against it.
    """
    if not chain.covers(caller, May.GRANT_APPLY, post):
        raise Forbidden(private=f"speaks not for {post.role}")
    if caller.id == f"person:{wanted.subject}":
        raise GrantSamePerson()
    if faults := list(_period_faults(wanted)):
        raise GrantInvalid(faults=faults)
    await _refuse_excluded(session, wanted.subject, post.role)
    made = await queries.add_grant(session, {
        "id": id_, "subject": wanted.subject, "role": post.role, "scope": post.scope,
        "valid_from": wanted.valid_from, "valid_to": wanted.valid_to, "granted_by": "",
        "generation": NOT_IN_FORCE_YET, "state": "applied", "version": 1, "created_at": now(),
        "applied_by": caller.id, "area": post.area, "agency": post.agency, "bank": post.bank,
    })  # fmt: skip
    if not made:
        raise GrantHeld()
    session.add(GrantStep(grant_id=id_, action="apply", actor=caller.id))
    await session.flush()


def _period_faults(wanted: GrantApply) -> Iterator[Fault]:
    day = today()
    if wanted.valid_to < max(day, wanted.valid_from):
        words = Words("早于起始日或今天", "before the first day, or before today")
        yield Fault("/valid_to", "period", words)
    if wanted.valid_to > max(day, wanted.valid_from) + chain.LONGEST:
        yield Fault("/valid_to", "period", Words("最长三年", "three years at most"))


async def _refuse_excluded(session: AsyncSession, subject: str, role: Role) -> None:
    """Refuse where posts exclude each other, also ones that are only on their way."""
    day = today()
    others = [
        row
        for row in await queries.open_grants(session, subject)
        if row.state != "active" or row.valid_from > day or chain.holds(row, day)
    ]
    if roles := chain.excluded_by(role, others):
        raise PostsExclude(roles=roles)


async def act(
    session: AsyncSession, caller: Caller, row: Grant, wanted: GrantActionRequest, version: int
) -> Grant:
    """Take a step of a grant whose row is held.

    Raises:
        GrantStale: it has changed since `version`.
        GrantActionNotAllowed: not now, or not this caller; `actions` lists what is.
        GrantSamePerson: the caller has had a hand in it, or is its holder.
        GrantInvalid: a reason is missing, or its period is over.
        PostsExclude: the person holds a post that excludes it by now.
    """
    if row.version != version:
        raise GrantStale(version=row.version)
    move = _find(row, caller, wanted.action)
    if wanted.action in chain.REASONED and wanted.reason is None:
        needed = Words("须说明原因", "a reason is needed")
        raise GrantInvalid(faults=[Fault("/reason", "missing", needed)])
    row.version += 1
    await _carry_out(session, caller, row, move)
    _note(session, row, move.action, caller.id, wanted.reason)
    await session.flush()
    return row


def _find(row: Grant, caller: Caller, action: str) -> Move:
    post = chain.post_of(row)
    known = [m for m in chain.MOVES if m.action == action and m.before == row.state]
    ours = [m for m in known if any(chain.covers(caller, need, post) for need in m.needs)]
    if ours and not chain.is_fresh(caller, row, ours[0]):
        raise GrantSamePerson()
    if not ours:
        allowed = [move.action for move in chain.moves(row, caller)]
        raise GrantActionNotAllowed(state=row.state, actions=allowed)
    return ours[0]


async def _carry_out(session: AsyncSession, caller: Caller, row: Grant, move: Move) -> None:
    if move.before == "active" or move.after == "active":
        row.generation = await raise_generation(session, KIND)
    if move.signs is not None:
        setattr(row, move.signs, caller.id)
    if move.after == "active":
        await _put_in_force(session, row)
    row.state = move.after
    if move.after in chain.OVER:
        row.ended_at = now()


async def _put_in_force(session: AsyncSession, row: Grant) -> None:
    """Let a grant hold for a year. The generation is held: of two posts that exclude each other one comes."""
    if row.valid_to is not None and row.valid_to < today():
        over = Words("期限已过，请重新申请", "its period is over: apply again")
        raise GrantInvalid(faults=[Fault("/valid_to", "period", over)])
    if row.state != "active":
        others = await queries.open_grants(session, row.subject)
        if roles := chain.excluded_by(Role(row.role), (o for o in others if o.state == "active")):
            raise PostsExclude(roles=roles)
    row.confirm_by = today() + chain.CONFIRMED_FOR


async def end_lapsed(session: AsyncSession) -> int:
    """Close the books on grants that have ended by themselves: they hold no longer since that day."""
    rows = await queries.lapsed(session, today(), LAPSED_AT_ONCE)
    if rows:
        stamp = await raise_generation(session, KIND)
        for row in rows:
            over = row.valid_to is not None and row.valid_to < today()
            _close(row, "ended", stamp)
            _note(session, row, "lapse", SYSTEM, "period_over" if over else "unconfirmed")
        await session.flush()
    return len(rows)


def _close(row: Grant, state: str, stamp: int) -> None:
    row.state, row.ended_at, row.generation = state, now(), stamp
    row.version += 1


def _note(
    session: AsyncSession, row: Grant, action: str, by: str, reason: str | None = None
) -> None:
    session.add(GrantStep(grant_id=row.id, action=action, actor=by, reason=reason))


async def revoke(
    session: AsyncSession,
    caller: Caller,
    wanted: RevocationMake,
    id_: uuid.UUID,
    *,
    area: str | None,
) -> None:
    """Let tokens hold no longer; all processes know within two seconds.

    `area` is where a terminal stands, None of all others: a token is anybody's who knows its id, a person
    is of where his posts are, an issuer's key is the province's.

    Raises:
        Forbidden: it is outside of what the caller answers for.
    """
    if not await _answers_for(session, caller, wanted, area):
        raise Forbidden(private=f"a {wanted.kind} of another place")
    session.add(
        Revocation(
            id=id_, kind=wanted.kind, value=wanted.value, at=now() + CLOCKS_DIFFER,
            expires_at=now() + LONGEST_LIFE, made_by=caller.id, reason=wanted.reason,
            generation=await raise_generation(session, REVOKED),
        )
    )  # fmt: skip
    await session.flush()


async def _answers_for(
    session: AsyncSession, caller: Caller, wanted: RevocationMake, area: str | None
) -> bool:
    areas = caller.reach(May.TOKEN_REVOKE).areas
    if wanted.kind == "token" or any(len(held) == chain.PROVINCE for held in areas):
        return True
    if wanted.kind == "person":
        held = await queries.open_grants(session, wanted.value)
        return any(chain.covers(caller, May.TOKEN_REVOKE, chain.post_of(row)) for row in held)
    return area is not None and area.startswith(areas)


async def use_once(session: AsyncSession, issuer: str, jti: str, expires: int) -> None:
    """Let an assertion be used a single time.

    Raises:
        AssertionReused: it was used before.
    """
    digest = hashlib.sha256(f"{issuer}\0{jti}".encode()).digest()
    if not await queries.use_assertion(session, digest, datetime.fromtimestamp(expires, UTC)):
        raise AssertionReused()


class Limit(NamedTuple):
    """How often something may be tried within a time, counted exactly."""

    name: str
    tries: int
    within: timedelta


FORGED = Limit("forged", 10, timedelta(minutes=5))
"""Assertions that prove nothing, by the terminal they name and the address they come from. A right one is
let through all the same: else anybody who knows a terminal's id could lock it out."""

GUESSED = Limit("guessed", 10, timedelta(minutes=15))
"""Assertions that prove the terminal, and name a teller who is not there: only who has the key can make
them, and each counts once, so this locks the terminal wherever it calls from."""

ISSUED = Limit("issued", 60, timedelta(minutes=5))
"""Tokens of a terminal: a teller needs one in a quarter of an hour."""


async def refuse_locked(session: AsyncSession, limit: Limit, *whose: str) -> None:
    """Let nobody try who has tried too often.

    Raises:
        DoorLocked: the window is not over.
    """
    tried, _ = await queries.attempts(session, _counted(limit, whose), now())
    if tried >= limit.tries:
        raise DoorLocked(private=limit.name)


async def count_try(session: AsyncSession, limit: Limit, *whose: str) -> None:
    """Count a try, exactly and for all processes.

    Raises:
        DoorLocked: it is one too many.
    """
    name = _counted(limit, whose)
    tried, _ = await queries.count_attempt(session, name, now(), limit.within)
    if tried > limit.tries:
        raise DoorLocked(private=limit.name)


class Tried(NamedTuple):
    """A try that was counted before anybody knows what it is worth: others of its name wait meanwhile."""

    name: bytes
    wait: int
    """Seconds until one may try again; 0: this one is within the limit."""


async def begin_try(session: AsyncSession, limit: Limit, *whose: str) -> Tried:
    """Count a try, and tell whether it may be looked at. To raise here would undo the count."""
    name, at = _counted(limit, whose), now()
    tried, until = await queries.count_attempt(session, name, at, limit.within)
    left = math.ceil((until - at).total_seconds())
    return Tried(name, max(left, 1) if tried > limit.tries else 0)


async def was_right(session: AsyncSession, tried: Tried) -> None:
    """Take a try back that was a right one."""
    await queries.uncount_attempt(session, tried.name)


def _counted(limit: Limit, whose: Iterable[str]) -> bytes:
    return hashlib.sha256("\0".join((limit.name, *whose)).encode(errors="replace")).digest()
