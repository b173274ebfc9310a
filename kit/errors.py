"""The one root of every error a caller may see.

Each class is an entry of the registry that makes `docs/problems.md` and the `/problems/<code>` pages:
its `code` is part of the public contract and never changes.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar

from schemas.problems import Fault, Words

__all__ = ["REGISTRY", "DomainError", "Fault", "Kind", "Words"]


class Kind(StrEnum):
    """What went wrong, in words of the domain. `api.problems` turns it into a status code."""

    MALFORMED = "malformed"
    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    NO_SUCH_METHOD = "no_such_method"
    CONFLICT = "conflict"
    STALE = "stale"
    CONDITION_MISSING = "condition_missing"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    TOO_MANY = "too_many"
    CORRUPTED = "corrupted"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


REGISTRY: dict[str, type["DomainError"]] = {}
"""Every error by its code."""


class DomainError(Exception):
    """An expected failure.

    `title` says what happened and `advice` what to do about it; neither they, nor `detail`, `faults` or
    `facts` ever hold what the client sent: it may be personal. `private` goes to the log only.
    """

    kind: ClassVar[Kind]
    code: ClassVar[str]
    title: ClassVar[Words]
    advice: ClassVar[Words]
    retry_after: int | None = None
    """Seconds after which the same call may succeed: of the class, or of this one."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if REGISTRY.setdefault(cls.code, cls) is not cls:
            raise TypeError(f"two errors share the code {cls.code}")

    def __init__(
        self,
        detail: Words | None = None,
        *,
        faults: Sequence[Fault] = (),
        private: str = "",
        **facts: object,
    ) -> None:
        super().__init__(self.code)
        self.detail = detail or self.title
        self.faults = tuple(faults)
        self.private = private
        self.facts = facts
