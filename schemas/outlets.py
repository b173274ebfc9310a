"""The registry, on the wire."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.base import FILLED, Listing, Response
from schemas.codes import BaseCode, DivisionCode
from schemas.guides import ServiceClass

OutletNumber = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
OutletKind = Literal[
    "bank_branch", "convenience_point", "self_service", "agency_hall", "grassroots"
]
OutletStatus = Literal["applied", "site_acceptance", "active", "rectifying", "suspended", "exited"]
Grade = Literal["excellent", "good", "qualified", "rectify"]
BankStatus = Literal["active", "proposed", "closed"]
Query = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=FILLED)]


class OutletFilter(Listing):
    """How outlets are narrowed."""

    division: DivisionCode | None = Field(None, description="At any level.")
    bank: Annotated[str, StringConstraints(max_length=12)] | None = None
    status: OutletStatus | None = None
    kind: OutletKind | None = None
    service_class: ServiceClass | None = Field(None, alias="class")
    matter: BaseCode | None = Field(None, description="Only outlets that may hand it in.")
    q: Query | None = Field(None, description="Part of the name.")


class OutletView(Response):
    """An outlet."""

    outlet: str
    name: str
    bank: str
    bank_name: str
    kind: OutletKind
    service_class: ServiceClass
    status: OutletStatus
    division: str
    county: str
    address: str
    lat: float | None
    lng: float | None
    phone: str
    hours: str
    windows: int
    cnaps: str | None
    parent: str | None
    is_sample: bool
    version: int
