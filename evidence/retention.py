"""Giving up rows whose time is over, so that what remains can still be proved.

First a block is sealed and signed that says up to which number rows are given up; then they go, a month's
partition of events at once. The blocks that covered them stay, with their roots. Done again after it was broken
off, it goes on.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import asyncpg

from evidence import service
from evidence.chain import Statement
from kit.clock import today
from kit.db import Sessions, transaction
from kit.signing import Signer

KEPT = timedelta(days=3 * 366)
"""Records of entrusted processing are kept for three years at least."""

CHUNK = 5000

MARK = "SELECT coalesce(max(q.seq), 0) FROM event_sequence q WHERE q.at < $1"
MARK_ACCESS = """
    SELECT coalesce(max(q.seq), 0) FROM access_sequence q JOIN access_record r ON r.id = q.record
    WHERE r.at < $1
"""
SEALED = "SELECT coalesce(max(last), 0) FROM evidence_span WHERE stream = $1"
PARTITIONS = """
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'event'::regclass AND c.relname < 'event_' || to_char($1::timestamptz
        AT TIME ZONE 'UTC', 'YYYY_MM') ORDER BY c.relname
"""
DELETES = (
    """DELETE FROM event_text WHERE event IN (SELECT t.event FROM event_text t JOIN event_sequence q
        ON q.event = t.event WHERE q.at < $1 LIMIT $2)""",
    """WITH old AS (SELECT seq FROM event_sequence WHERE at < $1 LIMIT $2),
        of_banks AS (DELETE FROM event_of_bank b USING old WHERE b.seq = old.seq)
        DELETE FROM event_sequence s USING old WHERE s.seq = old.seq""",
)
"""Words, then the order; the events themselves go with their partitions."""

DELETES_ACCESS = (
    """WITH gone AS (DELETE FROM access_record WHERE id IN (SELECT id FROM access_record WHERE at < $1
        LIMIT $2) RETURNING id) DELETE FROM access_sequence s USING gone WHERE s.record = gone.id""",
)
LAST = "SELECT statement FROM evidence_block ORDER BY number DESC LIMIT 1"
FORGET = (
    "UPDATE evidence_span SET leaves = NULL WHERE stream = $1 AND last <= $2 AND leaves IS NOT NULL"
)


class TooYoung(Exception):
    """Rows are to be given up that must still be kept, or are not sealed yet."""


def boundary(before: date) -> datetime:
    """Give the moment before which months of events end that are wholly before a day.

    Raises:
        TooYoung: they are not three years old.
    """
    if before > today() - KEPT:
        raise TooYoung(f"what is younger than three years is kept: at most {today() - KEPT}")
    return datetime(before.year, before.month, 1, tzinfo=UTC)


async def marks(owner: asyncpg.Connection, until: datetime) -> Mapping[str, int]:
    """Give up to which numbers rows end before a moment.

    Raises:
        TooYoung: some of them are not sealed yet.
    """
    found = {
        "event": await owner.fetchval(MARK, until),
        "access": await owner.fetchval(MARK_ACCESS, until),
    }
    for name, seq in found.items():
        if seq > await owner.fetchval(SEALED, name):
            raise TooYoung("not all of it is sealed yet: let `syt worker` run first")
    return {name: seq for name, seq in found.items() if seq}


async def give_up(
    sessions: Sessions, owner: asyncpg.Connection, signer: Signer, algorithm: str, until: datetime
) -> list[str]:
    """Give up events and access records from before a moment; tell which partitions went.

    Raises:
        TooYoung: some of them are not sealed yet, or another process is sealing for long.
    """
    found = await marks(owner, until)
    if found:
        async with transaction(sessions) as session:
            if not await service.seal_dropping(session, signer, algorithm, found):
                raise TooYoung("another process is sealing just now: try again")
    for statement in (*DELETES, *DELETES_ACCESS):
        while await owner.execute(statement, until, CHUNK) != "DELETE 0":
            pass
    text = await owner.fetchval(LAST)
    for name, seq in (Statement.read(text).dropped if text else {}).items():
        await owner.execute(FORGET, name, seq)
    partitions = [row[0] for row in await owner.fetch(PARTITIONS, until)]
    for partition in partitions:
        await owner.execute(f'DROP TABLE "{partition}"')
    return partitions
