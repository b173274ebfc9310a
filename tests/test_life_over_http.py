"""Lives over HTTP: what an answer lists is exactly what is then accepted; and the whole table by role."""

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from access import callers
from access.callers import Caller, Held
from access.errors import Forbidden
from access.policy import SCOPES, Role, Scope
from api.state import State as Process
from applications import actions, service, timers
from applications.actions import Case
from applications.desk import Desk
from applications.errors import ActionNotAllowed
from applications.lifecycle import Timer
from applications.models import Application
from kit.clock import now, today
from kit.db import transaction
from schemas.applications import Action, ActionRequest, State
from tests.make import PENSION, Make, Place
from tests.test_properties_life import BREAKING_OFF, CARD, FIELDS, POSTS, RIGHT, handed_in

WALKS = int(os.environ.get("LIFE_WALKS", "4"))
EVERY = 3 if WALKS < 20 else 1
"""Of what is not listed every third is tried at a step, in turns; on long walks all."""

FEW = 6
"""Persons that look at it at each step, others at the next."""

REFUSED = {403, 409}
"""Answers to what is not listed: no such right, another has to do it, or not now."""

HANDLING = ("teller", *POSTS)


class Step(NamedTuple):
    """What comes next: somebody does something, or time goes by."""

    who: int
    which: int
    goes_on: bool
    days: int
    """So many days go by first; what is due by itself happens."""


steps = st.builds(
    Step, st.integers(0, 999), st.integers(0, 999), st.sampled_from([True] * 5 + [False]),
    st.sampled_from([0] * 9 + [60]),
)  # fmt: skip


class World(NamedTuple):
    """A place, and two persons of each post who may have to do with what is handed in there."""

    place: Place
    people: list[dict[str, str]]


@pytest.fixture
async def world(make: Make, clean: None) -> World:
    place, strange = await make.place(), await make.place()
    scope = {Role.OUTLET_MANAGER: place.outlet}
    people = [
        await make.person(role, scope.get(role, "330106"), subject=f"{role}-http-{n}")
        for role in POSTS
        for n in (1, 2)
    ]
    for role in POSTS:
        anne = await make.person(role, scope.get(role, "330106"), subject="anne-of-all-posts")
    other = await make.person(Role.REVIEWER, "330105")
    return World(place, [*people, anne, other, make.teller(place), make.teller(strange)])


@pytest.fixture
def taken() -> Iterator[set[str]]:
    """Actions that all walks together took: some of them lead nowhere, not all may."""
    found: set[str] = set()
    yield found
    assert len(found) >= 5, found


class Walk:
    """One application, and what may happen to it."""

    def __init__(self, state: Process, http: httpx.AsyncClient, world: World, number: str) -> None:
        self._state, self._http, self._world, self.number = state, http, world, number
        self.taken: set[str] = set()

    async def take(self, step: Step) -> None:
        if step.days:
            await self._pass(step.days)
        shown = await self._shown(step.who)
        who, listed = self._chosen(step, shown)
        await self._refuses_all_else(who, listed, step.which)
        if listed:
            few = [a for a in listed if a not in BREAKING_OFF] if step.goes_on else listed
            await self._accepts(who, (few or listed)[step.which % len(few or listed)])

    async def _pass(self, days: int) -> None:
        for timer in Timer:
            async with transaction(self._state.sessions) as session:
                at = now() + timedelta(days=days)
                await timers.pass_time(session, self._state.desk, timer, at)

    async def _shown(self, turn: int) -> list[tuple[dict[str, str], dict[str, Any]]]:
        found, everyone = [], self._world.people * 2
        for who in everyone[turn % len(self._world.people) :][:FEW]:
            answer = await self._http.get(f"/v1/applications/{self.number}", headers=who)
            assert answer.status_code in (200, 404), answer.text
            found.append((who, answer.json()))
        return found

    def _chosen(
        self, step: Step, shown: list[tuple[dict[str, str], dict[str, Any]]]
    ) -> tuple[dict[str, str], list[str]]:
        """Most steps are taken by somebody who may do something; one of ten by just anybody."""
        may = [(who, seen) for who, seen in shown if seen.get("actions")]
        from_ = may if may and step.which % 10 else shown
        who, seen = from_[step.who % len(from_)]
        return who, seen.get("actions", [])

    async def _refuses_all_else(self, who: dict[str, str], listed: list[str], turn: int) -> None:
        before = await self._row()
        known = REFUSED if await self._sees(who) else {404}
        others = [right for right in RIGHT if right.action not in listed]
        for wanted in others[turn % EVERY :: EVERY]:
            answer = await self._act(who, wanted, before["version"])
            assert answer.status_code in known, (wanted.action, answer.text)
        assert await self._row() == before

    async def _sees(self, who: dict[str, str]) -> bool:
        answer = await self._http.get(f"/v1/applications/{self.number}", headers=who)
        return answer.status_code == 200

    async def _accepts(self, who: dict[str, str], action: str) -> None:
        version = (await self._row())["version"]
        wanted = next(right for right in RIGHT if right.action == action)
        answer = await self._act(who, wanted, version)
        assert answer.status_code == 200, (action, answer.text)
        self.taken.add(action)
        told = answer.json()
        assert told["version"] == version + 1
        if await self._sees(who):
            seen = await self._http.get(f"/v1/applications/{self.number}", headers=who)
            assert seen.json()["actions"] == told["actions"]

    async def _act(
        self, who: dict[str, str], wanted: ActionRequest, version: int
    ) -> httpx.Response:
        return await self._http.post(
            f"/v1/applications/{self.number}/actions",
            json=wanted.model_dump(mode="json", exclude_none=True),
            headers={**who, "If-Match": f'"{version}"'},
        )

    async def _row(self) -> dict[str, Any]:
        async with transaction(self._state.sessions) as session:
            found = select(Application).where(col(Application.number) == self.number)
            return (await session.exec(found)).one().model_dump()


