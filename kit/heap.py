"""What a process loads once and keeps: the collector of garbage need not look through it."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

OFTEN = (5_000, 10, 10)
"""How much may come to be before the young are looked through, and how often the older are.

What stays is frozen, so a look is short. To look seldom let memory grow by megabytes a minute, of connections
that had ended long before.
"""

SELDOM = (50_000, 10, 10)
"""The same while much comes and goes, of which no part refers to itself."""


@contextmanager
def filling() -> Iterator[None]:
    """Load what stays: to look through it while it grows takes longer than to load, and ever after as well.

    Nor is it looked through at the end: that takes 0.4 s of a start, and finds little.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*OFTEN)
        gc.enable()


@contextmanager
def passing() -> Iterator[None]:
    """Let much come and go: a look finds little of it, and took a sixteenth of an import."""
    before = gc.get_threshold()
    gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)
