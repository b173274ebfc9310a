"""Tables of administrative divisions."""

from datetime import date

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from kit.db import Stamped, one_of

UNKNOWN_START = date(1, 1, 1)
"""Start of a period that began before our data do."""


class Division(Stamped, table=True):
    """A division in one coding scheme and one period; a code alone is no key."""

    __tablename__ = "division"
    __table_args__ = (
        one_of("scheme", ("mca", "nbs")),
        sa.CheckConstraint("level BETWEEN 1 AND 4", name="level"),
        sa.CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="period"),
        # A list that was mended before its day takes the place of the first; what was in force stays.
        {"info": {"grants": "SELECT, INSERT, UPDATE, DELETE"}},
    )

    scheme: str = Field(primary_key=True, max_length=3, description="mca or nbs")
    code: str = Field(primary_key=True, max_length=9)
    valid_from: date = Field(primary_key=True, sa_type=sa.Date, default=UNKNOWN_START)
    valid_to: date | None = Field(
        default=None, sa_type=sa.Date, description="First day without it."
    )
    name: str = Field(max_length=60)
    level: int = Field(sa_type=sa.SmallInteger)
    parent: str | None = Field(default=None, max_length=9)
    lat: float | None = Field(default=None, sa_type=sa.Double)
    lng: float | None = Field(default=None, sa_type=sa.Double)
    successors: list[str] = Field(
        default_factory=list,
        sa_column=sa.Column("successors", ARRAY(sa.String(9)), server_default="{}", nullable=False),
        description="What took its place when it was abolished.",
    )
