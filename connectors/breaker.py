"""Keeps from asking who does not answer: nobody at a counter waits for a core that is away."""

import time
from collections.abc import Callable

FAILURES = 5
"""In a row, after which a core is not asked for a while."""

PAUSE = 5.0
"""Seconds until one call is let through to see whether it is back."""


class Breaker:
    """The state of one core as one process sees it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._failures, self._until = clock, 0, 0.0

    @property
    def is_open(self) -> bool:
        """Whether the core counts as away."""
        return self._failures >= FAILURES

    def lets(self) -> bool:
        """Tell whether to ask; of a core that is away one call in a while tells whether it is back."""
        if self.is_open:
            if self._clock() < self._until:
                return False
            self._until = self._clock() + PAUSE
        return True

    def heard(self) -> None:
        """Note that it answers."""
        self._failures = 0

    def failed(self) -> None:
        """Note that it does not."""
        self._failures += 1
        if self._failures == FAILURES:
            self._until = self._clock() + PAUSE
