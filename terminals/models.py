"""Tables of terminals on their way; those that are there stand in the registry."""

import uuid
from datetime import datetime

from sqlmodel import Field

from kit.db import Dated, Instant
from kit.ids import uuid7


class Enrolment(Dated, table=True):
    """Leave for one device to hand in its key, by a code that is told once and holds for minutes."""

    __tablename__ = "terminal_enrolment"
    __table_args__ = ({"info": {"grants": "SELECT, INSERT, UPDATE, DELETE"}},)

    id: uuid.UUID = Field(default_factory=uuid7, primary_key=True)
    outlet: str = Field(foreign_key="outlet.number", max_length=12)
    name: str = Field(max_length=60)
    terminal: uuid.UUID | None = Field(
        default=None,
        foreign_key="terminal.id",
        description="Whose key it replaces; null: a new one.",
    )
    overlap_hours: int = Field(default=0, description="For how long the key before still holds.")
    code_index: bytes = Field(unique=True, description="Keyed hash of the code.")
    expires_at: datetime = Field(sa_type=Instant, index=True)
    made_by: str = Field(max_length=80)
    made_role: str = Field(max_length=32)
    used_by: uuid.UUID | None = Field(default=None, description="The terminal it made or renewed.")
    used_key: str | None = Field(
        default=None, max_length=43, description="`x` of the key it brought."
    )
