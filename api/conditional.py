"""Answers that carry an ETag, and 304 for who has them already."""

import hashlib
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

JSON = "application/json"


def tagged(request: Request, body: bytes, etag: str | None = None) -> Response:
    """Answer with bytes and their tag; 304 where the client names the tag."""
    etag = etag or f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    known = request.headers.get("if-none-match")
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if known is not None and _names(known, etag):
        return Response(None, 304, headers)
    return Response(body, 200, headers, media_type=JSON)


def _names(known: str, etag: str) -> bool:
    """Compare weakly, as RFC 9110 says for If-None-Match."""
    if known == etag or known.strip() == "*":
        return True
    return etag in {tag.strip().removeprefix("W/") for tag in known.split(",")}


def dumps(value: Any) -> bytes:
    """Write JSON; days and instants as the contract has them."""
    return orjson.dumps(value)


def json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON that was built field by field."""
    return Response(dumps(value), status, headers, media_type=JSON)
