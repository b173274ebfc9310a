"""What can be done with subscriptions. No HTTP, no commit, no SQL.

An event becomes a row for each subscription that it concerns. The rows of one application are a line: only its
head is sent, so the order of what happened is kept, and what fails holds up nothing but its own line.
"""

import base64
import math
import random
import secrets
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby, takewhile
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from access.errors import Forbidden
from access.policy import May
from events import queries as events
from events.models import Event
from events.service import shown
from kit.clock import CHINA, now
from kit.crypto import KeyRing, place
from kit.db import hold_name
from kit.errors import Fault, Words
from kit.ids import uuid7
from kit.repeats import Asked, made_before
from outlets.memory import RegistryMemory
from schemas.subscriptions import SubscriptionAction, SubscriptionChange, SubscriptionWanted
from webhooks import queries
from webhooks.errors import (
    SubscriptionActionNotAllowed,
    SubscriptionInvalid,
    SubscriptionsFull,
    SubscriptionStale,
)
from webhooks.models import Delivery, Subscription, Target
from webhooks.targets import faults_of, origin_of

TABLE = "webhook_subscription"
PREFIX, SECRET_BYTES = "whsec_", 32
"""As Standard Webhooks writes secrets."""

MOST = 20
"""Subscriptions that a unit may have."""

WINDOW, ROWS = 1000, 10_000
"""Events that are looked through at once, and deliveries that may come of it: a transaction is to be short."""

TRIED_FOR = timedelta(days=3)
KEPT = timedelta(days=30)
"""How long the log is kept of what has ended."""

FIRST, FACTOR, LONGEST = timedelta(seconds=5), 4, timedelta(hours=12)
JITTER = 0.2
"""Pauses between tries: 5 s, 20 s, 80 s, 5 min, 21 min, 85 min, 6 h, 12 h, 12 h; a fifth more or less."""

ASKED_FOR = timedelta(hours=1)
"""Longest pause that a target may ask for by `Retry-After`."""

FAILURES = 5
"""Calls in a row that were not answered, after which a target is left alone for a while."""

LEFT_ALONE, LEFT_ALONE_MOST = timedelta(seconds=15), timedelta(minutes=10)
LINES, DEEP = 64, 8
"""Lines that are taken at once, and messages of each."""

ATTEMPTS = 20
AT_ONCE = 5000
OVERLAP = 24
LIVE = frozenset({"active", "paused", "disabled"})


class Move(NamedTuple):
    """What may be done from which states, and where it leads."""

    before: frozenset[str]
    after: str | None


MOVES: Mapping[str, Move] = MappingProxyType(
    {
        "pause": Move(frozenset({"active"}), "paused"),
        "resume": Move(frozenset({"paused", "disabled"}), "active"),
        "rotate": Move(LIVE, None),
        "redeliver": Move(LIVE, None),
        "end": Move(LIVE, "ended"),
    }
)

ONE_OF_THREE = Words(
    "outlet、bank、agency 三者须且只须填一个", "exactly one of outlet, bank, agency"
)


class Parcel(NamedTuple):
    """A message on its way."""

    delivery: Delivery
    id: str
    """`webhook-id`: that of the event, so that a receiver drops repeats, of the feed too."""
    body: bytes


class Line(NamedTuple):
    """What one subscription is to be told of one application, in order."""

    subscription: uuid.UUID
    url: str
    secrets: tuple[str, ...]
    parcels: tuple[Parcel, ...]


class Outcome(NamedTuple):
    """What became of a try."""

    parcel: Parcel
    at: datetime
    ms: int
    status: int | None = None
    fault: str | None = None
    """None: it was taken."""
    is_alive: bool = True
    """Whether the target answered at all; an answer of 500 or more is none."""
    is_gone: bool = False
    """Whether it wants nothing more (410)."""
    retry_after: float | None = None


def manages(caller: Caller, row: Subscription) -> bool:
    """Tell whether the caller looks after a subscription: as who manages its bank or agency."""
    reach = caller.reach(May.SUBSCRIPTION_MANAGE)
    return row.bank in reach.banks or row.agency in reach.agencies


def allowed(caller: Caller, row: Subscription) -> list[str]:
    """List what the caller may do with a subscription as it stands."""
    if not manages(caller, row):
        return []
    return [name for name, move in MOVES.items() if row.state in move.before]


