"""Thousands of calls made of the OpenAPI document itself, each by every kind of caller."""

import os
import secrets
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.schemas import APIOperation, BaseSchema

from api.app import routers
from api.body import ContractRoute
from kit.settings import Settings
from schemas.codes import CREDIT_CHARS, credit_code_fault, organization_check
from tests.slow.fuzzing import CALLERS, CHECKS, NOBODY, Running, calls, nobody_is_answered, served

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "10"))
"""Calls that are made of each operation, right ones and wrong ones each, with each seed."""

SEEDS = {"fixed": 20261123, "random": int(os.environ.get("FUZZ_SEED", secrets.randbelow(2**32)))}
"""The same calls each time, and others; `FUZZ_SEED` makes those again."""

ROUTES = [
    (sorted(route.methods or ())[0], route.path)
    for router in routers()
    for route in router.routes
    if isinstance(route, ContractRoute) and "OPTIONS" not in (route.methods or ())
]
"""Every operation that takes anything but its address."""

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")

CONFIG = {
    # Who calls is our matter: a made-up token would be sent in place of the caller's.
    "generation": {"with-security-parameters": False, "allow-x00": False},
    "checks": {
        # Any 4XX but of the shape may meet right data: numbers and marks that are not there, a role
        # that may not, a key used before. `shape_is_taken` is in its place.
        "positive_data_acceptance": {"enabled": False},
        # 404 comes before the shape, by the contract.
        "negative_data_rejection": {"expected-statuses": ["4xx"]},
        # `nobody_is_answered` is in its place, for every call instead of a second one now and then.
        "ignored_auth": {"enabled": False},
    },
}
"""What the tool would else take for wrong, and is right here; no U+0000: `tests/test_body.py` has it."""


def credit_code(digits: str) -> str:
    """Complete a unified social credit code: its check characters are found by trying."""
    begun = digits[:16] + organization_check(digits[8:16])
    return next(begun + c for c in CREDIT_CHARS if credit_code_fault(begun + c) is None)


schemathesis.openapi.format(
    "credit-code", st.from_regex(r"[0-9]{16}", fullmatch=True).map(credit_code)
)


@pytest.fixture(scope="module")
def running(settings: Settings) -> Iterator[Running]:
    with served(settings) as running:
        yield running


@pytest.fixture(scope="module")
def document(running: Running) -> BaseSchema:
    config = SchemathesisConfig.from_dict(CONFIG)
    told = calls().get(f"{running.url}/openapi.json").json()
    # In an order of its own: chance is not to draw otherwise because a router was moved.
    told["paths"] = dict(sorted(told["paths"].items()))
    return schemathesis.openapi.from_dict(told, config=config)


def call_as_everybody(running: Running, session: requests.Session, case: Case[Any]) -> None:
    """Make a call as every kind of caller, and look at each answer."""
    for caller in CALLERS:
        who = running.callers[caller]
        checks = [*CHECKS, nobody_is_answered] if caller in NOBODY else CHECKS
        hypothesis.note(f"as {caller}")
        response = case.call(base_url=running.url, headers=who, session=session, timeout=30)
        case.validate_response(response, additional_checks=checks, headers=who)


def fuzz(
    running: Running, operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, seed: int
) -> None:
    session = calls()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Case[Any]) -> None:
        call_as_everybody(running, session, case)

    with session:
        check()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_answer_is_as_the_document_says(
    running: Running,
    document: BaseSchema,
    method: str,
    path: str,
    mode: GenerationMode,
    seed: str,
) -> None:
    print(f"FUZZ_SEED={SEEDS[seed]}")  # noqa: T201 -- shown where it fails
    operation = document[path][method]
    if mode is GenerationMode.NEGATIVE and not takes(operation.definition.raw):
        pytest.skip("it takes nothing that could be wrong")
    fuzz(running, operation, mode, SEEDS[seed])


def takes(operation: dict[str, Any]) -> bool:
    """Tell whether an operation takes more than the headers that all take."""
    own = [p for p in operation.get("parameters", ()) if p.get("in") in ("path", "query")]
    return bool(own) or "requestBody" in operation
