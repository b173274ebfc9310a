"""What a file is by its beginning, and how the process that reads it passes on what it finds.

Apart from reading itself: who takes a file in, or what was found, loads no library for workbooks.
"""

import zlib
from typing import Any

import orjson

LENGTH = 4
"""Bytes in which a message says how long it is."""

OTHERS, WAITING = "others", "waiting"
"""Which rows are given: those that name a parent wait until all others have been written."""


class Unreadable(Exception):
    """No line of the file can be read; its argument is the code of the failure."""


def kind(head: bytes) -> str:
    """Tell by its beginning what a file is: zip, xls, html, bytes of text, or UTF-16 of some order.

    Raises:
        Unreadable: no spreadsheet begins so.
    """
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return "xls"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:200].lower()
    if start.startswith(
        (b"<!doctype", b"<html", b"<table", b"<?xml", b"<head", b"<meta", b"<style")
    ):
        return "html"
    if not start:
        raise Unreadable("empty")
    return _kind_of_text(head)


def _kind_of_text(head: bytes) -> str:
    nuls = head.count(0)
    if nuls * 5 > len(head):  # UTF-16 without its mark: every other byte of ASCII is zero.
        return "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
    printable = sum(byte >= 32 or byte in b"\t\r\n\x1a" for byte in head)
    if nuls > 8 or printable < len(head) * 0.98:
        raise Unreadable("not_a_spreadsheet")
    return "bytes"


def packed(message: dict[str, Any]) -> bytes:
    """Write a message behind its length, as `unpacked` reads it."""
    told = zlib.compress(orjson.dumps(message, default=list), 1)
    return len(told).to_bytes(LENGTH) + told


def unpacked(told: bytes) -> dict[str, Any]:
    """Read a message without its length."""
    message: dict[str, Any] = orjson.loads(zlib.decompress(told))
    return message
