"""Receipts that anybody can check without asking us: a line of text, signed, as it stands in a QR code.

    SYT1:<document>:<day>:<outlet>:<digest>:<key>:<signature>

Only digits, capitals, `-` and `:`, so that a QR code holds it closely. `document` is the paper's own number,
`day` that of its issue (YYYYMMDD), `outlet` who issued it (12 digits, or `-` where the agency did itself),
`digest` the SHA-256 of its words with all that is personal masked, `key` the name of the key (16 hex digits, in
capitals), `signature` by Ed25519 over `syt-receipt-1`, a line feed, and everything before the last colon.
Digest and signature are base32 (RFC 4648) without padding.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from kit.signing import RECEIPTS, Signer, Trusted, holds

VERSION, NOBODY = "SYT1", "-"
LONGEST = 400
FORM = re.compile(
    r"SYT1:(?P<document>SYT[0-9]{27}-[A-Z]{3}-[1-9][0-9]{0,2}):(?P<day>[0-9]{8}):(?P<outlet>[0-9]{12}|-)"
    r":(?P<digest>[A-Z2-7]{52}):(?P<key>[0-9A-F]{16}):(?P<signature>[A-Z2-7]{103})",
    re.ASCII,
)


class Why(StrEnum):
    """Why a receipt is not believed."""

    FORM = "form"
    """It is no receipt of ours: cut off, mistyped, or of another form."""
    KEY = "key"
    """Signed by a key that is not among those that are trusted: newer than the list, or false."""
    SIGNATURE = "signature"
    """The key did not sign this: something was changed."""
    WORDS = "words"
    """It is the receipt of a paper that says something else."""


class ReceiptFalse(Exception):
    """A receipt that is not to be believed."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


class Receipt(NamedTuple):
    """What a receipt says. Nothing in it is personal."""

    document: str
    day: date
    outlet: str | None
    digest: bytes
    key: str = ""

    @property
    def application(self) -> str:
        """The application's number."""
        return self.document.partition("-")[0]


def digest_of(words: Mapping[str, Any]) -> bytes:
    """Hash the words of a paper: as JSON in UTF-8 with sorted names and no blanks."""
    text = json.dumps(words, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def write(receipt: Receipt, signer: Signer) -> str:
    """Sign a receipt: the same text for the same content and key."""
    said = ":".join((
        VERSION, receipt.document, f"{receipt.day:%Y%m%d}", receipt.outlet or NOBODY,
        _base32(receipt.digest), signer.id.upper(),
    ))  # fmt: skip
    return f"{said}:{_base32(signer.sign(said.encode()))}"


def read(text: str, trusted: Trusted) -> Receipt:
    """Read a receipt, and believe it only if a trusted key signed all of it.

    Raises:
        ReceiptFalse: it is not to be believed.
    """
    found = FORM.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        raise ReceiptFalse(Why.FORM)
    day, digest, signature = _day(found["day"]), _bytes(found["digest"]), _bytes(found["signature"])
    key = trusted.get(found["key"].lower())
    if key is None:
        raise ReceiptFalse(Why.KEY)
    if not holds(key, text.rpartition(":")[0].encode(), signature, RECEIPTS):
        raise ReceiptFalse(Why.SIGNATURE)
    outlet = None if found["outlet"] == NOBODY else found["outlet"]
    return Receipt(found["document"], day, outlet, digest, found["key"].lower())


def compare(receipt: Receipt, words: Mapping[str, Any]) -> None:
    """Compare a receipt with the words of its paper.

    Raises:
        ReceiptFalse: it is another paper's, or that was changed.
    """
    if receipt.digest != digest_of(words):
        raise ReceiptFalse(Why.WORDS)


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 -- a day has no zone
    except ValueError:
        raise ReceiptFalse(Why.FORM) from None


def _base32(content: bytes) -> str:
    return base64.b32encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """Read base32 as it would be written, and no other way: of its last letter several say the same."""
    content = base64.b32decode(text + "=" * (-len(text) % 8))
    if _base32(content) != text:
        raise ReceiptFalse(Why.FORM)
    return content
