"""Applications, on the wire."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, Strict, StringConstraints, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from schemas.base import (
    FILLED,
    WHOLE,
    Count,
    Day,
    DayOfOurs,
    Flag,
    Instant,
    Listing,
    Request,
    Response,
)
from schemas.codes import BaseCode
from schemas.guides import Code, Exemption
from schemas.problems import Problem

Name = Annotated[
    str, StringConstraints(min_length=1, max_length=60, strip_whitespace=True, pattern=FILLED)
]
IdNumber = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=30, strip_whitespace=True, to_upper=True, pattern=FILLED
    ),
]
PhoneNumber = Annotated[
    str, StringConstraints(min_length=1, max_length=20, strip_whitespace=True, pattern=FILLED)
]
Opinion = Annotated[
    str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True, pattern=FILLED)
]

Few = Annotated[int, Strict(), Field(ge=1, le=50), WHOLE]
DaysOfAYear = Annotated[int, Strict(), Field(ge=1, le=365), WHOLE]
ReservedNumber = Annotated[str, StringConstraints(pattern=r"^SYT[0-9]{27}$")]
AgencyCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]


LetterNumber = Annotated[
    str,
    StringConstraints(max_length=40, pattern=r"^[0-9A-Za-z一-鿿〔〕（）()\[\]-]{2,30}[0-9]+号?$"),
]
"""Number of a letter between agencies: a code, or as offices write it (杭社险函〔2026〕15号)."""


class State(StrEnum):
    """Where an application stands. `applications.lifecycle` says how it moves."""

    RECEIVED = "received"
    CORRECTION = "correction"
    ACCEPTED = "accepted"
    IN_REVIEW = "in_review"
    IN_SECOND_REVIEW = "in_second_review"
    IN_APPROVAL = "in_approval"
    SUSPENDED = "suspended"
    COMPLETED = "completed"
    DELIVERED = "delivered"
    ARCHIVED = "archived"
    REFUSED = "refused"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"
    VOIDED = "voided"


class Action(StrEnum):
    """What a person asks for."""

    ACCEPT = "accept"
    ACCEPT_TOLERANT = "accept_tolerant"
    ACCEPT_COMMITMENT = "accept_commitment"
    ASK_CORRECTION = "ask_correction"
    SUPPLY = "supply"
    PROPOSE_REFUSAL = "propose_refusal"
    REFUSE = "refuse"
    TAKE = "take"
    PROPOSE_SUSPENSION = "propose_suspension"
    SUSPEND = "suspend"
    RESUME = "resume"
    PASS = "pass"  # noqa: S105
    SEND_BACK = "send_back"
    GRANT = "grant"
    DENY = "deny"
    EXTEND = "extend"
    TRANSFER = "transfer"
    WITHDRAW = "withdraw"
    VOID = "void"
    DELIVER = "deliver"


class Light(StrEnum):
    """How near the promised limit is (预警灯)."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    OVERDUE = "overdue"
    NONE = "none"


class IdType(StrEnum):
    """Kinds of identity papers (GA/T 2000.156)."""

    RESIDENT_ID = "resident_id"
    RESIDENCE_PERMIT = "residence_permit"
    FOREIGN_PERMANENT_RESIDENT_ID = "foreign_permanent_resident_id"
    PASSPORT = "passport"
    TRAVEL_PERMIT = "travel_permit"


class Person(Request):
    """A natural person."""

    kind: Literal["person"]
    name: Name
    id_type: IdType
    id_number: IdNumber
    phone: PhoneNumber


class Organization(Request):
    """A unit, with who acts for it."""

    kind: Literal["organization"]
    name: Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=FILLED)]
    credit_code: Annotated[str, StringConstraints(min_length=1, max_length=30, pattern=FILLED)]
    phone: PhoneNumber


class Subject(Request):
    """The person an application is about, where that is not the applicant: a death, a child."""

    name: Name
    id_type: IdType
    id_number: IdNumber


