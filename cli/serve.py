"""`syt serve`: the embedded database, the migrations, the processes, and their end."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from cli import simulated
from cli.home import Database, bring_up_to_date, database_of, say, taken
from kit.embedded import Cluster, EmbeddedFailed
from kit.heap import filling
from kit.orphan import Child
from kit.settings import Settings

STOP_SECONDS = 10
READY_SECONDS = 60
BIND_SECONDS = 10
"""How long the children of a start that was killed may hold the port."""

TICK = 0.1
CONNECTIONS_BESIDE = 20
"""Of the embedded database, beside those of the API: the background process, commands, people."""

BUFFERS = range(256, 2049)
"""MiB that the embedded database may hold of its pages; within it an eighth of the machine's memory. Of ten
million applications the indexes that every submission is put into are larger than the least of it."""

TIGHT = {
    "MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072",
}  # fmt: skip
"""How the C library keeps memory: what is let go of goes back to the system, whichever thread had it.

As in the Dockerfile.
"""

LOUD = "local issuer is ON: people's tokens of our own making are believed. Never in production."

Prepare = Callable[[Settings, Database], Coroutine[Any, Any, None]]
"""What is to be done in the database and under `home` before anybody is served."""


class StartFailed(Exception):
    """The service can't start; the message says why."""


class Stopped(Exception):
    """It was told to stop before it was ready."""


