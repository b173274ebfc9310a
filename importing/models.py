"""Tables of imports, of what they came to, and of the lists that the operator loads for them."""

import uuid
from datetime import datetime
from typing import get_args

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from kit.db import Dated, Instant, one_of
from kit.ids import uuid7
from schemas.imports import ImportState

WAITING = sa.text("state IN ('queued', 'running')")
ALL = {"info": {"grants": "SELECT, INSERT, UPDATE, DELETE"}}


def _zero(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, server_default="0", nullable=False)


def _texts(name: str, length: int) -> sa.Column[list[str]]:
    return sa.Column(name, ARRAY(sa.String(length)), server_default="{}", nullable=False)


class OutletImport(Dated, table=True):
    """A spreadsheet of outlets that was handed in; it is its own place in the queue."""

    __tablename__ = "outlet_import"
    __table_args__ = (
        one_of("state", get_args(ImportState)),
        sa.Index("outlet_import_waiting_idx", "created_at", postgresql_where=WAITING),
        sa.Index("outlet_import_created_at_idx", "created_at"),
        ALL,
    )

    id: uuid.UUID = Field(default_factory=uuid7, primary_key=True)
    state: str = Field(default="queued", max_length=8)
    dry_run: bool = False
    path: str = Field(max_length=80, description="Where the file lies, sealed, until it is done.")
    size: int
    asked_by: str = Field(max_length=80)
    asked_role: str = Field(max_length=32)
    banks: list[str] = Field(default_factory=list, sa_column=_texts("banks", 12))
    areas: list[str] = Field(
        default_factory=list,
        sa_column=_texts("areas", 9),
        description="First digits of the divisions in which it may write.",
    )
    progress: float = Field(default=0.0, sa_column=sa.Column("progress", sa.Double, nullable=False))
    batches: int = Field(default=0, sa_column=_zero("batches"), description="Done, of the file.")
    rows: int = Field(default=0, sa_column=_zero("rows"))
    ok: int = Field(default=0, sa_column=_zero("ok"))
    fixed: int = Field(default=0, sa_column=_zero("fixed"))
    rejected: int = Field(default=0, sa_column=_zero("rejected"))
    created: int = Field(default=0, sa_column=_zero("created"))
    changed: int = Field(default=0, sa_column=_zero("changed"))
    proposed: int = Field(default=0, sa_column=_zero("proposed"))
    format: str | None = Field(default=None, max_length=8)
    encoding: str | None = Field(default=None, max_length=16)
    notes: list[str] = Field(default_factory=list, sa_column=_texts("notes", 24))
    failure: str | None = Field(default=None, max_length=24)
    failure_about: str = Field(default="", max_length=200)
    holder: uuid.UUID | None = Field(default=None, description="The worker that has it in hand.")
    held_until: datetime | None = Field(default=None, sa_type=Instant)
    taken: int = Field(default=0, sa_column=_zero("taken"), description="Times since it got on.")
    finished_at: datetime | None = Field(default=None, sa_type=Instant)


class ImportReport(SQLModel, table=True):
    """What became of one batch of rows, as lines of CSV: cells may name people."""

    __tablename__ = "outlet_import_report"
    __table_args__ = ({"info": {"grants": "SELECT, INSERT, UPDATE, DELETE"}},)

    id: str = Field(primary_key=True, max_length=48, description="Import, and number of the batch.")
    of_import: uuid.UUID = Field(
        sa_column=sa.Column(
            "of_import", sa.ForeignKey("outlet_import.id", ondelete="CASCADE"), index=True,
            nullable=False,
        )
    )  # fmt: skip
    sealed: bytes


class CnapsClass(SQLModel, table=True):
    """A class of banks in the payment system (行别): one bank, or all of a kind."""

    __tablename__ = "cnaps_class"
    __table_args__ = (ALL,)

    code: str = Field(primary_key=True, max_length=3)
    names: list[str] = Field(sa_column=_texts("names", 60))
    is_group: bool = False


class CnapsArea(SQLModel, table=True):
    """An area of the payment system (地区代码); its name is that of when the list was made."""

    __tablename__ = "cnaps_area"
    __table_args__ = (ALL,)

    code: str = Field(primary_key=True, max_length=4)
    name: str = Field(max_length=60)
    city: str = Field(default="", max_length=6, description="Today's code, where it is known.")
    county: str = Field(default="", max_length=6)
