"""Counting statements where the driver sends them: counts do not flicker as times do."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import SimpleNamespace
from typing import Any

import asyncpg
from sqlalchemy import event

from api.state import State

ONCE = ("SELECT current_setting('jit')", "WITH RECURSIVE typeinfo_tree", "SELECT set_config('jit'")
"""What the driver asks once in a connection's life: how arrays of a type are written."""

SMALL = ("BEGIN", "COMMIT", "ROLLBACK", "SELECT kind, value", "SELECT generation.", *ONCE)
"""Ends of transactions, and the poll of the generations, which is no call's own."""

BESIDE = ("call_share", "issuer_keys", "used_on = ", "FROM event_sequencer", "event_of_bank b")
"""Words of what a process tells and asks by the clock: limits shared, keys of issuers, who was met today,
and what has been told since for those who wait for events."""


@contextmanager
def heard(state: State, note: Callable[[Any], None]) -> Iterator[None]:
    """Hear of what the adapter sends: of what it prepares itself the driver logs nothing."""

    def tell(*call: Any) -> None:
        note(SimpleNamespace(query=call[2]))

    engines = (state.engine.sync_engine, state.writing.sync_engine)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", tell)
    try:
        yield
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", tell)


@asynccontextmanager
async def statements(state: State) -> AsyncIterator[list[str]]:
    """Collect what all connections of the pool send meanwhile."""
    sent: list[str] = []

    def note(record: Any) -> None:
        text = " ".join(record.query.split())
        if not text.startswith(SMALL) and not any(word in text for word in BESIDE):
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
        with heard(state, note):
            yield sent
    finally:
        for driver in connections:
            driver.remove_query_logger(note)
