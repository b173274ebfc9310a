"""What each action asks for, what stands against it, and what it changes on the row."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

from access.callers import Caller
from applications import lifecycle
from applications.clocks import due
from applications.desk import Desk
from applications.errors import ActionNotAllowed, ClaimedByOther, NotClaimed, SamePerson
from applications.lifecycle import Move
from applications.models import Application
from applications.queries import LEASE
from kit.clock import day_of
from kit.errors import DomainError, Fault, Words
from schemas.applications import Action, ActionRequest, State
from schemas.guides import Delegation

EVENT_KINDS = {
    Action.ACCEPT: "application.accepted",
    Action.REFUSE: "application.refused",
    Action.TAKE: "application.taken",
    Action.PASS: "application.passed",
    Action.SEND_BACK: "application.sent_back",
    Action.GRANT: "application.granted",
    Action.DENY: "application.denied",
    Action.WITHDRAW: "application.withdrawn",
    Action.VOID: "application.voided",
    Action.DELIVER: "application.delivered",
}

REASONS = {
    "BS": frozenset(f"BS{n:02}" for n in range(1, 7)),
    "TH": frozenset(f"TH{n:02}" for n in range(1, 5)),
    "BY": frozenset(f"BY{n:02}" for n in range(1, 7)),
}
"""Coded reasons: of refusal, of sending back, of denial."""


class Case(NamedTuple):
    """An application, who wants to do something with it, and when."""

    row: Application
    caller: Caller
    desk: Desk
    now: datetime


class Need(NamedTuple):
    """What an action needs in its body."""

    fields: tuple[str, ...] = ()
    reasons: str = ""
    """Which list the coded reason is of; empty: it is in words."""


NEEDS = {
    Action.REFUSE: Need(("reason", "text"), "BS"),
    Action.SEND_BACK: Need(("reason",), "TH"),
    Action.DENY: Need(("reason", "opinion"), "BY"),
    Action.WITHDRAW: Need(("reason",)),
    Action.VOID: Need(("reason",)),
    Action.DELIVER: Need(("way", "received_by")),
}
MISSING = Words("该操作需要此项", "this action needs it")
NAME_IT = Words("须告知有权办理的机构", "name who is competent")
NOT_TAKEN = Words("该操作不接受此理由代码", "this reason is not one for the action")


def coded(wanted: ActionRequest) -> bool:
    """Tell whether the action's reason is a code, fit to stand in an event."""
    return bool(NEEDS.get(wanted.action, Need()).reasons)


def faults(wanted: ActionRequest, case: Case) -> Iterator[Fault]:
    """Find all that is missing or wrong in an action's body."""
    need = NEEDS.get(wanted.action, Need())
    for name in need.fields:
        if getattr(wanted, name) is None:
            yield Fault(f"/{name}", "required", MISSING)
    if need.reasons and wanted.reason is not None and wanted.reason not in REASONS[need.reasons]:
        yield Fault("/reason", "enum", NOT_TAKEN)
    if wanted.reason == "BS01" and wanted.right_agency is None:
        yield Fault("/right_agency", "required", NAME_IT)
    if wanted.right_agency is not None and wanted.right_agency not in case.desk.agencies.by_code:
        yield Fault("/right_agency", "unknown", Words("没有该经办机构", "no such agency"))
    guide = case.desk.catalogue.version(case.row.matter, case.row.guide_version)
    if wanted.way is not None and guide and wanted.way not in guide.guide.delivery_ways:
        yield Fault("/way", "enum", Words("指南没有这种送达方式", "the guide has no such way"))


def hindrance(case: Case, move: Move) -> type[DomainError] | None:
    """Tell what stands against a legal move: separation of duties, another's claim, entrusting."""
    row, caller = case.row, case.caller
    if caller.id in _did_before(row, move):
        return SamePerson
    withdrawn = move.by is Action.WITHDRAW  # The applicant may, whoever works on it.
    if move.source in CLAIMED and row.claimed_by != caller.id and not withdrawn:
        if row.claimed_until is not None and row.claimed_until > case.now:
            return ClaimedByOther
        if move.source is State.IN_REVIEW:
            return NotClaimed
    check = EXTRA.get(move.by)
    return check(case) if check is not None else None


