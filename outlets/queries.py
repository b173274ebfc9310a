"""Every statement on the registry."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from kit.db import SET, UNCOMPARED, Stamped, run
from outlets.models import Agreement

T = TypeVar("T", bound=Stamped)

UNTOLD = UNCOMPARED | {"pinyin", "initials", "open_week", "open_holiday"}
"""Columns that follow from others, or say nothing: a history without them tells as much."""


async def since(session: AsyncSession, table: type[T], generation: int) -> Sequence[T]:
    """Load the rows of a table that changed after a generation."""
    statement = select(table).where(col(table.generation) > generation)
    rows: Sequence[T] = (await session.exec(statement)).all()
    return rows


async def held(session: AsyncSession, table: type[T], key: str) -> T | None:
    """Load a row by its key and hold it."""
    return await session.get(table, key, with_for_update=True, populate_existing=True)


async def put_with_history(
    session: AsyncSession,
    table: type[SQLModel],
    rows: Sequence[Mapping[str, Any]],
    deed: Mapping[str, Any],
) -> dict[str, int]:
    """Insert or change rows by their key and write one row of history for each; give keys and versions.

    Only of those that were not there as they now are. The caller holds the registry's generation, so no
    other writer comes between what was and what is.
    """
    if not rows:
        return {}
    known = table.__table__  # type: ignore[attr-defined]
    key = next(column.name for column in known.primary_key)
    names = list(rows[0])
    others = [name for name in names if name != key and name != "created_at"]
    compared = [name for name in others if name not in UNCOMPARED]
    untold = ", ".join(f"'{name}'" for name in sorted(UNTOLD))
    statement = sa.text(f"""
        WITH wanted AS (
            SELECT {", ".join(names)} FROM jsonb_populate_recordset(NULL::{known.name}, cast(:rows AS jsonb))
        ), before AS (
            SELECT b.* FROM {known.name} b JOIN wanted USING ({key})
        ), done AS (
            INSERT INTO {known.name} AS t ({", ".join(names)}) SELECT {", ".join(names)} FROM wanted
            ON CONFLICT ({key}) DO UPDATE
            SET {", ".join(SET.get(n, f"{n} = excluded.{n}") for n in others)}
            WHERE ({", ".join(f"t.{n}" for n in compared)})
                IS DISTINCT FROM ({", ".join(f"excluded.{n}" for n in compared)})
            RETURNING t.*
        ), told AS (
            INSERT INTO registry_change
                (kind, key, version, at, actor, actor_role, action, reason, fields)
            SELECT cast(:kind AS varchar), d.{key}::varchar, d.version, cast(:at AS timestamptz),
                cast(:actor AS varchar), cast(:role AS varchar),
                CASE WHEN b.{key} IS NULL THEN 'create' ELSE cast(:action AS varchar) END,
                cast(:reason AS varchar),
                CASE WHEN b.{key} IS NULL THEN '{{}}'::jsonb ELSE (
                    SELECT coalesce(
                        jsonb_object_agg(key, jsonb_build_array(was.value, became.value)), '{{}}'::jsonb)
                    FROM jsonb_each(to_jsonb(b)) was JOIN jsonb_each(to_jsonb(d)) became USING (key)
                    WHERE was.value IS DISTINCT FROM became.value AND key NOT IN ({untold})
                ) END
            FROM done d LEFT JOIN before b ON b.{key} = d.{key}
        )
        SELECT {key}::varchar AS key, version FROM done
    """)  # noqa: S608 -- names of our own tables and columns
    done = await run(
        session, statement, rows=orjson.dumps(list(rows)).decode(), kind=known.name, **deed
    )
    return {str(row.key): int(row.version) for row in done.all()}


async def parties(session: AsyncSession, bank: str) -> Sequence[str]:
    """List the divisions that a bank has agreements with, also those that are over."""
    statement = select(Agreement.division).where(Agreement.bank == bank).distinct()
    return (await session.exec(statement)).all()
