"""What can be done about keys: check that they are the right ones, seal again, look through what is sealed."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from custody import queries
from custody.inventory import SealedColumn
from custody.models import Resealing
from files import queries as files
from files.errors import FileNotFound
from files.stores import Vault, rewrap_at
from kit.clock import now
from kit.crypto import KeyRing, KeysUnusable, sealed_under
from kit.db import Sessions, transaction

LOCK = 0x50C1A1_5EA
"""Advisory lock of the one that seals again."""

CHUNK = 200
"""Values in a transaction: far from the two seconds that one may last."""

FILES = "files"
Rehash = Callable[[KeyRing, bytes], Mapping[str, bytes]]
"""Gives the other columns of a row that are hashed of the plain value under the current key."""


async def check(session: AsyncSession, keys: KeyRing) -> None:
    """Check the ring against the database, and note the keys that are new.

    Raises:
        KeysUnusable: one is missing, or another has its name.
    """
    rows = [
        {
            "id": name, "suite": "sm" if name in keys.national else "aes", "since": now(),
            "check_value": keys.check_value(name),
        }
        for name in keys.keys
    ]  # fmt: skip
    await queries.know(session, rows)
    found = await queries.known(session)
    keys.compare({row.id: row.check_value for row in found if row.lost_at is None})


async def _begun(session: AsyncSession, place: str, keys: KeyRing) -> Resealing:
    """Give how far a place is under the current key; another key begins anew."""
    found = await queries.progress(session, place)
    if found is None:
        found = Resealing(place=place, key=keys.current, changed_at=now())
        session.add(found)
    if found.key != keys.current:
        found.key, found.after, found.ended_at = keys.current, "", None
        found.looked_at = found.sealed_again = found.passed_over = 0
    return found


def _end(progress: Resealing) -> None:
    """End, or begin another pass where rows were passed over."""
    progress.after, again = "", progress.passed_over > 0
    progress.passed_over = 0
    progress.ended_at = None if again else now()


async def reseal_some(
    session: AsyncSession, keys: KeyRing, column: SealedColumn, rehash: Rehash | None
) -> Resealing | None:
    """Seal the next values of a column under the current key; None when another process is at it.

    Raises:
        KeysUnusable: a value can't be opened; it stays as it is.
    """
    if not await queries.lead(session, LOCK):
        return None
    progress = await _begun(session, column.name, keys)
    found = await queries.values(session, column, progress.after, CHUNK)
    old = [v.key for v in found if v.sealed is not None and sealed_under(v.sealed) != keys.current]
    held = await queries.hold(session, column, old) if old else {}
    changed = [_again(keys, column, key, sealed, rehash) for key, sealed in held.items()]
    if changed:
        await queries.put_back(session, column, changed)
    progress.looked_at += len(found)
    progress.sealed_again += len(changed)
    progress.passed_over += len(old) - len(held)
    progress.changed_at = now()
    if found:
        progress.after = str(found[-1].key)
    else:
        _end(progress)
    await session.flush()
    return progress


def _again(
    keys: KeyRing, column: SealedColumn, key: Any, sealed: bytes, rehash: Rehash | None
) -> Mapping[str, Any]:
    where = column.place(key)
    plain = keys.open(sealed, bound_to=where)
    others = rehash(keys, plain) if rehash is not None else {}
    return {"row": key, column.column: keys.seal(plain, bound_to=where), **others}


async def rewrap_some(vault: Vault) -> Resealing:
    """Wrap the data keys of the next files under the current key.

    Each file is replaced by itself, at once; done twice, it is done once. No transaction waits for the store.

    Raises:
        KeysUnusable: a file's key can't be opened; it stays as it is.
        FilesAway: the store refuses.
    """
    sessions, keys = vault.sessions, vault.keys
    async with transaction(sessions) as session:
        after = (await _begun(session, FILES, keys)).after
        found = await files.after(session, after, CHUNK // 10)
    wrapped = [await _rewrap(vault, row.path) for row in found]
    async with transaction(sessions) as session:
        progress = await _begun(session, FILES, keys)
        progress.looked_at += len(found)
        progress.sealed_again += sum(wrapped)
        progress.changed_at = now()
        if found:
            progress.after = found[-1].id
        else:
            _end(progress)
    return progress


async def _rewrap(vault: Vault, path: str) -> bool:
    try:
        return await rewrap_at(vault, path)
    except FileNotFound:
        return False  # Given up meanwhile.


async def damaged(
    sessions: Sessions, keys: KeyRing, column: SealedColumn
) -> AsyncIterator[tuple[int, str | None]]:
    """Open every value of a column: tells how many were looked at and, of one that does not open, its row."""
    after = ""
    while True:
        async with transaction(sessions) as session:
            found = await queries.values(session, column, after, CHUNK * 5)
        if not found:
            return
        for value in found:
            yield 1, _fault(keys, column, value)
        after = str(found[-1].key)


def _fault(keys: KeyRing, column: SealedColumn, value: queries.Value) -> str | None:
    if value.sealed is None:
        return None
    try:
        column.opens(keys, value.key, value.sealed, value.commitment)
    except (KeysUnusable, UnicodeError):
        return str(value.key)
    return None
