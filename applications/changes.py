"""What a move changes on the row: state, version, papers, clocks and whoever had a part change together."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson

from applications import draft, lifecycle, steps
from applications.actions import Case, handed, is_in_time
from applications.clocks import Moved, due
from applications.lifecycle import Move, System, Timer
from applications.models import Application
from applications.queries import LEASE
from kit.crypto import KeyRing
from schemas.applications import Action, State
from schemas.guides import Exemption

NOTICES = "application.notices_sealed"
DELIVERED_WITHIN = 10
"""Working days in which a decision is to be delivered (行政许可法 44)."""

FILED_AFTER = 5
"""Working days after delivery in which what went wrong with it can still be put right."""


def apply(case: Case, move: Move) -> None:
    """Take a move on the row."""
    row = case.row
    row.state = move.target
    row.version += 1
    row.documents = [
        *row.documents,
        *(code for code in move.documents if code not in row.documents),
    ]
    CHANGES.get(move.by, _nothing)(case)
    if move.target in GIVEN_UP or move.by in GIVES_AWAY:
        row.claimed_by = row.claimed_until = None
    elif row.claimed_by == case.caller.id:
        row.claimed_until = case.now + LEASE


GIVES_AWAY = frozenset({Action.PASS, Action.SUSPEND, Action.TRANSFER})
GIVEN_UP = lifecycle.ENDED | {State.ACCEPTED}
"""States in which nobody has a claim: what is accepted waits to be taken."""


def date_anew(row: Application, case: Case) -> None:
    """Work out all limits as they now stand, by the calendar that is known now."""
    moved = Moved(row.corrected_days, row.suspended_days, row.extended_days, row.supplied_at)
    workdays = case.desk.calendar.workdays
    clocks = due(
        case.laid_guide.guide,
        workdays,
        row.received_at,
        row.accepted_at,
        moved,
        steps.standing(row),
    )
    waited_for = row.due_on
    for name, value in clocks._asdict().items():
        setattr(row, name, value)
    if row.state in (State.CORRECTION, State.SUSPENDED):
        row.due_on = waited_for  # The applicant, or the procedure, is what is waited for.
    row.calendar_generation = case.desk.calendar.generation


def notices(row: Application, keys: KeyRing) -> dict[str, Any]:
    """Open what was told or proposed last."""
    if row.notices_sealed is None:
        return {}
    opened: dict[str, Any] = orjson.loads(
        keys.open(row.notices_sealed, bound_to=f"{NOTICES}:{row.number}")
    )
    return opened


def _note(case: Case, name: str, *fields: str) -> None:
    """Keep what an action told or proposed."""
    said = case.body.model_dump(mode="json", include=set(fields), exclude_none=True)
    kept = notices(case.row, case.desk.keys) | {name: said}
    bound = f"{NOTICES}:{case.row.number}"
    case.row.notices_sealed = case.desk.keys.seal(orjson.dumps(kept), bound_to=bound)


def _nothing(case: Case) -> None:
    """Change no more than every move does."""


def _accept_from(case: Case, moment: datetime) -> None:
    row = case.row
    row.accepted_at, row.accepted_by, row.proposal = moment, case.caller.id, None
    row.documents = [
        *row.documents, *(p for p in draft.pledges(handed(row)) if p not in row.documents)
    ]  # fmt: skip
    date_anew(row, case)


def _accept(case: Case) -> None:
    """Accept today; once the day to tell about it has gone by, from the day of receipt."""
    (_accept_now if is_in_time(case) else _deem)(case)


def _accept_now(case: Case) -> None:
    _accept_from(case, case.now)


def _deem(case: Case) -> None:
    """Take for accepted, from the day on which all papers were there, what nobody told about in time."""
    _accept_from(case, case.row.supplied_at or case.row.received_at)


def _accept_lacking(case: Case) -> None:
    """Accept while a material follows on the day promised, or rests on the applicant's word."""
    committed = case.body.action is Action.ACCEPT_COMMITMENT
    for item in case.body.missing or ():
        given: dict[str, Any] = {"code": item.code, "file": None, "exemption": None}
        given["exemption"] = Exemption.COMMITMENT.value if committed else None
        by = None if committed or item.promised_by is None else item.promised_by.isoformat()
        _put(case.row, {**given, "promised_by": by})
    _accept(case)


def _put(row: Application, given: dict[str, Any]) -> None:
    """Put a material in the place of what was there under its code."""
    others = [dict(item) for item in handed(row) if item["code"] != given["code"]]
    row.materials = [*others, given]


def _ask_correction(case: Case) -> None:
    row, by = case.row, case.body.by
    if by is None:
        raise LookupError("a correction is asked for until a day")
    _note(case, "correction", "reasons", "by")
    row.corrected_at = row.stopped_at = case.now
    row.due_on, row.proposal = by, None


