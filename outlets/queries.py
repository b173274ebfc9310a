"""Every statement on the registry."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from kit.db import AS_READ, SET, UNCOMPARED, Instant, Stamped, run
from outlets.models import Agreement, Outlet, OutletContact

T = TypeVar("T", bound=Stamped)

UNTOLD = UNCOMPARED | {"pinyin", "initials"}
"""Columns that follow from others, or say nothing: a history without them tells as much."""


async def since(session: AsyncSession, table: type[T], generation: int) -> Sequence[T]:
    """Load the rows of a table that changed after a generation."""
    statement = select(table).where(col(table.generation) > generation)
    rows: Sequence[T] = (await session.exec(statement)).all()
    return rows


HELD = (
    "number", "name", "bank", "agreement", "kind", "service_class", "status", "division", "address",
    "lat", "lng", "phone", "hours", "windows", "cnaps", "parent", "is_sample", "version", "pinyin",
    "allowed", "denied",
)  # fmt: skip
"""Columns of an outlet that processes hold as they are."""

TO_SHOW: Mapping[str, str | None] = {
    **dict.fromkeys(("name", "address", "phone", "hours", "pinyin", "opening"), ""),
    **dict.fromkeys(("lat", "lng", "cnaps")),
}
"""Columns that are shown and looked for, and no rule asks for: most of what an outlet takes. What stands in
their place in a process that shows none."""

PIECE = 20_000
"""Outlets read at once: to a server, a statement takes no longer than any other."""


async def outlets_since(
    session: AsyncSession, since: int, instead: Mapping[str, str | None]
) -> AsyncIterator[Any]:
    """Read the outlets that changed after a generation, as rows: objects of the ORM take ten times as long.

    Of some columns something else is given, the same for all.
    """
    opening = sa.cast(col(Outlet.opening), sa.Text)
    held = {name: sa.type_coerce(getattr(Outlet, name), AS_READ) for name in HELD}
    given = {n: sa.null() if said is None else sa.literal(said) for n, said in instead.items()}
    columns = [c.label(n) for n, c in {**held, "opening": opening, **given}.items()]
    number, rows = col(Outlet.number), None
    statement = (
        sa.select(*columns).where(col(Outlet.generation) > since).order_by(number).limit(PIECE)
    )
    while rows is None or len(rows) == PIECE:
        further = statement if rows is None else statement.where(number > rows[-1].number)
        rows = (await run(session, further)).all()
        for row in rows:
            yield row


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
    other writer comes between what was and what is. What all rows say alike goes over once: to read it anew
    for each took longer than to write them.
    """
    if not rows:
        return {}
    known = table.__table__  # type: ignore[attr-defined]
    key = next(column.name for column in known.primary_key)
    names = list(rows[0])
    others = [name for name in names if name != key and name != "created_at"]
    compared = [name for name in others if name not in UNCOMPARED]
    untold = ", ".join(f"'{name}'" for name in sorted(UNTOLD))
    own, alike = _own_and_alike(rows, key)
    statement = sa.text(f"""
        WITH alike AS MATERIALIZED (
            SELECT {", ".join(alike)} FROM jsonb_populate_record(NULL::{known.name}, cast(:alike AS jsonb))
        ), own AS (
            SELECT {", ".join(own)} FROM jsonb_populate_recordset(NULL::{known.name}, cast(:rows AS jsonb))
        ), wanted AS (
            SELECT {", ".join(names)} FROM alike CROSS JOIN own
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
    said = {"alike": _json(rows[0], alike), "rows": f"[{','.join(_json(r, own) for r in rows)}]"}
    done = await run(session, statement, kind=known.name, **said, **deed)
    return dict(map(tuple, done))


def _own_and_alike(
    rows: Sequence[Mapping[str, Any]], key: str
) -> tuple[Sequence[str], Sequence[str]]:
    """Tell columns in which rows differ, the key first of all, from those in which all say the same."""
    first = rows[0]
    own = [n for n in first if n == key or any(row[n] != first[n] for row in rows)]
    return own, [name for name in first if name not in own]


def _json(row: Mapping[str, Any], names: Sequence[str]) -> str:
    return orjson.dumps({name: row[name] for name in names}).decode()


async def contacts(session: AsyncSession, outlets: Sequence[str]) -> Sequence[OutletContact]:
    """Load the liaison persons of outlets."""
    wanted = col(OutletContact.outlet) == sa.any_(sa.literal([*outlets], ARRAY(sa.String)))
    return (await session.exec(select(OutletContact).where(wanted))).all()


LAST_NUMBERS = sa.text("""
    SELECT c, (SELECT max(number) FROM outlet WHERE number BETWEEN c || '000000' AND c || '999999')
    FROM unnest(:counties) c
""").bindparams(sa.bindparam("counties", type_=ARRAY(sa.String)))


async def last_numbers(session: AsyncSession, counties: Sequence[str]) -> dict[str, str | None]:
    """Find the highest number of an outlet that each of some counties has given out."""
    found = await run(session, LAST_NUMBERS, counties=[*counties])
    return {county: last for county, last in map(tuple, found)}


async def parties(session: AsyncSession, bank: str) -> Sequence[str]:
    """List the divisions that a bank has agreements with, also those that are over."""
    statement = select(Agreement.division).where(Agreement.bank == bank).distinct()
    return (await session.exec(statement)).all()


KEEP_POSTS = (
    """
    UPDATE teller_post p SET ended_at = greatest(p.begun_at, :at) FROM teller t
    WHERE t.code = p.teller AND p.ended_at IS NULL AND t.code = ANY(:keys)
        AND (t.status = 'left' OR t.outlet <> p.outlet)
    """,
    """
    INSERT INTO teller_post (teller, outlet, begun_at)
    SELECT t.code, t.outlet, greatest(:at, max(p.ended_at))
    FROM teller t LEFT JOIN teller_post p ON p.teller = t.code
    WHERE t.code = ANY(:keys) AND t.status <> 'left'
    GROUP BY t.code HAVING count(*) FILTER (WHERE p.teller IS NOT NULL AND p.ended_at IS NULL) = 0
    """,
)
"""End the posts of tellers who are there no more, and begin those of who is without one."""

KEEP_KEYS = (
    """
    INSERT INTO terminal_key (x, terminal, begun_at)
    SELECT public_jwk->>'x', id, :at FROM terminal
    WHERE id = ANY(cast(:keys AS uuid[])) AND public_jwk->>'x' IS NOT NULL
    ON CONFLICT (x) DO NOTHING
    """,
)
"""Note the keys of terminals; one that is known stays whose it was."""

BESIDE = {"teller": KEEP_POSTS, "terminal": KEEP_KEYS}
"""What is kept beside a table whenever its rows change."""


async def keep_beside(session: AsyncSession, name: str, keys: Sequence[str], at: datetime) -> None:
    """Bring up to date what is kept beside a table, for rows that were changed."""
    for text in BESIDE.get(name, ()) if keys else ():
        statement = sa.text(text).bindparams(
            sa.bindparam("at", type_=Instant), sa.bindparam("keys", type_=ARRAY(sa.String))
        )
        await run(session, statement, at=at, keys=list(keys))
