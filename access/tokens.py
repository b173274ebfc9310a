"""Bearer tokens: of our own making or of a trusted issuer, and the memory of those already checked."""

import hashlib
import time
from collections import OrderedDict
from typing import Any

import orjson
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from access.errors import TokenInvalid
from access.issuers import Claims, Issuers
from access.memory import RevokedMemory
from kit.crypto import KeyRing
from kit.mint import ALGORITHM, ISSUER, Mint

REMEMBERED = 50_000
"""Checked tokens that a process keeps, by their hash."""

LONGEST = 8192
"""Characters of a token that is looked at."""

OF_AN_ISSUER = ":"
"""Stands in no subject of the local issuer's: it can't speak for people of another."""


class Tokens(Mint):
    """Makes tokens and checks them."""

    def __init__(
        self,
        keys: KeyRing,
        *,
        local_people: bool,
        issuers: Issuers | None = None,
        revoked: RevokedMemory | None = None,
    ) -> None:
        super().__init__(keys)
        self._local_people = local_people
        self._issuers = issuers or Issuers(())
        self._revoked = revoked or RevokedMemory()
        self._checked: OrderedDict[bytes, Claims] = OrderedDict()

    def check(self, token: str) -> Claims:
        """Tell what `token` says; one that was seen before costs a look-up.

        Raises:
            TokenInvalid: nobody we trust made it, or it has expired or was revoked.
            UnknownKey: it names a key of a trusted issuer that has not been read.
        """
        digest = hashlib.sha256(token.encode()).digest()
        claims = self._checked.get(digest)
        if claims is None or not self._holds_still(claims):
            claims = self._verify(token)
            self._checked[digest] = claims
            if len(self._checked) > REMEMBERED:
                self._checked.popitem(last=False)
        if claims.expires <= time.time() or self._revoked.stops(claims):
            raise TokenInvalid()
        return claims

    def _holds_still(self, claims: Claims) -> bool:
        return claims.issuer is None or self._issuers.still_hold(claims)

    def _verify(self, token: str) -> Claims:
        header, said = _peek(token)
        if said.get("iss") == ISSUER:
            return self._verify_own(token)
        issuer = self._issuers.by_url.get(str(said.get("iss")))
        if issuer is None:
            raise TokenInvalid()
        return issuer.verify(token, header.get("kid"))

    def _verify_own(self, token: str) -> Claims:
        try:
            said = jwt.decode(token, self._find_key, algorithms=[ALGORITHM]).claims
            claims = Claims(
                subject=said["sub"], expires=float(said["exp"]), issued=float(said["iat"]),
                jti=said.get("jti"), terminal=said.get("terminal"), outlet=said.get("outlet"),
                teller=said.get("teller"),
            )  # fmt: skip
        except (JoseError, ValueError, KeyError, TypeError, UnicodeError):
            raise TokenInvalid() from None
        local = claims.terminal is None
        if local and (not self._local_people or OF_AN_ISSUER in claims.subject):
            raise TokenInvalid()
        return claims

    def _find_key(self, token: Any) -> OctKey:
        kid = token.headers().get("kid")
        if kid not in self._keys.keys:
            raise ValueError("unknown key")
        return self._key(kid)


def _peek(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read who says to have made a token, only to know with which key to check it."""
    try:
        if len(token) > LONGEST:
            raise ValueError("too long")
        found = jws.extract_compact(token.encode())
        header, said = found.headers(), orjson.loads(found.payload)
    except (JoseError, ValueError, KeyError, TypeError, UnicodeError):
        raise TokenInvalid() from None
    if not isinstance(header, dict) or not isinstance(said, dict):
        raise TokenInvalid()
    return header, said
