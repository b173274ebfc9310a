"""`python -m bench.reference FD GUIDE MADE`: the lines that the service is held against.

FastAPI on uvicorn as the service runs it, and nothing of the service: L0 answers ready bytes of `GUIDE`
bytes, or 304; L1 reads a submission with the service's own model, and answers ready bytes of `MADE`.
"""

import gc
import socket
import sys

import uvicorn
from fastapi import FastAPI
from starlette.responses import Response

from kit.orphan import leave_with_parent
from schemas.applications import ApplicationSubmit

JSON = "application/json"


def make(guide: bytes, made: bytes) -> FastAPI:
    """Make the application from the bytes that it answers with."""
    app = FastAPI(docs_url=None, redoc_url=None)

    @app.get("/guide")
    async def get_guide() -> Response:
        return Response(guide, media_type=JSON)

    @app.get("/unchanged")
    async def get_unchanged() -> Response:
        return Response(None, 304, {"ETag": '"0"'})

    @app.post("/applications")
    async def submit(wanted: ApplicationSubmit) -> Response:
        return Response(made, 201, media_type=JSON)

    return app


def main(descriptor: int, guide: int, made: int) -> None:
    """Serve until told to stop, with the options of `api/serving.py`.

    The socket is handed over as what it is: uvicorn takes an `fd` for a Unix socket, and then nobody sets
    TCP_NODELAY, so that every answer in two writes waits 40 ms for the client's delayed ACK.
    """
    leave_with_parent()
    app = make(b" " * guide, b" " * made)
    gc.collect()
    gc.freeze()
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=1, backlog=1024, lifespan="on",
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
