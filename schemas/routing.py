"""Routing, on the wire."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator

from schemas.applications import AgencyRef
from schemas.base import DayOfOurs, Listing, Request, Response
from schemas.codes import BaseCode
from schemas.guides import Basis, Level

AGENCY = r"[0-9]{6}"
OutletNumber = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]


class RuleRow(Request):
    """A line of a file of rules."""

    rule: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    position: int = Field(ge=0, le=9999)
    matter: Annotated[str, StringConstraints(pattern=r"^(\*|[0-9]{12})$")]
    step: int = Field(ge=0, le=20)
    basis: Basis | Literal["step"]
    field: Annotated[str, StringConstraints(pattern=r"^([a-z][a-z0-9_]{0,39})?$")]
    area: Annotated[str, StringConstraints(pattern=r"^(\*|33[0-9]{4}([0-9]{3})?)$")]
    decided_by: (
        Level | Literal["step", "stay"] | Annotated[str, StringConstraints(pattern=f"^{AGENCY}$")]
    )
    valid_from: date
    valid_to: date | None
    source: str = Field(min_length=1, max_length=200)

    @field_validator("valid_to", mode="before")
    @classmethod
    def _open_ended(cls, value: Any) -> Any:
        """An empty cell is no end."""
        return value or None


class RoutingAsked(Request):
    """What an application would say of where it belongs."""

    matter: BaseCode
    outlet: OutletNumber
    form: dict[str, Any] = Field(max_length=200)


class StepRouted(Response):
    """Which agency would do a step, by which rule and which place."""

    step: int
    name: str
    agency: AgencyRef | None
    rule: str | None
    basis: str
    division: str | None = Field(description="The place that decided.")
    pooled: bool = Field(description="No rule names an agency: the city's finds out whose it is.")
    why: str
    source: str


class RoutingFault(Response):
    """Why a step can't be routed."""

    step: int
    at: str
    rule: str
    message: str


class RoutingPreview(Response):
    """Who would do an application, step by step."""

    matter: str
    guide_version: int
    agency: AgencyRef | None
    rule: str | None
    steps: list[StepRouted]
    faults: list[RoutingFault]


class CoverageFilter(Listing):
    """Which gaps are looked for."""

    matter: BaseCode | None = None
    on: DayOfOurs | None = Field(None, description="On which day; today.")


class GapView(Response):
    """A step of a matter that no agency does in a place, or more than one."""

    matter: str
    step: int
    division: str
    name: str
    agencies: list[AgencyRef]
    rule: str
