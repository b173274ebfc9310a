"""What can be done with the event log: append to it, and tell it in order."""

from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from events import queries
from events.models import Event, EventText
from kit.clock import CHINA
from kit.commitment import commit, read
from kit.crypto import KeyRing, place

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
        said = commit(keys, text, bound_to=place("event_text", "sealed", event.id))
        session.add(EventText(event=event.id, sealed=said.sealed, commitment=said.commitment))
        await session.flush()
    return event


def read_text(keys: KeyRing, row: EventText) -> str:
    """Open the words of an action.

    Raises:
        KeysUnusable: the key is lost, or they were changed.
    """
    where = place("event_text", "sealed", row.event)
    return read(keys, row.sealed, row.commitment, bound_to=where)


def shown(event: Event) -> dict[str, Any]:
    """Show an event: ids and states, nothing personal."""
    return {
        "id": str(event.id),
        "kind": event.kind,
        "at": event.at.astimezone(CHINA),
        "application": event.application,
        "state": event.state,
        "version": event.version,
        "actor_role": event.actor_role,
        "outlet": event.outlet,
        "agency": event.agency,
        "facts": event.facts,
    }


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
