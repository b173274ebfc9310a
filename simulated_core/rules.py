"""What the simulated core knows: which checks a matter has, and which sample applicants fail which."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from schemas.connectors import Facts, Verdict
from schemas.samples import BY_OUTCOME, Outcome

RECORD, CHANGE, ACCOUNT, CARD, ELIGIBILITY, UNIT = (
    "332014901008", "332014901009", "332014901010", "332014901012", "332014901019", "332014901020",
)  # fmt: skip

PERSON = ("identity", "insured", "alive")
CHECKS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    RECORD: (*PERSON, "records"), CHANGE: PERSON, ACCOUNT: (*PERSON, "benefit_state", "account_holder"),
    CARD: (*PERSON, "card_state"), ELIGIBILITY: (*PERSON, "benefit_state"),
    UNIT: ("unit_state",),
})  # fmt: skip
"""Machine checks by matter."""


class Fault(StrEnum):
    """How it misbehaves."""

    SLOW = "slow"
    """Begins seconds after it was asked."""
    LATE = "late"
    """Completes, and answers seconds later."""
    ERROR = "error"
    """Answers 500 and has done nothing."""
    ERROR_AFTER = "error_after"
    """Completes, and answers 500."""
    TWICE = "twice"
    """Completes once more each time it is asked, under one key."""
    GARBAGE = "garbage"
    """Completes, and answers with what is no answer."""
    FOREIGN = "foreign"
    """Completes, and answers with another application's number."""
    DOWN = "down"
    """Answers 503 to everything."""


FAILING: Mapping[str, str] = MappingProxyType({
    "339900188808080084": "insured", "339900189912319993": "alive",
    "339900188801010104": "identity", "339900188802020208": "records",
    "339900188803030301": "card_state", "339900188804040405": "account_holder",
    "339900188805050509": "benefit_state", "11339900YY0000028P": "unit_state",
})  # fmt: skip
"""Sample applicants, by the number of their paper, and the check that each fails."""

MISBEHAVING: Mapping[str, Fault] = MappingProxyType({
    "339900188806060602": Fault.LATE, "339900188807070706": Fault.GARBAGE,
    "339900188809090807": Fault.ERROR_AFTER, "339900188810100902": Fault.SLOW,
    BY_OUTCOME[Outcome.CORE_AWAY].id_number: Fault.ERROR, BY_OUTCOME[Outcome.SLOW].id_number: Fault.SLOW,
})  # fmt: skip
"""Sample applicants at whom it misbehaves, whatever it was told. All others pass."""


def paper(facts: Facts) -> str:
    """Give the number of whom an application is about."""
    about = facts.subject or facts.applicant
    return str(about.get("id_number") or about.get("credit_code") or "")


def verdicts(facts: Facts) -> list[Verdict]:
    """Check an application."""
    failed = FAILING.get(paper(facts))
    checks = CHECKS.get(facts.matter, PERSON)
    return [Verdict(check=check, passes=check != failed) for check in checks]


def result(facts: Facts, reference: str, at: datetime) -> dict[str, Any]:
    """Make the result of a completion: it says that it is simulated."""
    made: dict[str, dict[str, Any]] = {
        RECORD: {"certificate_number": reference, "verify_code": reference[-8:]},
        UNIT: {"certificate_number": reference, "verify_code": reference[-8:]},
        CARD: {"card_state": "formal_loss"},
        ELIGIBILITY: {"next_due_on": (at + timedelta(days=365)).astimezone(UTC).date().isoformat()},
        CHANGE: {"changed": True},
        ACCOUNT: {"changed": True, "locked_cycles": 1},
    }
    return {"simulated": True, "note": "模拟业务系统出具，无任何效力", **made.get(facts.matter, {})}
