"""Bearer tokens of our own making, and the memory of those already checked."""

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from access.errors import TokenInvalid
from kit.crypto import KeyRing
from kit.ids import secret

ISSUER = "syt"
ALGORITHM = "HS256"
REMEMBERED = 50_000
"""Checked tokens that a process keeps, by their hash."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. It never grants: rights stand in the registry and in grants."""

    subject: str
    expires: float
    terminal: str | None = None
    outlet: str | None = None
    teller: str | None = None


class Tokens:
    """Makes tokens and checks them."""

    def __init__(self, keys: KeyRing, *, local_people: bool) -> None:
        self._keys = keys
        self._local_people = local_people
        self._checked: OrderedDict[bytes, Claims] = OrderedDict()

    def for_terminal(self, terminal: str, outlet: str, teller: str, *, seconds: int) -> str:
        """Make the token of a teller at a terminal."""
        claims = {"terminal": terminal, "outlet": outlet, "teller": teller}
        return self._make(terminal, seconds, claims)

    def for_person(self, subject: str, *, seconds: int) -> str:
        """Make a person's token, as the local issuer."""
        return self._make(subject, seconds, {})

    def _make(self, subject: str, seconds: int, extra: dict[str, Any]) -> str:
        issued = int(time.time())
        claims = {
            "iss": ISSUER, "sub": subject, "iat": issued, "exp": issued + seconds,
            "jti": secret(16), **extra,
        }  # fmt: skip
        header = {"alg": ALGORITHM, "kid": self._keys.current}
        return jwt.encode(header, claims, self._key(self._keys.current), algorithms=[ALGORITHM])

    def check(self, token: str) -> Claims:
        """Tell what `token` says; one that was seen before costs a look-up.

        Raises:
            TokenInvalid: we did not make it, it has expired, or the local issuer is off.
        """
        digest = hashlib.sha256(token.encode()).digest()
        claims = self._checked.get(digest)
        if claims is None:
            claims = self._verify(token)
            self._checked[digest] = claims
            if len(self._checked) > REMEMBERED:
                self._checked.popitem(last=False)
        if claims.expires <= time.time():
            raise TokenInvalid()
        return claims

    def _verify(self, token: str) -> Claims:
        try:
            decoded = jwt.decode(token, self._find_key, algorithms=[ALGORITHM])
            said = decoded.claims
            claims = Claims(
                subject=said["sub"], expires=float(said["exp"]), terminal=said.get("terminal"),
                outlet=said.get("outlet"), teller=said.get("teller"),
            )  # fmt: skip
        except (JoseError, ValueError, KeyError, TypeError, UnicodeError):
            raise TokenInvalid() from None
        if said.get("iss") != ISSUER or (claims.terminal is None and not self._local_people):
            raise TokenInvalid()
        return claims

    def _find_key(self, token: Any) -> OctKey:
        kid = token.headers().get("kid")
        if kid not in self._keys.keys:
            raise ValueError("unknown key")
        return self._key(kid)

    def _key(self, key_id: str) -> OctKey:
        return OctKey.import_key(self._keys.derive("token", key_id))
