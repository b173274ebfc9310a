"""Every statement on the catalogue."""

from collections.abc import Sequence
from datetime import date

import sqlalchemy as sa
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from matters.models import GuideVersion, Matter


async def matters_since(session: AsyncSession, since: int) -> Sequence[Matter]:
    """Load the matters that changed after a generation."""
    return (await session.exec(select(Matter).where(col(Matter.generation) > since))).all()


async def versions_since(session: AsyncSession, since: int) -> Sequence[GuideVersion]:
    """Load the published or withdrawn versions that changed after a generation."""
    statement = select(GuideVersion).where(
        col(GuideVersion.generation) > since, GuideVersion.state != "draft"
    )
    return (await session.exec(statement)).all()


async def version(session: AsyncSession, base_code: str, number: int) -> GuideVersion | None:
    """Load one version, whatever its state."""
    return await session.get(GuideVersion, (base_code, number))


async def end_open_versions(
    session: AsyncSession, base_code: str, day: date, generation: int
) -> None:
    """Let published versions without an end stop being in force on `day`."""
    await session.exec(
        sa.update(GuideVersion)
        .where(
            col(GuideVersion.base_code) == base_code,
            col(GuideVersion.state) == "published",
            col(GuideVersion.effective_to).is_(None),
            col(GuideVersion.effective_from) < day,
        )
        .values(effective_to=day, generation=generation)
    )
