"""What a process loads once and keeps: the collector of garbage need not look through it."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def filling() -> Iterator[None]:
    """Load what stays: to look through it while it grows takes longer than to load, and ever after as well."""
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        gc.enable()
