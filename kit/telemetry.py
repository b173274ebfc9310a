"""Traces, where a standard variable names a collector; else nothing of it is even loaded."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
FLUSH_SECONDS = 2.0
"""How long the end of a process may wait for the collector."""


def wanted() -> bool:
    """Tell whether a collector is named."""
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not off and any(os.environ.get(name) for name in ENDPOINTS)


@contextmanager
def traces(service: str) -> Iterator[None]:
    """Send spans while it lasts, under the name of a service (or `OTEL_SERVICE_NAME`), if asked to."""
    if not wanted():
        yield
        return
    from kit.spans import start  # noqa: PLC0415 -- long to load, and seldom asked for

    provider = start(os.environ.get("OTEL_SERVICE_NAME") or service)
    try:
        yield
    finally:
        ending = threading.Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(FLUSH_SECONDS)
