"""Subscriptions: whose events are sent where, and what became of each."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, IfMatch, Repeat, Session, identify, may, version_of
from api.openapi import VERSIONED, carries, refuses
from api.paging import Pager
from kit.clock import CHINA
from schemas.base import Page
from schemas.subscriptions import (
    DeliveryAction,
    DeliveryFilter,
    DeliveryView,
    SubscriptionAction,
    SubscriptionChange,
    SubscriptionFilter,
    SubscriptionMade,
    SubscriptionView,
    SubscriptionWanted,
)
from webhooks import queries, service
from webhooks.errors import DeliveryNotFound, SubscriptionNotFound
from webhooks.models import Delivery, Subscription

router = APIRouter(prefix="/v1/subscriptions", tags=["subscriptions"], route_class=ContractRoute)
Reader = Annotated[Caller, may(May.SUBSCRIPTION_READ)]
Keeper = Annotated[Caller, may(May.SUBSCRIPTION_MANAGE)]
SubscriptionPath = Annotated[str, Path(max_length=60, description="Id of a subscription.")]
DeliveryPath = Annotated[str, Path(max_length=20, description="Number of a delivery.")]

MADE: dict[int | str, Any] = {201: {"headers": carries("Location", "ETag", "Idempotent-Replayed")}}


async def _found(
    request: Request, text: str, session: Session, *, lock: bool = False
) -> Subscription:
    caller = await identify(request)
    try:
        row = await queries.get(session, caller, uuid.UUID(text), lock=lock)
    except ValueError:
        row = None
    if row is None:
        raise SubscriptionNotFound()
    return row


async def found_subscription(
    request: Request, subscription: SubscriptionPath, session: Session
) -> Subscription:
    """Load the subscription of the path, if the caller may see it."""
    return await _found(request, subscription, session)


async def held_subscription(
    request: Request, subscription: SubscriptionPath, session: Session
) -> Subscription:
    """Load the subscription of the path and hold its row, if the caller may see it."""
    return await _found(request, subscription, session, lock=True)


Found = Annotated[Subscription, Depends(found_subscription, scope="function")]
Kept = Annotated[Subscription, Depends(held_subscription, scope="function")]


async def held_delivery(row: Kept, delivery: DeliveryPath, session: Session) -> Delivery:
    """Load the delivery of the path and hold its row."""
    is_number = delivery.isascii() and delivery.isdigit() and int(delivery) < 2**63
    found = await queries.delivery(session, row.id, int(delivery)) if is_number else None
    if found is None:
        raise DeliveryNotFound()
    return found


KeptDelivery = Annotated[Delivery, Depends(held_delivery, scope="function")]


def _here(moment: datetime | None) -> datetime | None:
    return moment.astimezone(CHINA) if moment is not None else None


def _show(row: Subscription, caller: Caller, left_alone: Mapping[str, datetime]) -> dict[str, Any]:
    named = {name: row.scope if row.scope_kind == name else None for name in ("outlet", "agency")}
    return {
        "subscription": str(row.id), "name": row.name, "url": row.url, **named,
        "bank": row.bank, "kinds": row.kinds, "state": row.state, "why": row.why,
        "created_by": row.created_by, "created_at": _here(row.created_at),
        "former_until": _here(row.former_until), "last_delivered_at": _here(row.last_delivered_at),
        "held_back_until": _here(left_alone.get(row.target)), "version": row.version,
        "actions": service.allowed(caller, row),
    }  # fmt: skip


async def _answer(
    row: Subscription, caller: Caller, session: Session, status: int = 200, *,
    secret: tuple[str | None] | None = None, **more: str,
) -> Response:  # fmt: skip
    left_alone = await queries.open_until(session, [row.target])
    body = _show(row, caller, left_alone) | ({"secret": secret[0]} if secret else {})
    return json(body, status, {"ETag": f'"{row.version}"', **more})


@router.get("", response_model=Page[SubscriptionView])
async def list_subscriptions(
    narrow: Annotated[SubscriptionFilter, Query()], caller: Reader, held: Held, session: Session
) -> Response:
    """List subscriptions, newest first: of the caller's bank, agency or place."""
    pager = Pager(held, "subscriptions", caller, narrow)
    after = uuid.UUID(pager.position[0]) if pager.position else None
    rows = await queries.page(session, caller, narrow, after)
    left_alone = await queries.open_until(session, [row.target for row in rows])
    return json(
        pager.page(
            rows, narrow.limit, lambda r: [str(r.id)], lambda r: _show(r, caller, left_alone)
        )
    )


