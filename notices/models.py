"""Tables of notices. No telephone number stands in them: it is read where it is sealed when it is needed."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from kit.db import Instant, one_of

NUMBERED = sa.Identity(always=True)
KINDS = (
    "receipt", "acceptance", "correction", "refusal", "suspension", "extension", "completion",
)  # fmt: skip
STATES = ("waiting", "told", "undelivered")
WAYS = ("counter", "sms", "page", "phone", "visit", "post")
WAITING = sa.text("state = 'waiting'")


class Notice(SQLModel, table=True):
    """Something of which an applicant is to be told, and how that went."""

    __tablename__ = "notice"
    __table_args__ = (
        one_of("kind", KINDS),
        one_of("state", STATES),
        one_of("way", WAYS),
        sa.Index("notice_application_event_idx", "application", "event"),
        sa.Index("notice_agency_state_idx", "agency", "state", "id"),
        sa.Index("notice_outlet_state_idx", "outlet", "state", "id"),
        sa.Index("notice_next_at_idx", "next_at", postgresql_where=WAITING),
        {"info": {"grants": "SELECT, INSERT, UPDATE"}},
    )

    id: int | None = Field(
        default=None, sa_column=sa.Column("id", sa.BigInteger, NUMBERED, primary_key=True)
    )
    application: str = Field(max_length=40)
    event: int = Field(sa_type=sa.BigInteger, unique=True, description="Of what it tells.")
    kind: str = Field(max_length=12)
    outlet: str = Field(max_length=12)
    agency: str = Field(max_length=6)
    at: datetime = Field(sa_type=Instant, description="When it happened.")
    state: str = Field(default="waiting", max_length=12)
    version: int = 1
    next_at: datetime = Field(sa_type=Instant, description="When it is sent, or sent again.")
    leased_until: datetime | None = Field(default=None, sa_type=Instant)
    tries: int = Field(default=0, sa_type=sa.SmallInteger)
    fault: str | None = Field(default=None, max_length=24, description="Of the last try: a code.")
    way: str | None = Field(default=None, max_length=8)
    told_at: datetime | None = Field(default=None, sa_type=Instant)
    proof: str | None = Field(default=None, max_length=120, description="Who, or the gateway's id.")
    seen_at: datetime | None = Field(
        default=None, sa_type=Instant, description="When the applicant looked at the progress."
    )
    note_sealed: bytes | None = Field(default=None, description="How he was told otherwise.")


class NoticeMark(SQLModel, table=True):
    """How far the events have been looked through for what is to be told: one row."""

    __tablename__ = "notice_mark"
    __table_args__ = (
        sa.CheckConstraint("id = 1", name="single"),
        {"info": {"grants": "SELECT, UPDATE"}},
    )

    id: int = Field(default=1, primary_key=True)
    seq: int = Field(default=0, sa_type=sa.BigInteger)
