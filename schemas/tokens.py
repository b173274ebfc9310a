"""Tokens, on the wire."""

from schemas.base import Response


class TokenView(Response):
    """A bearer token."""

    access_token: str
    token_type: str
    expires_in: int
    """Seconds."""
