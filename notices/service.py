"""What can be done with notices. No HTTP, no commit, no SQL.

A notice is made of an event, in the order in which events are told. What a teller did is handed over at the
counter within half an hour; all else, and what was not, goes by SMS.
"""

from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from applications import draft
from applications.desk import Desk
from applications.models import Application
from kit.clock import CHINA, now
from kit.crypto import KeyRing, place
from notices import queries
from notices.errors import NoticeStale, NoticeTold
from notices.models import Notice
from schemas.notices import NoticeAction

WINDOW = 1000
KINDS = MappingProxyType({
    "application.received": "receipt", "application.accepted": "acceptance",
    "application.deemed_accepted": "acceptance", "application.correction_asked": "correction",
    "application.refused": "refusal", "application.suspended": "suspension",
    "application.extended": "extension", "application.granted": "completion",
    "application.denied": "completion", "application.completed": "completion",
})  # fmt: skip
"""Of what an applicant is told."""

PAPERS = MappingProxyType({
    "REC": "receipt", "ACP": "acceptance", "SGZ": "correction", "NGA": "refusal", "SPE": "suspension",
    "EXT": "extension", "STL": "completion", "NST": "completion",
})  # fmt: skip
"""Which paper tells it at the counter."""

SAID = MappingProxyType({
    "receipt": "已收件，是否受理将另行告知", "acceptance": "已受理",
    "correction": "需要补正材料，请在期限内补齐", "refusal": "不予受理，请领取书面通知",
    "suspension": "已进入特别程序，所需时间不计入办理时限", "extension": "办理期限已延长",
    "completion": "已办结，请领取办理结果",
})  # fmt: skip

COUNTER = timedelta(minutes=30)
"""How long what a teller did may be handed over at the counter before it is sent."""

LEASE = timedelta(seconds=60)
"""How long a worker has what it sends: longer than a call may last. One that is killed is taken over."""

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120))
"""Between tries; after the last of them it stands on the acceptance post's list."""

BATCH = 8


class GatewayAway(Exception):
    """The gateway could not be asked, or said nothing that can be understood: worth another try."""


class GatewayRefused(Exception):
    """The gateway will never send this: another try is of no use."""


class Gateway(Protocol):
    """What sends messages. It drops repeats by their id."""

    async def send(self, id_: str, phone: str, text: str) -> str:
        """Send a message; give the gateway's own name of it, as a proof.

        Raises:
            GatewayAway, GatewayRefused: with a code of a few letters.
        """


class NoGateway:
    """Stands where none is set: all that is not handed over goes to the list at once."""

    async def send(self, id_: str, phone: str, text: str) -> str:
        """Send nothing."""
        raise GatewayRefused("no-gateway")


class Message(NamedTuple):
    """A notice on its way."""

    notice: Notice
    id: str
    phone: str
    text: str


async def make(session: AsyncSession, window: int = WINDOW) -> int:
    """Look through the next events and make their notices; give how many events there were.

    The mark is held meanwhile, and kept with what is made.
    """
    mark = await queries.hold_mark(session)
    upto = await queries.last_told(session, mark.seq, window) if mark is not None else None
    if mark is None or upto is None:
        return 0
    await queries.make(session, mark.seq, upto, KINDS, COUNTER)
    seen, mark.seq = upto - mark.seq, upto
    session.add(mark)
    await session.flush()
    return seen


async def take(
    session: AsyncSession, desk: Desk | None, public_url: str, at: datetime
) -> list[Message]:
    """Take what is due, and write it; without a desk (nobody to send it to) its words are not needed."""
    found = await queries.lease(session, at, at + LEASE, BATCH)
    return [_message(notice, row, desk, public_url) for notice, row in found]


def _message(notice: Notice, row: Application, desk: Desk | None, public_url: str) -> Message:
    id_ = f"{notice.application}-{notice.event}"
    if desk is None:
        return Message(notice, id_, "", "")
    phone = draft.opened(desk.keys, row.number, row.sealed)["applicant"]["phone"]
    return Message(notice, id_, phone, words(notice, row, desk, public_url))


def words(notice: Notice, row: Application, desk: Desk, public_url: str) -> str:
    """Write what is sent: the number and the matter, and nothing of the person."""
    guide = desk.catalogue.version(row.matter, row.guide_version)
    agency = desk.agencies.by_code.get(notice.agency)
    name = guide.guide.name if guide else row.matter
    return (
        f"【社银通】您的办件{notice.application}（{name}）{SAID[notice.kind]}。"
        f"进度查询：{public_url}/p/{notice.application}，咨询电话：{agency.phone if agency else '12333'}。"
    )


async def told(session: AsyncSession, message: Message, proof: str, at: datetime) -> None:
    """Note that it was sent."""
    await queries.settle(
        session, message.notice.id, state="told", way="sms", told_at=at, proof=proof, fault=None
    )


async def failed(
    session: AsyncSession, message: Message, fault: str, at: datetime, *, final: bool
) -> None:
    """Note that it was not: it is tried again after a pause, or stands on the list."""
    tries = message.notice.tries
    if final or tries > len(PAUSES):
        await queries.settle(session, message.notice.id, state="undelivered", fault=fault[:24])
    else:
        again = at + PAUSES[tries - 1]
        await queries.settle(session, message.notice.id, next_at=again, fault=fault[:24])


async def handed_over(
    session: AsyncSession, caller: Caller, row: Application, event: int, code: str, at: datetime
) -> None:
    """Note that a paper that tells something was printed to be handed over."""
    if code not in PAPERS:
        return
    await queries.hand_over(session, {
        "application": row.number, "event": event, "kind": PAPERS[code], "outlet": row.outlet,
        "agency": row.agency, "at": at, "state": "told", "version": 1, "next_at": at, "tries": 0,
        "way": "counter", "told_at": now(), "proof": f"printed by {caller.id}",
    })  # fmt: skip


async def act(
    session: AsyncSession, keys: KeyRing, caller: Caller, row: Notice, wanted: NoticeAction,
    version: int,
) -> Notice:  # fmt: skip
    """Note that the applicant was told otherwise.

    Raises:
        NoticeStale: it has changed since `version`.
        NoticeTold: there is nothing left to tell.
    """
    if row.version != version:
        raise NoticeStale(version=row.version)
    if row.state == "told":
        raise NoticeTold()
    row.state, row.way, row.told_at, row.proof = "told", wanted.way, now(), f"told by {caller.id}"
    if wanted.text is not None:
        bound = place("notice", "note_sealed", row.id)
        row.note_sealed = keys.seal(wanted.text.encode(), bound_to=bound)
    row.version += 1
    row.leased_until = None
    session.add(row)
    await session.flush()
    return row


def shown(row: Notice, keys: KeyRing) -> dict[str, Any]:
    """Answer with a notice."""
    plain = row.model_dump(
        exclude={"note_sealed", "leased_until", "event"},
    )
    local = {
        name: value.astimezone(CHINA) if isinstance(value, datetime) else value
        for name, value in plain.items()
    }
    note = row.note_sealed
    bound = place("notice", "note_sealed", row.id)
    return {
        **local,
        "note": keys.open(note, bound_to=bound).decode() if note else None,
        "actions": [] if row.state == "told" else ["told"],
    }
