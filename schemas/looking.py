"""Who looked at whom, on the wire: the auditor's report."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.applications import AgencyCode, IdNumber, Purpose
from schemas.base import Day, Listing, Response

LookKind = Literal["reveal", "file", "search", "report", "document", "rating"]
Looker = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[\x21-\x7e]+$")]


class LookFilter(Listing):
    """Which records."""

    looker: Looker | None = Field(None, description="Who looked, as records name him.")
    application: Annotated[str, StringConstraints(max_length=40)] | None = None
    kind: LookKind | None = None
    agency: AgencyCode | None = None
    outlet: Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")] | None = None
    looked_from: Day | None = None
    looked_to: Day | None = Field(None, description="Last day.")


class LookSearch(LookFilter):
    """Who looked at one person. In the body, since no address may hold an identity number."""

    id_number: IdNumber
    purpose: Purpose


class LookView(Response):
    """Somebody was shown personal data."""

    id: str
    at: datetime
    looker: str
    role: str
    kind: LookKind
    application: str | None = Field(description="Null of a report.")
    outlet: str | None
    agency: str | None
    elsewhere: bool = Field(description="Handed in outside of the agency's own place.")
    address: str | None = Field(description="From where it was looked.")
    purpose: str


class AlertView(Response):
    """Unusual looking: more people than the rule takes for usual, within its time."""

    id: str
    at: datetime
    rule: str
    looker: str
    role: str
    agency: str
    people: int
    window_from: datetime
