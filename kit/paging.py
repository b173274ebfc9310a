"""Keyset paging: stable while rows are being added, and never counts the table."""

import base64
import binascii
from typing import Any

import orjson

from kit.crypto import KeyRing
from kit.errors import DomainError, Kind, Words

MAC = 16


class CursorInvalid(DomainError):
    """The `after` of a list was not made by us, or was made for another caller or another list."""

    kind = Kind.INVALID
    code = "cursor-invalid"
    title = Words("after 不是本列表的翻页标记", "`after` is not a page mark of this list")
    advice = Words(
        "只能使用同一调用方在同一列表、同一筛选条件下上一页返回的 next。",
        "Use only the `next` that the same caller got from the page before of the same list.",
    )


def encode_cursor(keys: KeyRing, purpose: str, position: list[Any]) -> str:
    """Encode a position for `purpose`: the list, its filters and its caller, in one text."""
    plain = orjson.dumps(position)
    return base64.urlsafe_b64encode(
        keys.mac("cursor", purpose.encode() + b"\0" + plain)[:MAC] + plain
    ).decode()


def decode_cursor(keys: KeyRing, purpose: str, text: str) -> list[Any]:
    """Decode what `encode_cursor` made for the same purpose.

    Raises:
        CursorInvalid: it did not.
    """
    try:
        raw = base64.b64decode(text.encode(), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise CursorInvalid() from None
    mac, plain = raw[:MAC], raw[MAC:]
    if not keys.holds("cursor", purpose.encode() + b"\0" + plain, mac):
        raise CursorInvalid()
    position: list[Any] = orjson.loads(plain)
    return position
