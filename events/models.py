"""Tables of the event log. Rows of it are never changed."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from kit.db import CREATED_BY, Instant, Xid8

SEQUENCE = sa.Identity(always=True, cache=1)
"""Numbers are drawn while the application's row is held, so they follow its history; a cache of more
than one would let two sessions draw out of order."""


class Event(SQLModel, table=True):
    """Something that happened to an application: history, audit and outbox in one row."""

    __tablename__ = "event"
    __table_args__ = (
        sa.Index("event_application_id_idx", "application", "id"),
        sa.Index("event_xid_idx", "xid"),
        {"postgresql_partition_by": "RANGE (at)", "info": {"grants": "SELECT, INSERT"}},
    )

    id: int | None = Field(
        default=None,
        sa_column=sa.Column("id", sa.BigInteger, SEQUENCE, primary_key=True),
    )
    at: datetime = Field(primary_key=True, sa_type=Instant)
    xid: int | None = Field(
        default=None,
        sa_column=sa.Column("xid", Xid8, server_default=CREATED_BY, nullable=False),
    )
    kind: str = Field(max_length=40)
    application: str = Field(max_length=40)
    version: int
    state: str = Field(max_length=24)
    step: int = Field(sa_type=sa.SmallInteger)
    actor: str = Field(max_length=80)
    actor_role: str = Field(max_length=32)
    outlet: str = Field(max_length=12)
    agency: str = Field(max_length=6)
    facts: dict[str, Any] = Field(
        sa_type=JSONB, description="Codes, days and ids; never personal data."
    )


class EventText(SQLModel, table=True):
    """The words of an action, sealed: opinions, reasons, who received.

    They may be sealed again under another key, and not be changed: the chain of evidence holds the commitment.
    """

    __tablename__ = "event_text"
    __table_args__ = ({"info": {"grants": "SELECT, INSERT, UPDATE (sealed)"}},)

    event: int = Field(primary_key=True, sa_type=sa.BigInteger)
    sealed: bytes
    commitment: bytes | None = Field(
        default=None,
        description="Binds the plain text (kit.commitment); empty before there were any.",
    )


class EventSequence(SQLModel, table=True):
    """The order in which events are told: dense, and complete up to its end."""

    __tablename__ = "event_sequence"
    __table_args__ = (
        sa.Index("event_sequence_outlet_seq_idx", "outlet", "seq"),
        sa.Index("event_sequence_agency_seq_idx", "agency", "seq"),
        {"info": {"grants": "SELECT, INSERT"}},
    )

    seq: int = Field(
        sa_column=sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False)
    )
    event: int = Field(sa_type=sa.BigInteger, unique=True)
    at: datetime = Field(sa_type=Instant)
    outlet: str = Field(max_length=12)
    agency: str = Field(max_length=6)


class EventOfBank(SQLModel, table=True):
    """Which bank's outlet an event is of. The database itself fills it as events are told: the feed of a bank
    is read from an index of its own, and what is evidence stays as it is."""

    __tablename__ = "event_of_bank"
    __table_args__ = (
        sa.Index("event_of_bank_bank_seq_idx", "bank", "seq"),
        {"info": {"grants": "SELECT"}},
    )

    seq: int = Field(
        sa_column=sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False)
    )
    bank: str = Field(max_length=12)


class Sequencer(SQLModel, table=True):
    """How far the order has been told: one row.

    The window is the transactions that had ended when it was opened; it is worked off by event id.
    """

    __tablename__ = "event_sequencer"
    __table_args__ = (sa.CheckConstraint("id = 1", name="single"),)

    id: int = Field(default=1, primary_key=True)
    epoch: int = Field(default=1, description="Raised by a restore: older cursors are void.")
    seq: int = Field(default=0, sa_type=sa.BigInteger)
    window_from: int = Field(sa_column=sa.Column("window_from", Xid8, nullable=False))
    window_to: int = Field(sa_column=sa.Column("window_to", Xid8, nullable=False))
    done_id: int = Field(default=0, sa_type=sa.BigInteger)
