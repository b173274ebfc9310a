"""Tables of rights, of who looked at whom, and of what is counted at the door."""

import uuid
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from kit.clock import now
from kit.db import CREATED_BY, Dated, Instant, Stamped, Xid8, one_of
from kit.ids import uuid7

NOT_IN_FORCE_YET = 0
"""Generation of a grant that was never in force: no process reads it, an older release neither."""


class Grant(Stamped, Dated, table=True):
    """A role that a person holds within a scope for a time, from its application to its end."""

    __tablename__ = "rights_grant"
    __table_args__ = (
        sa.Index(
            "rights_grant_open_key",
            "subject",
            "role",
            "scope",
            unique=True,
            postgresql_where=sa.text("ended_at IS NULL"),
        ),
        sa.Index("rights_grant_area_idx", "area", "id"),
    )

    id: uuid.UUID = Field(default_factory=uuid7, primary_key=True)
    subject: str = Field(max_length=80, index=True, description="`sub` at the issuer.")
    role: str = Field(max_length=32)
    scope: str = Field(max_length=12, description="Code of an agency, division, bank or outlet.")
    valid_from: date = Field(sa_type=sa.Date)
    valid_to: date | None = Field(default=None, sa_type=sa.Date, description="Last day.")
    ended_at: datetime | None = Field(default=None, sa_type=Instant)
    granted_by: str = Field(max_length=80, description="Empty until it is granted.")

    state: str = Field(
        default="active", max_length=12, sa_column_kwargs={"server_default": "active"}
    )
    version: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    applied_by: str | None = Field(default=None, max_length=80)
    checked_by: str | None = Field(default=None, max_length=80)
    approved_by: str | None = Field(default=None, max_length=80)
    confirm_by: date | None = Field(
        default=None, sa_type=sa.Date, description="Last day unless confirmed; null: in a year."
    )
    area: str = Field(
        default="", max_length=6, sa_column_kwargs={"server_default": ""},
        description="Leading digits of the divisions where the post is.",
    )  # fmt: skip
    agency: str | None = Field(default=None, max_length=6, description="Whose approver decides.")
    bank: str | None = Field(default=None, max_length=12)


class GrantStep(SQLModel, table=True):
    """A step of a grant's life: the ledger of rights. Never changed."""

    __tablename__ = "grant_step"
    __table_args__ = ({"info": {"grants": "SELECT, INSERT"}},)

    id: uuid.UUID = Field(default_factory=uuid7, primary_key=True)
    grant_id: uuid.UUID = Field(foreign_key="rights_grant.id", index=True)
    at: datetime = Field(default_factory=now, sa_type=Instant)
    action: str = Field(max_length=12)
    actor: str = Field(max_length=80)
    reason: str | None = Field(default=None, max_length=24, description="A code: never words.")


class Revocation(Stamped, table=True):
    """Tokens that hold no longer, though they would by themselves."""

    __tablename__ = "revocation"
    __table_args__ = (
        one_of("kind", ("token", "person", "terminal", "key")),
        {"info": {"grants": "SELECT, INSERT, DELETE"}},
    )

    id: uuid.UUID = Field(default_factory=uuid7, primary_key=True)
    kind: str = Field(max_length=8)
    value: str = Field(max_length=200, description="A jti, a subject, a terminal, issuer and kid.")
    at: datetime = Field(sa_type=Instant, description="What was issued later holds.")
    expires_at: datetime = Field(sa_type=Instant, index=True)
    made_by: str = Field(max_length=80)
    reason: str = Field(max_length=24)


class IssuerKeys(Stamped, table=True):
    """The public keys of an issuer as they were last read: a start need not wait for it."""

    __tablename__ = "issuer_keys"

    name: str = Field(primary_key=True, max_length=20)
    url: str = Field(max_length=200)
    keys: dict[str, Any] = Field(sa_type=JSONB)
    read_at: datetime = Field(sa_type=Instant)


