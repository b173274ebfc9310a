"""Errors on the wire (RFC 9457), and health."""

from typing import Literal, NamedTuple

from schemas.base import Response


class Words(NamedTuple):
    """The same words for the two languages that are served."""

    zh: str
    en: str

    def within(self, language: str) -> str:
        """Give the words in `language`, `zh` or `en`."""
        return self.en if language == "en" else self.zh


class Fault(NamedTuple):
    """One thing that is wrong with a body: where, by which rule, in words."""

    at: str
    """JSON pointer."""
    rule: str
    message: Words


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
