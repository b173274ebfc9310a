"""Identifiers without a meaning."""

import secrets
import uuid
from typing import Final

import uuid_utils

READABLE: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Characters that are not taken for one another when read aloud or copied by hand."""


def uuid7() -> uuid.UUID:
    """Make an id that sorts by the time of its making (RFC 9562)."""
    return uuid.UUID(bytes=uuid_utils.uuid7().bytes)


def secret(characters: int) -> str:
    """Make a secret of `characters` URL-safe characters."""
    return secrets.token_urlsafe(characters)[:characters]


def readable(data: bytes, characters: int) -> str:
    """Turn a hash into `characters` of a code that a person can read out."""
    # Of the whole number only these digits are shown; with a small one it is counted faster.
    number = int.from_bytes(data[:16], "big") % len(READABLE) ** characters
    out = ""
    for _ in range(characters):
        number, digit = divmod(number, len(READABLE))
        out += READABLE[digit]
    return out
