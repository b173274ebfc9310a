"""Binding a text that stands sealed elsewhere: nobody learns it from the commitment, nobody changes it unseen.

The commitment is a keyed hash of the plain text. Its key is drawn for this text alone and sealed with it, so
the commitment outlives every key of the ring: to seal the text again under another key leaves it as it is.
"""

import hashlib
import hmac
import secrets
from typing import NamedTuple

from kit.crypto import KeyRing, KeysUnusable

BLIND = 32
"""Bytes of the key, which stand before the text: without it a guess could be checked."""


class Committed(NamedTuple):
    """A text that is sealed and bound."""

    sealed: bytes
    commitment: bytes


def commit(keys: KeyRing, text: str, *, bound_to: str) -> Committed:
    """Seal a text, and bind it."""
    blind, plain = secrets.token_bytes(BLIND), text.encode()
    return Committed(keys.seal(blind + plain, bound_to=bound_to), _commitment(blind, plain))


def read(keys: KeyRing, sealed: bytes, commitment: bytes | None, *, bound_to: str) -> str:
    """Open a text, and check that it is the one that was bound.

    Raises:
        KeysUnusable: the key is lost, the bytes were changed or moved, or it is another text.
    """
    plain = keys.open(sealed, bound_to=bound_to)
    if commitment is None:
        return plain.decode()
    if not hmac.compare_digest(_commitment(plain[:BLIND], plain[BLIND:]), commitment):
        raise KeysUnusable("the text is not the one that was committed to")
    return plain[BLIND:].decode()


def _commitment(blind: bytes, plain: bytes) -> bytes:
    return hmac.digest(blind, plain, hashlib.sha256)
