"""Roots of evidence, on the wire."""

from pydantic import Field

from schemas.base import Instant, Response


class RootView(Response):
    """A signed root: whoever has the public key checks it without us."""

    block: int = Field(description="Number of the block; from 1 on, without a gap.")
    at: Instant
    statement: str = Field(
        description="What was signed, byte for byte, after the line `syt-evidence-1`: number, time, hash of the"
        " statement before, and for every kind of row the first, the last and the root of their hashes."
    )
    hash: str = Field(description="Of the statement, in hex: the next block names it.")
    key: str = Field(description="Begin of the SHA-256 of the public key.")
    public_key: str = Field(
        description="Ed25519, base64. Compare it with the one that you were given another way: here it proves"
        " nothing."
    )
    signature: str = Field(description="Ed25519, in hex.")
