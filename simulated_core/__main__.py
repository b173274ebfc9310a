"""`python -m simulated_core FD`: the simulated core, on a socket that its parent listens on."""

import socket
import sys

import uvicorn
from starlette.applications import Starlette

from kit.orphan import leave_with_parent
from simulated_core.app import Wanted, make_app

GRACE = 2


def serve(app: Starlette, listener: socket.socket) -> None:
    """Serve until told to stop."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=GRACE, lifespan="on"
    )
    uvicorn.Server(config).run(sockets=[listener])


def main(descriptor: int) -> None:
    """Serve on a socket that is there."""
    leave_with_parent()
    serve(make_app(Wanted()), socket.socket(fileno=descriptor))


if __name__ == "__main__":
    main(int(sys.argv[1]))
