"""What can be done with files: store them sealed, and give them back."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url
from sqlmodel.ext.asyncio.session import AsyncSession

from files.errors import (
    FileEmpty,
    FileKindUnsupported,
    FileNotFound,
    FilesAway,
    FileTooLarge,
)
from files.models import StoredFile
from files.proof import file_id
from files.sealing import open_, seal
from kit.crypto import KeyRing
from kit.ids import uuid7
from kit.settings import Settings

LARGEST = 20 * 1024 * 1024
SNIFF = 512
"""Bytes that tell the kind of a file."""


def make_store(settings: Settings) -> ObjectStore:
    """Open the store of the settings: a folder of ours, or what the URL names."""
    if settings.files_url is not None:
        return from_url(settings.files_url, **settings.files_options)
    return LocalStore(prefix=settings.home / "files", mkdir=True)


def kind_of(head: bytes) -> str:
    """Tell the media type by the first bytes; an OFD is a ZIP that begins with its own parts.

    Raises:
        FileKindUnsupported: it is none of the four that are taken.
    """
    if head.startswith(b"%PDF-"):
        return "application/pdf"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"PK\x03\x04") and (b"OFD.xml" in head or b"Doc_0/" in head):
        return "application/ofd"
    raise FileKindUnsupported()


@dataclass
class _Measured:
    """What is learned of a stream while it passes."""

    size: int = 0
    head: bytes = b""
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    async def through(self, plain: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Pass a stream on; stop it where it is too large, or no kind that is taken."""
        checked = False
        async for piece in plain:
            self.size += len(piece)
            if self.size > LARGEST:
                raise FileTooLarge()
            self.digest.update(piece)
            if len(self.head) < SNIFF:
                self.head += piece[: SNIFF - len(self.head)]
            if not checked and len(self.head) >= SNIFF:
                kind_of(self.head)
                checked = True
            yield piece
        if self.size == 0:
            raise FileEmpty()
        kind_of(self.head)


@contextmanager
def _refusals() -> Iterator[None]:
    """Tell a store that refuses from a fault of ours."""
    try:
        yield
    except FileNotFoundError:
        raise FileNotFound() from None
    except BaseError as error:
        raise FilesAway(private=type(error).__name__) from None


async def store(
    session: AsyncSession,
    files: ObjectStore,
    keys: KeyRing,
    outlet: str,
    plain: AsyncIterator[bytes],
) -> StoredFile:
    """Seal a stream into the store, then note it; no plain byte touches a disk.

    Raises:
        FileTooLarge, FileEmpty, FileKindUnsupported: nothing is kept.
        FilesAway: the store refuses.
    """
    id_, measured = uuid7(), _Measured()
    path = f"{id_}"
    with _refusals():
        await files.put_async(path, seal(keys, measured.through(plain), f"file:{path}"))
    digest = measured.digest.digest()
    row = StoredFile(
        id=file_id(keys, id_, outlet, digest, measured.size), path=path, outlet=outlet, sha256=digest,
        size=measured.size, media_type=kind_of(measured.head),
    )  # fmt: skip
    session.add(row)
    await session.flush()
    return row


async def read(files: ObjectStore, keys: KeyRing, row: StoredFile) -> AsyncIterator[bytes]:
    """Open a stored file as a stream.

    Raises:
        FileNotFound: the store has lost it.
        FilesAway: the store refuses.
    """
    with _refusals():
        got = await files.get_async(row.path)
    return open_(keys, aiter(got.stream()), f"file:{row.path}")
