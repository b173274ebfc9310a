"""The simulated core beside the tests: served over HTTP from a thread, told by each test how to behave."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import uvicorn

from connectors.client import HttpCore
from connectors.cores import Cores
from kit.settings import CoreSystem
from simulated_core.app import Behaviour, SimulatedCore
from simulated_core.store import SCHEMA, Store, plain_url

TOKEN = "token-of-a-simulated-core"
MATTERS = frozenset(
    f"3320149010{nth}" for nth in ("08", "09", "10", "12", "19", "20")
)  # fmt: skip


@dataclass
class Stand:
    """A simulated core that runs, and what it has completed."""

    url: str
    database: str

    def system(self, **changed: Any) -> CoreSystem:
        """Its line of the settings."""
        line = {
            "name": "simulated", "url": self.url, "token": TOKEN, "agencies": ["330100"],
            "matters": MATTERS, "budget": 2.0, **changed,
        }  # fmt: skip
        return CoreSystem.model_validate(line)

    def cores(self, **changed: Any) -> Cores:
        """Cores as a process makes them of its settings, each time with breakers of their own."""
        return Cores([self.system(**changed)])

    def core(self, **changed: Any) -> HttpCore:
        return HttpCore(self.system(**changed))

    def behave(self, **how: Any) -> None:
        """Tell it how to behave from now on; with nothing: well."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = httpx.put(f"{self.url}/simulation", json=how, headers=headers)
        assert answer.status_code == 200, answer.text

    async def completions(self) -> list[dict[str, Any]]:
        """What it holds, in its own order."""
        return await self.run(f"SELECT * FROM {SCHEMA}.completion ORDER BY id")

    async def run(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(plain_url(self.database))
        try:
            return [dict(row) for row in await connection.fetch(sql, *values)]
        finally:
            await connection.close()


@contextmanager
def standing(database: str) -> Iterator[Stand]:
    """Serve one; its schema is there."""
    app = SimulatedCore(Store(database), TOKEN, Behaviour()).app()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", loop="asyncio")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield Stand(f"http://127.0.0.1:{listener.getsockname()[1]}", database)
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
