"""Errors on the wire (RFC 9457)."""

from schemas.base import Response


class ProblemFault(Response):
    """One thing that is wrong with what was sent."""

    at: str
    """JSON pointer into the body; for the rest it begins `/query`, `/header` or `/path`."""
    rule: str
    message: str


class Problem(Response):
    """What went wrong, and where to read what to do."""

    type: str
    code: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[ProblemFault] | None = None
