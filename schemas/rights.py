"""Rights, on the wire: who is to hold which post, where and how long."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.base import Day, DayOfOurs, Listing, Request, Response

Subject = Annotated[
    str, StringConstraints(min_length=1, max_length=72, pattern=r"^[A-Za-z0-9._:@~+=/-]+$")
]
"""Who, as tokens name people: a trusted issuer's name, a colon, and its `sub`."""

ScopeCode = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,12}$")]
RoleName = Literal[
    "teller", "outlet_manager", "bank_admin", "acceptance_officer", "reviewer", "second_reviewer",
    "approver", "agency_head", "auditor", "control_officer", "outlet_admin", "matter_admin",
    "rights_admin",
]  # fmt: skip
GrantState = Literal[
    "applied", "checked", "approved", "active", "refused", "withdrawn", "ended"
]  # fmt: skip
GrantAction = Literal["check", "approve", "grant", "refuse", "withdraw", "confirm", "end"]
GrantReason = Literal["left", "moved", "not_needed", "wrong_person", "not_qualified", "misuse"]
"""Why a right is refused or ended: codes, since words would name people."""


class GrantApply(Request):
    """A right that is applied for."""

    subject: Subject
    role: RoleName
    scope: ScopeCode = Field(description="Code of an agency, division, bank or outlet.")
    valid_from: DayOfOurs
    valid_to: DayOfOurs = Field(description="Last day; three years at most.")


class GrantActionRequest(Request):
    """A step of a right on its way, or in force."""

    action: GrantAction
    reason: GrantReason | None = Field(None, description="Needed to refuse and to end.")


class GrantFilter(Listing):
    """Which rights."""

    state: GrantState | None = None
    role: RoleName | None = None
    scope: ScopeCode | None = None
    subject: Subject | None = None
    confirm_until: Day | None = Field(
        None, description="Those in force that must be confirmed by then: the yearly review."
    )


class GrantView(Response):
    """A right, from its application to its end."""

    id: str
    subject: str
    role: RoleName
    scope: str
    state: GrantState
    version: int
    valid_from: date
    valid_to: date | None
    confirm_by: date = Field(description="Ends after this day unless it is confirmed.")
    in_force: bool
    applied_by: str | None
    checked_by: str | None
    approved_by: str | None
    granted_by: str | None
    ended_at: datetime | None
    actions: list[GrantAction] = Field(description="What this caller may do now.")


class GrantStepView(Response):
    """A step of a right's life."""

    at: datetime
    action: str
    by: str
    reason: str | None


class GrantDetail(GrantView):
    """A right with all that happened to it."""

    steps: list[GrantStepView]


RevokedKind = Literal["token", "person", "terminal", "key"]


class RevocationMake(Request):
    """Tokens that are to hold no longer, from now on."""

    kind: RevokedKind
    value: Annotated[
        str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\x20-\x7e]+$")
    ] = Field(
        description="token: its `jti`; person: as rights name them; terminal: its id;"
        " key: an issuer's name, a blank, and the `kid`."
    )
    reason: Literal["lost", "stolen", "left", "misuse", "key_exposed", "logged_out"]


class RevocationView(Response):
    """What was revoked. What was issued after `at` holds."""

    id: str
    kind: RevokedKind
    value: str
    at: datetime
    expires_at: datetime = Field(description="Nothing that was issued before lives longer.")
    made_by: str
    reason: str
