"""Tables of stored files, of those on their way, and of what is to be removed."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from kit.db import Dated, Instant

UNKEPT = sa.text("NOT kept")


class StoredFile(Dated, table=True):
    """A scan that an outlet handed in; its bytes lie sealed in the store."""

    __tablename__ = "stored_file"
    __table_args__ = (
        sa.Index("stored_file_unkept_idx", "created_at", postgresql_where=UNKEPT),
        {"info": {"grants": "SELECT, INSERT, UPDATE, DELETE"}},
    )

    id: str = Field(primary_key=True, max_length=80)
    path: str = Field(max_length=80, description="Where it lies in the store.")
    outlet: str = Field(max_length=12, index=True)
    sha256: bytes
    size: int = Field(sa_type=sa.BigInteger)
    media_type: str = Field(max_length=40)
    kept: bool = Field(
        default=False,
        sa_column_kwargs={"server_default": sa.false()},
        description="Was found in use when it was old enough to be removed: never looked at again.",
    )


class FileUse(SQLModel, table=True):
    """An application has a file among its materials: it is never removed."""

    __tablename__ = "file_use"
    __table_args__ = ({"info": {"grants": "SELECT, INSERT"}},)

    file: str = Field(primary_key=True, max_length=80)
    application: str = Field(primary_key=True, max_length=40)


class FileUpload(SQLModel, table=True):
    """A file that comes in parts (tus); they lie sealed in the store until it is whole."""

    __tablename__ = "file_upload"
    __table_args__ = ({"info": {"grants": "SELECT, INSERT, UPDATE, DELETE"}},)

    id: str = Field(primary_key=True, max_length=36)
    outlet: str = Field(max_length=12)
    length: int
    received: int = 0
    parts: list[str] = Field(sa_type=ARRAY(sa.String(120)), description="Paths, in their order.")
    holder: str | None = Field(default=None, max_length=36, description="Who may add to it.")
    expires_at: datetime = Field(sa_type=Instant, index=True)
    metadata_sealed: bytes | None = None
    file: str | None = Field(default=None, max_length=80, description="Once all of it came.")


class FileLeftover(SQLModel, table=True):
    """A place in the store that may hold what is nobody's: announced before anything is put there."""

    __tablename__ = "file_leftover"
    __table_args__ = ({"info": {"grants": "SELECT, INSERT, UPDATE, DELETE"}},)

    path: str = Field(
        primary_key=True, max_length=120, description="With `/` at its end: all below."
    )
    due_at: datetime = Field(sa_type=Instant, index=True)
