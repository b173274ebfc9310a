"""What can go wrong with a core system."""

from enum import StrEnum


class Why(StrEnum):
    """Why there is no answer that can be used."""

    OPEN = "open"
    """Not asked: it has failed too often of late."""
    REFUSED = "refused"
    """No connection."""
    TIMEOUT = "timeout"
    BROKEN = "broken"
    """The connection ended without an answer."""
    STATUS = "status"
    """It says itself that it can't."""
    GARBAGE = "garbage"
    """An answer of another shape than agreed."""
    FOREIGN = "foreign"
    """An answer about another application."""


class CoreAway(Exception):
    """A core gave no answer that can be used.

    `asked` tells whether it may have completed the application all the same: it is then asked what it holds
    before it is asked anything else.
    """

    def __init__(self, core: str, why: Why, *, asked: bool) -> None:
        super().__init__(f"{core}: {why}")
        self.core, self.why, self.asked = core, why, asked
