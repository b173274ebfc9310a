"""Bring spreadsheets of outlets that were handed in into the registry."""

from collections.abc import Callable

from files.stores import Vault
from importing.running import Runner, Shelves
from kit.db import Sessions
from worker.tasks import Task

PERIOD, RETRY = 1.0, 5.0


def task(vault: Vault, desk: Callable[[], Shelves]) -> Task:
    """Make the task that runs imports."""
    runner = Runner(vault, desk)

    async def run(_: Sessions) -> float:
        return 0 if await runner.run_one() else PERIOD

    return Task("importing", run, retry=RETRY)
