"""The chain by which a right is given: applied for, checked, approved, granted; by four persons.

Rules only: who may take which step of which grant. Source: the trade's own flow, 业务申请 → 内控审核 →
领导核准 → 系统赋权; counties hold no rights administrators, so the city's (or the province's) grants there.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

from access.callers import Caller, Reach, area_of
from access.models import Grant
from access.policy import APPLICANTS, DUTIES, SCOPES, May, Role, Scope
from kit.clock import day_of

CONFIRMED_FOR = timedelta(days=365)
"""A right is looked at every year: one that nobody confirms ends by itself."""

LONGEST = timedelta(days=3 * 366)
"""That a right may be given for."""

PROVINCE, COUNTY = 2, 6
"""Digits of an area."""


class Post(NamedTuple):
    """A role at a place, and whose it is."""

    role: Role
    scope: str
    area: str = ""
    """Leading digits of its divisions; empty where it is not known: the province's matter."""
    agency: str | None = None
    """Whose approver decides."""
    bank: str | None = None


def post_of(row: Grant) -> Post:
    """Give the post that a grant is about."""
    return Post(Role(row.role), row.scope, row.area, row.agency, row.bank)


def bare_post(role: Role, scope: str) -> Post:
    """Give what a code alone says of a post. Codes of agencies of cities end in 99, the province's in 9900."""
    kind = SCOPES[role]
    if kind is Scope.BANK:
        return Post(role, scope, bank=scope)
    if kind is Scope.AGENCY:
        return Post(role, scope, scope.removesuffix("00").removesuffix("99"), scope)
    area = area_of(scope) if kind is Scope.DIVISION else scope[:COUNTY]
    return Post(role, scope, area, area if len(area) == COUNTY else f"{area}99".ljust(COUNTY, "0"))


class Move(NamedTuple):
    """A step: from where to where, with which of the permissions, and whether by a fresh person."""

    action: str
    before: str
    after: str
    needs: frozenset[May]
    signs: str | None = None
    """The column that keeps who did it: the four that must differ."""


def _move(action: str, before: str, after: str, *needs: May, signs: str | None = None) -> Move:
    return Move(action, before, after, frozenset(needs), signs)


MOVES = (
    _move("check", "applied", "checked", May.GRANT_CHECK, signs="checked_by"),
    _move("approve", "checked", "approved", May.GRANT_APPROVE, signs="approved_by"),
    _move("grant", "approved", "active", May.GRANT_GRANT, signs="granted_by"),
    _move("refuse", "applied", "refused", May.GRANT_CHECK),
    _move("refuse", "checked", "refused", May.GRANT_APPROVE),
    _move("refuse", "approved", "refused", May.GRANT_GRANT),
    _move("withdraw", "applied", "withdrawn", May.GRANT_APPLY),
    _move("withdraw", "checked", "withdrawn", May.GRANT_APPLY),
    _move("withdraw", "approved", "withdrawn", May.GRANT_APPLY),
    _move("confirm", "active", "active", May.GRANT_APPLY),
    _move("end", "active", "ended", May.GRANT_APPLY, May.GRANT_CHECK, May.GRANT_GRANT),
)
OVER = frozenset({"refused", "withdrawn", "ended"})
REASONED = frozenset({"refuse", "end"})
"""Actions that say why, by a code."""

SIGNATURES = ("applied_by", "checked_by", "approved_by", "granted_by")


def covers(caller: Caller, permission: May, post: Post) -> bool:
    """Tell whether a caller holds a permission at a post."""
    reach = caller.reach(permission)
    if permission is May.GRANT_APPLY:
        return _applies(reach, post)
    return post.bank in reach.banks or post.agency in reach.agencies or _within(reach, post.area)


def _applies(reach: Reach, post: Post) -> bool:
    """A bank speaks for its own posts, a head for those of the agency."""
    speakers = {SCOPES[role] for role in APPLICANTS.get(post.role, ())}
    return (Scope.BANK in speakers and post.bank in reach.banks) or (
        Scope.AGENCY in speakers and post.agency in reach.agencies
    )


def _within(reach: Reach, area: str) -> bool:
    if area:
        return area.startswith(reach.areas)
    return any(len(held) == PROVINCE for held in reach.areas)


def holder(row: Grant) -> str:
    """Name the person of a grant as callers are named."""
    return f"person:{row.subject}"


def is_fresh(caller: Caller, row: Grant, move: Move) -> bool:
    """Tell whether the caller has had no hand in it, nor is whom it is for."""
    if move.action == "confirm":
        return caller.id != holder(row)
    if move.signs is None:
        return True
    return caller.id not in {holder(row), *(getattr(row, name) for name in SIGNATURES)}


def moves(row: Grant, caller: Caller) -> list[Move]:
    """List the steps that the caller may take now."""
    post = post_of(row)
    return [
        move
        for move in MOVES
        if move.before == row.state
        and any(covers(caller, need, post) for need in move.needs)
        and is_fresh(caller, row, move)
    ]


def last_day(row: Grant) -> date:
    """Give the last day on which a grant holds, unless it is confirmed in time."""
    confirm = row.confirm_by or day_of(row.created_at) + CONFIRMED_FOR
    return min(confirm, row.valid_to or confirm)


def holds(row: Grant, day: date) -> bool:
    """Tell whether a grant is in force on a day."""
    known = row.state == "active" and row.ended_at is None
    return known and row.valid_from <= day <= last_day(row)


def excluded_by(role: Role, others: Iterable[Grant]) -> list[str]:
    """Name the roles among `others` that no holder of `role` may hold beside it."""
    return sorted({row.role for row in others if DUTIES[Role(row.role)] is not DUTIES[role]})
