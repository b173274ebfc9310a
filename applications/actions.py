"""What a caller may do with an application now, and what stands against it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import orjson

from access.callers import NO_REACH, Caller
from access.policy import May
from applications import lifecycle
from applications.desk import Desk
from applications.errors import (
    ActionNotAllowed,
    ClaimedByOther,
    CoreAsked,
    NotClaimed,
    SamePerson,
)
from applications.lifecycle import Move, Turn
from applications.models import Application
from kit.clock import day_of
from kit.errors import DomainError
from matters.compiled import CompiledGuide
from schemas.applications import Action, ActionRequest, State
from schemas.guides import Delegation, Exemption, Necessity, Step

A = Action
SYSTEM = Caller(id="system", role="system", reaches=NO_REACH)
"""Who does what happens by itself, and completes what the agency's core system completes."""


class Case(NamedTuple):
    """An application, who wants to do something with it, and when."""

    row: Application
    caller: Caller
    desk: Desk
    now: datetime
    wanted: ActionRequest | None = None
    """None: nobody asked for it, its time has come."""

    @property
    def day(self) -> date:
        """Today."""
        return day_of(self.now)

    @property
    def body(self) -> ActionRequest:
        """What was asked for."""
        if self.wanted is None:
            raise LookupError("nobody asked for it")
        return self.wanted

    @property
    def guide(self) -> CompiledGuide | None:
        """The version that the application keeps, without the layers of its place."""
        return self.desk.catalogue.version(self.row.matter, self.row.guide_version)

    @property
    def steps(self) -> Sequence[Step]:
        """The steps of its procedure; none where the guide is not to be had."""
        return self.guide.guide.steps if self.guide is not None else ()

    @property
    def step(self) -> Step:
        """The step in which it is."""
        return self.laid_guide.guide.steps[self.row.step - 1]

    @property
    def turn(self) -> Turn:
        """Where its step stands in the procedure."""
        return lifecycle.turn(self.row.step, max(len(self.steps), self.row.step))

    @property
    def laid_guide(self) -> CompiledGuide:
        """The version that the application keeps, as it was promised at its outlet on the day of receipt."""
        row, desk = self.row, self.desk
        place, day = desk.registry.outlet(row.outlet).division, day_of(row.received_at)
        guide = desk.catalogue.version(row.matter, row.guide_version, place, day)
        if guide is None:
            raise LookupError(f"no guide {row.matter} {row.guide_version}")
        return guide


def handed(row: Application) -> Sequence[Mapping[str, Any]]:
    """List the materials of an application; of one that was just made they are written out already."""
    materials: Any = row.materials
    found: Sequence[Mapping[str, Any]] = (
        orjson.loads(materials) if isinstance(materials, str) else materials
    )
    return found


def outstanding(row: Application) -> list[str]:
    """List the materials that were promised and have not come."""
    if "TOL" not in row.documents:
        return []
    return [str(item["code"]) for item in handed(row) if item["promised_by"] is not None]


Hindrance = type[DomainError] | None
UNCLAIMED = frozenset({A.WITHDRAW, A.SUPPLY, A.SUSPEND, A.EXTEND})
"""What may be done whoever works on it: by the applicant's wish, or by the head."""

CLAIMED = frozenset({State.IN_REVIEW, State.IN_SECOND_REVIEW, State.IN_APPROVAL})


def hindrance(case: Case, move: Move) -> Hindrance:
    """Tell what stands against a legal move: separation of duties, another's claim, its own rule."""
    if _is_at_its_core(case):
        return CoreAsked
    if case.caller.id in _did_before(case.row, move) or _is_barred(case, move):
        return SamePerson
    if move.source in CLAIMED and move.by not in UNCLAIMED and (held := _held_up(case, move)):
        return held
    for check in EXTRA.get(move.by, ()):
        if not check(case):
            return ActionNotAllowed
    return None


def _is_at_its_core(case: Case) -> bool:
    """Tell whether the agency's core system may just be completing it."""
    until = case.row.claimed_until
    return case.row.claimed_by == SYSTEM.id and until is not None and until > case.now


def _held_up(case: Case, move: Move) -> Hindrance:
    row = case.row
    if row.claimed_by == case.caller.id:
        return None
    if row.claimed_until is not None and row.claimed_until > case.now:
        return ClaimedByOther
    return NotClaimed if move.source is State.IN_REVIEW else None


def _did_before(row: Application, move: Move) -> set[str | None]:
    """List who had a part in the steps before: accepting, review, second review."""
    if move.by in (A.WITHDRAW, A.DELIVER, A.SUPPLY):
        return set()
    if move.by is A.VOID:
        return {f"person:{row.teller}"}
    if move.by is A.SUSPEND or (move.by is A.EXTEND and move.source is State.IN_REVIEW):
        return {row.accepted_by, row.reviewed_by}
    before = (row.accepted_by, row.reviewed_by, row.second_reviewed_by)
    return set(before[: STEPS_BEFORE.get(move.source, 0)])


