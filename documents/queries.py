"""Every statement on papers."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from documents.models import Document
from events.models import Event, EventText


async def of_application(session: AsyncSession, number: str) -> Sequence[Document]:
    """List the papers of an application whose words are fixed, in the order in which they were issued."""
    statement = (
        select(Document)
        .where(Document.application == number)
        .order_by(col(Document.event), col(Document.number))
    )
    return (await session.exec(statement)).all()


async def history(session: AsyncSession, number: str, kinds: Sequence[str]) -> Sequence[Event]:
    """List what happened to an application of some kinds, oldest first."""
    statement = (
        select(Event)
        .where(Event.application == number, col(Event.kind).in_(kinds))
        .order_by(col(Event.id))
    )
    return (await session.exec(statement)).all()


async def texts(session: AsyncSession, ids: Sequence[int | None]) -> Mapping[int, EventText]:
    """Load the words of events."""
    rows = (await session.exec(select(EventText).where(col(EventText.event).in_(ids)))).all()
    return {row.event: row for row in rows}


async def keep(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep the words of papers; what another has kept meanwhile stays."""
    await session.exec(insert(Document).values(rows).on_conflict_do_nothing())
