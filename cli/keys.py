"""`syt keys`: the ring, and sealing again under another key."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from applications.draft import reindexed
from cli.home import say
from custody import queries, service
from custody.inventory import inventory
from custody.models import Resealing, RingKey
from custody.service import Rehash
from files.stores import Vault, make_store
from kit.clock import CHINA
from kit.crypto import KeyFile, KeyRing, KeysUnusable, key_source, load_keys, replace_closed
from kit.db import Sessions, make_engine, make_sessions, transaction
from kit.settings import Settings
from migrations.tables import metadata

REHASHED: Mapping[str, Rehash] = {"application.sealed": reindexed}
"""Columns whose rows hold a keyed hash of what is sealed: it is made anew with them."""

BUSY = 1.0
"""Seconds until the next try while another process is at it."""

REST = 0.02
"""Seconds between two portions: the service goes first."""


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Sessions]:
    engine = make_engine(url, pool_size=2, unhurried=True)
    try:
        yield make_sessions(engine)
    finally:
        await engine.dispose()


def change(settings: Settings, how: Callable[[KeyRing, str], KeyRing]) -> None:
    """Change the ring's file.

    Raises:
        KeysUnusable: the ring comes from elsewhere, or the change is none that can be made.
    """
    source = key_source(settings)
    if not isinstance(source, KeyFile):
        raise KeysUnusable("the ring is not ours to change: it comes from SYT_KEYS or a command")
    ring = KeyRing.parse(source.read())
    replace_closed(source.path, how(ring, settings.suite).dump())


async def status(settings: Settings, url: str) -> Sequence[str]:
    """Tell which keys there are, and how far sealing again is."""
    ring = load_keys(settings)
    async with _opened(url) as sessions, transaction(sessions) as session:
        known = {row.id: row for row in await queries.known(session)}
        places = await queries.all_progress(session)
    lines = [f"{name}  {_key_words(ring, name, known)}" for name in {**known, **ring.keys}]
    return [*lines, *map(_progress_words, places)]


def _key_words(ring: KeyRing, name: str, known: Mapping[str, RingKey]) -> str:
    row = known.get(name)
    if name not in ring.keys:
        return "given up" if row is not None and row.lost_at else "MISSING from the ring"
    suite = "SM4-GCM, SM3" if name in ring.national else "AES-256-GCM, SHA-256"
    since = f"since {row.since.astimezone(CHINA):%F}" if row else "not used here yet"
    wrong = row is not None and row.check_value != ring.check_value(name)
    words = [
        suite,
        since,
        *(["current"] if name == ring.current else []),
        *(["ANOTHER KEY"] * wrong),
    ]
    return ", ".join(words)


def _progress_words(row: Resealing) -> str:
    ended = f"ended {row.ended_at.astimezone(CHINA):%F %T}" if row.ended_at else "not ended"
    counted = f"{row.looked_at:,} looked at, {row.sealed_again:,} sealed again"
    return f"{row.place} under {row.key}: {counted}, {ended}"


async def rotate(settings: Settings, url: str) -> None:
    """Seal everything again under the current key, place after place."""
    keys = load_keys(settings)
    async with _opened(url) as sessions:
        async with transaction(sessions) as session:
            await service.check(session, keys)
        for column in inventory(metadata()):
            rehash = REHASHED.get(column.name)

            async def some() -> Resealing | None:
                async with transaction(sessions) as session:
                    return await service.reseal_some(session, keys, column, rehash)  # noqa: B023

            say(_progress_words(await _to_the_end(some)))

        vault = Vault(make_store(settings), keys, sessions)

        async def files() -> Resealing | None:
            return await service.rewrap_some(vault)

        say(_progress_words(await _to_the_end(files)))


async def _to_the_end(some: Callable[[], Awaitable[Resealing | None]]) -> Resealing:
    while True:
        progress = await some()
        if progress is not None and progress.ended_at is not None:
            return progress
        await asyncio.sleep(BUSY if progress is None else REST)


async def give_up(url: str, key: str) -> None:
    """Note that a key is lost.

    Raises:
        KeysUnusable: nothing here was ever sealed by it.
    """
    async with _opened(url) as sessions, transaction(sessions) as session:
        if not await queries.give_up(session, key):
            raise KeysUnusable(f"there never was a key {key} here")
