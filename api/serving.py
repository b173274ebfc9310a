"""One API process on a socket that its parent listens on."""

import asyncio
import errno
import socket
import time
from types import FrameType
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from kit.logs import configure
from kit.orphan import leave_with_parent
from kit.settings import Settings

log = structlog.get_logger()

MOST = 64
"""Connections taken at one turn at most. Of a burst more would wait than the kernel holds, and be reset."""

PAUSE = 1.0
"""Seconds for which no connection is taken where there is no room for one."""

GRACE = 8
"""Seconds for requests under way when the process stops."""

IDLE = 75
"""Seconds that a connection may be idle: a balancer's limit must be the shorter one, or it sends into a
connection that is just being closed."""


class Server(uvicorn.Server):
    """A server that serves on for a while when it is told to stop, and says that it leaves.

    So a balancer stops sending before we stop listening, and no request meets a closed door.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, drain: float) -> None:
        super().__init__(config)
        self._state, self._drain, self._leaves = app.state.syt, drain, 0.0
        self._at_once = 1
        self._taking: set[asyncio.Task[Any]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take connections, a few at a turn: see `take`."""
        await super().startup(sockets=[])
        for listener in sockets or ():
            listener.setblocking(False)
            listener.listen(self.config.backlog)
            self._watch(listener)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, and end what is under way; who waits for events waits no longer."""
        self._state.watcher.close()
        for listener in sockets or ():
            asyncio.get_running_loop().remove_reader(listener)
        await super().shutdown(sockets)

    def _watch(self, listener: socket.socket) -> None:
        if listener.fileno() >= 0:
            asyncio.get_running_loop().add_reader(listener, self.take, listener)

    def take(self, listener: socket.socket) -> None:
        """Take a connection, and leave the next to whichever process has a turn first.

        Twice as many are taken each turn while more wait than were taken.
        All processes listen on one socket. The loop's own server takes all that wait at once, so that of 16
        which come together one process got 14: and they stay, for a balancer keeps its connections open.
        """
        has_more = all(self._take_one(listener) for _ in range(self._at_once))
        self._at_once = min(2 * self._at_once, MOST) if has_more else 1

    def _take_one(self, listener: socket.socket) -> bool:
        loop = asyncio.get_running_loop()
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False  # Another process was first, or the client has left.
        except OSError as error:  # Too many files are open: what waits goes on waiting.
            log.error("connection_not_taken", error=errno.errorcode.get(error.errno or 0))
            loop.remove_reader(listener)
            loop.call_later(PAUSE, self._watch, listener)
            return False
        connection.setblocking(False)
        served = loop.create_task(loop.connect_accepted_socket(self._protocol, connection))
        self._taking.add(served)
        served.add_done_callback(self._taking.discard)
        return True

    def _protocol(self) -> asyncio.Protocol:
        kind: Any = self.config.http_protocol_class
        made: asyncio.Protocol = kind(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to leave; told again, leave at once."""
        if self._drain and not self._state.leaving and self.started:
            self._state.leaving = True
            self._leaves = time.monotonic() + self._drain
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Tell, ten times a second, whether to go. Who waits for events comes back, to another process."""
        if self._state.leaving:
            self._state.watcher.close()
        gone = self._state.leaving and time.monotonic() >= self._leaves
        return gone or await super().on_tick(counter)


def main(descriptor: int) -> None:
    """Serve until told to stop."""
    settings = Settings()
    configure(settings.log)
    leave_with_parent()
    app = create_app(settings, whole=False)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=GRACE, timeout_keep_alive=IDLE, backlog=1024, lifespan="on",
    )  # fmt: skip
    listener = socket.socket(fileno=descriptor)  # As a TCP socket: only so NODELAY is set.
    Server(config, app, settings.drain_seconds).run(sockets=[listener])