class Proxy(Request):
    """Who acts for the applicant (代理人)."""

    name: Name
    id_type: IdType
    id_number: IdNumber
    phone: PhoneNumber
    relation: Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=FILLED)]
    authority: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=FILLED)]


class HandedIn(Request):
    """A material as it was handed in: a file, an exemption, or a promise with a day."""

    code: Code
    file: Annotated[str, StringConstraints(max_length=120)] | None = None
    exemption: Exemption | None = None
    promised_by: Day | None = None


class ApplicationSubmit(Request):
    """What a terminal hands in."""

    matter: BaseCode
    guide_version: Count | None = Field(None, description="Left out: the one in force.")
    applicant: Annotated[Person | Organization, Field(discriminator="kind")]
    subject: Subject | None = None
    proxy: Proxy | None = None
    form: dict[str, Any] = Field(max_length=200)
    materials: list[HandedIn] = Field(default_factory=list, max_length=60)
    accept: Flag = Field(False, description="Accept at once; needs delegation D2 or D3.")
    consent: Flag = Field(description="The applicant agreed to the handling of the data (PIPL 17).")
    captured_at: Instant | None = Field(None, description="Device time of work done offline.")
    number: ReservedNumber | None = Field(
        None, description="One that this terminal has reserved; left out, the service gives one."
    )


KEY_FORM = "^[!-~]{8,64}$"


class _Submission:
    """Says in the document what an item should hold; anything else is its own fault, not the batch's."""

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [handler(ApplicationSubmit.__pydantic_core_schema__), {}]}


class BatchItem(Request):
    """One of many: what a call of its own would send, its key as a field. Looked at item by item."""

    key: Annotated[Any, WithJsonSchema({"anyOf": [{"type": "string", "pattern": KEY_FORM}, {}]})]
    application: Annotated[Any, _Submission()]


class BatchRequest(Request):
    """Applications of one terminal, handed in together."""

    items: list[BatchItem] = Field(min_length=1, max_length=100)


class ApplicationFilter(Listing):
    """How a list is narrowed."""

    state: State | None = None
    matter: BaseCode | None = None
    outlet: Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")] | None = None
    agency: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")] | None = None
    light: Light | None = None
    pooled: bool | None = Field(
        None,
        description="Whether no rule named an agency, so that the city's has it: its work list.",
    )
    received_from: DayOfOurs | None = None
    received_to: DayOfOurs | None = Field(None, description="Last day.")


class TaskFilter(Listing):
    """How a work list is narrowed."""

    agency: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")] | None = None
    step: Literal["review", "second_review", "approval"] | None = None
    light: Literal["green", "yellow", "red", "overdue"] | None = None
    mine: bool = Field(False, description="Only what I have claimed.")


class ClaimRequest(Request):
    """How many applications a person takes to work on."""

    limit: Few = 1
    matters: list[BaseCode] | None = Field(None, max_length=50)


Purpose = Annotated[
    str,
    StringConstraints(
        min_length=2, max_length=200, strip_whitespace=True, pattern=r"\S[\s\S]*\S"
    ),
]  # fmt: skip


class RevealRequest(Request):
    """Why personal data is to be shown in full."""

    purpose: Purpose


class AgencyRef(Response):
    """An agency, named."""

    code: str
    name: str


class Warned(Response):
    """Something to look at that refuses nothing."""

    code: str
    message: str


class ApplicationView(Response):
    """An application without its contents."""

    number: str
    state: State
    version: int
    matter: str
    guide_version: int
    outlet: str
    teller: str
    agency: AgencyRef
    step: int
    step_due_on: date | None = Field(
        description="Last day of this step; of the only one, the promise."
    )
    decided_by: str | None
    outcome: str | None
    received_at: datetime
    captured_at: datetime | None = Field(description="Device time of work done offline.")
    accepted_at: datetime | None
    completed_at: datetime | None
    legal_due_on: date | None
    promised_due_on: date | None
    due_provisional: bool
    light: Light
    pooled: bool = Field(description="No rule named an agency: the city's finds out whose it is.")
    due_on: date | None = Field(
        description="The next day that someone waits for: to be told of acceptance, to supply, to be "
        "decided, to be delivered, to be filed."
    )
    proposal: Literal["refusal", "suspension"] | None = Field(
        description="What one person proposed and another decides."
    )
    extended_days: int
    claimed_until: datetime | None
    actions: list[str] = Field(description="What this caller may do now.")
    documents: list[str]


