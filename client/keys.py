"""The terminal's key: made at the terminal, and never leaving it.

P-256, ES256 (RFC 7518 3.4). The service is given the public part (RFC 7517) and signed statements.
"""

import base64
import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

SIZE = 32
"""Bytes of a coordinate."""

AHEAD = 120
"""Seconds that an assertion holds; the service takes five minutes at most."""

ES256 = ec.ECDSA(hashes.SHA256())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


class TerminalKey:
    """A private key of P-256."""

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        self._private = private

    @classmethod
    def generate(cls) -> "TerminalKey":
        """Make a key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_jwk(cls, jwk: dict[str, Any]) -> "TerminalKey":
        """Take a private key out of a JWK."""
        public = ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), ec.SECP256R1())
        return cls(ec.EllipticCurvePrivateNumbers(_number(jwk["d"]), public).private_key())

    @classmethod
    def from_pem(cls, pem: bytes, passphrase: bytes | None = None) -> "TerminalKey":
        """Take a private key out of PKCS 8.

        Raises:
            ValueError: it is none, not of P-256, or the passphrase is wrong.
        """
        found = serialization.load_pem_private_key(pem, passphrase)
        if not isinstance(found, ec.EllipticCurvePrivateKey) or found.curve.name != "secp256r1":
            raise ValueError("not a private key of P-256")
        return cls(found)

    def to_pem(self, passphrase: bytes | None = None) -> bytes:
        """Write it as PKCS 8, sealed by the passphrase where there is one."""
        return self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(passphrase)
            if passphrase
            else serialization.NoEncryption(),
        )  # fmt: skip

    @property
    def public_jwk(self) -> dict[str, str]:
        """The part that the service is given."""
        numbers = self._private.public_key().public_numbers()
        x, y = (_text(n.to_bytes(SIZE)) for n in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}

    def sign(self, claims: dict[str, Any]) -> str:
        """Sign claims as a JWT (RFC 7519)."""
        parts = ({"alg": "ES256", "typ": "JWT"}, claims)
        said = ".".join(_text(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
        r, s = decode_dss_signature(self._private.sign(said.encode(), ES256))
        return f"{said}.{_text(r.to_bytes(SIZE) + s.to_bytes(SIZE))}"

    def assertion(self, terminal: str, teller: str, audience: str, ahead: float = 0.0) -> str:
        """Say that this is `terminal` with `teller` at it (RFC 7523); holds once.

        `ahead` is by how many seconds the service's clock is before this one.
        """
        return self.sign({
            "iss": terminal, "sub": terminal, "aud": audience, "jti": uuid.uuid4().hex,
            "exp": int(time.time() + ahead) + AHEAD, "teller": teller,
        })  # fmt: skip

    def proof(self, code: str, audience: str, ahead: float = 0.0) -> str:
        """Prove to who gave the code that this key's private part is here."""
        return self.sign({"aud": audience, "jti": code, "exp": int(time.time() + ahead) + AHEAD})


class KeyFile:
    """A terminal's key in a file that only its user can read; a key on its way in stands beside it.

    A key that is to replace another is written before the service hears of it, and takes its place once the
    service has it: a terminal that is switched off in between has both, and asks again with the same code.
    """

    def __init__(self, path: Path, passphrase: bytes | None = None) -> None:
        self.path, self._passphrase = path, passphrase
        self.coming = path.with_name(path.name + ".next")

    def load(self) -> TerminalKey:
        """Read the key."""
        return TerminalKey.from_pem(self.path.read_bytes(), self._passphrase)

    def upcoming(self) -> TerminalKey:
        """Give the key that is to come: the one that was begun before, or a new one."""
        if not self.coming.exists():
            _write(self.coming, TerminalKey.generate().to_pem(self._passphrase))
        return TerminalKey.from_pem(self.coming.read_bytes(), self._passphrase)

    def settle(self) -> TerminalKey:
        """Put the key that was to come in the place of the one before."""
        self.coming.replace(self.path)
        return self.load()


def _write(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