class UsedAssertion(SQLModel, table=True):
    """An assertion's `jti` that was used, until it would have expired anyway."""

    __tablename__ = "used_assertion"
    __table_args__ = ({"info": {"grants": "SELECT, INSERT, DELETE"}},)

    digest: bytes = Field(primary_key=True, description="SHA-256 of issuer and jti.")
    expires_at: datetime = Field(sa_type=Instant, index=True)


class Attempt(SQLModel, table=True):
    """How often something was tried within a time, counted exactly and for all processes."""

    __tablename__ = "attempt"
    __table_args__ = ({"info": {"grants": "SELECT, INSERT, UPDATE, DELETE"}},)

    name: bytes = Field(primary_key=True, description="SHA-256 of what is counted, and for whom.")
    count: int
    expires_at: datetime = Field(sa_type=Instant, index=True)


class CallShare(SQLModel, table=True):
    """What a process has let through of a busy caller: others take it off theirs."""

    __tablename__ = "call_share"
    __table_args__ = (
        {"prefixes": ["UNLOGGED"], "info": {"grants": "SELECT, INSERT, UPDATE, DELETE"}},
    )

    process: uuid.UUID = Field(primary_key=True)
    name: str = Field(primary_key=True, max_length=100)
    calls: int = Field(sa_type=sa.BigInteger, description="In its last second.")
    at: datetime = Field(sa_type=Instant, index=True)


class AccessRecord(SQLModel, table=True):
    """Who saw whose personal data in full, and why. Never changed, but sealed again under another key."""

    __tablename__ = "access_record"
    __table_args__ = (
        sa.Index("access_record_at_idx", "at", "id"),
        sa.Index("access_record_agency_at_idx", "agency", "at", "id"),
        sa.Index("access_record_subject_at_idx", "subject", "at", "id"),
        sa.Index("access_record_person_at_idx", "person", "at", "id"),
        sa.Index("access_record_xid_idx", "xid", "id"),
        {"info": {"grants": "SELECT, INSERT, UPDATE (purpose_sealed)"}},
    )

    id: uuid.UUID = Field(default_factory=uuid7, primary_key=True)
    at: datetime = Field(default_factory=now, sa_type=Instant)
    subject: str = Field(max_length=80, description="Who looked.")
    role: str = Field(max_length=32)
    application: str = Field(max_length=40, index=True, description="Empty where it was no one's.")
    purpose_sealed: bytes = Field(description="Why: people write names into it.")
    kind: str = Field(
        default="reveal", max_length=12, sa_column_kwargs={"server_default": "reveal"}
    )
    person: bytes | None = Field(default=None, description="Keyed hash of whose data it was.")
    outlet: str | None = Field(default=None, max_length=12)
    agency: str | None = Field(default=None, max_length=6, description="Where it was looked.")
    elsewhere: bool = Field(
        default=False, sa_column_kwargs={"server_default": sa.false()},
        description="Handed in outside the agency's own place.",
    )  # fmt: skip
    address: str | None = Field(default=None, max_length=45, description="From where.")
    purpose_commitment: bytes | None = Field(
        default=None, description="Binds the plain purpose (kit.commitment)."
    )
    xid: int | None = Field(
        default=None, sa_column=sa.Column("xid", Xid8, server_default=CREATED_BY)
    )


class AccessAlert(SQLModel, table=True):
    """Unusual looking: one row for each rule, person and window. Never changed."""

    __tablename__ = "access_alert"
    __table_args__ = (
        sa.UniqueConstraint("subject", "rule", "window_from"),
        sa.Index("access_alert_agency_idx", "agency", "id"),
        {"info": {"grants": "SELECT, INSERT"}},
    )

    id: uuid.UUID = Field(default_factory=uuid7, primary_key=True)
    at: datetime = Field(default_factory=now, sa_type=Instant)
    rule: str = Field(max_length=20)
    subject: str = Field(max_length=80)
    role: str = Field(max_length=32)
    agency: str = Field(max_length=6)
    people: int
    window_from: datetime = Field(sa_type=Instant)
