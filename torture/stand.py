"""The service under torture: a real start, and where its processes are."""

import contextlib
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import ROOT, free_port, wait_ready
from cli.home import cluster_of
from kit.embedded import Cluster

STOP_SECONDS = 60.0
AUXILIARY = ("checkpointer", "background writer", "walwriter", "autovacuum launcher")
"""Processes of PostgreSQL beside the backends, whose end it takes for a crash as well."""


@dataclass(frozen=True)
class Stand:
    """A running service."""

    home: Path
    port: int
    supervisor: int
    cluster: Cluster

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"http://127.0.0.1:{self.port}"

    def children(self, module: str) -> list[int]:
        """Numbers of its processes `python -m MODULE`."""
        mark = f"\0-m\0{module}\0".encode()
        return [pid for pid in _children(self.supervisor) if mark in _command(pid)]

    def postmaster(self) -> list[int]:
        """The number of the database's first process, as a list of one, or none.

        The number in the file may be another's by now: none that is not surely ours is ever harmed.
        """
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.cluster.data / "postmaster.pid").read_text().partition("\n")[0])
            return [pid] if self.cluster.running() else []
        return []

    def backends(self) -> list[int]:
        """Numbers of the database's processes that serve the service."""
        return self._of_database(lambda words: b"syt_service" in words)

    def auxiliaries(self) -> list[int]:
        """Numbers of the database's processes that write and tidy."""
        return self._of_database(lambda words: any(a.encode() in words for a in AUXILIARY))

    def _of_database(self, wanted: Callable[[bytes], bool]) -> list[int]:
        return [
            pid for main in self.postmaster() for pid in _children(main) if wanted(_command(pid))
        ]

    def is_ready(self) -> bool:
        """Tell whether it says that it is ready."""
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(f"{self.url}/health/ready", timeout=3).close()
            return True
        return False


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _command(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


@contextlib.contextmanager
def standing(home: Path, workers: int) -> Iterator[Stand]:
    """Run the demonstration on `home`; give it when it is ready.

    Its output comes through a pipe: a limit on the size of files would else hit the log first.
    """
    port, log = free_port(), home / "service.log"
    command = ["-m", "cli.main", "demo", "--port", str(port), "--workers", str(workers)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SYT_")}
    environment |= {"PYTHONPATH": str(ROOT), "SYT_HOME": str(home), "SYT_POOL_SIZE": "6"}
    environment |= {"SYT_CORES": "[]"}  # Reviewers decide everything.
    with _copied(log) as out, _ended([sys.executable, *command], environment, out) as process:
        wait_ready(f"http://127.0.0.1:{port}/health/ready", process, log)
        stand = Stand(home, port, process.pid, cluster_of(home))
        while not stand.children("worker"):
            time.sleep(0.05)
        yield stand


@contextlib.contextmanager
def _ended(
    command: Sequence[str], environment: dict[str, str], out: int
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out,
        stderr=out, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _copied(log: Path) -> Iterator[int]:
    """Give the end of a pipe, what is said into which is kept in a file at once."""
    reading, writing = os.pipe()

    def copy() -> None:
        with log.open("ab", buffering=0) as file:
            while said := os.read(reading, 65_536):
                file.write(said)

    copier = threading.Thread(target=copy, daemon=True)
    copier.start()
    try:
        yield writing
    finally:
        os.close(writing)
        copier.join(STOP_SECONDS)  # Its end is when the last process of the service has gone.
        os.close(reading)
