"""Issuers of people's tokens that are trusted: their keys, and what a token must say.

A key says by itself which algorithms it serves, and a token is checked with the key that it names and with no
other algorithm: `none`, a shared secret, or a public key taken for one, are not choices that a token has.
Nothing here asks the network: `api/issuers.py` reads keys beside the requests.
"""

import base64
import hashlib
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key
from sqlmodel.ext.asyncio.session import AsyncSession

from access import queries
from access.errors import TokenInvalid
from access.policy import Role
from kit.settings import TrustedIssuer

KIND = "issuers"
TYPES = frozenset({None, "JWT", "at+jwt", "application/at+jwt"})
"""What a token may be. One that tells of a logout, or proves who asks, is none to call with."""

SERVES: Mapping[type[Key], Mapping[str, tuple[str, ...]]] = MappingProxyType({
    RSAKey: {"": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")},
    ECKey: {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",)},
    OKPKey: {"Ed25519": ("EdDSA", "Ed25519")},
})  # fmt: skip
"""Algorithms by kind of key and curve. There is no shared secret among the kinds."""

LEAST_RSA = 2048
PLAIN_SUBJECT = re.compile(r"[A-Za-z0-9._@~+=/-]{1,48}", re.ASCII)


class IssuersUnusable(Exception):
    """`SYT_ISSUERS` names what is not there."""


class KeysRefused(Exception):
    """What an issuer shows as its keys holds none that may be used."""


class UnknownKey(Exception):
    """A token names a key of a trusted issuer that has not been read."""

    def __init__(self, issuer: "Issuer") -> None:
        super().__init__(issuer.name)
        self.issuer = issuer


class KnownKey(NamedTuple):
    """A public key, and what it may have signed."""

    key: Key
    algorithms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. It never grants: rights stand in the registry and in grants."""

    subject: str
    expires: float
    issued: float = 0.0
    jti: str | None = None
    terminal: str | None = None
    outlet: str | None = None
    teller: str | None = None
    issuer: str | None = None
    """Name of a trusted issuer; None of a token of our own."""
    key: str | None = None
    withheld: frozenset[Role] = frozenset()
    """Roles that ask for a stronger proof than the token tells of."""


class Issuer:
    """One issuer, and its keys as they were last read."""

    def __init__(self, trusted: TrustedIssuer) -> None:
        self.trusted = trusted
        self.name, self.url = trusted.name, trusted.url
        self.keys: Mapping[str, KnownKey] = {}
        self.shown: Mapping[str, Any] | None = None
        """What `keys` were made of."""

    def take(self, shown: Mapping[str, Any]) -> None:
        """Take over the keys that the issuer shows; those it shows no more hold no more.

        Raises:
            KeysRefused: it shows none that may be used; those that are known stay.
        """
        listed = shown.get("keys")
        found = dict(self._usable(listed)) if isinstance(listed, list) else {}
        if not found:
            raise KeysRefused(self.name)
        self.keys, self.shown = found, shown

    def _usable(self, listed: list[Any]) -> Iterable[tuple[str, KnownKey]]:
        for raw in listed:
            if isinstance(raw, dict) and raw.get("use", "sig") == "sig" and raw.get("kid"):
                known = self._known(raw)
                if known is not None:
                    yield str(raw["kid"]), known

    def _known(self, raw: dict[str, Any]) -> KnownKey | None:
        try:
            key = import_key(raw)
        except (JoseError, ValueError, TypeError, KeyError):
            return None
        by_curve = SERVES.get(type(key), {})
        serves = by_curve.get("" if isinstance(key, RSAKey) else str(raw.get("crv")), ())
        asked = {raw["alg"]} if "alg" in raw else set(serves)
        algorithms = tuple(a for a in serves if a in self.trusted.algorithms and a in asked)
        short = isinstance(key, RSAKey) and key.public_key.key_size < LEAST_RSA
        return KnownKey(key, algorithms) if algorithms and not short else None

    def verify(self, token: str, kid: object) -> Claims:
        """Tell what a token of this issuer says.

        Raises:
            UnknownKey: it names a key that has not been read.
            TokenInvalid: it is forged, for somebody else, too old or too young.
        """
        known = self.keys.get(kid) if isinstance(kid, str) else None
        if known is None:
            raise UnknownKey(self)
        try:
            decoded = jwt.decode(token, known.key, algorithms=list(known.algorithms))
        except (JoseError, ValueError, TypeError, UnicodeError):
            raise TokenInvalid() from None
        wrong = self._wrong(decoded.header, decoded.claims)
        if wrong:
            raise TokenInvalid(private=f"{self.name}: {wrong}")
        return self._claims(decoded.claims, str(kid))

    def _wrong(self, header: Mapping[str, Any], said: Mapping[str, Any]) -> str | None:
        """Name the first thing that is wrong."""
        at, skew = time.time(), self.trusted.skew
        issued, expires, begins = (_instant(said.get(name)) for name in ("iat", "exp", "nbf"))
        named = said.get("aud")
        checks = {
            "typ": header.get("typ") in TYPES,
            "iss": said.get("iss") == self.url,
            "aud": self.trusted.audience in (named if isinstance(named, list) else [named]),
            "sub": isinstance(said.get("sub"), str) and said["sub"] != "",
            "exp": expires is not None and at - skew < expires,
            "iat": issued is not None and issued <= at + skew,
            "nbf": begins is not None and begins <= at + skew if "nbf" in said else True,
            "life": (expires or 0) - (issued or 0) <= self.trusted.longest,
        }
        return next((name for name, holds in checks.items() if not holds), None)

    def _claims(self, said: Mapping[str, Any], kid: str) -> Claims:
        jti = said.get("jti")
        return Claims(
            subject=f"{self.name}:{plain_subject(said['sub'])}",
            expires=float(said["exp"]) + self.trusted.skew,
            issued=float(said["iat"]) - self.trusted.skew,
            jti=jti if isinstance(jti, str) else None, issuer=self.name, key=kid,
            withheld=frozenset(self._withheld(said)),
        )  # fmt: skip

    def _withheld(self, said: Mapping[str, Any]) -> Iterable[Role]:
        """Name the roles whose demands the proof does not meet."""
        ways, level = said.get("amr"), said.get("acr")
        shown = {way for way in ways if isinstance(way, str)} if isinstance(ways, list) else set()
        for role, demand in self.trusted.demands.items():
            strong = not demand.acr or (isinstance(level, str) and level in demand.acr)
            if not (strong and shown >= set(demand.amr)):
                yield Role(role)


def _instant(value: object) -> float | None:
    """Read a NumericDate: a truth is none, nor is what is no number at all."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and abs(value) < 1e12 else None  # type: ignore[arg-type]


def plain_subject(sub: str) -> str:
    """Give a `sub` as rights name it: itself where it is short and plain, else its hash."""
    if PLAIN_SUBJECT.fullmatch(sub):
        return sub
    digest = hashlib.sha256(sub.encode(errors="surrogatepass")).digest()
    return "~" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


class Issuers:
    """All issuers that are trusted; their keys come from the database, where some process put them."""

    def __init__(self, trusted: Iterable[TrustedIssuer]) -> None:
        self.by_url = {one.url: Issuer(one) for one in trusted}
        self._by_name = {issuer.name: issuer for issuer in self.by_url.values()}

    async def load(self, session: AsyncSession, since: int) -> None:
        """Take over what changed."""
        for row in await queries.issuer_keys(session, since):
            issuer = self._by_name.get(row.name)
            if issuer is not None and issuer.url == row.url and issuer.shown != row.keys:
                with suppress(KeysRefused):  # Taken under other settings, which allowed more.
                    issuer.take(row.keys)

    def still_hold(self, claims: Claims) -> bool:
        """Tell whether the key of a token that was checked before is still shown."""
        issuer = self._by_name.get(claims.issuer or "")
        return issuer is not None and claims.key in issuer.keys


def make_issuers(trusted: Iterable[TrustedIssuer]) -> Issuers:
    """Make the issuers of the settings, without keys.

    Raises:
        IssuersUnusable: two share a name or an address, or a role is demanded of that there is not.
    """
    named = list(trusted)
    for what in ("name", "url"):
        if len({getattr(one, what) for one in named}) < len(named):
            raise IssuersUnusable(f"SYT_ISSUERS: two issuers share a {what}")
    unknown = {role for one in named for role in one.demands} - set(Role)
    if unknown:
        raise IssuersUnusable(f"SYT_ISSUERS: no role is called {', '.join(sorted(unknown))}")
    return Issuers(named)
