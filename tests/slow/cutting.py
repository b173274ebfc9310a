"""A line that is cut: a TCP proxy that drops connections at moments of chance, on their way in and out."""

import asyncio
import contextlib
import random
import threading


class CuttingLine:
    """Forwards to a port of this machine; each connection may be cut after some bytes of either direction.

    What is cut on its way out was already dealt with by the service: the answer alone is lost.
    """

    def __init__(self, to: int, chance: random.Random, *, cuts: float = 0.8) -> None:
        self._to, self._chance, self._cuts = to, chance, cuts
        self.port = 0
        self.dropped = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.is_whole = False

    def __enter__(self) -> "CuttingLine":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._forward, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        server.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        near = [writer]
        with contextlib.suppress(OSError, asyncio.CancelledError):
            back, on = await asyncio.open_connection("127.0.0.1", self._to)
            near.append(on)
            inward, outward = self._fates()
            await asyncio.gather(
                self._pump(reader, on, inward, near), self._pump(back, writer, outward, near)
            )
        for one in near:
            one.transport.abort()

    def _fates(self) -> tuple[int, int]:
        """Say after how many bytes a connection is cut on its way in and out."""
        if self.is_whole or self._chance.random() > self._cuts:
            return 1 << 40, 1 << 40
        bytes_ = self._chance.randrange(1, 6000)
        return (bytes_, 1 << 40) if self._chance.random() < 0.5 else (1 << 40, bytes_)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int,
        near: list[asyncio.StreamWriter],
    ) -> None:  # fmt: skip
        while piece := await reader.read(1024):
            left -= len(piece)
            if left <= 0:
                self.dropped += 1
                for one in near:
                    one.transport.abort()
                return
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
