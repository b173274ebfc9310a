"""Connections that come together are shared among the processes that listen for them."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
import uvicorn
from fastapi import FastAPI

from api.serving import Server


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
async def taking(app: FastAPI) -> Server:
    made = Server(uvicorn.Config(app, log_config=None, lifespan="off"), app, drain=0.0)
    made.config.load()
    made.lifespan = made.config.lifespan_class(made.config)
    return made


async def _come(listener: socket.socket, count: int) -> list[asyncio.StreamWriter]:
    address = listener.getsockname()
    return [(await asyncio.open_connection(*address))[1] for _ in range(count)]


async def test_a_turn_takes_one_connection_and_more_while_more_wait(
    taking: Server, listener: socket.socket
) -> None:
    listener.setblocking(False)
    clients = await _come(listener, 9)
    for taken in (1, 3, 7, 9, 9):  # Nobody waits any more: no fault.
        taking.take(listener)
        await asyncio.gather(*taking._taking)
        assert len(taking.server_state.connections) == taken
    clients += await _come(listener, 2)
    taking.take(listener)
    await asyncio.gather(*taking._taking)
    assert len(taking.server_state.connections) == 10
    for client in clients:
        client.close()


async def test_without_room_it_waits_and_does_not_spin(
    taking: Server, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise OSError(24, "Too many open files")

    class Full:
        accept = staticmethod(full)

        def fileno(self) -> int:
            return listener.fileno()

    stopped: list[object] = []
    later: list[float] = []
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "remove_reader", stopped.append)
    monkeypatch.setattr(loop, "call_later", lambda pause, *_: later.append(pause))
    taking.take(Full())  # type: ignore[arg-type]
    assert stopped
    assert later == [1.0]
