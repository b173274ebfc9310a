"""Every statement on divisions."""

from collections.abc import Sequence
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from divisions.models import Division


async def all_rows(session: AsyncSession, beginning: str = "") -> Sequence[Any]:
    """Load every division whose code begins so, in the order of codes."""
    d = Division
    columns = (
        d.scheme, d.code, d.valid_from, d.valid_to, d.name, d.level, d.parent, d.lat, d.lng,
        d.successors,
    )  # fmt: skip
    statement = select(*columns).order_by(d.scheme, d.code, d.valid_from)  # type: ignore[call-overload]
    if beginning:
        statement = statement.where(col(d.code).startswith(beginning))
    return list((await session.exec(statement)).all())
