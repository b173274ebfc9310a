"""What can be done with the event log: append to it, and tell it in order."""

from sqlmodel.ext.asyncio.session import AsyncSession

from events import queries
from events.models import Event, EventText
from kit.crypto import KeyRing

SEQUENCER_LOCK = 0x50C1A1_5E9
"""Advisory lock of the one sequencer."""

CHUNK = 2000
MONTHS_AHEAD = 12


async def append(
    session: AsyncSession, event: Event, *, text: str = "", keys: KeyRing | None = None
) -> Event:
    """Append an event in the caller's transaction, which holds the application's row.

    The words of an action stand sealed beside it, never in the event.
    """
    session.add(event)
    await session.flush()
    if text and keys is not None and event.id is not None:
        sealed = keys.seal(text.encode(), bound_to=f"event_text.sealed:{event.id}")
        session.add(EventText(event=event.id, sealed=sealed))
        await session.flush()
    return event


async def tell_some(session: AsyncSession, limit: int = CHUNK) -> int | None:
    """Give numbers to the next events; None when another process is doing it.

    The number of events told; 0 when all that may be told has been.
    """
    if not await queries.lead(session, SEQUENCER_LOCK):
        return None
    told = await queries.tell(session, limit)
    if told < limit and await queries.open_window(session):
        told += await queries.tell(session, limit)
    return told
