"""Signing what is handed out: Ed25519 (RFC 8032).

Not SM2: the library that we rely on has no SM2 signature, and one written by hand or taken from a package
without audit would prove less. Where the state's algorithms are demanded, a root is a short text that any
signature machine can sign once more.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from pydantic import SecretStr

from kit.crypto import KeysUnusable, read_closed, write_once
from kit.settings import Settings

PURPOSE, RECEIPTS = b"syt-evidence-1\n", b"syt-receipt-1\n"
"""One of them stands before all that is signed: a signature of ours is one for nothing else."""

ID = 16
END = "-----END "
Trusted = Mapping[str, Ed25519PublicKey]


def key_id(key: Ed25519PublicKey) -> str:
    """Name a key by its own hash: nobody can give another the name."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:ID]


def written(key: Ed25519PublicKey) -> str:
    """Write a public key: base64 of its 32 bytes."""
    return base64.b64encode(key.public_bytes_raw()).decode()


@dataclass(frozen=True)
class Signer:
    """Signs, and knows whose signatures are to be believed."""

    private: Ed25519PrivateKey = field(repr=False)
    trusted: Trusted
    purpose: bytes = PURPOSE

    @property
    def public(self) -> Ed25519PublicKey:
        """The key by which others check."""
        return self.private.public_key()

    @property
    def id(self) -> str:
        """Its name."""
        return key_id(self.public)

    def sign(self, statement: bytes) -> bytes:
        """Sign a statement."""
        return self.private.sign(self.purpose + statement)


def holds(
    key: Ed25519PublicKey, statement: bytes, signature: bytes, purpose: bytes = PURPOSE
) -> bool:
    """Tell whether the key signed the statement, for that purpose."""
    try:
        key.verify(signature, purpose + statement)
    except InvalidSignature:
        return False
    return True


def read_public(text: str) -> Trusted:
    """Read the public keys of a PEM text; of a private key its public one.

    Raises:
        KeysUnusable: there is something else in it, or nothing.
    """
    found = [_public(part) for part in _parts(text)]
    if not found:
        raise KeysUnusable("there is no key in PEM")
    return {key_id(key): key for key in found}


def _parts(text: str) -> list[str]:
    return [part for part in _split(text) if part.strip()]


def _split(text: str) -> list[str]:
    lines, parts, held = text.splitlines(keepends=True), [], ""
    for line in lines:
        held += line
        if line.startswith(END):
            parts.append(held)
            held = ""
    return [*parts, held]


def _public(part: str) -> Ed25519PublicKey:
    if "PRIVATE KEY" in part:
        return _private(part).public_key()
    try:
        key = load_pem_public_key(part.encode())
    except ValueError as error:
        raise KeysUnusable("not a public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeysUnusable("what is handed out is signed by Ed25519 keys")
    return key


def _private(part: str) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(part.encode(), None)
    except (ValueError, TypeError) as error:
        raise KeysUnusable("the signing key is no private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeysUnusable("the signing key must be an Ed25519 key")
    return key


def read_signer(text: str, purpose: bytes = PURPOSE) -> Signer:
    """Read a private key in PEM; public keys after it are those that signed before.

    Raises:
        KeysUnusable: it is none.
    """
    parts = _parts(text)
    if not parts:
        raise KeysUnusable("the signing key is empty")
    return Signer(_private(parts[0]), read_public(text), purpose)


def make_pem() -> str:
    """Make a fresh private key."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: Ed25519PublicKey) -> str:
    """Write a public key in PEM, as `--trust` reads it."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def load_signer(settings: Settings) -> Signer:
    """Load the key that signs roots of evidence; make its file on first use, readable by us alone.

    Raises:
        KeysUnusable: there is one, and it is of no use.
    """
    return _load(settings.signing_key, _path(settings), PURPOSE)


def load_receipt_signer(settings: Settings) -> Signer:
    """Load the key that signs receipts, in the same way. It is another: the API has not that of evidence.

    Raises:
        KeysUnusable: there is one, and it is of no use.
    """
    return _load(settings.receipt_key, settings.home / "receipts.pem", RECEIPTS)


def _load(given: SecretStr | None, path: Path, purpose: bytes) -> Signer:
    if given is not None:
        return read_signer(given.get_secret_value(), purpose)
    if not path.exists():
        write_once(path, make_pem())
    return read_signer(read_closed(path), purpose)


def load_trusted(settings: Settings) -> Trusted:
    """Give the keys that the settings make us believe; none where they hold no signing key.

    Raises:
        KeysUnusable: there is one, and it is of no use.
    """
    if settings.signing_key is None and not _path(settings).exists():
        return {}
    return load_signer(settings).trusted


def _path(settings: Settings) -> Path:
    return settings.home / "signing.pem"
