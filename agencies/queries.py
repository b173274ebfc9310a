"""Every statement on agencies."""

from collections.abc import Collection, Sequence

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from agencies.models import Agency, AgencyCoverage


async def agencies(session: AsyncSession) -> Sequence[Agency]:
    """Load all agencies."""
    return (await session.exec(select(Agency).order_by(Agency.code))).all()


async def coverage(session: AsyncSession) -> Sequence[AgencyCoverage]:
    """Load what they cover."""
    return (await session.exec(select(AgencyCoverage))).all()


async def levels_covering(session: AsyncSession, counties: Collection[str]) -> dict[str, set[str]]:
    """Tell the levels of which an agency covers each of some counties."""
    found: dict[str, set[str]] = {}
    wanted = select(AgencyCoverage).where(col(AgencyCoverage.county).in_([*counties]))
    for row in await session.exec(wanted):
        found.setdefault(row.county, set()).add(row.level)
    return found
