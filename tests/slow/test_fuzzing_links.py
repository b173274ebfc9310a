"""Calls that follow one another by the links of the document: handed in, claimed, decided, delivered."""

import uuid
from collections import Counter
from itertools import cycle
from typing import Any, ClassVar
from urllib.parse import quote

import hypothesis
import pytest
import requests
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test
from schemathesis import Case
from schemathesis.core.transport import Response
from schemathesis.generation.stateful import APIStateMachine
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import negative_data_rejection

from access.policy import Role
from tests import make as m
from tests.slow.fuzzing import CALLERS, CHECKS, NOBODY, Running, calls
from tests.slow.test_fuzzing import SEEDS, document, running

__all__ = ["document", "running"]
pytestmark = pytest.mark.slow

KNOWN = [caller for caller in CALLERS if caller not in NOBODY]
SCENARIOS, STEPS, ROUNDS = 90, 12, 12
"""Another round is run where chance has not met an answer of `REACHED`."""

SETTINGS = hypothesis.settings(
    max_examples=SCENARIOS, stateful_step_count=STEPS, deadline=None, database=None,
    phases=[Phase.generate], suppress_health_check=list(HealthCheck),
)  # fmt: skip

MATTERS = (m.RECORD, "332014901014")
"""Decided by one person, and by two."""

PART: dict[str, list[str]] = {
    "submit_application": ["a teller"],
    "upload_file": ["a teller"],
    "download_file": ["a teller", Role.REVIEWER],
    "claim_tasks": [Role.REVIEWER, Role.SECOND_REVIEWER, Role.APPROVER],
}
"""Who takes the calls that lead on; all others are taken by everybody in turn."""

ALWAYS_RIGHT = ("submit_application", "claim_tasks")

DECIDING = ("a teller", Role.REVIEWER, Role.SECOND_REVIEWER)
FIELDS: dict[str, dict[str, Any]] = {
    "grant": {"opinion": "同意"},
    "pass": {"opinion": "同意"},
    "deny": {"reason": "BY01", "opinion": "不符合条件"},
    "send_back": {"reason": "TH01"},
    "deliver": {"way": "counter", "received_by": "测试乙"},
    "withdraw": {"reason": "申请人撤回"},
}
"""What the actions need: what is generated hardly ever has all of it."""

REACHED = {
    "submit_application": 201, "upload_file": 201, "download_file": 200, "claim_tasks": 200,
    "act_on_application": 200, "reveal_application": 200, "release_task": 200,
    "list_application_events": 200, "get_application": 200,
}  # fmt: skip
"""Answers that must have been met: else the links lead nowhere and nothing was tried."""


OURS: list[Any] = [negative_data_rejection]
"""What was made wrong may be right again: callers, bodies and versions are put in here."""


class Journey(APIStateMachine):
    """What the tool's own machine is mixed with: who calls, and bodies that are right now and then."""

    running: ClassVar[Running]
    seen: ClassVar[Counter[tuple[str, int]]]
    session: ClassVar[requests.Session]

    def setup(self) -> None:
        """Begin with two applications, and everybody in the same order."""
        self.turns, self.callers = cycle((True, True, False)), cycle(KNOWN)
        self.who, self.number = self.running.callers["a teller"], 0
        self.running.empty()
        for matter in MATTERS:
            key = {"Idempotency-Key": uuid.uuid4().hex}
            url = f"{self.running.url}/v1/applications"
            made = self.session.post(url, json=m.body(matter), headers=self.who | key)
            assert made.status_code == 201, made.text

    def before_call(self, case: Case[Any]) -> None:
        """Choose who calls, and let most of the calls that lead on be right ones."""
        self.number += 1
        name, right = name_of(case), next(self.turns)
        part = PART.get(name)
        caller = part[self.number % len(part)] if part else next(self.callers)
        if name in ALWAYS_RIGHT or right:
            caller = self.set_right(name, case) or caller
        self.who = self.running.callers[str(caller)]

    def set_right(self, name: str, case: Case[Any]) -> str | None:
        """Put a right body in; tell who has to send it, where it matters."""
        if name == "act_on_application":
            return self.set_action(case)
        if name == "submit_application":
            case.headers["Idempotency-Key"] = uuid.uuid4().hex
        bodies = {
            "submit_application": m.body(MATTERS[self.number % 2]),
            "upload_file": {"file": f"%PDF-1.7 {uuid.uuid4()}"},
            "reveal_application": {"purpose": "核对"},
            "claim_tasks": {"limit": 2},
        }
        case.body = bodies.get(name, case.body)
        return Role.REVIEWER if name in ("reveal_application", "release_task") else None

    def set_action(self, case: Case[Any]) -> str | None:
        """Take one of the actions that an answer lists, as somebody to whom it lists them."""
        path = quote(str(case.path_parameters["number"]), safe="")
        for caller in DECIDING:
            url = f"{self.running.url}/v1/applications/{path}"
            shown = self.session.get(url, headers=self.running.callers[str(caller)]).json()
            if shown.get("actions"):
                action = shown["actions"][self.number % len(shown["actions"])]
                case.body = {"action": action, **FIELDS.get(action, {})}
                case.headers["If-Match"] = f'"{shown["version"]}"'
                return str(caller)
        return None

    def get_call_kwargs(self, case: Case[Any]) -> dict[str, Any]:
        """Call the service that runs, as who was chosen."""
        return {
            "base_url": self.running.url, "headers": self.who, "session": self.session, "timeout": 30,
        }  # fmt: skip

    def validate_response(
        self, response: Response, case: Case[Any], additional_checks: Any = None, **more: Any
    ) -> None:
        """Hold every answer against the document, and note that it was met."""
        self.seen[name_of(case), response.status_code] += 1
        case.validate_response(
            response, additional_checks=CHECKS, excluded_checks=OURS, transport_kwargs=more
        )


def name_of(case: Case[Any]) -> str:
    return str(case.operation.definition.raw["operationId"])


@pytest.mark.parametrize("seed", SEEDS)
def test_what_follows_is_as_the_document_says(
    running: Running, document: BaseSchema, seed: str
) -> None:
    print(f"FUZZ_SEED={SEEDS[seed]}")  # noqa: T201 -- shown where it fails
    seen: Counter[tuple[str, int]] = Counter()
    links = type(
        "Links",
        (Journey, document.as_state_machine()),
        {"running": running, "seen": seen, "session": calls()},
    )
    for n in range(ROUNDS):
        run_state_machine_as_test(hypothesis.seed(SEEDS[seed] + n)(links), settings=SETTINGS)
        if set(REACHED.items()) <= set(seen):
            return
    assert set(REACHED.items()) <= set(seen), seen
