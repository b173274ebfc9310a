"""Every statement on divisions."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from divisions.models import Division
from kit.db import AS_READ, hold_name, put, run

PIECE = 2_000
"""Rows of one statement: to a server, it takes no longer than any other."""


READ = 5_000
"""Rows that are read at once."""

PLACE = (
    "scheme", "code", "valid_from", "valid_to", "name", "level", "parent", "lat", "lng", "successors",
)  # fmt: skip
"""Columns of a division as processes hold it."""


def _columns() -> Any:
    """Read rows as the driver gives them: by way of the ORM forty thousand take twice as long."""
    d = Division
    columns = [sa.type_coerce(getattr(d, name), AS_READ).label(name) for name in PLACE]
    return sa.select(*columns).order_by(col(d.scheme), col(d.code), col(d.valid_from))


async def all_rows(session: AsyncSession, beginning: str = "") -> AsyncIterator[Any]:
    """Read every division whose code begins so, in the order of codes.

    Not all at once: what a process once took for reading them it keeps.
    """
    statement = _columns().where(col(Division.code).startswith(beginning))
    statement = statement.execution_options(yield_per=READ)
    async with (await session.connection()).stream(statement) as found:
        async for rows in found.partitions():
            for row in rows:
                yield row


async def of_provinces(
    session: AsyncSession, scheme: str, provinces: Collection[str]
) -> Sequence[Any]:
    """Load what a scheme has, and had, of provinces, each by its first two digits."""
    mine = sa.func.left(col(Division.code), 2).in_(provinces)
    statement = _columns().where(col(Division.scheme) == scheme, mine)
    return (await run(session, statement)).all()


async def hold(session: AsyncSession) -> None:
    """Let one list at a time be loaded; of two at once the second waits as long as the first may take."""
    await run(session, sa.text("SET LOCAL lock_timeout = '60s'"))
    await hold_name(session, Division.__tablename__)


DROP = sa.text("""
    DELETE FROM division d
    USING jsonb_to_recordset(cast(:rows AS jsonb)) w(scheme varchar, code varchar, valid_from date)
    WHERE (d.scheme, d.code, d.valid_from) = (w.scheme, w.code, w.valid_from)
""")


async def drop_rows(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Take away rows that are not to have been there."""
    named = [{name: row[name] for name in ("scheme", "code", "valid_from")} for row in rows]
    await run(session, DROP, rows=orjson.dumps(named).decode())


async def put_rows(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put rows by scheme, code and first day."""
    for at in range(0, len(rows), PIECE):
        await put(session, Division, rows[at : at + PIECE])


class Standing(NamedTuple):
    """A kind of thing that stands in divisions: its table's columns, and which of its rows count."""

    kind: str
    key: Any
    name: Any
    code: Any
    counts: Any = sa.true()


DIGITS = (9, 6, 4, 2)
"""So many are shared by all within a township, county, city and province."""


async def standing(
    session: AsyncSession, what: Standing, within: Collection[str], at: Collection[str]
) -> Sequence[Any]:
    """List what stands within areas, each given by the digits that all in it share, or at these very codes."""
    where = [what.code.in_([*at])] + [
        sa.func.left(what.code, digits).in_([area for area in within if len(area) == digits])
        for digits in DIGITS
    ]
    columns = (what.key.label("key"), what.name.label("name"), what.code.label("code"))
    statement = sa.select(sa.literal(what.kind).label("kind"), *columns)
    counted = statement.where(sa.or_(*where), what.counts).order_by(what.code, what.key)
    return (await run(session, counted)).all()
