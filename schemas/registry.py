"""Banks, agreements and the life of outlets, on the wire."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, Strict, StringConstraints
from pydantic_core import PydanticCustomError

from schemas.base import FILLED, WHOLE, DayOfOurs, LongText, Request, Response, Text
from schemas.base import Listing as Listing
from schemas.codes import BaseCode, CreditCode, DivisionCode
from schemas.guides import Delegation, ServiceClass
from schemas.hours import Opening
from schemas.outlets import BankStatus, Grade, OutletKind, OutletNumber, OutletView

PERSONAL_FORM = re.compile(
    r"(?<![0-9])([0-9]{17}[0-9Xx]|[0-9]{15}|1[3-9][0-9]{9})(?![0-9])", re.ASCII
)
"""Numbers of people's papers and telephones: a reason stands in histories for ever."""


def _impersonal(text: str) -> str:
    if PERSONAL_FORM.search(text):
        raise PydanticCustomError("personal", "no number of a person's papers or telephone")
    return text


Why = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500, strip_whitespace=True, pattern=FILLED),
    AfterValidator(_impersonal),
]
"""A reason. It concerns an institution: no person is named in it."""

BankCode = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,12}$")]
ShortName = Annotated[
    str, StringConstraints(min_length=1, max_length=40, strip_whitespace=True, pattern=FILLED)
]
AgreementNumber = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z一-龥〔〕（）()_-]{3,40}$")]
CountyOrAbove = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True, pattern=FILLED)
]


class BankWanted(Request):
    """A bank's legal entity that is to co-operate."""

    bank: BankCode = Field(description="Our code of it.")
    name: Name = Field(description="Of the legal entity, in full.")
    bank_class: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{2}$")] = Field(
        description="First three digits of its CNAPS numbers."
    )
    short_names: list[ShortName] = Field(
        default_factory=list, max_length=20, description="What spreadsheets call it."
    )
    credit_code: CreditCode | None = None


class BankFilter(Listing):
    """How banks are narrowed."""

    status: BankStatus | None = None


class BankAction(Request):
    """What is done with a bank."""

    action: Literal["approve", "refuse", "close"]
    reason: Why | None = Field(None, description="Needed to refuse and to close.")


class BankView(Response):
    """A bank."""

    bank: str
    name: str
    bank_class: str
    status: BankStatus
    short_names: list[str]
    credit_code: str | None
    version: int
    actions: list[str] = Field(description="What this caller may do now.")


DataKind = Literal[
    "identity", "contact", "insurance_status", "contributions", "benefits", "accounts", "employment",
    "household",
]  # fmt: skip
"""Data of a person that a bank may be shown."""

DATA_SCOPE = Field(max_length=8, description="Which data of a person the bank may be shown.")
MATTERS = Field(max_length=500, description="Base codes; null: all.")


class AgreementWanted(Request):
    """A service agreement that has been signed."""

    agreement: AgreementNumber = Field(description="Its number, as the parties gave it.")
    bank: BankCode
    division: CountyOrAbove = Field(description="The division whose agency is the party.")
    agency: CountyOrAbove | None = Field(None, description="Left out: the division's own.")
    valid_from: DayOfOurs
    valid_to: DayOfOurs = Field(description="Last day.")
    matters: Annotated[list[BaseCode], MATTERS] | None = None
    max_delegation: Delegation = Field(description="Links entrusted at most.")
    delegations: dict[BaseCode, Delegation] = Field(
        default_factory=dict, max_length=500, description="Matters of which less is entrusted."
    )
    data_scope: Annotated[list[DataKind], DATA_SCOPE] = Field(default_factory=list)
    liability: Annotated[LongText, StringConstraints(max_length=2000)] | None = None
    replaces: AgreementNumber | None = Field(
        None, description="The one before it, whose outlets it takes over when that is over."
    )


class AgreementChange(Request):
    """What a supplement changes; what is left out stays."""

    reason: Why
    valid_from: DayOfOurs | None = Field(None, description="Only before it has begun.")
    valid_to: DayOfOurs | None = None
    matters: Annotated[list[BaseCode], MATTERS] | None = None
    max_delegation: Delegation | None = None
    delegations: Annotated[dict[BaseCode, Delegation], Field(max_length=500)] | None = None
    data_scope: Annotated[list[DataKind], DATA_SCOPE] | None = None
    liability: Annotated[LongText, StringConstraints(max_length=2000)] | None = None


class AgreementAction(Request):
    """What is done with an agreement."""

    action: Literal["end"]
    on: DayOfOurs | None = Field(None, description="First day without it; today if left out.")
    reason: Why | None = Field(None, description="Needed.")