@settings(
    max_examples=WALKS, deadline=None, derandomize=True, database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(st.booleans(), st.integers(1, 3), st.lists(steps, min_size=6, max_size=12))
async def test_what_is_listed_is_exactly_what_is_accepted(
    state: Process, http: httpx.AsyncClient, world: World, taken: set[str], accept: bool, risk: int,
    walk: list[Step],
) -> None:  # fmt: skip
    number = await handed_in(state, world.place, accept=accept, risk=risk)
    life = Walk(state, http, world, number)
    for step in walk:
        await life.take(step)
    taken.update(life.taken)


TABLE = """
received           teller             accept accept_tolerant ask_correction withdraw
received           teller             propose_refusal
received           outlet_manager     void
received           acceptance_officer accept accept_tolerant accept_commitment ask_correction refuse
correction         teller             supply withdraw
accepted           teller             supply withdraw
accepted           outlet_manager     void
accepted           reviewer           take transfer
accepted           approver           extend
in_review          teller             supply withdraw
in_review          reviewer           propose_suspension pass23 grant1 deny1 transfer
in_review          approver           suspend extend
in_second_review   teller             supply withdraw
in_second_review   second_reviewer    pass3 send_back grant2 deny2
in_second_review   approver           extend
in_approval        teller             supply withdraw
in_approval        approver           send_back grant deny extend
suspended          teller             supply withdraw
suspended          reviewer           resume
completed          teller             deliver
"""
"""What each role may do in each state, where nothing else stands against it; digits are the risk classes for
which it may, none: all. What is not here is refused: every other role, action and state. No guide of ours
that takes the applicant's word entrusts acceptance to outlets: so a teller does not `accept_commitment`."""

RISKS = (1, 2, 3)
TOLERANT, COMMITTED = "332014901002", "332014901004"
FOLLOWING = {
    Action.ACCEPT_TOLERANT: (TOLERANT, "household_book"),
    Action.ACCEPT_COMMITMENT: (COMMITTED, "kinship_proof"),
}
"""Where the guide lets a material follow, or takes the applicant's word for it."""

WITH_ROOM = {
    Action.EXTEND: PENSION,
    **{action: matter for action, (matter, _) in FOLLOWING.items()},
}
"""Matters whose guides let an action be taken at all."""


def cells() -> set[tuple[State, Role, Action, int]]:
    """The table, taken apart."""
    found = set()
    for line in TABLE.strip().splitlines():
        state, role, *listed = line.split()
        for one in listed:
            name = one.rstrip("123")
            risks = [int(digit) for digit in one[len(name) :]] or RISKS
            found |= {(State(state), Role(role), Action(name), risk) for risk in risks}
    return found


def everyone(place: Place, other: Place) -> Iterator[tuple[Role, bool, Caller]]:
    """Somebody in each role, here and elsewhere."""
    here = {Scope.OUTLET: place.outlet, Scope.BANK: "SRCB", Scope.AGENCY: "330106"}
    there = {Scope.OUTLET: other.outlet, Scope.BANK: "SPSB", Scope.AGENCY: "330205"}
    for role, scope in SCOPES.items():
        if role is Role.TELLER:
            yield role, True, callers.teller(place.terminal, place.outlet, place.teller)
            yield role, False, callers.teller(other.terminal, other.outlet, other.teller)
            continue
        for own, scopes in ((True, here), (False, there)):
            where = scopes.get(scope, "330000" if own else "330200")
            yield role, own, callers.person(f"somebody-{own}", [Held(role, where)])


def nothing_against(row: Application, state: State, risk: int, case: tuple[Caller, Action]) -> None:
    """Let a row stand where nothing but state, action and role decides."""
    caller, action = case
    row.state, row.risk_class = state, risk
    row.accepted_by, row.reviewed_by, row.second_reviewed_by = "person:a", "person:b", "person:c"
    row.claimed_by, row.claimed_until = caller.id, now() + timedelta(minutes=9)
    row.due_on = row.promised_due_on = today() + timedelta(days=9)
    row.legal_due_on = today() + timedelta(days=60)
    row.proposal = "suspension" if action is Action.SUSPEND else None
    if action is Action.SUPPLY and state is not State.CORRECTION:
        row.documents = [*row.documents, "TOL"]
        row.materials = [{**CARD, "file": None, "promised_by": today().isoformat()}]
    row.matter = WITH_ROOM.get(action, row.matter)


def body(action: Action) -> ActionRequest:
    """What the action needs."""
    more = dict(FIELDS.get(action, {}))
    if action in FOLLOWING:
        more["missing"] = [{"code": FOLLOWING[action][1]}]
    if action is Action.ACCEPT_TOLERANT:
        more["missing"][0]["promised_by"] = today().isoformat()
    return ActionRequest(action=action, **more)


BODIES = {action: body(action) for action in Action}


async def attempt(
    session: AsyncSession,
    desk: Desk,
    kept: Application,
    at: tuple[State, int],
    case: tuple[Caller, Action],
) -> bool:
    """Try a cell; what is listed is taken for real, and nothing of it stays."""
    caller, action = case
    row = Application.model_validate(kept.model_dump())  # No session knows it.
    nothing_against(row, *at, case)
    if action not in actions.allowed(Case(row, caller, desk, now())):
        with pytest.raises(ActionNotAllowed):
            await service.act(session, desk, caller, row, BODIES[action], row.version)
        return False
    async with session.begin_nested() as tried:
        row = await session.get_one(Application, kept.number)
        with session.no_autoflush:
            nothing_against(row, *at, case)
            await service.act(session, desk, caller, row, BODIES[action], row.version)
        await tried.rollback()
        session.expunge_all()
    return True


async def taken_by(
    state: Process, kept: Application, caller: Caller, action: Action
) -> set[tuple[State, int]]:
    """Try an action by somebody who may ask for it from every state, in a transaction of its own."""
    async with transaction(state.sessions) as session:
        return {
            (stands, risk)
            for stands in State
            for risk in RISKS
            if await attempt(session, state.desk, kept, (stands, risk), (caller, action))
        }


async def test_the_whole_table_of_states_actions_and_roles(
    state: Process, make: Make, clean: None
) -> None:
    place, other = await make.place(), await make.place(county="330205")
    number = await handed_in(state, place, accept=True, risk=1)
    async with transaction(state.sessions) as session:
        kept = await session.get_one(Application, number)
    found: set[tuple[State, Role, Action, int]] = set()
    for role, own, caller in everyone(place, other):
        for action in Action:
            try:
                service.may_ask(caller, kept, BODIES[action])
            except Forbidden:
                continue
            assert own, (role, action)  # Elsewhere nobody gets so far.
            taken = await taken_by(state, kept, caller, action)
            found |= {(stands, role, action, risk) for stands, risk in taken}
    assert found == cells()
