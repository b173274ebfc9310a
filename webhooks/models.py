"""Tables of subscriptions and deliveries. Nothing personal stands in them, and secrets are sealed."""

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from kit.clock import now
from kit.db import Instant, one_of

NUMBERED = sa.Identity(always=True)
STATES = ("active", "paused", "disabled", "ended")
SCOPES = ("outlet", "bank", "agency")
DELIVERY_STATES = ("waiting", "delivered", "dead", "dropped")
WAITING = sa.text("state = 'waiting'")


class Subscription(SQLModel, table=True):
    """Whose events are sent where."""

    __tablename__ = "webhook_subscription"
    __table_args__ = (
        one_of("state", STATES),
        one_of("scope_kind", SCOPES),
        sa.Index("webhook_subscription_scope_idx", "scope_kind", "scope"),
        sa.Index("webhook_subscription_bank_idx", "bank", "id"),
        sa.Index("webhook_subscription_agency_idx", "agency", "id"),
        sa.Index("webhook_subscription_target_idx", "target"),
        {"info": {"grants": "SELECT, INSERT, UPDATE"}},
    )

    id: uuid.UUID = Field(primary_key=True)
    name: str = Field(max_length=80)
    url: str = Field(max_length=500)
    target: str = Field(max_length=420, description="Unit and origin: what fails as one.")
    scope_kind: str = Field(max_length=8)
    scope: str = Field(max_length=12, description="Number or code of outlet, bank or agency.")
    bank: str | None = Field(default=None, max_length=12, description="Whose it is: a bank's, or")
    agency: str | None = Field(default=None, max_length=6, description="an agency's.")
    kinds: list[str] = Field(sa_type=ARRAY(sa.String(60)), description="Empty: all.")
    state: str = Field(default="active", max_length=8)
    why: str | None = Field(default=None, max_length=24)
    version: int = 1
    from_seq: int = Field(sa_type=sa.BigInteger, description="Later events are sent.")
    created_by: str = Field(max_length=100)
    created_at: datetime = Field(default_factory=now, sa_type=Instant)
    secret_sealed: bytes | None = Field(default=None, description="None once it has ended.")
    former_sealed: bytes | None = None
    former_until: datetime | None = Field(default=None, sa_type=Instant)
    last_delivered_at: datetime | None = Field(default=None, sa_type=Instant)


class Target(SQLModel, table=True):
    """How a target answers: what does not is left alone for a while, by every process."""

    __tablename__ = "webhook_target"
    __table_args__ = ({"info": {"grants": "SELECT, INSERT, UPDATE, DELETE"}},)

    target: str = Field(primary_key=True, max_length=420)
    failures: int = Field(default=0, description="In a row.")
    openings: int = Field(default=0, description="How often it was left alone since it answered.")
    open_until: datetime | None = Field(default=None, sa_type=Instant)


class Delivery(SQLModel, table=True):
    """One event for one subscription, and what became of it."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        one_of("state", DELIVERY_STATES),
        sa.UniqueConstraint("subscription", "event"),
        sa.Index(
            "webhook_delivery_line_idx", "subscription", "application", "seq", postgresql_where=WAITING
        ),
        sa.Index("webhook_delivery_due_idx", "subscription", "next_at", postgresql_where=WAITING),
        sa.Index("webhook_delivery_until_idx", "until", postgresql_where=WAITING),
        sa.Index("webhook_delivery_newest_idx", "subscription", "id"),
        sa.Index("webhook_delivery_state_idx", "subscription", "state", "id"),
        sa.Index("webhook_delivery_application_idx", "subscription", "application", "id"),
        sa.Index("webhook_delivery_created_at_idx", "created_at"),
        {"info": {"grants": "SELECT, INSERT, UPDATE, DELETE"}},
    )  # fmt: skip

    id: int | None = Field(
        default=None, sa_column=sa.Column("id", sa.BigInteger, NUMBERED, primary_key=True)
    )
    subscription: uuid.UUID
    seq: int = Field(sa_type=sa.BigInteger)
    event: int = Field(sa_type=sa.BigInteger)
    event_at: datetime = Field(sa_type=Instant)
    kind: str = Field(max_length=40)
    application: str = Field(max_length=40)
    state: str = Field(default="waiting", max_length=9)
    version: int = 1
    tries: int = Field(default=0, sa_type=sa.SmallInteger)
    created_at: datetime = Field(sa_type=Instant)
    next_at: datetime = Field(sa_type=Instant)
    until: datetime = Field(sa_type=Instant, description="When it is given up.")
    attempts: list[dict[str, Any]] = Field(
        sa_type=JSONB,
        description="Time, status or fault, and milliseconds; never what was answered.",
    )


class Mark(SQLModel, table=True):
    """How far the events have been looked through for who is to be sent them: one row."""

    __tablename__ = "webhook_mark"
    __table_args__ = (
        sa.CheckConstraint("id = 1", name="single"),
        {"info": {"grants": "SELECT, UPDATE"}},
    )

    id: int = Field(default=1, primary_key=True)
    seq: int = Field(default=0, sa_type=sa.BigInteger)
