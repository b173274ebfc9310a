"""Figures for Prometheus: those of all processes of a start together, or of this one alone."""

import os
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

DONE_AT = Gauge(
    "syt_task_done_at_seconds", "When a task of the background process last ended well.", ("task",),
    multiprocess_mode="max",
)  # fmt: skip
FAILURES = Counter("syt_task_failures_total", "Rounds of a task that failed.", ("task",))


class _Processes(Collector):
    """What all processes have written into one folder, without the gauges of those that are gone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """Put the figures together."""
        for pid in {_pid(path) for path in self._folder.glob("gauge_live*_*.db")}:
            if not _runs(pid):  # One that was killed could not say good-bye.
                mark_process_dead(pid, str(self._folder))  # type: ignore[no-untyped-call]
        found: Iterable[Metric] = MultiProcessCollector(  # type: ignore[no-untyped-call]
            None, str(self._folder)
        ).collect()
        return found


def _pid(path: Path) -> int:
    return int(path.stem.rpartition("_")[2])


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # It runs, and is not ours.
        pass
    return True


def registry() -> CollectorRegistry:
    """Give what is to be shown: `PROMETHEUS_MULTIPROC_DIR` names the folder that processes share."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        return REGISTRY
    made = CollectorRegistry()
    made.register(_Processes(Path(folder)))
    return made
