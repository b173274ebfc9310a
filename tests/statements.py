"""Counting statements where the driver sends them: counts do not flicker as times do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from api.state import State

ONCE = ("SELECT current_setting('jit')", "WITH RECURSIVE typeinfo_tree", "SELECT set_config('jit'")
"""What the driver asks once in a connection's life: how arrays of a type are written."""

SMALL = ("BEGIN", "COMMIT", "ROLLBACK", "SELECT kind, value", "SELECT generation.", *ONCE)
"""Ends of transactions, and the poll of the generations, which is no call's own."""


@asynccontextmanager
async def statements(state: State) -> AsyncIterator[list[str]]:
    """Collect what all connections of the pool send meanwhile."""
    sent: list[str] = []

    def note(record: Any) -> None:
        text = " ".join(record.query.split())
        if not text.startswith(SMALL):
            sent.append(text[:120])

    await state.counter.intake.drain()  # Its lanes give back what they hold.
    connections: list[asyncpg.Connection] = []
    pools = (
        (state.engine, state.settings.pool_size), (state.writing, state.settings.submission_lanes + 1),
    )  # fmt: skip
    held = [await engine.connect() for engine, size in pools for _ in range(size)]
    for connection in held:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        driver.add_query_logger(note)
        connections.append(driver)
    for connection in held:
        await connection.close()
    try:
        yield sent
    finally:
        for driver in connections:
            driver.remove_query_logger(note)