class AgreementFilter(Listing):
    """How agreements are narrowed."""

    bank: BankCode | None = None
    division: DivisionCode | None = Field(None, description="Its own, and those within it.")
    expiring: Annotated[int, Field(ge=1, le=366)] | None = Field(
        None, description="In force, and over within so many days."
    )


class AgreementView(Response):
    """A service agreement."""

    agreement: str
    bank: str
    bank_name: str
    division: str
    agency: str
    valid_from: date
    valid_to: date
    ended_on: date | None = Field(description="First day without it, where it ends early.")
    end_reason: str
    in_force: bool = Field(description="Today.")
    expiry_told: date | None = Field(description="The last day of which its end has been told.")
    matters: list[str] | None
    max_delegation: Delegation
    delegations: dict[str, Delegation]
    data_scope: list[str]
    liability: str
    replaces: str | None
    replaced_by: str | None
    recorded_by: str
    version: int
    actions: list[str] = Field(description="What this caller may do now.")


PointSystem = Literal["cgcs2000", "wgs84", "gcj02", "bd09"]
Degrees = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Windows = Annotated[int, Strict(), Field(ge=0, le=200), WHOLE]
Equipment = Literal[
    "computer", "printer", "scanner", "document_camera", "customer_terminal", "card_reader",
    "bar_code_scanner", "rating_device", "private_network", "monitoring", "self_service",
]  # fmt: skip
"""LD/T 02-2021, and machines for self-service."""

Zone = Literal["guidance", "waiting", "handling", "self_service", "online", "publicity"]
Cnaps = Annotated[str, StringConstraints(min_length=1, max_length=12, pattern=FILLED)]
Licence = Annotated[str, StringConstraints(min_length=1, max_length=15, pattern=FILLED)]
Phone = Annotated[str, StringConstraints(min_length=1, max_length=20, pattern=FILLED)]
Equipments = Annotated[list[Equipment], Field(max_length=11)]
Zones = Annotated[list[Zone], Field(max_length=6)]
Matters = Annotated[list[BaseCode], Field(max_length=500)]


class PointWanted(Request):
    """A place in degrees, in the system of whoever measured it. The original is kept."""

    lat: Annotated[Degrees, Field(ge=-180, le=180)]
    lng: Annotated[Degrees, Field(ge=-180, le=180)]
    system: PointSystem = "cgcs2000"


class OutletWanted(Request):
    """An outlet that is applied for."""

    name: Name
    bank: BankCode
    kind: OutletKind
    service_class: ServiceClass
    division: DivisionCode = Field(description="Township; 12 digits name a village too.")
    address: Text
    agreement: AgreementNumber | None = Field(None, description="Needed before it can pass.")
    point: PointWanted | None = None
    phone: Phone | None = None
    opening: Opening | None = None
    windows: Windows = 1
    equipment: Equipments = Field(default_factory=list)
    zones: Zones = Field(default_factory=list)
    cnaps: Cnaps | None = Field(None, description="12 digits; branches may share one.")
    licence: Licence | None = Field(None, description="Number of its financial licence.")
    parent: OutletNumber | None = Field(None, description="Of a convenience point: its branch.")
    allowed: Matters | None = Field(None, description="Matters it keeps to; null: all agreed on.")
    denied: Matters = Field(default_factory=list, description="Matters it leaves out.")


class OutletChange(Request):
    """What is to be changed; what is left out stays, null takes away."""

    reason: Why
    name: Name | None = None
    kind: OutletKind | None = None
    service_class: ServiceClass | None = None
    division: DivisionCode | None = Field(None, description="Within the same county.")
    address: Text | None = None
    agreement: AgreementNumber | None = None
    point: PointWanted | None = None
    phone: Phone | None = None
    opening: Opening | None = None
    windows: Windows | None = None
    equipment: Equipments | None = None
    zones: Zones | None = None
    cnaps: Cnaps | None = None
    licence: Licence | None = None
    parent: OutletNumber | None = None
    allowed: Matters | None = None
    denied: Matters | None = None


Veto = Literal["fee_charged", "product_tied", "data_leaked", "card_kept", "impersonation"]
ItemCode = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,24}$")]
Points = Annotated[int, Strict(), Field(ge=0, le=20), WHOLE]


