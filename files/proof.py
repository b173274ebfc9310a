"""Ids of files that prove whose they are: no query is needed to know that a file is this outlet's."""

import base64
import binascii

from kit.crypto import KeyRing

MAC = 16
BODY = 16 + 16 + 4
"""Keyed hash of the outlet and the SHA-256, first half of the SHA-256, size."""


def file_id(keys: KeyRing, outlet: str, sha256: bytes, size: int) -> str:
    """Make the id of a file of `outlet`, the same for the same bytes: 70 URL-safe characters."""
    name = keys.find("file-name", outlet.encode() + b"\0" + sha256)[:16]
    body = name + sha256[:16] + size.to_bytes(4, "big")
    mac = keys.mac("file", outlet.encode() + b"\0" + body)[:MAC]
    return _spelt(body + mac)


def _spelt(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def proves(keys: KeyRing, id_: str, outlet: str) -> bool:
    """Tell whether `id_` was made for a file of `outlet`."""
    try:
        raw = base64.b64decode(id_.encode() + b"=" * (-len(id_) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return False
    if _spelt(raw) != id_:
        return False  # Base64 has many spellings of the same bytes; an id has one.
    body, mac = raw[:BODY], raw[BODY:]
    return len(mac) == MAC and keys.holds("file", outlet.encode() + b"\0" + body, mac)
