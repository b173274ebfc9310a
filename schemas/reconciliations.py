"""Where core systems and the service differ, on the wire."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.applications import Opinion
from schemas.base import Listing, Request, Response

AgencyCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
CoreName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
DifferenceKind = Literal[
    "unknown_here", "not_completed_here", "reference_differs", "twice_there", "missing_there"
]
DifferenceState = Literal["open", "settled"]


class DifferenceFilter(Listing):
    """How differences are narrowed."""

    agency: AgencyCode | None = None
    core: CoreName | None = None
    kind: DifferenceKind | None = None
    state: DifferenceState | None = None


class DifferenceAction(Request):
    """What was found, and what was done about it."""

    action: Literal["settle"]
    text: Opinion


class DifferenceView(Response):
    """Something that an agency's core system and this service hold differently."""

    id: int
    at: datetime
    core: str
    kind: DifferenceKind = Field(
        description="The core has completed what is unknown here, is not completed here, has another "
        "reference here, or was completed there twice; or it knows nothing of what is completed here."
    )
    application: str = Field(description="As the core names it.")
    agency: str
    reference_here: str | None
    reference_there: str | None
    state: DifferenceState
    version: int
    settled_at: datetime | None
    settled_by: str | None
    settlement: str | None
    actions: list[str] = Field(description="What this caller may do now.")
