"""`python -m worker`: the background process."""

import asyncio
import signal

import structlog

from kit.db import make_engine, make_sessions
from kit.logs import configure
from kit.orphan import leave_with_parent
from kit.settings import Settings
from worker import housekeeping, sequence


async def work(settings: Settings) -> None:
    """Run all jobs until told to stop; what is under way is finished or undone by the database."""
    engine = make_engine(settings.database_url or "", pool_size=2)
    sessions = make_sessions(engine)
    jobs = [
        asyncio.create_task(sequence.run(sessions), name="sequence"),
        asyncio.create_task(housekeeping.run(sessions), name="housekeeping"),
    ]
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    await engine.dispose()
    structlog.get_logger().info("worker_stopped")


def main() -> None:
    """Work until told to stop."""
    settings = Settings()
    configure(settings.log)
    leave_with_parent()
    asyncio.run(work(settings))


if __name__ == "__main__":
    main()
