"""Every statement on agencies."""

from collections.abc import Sequence

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from agencies.models import Agency, AgencyCoverage


async def agencies(session: AsyncSession) -> Sequence[Agency]:
    """Load all agencies."""
    return (await session.exec(select(Agency).order_by(Agency.code))).all()


async def coverage(session: AsyncSession) -> Sequence[AgencyCoverage]:
    """Load what they cover."""
    return (await session.exec(select(AgencyCoverage))).all()
