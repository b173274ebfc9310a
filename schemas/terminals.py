"""Terminals, on the wire."""

from datetime import date, datetime
from typing import Annotated

from pydantic import Field, Strict

from schemas.base import WHOLE, Instant, Request, Response

NUMBERS_AT_ONCE = 100
AtOnce = Annotated[int, Strict(), Field(ge=1, le=NUMBERS_AT_ONCE), WHOLE]


class ClockFilter(Request):
    """What a terminal may ask after itself."""

    device_time: Instant | None = Field(None, description="What its clock says, to be compared.")


class Limits(Response):
    """What a terminal keeps to while it has no line."""

    queue_length: int = Field(description="Applications that may wait at most.")
    days_without_contact: int = Field(description="After which it takes no new ones.")
    numbers_at_once: int
    numbers_a_day: int
    number_days: int = Field(description="For how long it gives out a number it has reserved.")


class OwnView(Response):
    """A terminal, as it sees itself."""

    terminal: str
    outlet: str
    outlet_status: str
    teller: str
    status: str
    server_time: datetime
    clock_difference: float | None = Field(
        description="Seconds by which its clock is ahead of ours; null where it did not say."
    )
    clock_tolerance: int = Field(description="Seconds; beyond them its assertions are refused.")
    limits: Limits


class NumbersWanted(Request):
    """How many numbers a terminal reserves."""

    count: AtOnce


class NumberView(Response):
    """A number that is reserved for the terminal, and the code that goes with it."""

    number: str
    query_code: str
    use_by: date = Field(description="Last day on which it may be given to an applicant.")
