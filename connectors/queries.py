"""Every statement on calls to core systems, and on differences."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller, Reach
from access.policy import May
from connectors.models import CoreCall, CoreMark, Difference
from schemas.reconciliations import DifferenceFilter


async def get(session: AsyncSession, application: str, step: int) -> CoreCall | None:
    """Load and hold a call; the row of its application is held before."""
    statement = select(CoreCall).where(
        CoreCall.application == application, CoreCall.step == step
    )  # fmt: skip
    return (await session.exec(statement.with_for_update())).one_or_none()


async def of_applications(session: AsyncSession, numbers: Collection[str]) -> Sequence[CoreCall]:
    """Load the calls of applications."""
    statement = select(CoreCall).where(col(CoreCall.application).in_(sorted(numbers)))
    return (await session.exec(statement)).all()


async def waiting(session: AsyncSession) -> Sequence[tuple[str, int, datetime]]:
    """Count what waits to be finished, core by core, and tell since when the oldest does."""
    statement = (
        select(CoreCall.core, sa.func.count(), sa.func.min(CoreCall.made_at))
        .where(CoreCall.state == sa.literal_column("'due'"))
        .group_by(col(CoreCall.core))
    )
    return (await session.exec(statement)).all()


async def open_differences(session: AsyncSession) -> int:
    """Count the differences that nobody has settled."""
    statement = select(sa.func.count()).select_from(Difference).where(Difference.state == "open")
    return int((await session.exec(statement)).one())


async def hold_mark(session: AsyncSession, core: str, first: datetime) -> CoreMark | None:
    """Hold the mark of a core, made if there is none, unless another worker does."""
    made = insert(CoreMark).values(core=core, upto=first).on_conflict_do_nothing()
    await session.exec(made)
    statement = select(CoreMark).where(CoreMark.core == core).with_for_update(skip_locked=True)
    return (await session.exec(statement)).one_or_none()


async def move_mark(session: AsyncSession, core: str, upto: datetime) -> None:
    """Note how far a core has been compared; of two that did, the farther counts."""
    further = sa.func.greatest(col(CoreMark.upto), upto)
    await session.exec(sa.update(CoreMark).where(col(CoreMark.core) == core).values(upto=further))


async def settled(
    session: AsyncSession, core: str, since: datetime, until: datetime
) -> Sequence[CoreCall]:
    """List what was completed by a core in a time, as it is held here."""
    statement = select(CoreCall).where(
        CoreCall.core == core, col(CoreCall.settled_at) >= since, col(CoreCall.settled_at) < until,
        CoreCall.state == "done",
    )  # fmt: skip
    return (await session.exec(statement)).all()


async def note_difference(session: AsyncSession, values: Mapping[str, Any]) -> int | None:
    """Put a difference on the list and give its number; None where it stands there already."""
    statement = insert(Difference).values(**values, state="open", version=1)
    made = statement.on_conflict_do_nothing().returning(col(Difference.id))
    found = (await session.exec(made)).first()
    return int(found[0]) if found is not None else None


def _within(reach: Reach) -> sa.ColumnElement[bool]:
    """Say in SQL whose differences a reach covers."""
    agency = col(Difference.agency)
    parts: list[Any] = [agency.in_(sorted(reach.agencies))] if reach.agencies else []
    parts += [agency.between(a.ljust(6, "0"), a.ljust(6, "9")) for a in sorted(reach.areas)]
    return sa.or_(*parts) if parts else sa.false()


async def differences(
    session: AsyncSession, caller: Caller, narrow: DifferenceFilter, after: int | None
) -> Sequence[Difference]:
    """List at most `narrow.limit` + 1 differences that `caller` may see, newest first."""
    reach = caller.reach(May.RECONCILIATION_READ)
    if reach.misses(narrow.agency):
        return []
    statement = select(Difference).where(_within(reach))
    for column, value in (
        (Difference.agency, narrow.agency), (Difference.core, narrow.core),
        (Difference.kind, narrow.kind), (Difference.state, narrow.state),
    ):  # fmt: skip
        if value is not None:
            statement = statement.where(column == value)
    if after is not None:
        statement = statement.where(col(Difference.id) < after)
    statement = statement.order_by(col(Difference.id).desc()).limit(narrow.limit + 1)
    return (await session.exec(statement)).all()


async def get_difference(session: AsyncSession, caller: Caller, id_: int) -> Difference | None:
    """Load and hold a difference that `caller` may see."""
    statement = select(Difference).where(
        _within(caller.reach(May.RECONCILIATION_READ)), Difference.id == id_
    )
    return (await session.exec(statement.with_for_update())).one_or_none()
