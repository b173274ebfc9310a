"""What is worked out once and kept for who asks again."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

MOST = 1_000
"""Answers that are kept at most; then all are worked out anew. Each may hold on to a guide."""


class Once:
    """Answers by their keys."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Give what has this key; the first who asks makes it. What fails is tried again by the next."""
        found: T | None = self._known.get(key)
        if found is None:
            if len(self._known) >= MOST:
                self.forget()
            found = self._known[key] = make()
        return found

    def forget(self) -> None:
        """Keep nothing of what was worked out before."""
        self._known.clear()
