"""`python -m api FD`: one API process on a socket that its parent listens on."""

import socket
import sys
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from kit.logs import configure
from kit.orphan import leave_with_parent
from kit.settings import Settings

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

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to leave; told again, leave at once."""
        if self._drain and not self._state.leaving and self.started:
            self._state.leaving = True
            self._leaves = time.monotonic() + self._drain
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Tell, ten times a second, whether to go."""
        gone = self._state.leaving and time.monotonic() >= self._leaves
        return gone or await super().on_tick(counter)


def main(descriptor: int) -> None:
    """Serve until told to stop."""
    settings = Settings()
    configure(settings.log)
    leave_with_parent()
    app = create_app(settings)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=GRACE, timeout_keep_alive=IDLE, backlog=1024, lifespan="on",
    )  # fmt: skip
    listener = socket.socket(fileno=descriptor)  # As a TCP socket: only so NODELAY is set.
    Server(config, app, settings.drain_seconds).run(sockets=[listener])


if __name__ == "__main__":
    main(int(sys.argv[1]))