@router.post("", status_code=201, response_model=SubscriptionMade, responses=MADE | refuses(409))
async def make_subscription(
    wanted: SubscriptionWanted, caller: Keeper, held: Held, session: Session, asked: Repeat
) -> Response:
    """Subscribe a system to events of a bank, one of its outlets, or an agency. The secret is shown once."""
    row, secret = await service.subscribe(
        session, held.keys, held.desk.registry, caller, wanted, asked=asked,
        plain_http=held.settings.webhook_http,
    )  # fmt: skip
    more = {"Location": f"{held.settings.public_url}/v1/subscriptions/{row.id}"}
    if secret is None:
        more["Idempotent-Replayed"] = "true"
    return await _answer(row, caller, session, 201, secret=(secret,), **more)


@router.get("/{subscription}", response_model=SubscriptionView, responses=VERSIONED)
async def get_subscription(row: Found, caller: Reader, session: Session) -> Response:
    """Show a subscription."""
    return await _answer(row, caller, session)


@router.patch("/{subscription}", response_model=SubscriptionView, responses=VERSIONED)
async def change_subscription(
    row: Kept,
    wanted: SubscriptionChange,
    caller: Keeper,
    held: Held,
    session: Session,
    if_match: IfMatch = None,
) -> Response:
    """Change name, address or kinds; what is on its way goes to the new address."""
    await service.change(
        session, row, wanted, version=version_of(if_match),
        plain_http=held.settings.webhook_http,
    )  # fmt: skip
    return await _answer(row, caller, session)


@router.post("/{subscription}/actions", response_model=SubscriptionMade, responses=VERSIONED)
async def act_on_subscription(
    row: Kept,
    wanted: SubscriptionAction,
    caller: Keeper,
    held: Held,
    session: Session,
    if_match: IfMatch = None,
) -> Response:
    """Pause, resume, end; give it a new secret; or send again all that was given up."""
    version = version_of(if_match)
    secret = await service.act(session, held.keys, caller, row, wanted, version=version)
    return await _answer(row, caller, session, secret=(secret,))


@router.get("/{subscription}/deliveries", response_model=Page[DeliveryView])
async def list_deliveries(
    row: Found,
    narrow: Annotated[DeliveryFilter, Query()],
    caller: Reader,
    held: Held,
    session: Session,
) -> Response:
    """List deliveries, newest first, with every try of late: when, with which answer, how long it took."""
    pager = Pager(held, f"deliveries\0{row.id}", caller, narrow)
    after = int(pager.position[0]) if pager.position else None
    rows = await queries.deliveries(session, row.id, narrow, after)
    return json(
        pager.page(rows, narrow.limit, lambda d: [d.id], lambda d: _show_delivery(d, row, caller))
    )


def _show_delivery(delivery: Delivery, row: Subscription, caller: Caller) -> dict[str, Any]:
    waits = delivery.state == "waiting"
    return {
        "delivery": str(delivery.id), "event": str(delivery.event), "kind": delivery.kind,
        "application": delivery.application, "state": delivery.state, "tries": len(delivery.attempts),
        "created_at": _here(delivery.created_at), "next_at": _here(delivery.next_at) if waits else None,
        "until": _here(delivery.until), "attempts": delivery.attempts, "version": delivery.version,
        "actions": ["redeliver"] if service.may_redeliver(caller, row, delivery) else [],
    }  # fmt: skip


@router.post(
    "/{subscription}/deliveries/{delivery}/actions",
    response_model=DeliveryView,
    responses=VERSIONED,
)
async def act_on_delivery(
    row: Kept,
    delivery: KeptDelivery,
    wanted: DeliveryAction,
    caller: Keeper,
    session: Session,
    if_match: IfMatch = None,
) -> Response:
    """Have a message sent again, under the same id."""
    await service.redeliver(session, caller, row, delivery, version=version_of(if_match))
    body = _show_delivery(delivery, row, caller)
    return json(body, headers={"ETag": f'"{delivery.version}"'})
