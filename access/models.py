"""Tables of rights, and of who looked at whom."""

import uuid
from datetime import date, datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from kit.clock import now
from kit.db import Dated, Instant, Stamped
from kit.ids import uuid7


class Grant(Stamped, Dated, table=True):
    """A role that a person holds within a scope for a time."""

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
    )

    id: uuid.UUID = Field(default_factory=uuid7, primary_key=True)
    subject: str = Field(max_length=80, index=True, description="`sub` at the issuer.")
    role: str = Field(max_length=32)
    scope: str = Field(max_length=12, description="Code of an agency, division, bank or outlet.")
    valid_from: date = Field(sa_type=sa.Date)
    valid_to: date | None = Field(default=None, sa_type=sa.Date, description="Last day.")
    ended_at: datetime | None = Field(default=None, sa_type=Instant)
    granted_by: str = Field(max_length=80)


class UsedAssertion(SQLModel, table=True):
    """An assertion's `jti` that was used, until it would have expired anyway."""

    __tablename__ = "used_assertion"
    __table_args__ = ({"info": {"grants": "SELECT, INSERT, DELETE"}},)

    digest: bytes = Field(primary_key=True, description="SHA-256 of issuer and jti.")
    expires_at: datetime = Field(sa_type=Instant, index=True)


class AccessRecord(SQLModel, table=True):
    """Who saw whose personal data in full, and why. Never changed."""

    __tablename__ = "access_record"
    __table_args__ = ({"info": {"grants": "SELECT, INSERT"}},)

    id: uuid.UUID = Field(default_factory=uuid7, primary_key=True)
    at: datetime = Field(default_factory=now, sa_type=Instant)
    subject: str = Field(max_length=80)
    role: str = Field(max_length=32)
    application: str = Field(max_length=40, index=True)
    purpose_sealed: bytes = Field(description="Why: people write names into it.")
