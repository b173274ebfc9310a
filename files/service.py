"""What can be done with files: store them sealed, and give them back."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from files import queries, stores
from files.errors import FilesAway, UploadMalformed
from files.kinds import Measured, kind_of
from files.models import StoredFile
from files.proof import file_id
from files.stores import Vault
from kit.clock import now
from kit.db import transaction
from kit.ids import uuid7

LONGEST = 3600.0
"""Seconds that a file may take to come in one piece: a line that is as poor takes it up where it broke."""

UNDER_WAY = timedelta(days=1)
"""After how long what lies in the store and is nobody's was left over, and is not on its way."""


async def store(vault: Vault, outlet: str, plain: AsyncIterator[bytes]) -> StoredFile:
    """Seal a stream into the store, then note it; the same bytes again are the same file.

    Raises:
        FileTooLarge, FileEmpty, FileKindUnsupported, UploadMalformed: nothing is kept.
        FilesAway: the store refuses.
    """
    fresh = await put(vault, outlet, plain)
    async with transaction(vault.sessions) as session:
        row = await keep(session, fresh)
    return await settled(vault, row, fresh)


async def put(vault: Vault, outlet: str, plain: AsyncIterator[bytes]) -> StoredFile:
    """Seal a stream into the store, announced before as a leftover; gives the row that makes it a file."""
    path, measured = str(uuid7()), Measured()
    async with transaction(vault.sessions) as session:
        await queries.announce(session, [path], now() + UNDER_WAY)
    try:
        async with asyncio.timeout(LONGEST):
            await stores.put(vault, path, measured.through(plain))
    except TimeoutError:
        await stores.try_to_remove(vault.files, path)
        raise UploadMalformed(private="too slow") from None
    digest = measured.digest.digest()
    return StoredFile(
        id=file_id(vault.keys, outlet, digest, measured.size), path=path, outlet=outlet,
        sha256=digest, size=measured.size, media_type=kind_of(measured.head),
    )  # fmt: skip


async def keep(session: AsyncSession, fresh: StoredFile) -> StoredFile:
    """Make what was put into the store a file, or find the one that has the same bytes.

    Raises:
        FilesAway: it took so long that it was taken for left over.
    """
    row = await queries.file(session, fresh)
    if row.path == fresh.path and not await queries.claim(session, fresh.path):
        raise FilesAway(private="swept")
    return row


async def settled(vault: Vault, row: StoredFile, fresh: StoredFile) -> StoredFile:
    """Remove the bytes that were put into the store a second time."""
    if row.path != fresh.path:
        await stores.try_to_remove(vault.files, fresh.path)
    return row


async def use(session: AsyncSession, application: str, files: Sequence[str]) -> set[str]:
    """Let an application hold files, which are never removed from then on; give those that are gone."""
    held = await queries.use(session, application, files)
    return set(files) - held
