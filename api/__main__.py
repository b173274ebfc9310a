"""`python -m api FD`: one API process on a socket that its parent listens on."""

import socket
import sys

import uvicorn

from api.app import create_app
from kit.logs import configure
from kit.orphan import leave_with_parent
from kit.settings import Settings

GRACE = 8
"""Seconds for requests under way when the process is told to stop."""


def main(descriptor: int) -> None:
    """Serve until told to stop."""
    settings = Settings()
    configure(settings.log)
    leave_with_parent()
    app = create_app(settings)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=GRACE, backlog=1024, lifespan="on",
    )  # fmt: skip
    listener = socket.socket(fileno=descriptor)  # As a TCP socket: only so NODELAY is set.
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(int(sys.argv[1]))
