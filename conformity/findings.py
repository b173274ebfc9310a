"""A rule that is broken: which, where, how badly, and in words."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple

from kit.errors import Fault, Words


class Class(StrEnum):
    """How badly: an error keeps a guide from being published, a warning is to be thought about."""

    ERROR = "error"
    WARNING = "warning"


class Finding(NamedTuple):
    """One place that breaks a rule."""

    code: str
    at: str
    """JSON pointer into the guide."""
    level: Class
    words: Words

    def fault(self, root: str = "") -> Fault:
        """Say it as a refusal does."""
        return Fault(root + self.at, self.code, self.words)


def faults_of(findings: Iterable[Finding], root: str = "") -> list[Fault]:
    """Give the errors among findings, as a refusal lists them."""
    return [finding.fault(root) for finding in findings if finding.level is Class.ERROR]


def pointer(*parts: Any) -> str:
    """Write a JSON pointer."""
    return "".join(f"/{str(part)[:60].replace('~', '~0').replace('/', '~1')}" for part in parts)
