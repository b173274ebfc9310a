"""Files that come in parts (tus 1.0), over lines that break.

A part is cut into pieces, each sealed into the store before the database says that it came: so any process may
take the next part, and a line that breaks loses nothing that was told. The last piece and the whole file
are noted together: an upload that stands at its length is a stored file.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple

from sqlmodel.ext.asyncio.session import AsyncSession

from files import queries, service, stores
from files.errors import (
    ChecksumMismatch,
    ChecksumUnknown,
    FileEmpty,
    FileKindUnsupported,
    FileTooLarge,
    MetadataMalformed,
    UploadMalformed,
    UploadNotFound,
    UploadOffset,
    UploadPastLength,
)
from files.kinds import LARGEST, SNIFF, kind_of
from files.models import FileUpload
from files.stores import Vault
from kit.clock import now
from kit.crypto import KeyRing
from kit.db import transaction
from kit.ids import uuid7

PIECE = 1024 * 1024
"""Bytes that are held in memory at most, and lost when a process is killed."""

LIFE = timedelta(days=1)
"""How long an upload waits for its next part."""

LATE = timedelta(minutes=10)
"""How long after an upload's end a piece of it may still be on its way into the store."""

ALGORITHMS = ("sha1", "sha256")
BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
PAIR = rf"[!-+\--~]+(?: {BASE64})?"
METADATA = re.compile(f"{PAIR}(?:,{PAIR})*")
LONGEST_METADATA = 1024
BOUND = "file_upload.metadata_sealed"


class Checksum(NamedTuple):
    """What a part says of itself."""

    algorithm: str
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> "Checksum":
        """Read `sha1 <base64>`.

        Raises:
            ChecksumUnknown: it is none of those offered.
        """
        algorithm, _, encoded = text.partition(" ")
        try:
            digest = base64.b64decode(encoded, validate=True)
        except (ValueError, binascii.Error):
            raise ChecksumUnknown() from None
        if algorithm not in ALGORITHMS or len(digest) != hashlib.new(algorithm).digest_size:
            raise ChecksumUnknown()
        return cls(algorithm, digest)


async def create(vault: Vault, outlet: str, length: int, metadata: str | None) -> FileUpload:
    """Begin an upload; what can't be a file is told before a byte of it comes.

    Raises:
        FileTooLarge, FileEmpty, MetadataMalformed: what its name says.
    """
    if length > LARGEST:
        raise FileTooLarge()
    if length == 0:
        raise FileEmpty()
    id_ = str(uuid7())
    row = FileUpload(
        id=id_, outlet=outlet, length=length, parts=[], expires_at=now() + LIFE,
        metadata_sealed=_sealed(vault.keys, id_, metadata),
    )  # fmt: skip
    async with transaction(vault.sessions) as session:
        session.add(row)
    return row


def _sealed(keys: KeyRing, id_: str, metadata: str | None) -> bytes | None:
    """Seal what a client calls its file: names of files name people."""
    if not metadata:
        return None
    if len(metadata) > LONGEST_METADATA or METADATA.fullmatch(metadata) is None:
        raise MetadataMalformed()
    return keys.seal(metadata.encode(), bound_to=f"{BOUND}:{id_}")


def metadata_of(keys: KeyRing, row: FileUpload) -> str | None:
    """Give the metadata as they were given."""
    if row.metadata_sealed is None:
        return None
    return keys.open(row.metadata_sealed, bound_to=f"{BOUND}:{row.id}").decode()


async def find(vault: Vault, id_: str, outlet: str) -> FileUpload:
    """Load an upload of an outlet.

    Raises:
        UploadNotFound: there is none, or it has expired.
    """
    async with transaction(vault.sessions) as session:
        row = await queries.upload(session, id_, outlet, now())
    if row is None:
        raise UploadNotFound()
    return row


async def terminate(vault: Vault, row: FileUpload) -> None:
    """End an upload, and remove what came of it. A file that it has become stays."""
    async with transaction(vault.sessions) as session:
        await queries.end_upload(session, row.id, now() + LATE)
    await stores.try_to_remove(vault.files, _folder(row))


def _folder(row: FileUpload) -> str:
    return f"{queries.UPLOADS}{row.id}/"


async def receive(
    vault: Vault, row: FileUpload, at: int, part: AsyncIterator[bytes], checksum: Checksum | None
) -> FileUpload:
    """Add a part to an upload; gives the upload as it then stands.

    Of two that add at once the later one goes on, and the other is told: the earlier one's line may be dead
    without our knowing, and its client is the one who comes again.

    Raises:
        UploadOffset: it stands elsewhere, or another one has begun to add.
        UploadPastLength: more than was announced; `ChecksumMismatch`: nothing of the part is kept.
        FileKindUnsupported: no kind that is taken; the upload is ended.
        FilesAway: the store refuses; what was kept before stays.
    """
    if row.file is not None and at == row.length:
        return row
    async with transaction(vault.sessions) as session:
        taken = await queries.take(session, row.id, at, str(uuid7()))
    if taken is None:
        raise UploadOffset(offset=row.received)
    async with _ended_where_unfit(vault, row):
        adding = _Adding(vault, taken, checksum)
        await adding.resume()
        await adding.take_in(part)
    return taken


