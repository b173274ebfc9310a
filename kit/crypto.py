"""Sealing, keyed hashes and the ring of keys behind them."""

import base64
import hmac
import json
import os
import re
import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kit.settings import Settings

NONCE = 12
ID_FORM = re.compile(r"[A-Za-z0-9_-]{1,16}", re.ASCII)
VERSION = 1


class KeysUnusable(Exception):
    """The key ring is missing, damaged, or not the one that sealed what is read."""


@dataclass(frozen=True)
class KeyRing:
    """Keys by id. The current one seals; the others only open what they once sealed.

    Keys for keyed hashes are derived from the same ring and must never be dropped: a hash made with a
    lost key is found no more. The first key of the ring makes those by which rows are found.
    """

    current: str
    keys: dict[str, bytes] = field(repr=False)
    """32 bytes each, by an id of 1 to 16 ASCII characters."""

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Read `{"current": id, "keys": {id: base64}}`.

        Raises:
            KeysUnusable: the text is not such a ring.
        """
        try:
            raw = json.loads(text)
            keys = {name: base64.b64decode(key, validate=True) for name, key in raw["keys"].items()}
            ring = cls(str(raw["current"]), keys)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise KeysUnusable("the key ring is not readable") from error
        if ring.current not in keys or any(len(key) != 32 for key in keys.values()):
            raise KeysUnusable("the key ring needs 32 bytes a key, and its current key")
        if not all(ID_FORM.fullmatch(name) for name in keys):
            raise KeysUnusable("ids of keys are 1 to 16 ASCII letters, digits, - and _")
        return ring

    @classmethod
    def make(cls) -> "KeyRing":
        """Make a ring of one fresh key."""
        return cls("k1", {"k1": secrets.token_bytes(32)})

    def dump(self) -> str:
        """Write what `parse` reads."""
        keys = {name: base64.b64encode(key).decode() for name, key in self.keys.items()}
        return json.dumps({"current": self.current, "keys": keys})

    def derive(self, purpose: str, key_id: str | None = None) -> bytes:
        """Derive the 32-byte key of one purpose: no key serves two."""
        return _derive(self.keys[key_id or self.current], purpose)

    def seal(self, plain: bytes, *, bound_to: str) -> bytes:
        """Seal with AES-256-GCM. What is sealed for one place opens at no other."""
        nonce = os.urandom(NONCE)
        cipher = _cipher(self.derive("seal"))
        head = bytes([VERSION, len(self.current)]) + self.current.encode()
        return head + nonce + cipher.encrypt(nonce, plain, bound_to.encode())

    def open(self, sealed: bytes, *, bound_to: str) -> bytes:
        """Open what `seal` made.

        Raises:
            KeysUnusable: the key is not in the ring, or the bytes were changed or moved.
        """
        key_id, rest = _split_head(sealed)
        if key_id not in self.keys:
            raise KeysUnusable(f"no key {key_id} in the ring")
        cipher = _cipher(self.derive("seal", key_id))
        try:
            return cipher.decrypt(rest[:NONCE], rest[NONCE:], bound_to.encode())
        except InvalidTag:
            raise KeysUnusable("sealed bytes were changed, or belong elsewhere") from None

    def mac(self, purpose: str, data: bytes, key_id: str | None = None) -> bytes:
        """Give the HMAC-SHA-256 of `data` under the key of `purpose`."""
        begun = _begun(self.keys[key_id or self.current], purpose).copy()
        begun.update(data)
        return begun.finalize()

    def find(self, purpose: str, data: bytes) -> bytes:
        """Give the keyed hash by which something is found again: always under the ring's first key."""
        return self.mac(purpose, data, next(iter(self.keys)))

    def holds(self, purpose: str, data: bytes, mac: bytes) -> bool:
        """Tell whether `mac` (or its first bytes, 16 at least) was made here with any key."""
        return len(mac) >= 16 and any(
            hmac.compare_digest(self.mac(purpose, data, key_id)[: len(mac)], mac)
            for key_id in self.keys
        )


def _split_head(sealed: bytes) -> tuple[str, bytes]:
    if len(sealed) < 2 + NONCE or sealed[0] != VERSION:
        raise KeysUnusable("not a sealed value")
    end = 2 + sealed[1]
    if len(sealed) < end + NONCE:
        raise KeysUnusable("not a sealed value")
    return sealed[2:end].decode(errors="replace"), sealed[end:]


@lru_cache(maxsize=256)
def _derive(key: bytes, purpose: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"syt/" + purpose.encode()).derive(key)


@lru_cache(maxsize=256)
def _begun(key: bytes, purpose: str) -> HMAC:
    """Give a hash to copy that has taken its key in: to begin anew takes longer than to hash a body."""
    return HMAC(_derive(key, purpose), hashes.SHA256())


@lru_cache(maxsize=256)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)


def load_keys(settings: Settings) -> KeyRing:
    """Load the ring of the settings; make its file on the first start, readable by us alone.

    Raises:
        KeysUnusable: there is one, and it can't be read.
    """
    if settings.keys is not None:
        return KeyRing.parse(settings.keys.get_secret_value())
    path = settings.home / "keys.json"
    if not path.exists():
        _write_once(path, KeyRing.make().dump())
    try:
        return KeyRing.parse(path.read_text())
    except (OSError, UnicodeError) as error:
        raise KeysUnusable(f"{path} can't be read") from error


def _write_once(path: Path, text: str) -> None:
    """Write beside and link into place: two first starts at once end with one ring."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(beside, path)
    except FileExistsError:
        pass
    finally:
        beside.unlink()
