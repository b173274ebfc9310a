"""Processes of the bench: started, waited for, and always stopped."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cli.home import cluster_of

ROOT = Path(__file__).parent.parent
READY_SECONDS = 120.0
STOP_SECONDS = 30.0


class BenchFailed(Exception):
    """The bench can't go on; the message says why."""


@contextlib.contextmanager
def running(
    arguments: Sequence[str], *, log: Path, pass_fd: int | None = None, home: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:  # fmt: skip
    """Run `python -m` with `arguments` beside us; stop it at the end, however that comes.

    It has a session of its own: Ctrl-C is for us alone, and we tell it to stop.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SYT_")}
    environment |= (
        {"PYTHONPATH": str(ROOT), "SYT_CORES": "[]"}
        | ({"SYT_HOME": str(home)} if home else {})
        | dict(env or {})
    )
    with log.open("ab") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=ROOT, env=environment, stdout=out, stderr=out,
            stdin=subprocess.DEVNULL, pass_fds=() if pass_fd is None else (pass_fd,),
            start_new_session=True,
        )  # fmt: skip
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_ready(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until `url` answers 200.

    Raises:
        BenchFailed: it does not; the end of the log is quoted.
    """
    deadline = time.monotonic() + READY_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(url, timeout=2).close()
            return
        time.sleep(0.1)
    raise BenchFailed(f"{url} is not ready:\n{_end_of(log)}")


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


def free_port() -> int:
    """Find a port that is free now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def new_home() -> Iterator[Path]:
    """Make a SYT_HOME that the database's system user can pass through; it goes at the end."""
    home = Path(tempfile.mkdtemp(prefix="syt-bench-"))
    home.chmod(0o755)
    try:
        yield home
    finally:
        with contextlib.suppress(Exception):
            cluster_of(home).stop()  # Stopped already, unless the service had to be killed.
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def service(
    home: Path, workers: int, env: Mapping[str, str] | None = None
) -> Iterator[tuple[int, int]]:
    """Run the demonstration; give its port and the id of its supervising process."""
    port, log = free_port(), home / "service.log"
    command = ["cli.main", "demo", "--port", str(port), "--workers", str(workers)]
    with running(command, log=log, home=home, env=env) as child:
        wait_ready(f"http://127.0.0.1:{port}/health/ready", child, log)
        try:
            yield port, child.pid
        except BenchFailed as failure:
            raise BenchFailed(f"{failure}\n{_end_of(log)}") from None


@contextlib.contextmanager
def reference(home: Path, workers: int, guide: int, made: int) -> Iterator[int]:
    """Run the reference lines with answers of so many bytes; give their port."""
    log = home / "reference.log"
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        port, fd = int(listener.getsockname()[1]), listener.fileno()
        command = ["bench.reference", str(fd), str(guide), str(made)]
        children = [
            stack.enter_context(running(command, log=log, pass_fd=fd)) for _ in range(workers)
        ]
        for child in children:
            wait_ready(f"http://127.0.0.1:{port}/guide", child, log)
        time.sleep(1)  # The other workers listen on the same socket: none tells when it does.
        yield port


def memory(supervisor: int) -> list[tuple[float, float]]:
    """Give PSS and RSS, in MiB, of the API processes under a supervising process."""
    return [_used(child) for child in _children(supervisor, b"api")]


def worked(supervisor: int) -> float:
    """Give the processor time, in seconds, that the background process under a supervising one has taken."""
    return sum(_took(child) for child in _children(supervisor, b"worker"))


def _children(supervisor: int, module: bytes) -> list[str]:
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    wanted = b"\0-m\0" + module + b"\0"
    return [c for c in children if wanted in Path(f"/proc/{c}/cmdline").read_bytes()]


def _took(process: str) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _used(process: str) -> tuple[float, float]:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return kib["Pss"] / 1024, kib["Rss"] / 1024
