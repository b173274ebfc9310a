"""Errors on the wire (RFC 9457), and health."""

from typing import Literal

from schemas.base import Response


class HealthView(Response):
    """How the service is."""

    status: Literal["live", "ready"]


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