class SheetWanted(Request):
    """The sheet of a site acceptance or an inspection, as it was filled in on the spot."""

    inspected_on: DayOfOurs
    points: Annotated[dict[ItemCode, Points | None], Field(max_length=40)] = Field(
        description="Each line of the sheet; null: it can't be seen yet."
    )
    vetoes: Annotated[list[Veto], Field(max_length=5)] = Field(default_factory=list)
    remarks: Annotated[str, StringConstraints(max_length=2000), AfterValidator(_impersonal)] = ""


class SheetView(Response):
    """A sheet, and what it came to."""

    occasion: Literal["acceptance", "inspection"]
    inspected_on: date
    filled_at: datetime
    filled_by: str
    points: dict[str, int | None]
    vetoes: list[str]
    total: int
    grade: Grade
    passed: bool
    remarks: str


class OutletAction(Request):
    """What is done with an outlet."""

    action: Literal["start_check", "pass", "fail", "rectify", "suspend", "resume", "exit"]
    reason: Why | None = Field(None, description="Needed for all but start_check, pass and fail.")
    sheet: SheetWanted | None = Field(None, description="Needed to pass and to fail.")


class ContactWanted(Request):
    """An outlet's liaison person; null: nobody."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=FILLED)] | None
    phone: Annotated[str, StringConstraints(min_length=1, max_length=20, pattern=FILLED)] | None


class ContactView(Response):
    """An outlet's liaison person, for who looks after the outlet."""

    outlet: str
    name: str | None
    phone: str | None
    changed_at: datetime | None
    version: int = Field(description="0: nobody has been named yet.")


class OverdueFilter(Listing):
    """What is listed: all that the caller may look behind."""


class OverdueView(Response):
    """An outlet whose rectification is past its last day."""

    outlet: str
    name: str
    bank: str
    division: str
    rectify_by: date = Field(description="The last day.")
    days_over: int
    told: bool = Field(description="Whether its history says so.")


class AsOf(Request):
    """Which day an outlet is shown of."""

    as_of: DayOfOurs | None = Field(None, description="As it was at the end of that day.")


class OutletDetail(OutletView):
    """An outlet, with all that is public of it."""

    agreement: str | None
    village: str | None
    opening: Opening | None
    equipment: list[str]
    zones: list[str]
    coordinate_system: PointSystem = Field(description="In which the point was handed in.")
    original_lat: float | None
    original_lng: float | None
    licence: str | None
    allowed: list[str] | None
    denied: list[str]
    status_since: datetime | None
    rectify_by: date | None
    grade: Grade | None = Field(description="Of the last sheet.")
    checked_at: datetime | None
    opened_on: date | None
    closed_on: date | None
    actions: list[str] = Field(description="What this caller may do now.")


class RegistryChangeView(Response):
    """One change of a bank, an agreement or an outlet."""

    at: datetime
    action: str
    reason: str
    by: str
    role: str
    version: int
    fields: dict[str, list[Any]] = Field(description="Name to [before, after].")


ProposalState = Literal["pending", "approved", "refused", "withdrawn", "superseded"]


class ProposalFilter(Listing):
    """How proposals are narrowed."""

    outlet: OutletNumber | None = None
    state: ProposalState | None = None


class ProposalAction(Request):
    """What is done with a proposal."""

    action: Literal["approve", "refuse", "withdraw"]
    reason: Why | None = Field(None, description="Needed to refuse.")


class ProposalView(Response):
    """A change of an outlet that one side wants and the other decides."""

    proposal: str
    outlet: str
    state: ProposalState
    fields: dict[str, Any] = Field(description="Name to the value wanted.")
    reason: str
    proposed_by: str
    created_at: datetime
    base_version: int = Field(description="Version of the outlet that it was made for.")
    decided_by: str | None
    decided_at: datetime | None
    words: str = Field(description="Why it was refused.")
    version: int
    actions: list[str] = Field(description="What this caller may do now.")


class PermissionFilter(Listing):
    """Of which matter, and for whom."""

    matter: BaseCode | None = None
    teller: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9-]{3,19}$")] | None = Field(
        None, description="Seen by who looks after the outlet's tellers, and by the teller."
    )


class WhyNot(Response):
    """A reason against."""

    code: str
    message: str


class LinkView(Response):
    """One link of a matter: D0 advice, D1 collecting, D2 accepting, D3 completing."""

    link: Delegation
    may: bool
    reasons: list[WhyNot] = Field(description="Why not.")


class PermissionView(Response):
    """What an outlet may do with a matter."""

    matter: str
    name: str
    may: bool = Field(description="Whether it may be handed in there.")
    delegation: Delegation | None = Field(description="The furthest link that is let.")
    links: list[LinkView]