def may_redeliver(caller: Caller, row: Subscription, delivery: Delivery) -> bool:
    """Tell whether the caller may have a message sent again."""
    return row.state in LIVE and delivery.state != "waiting" and manages(caller, row)


async def subscribe(
    session: AsyncSession, ring: KeyRing, registry: RegistryMemory, caller: Caller,
    wanted: SubscriptionWanted, *, plain_http: bool, asked: Asked | None,
) -> tuple[Subscription, str | None]:  # fmt: skip
    """Make a subscription; give its secret too, unless an earlier call had made it.

    Raises:
        Forbidden: not for a unit of others.
        SubscriptionInvalid: with all that is wrong.
        SubscriptionsFull: there are enough.
    """
    wrong = list(_faults(wanted, plain_http=plain_http))
    if len(_scopes(wanted)) != 1:
        raise SubscriptionInvalid(faults=[Fault("", "one_of", ONE_OF_THREE), *wrong])
    bank, agency = _owner(registry, caller, wanted)
    id_ = uuid7()
    earlier = await made_before(session, ring, asked, str(id_))
    if earlier is not None:
        return await session.get_one(Subscription, uuid.UUID(earlier)), None
    if wrong:
        raise SubscriptionInvalid(faults=wrong)
    await hold_name(session, f"webhooks:{bank or agency}")
    if await queries.count_of(session, bank, agency) >= MOST:
        raise SubscriptionsFull()
    kind, scope = next(iter(_scopes(wanted)))
    secret = make_secret()
    row = Subscription(
        id=id_, name=wanted.name, url=wanted.url, target=target_of(bank or agency, wanted.url),
        scope_kind=kind, scope=scope, bank=bank, agency=agency, kinds=_written(wanted.kinds),
        from_seq=(await events.mark(session)).seq, created_by=caller.id,
        secret_sealed=_sealed(ring, id_, "secret_sealed", secret),
    )  # fmt: skip
    session.add(row)
    await session.flush()
    return row, secret


def _scopes(wanted: SubscriptionWanted) -> list[tuple[str, str]]:
    named = [(n, getattr(wanted, n)) for n in ("outlet", "bank", "agency")]
    return [(name, value) for name, value in named if value is not None]


def _owner(
    registry: RegistryMemory, caller: Caller, wanted: SubscriptionWanted
) -> tuple[str | None, str | None]:
    """Tell whose it is: the bank of an outlet, a bank, or an agency that the caller manages."""
    reach = caller.reach(May.SUBSCRIPTION_MANAGE)
    if wanted.agency is not None:
        bank, is_ours = None, wanted.agency in reach.agencies
    else:
        outlet = registry.outlets.get(wanted.outlet or "")
        bank = wanted.bank or (outlet.bank if outlet is not None else None)
        is_ours = bank in reach.banks
    if not is_ours:
        raise Forbidden(private=f"{caller.role} manages no such unit")
    return bank, wanted.agency


def _faults(
    wanted: SubscriptionWanted | SubscriptionChange, *, plain_http: bool
) -> Iterator[Fault]:
    if wanted.url is not None:
        yield from faults_of(wanted.url, plain_http=plain_http)


def _written(kinds: Iterable[str]) -> list[str]:
    return sorted({str(kind) for kind in kinds})


def target_of(owner: str | None, url: str) -> str:
    """Name what fails as one: of two units with one host neither can hold up the other."""
    return f"{owner} {origin_of(url)}"[:420]


