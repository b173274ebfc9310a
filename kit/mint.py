"""Bearer tokens of our own making."""

import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey

from kit.crypto import KeyRing
from kit.ids import secret

ISSUER = "syt"
ALGORITHM = "HS256"


class Mint:
    """Makes tokens. Apart from checking them, which needs the database's revocations and takes long to load."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def for_terminal(
        self, terminal: str, outlet: str, teller: str, *, seconds: int, since: float = 0.0
    ) -> str:
        """Make the token of a teller at a terminal whose tokens hold only when issued `since` then."""
        claims = {"terminal": terminal, "outlet": outlet, "teller": teller}
        return self._make(terminal, seconds, claims, since)

    def for_person(self, subject: str, *, seconds: int) -> str:
        """Make a person's token, as the local issuer."""
        return self._make(subject, seconds, {})

    def _make(self, subject: str, seconds: int, extra: dict[str, Any], since: float = 0.0) -> str:
        issued = max(time.time(), since)
        claims = {
            "iss": ISSUER, "sub": subject, "iat": round(issued, 3), "exp": int(issued) + seconds,
            "jti": secret(16), **extra,
        }  # fmt: skip
        header = {"alg": ALGORITHM, "kid": self._keys.current}
        return jwt.encode(header, claims, self._key(self._keys.current), algorithms=[ALGORITHM])

    def _key(self, key_id: str) -> OctKey:
        return OctKey.import_key(self._keys.derive("token", key_id))
