"""Tables about keys. No key stands in them."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from kit.db import Instant


class RingKey(SQLModel, table=True):
    """A key by which something here is, or was, sealed: known by a value that only it gives."""

    __tablename__ = "ring_key"

    id: str = Field(primary_key=True, max_length=16)
    suite: str = Field(max_length=8)
    check_value: bytes
    since: datetime = Field(sa_type=Instant)
    lost_at: datetime | None = Field(
        default=None,
        sa_type=Instant,
        description="Given up: what it sealed can't be read any more.",
    )


class Resealing(SQLModel, table=True):
    """How far the values of one place have been sealed again under a key."""

    __tablename__ = "resealing"

    place: str = Field(primary_key=True, max_length=80, description="Table and column, or `files`.")
    key: str = Field(max_length=16, description="Under which key.")
    after: str = Field(default="", max_length=80, description="Last row that was looked at.")
    looked_at: int = Field(default=0, sa_type=sa.BigInteger)
    sealed_again: int = Field(default=0, sa_type=sa.BigInteger)
    passed_over: int = Field(
        default=0,
        sa_type=sa.BigInteger,
        description="Rows that others held: another pass takes them.",
    )
    changed_at: datetime = Field(sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)
