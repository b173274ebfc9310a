"""What happened, on the wire: the feed of events. Ids, codes, days and states; nothing personal."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from schemas.applications import AgencyCode, ReservedNumber, State
from schemas.base import Listing, Response
from schemas.codes import BaseCode

LONGEST_WAIT = 30
"""Seconds that an answer is held back at most while nothing happens."""

OutletNumber = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{11}$")]
BankCode = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,12}$")]


class EventKind(StrEnum):
    """Everything that can happen to an application. More may come."""

    RECEIVED = "application.received"
    ACCEPTED = "application.accepted"
    DEEMED_ACCEPTED = "application.deemed_accepted"
    UNROUTED = "application.unrouted"
    CORRECTION_ASKED = "application.correction_asked"
    SUPPLIED = "application.supplied"
    RETURNED = "application.returned"
    REFUSAL_PROPOSED = "application.refusal_proposed"
    REFUSED = "application.refused"
    TAKEN = "application.taken"
    CLAIMED = "application.claimed"
    RELEASED = "application.released"
    HANDED_OVER = "application.handed_over"
    SUSPENSION_PROPOSED = "application.suspension_proposed"
    SUSPENDED = "application.suspended"
    RESUMED = "application.resumed"
    PASSED = "application.passed"
    SENT_BACK = "application.sent_back"
    STEP_PASSED_ON = "application.step_passed_on"
    STEP_SENT_BACK = "application.step_sent_back"
    TRANSFERRED = "application.transferred"
    TRANSFERRED_AWAY = "application.transferred_away"
    EXTENDED = "application.extended"
    DATED_ANEW = "application.dated_anew"
    GRANTED = "application.granted"
    DENIED = "application.denied"
    COMPLETED = "application.completed"
    MACHINE_CHECK_FAILED = "application.machine_check_failed"
    DELIVERED = "application.delivered"
    ARCHIVED = "application.archived"
    WITHDRAWN = "application.withdrawn"
    VOIDED = "application.voided"
    SUPERVISED = "application.supervised"
    CHECKED = "application.checked"
    FAULT_FOUND = "application.fault_found"
    CORRECTED = "application.corrected"
    CORE_DIFFERS = "application.core_differs"
    DIFFERENCE_SETTLED = "application.difference_settled"


class EventView(Response):
    """Something that happened; ids and states only."""

    id: str
    kind: str
    at: datetime
    application: str
    state: State
    version: int
    actor_role: str
    outlet: str
    agency: str
    facts: dict[str, Any]


class EventFilter(Listing):
    """Where to go on in the feed, and how it is narrowed."""

    wait: int = Field(
        0, ge=0, le=LONGEST_WAIT,
        description="Seconds for which the answer is held back while there is nothing to tell.",
    )  # fmt: skip
    kind: list[EventKind] = Field(
        default_factory=list, max_length=40, description="One of these kinds; none: all."
    )
    application: ReservedNumber | None = None
    matter: BaseCode | None = None
    outlet: OutletNumber | None = None
    agency: AgencyCode | None = None
    bank: BankCode | None = None

    @property
    def narrows(self) -> bool:
        """Whether events have to be looked at to know if they are wanted."""
        return bool(self.kind or self.matter)


class EventPage(Response):
    """Some events in their order, and where to go on."""

    items: list[EventView]
    next: str = Field(description="Pass as `after`; never null, and newer also where nothing came.")
    more: bool = Field(description="Whether there may be more now: ask again at once.")
