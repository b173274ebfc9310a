"""What a row of the registry was on a day: what it is, less all that was changed since."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from entrusting import queries
from kit.clock import CHINA, now
from outlets.errors import OutletNotFound
from outlets.models import Outlet, RegistryChange


def end_of(day: date) -> datetime:
    """Give the moment at which a day in China is over."""
    return datetime.combine(day + timedelta(days=1), time(), CHINA)


def undo(row: Mapping[str, Any], changes: Iterable[RegistryChange]) -> dict[str, Any]:
    """Take changes back, the newest first."""
    found = dict(row)
    for change in changes:
        found |= {name: before for name, (before, _) in change.fields.items()}
        found["version"] = change.version - 1
    return found


async def outlet_of(session: AsyncSession, row: Outlet, day: date) -> dict[str, Any]:
    """Give an outlet as it was at the end of a day; of today, as it is.

    Raises:
        OutletNotFound: it was not there yet.
    """
    moment, plain = end_of(day), row.model_dump(mode="json")
    if row.created_at >= moment:
        raise OutletNotFound()
    if moment > now():
        return plain
    return undo(plain, await queries.undone(session, "outlet", row.number, moment))
