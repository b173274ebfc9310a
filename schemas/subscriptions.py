"""Subscriptions to events and what became of their deliveries, on the wire."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.applications import AgencyCode, ReservedNumber
from schemas.base import FILLED, Count, Listing, Request, Response
from schemas.events import BankCode, EventKind, EventView, OutletNumber

Title = Annotated[
    str, StringConstraints(min_length=1, max_length=80, strip_whitespace=True, pattern=FILLED)
]
Address = Annotated[
    str, StringConstraints(min_length=10, max_length=500, pattern=r"^https?://[!-~]+$")
]
"""An address (RFC 3986): of ASCII alone; a name in other characters is written in its `xn--` form."""

Kinds = Annotated[
    list[EventKind], Field(max_length=40, description="Of these kinds; none: of all.")
]

State = Literal["active", "paused", "disabled", "ended"]
DeliveryState = Literal["waiting", "delivered", "dead", "dropped"]


class SubscriptionWanted(Request):
    """A subscription: whose events (one of the three), and where they are sent."""

    name: Title = Field(description="What people call it.")
    url: Address = Field(description="https, without a query; every message is a POST to it.")
    outlet: OutletNumber | None = None
    bank: BankCode | None = None
    agency: AgencyCode | None = None
    kinds: Kinds = Field(default_factory=list)


class SubscriptionChange(Request):
    """What may be changed; what is left out stays. Whose events they are never changes."""

    name: Title | None = None
    url: Address | None = None
    kinds: Kinds | None = None


class SubscriptionAction(Request):
    """What is done with a subscription."""

    action: Literal["pause", "resume", "rotate", "redeliver", "end"] = Field(
        description="`redeliver`: all that is dead; `rotate`: a new secret, the old one holds for a day more."
    )
    overlap: Annotated[Count, Field(le=168)] | None = Field(
        None, description="Hours for which the old secret holds beside the new; 24."
    )


class SubscriptionFilter(Listing):
    """How the list is narrowed."""

    state: State | None = None
    bank: BankCode | None = None
    agency: AgencyCode | None = None


class SubscriptionView(Response):
    """A subscription as it stands."""

    subscription: str
    name: str
    url: str
    outlet: str | None
    bank: str | None
    agency: str | None
    kinds: list[str]
    state: State
    why: str | None = Field(description="Why it is disabled: `gone` where the target said 410.")
    created_by: str
    created_at: datetime
    former_until: datetime | None = Field(description="Until when the former secret holds too.")
    last_delivered_at: datetime | None
    held_back_until: datetime | None = Field(
        description="The target does not answer: until then it is left alone."
    )
    version: int
    actions: list[str]


class SubscriptionMade(SubscriptionView):
    """A subscription that was just made, or got a new secret."""

    secret: str | None = Field(
        description="`whsec_…`, shown this once; null where the same call is sent again."
    )


class DeliveryFilter(Listing):
    """How the log is narrowed."""

    state: DeliveryState | None = None
    application: ReservedNumber | None = None


class AttemptView(Response):
    """One try."""

    at: datetime
    status: int | None = Field(description="HTTP status; null where there was no answer.")
    fault: str | None
    ms: int


class DeliveryView(Response):
    """One event on its way to one subscription."""

    delivery: str
    event: str = Field(description="Id of the event, which is `webhook-id`.")
    kind: str
    application: str
    state: DeliveryState
    tries: int
    created_at: datetime
    next_at: datetime | None
    until: datetime = Field(description="From then on it is tried no more.")
    attempts: list[AttemptView] = Field(description="The last twenty at most, oldest first.")
    version: int
    actions: list[str]


class DeliveryAction(Request):
    """What is done with a delivery."""

    action: Literal["redeliver"]


class Message(Response):
    """What is sent to a target (Standard Webhooks): ids, codes, days and states; nothing personal."""

    type: str
    timestamp: datetime
    data: EventView
