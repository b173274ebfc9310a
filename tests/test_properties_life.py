"""The life of applications, walked at random on the real database: what holds at every step."""

import os
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from access import callers
from access.callers import Caller, Held
from access.errors import Forbidden
from access.policy import Role
from api.state import State as Process
from applications import actions, handing_in, service
from applications.actions import Case
from applications.errors import (
    ActionNotAllowed,
    ClaimedByOther,
    ContentInvalid,
    NotClaimed,
    SamePerson,
    StaleVersion,
)
from applications.lifecycle import ENDED, MOVES
from applications.models import Application
from events.models import Event
from kit.clock import now, today
from kit.db import transaction
from schemas.applications import Action, ActionRequest, ApplicationSubmit, State
from tests import make as m
from tests.make import Make, Place

WALKS = int(os.environ.get("LIFE_WALKS", "20"))
EDGES = {(move.source, move.by, move.target) for move in MOVES}
REFUSALS = (
    ActionNotAllowed, ClaimedByOther, ContentInvalid, Forbidden, NotClaimed, SamePerson,
    StaleVersion,
)  # fmt: skip

BREAKING_OFF = (Action.WITHDRAW, Action.VOID, Action.REFUSE, Action.TRANSFER)
"""Taken now and then only: else no walk is long."""

NOTICE = {"code": "BZ02", "material": "id_card", "text": "照片不清晰"}
CARD = {"code": "id_card", "exemption": "card_read"}

FIELDS: dict[Action, dict[str, Any]] = {
    Action.ASK_CORRECTION: {"reasons": [NOTICE], "by": today() + timedelta(days=9)},
    Action.SUPPLY: {"materials": [CARD]},
    Action.PROPOSE_REFUSAL: {"reason": "BS02", "text": "不属于受理范围"},
    Action.PROPOSE_SUSPENSION: {"procedure": "appraisal", "basis": "需进行鉴定"},
    Action.EXTEND: {"working_days": 1, "reason": "材料较多"},
    Action.TRANSFER: {"agency": "330105", "reason": "参保地已变更"},
    Action.REFUSE: {"reason": "BS02", "text": "不属于受理范围"},
    Action.SEND_BACK: {"reason": "TH01"},
    Action.DENY: {"reason": "BY01", "opinion": "不符合条件"},
    Action.WITHDRAW: {"reason": "申请人撤回"},
    Action.VOID: {"reason": "录入有误"},
    Action.DELIVER: {"way": "counter", "received_by": "测试乙"},
}
RIGHT = [ActionRequest(action=action, **FIELDS.get(action, {})) for action in Action]
BARE = [ActionRequest(action=action) for action in Action]

POSTS = (
    Role.ACCEPTANCE_OFFICER, Role.REVIEWER, Role.SECOND_REVIEWER, Role.APPROVER, Role.OUTLET_MANAGER,
)  # fmt: skip
"""Two persons of each post; one person, `anne`, holds them all."""


class Step(NamedTuple):
    """What is tried: one of the actions that an answer would list, or anything by anybody."""

    listed: bool
    at: int
    who: int
    wanted: ActionRequest
    beside: int
    """How far from the version that stands."""


steps = st.builds(
    Step,
    st.sampled_from([True, True, True, False]),
    st.integers(0, 99),
    st.integers(0, 2 * len(POSTS) + 1),
    st.sampled_from(RIGHT * 3 + BARE),
    st.sampled_from([0, 0, 0, 0, 0, 0, 0, 1, -1]),
)


def people(place: Place) -> list[Caller]:
    def held(role: Role) -> Held:
        return Held(role, place.outlet if role is Role.OUTLET_MANAGER else "330106")

    each = [callers.person(f"{role}-{n}", [held(role)]) for role in POSTS for n in (1, 2)]
    teller = callers.teller(place.terminal, place.outlet, place.teller)
    return [*each, teller, callers.person("anne", [held(role) for role in POSTS])]


