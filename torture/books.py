"""What the service holds after a run, read past the service: rows of its tables and files of its store."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from cli.home import cluster_of
from kit.embedded import DATABASE


class Row(NamedTuple):
    """An application."""

    number: str
    submitter: str
    key: str
    state: str
    version: int
    claimed_by: str | None
    files: Sequence[str] = ()


class Entry(NamedTuple):
    """An event."""

    id: int
    at: float
    kind: str
    application: str
    version: int
    state: str
    actor: str
    outlet: str
    agency: str


class Told(NamedTuple):
    """A place in the order of the feed."""

    seq: int
    event: int
    outlet: str
    agency: str


class Filed(NamedTuple):
    """A file as the database knows it."""

    id: str
    path: str
    size: int


@dataclass
class Books:
    """Everything there is."""

    rows: list[Row] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    """By id."""
    told: list[Told] = field(default_factory=list)
    """By number of the order."""
    last_told: int = 0
    """What the sequencer says of itself."""
    texts: list[int] = field(default_factory=list)
    files: list[Filed] = field(default_factory=list)
    objects: dict[str, int] = field(default_factory=dict)
    """Path in the store → bytes, sealed."""


ROWS = """
    SELECT number, submitter, idempotency_key, state, version, claimed_by, ARRAY(
        SELECT m ->> 'file' FROM jsonb_array_elements(materials) AS m WHERE m ->> 'file' IS NOT NULL
    ) FROM application
"""
ENTRIES = """
    SELECT id, extract(epoch FROM at)::float8, kind, application, version, state, actor, outlet, agency
    FROM event ORDER BY id
"""
TOLD = "SELECT seq, event, outlet, agency FROM event_sequence ORDER BY seq"
FILED = "SELECT id, path, size FROM stored_file"
UNTOLD = """
    SELECT (SELECT count(*) FROM event) - (SELECT count(*) FROM event_sequence)
"""


async def connect(home: Path) -> Any:
    """Connect to the embedded database as who may do everything."""
    sockets = str(cluster_of(home).sockets)
    return await asyncpg.connect(host=sockets, user="postgres", database=DATABASE, timeout=5)


async def untold(home: Path) -> int:
    """Count the events that the feed does not tell yet."""
    connection = await connect(home)
    try:
        return int(await connection.fetchval(UNTOLD))
    finally:
        await connection.close()


async def read(home: Path) -> Books:
    """Read everything."""
    connection = await connect(home)
    try:
        return await read_by(connection, home / "files")
    finally:
        await connection.close()


async def read_by(connection: Any, folder: Path) -> Books:
    """Read everything as a connection sees it, and the store in a folder."""
    return Books(
        rows=[Row(*row) for row in await connection.fetch(ROWS)],
        entries=[Entry(*row) for row in await connection.fetch(ENTRIES)],
        told=[Told(*row) for row in await connection.fetch(TOLD)],
        last_told=await connection.fetchval("SELECT seq FROM event_sequencer"),
        texts=[row[0] for row in await connection.fetch("SELECT event FROM event_text")],
        files=[Filed(*row) for row in await connection.fetch(FILED)],
        objects=_objects(folder),
    )


def _objects(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    }
