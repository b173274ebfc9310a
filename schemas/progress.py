"""Asking after the progress, on the wire: for the applicant, without a token and without personal data."""

from datetime import date
from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.applications import ReservedNumber, State
from schemas.base import Request, Response

QueryCode = Annotated[str, StringConstraints(pattern=r"^[2-9A-Za-z]{8}$", strip_whitespace=True)]


class ProgressAsked(Request):
    """Number and query code, as they stand on the receipt."""

    number: ReservedNumber
    code: QueryCode


class Stage(Response):
    """Something that happened, and on which day."""

    name: str
    on: date


class ProgressView(Response):
    """How far an application is. Nothing in it says whose it is."""

    number: str
    matter: str
    name: str = Field(description="Of the matter.")
    agency: str = Field(description="Name of the agency that handles it.")
    state: State
    state_name: str
    said: str = Field(description="The state in a sentence.")
    received_on: date
    accepted_on: date | None
    promised_due_on: date | None
    supply_by: date | None = Field(description="Last day to supply what was asked for.")
    completed_on: date | None
    outcome: str | None
    stages: list[Stage]
    consult_phone: str
    may_rate: bool = Field(description="Whether it is over and has not been rated.")
