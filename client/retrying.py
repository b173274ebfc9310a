"""How often and how long a call is tried again."""

import random
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Patience:
    """How long to keep on trying. Times in seconds.

    Waits grow from `first` to `longest`, each drawn from the whole of its range, so that a thousand terminals
    that lost their line at once do not come back at once. What the service says (`Retry-After`) is waited for.
    """

    tries: int = 6
    first: float = 0.25
    longest: float = 8.0
    answer: float = 20.0
    """How long to wait for an answer; no answer is as good as a line that is down."""
    most: float = 60.0
    """Beyond so long altogether the call fails."""
    chance: random.Random = field(default_factory=random.Random, repr=False, compare=False)

    def attempts(self) -> "Attempts":
        """Count the attempts of a call."""
        return Attempts(self)


NEVER = Patience(tries=1)
"""One try: whoever asks is better told at once."""


class Attempts:
    """The attempts of one call."""

    def __init__(self, patience: Patience) -> None:
        self._patience, self._failed, self._began = patience, 0, time.monotonic()

    def wait(self, said: float | None = None) -> float | None:
        """Give how long to wait after a failure before the next try; None: give up."""
        patience = self._patience
        self._failed += 1
        if self._failed >= patience.tries:
            return None
        widest = min(patience.longest, patience.first * 2 ** (self._failed - 1))
        wait = (said or 0.0) + patience.chance.uniform(0, widest)
        spent = time.monotonic() - self._began
        return wait if spent + wait <= patience.most else None

    def again(self) -> None:
        """Begin to count anew: something was reached."""
        self._failed = 0
