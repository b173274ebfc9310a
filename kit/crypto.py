"""Sealing, keyed hashes and the ring of keys behind them."""

import base64
import hmac
import json
import os
import re
import secrets
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kit.ciphers import SUITES, Sealer, Suite
from kit.settings import Settings

INTERNATIONAL, NATIONAL = SUITES["aes"], SUITES["sm"]
NONCE = 12
ID_FORM = re.compile(r"[A-Za-z0-9_-]{1,16}", re.ASCII)
KMS_SECONDS = 20.0
CHECK = 16
"""Bytes of a key's check value."""


class KeysUnusable(Exception):
    """The key ring is missing, damaged, or not the one that sealed what is read."""


def place(table: str, column: str, key: object) -> str:
    """Name where a value is sealed: bound to it, it opens in no other row and no other column."""
    return f"{table}.{column}:{key}"


@dataclass(frozen=True)
class KeyRing:
    """Keys by id. The current one seals; the others only open what they once sealed.

    Keys for keyed hashes are derived from the same ring and must never be dropped: a hash made with a
    lost key is found no more. The first key of the ring makes those by which rows are found.
    """

    current: str
    keys: dict[str, bytes] = field(repr=False)
    """32 bytes each, by an id of 1 to 16 ASCII characters."""

    national: frozenset[str] = frozenset()
    """Ids of the keys that serve SM4-GCM and SM3; all others serve AES-256-GCM and SHA-256."""

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Read `{"current": id, "keys": {id: base64}, "suites": {id: "sm"}}`; suites may be left out.

        Raises:
            KeysUnusable: the text is not such a ring.
        """
        try:
            raw = json.loads(text)
            keys = {name: base64.b64decode(key, validate=True) for name, key in raw["keys"].items()}
            suites = dict(raw.get("suites", {}))
            national = frozenset(name for name, suite in suites.items() if suite == "sm")
            ring = cls(str(raw["current"]), keys, national)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise KeysUnusable("the key ring is not readable") from error
        if not set(suites) <= set(keys) or not set(suites.values()) <= set(SUITES):
            raise KeysUnusable("suites of keys are aes or sm, each of a key that is there")
        return ring._checked()

    def _checked(self) -> "KeyRing":
        if self.current not in self.keys or any(len(key) != 32 for key in self.keys.values()):
            raise KeysUnusable("the key ring needs 32 bytes a key, and its current key")
        if not all(ID_FORM.fullmatch(name) for name in self.keys):
            raise KeysUnusable("ids of keys are 1 to 16 ASCII letters, digits, - and _")
        return self

    @classmethod
    def make(cls, suite: str = "aes") -> "KeyRing":
        """Make a ring of one fresh key."""
        return cls("k1", {}).with_new("k1", suite)

    def with_new(self, key_id: str, suite: str = "aes") -> "KeyRing":
        """Give this ring and one fresh key, which is not the current one yet.

        Raises:
            KeysUnusable: the id is taken, or can't be written into a seal.
        """
        if key_id in self.keys:
            raise KeysUnusable(f"there is a key {key_id} already")
        keys = {**self.keys, key_id: secrets.token_bytes(32)}
        national = self.national | ({key_id} if suite == "sm" else set())
        return KeyRing(self.current, keys, frozenset(national))._checked()

    def with_current(self, key_id: str) -> "KeyRing":
        """Give this ring with another current key.

        Raises:
            KeysUnusable: there is no such key.
        """
        return KeyRing(key_id, self.keys, self.national)._checked()

    def dump(self) -> str:
        """Write what `parse` reads."""
        keys = {name: base64.b64encode(key).decode() for name, key in self.keys.items()}
        suites = {"suites": dict.fromkeys(sorted(self.national), "sm")} if self.national else {}
        return json.dumps({"current": self.current, "keys": keys, **suites})

    def suite(self, key_id: str | None = None) -> Suite:
        """Give the algorithms that a key serves."""
        return NATIONAL if (key_id or self.current) in self.national else INTERNATIONAL

    def derive(self, purpose: str, key_id: str | None = None) -> bytes:
        """Derive the 32-byte key of one purpose: no key serves two."""
        return _derive(self.keys[key_id or self.current], purpose, self.suite(key_id))

    def seal(self, plain: bytes, *, bound_to: str) -> bytes:
        """Seal under the current key. What is sealed for one place opens at no other."""
        nonce, suite = os.urandom(NONCE), self.suite()
        cipher = _cipher(self.derive("seal"), suite)
        head = bytes([suite.version, len(self.current)]) + self.current.encode()
        return head + nonce + cipher.encrypt(nonce, plain, bound_to.encode())

    def open(self, sealed: bytes, *, bound_to: str) -> bytes:
        """Open what `seal` made.

        Raises:
            KeysUnusable: the key is not in the ring, or the bytes were changed or moved.
        """
        key_id, rest = _split_head(sealed)
        if key_id not in self.keys:
            raise KeysUnusable(f"no key {key_id} in the ring")
        suite = self.suite(key_id)
        if sealed[0] != suite.version:
            raise KeysUnusable("sealed bytes were changed, or belong elsewhere")
        cipher = _cipher(self.derive("seal", key_id), suite)
        try:
            return cipher.decrypt(rest[:NONCE], rest[NONCE:], bound_to.encode())
        except InvalidTag:
            raise KeysUnusable("sealed bytes were changed, or belong elsewhere") from None

    def mac(self, purpose: str, data: bytes, key_id: str | None = None) -> bytes:
        """Give the HMAC of `data` under the key of `purpose`: with SHA-256 or SM3, as the key serves."""
        begun = _begun(self.keys[key_id or self.current], purpose, self.suite(key_id)).copy()
        begun.update(data)
        return begun.finalize()

    def find(self, purpose: str, data: bytes) -> bytes:
        """Give the keyed hash that must never change: always under the ring's first key."""
        return self.mac(purpose, data, next(iter(self.keys)))

    def each(self, purpose: str, data: bytes) -> list[bytes]:
        """Give the keyed hash under every key, the current one's first: for looking up what was hashed
        before the current key was, and has not been sealed again since."""
        others = [key_id for key_id in self.keys if key_id != self.current]
        return [self.mac(purpose, data, key_id) for key_id in (self.current, *others)]

    def check_value(self, key_id: str) -> bytes:
        """Give what tells a key from another with its id, and tells nothing of the key."""
        return self.mac("check", key_id.encode(), key_id)[:CHECK]

    def holds(self, purpose: str, data: bytes, mac: bytes) -> bool:
        """Tell whether `mac` (or its first bytes, 16 at least) was made here with any key."""
        return len(mac) >= 16 and any(
            hmac.compare_digest(self.mac(purpose, data, key_id)[: len(mac)], mac)
            for key_id in self.keys
        )

    def compare(self, known: Mapping[str, bytes]) -> None:
        """Compare the ring with the check values of the keys by which something was sealed.

        Raises:
            KeysUnusable: one is missing, or another has its name.
        """
        if missing := sorted(set(known) - set(self.keys)):
            raise KeysUnusable(
                f"the key ring lacks {', '.join(missing)}, by which this database is sealed:"
                " find it, or give it up for good by `syt keys give-up`"
            )
        wrong = sorted(name for name, value in known.items() if self.check_value(name) != value)
        if wrong:
            raise KeysUnusable(
                f"{', '.join(wrong)} of the key ring is another key than the one of that name by"
                " which this database is sealed: is it the ring of another installation?"
            )


