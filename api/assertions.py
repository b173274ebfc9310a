"""Assertions by which a terminal proves itself (RFC 7523)."""

import time
from typing import Any, NamedTuple

import orjson
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import import_key

from access.errors import ClientInvalid, TellerInactive, TerminalSuspended
from kit.clock import now
from outlets.memory import RegistryMemory, TellerInfo, TerminalInfo

ALGORITHMS = ["ES256", "EdDSA", "Ed25519"]
LONGEST = 300
"""Seconds that an assertion may reach ahead."""

SKEW = 30
"""Seconds by which a terminal's clock may be behind ours."""


class Proved(NamedTuple):
    """A terminal that an assertion proves, and whom it says to be at it."""

    terminal: TerminalInfo
    teller: str
    jti: str
    expires: int


def prove(assertion: str, registry: RegistryMemory, audience: str) -> Proved:
    """Check an assertion against the registry.

    Raises:
        ClientInvalid: it proves nothing; `reason` says why.
    """
    terminal = registry.terminal(said_issuer(assertion))
    if terminal is None:
        raise ClientInvalid(reason="iss")
    claims = _verified(assertion, terminal)
    for name, holds in _conditions(claims, terminal, audience):
        if not holds:
            raise ClientInvalid(reason=name)
    return Proved(terminal, claims["teller"], claims["jti"], claims["exp"])


def admit(proved: Proved, registry: RegistryMemory) -> TellerInfo:
    """Let a terminal and its teller in, as the registry has them now.

    Raises:
        TerminalSuspended, TellerInactive: one of them may not call.
    """
    if proved.terminal.status != "active":
        raise TerminalSuspended()
    teller = registry.tellers.get(proved.teller)
    if teller is None or teller.status != "active" or teller.outlet != proved.terminal.outlet:
        raise TellerInactive()
    return teller


def said_issuer(assertion: str) -> str:
    """Read who says to be calling, to know which key to check with."""
    try:
        payload = orjson.loads(jws.extract_compact(assertion.encode()).payload)
        issuer = payload["iss"]
    except (JoseError, ValueError, KeyError, TypeError):
        raise ClientInvalid(reason="form") from None
    return issuer if isinstance(issuer, str) else ""


def _verified(assertion: str, terminal: TerminalInfo) -> dict[str, Any]:
    """Check the signature, with the terminal's key or the one that it is about to leave."""
    for jwk in terminal.keys(now()):
        try:
            return dict(jwt.decode(assertion, import_key(jwk), algorithms=ALGORITHMS).claims)
        except (JoseError, ValueError, TypeError):
            continue
    raise ClientInvalid(reason="signature")


def _conditions(
    claims: dict[str, Any], terminal: TerminalInfo, audience: str
) -> list[tuple[str, bool]]:
    at, expires, jti = time.time(), claims.get("exp"), claims.get("jti")
    named = claims.get("aud")
    expires = expires if isinstance(expires, int) and not isinstance(expires, bool) else 0
    return [
        ("sub", claims.get("sub") == claims.get("iss") == terminal.id),
        ("aud", named == audience or (isinstance(named, list) and audience in named)),
        ("exp", at < expires <= at + LONGEST + SKEW),
        ("nbf", not isinstance(claims.get("nbf"), int) or claims["nbf"] <= at + SKEW),
        ("jti", isinstance(jti, str) and 8 <= len(jti) <= 128),
        ("teller", isinstance(claims.get("teller"), str)),
    ]
