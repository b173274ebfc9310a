"""Hashes of the chain: of a row, of the rows of a block, of a block.

A row's hash and the hash of two hashes begin with different bytes, as in RFC 6962: no row can pass for a pair.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from kit.signing import Signer

LEAF, PAIR = b"\x00", b"\x01"
SIZE = 32
"""Bytes of a hash: SHA-256 and SM3 alike."""

Hash = Callable[[bytes], bytes]


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _sm3(data: bytes) -> bytes:
    return hashlib.new("sm3", data).digest()


HASHES: Mapping[str, Hash] = {"sha256": _sha256, "sm3": _sm3}
HASH_OF = {"aes": "sha256", "sm": "sm3"}
"""Which hash goes with which suite."""

START = bytes(SIZE)
"""What the first block names as the one before."""


class Covered(NamedTuple):
    """The rows of one kind that a block covers; none where `last` is before `first`."""

    first: int
    last: int
    root: str
    form: int = 1


class Statement(NamedTuple):
    """What a block says. Its text is what is hashed and signed."""

    block: int
    at: datetime
    hash: str
    previous: str
    spans: Mapping[str, Covered]
    dropped: Mapping[str, int]
    """Up to which number of each kind rows have been given up, on purpose."""

    def text(self) -> bytes:
        """Write it: the same statement is always the same bytes."""
        said: dict[str, Any] = self._asdict()
        said["spans"] = {name: span._asdict() for name, span in self.spans.items()}
        said["at"] = self.at.astimezone(UTC).isoformat()
        return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)

    @classmethod
    def read(cls, text: bytes | str) -> "Statement":
        """Read what `text` wrote.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: it is none.
        """
        said = orjson.loads(text)
        said["spans"] = {name: Covered(**span) for name, span in said["spans"].items()}
        said["at"] = datetime.fromisoformat(said["at"])
        return cls(**said)


class Sealed(NamedTuple):
    """A statement with its hash and its signature."""

    statement: bytes
    hash: bytes
    key: str
    signature: bytes


def leaves(hash_: Hash, rows: Sequence[bytes]) -> list[bytes]:
    """Hash rows, each as it is told."""
    return [hash_(LEAF + row) for row in rows]


def root(hash_: Hash, hashed: Sequence[bytes]) -> bytes:
    """Give the root of a tree of hashes; what has no neighbour goes up as it is."""
    level = list(hashed) or [hash_(b"")]
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        level = [hash_(PAIR + a + b) for a, b in zip(level[::2], level[1::2], strict=False)] + odd
    return level[0]


def split(joined: bytes) -> list[bytes]:
    """Take apart hashes that are kept as one."""
    return [joined[at : at + SIZE] for at in range(0, len(joined), SIZE)]


def seal(statement: Statement, signer: Signer) -> Sealed:
    """Hash and sign a statement."""
    text = statement.text()
    return Sealed(text, HASHES[statement.hash](text), signer.id, signer.sign(text))