def sealed_under(sealed: bytes) -> str:
    """Tell under which key a value is sealed.

    Raises:
        KeysUnusable: it is no sealed value.
    """
    return _split_head(sealed)[0]


def _split_head(sealed: bytes) -> tuple[str, bytes]:
    if len(sealed) < 2 + NONCE or sealed[0] not in VERSIONS:
        raise KeysUnusable("not a sealed value")
    end = 2 + sealed[1]
    if len(sealed) < end + NONCE:
        raise KeysUnusable("not a sealed value")
    return sealed[2:end].decode(errors="replace"), sealed[end:]


VERSIONS = frozenset(suite.version for suite in SUITES.values())


@lru_cache(maxsize=256)
def _derive(key: bytes, purpose: str, suite: Suite) -> bytes:
    return HKDF(suite.hash(), 32, salt=None, info=b"syt/" + purpose.encode()).derive(key)


@lru_cache(maxsize=256)
def _begun(key: bytes, purpose: str, suite: Suite) -> HMAC:
    """Give a hash to copy that has taken its key in: to begin anew takes longer than to hash a body."""
    return HMAC(_derive(key, purpose, suite), suite.hash())


@lru_cache(maxsize=256)
def _cipher(key: bytes, suite: Suite) -> Sealer:
    return suite.sealer(key)


