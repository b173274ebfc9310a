"""The life of an application, as data. Nothing else in the code base knows which move is legal."""

from enum import StrEnum
from functools import cache
from typing import NamedTuple

from access.policy import May
from schemas.applications import Action, State


class Timer(StrEnum):
    """What happens by itself."""

    DEEM_ACCEPTED = "deem_accepted"
    RETURN_UNSUPPLIED = "return_unsupplied"
    ARCHIVE = "archive"


class System(StrEnum):
    """What the agency's system does in its name."""

    COMPLETE = "complete"


class Turn(StrEnum):
    """Where a step stands among the steps of its procedure."""

    ONLY = "only"
    FIRST = "first"
    MIDDLE = "middle"
    LAST = "last"


ANY, BEGINS, GOES_ON, COMES_AFTER, ENDS = (
    tuple(Turn),
    (Turn.ONLY, Turn.FIRST),
    (Turn.FIRST, Turn.MIDDLE),
    (Turn.MIDDLE, Turn.LAST),
    (Turn.ONLY, Turn.LAST),
)


def turn(step: int, steps: int) -> Turn:
    """Tell where step `step` of `steps` stands."""
    if steps == 1:
        return Turn.ONLY
    return Turn.FIRST if step == 1 else Turn.LAST if step == steps else Turn.MIDDLE


class Move(NamedTuple):
    """One edge of the life: who may take it from a state, where it leads, which paper it makes."""

    source: State
    by: Action | Timer | System
    target: State
    may: May | None
    documents: tuple[str, ...] = ()
    risk_classes: tuple[int, ...] = (1, 2, 3)
    """Risk classes of the step for which the edge is there."""
    turns: tuple[Turn, ...] = ANY
    """Where the step must stand in its procedure."""


S, A = State, Action
ACCEPT, REVIEW, SECOND, APPROVE = (
    May.APPLICATION_ACCEPT,
    May.APPLICATION_REVIEW,
    May.APPLICATION_SECOND_REVIEW,
    May.APPLICATION_APPROVE,
)

MOVES = (
    Move(S.RECEIVED, A.ACCEPT, S.ACCEPTED, ACCEPT, ("ACP",)),
    Move(S.RECEIVED, A.ACCEPT_TOLERANT, S.ACCEPTED, ACCEPT, ("ACP", "TOL")),
    Move(S.RECEIVED, A.ACCEPT_COMMITMENT, S.ACCEPTED, ACCEPT, ("ACP", "COM")),
    Move(S.RECEIVED, Timer.DEEM_ACCEPTED, S.ACCEPTED, None, ("ACP",)),
    Move(S.RECEIVED, A.ASK_CORRECTION, S.CORRECTION, ACCEPT, ("SGZ",)),
    Move(S.RECEIVED, A.PROPOSE_REFUSAL, S.RECEIVED, May.APPLICATION_PROPOSE_REFUSAL),
    Move(S.RECEIVED, A.REFUSE, S.REFUSED, May.APPLICATION_REFUSE, ("NGA",)),
    Move(S.RECEIVED, A.TRANSFER, S.RECEIVED, May.APPLICATION_REFUSE),
    Move(S.RECEIVED, A.WITHDRAW, S.WITHDRAWN, May.APPLICATION_WITHDRAW),
    Move(S.RECEIVED, A.VOID, S.VOIDED, May.APPLICATION_VOID),
    Move(S.CORRECTION, A.SUPPLY, S.RECEIVED, May.APPLICATION_SUPPLY, ("SUP",)),
    Move(S.CORRECTION, A.WITHDRAW, S.WITHDRAWN, May.APPLICATION_WITHDRAW),
    Move(S.CORRECTION, Timer.RETURN_UNSUPPLIED, S.RETURNED, None),
    Move(S.ACCEPTED, System.COMPLETE, S.COMPLETED, None, ("STL",), turns=ENDS),
    Move(S.ACCEPTED, A.TAKE, S.IN_REVIEW, REVIEW),
    Move(S.ACCEPTED, A.TRANSFER, S.ACCEPTED, REVIEW),
    Move(S.ACCEPTED, A.EXTEND, S.ACCEPTED, APPROVE, ("EXT",)),
    Move(S.ACCEPTED, A.WITHDRAW, S.WITHDRAWN, May.APPLICATION_WITHDRAW),
    Move(S.ACCEPTED, A.VOID, S.VOIDED, May.APPLICATION_VOID, turns=BEGINS),
    Move(S.IN_REVIEW, A.PROPOSE_SUSPENSION, S.IN_REVIEW, REVIEW),
    Move(S.IN_REVIEW, A.SUSPEND, S.SUSPENDED, APPROVE, ("SPE",)),
    Move(S.IN_REVIEW, A.PASS, S.IN_SECOND_REVIEW, REVIEW, risk_classes=(2, 3)),
    Move(S.IN_REVIEW, A.GRANT, S.ACCEPTED, REVIEW, risk_classes=(1,), turns=GOES_ON),
    Move(S.IN_REVIEW, A.GRANT, S.COMPLETED, REVIEW, ("STL",), risk_classes=(1,), turns=ENDS),
    Move(S.IN_REVIEW, A.SEND_BACK, S.ACCEPTED, REVIEW, turns=COMES_AFTER),
    Move(S.IN_REVIEW, A.DENY, S.COMPLETED, REVIEW, ("NST",), risk_classes=(1,)),
    Move(S.IN_REVIEW, A.EXTEND, S.IN_REVIEW, APPROVE, ("EXT",)),
    Move(S.IN_REVIEW, A.TRANSFER, S.ACCEPTED, REVIEW),
    Move(S.IN_REVIEW, A.WITHDRAW, S.WITHDRAWN, May.APPLICATION_WITHDRAW),
    *(
        Move(state, A.SUPPLY, state, May.APPLICATION_SUPPLY, ("SUP",))
        for state in (S.ACCEPTED, S.IN_REVIEW, S.IN_SECOND_REVIEW, S.IN_APPROVAL, S.SUSPENDED)
    ),
    Move(S.SUSPENDED, A.RESUME, S.IN_REVIEW, REVIEW),
    Move(S.SUSPENDED, A.WITHDRAW, S.WITHDRAWN, May.APPLICATION_WITHDRAW),
    Move(S.IN_SECOND_REVIEW, A.SEND_BACK, S.IN_REVIEW, SECOND),
    Move(S.IN_SECOND_REVIEW, A.PASS, S.IN_APPROVAL, SECOND, risk_classes=(3,)),
    Move(S.IN_SECOND_REVIEW, A.GRANT, S.ACCEPTED, SECOND, risk_classes=(2,), turns=GOES_ON),
    Move(S.IN_SECOND_REVIEW, A.GRANT, S.COMPLETED, SECOND, ("STL",), risk_classes=(2,), turns=ENDS),
    Move(S.IN_SECOND_REVIEW, A.DENY, S.COMPLETED, SECOND, ("NST",), risk_classes=(2,)),
    Move(S.IN_SECOND_REVIEW, A.EXTEND, S.IN_SECOND_REVIEW, APPROVE, ("EXT",)),
    Move(S.IN_SECOND_REVIEW, A.WITHDRAW, S.WITHDRAWN, May.APPLICATION_WITHDRAW),
    Move(S.IN_APPROVAL, A.SEND_BACK, S.IN_REVIEW, APPROVE),
    Move(S.IN_APPROVAL, A.GRANT, S.ACCEPTED, APPROVE, turns=GOES_ON),
    Move(S.IN_APPROVAL, A.GRANT, S.COMPLETED, APPROVE, ("STL",), turns=ENDS),
    Move(S.IN_APPROVAL, A.DENY, S.COMPLETED, APPROVE, ("NST",)),
    Move(S.IN_APPROVAL, A.EXTEND, S.IN_APPROVAL, APPROVE, ("EXT",)),
    Move(S.IN_APPROVAL, A.WITHDRAW, S.WITHDRAWN, May.APPLICATION_WITHDRAW),
    Move(S.COMPLETED, A.DELIVER, S.DELIVERED, May.APPLICATION_DELIVER, ("RCH",)),
    Move(S.DELIVERED, Timer.ARCHIVE, S.ARCHIVED, None),
)

