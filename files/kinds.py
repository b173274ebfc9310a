"""What a file is, told by its bytes while they pass."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from files.errors import FileEmpty, FileKindUnsupported, FileTooLarge

LARGEST = 20 * 1024 * 1024
SNIFF = 512
"""Bytes that tell the kind of a file."""


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
class Measured:
    """What is learned of a stream while it passes."""

    size: int = 0
    head: bytes = b""
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    async def through(self, plain: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Pass a stream on; stop it where it is too large, or no kind that is taken.

        Raises:
            FileTooLarge, FileEmpty, FileKindUnsupported: what its name says.
        """
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
