"""Notices on their way: made of events, then sent. No transaction is open while the gateway is called."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog
from prometheus_client import Counter

from applications.desk import Desk
from kit.clock import now
from kit.crypto import load_keys
from kit.db import Sessions, transaction
from kit.settings import Settings
from notices import service
from notices.service import Gateway, GatewayAway, GatewayRefused, Message, NoGateway
from worker.life import RETRY, Office
from worker.sms import SmsGateway, make_client
from worker.tasks import Task

log = structlog.get_logger()
PERIOD = 5.0
SENT = Counter("syt_notices_total", "Notices that were sent, or tried.", ("outcome",))
for _known in ("told", "again", "refused"):
    SENT.labels(_known)  # There from the start: a rise from nothing is none.


async def make(sessions: Sessions) -> float:
    """Make the notices of what has happened since."""
    async with transaction(sessions) as session:
        seen = await service.make(session)
    return 0 if seen >= service.WINDOW else PERIOD


class Sender:
    """What sends: a gateway, and what is needed to write to an applicant."""

    def __init__(self, gateway: Gateway, desk: Callable[[], Desk] | None, public_url: str) -> None:
        self._gateway, self._desk, self._public_url = gateway, desk, public_url

    async def send(self, sessions: Sessions) -> float:
        """Take what is due, send it, and note how that went: three steps, and only the outer two in the
        database. Who is killed between them has its messages sent again under the same id.
        """
        async with transaction(sessions) as session:
            desk = self._desk() if self._desk is not None else None
            found = await service.take(session, desk, self._public_url, now())
        await asyncio.gather(*(self._send(sessions, message) for message in found))
        return 0 if len(found) >= service.BATCH else PERIOD

    async def _send(self, sessions: Sessions, message: Message) -> None:
        try:
            proof = await self._gateway.send(message.id, message.phone, message.text)
        except (GatewayAway, GatewayRefused) as fault:
            final = isinstance(fault, GatewayRefused)
            SENT.labels("refused" if final else "again").inc()
            log.warning("notice_not_sent", fault=str(fault), tries=message.notice.tries)
            async with transaction(sessions) as session:
                await service.failed(session, message, str(fault), now(), final=final)
        else:
            SENT.labels("told").inc()
            async with transaction(sessions) as session:
                await service.told(session, message, proof, now())

    def tasks(self) -> list[Task]:
        """List what is to be done."""
        return [Task("notices", make, RETRY), Task("send_notices", self.send, RETRY)]


def sender(settings: Settings, office: Office) -> Sender:
    """Make the sender of the settings. Only one with a gateway holds keys: it reads telephone numbers.

    Raises:
        KeysUnusable: the ring can't be had.
    """
    if settings.sms_url is None:
        return Sender(NoGateway(), None, settings.public_url)
    keys = load_keys(settings)

    def desk() -> Desk:
        return replace(office.desk_now(), keys=keys)

    return Sender(SmsGateway(make_client(settings)), desk, settings.public_url)
