"""Tables of ratings. Nothing in clear leads from a rating to an application, and the instants are left out."""

import uuid
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from kit.clock import today
from kit.db import Instant, one_of
from kit.ids import uuid7

NUMBERED = sa.Identity(always=True)
CHANNELS = ("counter", "progress")
RESPONSIBLE = ("outlet", "agency")
STATES = ("open", "contacted", "fixed", "explained", "appealed", "closed")
OPEN = sa.text("state <> 'closed'")
UNTOLD = sa.text("told_at IS NULL AND state <> 'closed'")


class Rating(SQLModel, table=True):
    """One rating of one application, which only a key of ours leads to. Never changed."""

    __tablename__ = "rating"
    __table_args__ = (
        sa.CheckConstraint("grade BETWEEN 1 AND 5", name="grade"),
        one_of("channel", CHANNELS),
        {"info": {"grants": "SELECT, INSERT, UPDATE (text_sealed)"}},
    )

    id: uuid.UUID = Field(default_factory=uuid7, primary_key=True)
    token: bytes = Field(unique=True, description="Keyed hash of the application's number.")
    rated_on: date = Field(default_factory=today, sa_type=sa.Date)
    outlet: str = Field(max_length=12)
    agency: str = Field(max_length=6)
    matter: str = Field(max_length=12)
    grade: int = Field(sa_type=sa.SmallInteger, description="1 is best (GB/T 39046 A.8).")
    channel: str = Field(max_length=8)
    tags: list[str] = Field(sa_type=ARRAY(sa.String(16)))
    text_sealed: bytes | None = Field(default=None)


class RatingFigure(SQLModel, table=True):
    """Counts of an outlet's ratings in a month, by the agency that decides: kept as they come."""

    __tablename__ = "rating_figure"
    __table_args__ = (
        sa.Index("rating_figure_agency_outlet_idx", "agency", "outlet"),
        {"info": {"grants": "SELECT, INSERT, UPDATE"}},
    )

    outlet: str = Field(primary_key=True, max_length=12)
    agency: str = Field(primary_key=True, max_length=6)
    month: date = Field(primary_key=True, sa_type=sa.Date, description="Its first day.")
    grade_1: int = 0
    grade_2: int = 0
    grade_3: int = 0
    grade_4: int = 0
    grade_5: int = 0
    closed: int = Field(default=0, description="Rectifications that were closed.")
    in_time: int = Field(default=0, description="Of those, by the day they were due.")
    excused: int = Field(default=0, description="Poor ratings that a review found mistaken.")


class Rectification(SQLModel, table=True):
    """What is done about a poor rating (整改), by the unit that is responsible."""

    __tablename__ = "rectification"
    __table_args__ = (
        one_of("state", STATES),
        one_of("responsible", RESPONSIBLE),
        sa.Index("rectification_outlet_id_idx", "outlet", "id"),
        sa.Index("rectification_agency_id_idx", "agency", "id"),
        sa.Index("rectification_open_idx", "id", postgresql_where=OPEN),
        sa.Index("rectification_untold_idx", "due_on", postgresql_where=UNTOLD),
        {"info": {"grants": "SELECT, INSERT, UPDATE"}},
    )

    id: int | None = Field(
        default=None, sa_column=sa.Column("id", sa.BigInteger, NUMBERED, primary_key=True)
    )
    rating: uuid.UUID = Field(foreign_key="rating.id", unique=True)
    opened_on: date = Field(default_factory=today, sa_type=sa.Date)
    due_on: date = Field(sa_type=sa.Date)
    outlet: str = Field(max_length=12)
    agency: str = Field(max_length=6)
    responsible: str = Field(max_length=8, description="Whose matter it is: outlet or agency.")
    state: str = Field(default="open", max_length=12)
    version: int = 1
    callback_result: str | None = Field(default=None, max_length=20)
    changed_at: datetime | None = Field(default=None, sa_type=Instant)
    changed_by: str | None = Field(default=None, max_length=80)
    told_at: datetime | None = Field(default=None, sa_type=Instant)
    told: list[str] = Field(
        default_factory=list, sa_type=ARRAY(sa.String(80)),
        description="Who was told that it is overdue.",
    )  # fmt: skip
    about_sealed: bytes | None = Field(default=None, description="Number of the application.")
    notes_sealed: bytes | None = Field(default=None, description="What was done, step by step.")
