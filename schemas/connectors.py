"""What the service and an agency's core system say to each other (docs/connectors.md).

A core is asked with all that it needs to check and to complete one application; what it answers is looked at
as strictly as what a client sends.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, StringConstraints

from schemas.base import Flag, Response

Key = Annotated[str, StringConstraints(pattern=r"^[!-~]{8,64}$")]
"""Idempotency key of a completion: number of the application and its step."""

Reference = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,60}$")]
"""What the core calls a completion: no personal data."""

CheckCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{1,39}$")]
Number = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,40}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Value = Annotated[str, StringConstraints(max_length=500)] | int | bool | None


class Facts(Response):
    """An application as its core is told of it."""

    application: str
    step: int
    matter: str
    guide_version: int
    agency: str
    outlet: str
    accepted_at: datetime
    applicant: dict[str, Any]
    subject: dict[str, Any] | None
    proxy: dict[str, Any] | None
    form: dict[str, Any]

    @property
    def key(self) -> str:
        """The same however often it is asked."""
        return f"{self.application}-{self.step}"


class Verdict(Response):
    """One machine check, and whether it passes."""

    check: CheckCode
    passes: Flag


class Verdicts(Response):
    """All machine checks of an application."""

    application: Number
    verdicts: list[Verdict] = Field(min_length=1, max_length=50)


class Completion(Response):
    """That a core has completed an application, and with which result."""

    key: Key
    application: Number
    reference: Reference
    completed_at: AwareDatetime
    result: dict[Name, Value] = Field(max_length=50)


class Held(Response):
    """A completion as the core's list has it: without its result."""

    key: Key
    application: Number
    reference: Reference
    completed_at: AwareDatetime


class HeldPage(Response):
    """Some completions of a core, and where to go on."""

    items: list[Held] = Field(max_length=1000)
    next: Annotated[str, StringConstraints(max_length=200)] | None
