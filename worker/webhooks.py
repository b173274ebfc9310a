"""Sends events to those who subscribed: of events rows are made, of targets with something due jobs (PgQueuer).

A job is one target's: so a target is served by one worker at a time, with so many calls at once, and one that
does not answer keeps nobody else waiting. A worker that is killed is noticed by the heartbeat of its jobs, and
another takes them up; what it had sent without saying so is sent again, under the same id.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta

import asyncpg
import structlog
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.models import Job
from pgqueuer.domain.types import Channel
from prometheus_client import Counter, Gauge, Histogram

from custody import service as custody
from kit import jobs
from kit.clock import now
from kit.crypto import KeyRing, load_keys
from kit.db import Sessions, transaction
from kit.settings import Settings
from webhooks import queries, service
from webhooks.service import FAILURES, Line, Outcome
from worker.life import RETRY, until_none
from worker.posting import Poster
from worker.tasks import Task
from worker.watch import MODE

log = structlog.get_logger()

ENTRYPOINT = "webhooks"
PERIOD, UNWANTED = 0.25, 1.0
"""Seconds between two looks for what is due; while nobody subscribes to anything."""

PARALLEL = 8
"""Calls to one target at once."""

TARGETS, BATCH = 400, 20
"""Targets that one worker serves at once, and jobs that it takes at a time."""

SILENT = timedelta(seconds=10)
"""After so long without a heartbeat another worker takes a job."""

LINGER, LOOK = 5.0, 1.0
"""Seconds that a job stays when nothing is due, and between its looks: a target with traffic is one job."""

AFTER_FAULT = 5.0
GRACE = 4.0
"""Seconds for calls under way when the worker stops."""

TIDY, WATCH = 60.0, 15.0
CHUNK = 2000
CONNECTIONS = 4

SENT = Counter("syt_webhooks_total", "Messages that were sent, or tried.", ("outcome",))
for _known in ("taken", "again"):
    SENT.labels(_known)  # There from the start: a rise from nothing is none.
SECONDS = Histogram(
    "syt_webhook_seconds", "From what happened to its message being taken.",
    buckets=(0.25, 0.5, 1, 2, 5, 15, 60, 600, 7200, 86400),
)  # fmt: skip
WAITING = Gauge("syt_webhooks_waiting", "Messages not taken yet.", multiprocess_mode=MODE)
DEAD = Gauge("syt_webhooks_dead", "Messages that were given up.", multiprocess_mode=MODE)
LEFT_ALONE = Gauge(
    "syt_webhook_targets_left_alone", "Targets that do not answer.", multiprocess_mode=MODE
)
DISABLED = Gauge(
    "syt_webhook_subscriptions_disabled", "Subscriptions whose target wants nothing more.",
    multiprocess_mode=MODE,
)  # fmt: skip


async def tidy(sessions: Sessions) -> float:
    """Give up what was tried for three days, and forget what ended long ago."""
    grace = now() - 10 * timedelta(seconds=TIDY)  # The last try comes first.
    dead = await until_none(sessions, lambda s: queries.give_up(s, grace, CHUNK), CHUNK)
    if dead:
        log.warning("webhooks_given_up", messages=dead)
    before = now() - service.KEPT
    await until_none(sessions, lambda s: queries.forget(s, before, CHUNK), CHUNK)
    async with transaction(sessions) as session:
        await queries.forget_targets(session)
        await jobs.forget(session)
    return TIDY


async def watch(sessions: Sessions) -> float:
    """Count."""
    async with transaction(sessions) as session:
        found = await queries.figures(session)
    for gauge, count in zip((WAITING, DEAD, LEFT_ALONE, DISABLED), found, strict=True):
        gauge.set(count)
    return WATCH


class Batch:
    """What is sent to one target at once: at most so many calls side by side, and no more once it is silent."""

    def __init__(self, poster: Poster) -> None:
        self._poster, self._places = poster, asyncio.Semaphore(PARALLEL)
        self._silent = 0
        self.outcomes: list[Outcome] = []

    async def send(self, line: Line) -> None:
        """Send a line in its order, up to the first that is not taken."""
        for parcel in line.parcels:
            async with self._places:
                if self._silent >= FAILURES:
                    return
                outcome = await self._poster.post(line.url, parcel, line.secrets)
            self._silent = 0 if outcome.is_alive else self._silent + 1
            self.outcomes.append(outcome)
            SENT.labels("again" if outcome.fault else "taken").inc()
            if outcome.fault is not None:
                return
            SECONDS.observe((now() - parcel.delivery.event_at).total_seconds())


class Deliverer:
    """Makes deliveries of events, and sends them."""

    def __init__(self, settings: Settings, keys: KeyRing, poster: Poster) -> None:
        self._url = (settings.database_url or "").replace("+asyncpg", "")
        self._keys, self._poster = keys, poster
        self._sessions: Sessions | None = None
        self._rested: dict[str, asyncio.Event] = {}
        self._leaving = self._checked = False

    async def close(self) -> None:
        """Let all connections to targets go."""
        await self._poster.close()

    def tasks(self) -> list[Task]:
        """List what is to be done."""
        return [
            Task("webhooks", self.spread, RETRY), Task("send_webhooks", self.serve, RETRY),
            Task("tidy_webhooks", tidy, RETRY), Task("watch_webhooks", watch, RETRY),
        ]  # fmt: skip

    async def spread(self, sessions: Sessions) -> float:
        """Make the deliveries of what has happened since, and a job for each target with something due."""
        async with transaction(sessions) as session:
            more, live = await service.fan_out(session, now())
        async with transaction(sessions) as session:
            due = await queries.due_targets(session, now())
            if due:
                await jobs.enqueue(session, ENTRYPOINT, due)
        for target in due:
            if target in self._rested:
                self._rested[target].set()
        return 0 if more else PERIOD if live else UNWANTED

    async def serve(self, sessions: Sessions) -> float:
        """Work off jobs for as long as the database is there."""
        self._sessions, self._leaving = sessions, False
        await self._check(sessions)
        limits = {"application_name": "syt-jobs", "statement_timeout": "5s", "lock_timeout": "2s"}
        connecting = asyncpg.create_pool(
            self._url, min_size=2, max_size=CONNECTIONS, server_settings=limits, command_timeout=6
        )
        async with connecting as pool:
            manager = QueueManager(
                jobs.queries_on(AsyncpgPoolDriver(pool)), channel=Channel(jobs.CHANNEL)
            )
            manager.entrypoint(ENTRYPOINT)(self._job)
            await self._run(manager)
        return RETRY

    async def _run(self, manager: QueueManager) -> None:
        running = asyncio.create_task(
            manager.run(
                dequeue_timeout=timedelta(seconds=2), batch_size=BATCH, max_concurrent_tasks=TARGETS,
                heartbeat_timeout=SILENT, shutdown_on_listener_failure=True,
            )
        )  # fmt: skip
        try:
            await asyncio.shield(running)
        finally:  # Told to stop, or the queue is away: what is under way is finished, but not waited for long.
            self._leaving = True
            for rested in self._rested.values():
                rested.set()
            manager.shutdown.set()
            await asyncio.wait({running}, timeout=GRACE)
            running.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await running

    async def _check(self, sessions: Sessions) -> None:
        """Open nothing with a ring that is not the one by which the database is sealed."""
        if not self._checked:
            async with transaction(sessions) as session:
                await custody.check(session, self._keys)
            self._checked = True

    async def _job(self, job: Job) -> None:
        """Serve a target. What fails is begun anew a little later: there is still something due."""
        target = (job.payload or b"").decode()
        try:
            await self.serve_target(target)
        except Exception as error:
            log.warning("webhooks_failed", error=type(error).__name__)
            await asyncio.sleep(AFTER_FAULT)

    async def serve_target(self, target: str) -> None:
        """Send what is due for a target, until nothing is."""
        while not self._leaving:
            if not await self.send_some(target) and not await self._more(target):
                return

    async def _more(self, target: str) -> bool:
        """Stay a while when nothing is due: who is woken looks at once, and nobody else takes the target."""
        rested = self._rested.setdefault(target, asyncio.Event())
        until = asyncio.get_running_loop().time() + LINGER
        try:
            while not self._leaving and asyncio.get_running_loop().time() < until:
                rested.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK):
                        await rested.wait()
                if await self.send_some(target):
                    return True
            return False
        finally:
            self._rested.pop(target, None)

    async def send_some(self, target: str) -> int:
        """Take what is due, send it, and note how that went; give how many were sent.

        No transaction is open while a target is called.
        """
        assert self._sessions is not None  # noqa: S101
        async with transaction(self._sessions) as session:
            lines = await service.take(session, self._keys, target, now())
        batch = Batch(self._poster)
        await asyncio.gather(*(batch.send(line) for line in lines))
        if batch.outcomes:
            async with transaction(self._sessions) as session:
                await service.settle(session, target, batch.outcomes, now())
        return len(batch.outcomes)


def deliverer(settings: Settings) -> Deliverer:
    """Make the deliverer of the settings.

    Raises:
        KeysUnusable: the ring can't be had.
    """
    poster = Poster(settings.webhook_networks, settings.webhook_certificates)
    return Deliverer(settings, load_keys(settings), poster)
