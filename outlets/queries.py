"""Every statement on the registry."""

from collections.abc import Sequence
from typing import TypeVar

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from kit.db import Stamped

T = TypeVar("T", bound=Stamped)


async def since(session: AsyncSession, table: type[T], generation: int) -> Sequence[T]:
    """Load the rows of a table that changed after a generation."""
    statement = select(table).where(col(table.generation) > generation)
    rows: Sequence[T] = (await session.exec(statement)).all()
    return rows