@asynccontextmanager
async def _ended_where_unfit(vault: Vault, row: FileUpload) -> AsyncIterator[None]:
    try:
        yield
    except FileKindUnsupported:
        await terminate(vault, row)
        raise


class _Adding:
    """One part on its way in; the row is what the database knows, `parts` what lies in the store."""

    def __init__(self, vault: Vault, row: FileUpload, checksum: Checksum | None) -> None:
        self._vault, self._row, self._checksum = vault, row, checksum
        self._parts, self._stored = list(row.parts), row.received
        self._held = bytearray()
        algorithm = checksum.algorithm if checksum else ALGORITHMS[0]
        self._digest = hashlib.new(algorithm, usedforsecurity=False)

    @property
    def _reached(self) -> int:
        return self._stored + len(self._held)

    async def resume(self) -> None:
        """Take up a last piece that is not full: so there are never more than the whole needs."""
        if self._parts and (size := _size(self._parts[-1])) < PIECE:
            async for piece in await stores.get(self._vault, self._parts[-1]):
                self._held += piece
            del self._parts[-1]
            self._stored -= size

    async def take_in(self, part: AsyncIterator[bytes]) -> None:
        """Keep what comes; when the line breaks, what came until then, if nothing vouches for the whole."""
        try:
            async for piece in part:
                await self._hold(piece)
        except UploadMalformed:
            if self._checksum is None:
                await self._flush()
            raise
        if self._checksum is not None and self._digest.digest() != self._checksum.digest:
            raise ChecksumMismatch()
        await (self._finish() if self._reached == self._row.length else self._flush())

    async def _hold(self, piece: bytes) -> None:
        if self._reached + len(piece) > self._row.length:
            raise UploadPastLength()
        self._digest.update(piece)
        self._held += piece
        while len(self._held) > PIECE:
            await self._put(PIECE)
            if self._checksum is None:
                await self._tell()

    async def _flush(self) -> None:
        if self._reached > self._row.received:
            await self._put(len(self._held))
            await self._tell()

    async def _put(self, count: int) -> None:
        """Put the first bytes that are held into the store, as a piece."""
        if count == 0:
            return
        piece = bytes(self._held[:count])
        if self._stored == 0 and count >= SNIFF:
            kind_of(piece[:SNIFF])
        path = f"{_folder(self._row)}{self._stored}-{self._stored + count}-{uuid7()}"
        await stores.put(self._vault, path, _once(piece))
        self._parts.append(path)
        self._stored += count
        del self._held[:count]

    async def _tell(self) -> None:
        """Let the database know what lies in the store.

        Raises:
            UploadOffset: another one has begun to add.
        """
        known, told = self._row.parts, {"parts": self._parts.copy(), "received": self._stored}
        async with transaction(self._vault.sessions) as session:
            await _advance(session, self._row, **told)
        await stores.try_to_remove(self._vault.files, *set(known).difference(self._parts))

    async def _finish(self) -> None:
        """Make one file of all pieces; it is noted together with the last of them."""
        vault, row = self._vault, self._row
        fresh = await service.put(vault, row.outlet, self._whole())
        async with transaction(vault.sessions) as session:
            kept = await service.keep(session, fresh)
            await _advance(session, row, parts=[], received=row.length, file=kept.id)
            await queries.announce(session, [_folder(row)], now() + LATE)
        await service.settled(vault, kept, fresh)
        await stores.try_to_remove(vault.files, _folder(row))

    async def _whole(self) -> AsyncIterator[bytes]:
        for path in self._parts:
            async for piece in await stores.get(self._vault, path):
                yield piece
        yield bytes(self._held)


async def _advance(session: AsyncSession, row: FileUpload, **changed: Any) -> None:
    """Change an upload's row, if its holder still is who it says; and what is held of it.

    Raises:
        UploadOffset: another one has begun to add, or ended it.
    """
    changed |= {"expires_at": now() + LIFE}
    if not await queries.advance(session, row, **changed):
        raise UploadOffset(offset=row.received)
    for name, value in changed.items():
        setattr(row, name, value)


async def _once(piece: bytes) -> AsyncIterator[bytes]:
    yield piece


def _size(path: str) -> int:
    """Read off a piece's name how long it is."""
    start, end, _ = path.rpartition("/")[2].split("-", 2)
    return int(end) - int(start)
