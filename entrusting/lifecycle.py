"""The life of an outlet: every step there is, as one table. Read this file to answer any question about it.

A bank applies, an outlet administrator checks on the spot and passes or fails by a sheet; what works is looked
at again and passes or fails again; the second failure in a row ends it.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from access.policy import May
from outlets.acceptance import RECTIFY_DAYS


class Move(NamedTuple):
    """A step: from which states, to which, who takes it, and what comes with it."""

    action: str
    before: frozenset[str]
    after: str | None
    """None: to where it was before it was suspended."""
    may: May
    needs: str | None = None
    """`reason` or `sheet`."""


APPLIED = frozenset({"applied"})
LOOKED_AT = frozenset({"site_acceptance", "rectifying", "active"})
WORKING = frozenset({"rectifying", "active"})
SUSPENDED = frozenset({"suspended"})

MOVES = (
    Move("start_check", APPLIED, "site_acceptance", May.OUTLET_DECIDE),
    Move("pass", LOOKED_AT, "active", May.OUTLET_DECIDE, "sheet"),
    Move("fail", LOOKED_AT, "rectifying", May.OUTLET_DECIDE, "sheet"),
    Move("rectify", frozenset({"active"}), "rectifying", May.OUTLET_DECIDE, "reason"),
    Move("suspend", WORKING, "suspended", May.OUTLET_CHANGE, "reason"),
    Move("resume", SUSPENDED, None, May.OUTLET_CHANGE, "reason"),
    Move("exit", APPLIED, "exited", May.OUTLET_CHANGE, "reason"),
    Move("exit", LOOKED_AT | SUSPENDED, "exited", May.OUTLET_DECIDE, "reason"),
)
"""A bank may stop an outlet of its own at once, open again what it stopped itself, and take an application
back; what the administrator stopped he alone opens, and to close one that people rely on is his, too."""

FAILURES = 2
"""So many in a row end it."""

RECTIFY_WITHIN = timedelta(days=RECTIFY_DAYS)


def steps(status: str) -> Iterator[Move]:
    """List the steps that a state permits."""
    return (move for move in MOVES if status in move.before)


def find(action: str, status: str) -> Move | None:
    """Find the step of this name that a state permits."""
    return next((move for move in steps(status) if move.action == action), None)


def needed(action: str) -> frozenset[May]:
    """List the permissions of which one is needed for an action, whatever the state."""
    return frozenset(move.may for move in MOVES if move.action == action)
