"""An application as it is answered: to this caller, today, masked."""

from datetime import datetime
from typing import Any

import orjson

from access.callers import Caller
from applications import lifecycle
from applications.actions import Case, allowed
from applications.changes import notices
from applications.clocks import light
from applications.desk import Desk
from applications.draft import opened
from applications.models import Application
from applications.numbers import query_code
from kit.clock import CHINA, day_of
from schemas import masking
from schemas.applications import State

RESULT = "application.result_sealed"
OURS = frozenset({"reason", "remedy", "core_reference", "simulated"})
"""Parts of a result that the service writes: a code, the guide's words, what a core system calls it, and
whether that is a simulated one."""

CLOSED = lifecycle.ENDED - {State.COMPLETED, State.DELIVERED}
"""States in which nobody waits for a day."""


def view(
    row: Application,
    caller: Caller,
    desk: Desk,
    now: datetime,
    actions: list[str] | None = None,
) -> dict[str, Any]:
    """Answer with an application, without its contents; `actions` where they are known already."""
    if actions is None:
        actions = allowed(Case(row, caller, desk, now))
    return {
        "number": row.number,
        "state": row.state,
        "version": row.version,
        "matter": row.matter,
        "guide_version": row.guide_version,
        "outlet": row.outlet,
        "teller": row.teller,
        "agency": {"code": row.agency, "name": desk.agencies.name(row.agency)},
        "step": row.step,
        "step_due_on": row.step_due_on,
        "decided_by": row.decided_by,
        "outcome": row.outcome,
        "received_at": row.received_at.astimezone(CHINA),
        "captured_at": _local(row.captured_at),
        "accepted_at": _local(row.accepted_at),
        "completed_at": _local(row.completed_at),
        "legal_due_on": row.legal_due_on,
        "promised_due_on": row.promised_due_on,
        "due_provisional": row.due_provisional,
        "light": light(row, day_of(now)),
        "pooled": row.pooled,
        "due_on": row.due_on if row.state not in CLOSED else None,
        "proposal": row.proposal,
        "extended_days": row.extended_days,
        "claimed_until": _local(row.claimed_until),
        "actions": actions,
        "documents": row.documents,
    }


def _local(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(CHINA)


def made(
    row: Application,
    caller: Caller,
    desk: Desk,
    now: datetime,
    warnings: list[dict[str, Any]],
    alike: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Answer a submission; `alike` is the view of one that differs from it in its number alone."""
    return {
        **(alike or view(row, caller, desk, now)),
        "number": row.number,
        "query_code": query_code(desk.keys, row.number),
        "result": _result(row, desk, revealed=False),
        "warnings": warnings,
    }


def detail(
    row: Application, caller: Caller, desk: Desk, now: datetime, *, revealed: bool = False
) -> dict[str, Any]:
    """Answer with an application and its contents, masked unless revealed."""
    plain = opened(desk.keys, row.number, row.sealed)
    if not revealed:
        plain = _masked(plain, row, desk)
    return {
        **view(row, caller, desk, now),
        **plain,
        "materials": row.materials,
        "result": _result(row, desk, revealed=revealed),
        "notices": _named(notices(row, desk.keys), desk),
        "past_steps": _past_steps(row, desk),
    }


def _named(told: dict[str, Any], desk: Desk) -> dict[str, Any]:
    """Name whose it is where an agency said that it is not its own (BS01)."""
    refusal = told.get("refusal", {})
    if "right_agency" not in refusal:
        return told
    named = {**refusal, "right_agency_name": desk.agencies.name(refusal["right_agency"])}
    return {**told, "refusal": named}


def _past_steps(row: Application, desk: Desk) -> list[dict[str, Any]]:
    """Show the steps that ended, each by its name and its agency's; who did them stands in the events."""
    guide = desk.catalogue.version(row.matter, row.guide_version)
    names = [step.name for step in guide.guide.steps] if guide is not None else []
    return [
        {
            **{name: value for name, value in past.items() if name != "people"},
            "name": names[past["step"] - 1] if past["step"] <= len(names) else "",
            "agency": {"code": past["agency"], "name": desk.agencies.name(past["agency"])},
        }
        for past in row.past_steps
    ]


def _masked(plain: dict[str, Any], row: Application, desk: Desk) -> dict[str, Any]:
    guide = desk.catalogue.version(row.matter, row.guide_version)
    form = plain["form"]
    personal = guide.personal if guide is not None else frozenset(form)
    people = {name: masking.person(plain[name]) for name in ("applicant", "subject", "proxy")}
    return {**people, "form": masking.form(form, personal)}


def _result(row: Application, desk: Desk, *, revealed: bool) -> dict[str, Any] | None:
    if row.result_sealed is None:
        return None
    plain: dict[str, Any] = orjson.loads(
        desk.keys.open(row.result_sealed, bound_to=f"{RESULT}:{row.number}")
    )
    return plain if revealed else masking.form(plain, frozenset(plain) - OURS)
