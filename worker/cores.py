"""What agencies' core systems are to complete and have not: asked again until they answer; and compared.

Where no core is configured there is nothing to do, and the process needs no keys.
"""

import asyncio
from datetime import timedelta

import structlog
from prometheus_client import Gauge

from applications import instant
from connectors import queries
from connectors.cores import Cores
from connectors.errors import CoreAway
from custody import service as custody
from kit.clock import now
from kit.db import Sessions, transaction
from supervision import reconciling
from worker.life import RETRY, Office
from worker.tasks import Task
from worker.watch import MODE

log = structlog.get_logger()

PERIOD = 1.0
COMPARED = 60.0
WAITING = Gauge(
    "syt_core_waiting", "Applications that their core is still to complete.", ("core",),
    multiprocess_mode=MODE,
)  # fmt: skip
OLDEST = Gauge(
    "syt_core_waiting_seconds", "How long the oldest of them has waited.", ("core",),
    multiprocess_mode=MODE,
)  # fmt: skip
DIFFERENCES = Gauge(
    "syt_core_differences", "Differences to core systems that nobody has settled.",
    multiprocess_mode=MODE,
)  # fmt: skip


class Finishing:
    """Finishes what is due, by what an office holds."""

    def __init__(self, office: Office, cores: Cores) -> None:
        self._office, self._cores, self._checked = office, cores, False

    async def finish(self, sessions: Sessions) -> float:
        """Take what is due, ask, and settle; of several workers each takes others."""
        desk = self._office.desk_now()
        await self._check(sessions)
        async with transaction(sessions) as session:
            taken = await instant.lease(session, desk, self._cores, now())
        each = (instant.finish(sessions, desk, self._cores, one) for one in taken)
        outcomes = await asyncio.gather(*each, return_exceptions=True)
        for failure in (one for one in outcomes if isinstance(one, BaseException)):
            raise failure
        return 0 if len(taken) == instant.CHUNK else PERIOD

    async def _check(self, sessions: Sessions) -> None:
        """Seal nothing with a ring that is not the one by which the database is sealed."""
        if not self._checked:
            async with transaction(sessions) as session:
                await custody.check(session, self._office.desk.keys)
            self._checked = True

    async def compare(self, sessions: Sessions) -> float:
        """Compare what each core holds; one that is away is compared later, and hinders no other."""
        desk = self._office.desk_now()
        for name in self._cores.names:
            core, area = self._cores.named(name), self._cores.area(name)
            try:
                new = await reconciling.reconcile(sessions, desk, core, area, now())
            except CoreAway as away:
                log.warning("core_not_compared", core=name, why=away.why)
            else:
                if new:
                    log.warning("core_differs", core=name, differences=new)
        return COMPARED

    async def watch(self, sessions: Sessions) -> float:
        """Count what waits."""
        async with transaction(sessions) as session:
            waiting = {core: (n, since) for core, n, since in await queries.waiting(session)}
            DIFFERENCES.set(await queries.open_differences(session))
        for name in {*self._cores.names, *waiting}:
            number, since = waiting.get(name, (0, now()))
            WAITING.labels(name).set(number)
            OLDEST.labels(name).set((now() - since) / timedelta(seconds=1))
        return COMPARED / 4


def tasks(office: Office, cores: Cores) -> list[Task]:
    """List what is to be done where cores are configured."""
    if not cores.names:
        return []
    finishing = Finishing(office, cores)
    return [
        Task("complete", finishing.finish, RETRY), Task("reconcile", finishing.compare, RETRY),
        Task("watch_cores", finishing.watch, RETRY),
    ]  # fmt: skip
