"""Fills a home's database with applications, their events and the order of those, by COPY, in minutes.

Indexes are dropped, and built again after the rows: that the schema is then the migrated one, to the
letter, is compared.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import NamedTuple

import asyncpg

from applications.numbers import BLOCK
from bench.processes import ROOT, BenchFailed
from bench.rows import COLUMNS, DAYS, Rows, Seat, terminal_of
from cli.home import cluster_of
from cli.load import read_csv
from evidence.chain import HASH_OF, START, Covered, Statement, seal
from evidence.service import FIRST
from evidence.streams import EVENT
from kit.clock import now
from kit.crypto import load_keys
from kit.embedded import DATABASE, OWNER
from kit.settings import Settings
from kit.signing import load_signer
from kit.workdays import Workdays, parse_notices

LARGE_AGENCY = "330106"
"""Where the large outlet's applications go, as the bodies of the bench's submissions do."""

WAITING = 6000
"""Applications that wait to be claimed at the large outlet's agency, whatever the size: work for the load."""

TRANSACTIONS = 2000
"""Events bear the ids of so many transactions; to spend one for each application would take hours."""

QUICKLY = """
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 8GB
maintenance_work_mem = 1GB
work_mem = 256MB
autovacuum = off
statement_timeout = 0
jit = off
timezone = 'UTC'
"""
"""How the server runs while it is filled; the service starts it again with its own settings."""

TABLES = ("application", "event", "event_sequence")

SCHEMA = """
    SELECT format('%s %s', indexrelid::regclass, pg_get_indexdef(indexrelid))
    FROM pg_index WHERE indrelid::regclass::text ~ '^(application|event)'
    UNION ALL
    SELECT format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE conrelid::regclass::text ~ '^(application|event)'
    ORDER BY 1
"""
CONSTRAINTS = """
    SELECT conrelid::regclass::text AS owner, conname AS name, pg_get_constraintdef(oid) AS definition
    FROM pg_constraint
    WHERE conrelid::regclass::text = ANY($1) AND contype IN ('p', 'u')
    ORDER BY 1, 2
"""
INDEXES = """
    SELECT indexrelid::regclass::text AS name,
           replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') AS definition
    FROM pg_index i
    WHERE indrelid::regclass::text = ANY($1) AND indpred IS NULL
        AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
    ORDER BY 1
"""
"""Partial indexes stay: few rows go into them, and PostgreSQL prints their conditions so that they read back
in another form."""

PARTITION = """
    CREATE TABLE IF NOT EXISTS event_{month:%Y_%m} PARTITION OF event
    FOR VALUES FROM ('{month:%Y-%m-%d} 00:00:00+00') TO ('{after:%Y-%m-%d} 00:00:00+00')
"""
SPEND = f"""
    DO $$ BEGIN
        FOR n IN 1..{TRANSACTIONS} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP;
    END $$
"""
EVENTS = f"""
    INSERT INTO event
        (id, at, xid, kind, application, version, state, step, actor, actor_role, outlet, agency, facts)
    OVERRIDING SYSTEM VALUE
    SELECT n, at, (first + n * {TRANSACTIONS} / ($1 * 6 + 1))::text::xid8, 'application.' || kind,
        number, version, state, 1, actor, actor_role, outlet, agency, '{{}}'
    FROM (
        SELECT row_number() OVER () AS n, e.*, a.number, a.outlet, a.agency, s.first
        FROM (SELECT pg_current_xact_id()::text::bigint - {TRANSACTIONS} - 1 AS first) s,
        application a CROSS JOIN LATERAL (VALUES
            (true, 'received', 'received', 1, a.received_at, 'teller:' || a.teller, 'teller'),
            (a.accepted_at IS NOT NULL, 'accepted', 'accepted', 1, a.received_at, a.accepted_by, 'teller'),
            (a.reviewed_by IS NOT NULL, 'taken', 'in_review', 2, a.received_at + interval '1 h',
                a.reviewed_by, 'reviewer'),
            (a.state IN ('in_second_review', 'in_approval'), 'passed', 'in_second_review', 3,
                a.received_at + interval '90 min', a.reviewed_by, 'reviewer'),
            (a.state = 'in_approval', 'passed', 'in_approval', 4,
                a.received_at + interval '2 h', a.second_reviewed_by, 'second_reviewer'),
            (a.completed_at IS NOT NULL, 'granted', 'completed', 3, a.completed_at,
                a.decided_by, 'reviewer'),
            (a.state IN ('delivered', 'archived'), 'delivered', 'delivered', 4,
                a.completed_at + interval '1 h', 'teller:' || a.teller, 'teller'),
            (a.state = 'archived', 'archived', 'archived', 5, a.completed_at + interval '8 days',
                'system', 'system'),
            (a.state IN ('refused', 'returned', 'withdrawn', 'voided'), a.state, a.state, a.version,
                a.received_at + interval '1 h', 'teller:' || a.teller, 'teller')
        ) AS e (happened, kind, state, version, at, actor, actor_role)
        WHERE e.happened
    ) AS told
"""
ORDER = """
    INSERT INTO event_sequence (seq, event, at, outlet, agency)
    SELECT id, id, at, outlet, agency FROM event
"""
AFTERWARDS = (
    "SELECT setval(pg_get_serial_sequence('event', 'id'), (SELECT max(seq) FROM event_sequence))",
    """UPDATE event_sequencer SET seq = last.seq, done_id = last.seq,
       window_from = pg_current_xact_id(), window_to = pg_current_xact_id()
       FROM (SELECT max(seq) AS seq FROM event_sequence) AS last""",
)


