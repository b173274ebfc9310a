"""Signing in as the demonstration's terminal, the way a real one does (RFC 7523)."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from kit.ids import secret

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SECONDS = 60


class LoginFailed(Exception):
    """There is no demonstration to sign in to."""


def assertion(card: dict[str, Any], audience: str, **changed: Any) -> str:
    """Sign an assertion of the terminal and teller on a card; `changed` claims replace the right ones."""
    terminal = card["terminal"]["id"]
    claims = {
        "iss": terminal, "sub": terminal, "aud": audience, "exp": int(time.time()) + SECONDS,
        "jti": secret(24), "teller": card["teller"], **changed,
    }  # fmt: skip
    return jwt.encode({"alg": "ES256"}, claims, ECKey.import_key(card["terminal"]["private_jwk"]))


def sign_in(home: Path) -> str:
    """Exchange a fresh assertion for a teller's token.

    Raises:
        LoginFailed: no card, or no service that takes it.
    """
    try:
        card = json.loads((home / "demo.json").read_text())
        url = f"{card['base_url']}/v1/oauth/token"
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion(card, url),
        }
        body = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(url, body, timeout=10) as answer:  # noqa: S310
            return str(json.load(answer)["access_token"])
    except (OSError, ValueError, KeyError, urllib.error.URLError) as error:
        raise LoginFailed(f"no demonstration answers here: {error}") from error