def make_secret() -> str:
    """Make a secret."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _sealed(ring: KeyRing, id_: uuid.UUID, column: str, secret: str) -> bytes:
    return ring.seal(secret.encode(), bound_to=place(TABLE, column, id_))


def _opened(ring: KeyRing, row: Subscription, column: str) -> str:
    sealed = getattr(row, column)
    return ring.open(sealed, bound_to=place(TABLE, column, row.id)).decode()


def check_version(given: int, row: Subscription | Delivery) -> None:
    """Go on only with the version that was read.

    Raises:
        SubscriptionStale: it has changed since.
    """
    if row.version != given:
        raise SubscriptionStale(version=row.version)


async def change(
    session: AsyncSession, row: Subscription, wanted: SubscriptionChange,
    *, version: int, plain_http: bool,
) -> None:  # fmt: skip
    """Change name, address or kinds of a row that is held. What is on its way goes to the new address.

    Raises:
        SubscriptionStale, SubscriptionActionNotAllowed, SubscriptionInvalid: what its name says.
    """
    check_version(version, row)
    if row.state not in LIVE:
        raise SubscriptionActionNotAllowed(actions=[])
    if faults := list(_faults(wanted, plain_http=plain_http)):
        raise SubscriptionInvalid(faults=faults)
    row.name = wanted.name or row.name
    row.kinds = _written(wanted.kinds) if wanted.kinds is not None else row.kinds
    if wanted.url is not None:
        row.url, row.target = wanted.url, target_of(row.bank or row.agency, wanted.url)
    await _keep(session, row)


async def _keep(session: AsyncSession, row: Subscription | Delivery) -> None:
    row.version += 1
    session.add(row)
    await session.flush()


async def act(
    session: AsyncSession, ring: KeyRing, caller: Caller, row: Subscription,
    wanted: SubscriptionAction, *, version: int,
) -> str | None:  # fmt: skip
    """Take an action on a row that is held; give the secret where there is a new one.

    Raises:
        SubscriptionStale, SubscriptionActionNotAllowed: what its name says.
    """
    check_version(version, row)
    actions = allowed(caller, row)
    if wanted.action not in actions:
        raise SubscriptionActionNotAllowed(actions=actions)
    was, move = row.state, MOVES[wanted.action]
    row.state = move.after or was
    secret = None
    if wanted.action == "rotate":
        secret = _rotate(ring, row, timedelta(hours=wanted.overlap or OVERLAP))
    elif wanted.action == "resume":
        await _resume(session, row, was)
    elif wanted.action == "end":
        row.secret_sealed = row.former_sealed = row.former_until = None
        await queries.set_state(session, row.id, "waiting", AT_ONCE, state="dropped")
    elif wanted.action == "redeliver":
        await queries.set_state(session, row.id, "dead", AT_ONCE, **_again())
    await _keep(session, row)
    return secret


def _rotate(ring: KeyRing, row: Subscription, overlap: timedelta) -> str:
    """Put a new secret in the place of the old one, which signs beside it for a while."""
    former, secret = _opened(ring, row, "secret_sealed"), make_secret()
    row.former_sealed = _sealed(ring, row.id, "former_sealed", former)
    row.former_until = now() + overlap
    row.secret_sealed = _sealed(ring, row.id, "secret_sealed", secret)
    return secret


async def _resume(session: AsyncSession, row: Subscription, was: str) -> None:
    """Let it go on: what happened while it was disabled is for the feed to tell."""
    row.why = None
    if was == "disabled":
        row.from_seq = (await events.mark(session)).seq
    await queries.forget_target(session, row.target)


def _again() -> dict[str, Any]:
    at = now()
    return {"state": "waiting", "tries": 0, "next_at": at, "until": at + TRIED_FOR}


async def redeliver(
    session: AsyncSession, caller: Caller, row: Subscription, delivery: Delivery, *, version: int
) -> None:
    """Have one message sent again: it goes to the head of its line.

    Raises:
        SubscriptionStale, SubscriptionActionNotAllowed: what its name says.
    """
    check_version(version, delivery)
    if not may_redeliver(caller, row, delivery):
        raise SubscriptionActionNotAllowed(actions=[])
    for name, value in _again().items():
        setattr(delivery, name, value)
    await _keep(session, delivery)


async def fan_out(session: AsyncSession, at: datetime, window: int = WINDOW) -> tuple[bool, int]:
    """Make the deliveries of the next events; tell whether there may be more, and how many subscribe.

    The mark is held meanwhile, and kept with what is made: two workers make each once.
    """
    mark = await queries.hold_mark(session)
    live = await queries.count_live(session)
    window = min(window, max(1, ROWS // max(1, live)))  # All of them may be of all of it.
    upto = await queries.last_told(session, mark.seq, window) if mark is not None else None
    if mark is None or upto is None:
        return False, live
    if live:
        await queries.fan_out(session, mark.seq, upto, at, at + TRIED_FOR)
    seen, mark.seq = upto - mark.seq, upto
    session.add(mark)
    await session.flush()
    return seen >= window, live


async def take(session: AsyncSession, ring: KeyRing, target: str, at: datetime) -> list[Line]:
    """Read what is due for a target. One that did not answer is asked by a single message first."""
    state = await queries.target(session, target)
    if state is not None and state.open_until is not None and state.open_until > at:
        return []
    most, deep = (1, 1) if state is not None and state.failures >= FAILURES else (LINES, DEEP)
    rows = {row.id: row for row in await queries.of_target(session, target)}
    found = await queries.lines(session, list(rows), at, most, deep)
    found = sorted(found, key=_line_of)
    lines = (list(group) for _, group in groupby(found, key=_line_of))
    secret = {id_: _secrets(ring, row, at) for id_, row in rows.items()} if found else {}
    return [_line(rows[line[0][0].subscription], secret, line, at) for line in lines]


def _line_of(pair: tuple[Delivery, Event]) -> tuple[uuid.UUID, str]:
    return pair[0].subscription, pair[0].application


def _secrets(ring: KeyRing, row: Subscription, at: datetime) -> tuple[str, ...]:
    current = _opened(ring, row, "secret_sealed")
    overlaps = row.former_until is not None and row.former_until > at
    return (current, _opened(ring, row, "former_sealed")) if overlaps else (current,)


def _line(
    row: Subscription, secret: Mapping[uuid.UUID, tuple[str, ...]],
    pairs: Sequence[tuple[Delivery, Event]], at: datetime,
) -> Line:  # fmt: skip
    due = takewhile(lambda pair: pair[0].next_at <= at, pairs)
    return Line(row.id, row.url, secret[row.id], tuple(_parcel(d, e) for d, e in due))


def _parcel(delivery: Delivery, event: Event) -> Parcel:
    message = {
        "type": event.kind,
        "timestamp": event.at.astimezone(CHINA),
        "data": shown(event),
    }
    return Parcel(delivery, str(event.id), orjson.dumps(message))


def pause_after(tries: int, asked: float | None = None) -> timedelta:
    """Give the pause after so many tries: growing, and no two alike; longer where the target asks for it."""
    grown: timedelta = min(FIRST * FACTOR ** min(tries - 1, 12), LONGEST)
    pause = grown * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 -- spreads load, no secret
    wanted = asked if asked is not None and math.isfinite(asked) else 0.0
    asked_pause = min(timedelta(seconds=max(0.0, wanted)), ASKED_FOR)
    return asked_pause if asked_pause > pause else pause


async def settle(
    session: AsyncSession, target: str, outcomes: Sequence[Outcome], at: datetime
) -> None:
    """Note what became of tries, and how the target answers."""
    await queries.settle(session, [_row(one, at) for one in outcomes], ATTEMPTS)
    taken = {one.parcel.delivery.subscription for one in outcomes if one.fault is None}
    gone = {one.parcel.delivery.subscription for one in outcomes if one.is_gone}
    if taken:
        await queries.touch(session, sorted(taken), at)
    if gone:
        await queries.disable(session, sorted(gone), "gone")
    await _judge(session, target, outcomes, at)


def _row(one: Outcome, at: datetime) -> dict[str, Any]:
    delivery = one.parcel.delivery
    next_at = at + pause_after(delivery.tries + 1, one.retry_after)
    waits = "waiting" if at < delivery.until else "dead"
    attempt = {"at": one.at.isoformat(), "status": one.status, "fault": one.fault, "ms": one.ms}
    return {
        "id": delivery.id, "state": waits if one.fault is not None else "delivered",
        "next_at": min(next_at, max(delivery.until, at)).isoformat(), "attempt": attempt,
    }  # fmt: skip


async def _judge(
    session: AsyncSession, target: str, outcomes: Sequence[Outcome], at: datetime
) -> None:
    """Leave a target alone after so many calls in a row that were not answered; each time for longer."""
    lost = sum(not one.is_alive for one in outcomes)
    if lost < len(outcomes):
        known = await queries.target(session, target)
        if known is not None and (known.failures or known.open_until is not None):
            await queries.forget_target(session, target)
        return
    await queries.ensure_target(session, target)
    known = await queries.target(session, target, lock=True)
    assert known is not None  # noqa: S101
    known.failures = min(known.failures + lost, 30_000)
    if known.failures >= FAILURES:
        _leave_alone(known, at)
    session.add(known)
    await session.flush()


def _leave_alone(known: Target, at: datetime) -> None:
    grown = min(LEFT_ALONE * 2 ** min(known.openings, 10), LEFT_ALONE_MOST)
    known.open_until = at + grown * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
    known.openings += 1
