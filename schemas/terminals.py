"""Terminals and tellers, on the wire."""

import uuid
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, Strict, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import FILLED, WHOLE, DayOfOurs, Instant, Listing, Request, Response
from schemas.codes import DivisionCode

TerminalStatus = Literal["active", "suspended", "retired"]
TellerStatus = Literal["active", "suspended", "left"]

NUMBERS_AT_ONCE = 100
AtOnce = Annotated[int, Strict(), Field(ge=1, le=NUMBERS_AT_ONCE), WHOLE]


class ClockFilter(Request):
    """What a terminal may ask after itself."""

    device_time: Instant | None = Field(None, description="What its clock says, to be compared.")


class Limits(Response):
    """What a terminal keeps to while it has no line."""

    queue_length: int = Field(description="Applications that may wait at most.")
    days_without_contact: int = Field(description="After which it takes no new ones.")
    numbers_at_once: int
    numbers_a_day: int
    number_days: int = Field(description="For how long it gives out a number it has reserved.")


class OwnView(Response):
    """A terminal, as it sees itself."""

    terminal: str
    outlet: str
    outlet_status: str
    teller: str
    status: str
    server_time: datetime
    clock_difference: float | None = Field(
        description="Seconds by which its clock is ahead of ours; null where it did not say."
    )
    clock_tolerance: int = Field(description="Seconds; beyond them its assertions are refused.")
    limits: Limits


class NumbersWanted(Request):
    """How many numbers a terminal reserves."""

    count: AtOnce


class NumberView(Response):
    """A number that is reserved for the terminal, and the code that goes with it."""

    number: str
    query_code: str
    use_by: date = Field(description="Last day on which it may be given to an applicant.")


Coordinate = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]
PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


def _of(kind: str, curve: str, names: list[str], y: str) -> dict[str, Any]:
    parts = {"kty": {"const": kind}, "crv": {"const": curve}, "alg": {"enum": [*names, None]}}
    needed = {"required": ["y"]} if y == "string" else {}
    return {"properties": {**parts, "y": {"type": y}}, **needed}


