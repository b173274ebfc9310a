"""Tables of supervision: who was told of late work, and what was drawn to be checked."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from kit.db import Instant, one_of

NUMBERED = sa.Identity(always=True)
LIGHTS = ("red", "overdue")
STATES = ("open", "fine", "finding", "corrected")
REASONS = ("matter", "outlet", "commitment")


class Order(SQLModel, table=True):
    """That somebody was told of late work (督办): one for each change of a light to red or past it."""

    __tablename__ = "supervision_order"
    __table_args__ = (
        sa.UniqueConstraint("application", "light", "since"),
        sa.Index("supervision_order_agency_id_idx", "agency", "id"),
        one_of("light", LIGHTS),
        {"info": {"grants": "SELECT, INSERT, UPDATE"}},
    )

    id: int | None = Field(
        default=None, sa_column=sa.Column("id", sa.BigInteger, NUMBERED, primary_key=True)
    )
    at: datetime = Field(sa_type=Instant)
    application: str = Field(max_length=40)
    agency: str = Field(max_length=6)
    outlet: str = Field(max_length=12)
    matter: str = Field(max_length=12)
    light: str = Field(max_length=8)
    waits_for: str = Field(max_length=12, description="acceptance or decision.")
    since: date = Field(sa_type=sa.Date, description="Day from which the light shines.")
    told: list[str] = Field(sa_type=ARRAY(sa.String(80)), description="Who was told.")
    version: int = 1
    answered_at: datetime | None = Field(default=None, sa_type=Instant)
    answered_by: str | None = Field(default=None, max_length=80)
    answer_sealed: bytes | None = Field(default=None, description="Why, and what is done.")


class SpotCheck(SQLModel, table=True):
    """Something decided by one person alone, or on the applicant's word, that is checked afterwards (抽查)."""

    __tablename__ = "spot_check"
    __table_args__ = (
        sa.Index("spot_check_agency_id_idx", "agency", "id"),
        sa.Index("spot_check_open_idx", "agency", "id", postgresql_where=sa.text("state = 'open'")),
        one_of("state", STATES),
        one_of("reason", REASONS),
        {"info": {"grants": "SELECT, INSERT, UPDATE"}},
    )

    id: int | None = Field(
        default=None, sa_column=sa.Column("id", sa.BigInteger, NUMBERED, primary_key=True)
    )
    at: datetime = Field(sa_type=Instant)
    application: str = Field(max_length=40, unique=True)
    agency: str = Field(max_length=6)
    outlet: str = Field(max_length=12)
    matter: str = Field(max_length=12)
    reason: str = Field(max_length=12, description="By which share it was drawn.")
    state: str = Field(default="open", max_length=12)
    version: int = 1
    checked_at: datetime | None = Field(default=None, sa_type=Instant)
    checked_by: str | None = Field(default=None, max_length=80)
    corrected_at: datetime | None = Field(default=None, sa_type=Instant)
    corrected_by: str | None = Field(default=None, max_length=80)
    finding_sealed: bytes | None = Field(default=None)
    correction_sealed: bytes | None = Field(default=None)


class Stratum(SQLModel, table=True):
    """A matter, or an outlet, of an agency: of each so many decided there one is drawn, by lot."""

    __tablename__ = "spot_stratum"
    __table_args__ = ({"info": {"grants": "SELECT, INSERT, UPDATE"}},)

    agency: str = Field(primary_key=True, max_length=6)
    kind: str = Field(primary_key=True, max_length=8)
    key: str = Field(primary_key=True, max_length=12)
    decided: int = Field(default=0, sa_type=sa.BigInteger)
    drawn: int = Field(
        default=0, sa_type=sa.SmallInteger, description="Which of the next is taken."
    )


class Mark(SQLModel, table=True):
    """How far the events have been looked through for what is to be drawn: one row."""

    __tablename__ = "spot_mark"
    __table_args__ = (
        sa.CheckConstraint("id = 1", name="single"),
        {"info": {"grants": "SELECT, UPDATE"}},
    )

    id: int = Field(default=1, primary_key=True)
    seq: int = Field(default=0, sa_type=sa.BigInteger)
