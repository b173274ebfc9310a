"""Tables of the register of archives. Whose one is stands sealed, and is found by a keyed hash."""

import uuid
from datetime import date, datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from kit.clock import now
from kit.db import Instant, one_of
from kit.ids import uuid7

STATES = ("kept", "lent", "transferring", "transferred")
LENT = sa.text("state = 'lent'")


class PersonnelArchive(SQLModel, table=True):
    """One person's archive: there is one at most, and one agency answers for it (人社部发〔2021〕112号)."""

    __tablename__ = "personnel_archive"
    __table_args__ = (
        one_of("state", STATES),
        sa.CheckConstraint("(state = 'lent') = (due_on IS NOT NULL)", name="loan"),
        sa.CheckConstraint(
            "(state IN ('lent', 'transferring')) = (application IS NOT NULL)", name="held"
        ),
        sa.Index("personnel_archive_agency_id_idx", "agency", "id"),
        sa.Index("personnel_archive_agency_state_id_idx", "agency", "state", "id"),
        sa.Index("personnel_archive_lent_idx", "agency", "due_on", postgresql_where=LENT),
        {"info": {"grants": "SELECT, INSERT, UPDATE"}},
    )

    id: uuid.UUID = Field(default_factory=uuid7, primary_key=True)
    token: bytes = Field(unique=True, description="Keyed hash of the person's ID number.")
    agency: str = Field(
        max_length=6, description="Who keeps it; on its way, who sent it; gone, who gave it away."
    )
    state: str = Field(default="kept", max_length=12)
    version: int = 1
    kept_since: date = Field(sa_type=sa.Date)
    due_on: date | None = Field(default=None, sa_type=sa.Date, description="When a loan ends.")
    application: str | None = Field(
        default=None, max_length=40, description="By which it is lent, or on its way."
    )
    changed_at: datetime = Field(default_factory=now, sa_type=Instant)
    sealed: bytes = Field(description="Whose it is: name, kind and number of the paper.")


class ArchiveEntry(SQLModel, table=True):
    """What was done with an archive, and who was let look into it. Never changed."""

    __tablename__ = "archive_entry"
    __table_args__ = (
        sa.Index("archive_entry_archive_id_idx", "archive", "id"),
        {"info": {"grants": "SELECT, INSERT, UPDATE (note_sealed)"}},
    )

    id: uuid.UUID = Field(default_factory=uuid7, primary_key=True)
    archive: uuid.UUID = Field(foreign_key="personnel_archive.id")
    at: datetime = Field(default_factory=now, sa_type=Instant)
    deed: str = Field(max_length=12)
    actor: str = Field(max_length=80)
    agency: str = Field(max_length=6, description="Whose post did it.")
    application: str | None = Field(default=None, max_length=40)
    due_on: date | None = Field(default=None, sa_type=sa.Date)
    note_sealed: bytes | None = Field(default=None, description="Who was let look into it; words.")
