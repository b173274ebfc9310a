"""Supervision, on the wire."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from schemas.applications import Opinion
from schemas.base import Listing, Request, Response
from schemas.codes import BaseCode

AgencyCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
Number = Annotated[str, StringConstraints(pattern=r"^SYT[0-9]{27}$")]


class OrderFilter(Listing):
    """How orders are narrowed."""

    agency: AgencyCode | None = None
    light: Literal["red", "overdue"] | None = None
    number: Number | None = Field(None, description="Of one application.")
    answered: bool | None = None


class OrderAnswer(Request):
    """Why it is late, and what is done."""

    text: Opinion


class OrderView(Response):
    """That somebody was told of late work (督办)."""

    id: int
    at: datetime
    application: str
    agency: str
    outlet: str
    matter: str
    light: Literal["red", "overdue"]
    waits_for: Literal["acceptance", "decision"]
    since: date = Field(description="Day from which the light shines.")
    told: list[str] = Field(
        description="Who was told: who works on it, the heads, control officers."
    )
    version: int
    answered_at: datetime | None
    answer: str | None


CheckState = Literal["open", "fine", "finding", "corrected"]


class CheckFilter(Listing):
    """How the control list is narrowed."""

    agency: AgencyCode | None = None
    matter: BaseCode | None = None
    outlet: Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")] | None = None
    state: CheckState | None = None


class CheckAction(Request):
    """What was found, or how it was put right."""

    action: Literal["confirm", "report", "correct"]
    text: Opinion | None = Field(None, description="Needed to report and to correct.")

    @model_validator(mode="after")
    def _says_what(self) -> "CheckAction":
        if self.action != "confirm" and self.text is None:
            raise ValueError("须说明情况")
        return self


class CheckView(Response):
    """Something decided that is checked afterwards (抽查)."""

    id: int
    at: datetime
    application: str
    agency: str
    outlet: str
    matter: str
    reason: Literal["matter", "outlet", "commitment"] = Field(
        description="Drawn by the share of its matter or outlet, or since it rests on a commitment."
    )
    state: CheckState
    version: int
    checked_at: datetime | None
    corrected_at: datetime | None
    finding: str | None
    correction: str | None
    actions: list[str] = Field(description="What this caller may do now.")
