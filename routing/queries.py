"""Every statement on routing."""

from collections.abc import Sequence

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from routing.models import RoutingRule


async def rules(session: AsyncSession) -> Sequence[RoutingRule]:
    """Load all rules, in the order in which they are looked at."""
    statement = select(RoutingRule).order_by(RoutingRule.position, RoutingRule.rule)  # type: ignore[arg-type]
    return (await session.exec(statement)).all()
