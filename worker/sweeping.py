"""Remove scans that nobody uses, and what broken uploads left."""

from obstore.store import ObjectStore

from files import sweeping
from kit.db import Sessions
from worker.tasks import Task

PERIOD = 300.0
RETRY = 60.0


def task(files: ObjectStore) -> Task:
    """Make the task that sweeps a store."""

    async def sweep(sessions: Sessions) -> float:
        done = await sweeping.sweep(sessions, files)
        return 0 if done.more else PERIOD

    return Task("sweeping", sweep, retry=RETRY)
