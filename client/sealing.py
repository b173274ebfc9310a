"""What a terminal keeps is sealed: AES-256-GCM, under a key that its caller holds and the store never has."""

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from client.errors import WrongKey

KEY = 32
"""Bytes of the caller's key."""

NONCE = 12


class Seal:
    """Seals what is personal, bound to where it stands, and finds people without naming them."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY:
            raise ValueError("the key has 32 bytes")
        self._cipher = AESGCM(_apart(key, b"seal"))
        self._index = _apart(key, b"index")

    def close(self, plain: bytes, where: str) -> bytes:
        """Seal bytes for a place."""
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, where.encode())

    def open(self, sealed: bytes, where: str) -> bytes:
        """Open what was sealed for a place.

        Raises:
            WrongKey: it was sealed under another key, for another place, or was changed.
        """
        try:
            return self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], where.encode())
        except InvalidTag:
            raise WrongKey("sealed under another key, or changed") from None

    def index(self, text: str) -> bytes:
        """Give the same bytes for the same text, from which it can't be told without the key."""
        return hmac.digest(self._index, text.encode(), "sha256")


def _apart(key: bytes, use: bytes) -> bytes:
    """Derive a key for one use."""
    return hmac.digest(key, b"syt terminal " + use, "sha256")
