"""Tables of the chain of evidence. Rows of it are never changed."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from kit.db import Instant, Xid8

APPEND = {"info": {"grants": "SELECT, INSERT"}}


class AccessSequence(SQLModel, table=True):
    """The order in which access records are sealed: dense, and complete up to its end."""

    __tablename__ = "access_sequence"
    __table_args__ = (APPEND,)

    seq: int = Field(
        sa_column=sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False)
    )
    record: uuid.UUID = Field(unique=True)
    xid: int = Field(sa_column=sa.Column("xid", Xid8, nullable=False))


class Block(SQLModel, table=True):
    """A link of the chain: a signed statement about what has come since the one before."""

    __tablename__ = "evidence_block"
    __table_args__ = (APPEND,)

    number: int = Field(
        sa_column=sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False)
    )
    at: datetime = Field(sa_type=Instant, index=True)
    statement: str = Field(description="JSON with sorted keys: just these bytes are signed.")
    hash: bytes = Field(description="Of the statement; the next one names it.")
    key: str = Field(max_length=16, description="Whose signature it is.")
    signature: bytes


class Span(SQLModel, table=True):
    """The rows of one kind that a block covers, with the hash of each: so a change is found down to the row."""

    __tablename__ = "evidence_span"
    __table_args__ = (sa.Index("evidence_span_stream_first_idx", "stream", "first"), APPEND)

    block: int = Field(
        sa_column=sa.Column("block", sa.BigInteger, primary_key=True, autoincrement=False)
    )
    stream: str = Field(primary_key=True, max_length=16)
    first: int = Field(sa_type=sa.BigInteger)
    last: int = Field(sa_type=sa.BigInteger)
    leaves: bytes | None = Field(
        description="One hash a row; given up with the rows, the root stays."
    )


class SigningKey(SQLModel, table=True):
    """A public key by which blocks were signed: for who asks for roots. It proves nothing by standing here."""

    __tablename__ = "evidence_key"
    __table_args__ = (APPEND,)

    id: str = Field(primary_key=True, max_length=16)
    public: bytes
    since: datetime = Field(sa_type=Instant)
