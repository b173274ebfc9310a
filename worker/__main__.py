"""`python -m worker`: the background process."""

import kit.consoleless  # noqa: F401, I001 -- before what it is for.

import asyncio
import signal
import sys
from contextlib import suppress

import structlog
import uvloop
from prometheus_client import start_http_server

from connectors.cores import Cores
from evidence.chain import HASH_OF
from files.stores import Vault, make_store
from kit.crypto import KeysUnusable, load_keys
from kit.db import Sessions, make_engine, make_sessions
from kit.logs import configure
from kit.metrics import registry
from kit.orphan import leave_with_parent
from kit.settings import Settings
from kit.signing import load_signer
from kit.telemetry import traces
from worker import cores as at_cores
from worker import (
    evidence,
    expiry,
    housekeeping,
    importing,
    life,
    lights,
    rectify,
    sequence,
    supervise,
    sweeping,
    telling,
    watch,
    webhooks,
)
from worker.tasks import Task

TASKS = (
    sequence.TASK,
    housekeeping.TASK,
    expiry.TASK,
    expiry.RECTIFICATIONS,
    watch.TASK,
    lights.TASK,
    rectify.TASK,
    *supervise.TASKS,
)
"""Tasks that need nothing but the database."""

PATIENCE = 60.0
"""Seconds for which what needs the memories waits for them."""

CONNECTIONS = 12
"""At most; opened as they are needed, and most tasks look seldom."""


async def work(settings: Settings) -> None:
    """Run all tasks until told to stop; what is under way is finished or undone by the database."""
    engine = make_engine(settings.database_url or "", pool_size=CONNECTIONS)
    sessions = make_sessions(engine)
    cores = Cores(settings.cores)
    office = life.Office(sessions, load_keys(settings) if cores.names else None)
    if settings.metrics_port is not None:
        start_http_server(settings.metrics_port, registry=registry())
    sealing = evidence.sealing(load_signer(settings), HASH_OF[settings.suite])
    files = make_store(settings)
    vault = Vault(files, load_keys(settings), sessions)
    bringing = importing.task(vault, office.shelves)
    sending, telling_them = webhooks.deliverer(settings), telling.sender(settings, office)
    tasks = (*TASKS, sealing, sweeping.task(files), *sending.tasks())
    knowing = (*office.tasks(), bringing, *at_cores.tasks(office, cores), *telling_them.tasks())
    running = [
        *(asyncio.create_task(task.run(sessions), name=task.name) for task in tasks),
        *(asyncio.create_task(known(office, task, sessions), name=task.name) for task in knowing),
    ]
    running.append(asyncio.create_task(office.follow(), name="follow"))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with traces("syt-worker"):
        await stop.wait()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    await asyncio.gather(cores.close(), sending.close())
    await engine.dispose()
    structlog.get_logger().info("worker_stopped")


async def known(office: life.Office, task: Task, sessions: Sessions) -> None:
    """Do for ever what needs the memories, once they are read: before, it could only fail.

    Where they can't be read it begins all the same, and fails: that is what alarms look at.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await office.follower.seen.wait()
    await task.run(sessions)


def main() -> None:
    """Work until told to stop."""
    settings = Settings()
    configure(settings.log)
    leave_with_parent()
    try:
        uvloop.run(work(settings))
    except KeysUnusable as error:
        sys.exit(f"syt: {error}")


if __name__ == "__main__":
    main()