class KeySource(Protocol):
    """Where the key ring comes from: what a key management system is joined by."""

    def read(self) -> str:
        """Give the ring's text.

        Raises:
            KeysUnusable: it can't be had.
        """


@dataclass(frozen=True)
class GivenKeys:
    """The environment holds the ring, or a secret file does."""

    text: str = field(repr=False)

    def read(self) -> str:
        """Give it."""
        return self.text


@dataclass(frozen=True)
class KeyFile:
    """A file of ours, made on the first start, which nobody else may read."""

    path: Path
    suite: str

    def read(self) -> str:
        """Read it."""
        if not self.path.exists():
            write_once(self.path, KeyRing.make(self.suite).dump())
        return read_closed(self.path)


@dataclass(frozen=True)
class KeyCommand:
    """A program that asks a key management system and prints the ring: it is told nothing but its own
    arguments, and what it says beside the ring is not shown, since it may be a secret."""

    command: str

    def read(self) -> str:
        """Run it."""
        try:
            done = subprocess.run(  # noqa: S603 -- the operator's own program, and no shell
                shlex.split(self.command), stdin=subprocess.DEVNULL, capture_output=True, timeout=KMS_SECONDS,
                check=True,
            )  # fmt: skip
            return done.stdout.decode()
        except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
            raise KeysUnusable(
                f"SYT_KEYS_COMMAND gave no key ring: {type(error).__name__}"
            ) from None


def key_source(settings: Settings) -> KeySource:
    """Choose where the ring comes from: the environment, a command, else the file under `home`."""
    if settings.keys is not None:
        return GivenKeys(settings.keys.get_secret_value())
    if settings.keys_command is not None:
        return KeyCommand(settings.keys_command)
    return KeyFile(settings.home / "keys.json", settings.suite)


def load_keys(settings: Settings) -> KeyRing:
    """Load the ring of the settings.

    Raises:
        KeysUnusable: it can't be had, or is none.
    """
    return KeyRing.parse(key_source(settings).read())


def read_closed(path: Path) -> str:
    """Read a file of secrets.

    Raises:
        KeysUnusable: it can't be read, or others may read it too.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise KeysUnusable(f"{path} can be read by others: chmod 600 {path}")
        return path.read_text()
    except (OSError, UnicodeError) as error:
        raise KeysUnusable(f"{path} can't be read") from error


def replace_closed(path: Path, text: str) -> None:
    """Put a file of secrets in the place of another, at once and for good."""
    os.replace(_write_beside(path, text), path)


def write_once(path: Path, text: str) -> None:
    """Write beside and link into place: two first starts at once end with one file."""
    beside = _write_beside(path, text)
    try:
        os.link(beside, path)
    except FileExistsError:
        pass
    finally:
        beside.unlink()


def _write_beside(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return beside
