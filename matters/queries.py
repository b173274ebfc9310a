"""Every statement on the catalogue."""

import zlib
from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple, TypeVar

import orjson
import sqlalchemy as sa
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from matters.compiled import MASTER
from matters.models import Drafted, GuideLayer, GuideVersion, Matter
from schemas.drafting import DraftsAsked

D = TypeVar("D", GuideVersion, GuideLayer)


class LayerRow(NamedTuple):
    """What a place says alike of some matters: read at every start, of tens of thousands of layers."""

    division: str
    version: int
    effective_from: date
    effective_to: date | None
    state: str
    content: str
    matters: list[str]
    generations: list[int]
    """Of each of them."""


class VersionRow(NamedTuple):
    """A version as it is read."""

    base_code: str
    version: int
    effective_from: date
    effective_to: date | None
    state: str
    generation: int
    packed: bytes | None
    content: str | None
    """Only where it is not packed."""


VERSIONS = 100
"""How many are read, or packed, at once."""

SMALL, QUICK = 9, 1
"""How hard to pack: what is kept, and what a process packs for itself."""


def packed(content: str, level: int = QUICK) -> bytes:
    """Pack a guide's JSON text."""
    return zlib.compress(content.encode(), level)


def unpacked(content: bytes) -> dict[str, Any]:
    """Unpack what `packed` gave."""
    guide: dict[str, Any] = orjson.loads(zlib.decompress(content))
    return guide


async def matters_since(session: AsyncSession, since: int) -> Sequence[Matter]:
    """Load the matters that changed after a generation."""
    return (await session.exec(select(Matter).where(col(Matter.generation) > since))).all()


async def versions_since(
    session: AsyncSession, since: int, after: tuple[str, int]
) -> list[VersionRow]:
    """Load some published or withdrawn versions that changed after a generation, in their order.

    Not all at once: guides are large, and what a process once took for reading them it keeps.
    """
    table = GuideVersion.__table__.c  # type: ignore[attr-defined]
    *plain, _ = VersionRow._fields
    unread = sa.case((table.packed.is_(None), sa.cast(table.content, sa.Text)))
    statement = (
        sa.select(*(table[name] for name in plain), unread)
        .where(
            table.generation > since,
            table.published_by.is_not(None),
            sa.tuple_(table.base_code, table.version) > after,
        )
        .order_by(table.base_code, table.version)
        .limit(VERSIONS)
    )
    return [VersionRow(*row) for row in (await session.exec(statement)).all()]  # type: ignore[call-overload]


PACK = sa.text("""
    UPDATE guide_version SET packed = :kept WHERE base_code = :code AND version = :number
""")


async def pack_some(session: AsyncSession) -> int:
    """Pack some published versions that are not; tell how many. Until then processes read them as they are.

    The content is read as the database writes it, so that a version reads alike however it comes.
    """
    table = GuideVersion.__table__.c  # type: ignore[attr-defined]
    statement = (
        sa.select(table.base_code, table.version, sa.cast(table.content, sa.Text))
        .where(table.published_by.is_not(None), table.packed.is_(None))
        .order_by(table.base_code, table.version)
        .limit(VERSIONS)
        .with_for_update(skip_locked=True, key_share=True)
    )
    rows = (await session.exec(statement)).all()  # type: ignore[call-overload]
    kept = [
        {"code": code, "number": number, "kept": packed(content, SMALL)}
        for code, number, content in rows
    ]
    if kept:
        await (await session.connection()).execute(PACK, kept)
    return len(kept)


async def layers_since(session: AsyncSession, since: int) -> list[LayerRow]:
    """Load the published or withdrawn layers that changed after a generation, those that are alike together."""
    table = GuideLayer.__table__.c  # type: ignore[attr-defined]
    alike = [table[name] for name in LayerRow._fields[:5]]
    statement = (
        sa.select(
            *alike,
            sa.cast(table.content, sa.Text),
            sa.func.array_agg(table.base_code),
            sa.func.array_agg(table.generation),
        )
        .where(table.generation > since, table.published_by.is_not(None))
        .group_by(*alike, table.content)
    )
    return [LayerRow(*row) for row in (await session.exec(statement)).all()]  # type: ignore[call-overload]


async def version(
    session: AsyncSession, base_code: str, number: int, *, lock: bool = False
) -> GuideVersion | None:
    """Load one version, whatever its state."""
    return await session.get(GuideVersion, (base_code, number), with_for_update=lock)


async def layer(
    session: AsyncSession, base_code: str, division: str, number: int | None = None, *,
    lock: bool = False, shown: bool = False,
) -> GuideLayer | None:  # fmt: skip
    """Load a layer of a place: the one named by its number, else the one that is worked on.

    That is the newest which is not withdrawn, else the newest. `shown` passes over what never was published;
    `lock` reads again what the session knows already.
    """
    statement = (
        select(GuideLayer)
        .where(GuideLayer.base_code == base_code, GuideLayer.division == division)
        .where(col(GuideLayer.published_by).is_not(None) if shown else sa.true())
        .where(GuideLayer.version == number if number is not None else sa.true())
        .order_by(col(GuideLayer.state) == "withdrawn", col(GuideLayer.version).desc())
        .limit(1)
    )
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return (await session.exec(statement)).first()