CLAIMED = frozenset({State.IN_REVIEW, State.IN_SECOND_REVIEW, State.IN_APPROVAL})


def _did_before(row: Application, move: Move) -> set[str | None]:
    """List who had a part in the steps before: accepting, review, second review."""
    if move.by in (Action.WITHDRAW, Action.DELIVER):
        return set()
    if move.by is Action.VOID:
        return {f"person:{row.teller}"}
    return {
        State.ACCEPTED: {row.accepted_by},
        State.IN_REVIEW: {row.accepted_by},
        State.IN_SECOND_REVIEW: {row.accepted_by, row.reviewed_by},
        State.IN_APPROVAL: {row.accepted_by, row.reviewed_by, row.second_reviewed_by},
    }.get(State(move.source), set())


def _entrusted(case: Case) -> type[DomainError] | None:
    """Let an outlet accept only where acceptance is entrusted to it."""
    row, desk = case.row, case.desk
    if case.caller.teller is None:
        return None
    guide = desk.catalogue.version(row.matter, row.guide_version)
    if guide is None:
        return ActionNotAllowed
    held = desk.permission(guide, desk.registry.outlet(row.outlet), day_of(case.now))
    return ActionNotAllowed if held.reasons or held.delegation < Delegation.D2 else None


def _same_day(case: Case) -> type[DomainError] | None:
    """Let an application be voided on the day of its receipt only."""
    return ActionNotAllowed if day_of(case.row.received_at) != day_of(case.now) else None


EXTRA: dict[object, Callable[[Case], type[DomainError] | None]] = {
    Action.ACCEPT: _entrusted,
    Action.VOID: _same_day,
}


def allowed(case: Case) -> list[str]:
    """List the actions that the caller may take now: what is listed is what is then accepted."""
    row, caller = case.row, case.caller
    return [
        str(move.by)
        for move in lifecycle.open_moves(State(row.state), row.risk_class)
        if move.may is not None
        and caller.reach(move.may).covers(outlet=row.outlet, agency=row.agency)
        and hindrance(case, move) is None
    ]


def apply(case: Case, move: Move) -> None:
    """Change the row: state, version, papers and whoever had a part change together."""
    row = case.row
    row.state = move.target
    row.version += 1
    row.documents = [*row.documents, *move.documents]
    CHANGES.get(move.by, _nothing)(case)
    if move.target in lifecycle.ENDED or move.by is Action.PASS:
        row.claimed_by = row.claimed_until = None
    elif row.claimed_by == case.caller.id:
        row.claimed_until = case.now + LEASE


def _nothing(case: Case) -> None:
    """Change no more than every move does."""


def _accept(case: Case) -> None:
    row, desk = case.row, case.desk
    place, day = desk.registry.outlet(row.outlet).division, day_of(row.received_at)
    guide = desk.catalogue.version(row.matter, row.guide_version, place, day)
    if guide is None:
        raise LookupError(f"no guide {row.matter} {row.guide_version}")
    row.accepted_at, row.accepted_by = case.now, case.caller.id
    row.calendar_generation = desk.calendar.generation
    clocks = due(guide.guide, desk.calendar.workdays, row.received_at, case.now)
    for name, value in clocks._asdict().items():
        setattr(row, name, value)


def _take(case: Case) -> None:
    case.row.reviewed_by = case.row.claimed_by = case.caller.id
    case.row.claimed_until = case.now + LEASE


def _send_back(case: Case) -> None:
    """Give it back to the person who knows it."""
    case.row.claimed_by, case.row.claimed_until = case.row.reviewed_by, case.now + LEASE
    case.row.second_reviewed_by = None


def _pass(case: Case) -> None:
    if case.row.state == State.IN_APPROVAL:
        case.row.second_reviewed_by = case.caller.id


def _decide(case: Case, outcome: str) -> None:
    case.row.decided_by, case.row.completed_at = case.caller.id, case.now
    case.row.outcome = outcome


CHANGES: dict[object, Callable[[Case], None]] = {
    Action.ACCEPT: _accept,
    Action.TAKE: _take,
    Action.PASS: _pass,
    Action.SEND_BACK: _send_back,
    Action.GRANT: lambda case: _decide(case, "granted"),
    Action.DENY: lambda case: _decide(case, "denied"),
}
