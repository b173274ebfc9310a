"""Sample applicants of the sandbox: who is handed in decides what becomes of it. None of them is a person.

Born in 1889 in a county that there is not (339900): no number of theirs was ever given out.
"""

from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """What becomes of a sample applicant's application."""

    GRANTED = "granted"
    CORRECTION = "correction"
    REFUSED = "refused"
    DENIED = "denied"
    CORE_AWAY = "core_away"
    SLOW = "slow"


class Sample(NamedTuple):
    """A sample applicant."""

    outcome: Outcome
    name: str
    id_number: str
    phone: str
    ends: str
    """State in which a terminal sees it end."""


SAMPLES = (
    Sample(Outcome.GRANTED, "样例办结", "33990018890101011X", "13900000101", "completed"),
    Sample(Outcome.CORRECTION, "样例补正", "339900188902020221", "13900000102", "completed"),
    Sample(Outcome.REFUSED, "样例不予受理", "339900188903030333", "13900000103", "refused"),
    Sample(Outcome.DENIED, "样例不予办理", "339900188904040445", "13900000104", "completed"),
    Sample(Outcome.CORE_AWAY, "样例系统离线", "339900188905050557", "13900000105", "completed"),
    Sample(Outcome.SLOW, "样例系统迟缓", "339900188906060669", "13900000106", "completed"),
)

BY_NUMBER = {sample.id_number: sample for sample in SAMPLES}
BY_OUTCOME = {sample.outcome: sample for sample in SAMPLES}
