"""The registry, on the wire."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.base import FILLED, Listing, Request, Response
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


Area = Annotated[str, StringConstraints(pattern=r"^([0-9]{2}|[0-9]{4}|[0-9]{6}([0-9]{3}){0,2})$")]
"""A division at any level: its code of 6, 9 or 12 digits, or the 2 of a province, the 4 of a city."""

DEGREES = r"-?[0-9]{1,3}(\.[0-9]{1,15})?"
LatLng = Annotated[
    str,
    StringConstraints(pattern=rf"^{DEGREES},\s?{DEGREES}$", max_length=50),
    Field(examples=["30.2741,120.1551"]),
]
"""Latitude and longitude in degrees, in this order."""

NEAR_WITHIN, FAR_WITHIN = 5_000, 500_000
"""Metres: how far "near" reaches unless it is said (the 5 km of the countryside), and at most."""


class OutletNarrowed(Request):
    """How outlets are narrowed."""

    division: Area | None = Field(None, description="At any level, in the Ministry's scheme.")
    bank: Annotated[str, StringConstraints(max_length=12)] | None = None
    status: OutletStatus | None = None
    kind: OutletKind | None = None
    service_class: ServiceClass | None = Field(None, alias="class")
    matter: BaseCode | None = Field(None, description="Only outlets that may hand it in.")
    open_now: bool = Field(
        False, description="Only those open at this minute; with `matter`: that can do it now."
    )
    q: Query | None = Field(
        None,
        description="Part of the name, its pinyin from a syllable's beginning on, or initials.",
    )


class OutletFilter(OutletNarrowed, Listing):
    """How outlets are narrowed, and from where they are looked for."""

    near: LatLng | None = Field(
        None, description="`lat,lng`: the nearest first, with `distance_m`."
    )
    near_system: Literal["cgcs2000", "wgs84", "gcj02", "bd09"] = Field(
        "cgcs2000", description="System in which `near` is given: web maps in China have their own."
    )
    within: Annotated[int, Field(ge=1, le=FAR_WITHIN)] | None = Field(
        None, description=f"Metres round `near`; {NEAR_WITHIN} unless it is said."
    )


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


class OutletFound(OutletView):
    """An outlet in a list."""

    distance_m: int | None = Field(
        None, description="Only where `near` was asked: metres, rounded."
    )


class CoverageMapAsked(Request):
    """Of which division the map is."""

    division: DivisionCode = Field("330000", description="At any level.")


class CoverageAsked(CoverageMapAsked):
    """Of what coverage is told, and by what it is added up."""

    level: Literal["city", "county", "township"] = "county"
    without: (
        Annotated[
            str, StringConstraints(pattern=r"^[0-9]{12}(,[0-9]{12}){0,199}$", max_length=2600)
        ]
        | None
    ) = Field(None, description="Numbers of outlets with commas: what if these closed?")


class UnitView(Response):
    """A township, or a division above."""

    division: str
    name: str
    county_name: str | None = Field(
        description="Of a township: many names are in several counties."
    )


class Covered(Response):
    """What was counted. A county without townships counts as one township."""

    townships: int
    covered: int = Field(description="With an active outlet.")
    uncovered: int
    near: int = Field(description="Townships whose point has an active outlet within `within_m`.")
    not_near: int
    near_unknown: int = Field(description="Townships whose point is not known.")
    outlets: int
    kinds: dict[str, int]
    classes: dict[str, int]


class CoverageItem(UnitView, Covered):
    """What was counted in one city, county or township."""

    without: list[UnitView] = Field(description="Its townships without an active outlet.")


class CoverageLost(Response):
    """What would be lost if outlets closed."""

    uncovered: list[UnitView] = Field(description="Would be left without any.")
    not_near: list[UnitView] = Field(description="Would have none within `within_m` any more.")


class CoverageView(Response):
    """Coverage of a division."""

    division: str
    name: str
    level: Literal["city", "county", "township"]
    within_m: int
    total: Covered
    items: list[CoverageItem]
    unplaced: list[str] = Field(
        description="Active outlets of which only the county is known, or a township that is no more."
    )
    lost: CoverageLost | None
