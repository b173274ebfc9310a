"""Administrative divisions, on the wire."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.base import FILLED, Day, Listing, Request, Response
from schemas.codes import DivisionCode


class DivisionLevel(StrEnum):
    """Levels of divisions."""

    PROVINCE = "province"
    CITY = "city"
    COUNTY = "county"
    TOWNSHIP = "township"


LEVELS = tuple(DivisionLevel)
"""Levels in their order: the first is level 1 in the data."""


Scheme = Literal["mca", "nbs"]


class DivisionFilter(Listing):
    """How divisions are narrowed."""

    scheme: Scheme = Field("mca", description="mca: the Ministry's; nbs: the statistics bureau's.")
    on: Day | None = Field(None, description="As of this day; today where it is left out.")
    former: bool = Field(
        False, description="Those instead that are no more, or are called otherwise now."
    )

    parent: DivisionCode | None = None
    level: DivisionLevel | None = None
    q: Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=FILLED)] | None = (
        Field(None, description="Part of the name, or the beginning of the code.")
    )


class DivisionAt(Request):
    """In which scheme and on which day a code is meant."""

    scheme: Scheme = "mca"
    on: Day | None = None


class DivisionView(Response):
    """A division."""

    code: str
    name: str
    level: DivisionLevel
    parent: str | None
    scheme: str
    valid_from: date | None
    valid_to: date | None
    lat: float | None
    lng: float | None


class DivisionNamed(Response):
    """A division of a scheme."""

    scheme: str
    division: str
    name: str


class DivisionDetail(DivisionView):
    """A division, what each scheme means by its code, and what became of it."""

    is_ambiguous: bool = Field(
        description="The other scheme means another place by this code, or one not known to be the same."
    )
    meanings: list[DivisionNamed] = Field(
        description="What each scheme means by the code, on that day."
    )
    counterpart: DivisionNamed | None = Field(
        description="The same place in the other scheme; null where none is known."
    )
    successors: list[DivisionNamed] = Field(
        description="What it is today, where it is no more or is called otherwise, through all in between."
    )
