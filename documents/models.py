"""The table of papers. Their words stand sealed; how they look is made anew each time."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from kit.db import Instant


class Document(SQLModel, table=True):
    """A paper that was issued: its words as they were then. Never changed, but sealed again."""

    __tablename__ = "document"
    __table_args__ = (
        sa.UniqueConstraint("application", "code", "nth"),
        {"info": {"grants": "SELECT, INSERT, UPDATE (sealed)"}},
    )

    number: str = Field(primary_key=True, max_length=44, description="Application, code, which.")
    application: str = Field(max_length=40)
    code: str = Field(max_length=3)
    nth: int = Field(sa_type=sa.SmallInteger, description="Of several of one code, from 1 on.")
    event: int = Field(sa_type=sa.BigInteger, description="What happened when it was issued.")
    issued_at: datetime = Field(sa_type=Instant)
    agency: str = Field(max_length=6, description="In whose name.")
    outlet: str | None = Field(default=None, max_length=12, description="Who issued it for that.")
    sealed: bytes = Field(description="All that it says.")
