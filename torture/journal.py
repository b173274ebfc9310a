"""What the clients saw: everything that was acknowledged, and every answer that should not have come."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

RIGHT = frozenset({200, 201, 304})
LATER = frozenset({409, 412, 429, 503})
"""Answers that a client under faults must expect: another was first, or try again."""


class Made(NamedTuple):
    """A submission that was acknowledged, each time that it was."""

    terminal: str
    key: str
    number: str
    file: str = ""
    """A file among its materials."""


class Acted(NamedTuple):
    """An action or a claim that was acknowledged."""

    number: str
    version: int
    state: str
    kind: str
    actor: str
    worded: bool = False
    """Whether words were said that are to stand sealed beside the event."""


class Stored(NamedTuple):
    """A file whose upload was acknowledged."""

    file: str
    sha256: str
    size: int
    sender: str
    """Authorization of the teller who sent it."""


class Answer(NamedTuple):
    """An answer, as it matters for how long a harm lasts."""

    what: str
    status: int
    seconds: float


@dataclass
class Read:
    """What one reader of the feed collected."""

    column: str
    """`outlet` or `agency`: by which column its reach is told."""
    prefix: str
    events: list[int] = field(default_factory=list)
    mark: str | None = None

    def sees(self, outlet: str, agency: str) -> bool:
        """Tell whether an event is within its reach."""
        return {"outlet": outlet, "agency": agency}[self.column].startswith(self.prefix)


@dataclass
class Journal:
    """Everything that the clients of one run wrote down."""

    tried: dict[str, str] = field(default_factory=dict)
    """Idempotency key → terminal, also of submissions that were never acknowledged."""
    made: list[Made] = field(default_factory=list)
    acted: list[Acted] = field(default_factory=list)
    stored: list[Stored] = field(default_factory=list)
    readers: dict[str, Read] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    """By kind of answer: `right`, `409`, `503` and so on, `lost` for a connection that ended."""
    wrong: list[str] = field(default_factory=list)
    """Answers that nothing excuses."""
    watched: list[Answer] = field(default_factory=list)
    """Every answer since somebody last cleared this."""

    def note(self, what: str, status: int, seconds: float, said: str) -> None:
        """Write down an answer."""
        self.watched.append(Answer(what, status, seconds))
        self.answers["right" if status in RIGHT else str(status)] += 1
        if status not in RIGHT | LATER:
            self.wrong.append(f"{what} was answered {status}, expected one of "
                              f"{sorted(RIGHT | LATER)}: {said[:300]}")  # fmt: skip