START = (State.RECEIVED, State.ACCEPTED)
"""A submission is received; where the outlet is entrusted it may be accepted in the same breath."""

ENDED = frozenset(
    {S.COMPLETED, S.DELIVERED, S.ARCHIVED, S.REFUSED, S.RETURNED, S.WITHDRAWN, S.VOIDED}
)
"""States in which no clock runs."""

PERMISSIONS = {
    action: frozenset(m.may for m in MOVES if m.by == action and m.may is not None)
    for action in Action
}
"""Permissions of which one is needed to ask for an action at all."""


def find(state: State, action: Action, risk_class: int, turn: Turn = Turn.ONLY) -> Move | None:
    """Find the edge that `action` takes from `state`, if there is one."""
    return next((m for m in open_moves(state, risk_class, turn) if m.by == action), None)


@cache
def open_moves(state: State, risk_class: int, turn: Turn = Turn.ONLY) -> tuple[Move, ...]:
    """List the edges that a person can take from `state`."""
    return tuple(
        m for m in MOVES
        if m.source == state and risk_class in m.risk_classes and turn in m.turns
        and m.may is not None
    )  # fmt: skip


def by_itself(timer: Timer) -> Move:
    """Give the edge that a timer takes."""
    return next(move for move in MOVES if move.by == timer)


def by_system(what: System) -> Move:
    """Give the edge that the agency's system takes."""
    return next(move for move in MOVES if move.by == what)


WORDS: dict[tuple[Turn, ...], str] = {
    BEGINS: "first step",
    GOES_ON: "more steps follow",
    COMES_AFTER: "to the step before",
    ENDS: "last step",
}


def mermaid() -> str:
    """Draw the table, for `docs/application-life.md`."""
    starts = [f"    [*] --> {state}: submit" for state in START]
    edges = [f"    {m.source} --> {m.target}: {m.by}{_note(m)}" for m in MOVES]
    return "\n".join(["stateDiagram-v2", *starts, *edges])


def _note(move: Move) -> str:
    parts = []
    if move.risk_classes != (1, 2, 3):
        parts.append(f"risk {', '.join(map(str, move.risk_classes))}")
    if move.turns != ANY:
        parts.append(WORDS[move.turns])
    return f" ({'; '.join(parts)})" if parts else ""
