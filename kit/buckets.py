"""Token buckets: how often somebody may call, in one process and, a second later, in all of them."""

import time
from collections.abc import Mapping

NOISE = 5
"""Calls in a second below which nobody else need know."""

MOST = 500
"""Names that a process tells others of at a time: the busiest."""


class Buckets:
    """So many calls a second, and a burst, for each name."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._levels: dict[str, tuple[float, float]] = {}
        self._recent: dict[str, int] = {}

    def take(self, name: str) -> bool:
        """Take one call; False when the bucket is empty."""
        at = time.monotonic()
        level = self._level(name, at)
        self._levels[name] = (level - 1 if level >= 1 else level, at)
        if level >= 1:
            self._recent[name] = self._recent.get(name, 0) + 1
        return level >= 1

    def _level(self, name: str, at: float) -> float:
        level, before = self._levels.get(name, (self._burst, at))
        return min(self._burst, level + (at - before) * self._rate)

    def taken(self) -> dict[str, int]:
        """Give what the busy ones have taken since it was asked last."""
        recent, self._recent = self._recent, {}
        busy = sorted((n for n, count in recent.items() if count >= NOISE), key=recent.__getitem__)
        return {name: recent[name] for name in busy[-MOST:]}

    def take_for_others(self, calls: Mapping[str, int]) -> None:
        """Take what other processes have let through; what is owed is no more than a burst."""
        at = time.monotonic()
        for name, count in calls.items():
            self._levels[name] = (max(self._level(name, at) - count, -self._burst), at)

    def forget_idle(self) -> None:
        """Drop those that are full again: as if they had never called."""
        at = time.monotonic()
        full = [name for name in self._levels if self._level(name, at) >= self._burst]
        for name in full:
            del self._levels[name]
