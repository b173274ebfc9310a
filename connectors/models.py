"""Tables of what core systems are asked, and of where they differ from what is held here."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from kit.clock import now
from kit.db import Instant, one_of

STATES = ("due", "done", "handed", "dropped")
KINDS = ("unknown_here", "not_completed_here", "reference_differs", "twice_there", "missing_there")


class CoreCall(SQLModel, table=True):
    """That an application is to be completed by its core: written with it, and finished once."""

    __tablename__ = "core_call"
    __table_args__ = (
        sa.Index("core_call_due_idx", "due_at", postgresql_where=sa.text("state = 'due'")),
        sa.Index("core_call_core_settled_at_idx", "core", "settled_at"),
        one_of("state", STATES),
        {"info": {"grants": "SELECT, INSERT, UPDATE"}},
    )

    application: str = Field(primary_key=True, max_length=40)
    step: int = Field(primary_key=True, sa_type=sa.SmallInteger)
    core: str = Field(max_length=40)
    agency: str = Field(max_length=6)
    state: str = Field(
        max_length=8,
        description="due; done; handed: a check failed, a person decides; dropped: a person has.",
    )
    attempts: int = Field(default=0, sa_type=sa.SmallInteger, description="Also whose turn it is.")
    asked: bool = Field(description="It may have been completed there, and no answer is known.")
    due_at: datetime = Field(sa_type=Instant, description="When to ask; in work until then.")
    made_at: datetime = Field(default_factory=now, sa_type=Instant)
    why: str | None = Field(default=None, max_length=12, description="Why there was no answer.")
    failed: list[str] | None = Field(default=None, sa_type=ARRAY(sa.String(40)))
    reference: str | None = Field(default=None, max_length=60)
    settled_at: datetime | None = Field(default=None, sa_type=Instant)

    @property
    def key(self) -> str:
        """Under which the core knows it."""
        return f"{self.application}-{self.step}"


class CoreMark(SQLModel, table=True):
    """How far a core has been compared with what is held here."""

    __tablename__ = "core_mark"
    __table_args__ = ({"info": {"grants": "SELECT, INSERT, UPDATE"}},)

    core: str = Field(primary_key=True, max_length=40)
    upto: datetime = Field(sa_type=Instant)


class Difference(SQLModel, table=True):
    """Something that a core and this service hold differently: looked at by a person."""

    __tablename__ = "core_difference"
    __table_args__ = (
        sa.UniqueConstraint("core", "kind", "application", "reference_there"),
        sa.Index("core_difference_agency_id_idx", "agency", "id"),
        one_of("kind", KINDS),
        one_of("state", ("open", "settled")),
        {"info": {"grants": "SELECT, INSERT, UPDATE"}},
    )

    id: int | None = Field(
        default=None,
        sa_column=sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    )
    at: datetime = Field(sa_type=Instant)
    core: str = Field(max_length=40)
    kind: str = Field(max_length=20)
    application: str = Field(max_length=40, description="As the core names it: there may be none.")
    agency: str = Field(
        max_length=6, description="Its agency; of one that is not here, the core's area."
    )
    reference_here: str | None = Field(default=None, max_length=60)
    reference_there: str = Field(default="", max_length=60)
    state: str = Field(default="open", max_length=8)
    version: int = 1
    settled_at: datetime | None = Field(default=None, sa_type=Instant)
    settled_by: str | None = Field(default=None, max_length=80)
    settlement_sealed: bytes | None = Field(default=None, description="What was found, and done.")
