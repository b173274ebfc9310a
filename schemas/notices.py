"""Notices to applicants, on the wire."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from schemas.applications import Opinion, ReservedNumber
from schemas.base import Listing, Request, Response

NoticeKind = Literal[
    "receipt", "acceptance", "correction", "refusal", "suspension", "extension", "completion"
]
NoticeState = Literal["waiting", "told", "undelivered"]


class NoticeFilter(Listing):
    """How notices are narrowed."""

    state: NoticeState | None = None
    kind: NoticeKind | None = None
    number: ReservedNumber | None = Field(None, description="Of one application.")


class NoticeAction(Request):
    """That the applicant was told otherwise."""

    action: Literal["told"]
    way: Literal["counter", "phone", "visit", "post"]
    text: Opinion | None = None


class NoticeView(Response):
    """Something of which an applicant is told: by which way, when, and what proves it."""

    id: int
    application: str
    kind: NoticeKind
    outlet: str
    agency: str
    at: datetime = Field(description="When it happened.")
    state: NoticeState
    version: int
    next_at: datetime = Field(description="When it is sent, or sent again.")
    tries: int
    fault: str | None = Field(description="Of the last try.")
    way: Literal["counter", "sms", "page", "phone", "visit", "post"] | None
    told_at: datetime | None
    proof: str | None = Field(
        description="Who handed it over, or the gateway's name of the message."
    )
    seen_at: datetime | None = Field(description="When the applicant looked at the progress.")
    note: str | None
    actions: list[str]
