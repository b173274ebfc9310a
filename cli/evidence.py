"""`syt verify`, `syt roots`, `syt prune`: the chain of evidence, from the command line."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import NamedTuple

import asyncpg
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cli.home import say
from custody.inventory import inventory
from custody.service import damaged
from evidence import queries
from evidence.chain import HASH_OF
from evidence.retention import boundary, give_up
from evidence.service import handed_out
from evidence.verify import Broken, Report, Verifier, read_roots
from files import queries as files
from files.errors import FileNotFound
from files.stores import Vault, get, make_store
from kit.clock import CHINA
from kit.crypto import KeysUnusable, load_keys
from kit.db import Sessions, driver, make_engine, make_sessions, transaction
from kit.settings import Settings
from kit.signing import Trusted, key_id, load_signer, load_trusted, read_public
from migrations.tables import metadata

UNTRUSTED = (
    "no key to trust: the database's own are believed, which prove nothing against who can write there"
    " (--trust FILE, or SYT_SIGNING_KEY)"
)


class Asked(NamedTuple):
    """What is to be verified."""

    since: date | None = None
    roots: Path | None = None
    trust: Path | None = None
    sealed: bool = False


def midnight(day: date) -> datetime:
    """Give the moment at which a day begins in China."""
    return datetime.combine(day, time(), CHINA)


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[tuple[Sessions, asyncpg.Connection]]:
    engine = make_engine(url, pool_size=2, unhurried=True)
    try:
        async with driver(engine) as connection:
            yield make_sessions(engine), connection
    finally:
        await engine.dispose()


async def verify_all(settings: Settings, url: str, asked: Asked) -> str | None:
    """Verify what was asked for; tell the first place that is broken."""
    try:
        async with _opened(url) as (sessions, connection):
            trusted = await _trusted(settings, sessions, asked.trust)
            lines = _text_of(asked.roots).splitlines()
            verifier = Verifier(connection, trusted, read_roots(lines, trusted))
            since = midnight(asked.since) if asked.since else None
            _tell(await verifier.run(since))
            if asked.sealed:
                await _open_all(settings, sessions)
    except Broken as broken:
        return str(broken)
    return None


def _text_of(path: Path | None) -> str:
    return path.read_text() if path else ""


async def _trusted(settings: Settings, sessions: Sessions, given: Path | None) -> Trusted:
    trusted = dict(load_trusted(settings))
    if given is not None:
        trusted |= read_public(_text_of(given))
    if trusted:
        return trusted
    say(UNTRUSTED)
    async with transaction(sessions) as session:
        found = [
            Ed25519PublicKey.from_public_bytes(row.public) for row in await queries.keys(session)
        ]
    return {key_id(key): key for key in found}


def _tell(report: Report) -> None:
    if report.sealed_until is None:
        say(f"nothing is sealed yet; {report.pending} events wait for it")
        return
    counted = ", ".join(f"{count:,} of {name}" for name, count in report.rows.items())
    say(
        f"whole: {report.blocks:,} blocks, rows {counted}, in {report.seconds:.1f} s"
        f" ({report.rate:,.0f} a second), sealed until {report.sealed_until.astimezone(CHINA):%F %T},"
        f" signed by {report.key}; {report.pending} events not sealed yet"
    )
    if any(report.dropped.values()):
        said = ", ".join(f"{name} {seq:,}" for name, seq in report.dropped.items() if seq)
        say(f"given up on purpose, proved by their roots alone: up to {said}")


async def _open_all(settings: Settings, sessions: Sessions) -> None:
    """Open every sealed value and every file.

    Raises:
        Broken: one does not open, or is not what was committed to.
    """
    keys, count = load_keys(settings), 0
    for column in inventory(metadata()):
        async for looked_at, fault in damaged(sessions, keys, column):
            count += looked_at
            if fault is not None:
                raise Broken(f"{column.name} of {fault}: changed, moved or replaced")
    scans = await _open_files(settings, sessions)
    say(f"whole: {count:,} sealed values open, {scans:,} files are as they were handed in")


async def _open_files(settings: Settings, sessions: Sessions) -> int:
    vault, after, count = Vault(make_store(settings), load_keys(settings), sessions), "", 0
    while True:
        async with transaction(sessions) as session:
            rows = await files.after(session, after, 100)
        for row in rows:
            digest = hashlib.sha256()
            try:
                async for piece in await get(vault, row.path):
                    digest.update(piece)
            except (KeysUnusable, FileNotFound):
                raise Broken(f"file {row.id}: changed, cut or missing") from None
            if digest.digest() != row.sha256:
                raise Broken(f"file {row.id}: not the one that was handed in")
        count += len(rows)
        if not rows:
            return count
        after = rows[-1].id


async def roots_since(url: str, since: date | None) -> Sequence[str]:
    """Give the last root of each day."""
    async with _opened(url) as (sessions, _), transaction(sessions) as session:
        found = await queries.last_of_days(session, midnight(since) if since else None)
    return [orjson.dumps(handed_out(block)).decode() for block in found]


async def prune_before(settings: Settings, url: str, owner_url: str, before: date) -> Sequence[str]:
    """Give up what is from months before a day."""
    until, signer = boundary(before), load_signer(settings)
    async with _opened(url) as (sessions, _), _opened(owner_url) as (_, owner):
        return await give_up(sessions, owner, signer, HASH_OF[settings.suite], until)
