"""Real processes of the service: started, waited for, and always ended."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from typer.testing import CliRunner

from cli.home import cluster_of
from cli.login import ASSERTION_TYPE, assertion
from cli.main import app
from kit.embedded import EmbeddedFailed

T = TypeVar("T")
ROOT = Path(__file__).parent.parent.parent
READY_SECONDS = 90.0
STOP_SECONDS = 40.0


def environment(home: Path, changed: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a start: nothing of `SYT_*` but what a test names, and no core systems.

    What a test gives as empty is left out.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SYT_")}
    wanted = {**kept, "SYT_HOME": str(home), "SYT_CORES": "[]", **(changed or {})}
    return {name: value for name, value in wanted.items() if value}


def free_port() -> int:
    """Find a port that is free now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def new_home() -> Iterator[Path]:
    """A folder that the database's system user may pass through; all that ran on it is gone at the end."""
    outer = Path(tempfile.mkdtemp(prefix="syt-slow-"))
    outer.chmod(0o755)
    try:
        yield outer / "home"
    finally:
        sweep(outer / "home")
        shutil.rmtree(outer, ignore_errors=True)


def sweep(home: Path) -> None:
    """End whatever still runs on a home, and drop what it has elsewhere."""
    for pid in processes(home):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(EmbeddedFailed, OSError):
        cluster = cluster_of(home)
        for folder in (cluster.data, cluster.sockets):
            shutil.rmtree(folder, ignore_errors=True)


def processes(home: Path) -> dict[int, str]:
    """Every process of a start on a home, by its number: told by its environment or its folder."""
    data = os.path.realpath(home / "pg")
    marks = {f"SYT_HOME={home}".encode(), f"SYT_HOME={home.resolve()}".encode()}
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            known = marks & set((entry / "environ").read_bytes().split(b"\0"))
            beside = data in command or str(home / "pg") in command
            if command and (known or beside or os.path.realpath(entry / "cwd") == data):
                found[int(entry.name)] = command
    return found


def wait_for(what: Callable[[], T], seconds: float = 20.0) -> T:
    """Wait until `what` gives something true, and give that."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.02)
    return found


@dataclass
class Service:
    """A start of the service."""

    home: Path
    port: int
    process: subprocess.Popen[bytes]
    log: Path
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    """From its start until it was ready, by the health page."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def card(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "demo.json").read_text())
        return found

    def said(self) -> str:
        """What it wrote."""
        return self.log.read_text(errors="replace")

    def is_ready(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/health/ready", timeout=5).status_code == 200
        return False

    def wait_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self.is_ready():
            assert self.process.poll() is None, f"it ended: {self.said()}"
            assert time.monotonic() < deadline, f"not ready in time: {self.said()}"
            time.sleep(0.02)
        self.seconds = time.monotonic() - self.began

    def wait_greeting(self) -> None:
        """Wait until it says itself that it is ready: the background process has been started then."""
        wait_for(lambda: f"ready at {self.url}" in self.said())

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def children(self, module: str) -> list[int]:
        """Numbers of its processes `python -m MODULE`."""
        return [pid for pid, c in processes(self.home).items() if f" -m {module} " in f"{c} "]

    def person(self, role: str) -> dict[str, str]:
        """Headers of a person on the card."""
        return {"Authorization": f"Bearer {self.card['tokens'][role]}"}

    def teller(self) -> dict[str, str]:
        """Headers of the card's teller, got by an assertion."""
        url = f"{self.url}/v1/oauth/token"
        form = {
            "grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion(self.card, url),
        }  # fmt: skip
        answer = httpx.post(url, data=form)
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@contextlib.contextmanager
def starting(
    home: Path,
    command: str = "serve",
    *options: str,
    port: int | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """Start the service; it is ended when the test is, however that ends."""
    port = port or free_port()
    home.parent.mkdir(parents=True, exist_ok=True)
    log = home.parent / f"{port}-{time.monotonic_ns()}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", command, "--port", str(port), *options],
            cwd=ROOT, env=environment(home, env), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip
    service = Service(home, port, process, log)
    try:
        yield service
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
        if process.poll() is None:
            service.kill()


@contextlib.contextmanager
def running(
    home: Path,
    command: str = "serve",
    *options: str,
    port: int | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """Start the service and wait until it is ready."""
    with starting(home, command, *options, port=port, env=env) as service:
        service.wait_ready()
        service.wait_greeting()
        yield service


def syt(
    home: Path, *arguments: str, seconds: float = 60, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments], cwd=ROOT, env=environment(home, env),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip


def syt_here(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, where all it needs is loaded: for cases by the dozen."""
    kept = {name: None for name in os.environ if name.startswith("SYT_")}
    done = CliRunner().invoke(app, arguments, env={**kept, "SYT_HOME": str(home)})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def assert_one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """It failed as expected failures do: status 1, one line that says what, and no traceback."""
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("syt: ")
    for word in words:
        assert word in lines[0]


def assert_all_gone(home: Path) -> None:
    """Nothing runs on the home, and its database came to a clean end."""
    assert processes(home) == {}
    assert not (home / "pg" / "postmaster.pid").exists()
