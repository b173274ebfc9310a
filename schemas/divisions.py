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


class DivisionFilter(Listing):
    """How divisions are narrowed."""

    parent: DivisionCode | None = None
    level: DivisionLevel | None = None
    q: Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=FILLED)] | None = (
        Field(None, description="Part of the name, or the beginning of the code.")
    )


class DivisionAt(Request):
    """In which scheme and on which day a code is meant."""

    scheme: Literal["mca", "nbs"] = "mca"
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