def _supply(case: Case) -> None:
    """Take what was supplied; after a correction the clocks go on."""
    row, keys = case.row, case.desk.keys
    for item in case.body.materials or ():
        _put(row, draft.material(item))
    if case.body.form is not None:
        plain = draft.opened(keys, row.number, row.sealed) | {"form": case.body.form}
        row.sealed = draft.sealed(keys, row.number, plain)
    if row.state == State.RECEIVED:
        row.corrected_days += _stood(case)
        row.supplied_at = case.now
        date_anew(row, case)


def _stood(case: Case) -> int:
    """Start the clocks again; tell for how many working days they stood."""
    began, case.row.stopped_at = case.row.stopped_at, None
    return case.desk.calendar.workdays.spent(began, case.now) if began is not None else 0


def _return(case: Case) -> None:
    """Close what was not supplied in time."""
    case.row.corrected_days += _stood(case)


def _propose_refusal(case: Case) -> None:
    _note(case, "refusal", "reason", "text", "right_agency")
    case.row.proposal = "refusal"


def _refuse(case: Case) -> None:
    _note(case, "refusal", "reason", "text", "right_agency")
    case.row.proposal = None


def _take(case: Case) -> None:
    case.row.reviewed_by = case.row.claimed_by = case.caller.id
    case.row.claimed_until = case.now + LEASE


def _propose_suspension(case: Case) -> None:
    _note(case, "suspension", "procedure", "basis", "working_days")
    case.row.proposal = "suspension"


def _suspend(case: Case) -> None:
    """Stop both clocks. What is waited for is the end of the procedure, where a length was named."""
    row, workdays = case.row, case.desk.calendar.workdays
    told = notices(row, case.desk.keys).get("suspension", {})
    days = case.body.working_days or told.get("working_days")
    row.stopped_at, row.proposal = case.now, None
    if days is not None:
        row.due_on = workdays.after(case.day, days)


def _resume(case: Case) -> None:
    case.row.suspended_days += _stood(case)
    date_anew(case.row, case)
    _take(case)


def _extend(case: Case) -> None:
    case.row.extended_days = case.body.working_days or 0
    date_anew(case.row, case)


def _transfer(case: Case) -> None:
    """Hand it to another agency: who reviewed it here has no part in it there."""
    row = case.row
    row.agency = case.body.agency or row.agency
    row.reviewed_by = row.proposal = None
    row.pooled = False


def _send_back(case: Case) -> None:
    """Give it back: to the step before, or within its own to the person who knows it."""
    if case.row.state == State.ACCEPTED:
        steps.send_back(case)
        date_anew(case.row, case)
        return
    case.row.claimed_by, case.row.claimed_until = case.row.reviewed_by, case.now + LEASE
    case.row.second_reviewed_by = None


def _pass(case: Case) -> None:
    case.row.proposal = None
    if case.row.state == State.IN_APPROVAL:
        case.row.second_reviewed_by = case.caller.id


def _grant(case: Case) -> None:
    """Decide; or, where other steps follow, give it on to the next."""
    if case.row.state == State.COMPLETED:
        _decide(case, "granted")
        return
    steps.pass_on(case)
    date_anew(case.row, case)


def _decide(case: Case, outcome: str) -> None:
    row = case.row
    row.decided_by, row.completed_at, row.outcome = case.caller.id, case.now, outcome
    row.due_on = case.desk.calendar.workdays.after(case.day, DELIVERED_WITHIN)
    row.proposal = None


def _deliver(case: Case) -> None:
    case.row.due_on = case.desk.calendar.workdays.after(case.day, FILED_AFTER)


def _break_off(case: Case) -> None:
    """End it: no clock of it goes on."""
    case.row.stopped_at = case.row.proposal = None


CHANGES: dict[object, Callable[[Case], None]] = {
    Action.ACCEPT: _accept,
    Action.ACCEPT_TOLERANT: _accept_lacking,
    Action.ACCEPT_COMMITMENT: _accept_lacking,
    Action.ASK_CORRECTION: _ask_correction,
    Action.SUPPLY: _supply,
    Action.PROPOSE_REFUSAL: _propose_refusal,
    Action.REFUSE: _refuse,
    Action.TAKE: _take,
    Action.PROPOSE_SUSPENSION: _propose_suspension,
    Action.SUSPEND: _suspend,
    Action.RESUME: _resume,
    Action.PASS: _pass,
    Action.SEND_BACK: _send_back,
    Action.GRANT: _grant,
    Action.DENY: lambda case: _decide(case, "denied"),
    System.COMPLETE: lambda case: _decide(case, "granted"),
    Action.EXTEND: _extend,
    Action.TRANSFER: _transfer,
    Action.WITHDRAW: _break_off,
    Action.VOID: _break_off,
    Action.DELIVER: _deliver,
    Timer.DEEM_ACCEPTED: _deem,
    Timer.RETURN_UNSUPPLIED: _return,
}
