"""Drafting, publishing and reporting on guides, on the wire."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from schemas.base import FILLED, Day, DayOfOurs, Listing, Request, Response, Text, Whole
from schemas.codes import BaseCode, DivisionCode
from schemas.guides import GuideContent, GuideView, Limit, Material, Phone

State = Literal["draft", "submitted", "published", "withdrawn"]
ACTIONS = ("submit", "publish", "send_back", "withdraw")
Action = Literal["submit", "publish", "send_back", "withdraw"]
Reason = Annotated[
    str, StringConstraints(min_length=2, max_length=500, strip_whitespace=True, pattern=FILLED)
]


class Period(Request):
    """When something is to be in force."""

    effective_from: DayOfOurs
    effective_to: DayOfOurs | None = Field(
        None, description="First day on which it is not in force."
    )


class VersionWanted(Period):
    """A version of a guide as it is drafted."""

    guide: GuideContent


class LayerWanted(Period):
    """A local layer: fields of the guide. One that may not be changed locally is refused by name."""

    model_config = ConfigDict(extra="allow")

    handle_address: Text | None = None
    handle_time: Text | None = None
    consult_ways: list[Text] | None = Field(None, min_length=1, max_length=20)
    consult_phone: Phone | None = None
    supervise_ways: list[Text] | None = Field(None, min_length=1, max_length=20)
    supervise_phone: Phone | None = None
    promised_limit: Limit | None = Field(None, description="Not longer than above.")
    visits_required: Whole | None = Field(None, ge=0, le=9, description="Not more than above.")
    materials: list[Material] | None = Field(
        None, max_length=200, description="Those that are still asked for, unchanged."
    )

    def fields(self) -> dict[str, Any]:
        """Give the guide's fields that are named, the unknown and the locked ones too."""
        named = {name: getattr(self, name) for name in LayerWanted.model_fields}
        given = {n: v for n, v in named.items() if v is not None and n not in Period.model_fields}
        return {**given, **(self.model_extra or {})}


LocalField = Literal[
    "handle_address", "handle_time", "consult_ways", "consult_phone", "supervise_ways", "supervise_phone",
    "promised_limit", "visits_required", "materials",
]  # fmt: skip
"""Fields that a place may have otherwise than the province."""


class LayerAsked(Request):
    """Which layer of a place."""

    version: int | None = Field(
        None, ge=1, lt=2**31,
        description="Left out: the one that is worked on or in force. An older one is named.",
    )  # fmt: skip


class DraftsAsked(Listing):
    """Which drafts."""

    state: Literal["draft", "submitted"] | None = None
    matter: BaseCode | None = None
    division: DivisionCode | None = Field(
        None, description="What lies within; 330000 is the master's."
    )


class DraftEntry(Response):
    """A draft that waits: to be written on, or to be published."""

    matter: BaseCode
    name: str
    division: str = Field(description="330000: the master.")
    version: int
    state: Literal["draft", "submitted"]
    effective_from: date
    effective_to: date | None
    revision: int
    drafted_by: str
    edited_by: str | None
    submitted_by: str | None
    reason: str | None = Field(description="Why it was sent back.")
    actions: list[str]


class GuideActionRequest(Request):
    """A step of a draft on its way, or of a published version out of force."""

    action: Action
    reason: Reason | None = Field(
        None, description="Needed to send back, and to withdraw what is published."
    )


class DraftedView(Response):
    """What is drafted, published and withdrawn: who had a hand in it, and what may be done now."""

    matter: BaseCode
    version: int
    state: State
    effective_from: date
    effective_to: date | None
    revision: int
    drafted_by: str
    edited_by: str | None
    submitted_by: str | None
    published_by: str | None
    reason: str | None
    actions: list[str] = Field(description="What this caller may do now.")


class VersionView(DraftedView):
    """A version of a guide, whatever its state."""

    guide: GuideContent


class LayerView(DraftedView):
    """The layer of a place: its fields, as it was kept."""

    division: DivisionCode
    fields: dict[str, Any] = Field(
        description="Of the materials, those that are not asked for: `without`."
    )


class FindingView(Response):
    """A rule that a guide breaks."""

    code: str
    at: str = Field(description="JSON pointer into the guide.")
    level: Literal["error", "warning"]
    message: str


class LintView(Response):
    """What the rules say of a version."""

    matter: BaseCode
    version: int
    errors: int
    warnings: int
    findings: list[FindingView]


class DifferenceView(Response):
    """A place in which two versions differ."""

    at: str = Field(description="JSON pointer; what has a code or a name is named by it.")
    title: str = Field(description="The same in Chinese.")
    change: Literal["added", "removed", "changed"]
    before: Any
    after: Any


class DiffView(Response):
    """How one version of a guide differs from another, field by field."""

    matter: BaseCode
    before: int
    after: int
    differences: list[DifferenceView]


class ChangesAsked(Listing):
    """From where on, and for which place."""

    limit: int = Field(20, ge=1, le=50, description="How many matters at most.")
    division: DivisionCode | None = Field(
        None, description="Left out: the terminal's own place; for others the province."
    )


class GuideFrom(Response):
    """What holds from a day on, until the day of the next one in the list."""

    applies_from: date
    etag: str | None
    guide: GuideView | None = Field(description="Null: from then on there is none.")


class MatterChange(Response):
    """All that a copy is to hold of a matter now, in place of what it held."""

    matter: BaseCode
    guides: list[GuideFrom] = Field(
        description="Today's, then what is published to follow. Empty: drop the matter."
    )


class ChangesView(Response):
    """What a copy has to take over."""

    division: DivisionCode
    whole: bool = Field(description="These pages name all there is: drop what they do not name.")
    items: list[MatterChange]
    next: str = Field(description="Never null: keep it, and send it as `after` the next time.")
    more: bool = Field(description="Ask again at once.")


class ConformityAsked(Listing):
    """Which deviations."""

    division: DivisionCode | None = Field(None, description="What lies within.")
    matter: BaseCode | None = None
    field: LocalField | None = None
    on: Day | None = None


class DeviationView(Response):
    """A field that a place has otherwise than the province."""

    matter: BaseCode
    division: str
    name: str
    field: str
    title: str
    rule: str = Field(description="By which it is allowed: own, shorter, fewer.")
    master: Any
    local: Any


class Counts(Response):
    """How many deviations."""

    total: int
    by_field: dict[str, int]
    by_city: dict[str, int]
    by_county: dict[str, int]


class ConformityView(Response):
    """What differs where."""

    items: list[DeviationView]
    next: str | None
    counts: Counts


class MissingView(Response):
    """A matter without a guide in force."""

    matter: BaseCode
    name: str
    ended_on: date | None = Field(description="Since when; null where there never was one.")
    begins_on: date | None = Field(description="Of the next that is published.")


class ExpiringAsked(Listing):
    """How far ahead."""

    days: int = Field(30, ge=1, le=366)


class ExpiringView(Response):
    """A version or a layer that ends soon, and nothing follows."""

    matter: BaseCode
    name: str
    division: str
    version: int
    ends_on: date = Field(description="First day on which it is not in force.")
