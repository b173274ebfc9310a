"""`syt serve`: the embedded database, the migrations, the processes, and their end."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType

from cli.home import Database, database_of, say, taken
from kit.crypto import load_keys
from kit.settings import Settings
from migrations.runner import migrate

STOP_SECONDS = 10
READY_SECONDS = 60
BIND_SECONDS = 5

Prepare = Callable[[Settings, Database], Awaitable[None]]


class StartFailed(Exception):
    """The service can't start; the message says why."""


@dataclass(frozen=True)
class Wanted:
    """What `serve` was asked for."""

    host: str
    port: int
    workers: int
    jobs: bool

    @property
    def base_url(self) -> str:
        """Where people on this machine reach it."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


@dataclass
class Supervisor:
    """Keeps the child processes running until it is told to stop."""

    commands: list[list[str]]
    environment: dict[str, str]
    descriptor: int
    children: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    stopping: bool = False

    def start(self, slot: int) -> None:
        """Start one child."""
        self.children[slot] = subprocess.Popen(  # noqa: S603
            self.commands[slot], env=self.environment, pass_fds=[self.descriptor],
            start_new_session=True,
        )  # fmt: skip

    def on_signal(self, number: int, _: FrameType | None) -> None:
        """Note that it is time to stop."""
        self.stopping = True

    def watch(self) -> None:
        """Start what has ended again, until told to stop."""
        started = {slot: time.monotonic() for slot in self.children}
        while not self.stopping:
            time.sleep(0.2)
            for slot, child in list(self.children.items()):
                if child.poll() is not None and not self.stopping:
                    say(f"process {child.pid} ended with {child.returncode}; starting another")
                    time.sleep(max(0.0, 1 - (time.monotonic() - started[slot])))
                    started[slot] = time.monotonic()
                    self.start(slot)

    def stop(self) -> None:
        """Ask the children to finish, and end those that do not."""
        for child in self.children.values():
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in self.children.values():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def serve(settings: Settings, wanted: Wanted, prepare: Prepare | None, greet: Callable[[], None]) -> None:
    """Run the service until SIGTERM or Ctrl-C; give back after a clean stop.

    Raises:
        HomeTaken, EmbeddedFailed, DatabaseUnfit, StartFailed: it can't start.
    """
    with taken(settings.home), _listening(wanted) as listener, _database(settings) as database:
        load_keys(settings)
        asyncio.run(migrate(database.owner_url, database.url))
        if prepare is not None:
            asyncio.run(prepare(settings, database))
        supervisor = Supervisor(_commands(wanted, listener), _environment(settings, wanted, database), listener)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, supervisor.on_signal)
        try:
            for slot in range(len(supervisor.commands)):
                supervisor.start(slot)
            _wait_ready(wanted, supervisor)
            if not supervisor.stopping:
                greet()
            supervisor.watch()
        finally:
            supervisor.stop()


@contextlib.contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    database = database_of(settings, start=True)
    try:
        yield database
    finally:
        if database.cluster is not None:
            database.cluster.stop()


@contextlib.contextmanager
def _listening(wanted: Wanted) -> Iterator[int]:
    """Bind before anything is started: a taken port is told at once, and nothing is left behind.

    The children of a start that was killed may hold it for a moment still.
    """
    family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deadline = time.monotonic() + BIND_SECONDS
        while True:
            try:
                listener.bind((wanted.host, wanted.port))
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise StartFailed(f"{wanted.host}:{wanted.port}: {error.strerror}") from error
                time.sleep(0.2)
        listener.set_inheritable(True)
        yield listener.fileno()


def _commands(wanted: Wanted, descriptor: int) -> list[list[str]]:
    api = [sys.executable, "-m", "api", str(descriptor)]
    jobs = [[sys.executable, "-m", "worker"]] if wanted.jobs else []
    return [*([api] * wanted.workers), *jobs]


def _environment(settings: Settings, wanted: Wanted, database: Database) -> dict[str, str]:
    """Tell the children what was decided here: never the owner's address."""
    metrics = settings.home.resolve() / "metrics"
    shutil.rmtree(metrics, ignore_errors=True)
    metrics.mkdir(parents=True)
    public = settings.public_url if "public_url" in settings.model_fields_set else wanted.base_url
    kept = {name: value for name, value in os.environ.items() if name != "SYT_OWNER_URL"}
    return {
        **kept,
        "SYT_HOME": str(settings.home.resolve()),
        "SYT_DATABASE_URL": database.url,
        "SYT_PUBLIC_URL": public,
        "SYT_LOCAL_ISSUER": str(settings.local_issuer).lower(),
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
    }


def _wait_ready(wanted: Wanted, supervisor: Supervisor) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not supervisor.stopping:
        try:
            with urllib.request.urlopen(f"{wanted.base_url}/health/ready", timeout=2):  # noqa: S310
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
        for child in supervisor.children.values():
            if child.poll() is not None:
                raise StartFailed(f"a process ended with {child.returncode} before it was ready")
        if time.monotonic() > deadline:
            raise StartFailed("the service was not ready in time")
