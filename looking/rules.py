"""What is unusual to look at. Data only."""

from datetime import timedelta
from typing import NamedTuple


class Threshold(NamedTuple):
    """More people than this, seen by one person within a time, are unusual."""

    rule: str
    within: timedelta
    people: int
    elsewhere: bool = False
    """Only those whose matter was handed in outside of the agency's own place."""


THRESHOLDS = (
    Threshold("many_soon", timedelta(minutes=10), 30),
    Threshold("many_a_day", timedelta(days=1), 200),
    Threshold("elsewhere", timedelta(days=1), 20, elsewhere=True),
)
"""A reviewer works off some hundred applications a day, and looks at most of them for minutes."""

LONGEST = max(threshold.within for threshold in THRESHOLDS)