async def handed_in(state: Process, place: Place, *, accept: bool, risk: int) -> str:
    """Hand one in, at the risk class that the walk is about: no sample of class 3 is open to outlets."""
    teller = callers.teller(place.terminal, place.outlet, place.teller)
    body = m.body(accept=accept)
    wanted = ApplicationSubmit.model_validate(body)
    answer = await handing_in.submit(
        state.counter, teller, wanted, key=m.key(), canonical=m.key().encode()
    )
    async with transaction(state.sessions) as session:
        number = col(Application.number) == answer.body["number"]
        await session.exec(sa.update(Application).where(number).values(risk_class=risk))
    return str(answer.body["number"])


def chosen(
    state: Process, row: Application, step: Step, who: list[Caller]
) -> tuple[Caller, ActionRequest, bool]:
    """Who does what: `True` when it stood in the list of what he may do."""
    listed = [
        (caller, RIGHT[list(Action).index(Action(action))])
        for caller in who
        for action in actions.allowed(Case(row, caller, state.desk, now()))
    ]
    if step.listed and listed:
        going_on = [pair for pair in listed if pair[1].action not in BREAKING_OFF]
        few = going_on if going_on and step.at % 8 else listed
        return *few[step.at % len(few)], True
    return who[step.who], step.wanted, False


async def take_step(state: Process, number: str, step: Step, who: list[Caller]) -> None:
    """Take one step as a request would, and see that all of it or nothing has happened."""
    before, is_listed = await stands(state, number), False
    try:
        async with transaction(state.sessions) as session:
            found = select(Application).where(col(Application.number) == number)
            row = (await session.exec(found)).one()
            caller, wanted, is_listed = chosen(state, row, step, who)
            beside = 0 if is_listed else step.beside
            service.may_ask(caller, row, wanted)
            await service.act(session, state.desk, caller, row, wanted, row.version + beside)
    except REFUSALS:
        assert not is_listed  # What is listed is what is then accepted.
        assert await stands(state, number) == before
        return
    after = await stands(state, number)
    assert beside == 0
    assert after["version"] == before["version"] + 1
    assert (before["state"], wanted.action, after["state"]) in EDGES
    assert before["state"] not in ENDED or after["state"] == State.DELIVERED
    assert_told(before, after, caller)
    assert_apart(before, wanted, caller)


async def stands(state: Process, number: str) -> dict[str, Any]:
    """Everything that is kept of an application: its row, and its events in their order."""
    async with transaction(state.sessions) as session:
        row = (
            await session.exec(select(Application).where(col(Application.number) == number))
        ).one()
        found = select(Event).where(col(Event.application) == number).order_by(col(Event.id))
        events = [event.model_dump() for event in (await session.exec(found)).all()]
        return {**row.model_dump(), "events": events}


def assert_told(before: dict[str, Any], after: dict[str, Any], caller: Caller) -> None:
    """One event more, that says who made which version of which state; the others as they were.

    Where it went to another agency, the one that had it is told so as well.
    """
    more = 1 + (before["agency"] != after["agency"])
    earlier, told = after["events"][:-more], after["events"][-1]
    assert earlier == before["events"]
    assert (told["version"], told["state"], told["actor"]) == (
        after["version"], after["state"], caller.id,
    )  # fmt: skip


def assert_apart(before: dict[str, Any], wanted: ActionRequest, caller: Caller) -> None:
    """Nobody decides, or looks a second time, on what he had a part in before."""
    parts = {"in_review": ["accepted_by"], "in_second_review": ["accepted_by", "reviewed_by"]}
    parts["in_approval"] = [*parts["in_second_review"], "second_reviewed_by"]
    if wanted.action not in (Action.WITHDRAW, Action.SUPPLY):
        assert caller.id not in {before[name] for name in parts.get(before["state"], ())}


@settings(
    max_examples=WALKS, deadline=None, derandomize=True, database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(st.booleans(), st.integers(1, 3), st.lists(steps, min_size=12, max_size=18))
async def test_a_walk(
    state: Process,
    walker: Place,
    accept: bool,
    risk: int,
    walk: list[Step],
) -> None:
    number, who = await handed_in(state, walker, accept=accept, risk=risk), people(walker)
    for step in walk:
        await take_step(state, number, step, who)


@pytest.fixture
async def walker(make: Make, clean: None) -> Place:
    return await make.place()
