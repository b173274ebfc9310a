"""What an event tells of a move: codes, days and ids in it, words sealed beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from applications import needs, queries
from applications.actions import Case
from applications.changes import notices
from applications.lifecycle import Timer
from events import service as events
from events.models import Event
from kit.clock import day_of
from schemas.applications import Action, ActionRequest, State

EVENT_KINDS: dict[object, str] = {
    Action.ACCEPT: "application.accepted",
    Action.ACCEPT_TOLERANT: "application.accepted",
    Action.ACCEPT_COMMITMENT: "application.accepted",
    Action.ASK_CORRECTION: "application.correction_asked",
    Action.SUPPLY: "application.supplied",
    Action.PROPOSE_REFUSAL: "application.refusal_proposed",
    Action.REFUSE: "application.refused",
    Action.TAKE: "application.taken",
    Action.PROPOSE_SUSPENSION: "application.suspension_proposed",
    Action.SUSPEND: "application.suspended",
    Action.RESUME: "application.resumed",
    Action.PASS: "application.passed",
    Action.SEND_BACK: "application.sent_back",
    Action.GRANT: "application.granted",
    Action.DENY: "application.denied",
    Action.EXTEND: "application.extended",
    Action.TRANSFER: "application.transferred",
    Action.WITHDRAW: "application.withdrawn",
    Action.VOID: "application.voided",
    Action.DELIVER: "application.delivered",
    Timer.DEEM_ACCEPTED: "application.deemed_accepted",
    Timer.RETURN_UNSUPPLIED: "application.returned",
    Timer.ARCHIVE: "application.archived",
}

STEP_KINDS = {
    (Action.GRANT, State.ACCEPTED): "application.step_passed_on",
    (Action.SEND_BACK, State.ACCEPTED): "application.step_sent_back",
}
"""By action and the state it has led to."""


def event(case: Case, kind: str, **facts: Any) -> Event:
    """Make the event of what was done to a row; facts that are none are left out."""
    row, caller = case.row, case.caller
    return Event(
        at=case.now, kind=kind, application=row.number, version=row.version, state=row.state,
        step=row.step, actor=caller.id, actor_role=caller.role, outlet=row.outlet,
        agency=row.agency, facts={name: v for name, v in facts.items() if v not in (None, [])},
    )  # fmt: skip


def by_itself(case: Case, timer: Timer) -> Event:
    """Make the event of what happened because its time had come."""
    accepted = case.row.accepted_at if timer is Timer.DEEM_ACCEPTED else None
    return event(
        case, EVENT_KINDS[timer], accepted_on=day_of(accepted).isoformat() if accepted else None,
        **(_due(case) if timer is Timer.DEEM_ACCEPTED else {}),
    )  # fmt: skip


async def tell(session: AsyncSession, case: Case, before: dict[str, Any]) -> None:
    """Append what was done; `before` is what the row was of, in what an event tells."""
    kind, said = _kind(case), _words(case.body)
    text = orjson.dumps(said).decode() if said else ""
    made = event(case, kind, **_facts(case, before))
    if case.row.agency != before["agency"]:
        await _tell_who_had_it(session, case, before["agency"])
    if kind in STEP_KINDS.values() and case.row.pooled:
        session.add(event(case, "application.unrouted"))
    await events.append(session, made, text=text, keys=case.desk.keys)


def _kind(case: Case) -> str:
    """Name what happened: what leads to another step is not what leads to a decision."""
    action, state = case.body.action, State(case.row.state)
    return STEP_KINDS.get((action, state)) or EVENT_KINDS[action]


async def _tell_who_had_it(session: AsyncSession, case: Case, agency: str) -> None:
    """Tell the agency that it has gone: in its feed there is nothing of it any more."""
    gone = event(case, "application.transferred_away", to=case.row.agency)
    gone.agency = agency
    if _kind(case) in STEP_KINDS.values():
        await queries.let_go(session, gone, case.row.received_at)
    else:
        session.add(gone)  # Written together with what follows.


def _facts(case: Case, before: dict[str, Any]) -> dict[str, Any]:
    wanted, row = case.body, case.row
    late = wanted.action is Action.DELIVER and case.day > before["due_on"]
    return {
        "reason": wanted.reason if needs.coded(wanted) else None,
        "right_agency": wanted.right_agency if needs.coded(wanted) else None,
        "way": wanted.way if wanted.action is Action.DELIVER else None,
        "outcome": row.outcome,
        "late": True if late else None,
        "from_agency": before["agency"] if row.agency != before["agency"] else None,
        "had": _materials(before["materials"]) if row.materials != before["materials"] else None,
        **ABOUT.get(wanted.action, _none)(case),
    }


def _none(_: Case) -> dict[str, Any]:
    return {}


def _materials(had: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Tell of the materials that were there before others came, for the papers that named them."""
    return [{n: v for n, v in item.items() if n != "file" and v is not None} for item in had]


def _due(case: Case) -> dict[str, Any]:
    """Name the limits as they now stand."""
    row = case.row
    return {
        name: day.isoformat() if (day := getattr(row, name)) else None
        for name in ("legal_due_on", "promised_due_on")
    }


def _step(case: Case) -> dict[str, Any]:
    """Name the step that begins and its limit, and the letter that went with it."""
    row = case.row
    due = row.step_due_on.isoformat() if row.step_due_on else None
    return {"step": row.step, "step_due_on": due, "letter": case.body.letter}


ABOUT: dict[Action, Any] = {
    Action.ACCEPT: _due,
    Action.ACCEPT_TOLERANT: lambda case: {
        **_due(case),
        "missing": [item.model_dump(mode="json") for item in case.body.missing or ()],
    },
    Action.ACCEPT_COMMITMENT: lambda case: {
        **_due(case), "committed": [item.code for item in case.body.missing or ()],
    },
    Action.ASK_CORRECTION: lambda case: {
        "reasons": [r.model_dump(include={"code", "material"}) for r in case.body.reasons or ()],
        "by": case.row.due_on.isoformat(),
    },
    Action.SUPPLY: lambda case: {
        **_due(case),
        "materials": [item.code for item in case.body.materials or ()],
        "form": True if case.body.form is not None else None,
        "corrected_days": case.row.corrected_days or None,
    },
    Action.PROPOSE_SUSPENSION: lambda case: {
        "procedure": case.body.procedure, "working_days": case.body.working_days,
    },
    Action.GRANT: lambda case: _step(case) if case.row.state == State.ACCEPTED else {},
    Action.SEND_BACK: lambda case: _step(case) if case.row.state == State.ACCEPTED else {},
    Action.SUSPEND: lambda case: {
        **_proposed(case),
        **({"working_days": case.body.working_days} if case.body.working_days else {}),
    },
    Action.RESUME: lambda case: {**_due(case), "suspended_days": case.row.suspended_days},
    Action.EXTEND: lambda case: {**_due(case), "working_days": case.row.extended_days},
}  # fmt: skip
"""What an event says beside what all say."""


def _proposed(case: Case) -> dict[str, Any]:
    """Name the procedure that was proposed."""
    told = notices(case.row, case.desk.keys).get("suspension", {})
    return {name: told.get(name) for name in ("procedure", "working_days")}


def _words(wanted: ActionRequest) -> dict[str, Any]:
    """Gather what people wrote."""
    words = {
        "opinion": wanted.opinion, "text": wanted.text, "received_by": wanted.received_by,
        "basis": wanted.basis, "reason": None if needs.coded(wanted) else wanted.reason,
        "reasons": [told.text for told in wanted.reasons or ()] or None,
    }  # fmt: skip
    return {name: value for name, value in words.items() if value is not None}
