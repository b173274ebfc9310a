"""The register of personal archives, on the wire."""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field

from schemas.applications import AgencyCode, IdNumber, Opinion, Purpose, Subject
from schemas.base import DayOfOurs, Listing, Request, Response

ArchiveState = Literal["kept", "lent", "transferring", "transferred"]


class ArchiveFilter(Listing):
    """How archives are narrowed."""

    agency: AgencyCode | None = None
    state: ArchiveState | None = None
    overdue: bool = Field(False, description="Lent, and past the day of return.")


class ArchiveEntered(Request):
    """An archive that an agency keeps, and that the register did not know."""

    agency: AgencyCode = Field(description="Who keeps it.")
    person: Subject
    kept_since: DayOfOurs = Field(description="Since when, at the latest today.")


class ArchiveSearch(Request):
    """Whose archive is looked for, and why: in the body, since no address may hold a number."""

    id_number: IdNumber
    purpose: Purpose


class ArchiveAction(Request):
    """What is done with an archive beside applications: one that was lent has come back."""

    action: Literal["return"]
    note: Opinion | None = Field(None, description="How it came back.")


class ArchiveView(Response):
    """An archive (人事档案); whose it is masked."""

    archive: str
    agency: str = Field(
        description="Who keeps it; on its way, who sent it; gone, who gave it away."
    )
    state: ArchiveState
    version: int
    person: dict[str, Any]
    kept_since: date
    due_on: date | None = Field(description="When a loan ends.")
    overdue: bool
    application: str | None = Field(description="By which it is lent, or on its way.")
    changed_at: datetime
    actions: list[str] = Field(description="What this caller may do now.")


class ArchiveFound(Response):
    """The one archive of a person, or none."""

    items: list[ArchiveView]


class ArchiveEntryView(Response):
    """What was done with an archive, and who was let look into it."""

    deed: str
    at: datetime
    actor: str
    agency: str
    application: str | None
    due_on: date | None
    note: str | None
