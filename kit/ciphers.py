"""The algorithms there are: the international ones, and those of the state (GB/T 32907, GB/T 32905)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TAG = 16
SM4_KEY = 16
"""SM4 takes 128 bits of a derived key's 256."""


class Sealer(Protocol):
    """Encrypts with authentication, and tells when what it opens was changed."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """Give cipher text and tag."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """Give the plain text, or raise `InvalidTag`."""


class SM4GCM:
    """SM4 in GCM, in the form of the library's own AES-GCM, which it has not for SM4."""

    def __init__(self, key: bytes) -> None:
        self._cipher = algorithms.SM4(key[:SM4_KEY])

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """Give cipher text and tag."""
        context = Cipher(self._cipher, modes.GCM(nonce)).encryptor()
        context.authenticate_additional_data(associated_data or b"")
        sealed = context.update(data) + context.finalize()
        return sealed + context.tag

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """Give the plain text; nothing of it before the tag has been checked."""
        mode = modes.GCM(nonce, data[-TAG:].rjust(TAG, b"\0"))
        context = Cipher(self._cipher, mode).decryptor()
        context.authenticate_additional_data(associated_data or b"")
        return context.update(data[:-TAG]) + context.finalize()


@dataclass(frozen=True, eq=False)
class Suite:
    """Algorithms that go together: one of the two below, so that it is a cheap key of what is cached."""

    version: int
    """First byte of what is sealed with it."""
    hash: Callable[[], hashes.HashAlgorithm]
    sealer: Callable[[bytes], Sealer]


SUITES: Mapping[str, Suite] = MappingProxyType(
    {
        "aes": Suite(1, hashes.SHA256, AESGCM),
        "sm": Suite(2, hashes.SM3, SM4GCM),
    }
)