@dataclass(frozen=True)
class Wanted:
    """What `serve` was asked for."""

    host: str
    port: int
    workers: int
    jobs: bool
    migrates: bool = True
    """Whether it may change tables; where it has not the owner's right, another does that before."""
    simulates: bool = False
    """Whether a simulated core is started beside it."""
    sandbox: bool = False
    """Whether people are started who act on the sample applicants."""

    @property
    def reached_at(self) -> str:
        """The address by which this machine reaches it."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104

    @property
    def base_url(self) -> str:
        """Where people on this machine reach it."""
        host = self.reached_at
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


class Stop:
    """Told by a signal, and looked at between two steps: no step of a start is broken off half-way.

    Only what runs in an event loop is cancelled; its transactions are rolled back.
    """

    def __init__(self) -> None:
        self.told = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Listen to the signals that mean "stop"; one that is ignored (`nohup`) stays so."""
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        before = {number: signal.getsignal(number) for number in numbers}
        for number in numbers:
            if before[number] is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self.told = True
        if self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)

    def check(self) -> None:
        """Go on only if nobody said "stop".

        Raises:
            Stopped: somebody did.
        """
        if self.told:
            raise Stopped

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run to the end, or until told to stop.

        Raises:
            Stopped: told to stop.
        """

        async def cancellable() -> None:
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
            try:
                self.check()  # Told before there was a task to cancel.
                await work
            finally:
                self._loop = self._task = None
                work.close()

        try:
            asyncio.run(cancellable())
        except asyncio.CancelledError:
            self.check()
            raise


@dataclass
class Supervisor:
    """Keeps processes running until it is told to stop."""

    environment: Mapping[str, str]
    descriptors: Sequence[int]
    stop: Stop
    patience: float
    """Seconds that the children get for a clean end."""

    commands: list[Sequence[str]] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)

    def add(self, command: Sequence[str]) -> None:
        """Start one more; it waits for `release`."""
        self.commands.append(command)
        self.children.append(self._start(command))

    def release(self) -> None:
        """Let all of them set off."""
        for child in self.children:
            child.release()

    def failed(self) -> int | None:
        """Give the status of one that has ended."""
        return next((s for c in self.children if (s := c.ended()) is not None), None)

    def watch(self, cluster: Cluster | None, start_cluster: Callable[[], None]) -> None:
        """Start again what has ended, until told to stop."""
        again = {slot: 0.0 for slot in range(len(self.children))}
        while not self.stop.told:
            time.sleep(TICK)
            if cluster is not None and not cluster.running():
                self._revive(start_cluster)
            for slot, child in enumerate(self.children):
                status = child.ended()
                if status is not None and time.monotonic() > again[slot] and not self.stop.told:
                    say(f"process {child.pid} ended with {status}; starting another")
                    again[slot] = (
                        time.monotonic() + 1
                    )  # One that can't live is not started in a rush.
                    self._replace(slot)

    def _revive(self, start_cluster: Callable[[], None]) -> None:
        """Start the database again; while it is away the API answers 503, and then goes on by itself.

        What is left of one that was killed needs a moment to end.
        """
        say("the embedded database has ended; starting it again")
        while not self.stop.told:
            try:
                start_cluster()
            except EmbeddedFailed as error:
                say(str(error))
                time.sleep(1)
            else:
                say("the embedded database runs again")
                return

    def _replace(self, slot: int) -> None:
        self.children[slot].reap(0)
        self.children[slot] = self._start(self.commands[slot])
        self.children[slot].release()

    def _start(self, command: Sequence[str]) -> Child:
        return Child(command, self.environment, self.descriptors)

    def end(self) -> None:
        """Ask the children to finish, and end those that do not."""
        for child in self.children:
            child.terminate()
        deadline = time.monotonic() + self.patience
        for child in self.children:
            child.reap(deadline - time.monotonic())


def serve(
    settings: Settings, wanted: Wanted, prepare: Prepare | None, greet: Callable[[], None]
) -> None:
    """Run the service until SIGTERM or Ctrl-C; give back after a clean stop.

    Raises:
        HomeTaken, EmbeddedFailed, DatabaseUnfit, KeysUnusable, StartFailed: it can't start.
    """
    stop = Stop()
    with (
        stop.listening(), contextlib.suppress(Stopped), taken(settings.home) as killed,
        _listening(wanted, killed) as listener, simulated.beside(wanted=wanted.simulates) as core,
    ):  # fmt: skip
        database = database_of(settings)
        environment = _environment(settings, wanted, database)
        supervisor = Supervisor(
            {**environment, **core.environment(database.url)},
            [listener.fileno(), *core.descriptors], stop, STOP_SECONDS + settings.drain_seconds,
        )  # fmt: skip

        def start_cluster() -> None:
            if database.cluster is not None:
                each = settings.pool_size + settings.submission_lanes + 1
                connections = max(100, wanted.workers * each + CONNECTIONS_BESIDE)
                database.cluster.start(
                    f"max_connections = {connections}\nshared_buffers = {_buffers()}MB\n"
                )

        with _ended(supervisor, database):
            stop.check()
            # First: to load all that the API needs takes longer than everything else.
            for _ in range(wanted.workers):
                supervisor.add([sys.executable, "-m", "api", str(listener.fileno())])
            with filling():
                _check_keys(settings)
                start_cluster()
                _prepare(settings, database, prepare, stop, migrates=wanted.migrates)
            # Not before: of two starts that both allow it, both could bind until one listens.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            supervisor.release()
            _wait_ready(wanted, supervisor)
            _add_beside(supervisor, settings, wanted, core)
            _greet(settings, greet)
            supervisor.watch(database.cluster, start_cluster)


def _buffers() -> int:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    return sorted((BUFFERS[0], memory // 8, BUFFERS[-1]))[1]


def _add_beside(
    supervisor: Supervisor, settings: Settings, wanted: Wanted, core: simulated.Beside
) -> None:
    """Start what nobody waits for who only calls: after the API, which has the machine until then."""
    jobs = [[sys.executable, "-m", "worker"]] if wanted.jobs else []
    card = str(settings.home.resolve() / "demo.json")
    people = [[sys.executable, "-m", "sandbox", card]] if wanted.sandbox else []
    for command in (*core.commands, *jobs, *people):
        supervisor.add(command)
    supervisor.release()
    core.wait_ready()


def _greet(settings: Settings, greet: Callable[[], None]) -> None:
    if settings.local_issuer:
        say(LOUD)
    greet()


def _prepare(
    settings: Settings, database: Database, prepare: Prepare | None, stop: Stop, *, migrates: bool
) -> None:
    """Do what has to be done before anybody is served."""
    stop.check()
    if migrates:
        bring_up_to_date(database)
    asyncio.run(_compare_keys(settings, database.url))
    stop.check()
    if migrates and prepare is not None:
        stop.run(prepare(settings, database))


def _check_keys(settings: Settings) -> None:
    """Make the keys on a first start; say now, in one line, if they or the issuers are of no use."""
    # ruff: noqa: PLC0415 -- long to load; the API loads meanwhile
    from kit.crypto import load_keys

    load_keys(settings)
    if settings.issuers:
        from access.issuers import make_issuers

        make_issuers(settings.issuers)


async def _compare_keys(settings: Settings, url: str) -> None:
    """Compare the ring with the database before anybody is served: said in one line, not by each process.

    A database that can't be reached, or has no tables yet, is left to those who wait for it.

    Raises:
        KeysUnusable: the ring lacks a key, or has another of its name.
    """
    import asyncpg

    from kit.crypto import load_keys

    with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError):
        connection = await asyncpg.connect(url.replace("+asyncpg", ""), timeout=3)
        try:
            rows = await connection.fetch(
                "SELECT id, check_value FROM ring_key WHERE lost_at IS NULL"
            )
        finally:
            await connection.close()
        load_keys(settings).compare({row["id"]: row["check_value"] for row in rows})


@contextlib.contextmanager
def _ended(supervisor: Supervisor, database: Database) -> Iterator[None]:
    """End the children and then the database, whatever happens."""
    try:
        yield
    finally:
        try:
            supervisor.end()
        finally:
            if database.cluster is not None:
                database.cluster.stop()


@contextlib.contextmanager
def _listening(wanted: Wanted, killed: bool) -> Iterator[socket.socket]:
    """Bind before anything is started: a taken port is told at once, and nothing is left behind.

    Only the children of a start that was killed are waited for.
    """
    family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
    deadline = time.monotonic() + (BIND_SECONDS if killed else 0)
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        while (problem := _bind(listener, wanted)) is not None:
            if time.monotonic() >= deadline:
                raise StartFailed(f"can't listen on {wanted.host}:{wanted.port}: {problem}")
            time.sleep(TICK)
        yield listener


def _bind(listener: socket.socket, wanted: Wanted) -> str | None:
    """Bind, and tell what is in the way; connections that are just ending do not count."""
    problem = None
    for reuse in (0, 1):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        try:
            listener.bind((wanted.host, wanted.port))
        except OSError as error:
            problem = error.strerror or str(error)
        else:
            return None
    return problem


def _environment(settings: Settings, wanted: Wanted, database: Database) -> dict[str, str]:
    """Tell the children what was decided here: never the owner's address."""
    metrics = settings.home.resolve() / "metrics"
    shutil.rmtree(metrics, ignore_errors=True)
    metrics.mkdir(parents=True)
    public = settings.public_url if "public_url" in settings.model_fields_set else wanted.base_url
    kept = {name: value for name, value in os.environ.items() if name != "SYT_OWNER_URL"}
    return {
        **TIGHT,
        **kept,
        "SYT_HOME": str(settings.home.resolve()),
        "SYT_DATABASE_URL": database.url,
        "SYT_PUBLIC_URL": public,
        "SYT_LOCAL_ISSUER": str(settings.local_issuer).lower(),
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
    }


def _wait_ready(wanted: Wanted, supervisor: Supervisor) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _is_ready(wanted):
        supervisor.stop.check()
        status = supervisor.failed()
        if status is not None:
            raise StartFailed(f"a process ended with {status} before it was ready")
        if time.monotonic() > deadline:
            raise StartFailed("the service was not ready in time")
        time.sleep(0.02)
    supervisor.stop.check()


def _is_ready(wanted: Wanted) -> bool:
    """Ask the API itself; an HTTP client would take longer to load than to answer."""
    host = wanted.base_url.removeprefix("http://")
    asked = f"GET /health/ready HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    address = (wanted.reached_at, wanted.port)
    with contextlib.suppress(OSError), socket.create_connection(address, timeout=2) as connection:
        connection.sendall(asked.encode())
        return connection.recv(64).startswith(b"HTTP/1.1 200 ")
    return False