class ApplicationMade(ApplicationView):
    """The answer to a submission."""

    query_code: str = Field(description="For the applicant, to ask after the progress.")
    result: dict[str, Any] | None = Field(
        description="Masked; there where it was completed in the same call (D3)."
    )
    warnings: list[Warned]


class BatchAnswer(Response):
    """What became of one of many: as a call of its own would be answered."""

    status: int
    body: ApplicationMade | Problem
    replayed: Literal[True] | None = Field(
        None, description="There where an earlier call had made it, as `Idempotent-Replayed`."
    )


class BatchMade(Response):
    """What became of each, in their order."""

    items: list[BatchAnswer]


class PastStep(Response):
    """A step that one agency has done, or sent back."""

    step: int
    name: str
    agency: AgencyRef
    how: Literal["passed_on", "sent_back"]
    began_at: datetime
    ended_at: datetime
    due_on: date | None
    days: int = Field(
        description="Working days that it took, without those on which its clock stood."
    )
    letter: str | None
    reason: str | None = Field(description="Why it was sent back: TH..")


class ApplicationDetail(ApplicationView):
    """An application with its contents, masked unless revealed."""

    applicant: dict[str, Any]
    subject: dict[str, Any] | None
    proxy: dict[str, Any] | None
    form: dict[str, Any]
    materials: list[dict[str, Any]]
    result: dict[str, Any] | None
    past_steps: list[PastStep] = Field(description="Steps that ended, in their order.")
    notices: dict[str, dict[str, Any]] = Field(
        description="What was told or proposed last: `correction`, `suspension`, `refusal`."
    )


class ApplicationList(Response):
    """Applications that were claimed."""

    items: list[ApplicationView]


class Told(Request):
    """One thing that the applicant has to put right (一次性告知)."""

    code: Annotated[str, StringConstraints(max_length=8)] = Field(description="BZ..")
    material: Code | None = Field(None, description="Which material it is about.")
    text: Opinion


class Following(Request):
    """A material that follows later, or for which the applicant gives his word."""

    code: Code
    promised_by: DayOfOurs | None = None


class ActionRequest(Request):
    """An action on an application. Which fields an action needs says `applications.actions`."""

    action: Action
    opinion: Opinion | None = None
    reason: Opinion | None = Field(
        None, description="Coded where the action has a list (BS.., TH.., BY..); else in words."
    )
    text: Opinion | None = Field(None, description="What is to be said beside the code.")
    right_agency: AgencyCode | None = Field(None, description="Who is competent, for BS01.")
    result: dict[str, Any] | None = Field(None, max_length=50)
    way: Literal["counter", "post", "electronic"] | None = None
    received_by: Name | None = None
    remedy: Opinion | None = None
    missing: list[Following] | None = Field(None, max_length=60)
    reasons: list[Told] | None = Field(None, max_length=60, description="All of them, at once.")
    by: DayOfOurs | None = Field(None, description="Last day to supply what is asked for.")
    form: dict[str, Any] | None = Field(None, max_length=200)
    materials: list[HandedIn] | None = Field(None, max_length=60)
    procedure: (
        Literal[
            "hearing",
            "test",
            "inspection",
            "quarantine",
            "appraisal",
            "expert_review",
            "other_place",
            "ruling",
        ]
        | None
    ) = None
    basis: Opinion | None = None
    working_days: DaysOfAYear | None = None
    agency: AgencyCode | None = None
    letter: LetterNumber | None = Field(
        None,
        description="Number of the letter that goes on with it (联系函, 商调函), where one does.",
    )
