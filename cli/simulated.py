"""The SIMULATED core system beside a start: so that the demonstration completes in one call what may be."""

import contextlib
import json
import secrets
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

NAME = "simulated"
MATTERS = (
    "332014901008", "332014901009", "332014901010", "332014901012", "332014901019", "332014901020",
)  # fmt: skip
"""Sample matters that it knows to check."""

PROVINCE = "330000"
READY_SECONDS = 10.0
TICK = 0.05


def line(url: str, token: str | None = None) -> str:
    """Write what `SYT_CORES` holds for it: it serves every agency."""
    system = {"name": NAME, "url": url, "agencies": [PROVINCE], "matters": MATTERS}
    return json.dumps([system | ({"token": token} if token else {})])


@dataclass(frozen=True)
class Beside:
    """One that is to be started beside a service, on a socket that the parent holds; or none."""

    listener: socket.socket | None = None
    token: str = ""

    @property
    def descriptors(self) -> list[int]:
        """What the processes inherit."""
        return [self.listener.fileno()] if self.listener is not None else []

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.listener.getsockname()[1]) if self.listener is not None else 0

    @property
    def commands(self) -> list[Sequence[str]]:
        """How it is started."""
        return [[sys.executable, "-m", "simulated_core", str(d)] for d in self.descriptors]

    def environment(self, database_url: str) -> Mapping[str, str]:
        """Tell the core where its tables are, and everybody else where the core is."""
        if self.listener is None:
            return {}
        return {
            "SYT_CORES": line(f"http://127.0.0.1:{self.port}", self.token),
            "SYT_SIMULATED_CORE_DATABASE_URL": database_url,
            "SYT_SIMULATED_CORE_TOKEN": self.token,
        }

    def wait_ready(self) -> None:
        """Wait a while until it answers; without it, what it would complete is finished later."""
        deadline = time.monotonic() + (READY_SECONDS if self.listener is not None else 0)
        while time.monotonic() < deadline and not self._answers():
            time.sleep(TICK)

    def _answers(self) -> bool:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection,
        ):
            connection.sendall(b"GET /simulation HTTP/1.0\r\n\r\n")
            return connection.recv(16).startswith(b"HTTP/1")
        return False


@contextlib.contextmanager
def beside(*, wanted: bool) -> Iterator[Beside]:
    """Hold the socket of one, where it is wanted."""
    if not wanted:
        yield Beside()
        return
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield Beside(listener, secrets.token_urlsafe(24))


def run(database_url: str, host: str, port: int) -> None:
    """Serve one alone until told to stop."""
    # ruff: noqa: PLC0415 -- long to load, and a start of the service has no need of it
    from simulated_core.__main__ import serve
    from simulated_core.app import Wanted, make_app

    with socket.create_server((host, port)) as listener:
        serve(make_app(Wanted(database_url=database_url)), listener)
