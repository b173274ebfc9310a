"""Steps of a procedure, one agency after another: what ends, what begins, and what stays with whom."""

from typing import Any

from applications import draft
from applications.actions import Case
from applications.clocks import Standing
from applications.models import Application
from kit.clock import day_of
from routing.rules import Routed, route
from schemas.applications import Action
from schemas.guides import Step

DECIDES = {1: "review", 2: "second_review", 3: "approval"}
"""Which post ends a step, by its risk class."""

ALL_POSTS = tuple(DECIDES.values())


def standing(row: Application) -> Standing:
    """Tell in which step an application is, and what is known of that step's clock."""
    spent = sum(past["days"] for past in row.past_steps if past["step"] == row.step)
    return Standing(row.step, row.step_began_at, row.step_moved_from, spent)


def routed(case: Case, step: int) -> Routed:
    """Find the agency of a step, by the form that was handed in."""
    row, desk = case.row, case.desk
    form = draft.opened(desk.keys, row.number, row.sealed)["form"]
    county = desk.registry.outlet(row.outlet).county
    return route(
        desk.routing, case.laid_guide, form, county, case.day, step=step, before=row.agency
    )


def pass_on(case: Case) -> None:
    """End a step whose work is done, and begin the next at its agency."""
    found = routed(case, case.row.step + 1)
    agency = found.agency.code if found.agency is not None else case.row.agency
    case.row.pooled = found.pooled
    _end(case, "passed_on")
    _begin(case, case.row.step + 1, agency)


def send_back(case: Case) -> None:
    """Give it back to the agency that did the step before: its clock goes on from where it stood."""
    row = case.row
    before = next(past for past in reversed(row.past_steps) if past["step"] == row.step - 1)
    _end(case, "sent_back")
    _begin(case, row.step - 1, before["agency"])


def _end(case: Case, how: str) -> None:
    row, wanted = case.row, case.body
    row.past_steps = [
        *row.past_steps,
        {
            "step": row.step, "agency": row.agency, "how": how,
            "began_at": (row.step_began_at or row.accepted_at or row.received_at).isoformat(),
            "ended_at": case.now.isoformat(),
            "due_on": row.step_due_on.isoformat() if row.step_due_on else None,
            "days": _spent(case), "letter": wanted.letter, "reason": _code(case),
            "people": _people(case),
        },
    ]  # fmt: skip


def _spent(case: Case) -> int:
    """Count the working days that a step took, without those on which its clock stood."""
    row = case.row
    began = row.step_began_at or row.accepted_at or row.received_at
    stood = row.suspended_days + row.extended_days - row.step_moved_from
    return max(case.desk.calendar.workdays.between(day_of(began), case.day) - stood, 0)


def _code(case: Case) -> str | None:
    return case.body.reason if case.body.action is Action.SEND_BACK else None


def _people(case: Case) -> list[str]:
    """List who had which post in the step that the caller ends."""
    row = case.row
    ends = DECIDES[row.risk_class] if case.body.action is Action.GRANT else DECIDES[1]
    held = {
        "review": row.reviewed_by,
        "second_review": row.second_reviewed_by,
        ends: case.caller.id,
    }
    return [f"{post}:{who}" for post, who in held.items() if who is not None]


def _begin(case: Case, number: int, agency: str) -> None:
    row, step = case.row, case.laid_guide.guide.steps[number - 1]
    row.step, row.agency, row.risk_class = number, agency, step.risk_class
    row.step_began_at = case.now
    row.step_moved_from = row.suspended_days + row.extended_days
    row.reviewed_by = row.second_reviewed_by = row.proposal = None
    row.barred = _barred(row.past_steps, number, step)


def _barred(past_steps: list[dict[str, Any]], number: int, step: Step) -> list[str]:
    """List who may not have which post in a step: whoever did another, or had another post in this one.

    Whoever did the step that this one continues may do it in the same post.
    """
    found: set[str] = set()
    for past in past_steps:
        same_work = past["step"] in (number, step.continues)
        for part in past["people"]:
            post, _, who = part.partition(":")
            found |= {f"{p}:{who}" for p in ALL_POSTS if not (same_work and p == post)}
    return sorted(found)


def agencies_of(row: Application) -> set[str]:
    """List the agencies that have, or had, a step of an application."""
    return {row.agency, *(past["agency"] for past in row.past_steps)}
