"""Public keys of terminals: which are taken, and what proves that a terminal has the private one."""

import base64
import hashlib
import time
from typing import Any

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import import_key

from schemas.terminals import PublicJwk
from terminals.errors import KeyUnusable

ALGORITHMS = {"P-256": ["ES256"], "Ed25519": ["EdDSA", "Ed25519"]}
"""What signs with a key of which curve."""

AHEAD = 300
"""Seconds that a proof may reach ahead."""

SIZE = 32
PRIME = 2**255 - 19
"""Of the field of Curve25519 (RFC 8032, 5.1)."""

D = -121665 * pow(121666, -1, PRIME) % PRIME
EIGHTH = 2707385501144840649318225287225658788936804267575313519463743609750303402022
SMALL = frozenset(
    {
        0, 1, PRIME - 1, EIGHTH, PRIME - EIGHTH,
    }
)  # fmt: skip
"""The y of all points of small order: with such a key one signature is as good as any other."""


def checked(wanted: PublicJwk) -> dict[str, Any]:
    """Give a key with no more than is needed of it.

    Raises:
        KeyUnusable: it is no point of its curve, or one that anybody can sign for.
    """
    jwk = {"kty": wanted.kty, "crv": wanted.crv, "x": wanted.x}
    if wanted.y is not None:
        jwk["y"] = wanted.y
    if not all(_canonical(jwk[name]) for name in ("x", "y") if name in jwk):
        raise KeyUnusable(reason="encoding")
    sound = _sound_p256(jwk) if wanted.crv == "P-256" else _sound_ed25519(_bytes(wanted.x))
    if not sound:
        raise KeyUnusable(reason="point")
    return jwk


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=")


def _canonical(text: str) -> bool:
    """Tell whether bytes are written in the one right way: a known key must not pass as another."""
    return base64.urlsafe_b64encode(_bytes(text)).rstrip(b"=").decode() == text


def _sound_p256(jwk: dict[str, Any]) -> bool:
    """Tell whether the point is on the curve, which has no small groups; the library looks."""
    try:
        import_key(jwk).as_pem(private=False)  # type: ignore[union-attr]
    except (JoseError, ValueError):
        return False
    return True


def _sound_ed25519(raw: bytes) -> bool:
    """Tell whether the bytes are a point of the curve that has no small order; no library looks."""
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= PRIME or y in SMALL:
        return False
    square = (y * y - 1) * pow(D * y * y + 1, -1, PRIME) % PRIME
    return pow(square, (PRIME - 1) // 2, PRIME) == 1


def thumbprint(jwk: dict[str, Any]) -> str:
    """Give the thumbprint of a key (RFC 7638)."""
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y") if name in jwk}
    digest = hashlib.sha256(orjson.dumps(members, option=orjson.OPT_SORT_KEYS)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def proves(proof: str, jwk: dict[str, Any], *, audience: str, jti: str) -> bool:
    """Tell whether whoever wrote `proof` has the private key: a JWT for us, about this, and fresh."""
    try:
        key = import_key(jwk)
        claims = jwt.decode(proof, key, algorithms=ALGORITHMS[str(jwk["crv"])]).claims
    except (JoseError, ValueError, TypeError):
        return False
    expires, at = claims.get("exp"), time.time()
    fresh = isinstance(expires, int) and at < expires <= at + AHEAD
    return fresh and claims.get("aud") == audience and claims.get("jti") == jti