PACE = tuple(
    f"UPDATE {mark} SET seq = (SELECT seq FROM event_sequencer)"
    for mark in ("notice_mark", "spot_mark", "webhook_mark")
)
"""The background process has kept pace with what was filled: its backlog is not what is measured."""


class Filled(NamedTuple):
    """What a fill came to."""

    applications: int
    events: int
    seconds: float
    size: int
    """Bytes of the database."""


def fill(home: Path, rows: int, *, large: str, paced: bool = True) -> Filled:
    """Fill the database of a home that does not run; `large` is the outlet that holds 30 %.

    `paced`: the background process begins behind it, as where it has kept pace.

    Raises:
        BenchFailed: the schema is not what it was.
    """
    cluster, began = cluster_of(home), time.monotonic()
    cluster.start(QUICKLY)
    try:
        events, size = asyncio.run(_fill(home, rows, large, paced))
    finally:
        cluster.stop()
    return Filled(rows + WAITING, events, time.monotonic() - began, size)


async def _fill(home: Path, rows: int, large: str, paced: bool) -> tuple[int, int]:
    cluster = cluster_of(home)
    connection = await asyncpg.connect(host=str(cluster.sockets), user=OWNER, database=DATABASE)
    try:
        made = await fill_database(connection, home, rows, large)
        if paced:
            await keep_pace(connection, home)
        return made
    finally:
        await connection.close()


async def fill_database(
    connection: asyncpg.Connection, home: Path, rows: int, large: str
) -> tuple[int, int]:
    """Fill the database that the owner is connected to; give the number of events, and the size in bytes."""
    await _make_partitions(connection)
    before = await _schema(connection)
    await connection.execute(SPEND)
    seats = await _seats(connection, large)
    made = Rows(load_keys(Settings(home=home)), _workdays(), *seats)
    async with connection.transaction(), _without_indexes(connection):
        await connection.execute(f"TRUNCATE {', '.join(TABLES)}, event_text")
        await connection.copy_to_table(
            "application", columns=COLUMNS, format="binary", freeze=True,
            source=_in_turns(made.chunks(rows, WAITING, now())), timeout=None,
        )  # fmt: skip
        await connection.execute(EVENTS.replace("$1", str(rows + WAITING)), timeout=None)
        await connection.execute(ORDER, timeout=None)
    if changed := before ^ await _schema(connection):
        raise BenchFailed(f"the filled database is not the migrated one: {sorted(changed)[:6]}")
    return await _afterwards(connection, rows)