class PublicJwk(Request):
    """A public key (RFC 7517): P-256 for ES256, or Ed25519 for EdDSA; nothing else is taken."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                _of("EC", "P-256", ["ES256"], "string"),
                _of("OKP", "Ed25519", ["EdDSA", "Ed25519"], "null"),
            ]
        }
    )

    kty: Literal["EC", "OKP"]
    crv: Literal["P-256", "Ed25519"]
    x: Coordinate
    y: Coordinate | None = None
    kid: Annotated[str, StringConstraints(max_length=100)] | None = None
    use: Literal["sig"] | None = None
    alg: Literal["ES256", "EdDSA", "Ed25519"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _has_no_private_part(cls, value: Any) -> Any:
        if isinstance(value, dict) and PRIVATE & value.keys():
            raise PydanticCustomError("private_key", "the private part stays at the terminal")
        return value

    @model_validator(mode="after")
    def _parts_belong_together(self) -> "PublicJwk":
        curve = self.crv == "P-256"
        right = (self.kty == "EC", self.y is not None, self.alg in (None, "ES256"))
        if right != (curve, curve, curve or self.alg is None):
            raise PydanticCustomError("key_parts", "kty, crv, y and alg do not go together")
        return self


Label = Annotated[
    str, StringConstraints(min_length=1, max_length=60, strip_whitespace=True, pattern=FILLED)
]
Hours = Annotated[int, Strict(), Field(ge=0, le=168), WHOLE]
Reason = Literal[
    "lost", "stolen", "broken", "repaired", "replaced", "security", "transfer", "resigned", "leave",
    "returned", "training", "assessment", "other",
]  # fmt: skip
"""Codes only: people write names into texts."""

Proof = Annotated[str, StringConstraints(min_length=1, max_length=2000)]


class TerminalWanted(Request):
    """A terminal whose public key is at hand."""

    name: Label
    public_jwk: PublicJwk


class EnrolmentWanted(Request):
    """A terminal that is to hand in its key by itself: a new one, or one that gets another key."""

    name: Label
    terminal: uuid.UUID | None = Field(None, description="Whose key is to be replaced.")
    overlap_hours: Hours = Field(24, description="For how long its key before still holds.")
    minutes: Annotated[int, Strict(), Field(ge=5, le=60), WHOLE] = Field(
        15, description="For how long the code holds."
    )


class EnrolmentView(Response):
    """A code with which one device hands in its key, once."""

    enrolment: str
    code: str = Field(description="To be typed in, or read as a QR code, at the device.")
    outlet: str
    name: str
    terminal: str | None
    expires_at: datetime


class EnrolmentUse(Request):
    """What a device hands in: the code, its key, and what proves that it has the private one."""

    code: Annotated[
        str, StringConstraints(pattern=r"^[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}$")
    ]
    public_jwk: PublicJwk
    proof: Proof = Field(
        description="JWT by the key: `aud` this address, `jti` the code, `exp` 5 minutes ahead at most."
    )


class EnrolledView(Response):
    """What a device needs to know to sign in from now on."""

    terminal: str
    outlet: str
    name: str
    thumbprint: str


class TerminalAction(Request):
    """What is done with a terminal."""

    action: Literal["rename", "rotate", "suspend", "resume", "retire"]
    reason: Reason | None = None
    name: Label | None = None
    public_jwk: PublicJwk | None = None
    overlap_hours: Hours = Field(
        24,
        description="For how long the key before still holds; 0 also ends the tokens that it got.",
    )


class KeyView(Response):
    """A key by which a terminal proves itself."""

    thumbprint: str
    curve: str
    until: datetime | None = Field(description="Null: until it is replaced.")


class TerminalView(Response):
    """A terminal."""

    terminal: str
    outlet: str
    name: str
    status: TerminalStatus
    keys: list[KeyView]
    last_used_on: date | None = Field(
        description="Null: never. Exact to the day, at most a minute late."
    )
    created_at: datetime
    version: int
    actions: list[str] = Field(description="What this caller may do now.")


class TerminalFilter(Listing):
    """How the terminals that a caller looks after are narrowed."""

    status: TerminalStatus | None = Field(None, description="Left out: all but retired ones.")
    unused_days: Annotated[int, Field(ge=1, le=3650)] | None = Field(
        None, description="Only those that were not used for so many days."
    )
    outlet: Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")] | None = None
    bank: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,12}$")] | None = None
    division: DivisionCode | None = None


class TellerFilter(Listing):
    """How the tellers that a caller looks after are narrowed."""

    status: TellerStatus | None = Field(None, description="Left out: all who have not left.")
    unused_days: Annotated[int, Field(ge=1, le=3650)] | None = Field(
        None, description="Only those who have not worked for so many days."
    )
    qualified: bool | None = Field(None, description="Whether they may hand in today.")
    outlet: Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")] | None = None
    bank: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,12}$")] | None = None
    division: DivisionCode | None = None


TellerCode = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9-]{3,19}$")]


class TellerWanted(Request):
    """A teller for an outlet. No name: it stays with the bank."""

    code: TellerCode | None = Field(
        None,
        description="The bank's own; left out, one is given. Never a number of a person's papers.",
    )


class TellerAction(Request):
    """What is done with a teller."""

    action: Literal["move", "suspend", "resume", "leave", "qualify", "disqualify"]
    reason: Reason | None = None
    to_outlet: Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")] | None = None
    qualified_on: DayOfOurs | None = Field(
        None, description="Day of the assessment; today if left out."
    )
    qualified_until: DayOfOurs | None = Field(None, description="Last day.")
    certificate: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,40}$")] | None = None


class PostView(Response):
    """A teller's time at an outlet."""

    outlet: str
    begun_at: datetime
    ended_at: datetime | None


class TellerView(Response):
    """A teller."""

    teller: str
    outlet: str
    status: TellerStatus
    qualified: bool = Field(description="May hand in today, as far as training goes.")
    qualified_on: date | None
    qualified_until: date | None
    certificate: str | None
    last_used_on: date | None = Field(
        description="Null: never. Exact to the day, at most a minute late."
    )
    created_at: datetime
    version: int
    actions: list[str] = Field(description="What this caller may do now.")


class StaffChange(Response):
    """One change of a terminal or teller."""

    at: datetime
    action: str
    reason: str
    by: str
    role: str
    version: int
    fields: dict[str, list[Any]] = Field(description="Name to [before, after].")