STEPS_BEFORE = {
    State.ACCEPTED: 1, State.IN_REVIEW: 1, State.SUSPENDED: 1, State.IN_SECOND_REVIEW: 2,
    State.IN_APPROVAL: 3,
}  # fmt: skip
"""How many of accepting, review and second review lie before a state."""


POSTS = {
    May.APPLICATION_REVIEW: "review",
    May.APPLICATION_SECOND_REVIEW: "second_review",
    May.APPLICATION_APPROVE: "approval",
}
"""Posts of a step, as `barred` names them."""


def _is_barred(case: Case, move: Move) -> bool:
    """Tell whether the caller did something in another step that keeps him from this post in this one."""
    post = POSTS.get(move.may) if move.may is not None else None
    return post is not None and f"{post}:{case.caller.id}" in case.row.barred


def _is_entrusted(case: Case) -> bool:
    """Let an outlet accept, or refuse to, only where acceptance is entrusted to it."""
    guide = case.guide
    if case.caller.teller is None or guide is None:
        return case.caller.teller is None
    held = case.desk.permission(guide, case.desk.registry.outlet(case.row.outlet), case.day)
    return held.lets(Delegation.D2)


def is_in_time(case: Case) -> bool:
    """Tell whether the day that is waited for has not gone by."""
    return case.day <= case.row.due_on


def _is_of_today(case: Case) -> bool:
    return day_of(case.row.received_at) == case.day


def _may_tolerate(case: Case) -> bool:
    """Accept with a promise where the guide lets a material follow."""
    guide = case.guide
    return guide is not None and (
        guide.guide.tolerant_acceptance
        and any(m.necessity is Necessity.TOLERABLE for m in guide.materials.values())
    )


def _may_commit(case: Case) -> bool:
    """Accept on the applicant's word where the guide takes it for a material."""
    guide = case.guide
    return guide is not None and any(
        Exemption.COMMITMENT in m.exemptions for m in guide.materials.values()
    )


def _may_supply(case: Case) -> bool:
    """Supply what was asked for until the day told, and what was promised until it has come."""
    if case.row.state == State.CORRECTION:
        return is_in_time(case)
    return bool(outstanding(case.row))


def _is_whole(case: Case) -> bool:
    """Grant only when everything that was promised has come."""
    return not outstanding(case.row)


def _is_routed(case: Case) -> bool:
    """Accept nothing that no rule gave to the agency that has it: it is handed to whose it is."""
    return not case.row.pooled


def _may_transfer(case: Case) -> bool:
    """Hand over before acceptance only what came because no rule named an agency."""
    return case.row.state != State.RECEIVED or case.row.pooled


def _may_deny(case: Case) -> bool:
    """Deny only in a step that decides: else it goes on with an opinion, or back with a reason."""
    return not case.steps or case.steps[case.row.step - 1].decides


def _may_extend(case: Case) -> bool:
    """Extend once, before the promise has run out, and where the law leaves room or the guide has a basis."""
    row, guide = case.row, case.guide
    promised, legal = row.promised_due_on, row.legal_due_on
    if row.extended_days or promised is None or guide is None or case.day > promised:
        return False
    return bool(guide.guide.extension_basis) or legal is None or promised < legal


EXTRA: dict[object, tuple[Callable[[Case], bool], ...]] = {
    A.ACCEPT: (_is_entrusted, _is_routed),
    A.ACCEPT_TOLERANT: (_is_entrusted, _is_routed, _may_tolerate),
    A.ACCEPT_COMMITMENT: (_is_entrusted, _is_routed, _may_commit),
    A.TRANSFER: (_may_transfer,),
    A.ASK_CORRECTION: (_is_entrusted, is_in_time, lambda case: case.row.corrected_at is None),
    A.PROPOSE_REFUSAL: (_is_entrusted, is_in_time, lambda case: case.row.proposal is None),
    A.REFUSE: (is_in_time,),
    A.SUPPLY: (_may_supply,),
    A.PROPOSE_SUSPENSION: (lambda case: case.row.proposal is None,),
    A.SUSPEND: (lambda case: case.row.proposal == "suspension",),
    A.GRANT: (_is_whole,),
    A.DENY: (_may_deny,),
    A.EXTEND: (_may_extend,),
    A.VOID: (_is_of_today,),
}
"""What an action asks beside its state: all of it must hold."""


def allowed(case: Case) -> list[str]:
    """List the actions that the caller may take now: what is listed is what is then accepted."""
    row, caller = case.row, case.caller
    return [
        str(move.by)
        for move in lifecycle.open_moves(State(row.state), row.risk_class, case.turn)
        if move.may is not None
        and caller.reach(move.may).covers(outlet=row.outlet, agency=row.agency)
        and hindrance(case, move) is None
    ]