async def _afterwards(connection: asyncpg.Connection, rows: int) -> tuple[int, int]:
    for statement in AFTERWARDS:
        await connection.execute(statement, timeout=None)
    serial = (rows + WAITING) // BLOCK + 1
    await connection.fetchval("SELECT setval('application_serial', $1::bigint)", serial)
    await connection.execute("VACUUM (ANALYZE)", timeout=None)
    events = await connection.fetchval("SELECT seq FROM event_sequencer")
    return events, await connection.fetchval("SELECT pg_database_size(current_database())")


async def keep_pace(connection: asyncpg.Connection, home: Path) -> None:
    """Let messages, samples and the chain of evidence begin behind what was filled."""
    for statement in PACE:
        await connection.execute(statement)
    last = await connection.fetchval("SELECT seq FROM event_sequencer")
    head = await connection.fetchrow(
        "SELECT statement, hash FROM evidence_block ORDER BY number DESC LIMIT 1"
    )
    said, before = (Statement.read(head[0]), head[1]) if head else (FIRST, START)
    settings = Settings(home=home)
    begun = said._replace(
        block=said.block + 1, at=now(), hash=HASH_OF[settings.suite], previous=before.hex(),
        spans={**said.spans, EVENT.name: Covered(last + 1, last, "", EVENT.form)},
        dropped={**said.dropped, EVENT.name: last},
    )  # fmt: skip
    sealed = seal(begun, load_signer(settings))
    await connection.execute(
        "INSERT INTO evidence_block (number, at, statement, hash, key, signature)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        begun.block, begun.at, sealed.statement.decode(), *sealed[1:],
    )  # fmt: skip


async def _schema(connection: asyncpg.Connection) -> frozenset[str]:
    return frozenset(row[0] for row in await connection.fetch(SCHEMA))


async def _in_turns(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def _make_partitions(connection: asyncpg.Connection) -> None:
    """Make the partitions of the months behind us: the service makes those ahead of it."""
    today = now().date()
    month = date(today.year, today.month, 1)
    for _ in range(DAYS // 28 + 1):
        month, after = date(month.year - (month.month == 1), (month.month - 2) % 12 + 1, 1), month
        await connection.execute(PARTITION.format(month=month, after=after))


@asynccontextmanager
async def _without_indexes(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Drop indexes and keys of the large tables, and build them again at the end."""
    constraints = await connection.fetch(CONSTRAINTS, list(TABLES))
    indexes = await connection.fetch(INDEXES, list(TABLES))
    for row in constraints:
        await connection.execute(f"ALTER TABLE {row['owner']} DROP CONSTRAINT {row['name']}")
    for row in indexes:
        await connection.execute(f"DROP INDEX {row['name']}")
    yield
    for row in constraints:
        await connection.execute(
            f"ALTER TABLE {row['owner']} ADD CONSTRAINT {row['name']} {row['definition']}",
            timeout=None,
        )
    for row in indexes:
        await connection.execute(row["definition"], timeout=None)


async def _seats(connection: asyncpg.Connection, large: str) -> tuple[list[Seat], list[Seat]]:
    """List the terminals of the large outlet, and one of every other outlet in a county with an agency."""
    posts = {row["code"] for row in await connection.fetch("SELECT code FROM agency")}
    terminals = await connection.fetch("SELECT id::text, outlet FROM terminal ORDER BY id")
    outlets = await connection.fetch("SELECT number FROM outlet ORDER BY number")
    first = {row["outlet"]: row["id"] for row in terminals}
    others = [
        Seat(first.get(number) or terminal_of(number), number, number[:6])
        for (number,) in outlets
        if number != large and number[:6] in posts
    ]
    return [
        Seat(row["id"], large, LARGE_AGENCY) for row in terminals if row["outlet"] == large
    ], others


def _workdays() -> Workdays:
    days = parse_notices(read_csv(ROOT / "data" / "calendar" / "cn_day_exceptions.csv"))
    return Workdays.of({day.day: day.is_working for day in days})
