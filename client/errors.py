"""What can go wrong at a terminal.

ClientError
├── LineDown            no answer came: nothing is known of what was sent
├── Refused             the service answered with a problem document (RFC 9457)
│   └── by status: Malformed, Unauthenticated, NotAllowed, Missing, Conflict, Outdated, …
│       └── by code: every problem of the service (client.problems)
└── StoreError          the terminal's own store (client.store, client.work)
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import httpx
from pydantic import ValidationError

from schemas.problems import Problem, ProblemFault

MEMBERS = frozenset(Problem.model_fields)


class ClientError(Exception):
    """The root of all."""


class LineDown(ClientError):
    """No answer came. Whether the service did what was asked is not known: ask again with the same key."""


class Refused(ClientError):
    """The service refused. `code` is stable; `title` and `detail` are words for people (Chinese by default)."""

    code: ClassVar[str] = ""
    by_code: ClassVar[dict[str, type["Refused"]]] = {}
    by_status: ClassVar[dict[int, type["Refused"]]] = {}

    def __init_subclass__(cls, status: int | None = None) -> None:
        super().__init_subclass__()
        if cls.code:
            Refused.by_code[cls.code] = cls
        elif status is not None:
            Refused.by_status[status] = cls

    def __init__(
        self, problem: Problem, facts: Mapping[str, Any], retry_after: float | None = None
    ) -> None:
        super().__init__(f"{problem.code} ({problem.status}): {problem.detail}")
        self.problem = problem
        self.facts = dict(facts)
        """Members beyond the common ones: `actions`, `guide_version`, `reasons` …"""
        self.retry_after = retry_after
        """Seconds after which the same call may succeed."""

    @property
    def status(self) -> int:
        """The status of HTTP."""
        return self.problem.status

    @property
    def errors(self) -> list[ProblemFault]:
        """All that is wrong with what was sent, place by place."""
        return self.problem.errors or []

    @property
    def passes(self) -> bool:
        """Whether the same call may succeed by itself in a while."""
        return self.status in PASSING or self.problem.code == IN_PROGRESS


PASSING = frozenset({429, 502, 503, 504})
IN_PROGRESS = "idempotency-key-in-progress"


class Malformed(Refused, status=400):
    """What was sent can't be read."""


class Unauthenticated(Refused, status=401):
    """The terminal, its teller or its token is not believed."""


class NotAllowed(Refused, status=403):
    """Known, and not allowed."""


class Missing(Refused, status=404):
    """Not there, or not visible: the two are not told apart."""


class WrongMethod(Refused, status=405):
    """The path does not take this method."""


class Conflict(Refused, status=409):
    """Not as things stand."""


class Outdated(Refused, status=412):
    """It has changed since it was read."""


class TooLarge(Refused, status=413):
    """Larger than is taken."""


class Unsupported(Refused, status=415):
    """A kind that is not taken."""


class NotValid(Refused, status=422):
    """Its shape or its content is wrong; `errors` names all of it."""


class ConditionMissing(Refused, status=428):
    """`If-Match` is needed."""


class TooMany(Refused, status=429):
    """Too many calls; `retry_after` says how long to wait."""


class Corrupted(Refused, status=460):
    """A part of an upload did not come whole."""


class ServerFault(Refused, status=500):
    """A fault of the service."""


class Unavailable(Refused, status=503):
    """Away for a while; nothing was done."""


def refusal(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Refused:
    """Make the error of a problem document; the most particular class that is known."""
    try:
        problem = Problem.model_validate(body)
    except ValidationError:
        problem = _wordless(status)
    import client.problems  # noqa: F401, PLC0415 -- it knows every code, and is long to load

    facts = {k: v for k, v in body.items() if k not in MEMBERS} if isinstance(body, dict) else {}
    family = Refused.by_status.get(status, ServerFault if status >= 500 else Refused)
    kind = Refused.by_code.get(problem.code, family)
    return kind(problem, facts, _seconds((headers or {}).get("retry-after")))


def refused(answer: httpx.Response) -> Refused:
    """Make the error of an answer."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    return refusal(answer.status_code, body, answer.headers)


def _wordless(status: int) -> Problem:
    """Stand in for a document that did not come: a proxy answered, not the service."""
    words = f"HTTP {status}"
    return Problem(
        type="about:blank", code="unknown", title=words, status=status, detail=words, instance=""
    )


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None


class StoreError(ClientError):
    """The terminal's own store will not do what is asked."""


class WrongKey(StoreError):
    """The store was sealed under another key."""


class StoreBusy(StoreError):
    """Another process of this terminal is at it."""


class AwayTooLong(StoreError):
    """Too long without contact: no new applications until the service was reached."""


class QueueFull(StoreError):
    """As many applications wait as may."""


class NumbersUsedUp(StoreError):
    """No reserved number is left, or none that may still be given out."""


class GuideUnknown(StoreError):
    """The copy of the catalogue holds no guide of the matter for the day."""


class NotComplete(StoreError):
    """What the local check found, all of it, as the service would tell it."""

    def __init__(self, errors: list[ProblemFault]) -> None:
        super().__init__("; ".join(f"{e.at}: {e.message}" for e in errors))
        self.errors = errors


class Unsettled(StoreError):
    """It was sent and no answer came: it can't be changed or dropped before the service was asked again."""


class NotWaiting(StoreError):
    """No such application, or it is done with."""


class ClockBehind(StoreError):
    """The device's clock stands before a time that it has already shown."""
