"""Ratings, on the wire."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field, Strict, StringConstraints, model_validator

from schemas.applications import AgencyCode, Opinion
from schemas.base import WHOLE, DayOfOurs, Listing, Request, Response
from schemas.progress import ProgressAsked

OutletNumber = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
DivisionSix = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{5}$")]
Grade = Annotated[int, Strict(), Field(ge=1, le=5), WHOLE]
Tag = Literal[
    "satisfaction", "efficiency", "level", "attitude", "overall", "accuracy", "ease", "platform"
]
RectificationState = Literal["open", "contacted", "fixed", "explained", "appealed", "closed"]
Closing = Literal["satisfied", "unsatisfied", "unreached", "appeal_upheld", "appeal_dismissed"]


class RatingGiven(Request):
    """A rating, 1 best to 5."""

    grade: Grade
    tags: list[Tag] = Field(default_factory=list, max_length=8)
    text: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"\S")] | None = (
        None
    )


class ApplicantRating(ProgressAsked, RatingGiven):
    """A rating by who has number and query code."""


class RatingTaken(Response):
    """That a rating was taken. Not which: it is shown on a terminal."""

    rated_on: date


class RectificationFilter(Listing):
    """How rectifications are narrowed."""

    state: RectificationState | None = None
    outlet: OutletNumber | None = None
    agency: AgencyCode | None = None
    overdue: bool | None = None


class RectificationAction(Request):
    """A step of a rectification."""

    action: Literal["contact", "fix", "explain", "appeal", "close", "judge"]
    text: Opinion | None = Field(None, description="What was done; needed of all but `contact`.")
    callback_result: Closing | None = Field(None, description="Needed to close and to judge.")

    @model_validator(mode="after")
    def _says_what(self) -> "RectificationAction":
        if self.action != "contact" and self.text is None:
            raise ValueError("须说明情况")
        if (self.action in ("close", "judge")) != (self.callback_result is not None):
            raise ValueError("办结整改须写明回访结果，其他步骤不写")
        return self


class Note(Response):
    """What was said with a step."""

    action: str
    text: str


class RectificationView(Response):
    """What is done about a poor rating."""

    id: int
    opened_on: date
    due_on: date
    overdue: bool
    outlet: str
    agency: str
    responsible: Literal["outlet", "agency"]
    matter: str
    grade: int
    channel: Literal["counter", "progress"]
    tags: list[str]
    text: str | None
    state: RectificationState
    version: int
    callback_result: Closing | None
    notes: list[Note]
    told_at: datetime | None = Field(description="When it was told that it is overdue.")
    told: list[str] = Field(description="Who was told.")
    actions: list[str] = Field(description="What this caller may do now.")


class RaterContact(Response):
    """Whom to call back."""

    number: str
    name: str
    phone: str


class FigureFilter(Listing):
    """Of which outlets and months."""

    division: DivisionSix | None = None
    month_from: DayOfOurs | None = Field(None, description="Any day of the first month.")
    month_to: DayOfOurs | None = Field(None, description="Any day of the last month.")


class FigureView(Response):
    """How an outlet is rated. Counts alone."""

    outlet: str
    name: str
    grades: list[int] = Field(description="How many of each, from 1 on.")
    excused: int = Field(description="Poor ones that a review found mistaken.")
    satisfaction: float | None = Field(
        description="Share of grades 1 to 3, mistaken ones left out."
    )
    rectifications: int
    closed: int
    closed_in_time: int
    rectification_rate: float | None