class DraftRow(NamedTuple):
    """A draft of a version or of a layer."""

    base_code: str
    division: str
    version: int
    state: str
    effective_from: date
    effective_to: date | None
    revision: int
    drafted_by: str
    edited_by: str | None
    editors: list[str]
    submitted_by: str | None
    published_by: str | None
    reason: str | None


async def drafts(
    session: AsyncSession, narrow: DraftsAsked, area: str, after: Sequence[Any] | None
) -> list[DraftRow]:
    """List what is being drafted or waits to be published within an area, by matter, place and number."""
    tables = (GuideVersion.__table__.c, GuideLayer.__table__.c)  # type: ignore[attr-defined]
    every = sa.union_all(*(_drafts(table) for table in tables)).subquery()
    key = (every.c.base_code, every.c.division, every.c.version)
    statement = sa.select(every).order_by(*key).limit(narrow.limit + 1)
    if narrow.state is not None:
        waits = every.c.submitted_by.is_not(None)
        statement = statement.where(waits if narrow.state == "submitted" else ~waits)
    if narrow.matter is not None:
        statement = statement.where(every.c.base_code == narrow.matter)
    if area:
        statement = statement.where(every.c.division.startswith(area))
    if after is not None:
        statement = statement.where(sa.tuple_(*key) > sa.tuple_(*map(sa.literal, after)))
    return [DraftRow(*row) for row in (await session.exec(statement)).all()]  # type: ignore[call-overload]


def _drafts(table: Any) -> Any:
    columns = [
        sa.literal(MASTER, sa.String).label(name) if name == "division" and name not in table
        else table[name]
        for name in DraftRow._fields
    ]  # fmt: skip
    return sa.select(*columns).where(table.state == "draft")


async def hold(session: AsyncSession, row: GuideVersion | GuideLayer) -> None:
    """Hold a row, and read it again."""
    await session.refresh(row, with_for_update=True)


async def hold_matter(session: AsyncSession, base_code: str) -> None:
    """Hold a matter, so that numbers are given one after another."""
    statement = select(Matter.base_code).where(Matter.base_code == base_code)
    await session.exec(statement.with_for_update())


def _same(row: Drafted) -> list[sa.ColumnElement[bool]]:
    """Say in SQL: a row of the same matter, and where it is a layer of the same place."""
    table: Any = type(row)
    names = ("base_code", "division") if isinstance(row, GuideLayer) else ("base_code",)
    return [getattr(table, name) == getattr(row, name) for name in names]


async def last_number(session: AsyncSession, row: GuideVersion | GuideLayer) -> tuple[int, int]:
    """Give the highest version and the highest revision there are of what a row is a version of."""
    table: Any = type(row)
    statement: Any = sa.select(sa.func.max(table.version), sa.func.max(table.revision))
    found = (await session.exec(statement.where(*_same(row)))).one()
    return found[0] or 0, found[1] or 0


async def cut(session: AsyncSession, row: GuideVersion | GuideLayer, generation: int) -> None:
    """Let the published one that would go on end where `row` begins."""
    table: Any = type(row)
    await session.exec(
        sa.update(table)
        .where(
            *_same(row),
            table.state == "published",
            table.effective_from < row.effective_from,
            sa.or_(
                table.effective_to.is_(None),
                sa.and_(table.is_cut, table.effective_to > row.effective_from),
            ),
        )
        .values(
            effective_to=row.effective_from, is_cut=True, generation=generation,
            revision=table.revision + 1,
        )
        .execution_options(synchronize_session=False)
    )  # fmt: skip


async def mend(session: AsyncSession, row: GuideVersion | GuideLayer, generation: int) -> None:
    """Let the one that `row` cut short go on, until the next that is published begins."""
    table: Any = type(row)
    following = (
        sa.select(sa.func.min(table.effective_from))
        .where(
            *_same(row), table.state == "published", table.version != row.version,
            table.effective_from >= row.effective_from,
        )
        .scalar_subquery()
    )  # fmt: skip
    await session.exec(
        sa.update(table)
        .where(
            *_same(row), table.state == "published", table.is_cut,
            table.effective_to == row.effective_from,
        )
        .values(
            effective_to=following, is_cut=following.is_not(None), generation=generation,
            revision=table.revision + 1,
        )
        .execution_options(synchronize_session=False)
    )  # fmt: skip


async def published(
    session: AsyncSession, table: type[D], base_code: str, since: date, until: date | None
) -> Sequence[D]:
    """Load the published rows of a matter that are in force on any day of a period, in their order."""
    t: Any = table
    overlapping = [sa.or_(t.effective_to.is_(None), t.effective_to > since)]
    if until is not None:
        overlapping.append(t.effective_from < until)
    statement = (
        select(table)
        .where(t.base_code == base_code, t.state == "published", *overlapping)
        .order_by(t.effective_from)
    )
    return (await session.exec(statement)).all()
