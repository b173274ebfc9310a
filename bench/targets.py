"""`python -m bench.targets PORT...`: receivers of messages, one process for many targets.

A POST is answered 204 at once; a GET gives what came to each port: how many, when the first and the last, and
for each hundredth message how long after its event it came. A port after `-` never answers.
"""

import asyncio
import json
import sys
import time
from datetime import datetime
from functools import partial
from typing import cast

import httptools
import uvloop

TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"
NTH = 100


class Came:
    """What came to a port."""

    def __init__(self) -> None:
        self.count, self.first, self.last = 0, 0.0, 0.0
        self.lags: list[float] = []

    def note(self, body: bytes) -> None:
        """Note a message."""
        self.last = time.time()
        self.first = self.first or self.last
        self.count += 1
        if self.count % NTH == 0:
            at = datetime.fromisoformat(json.loads(body)["timestamp"])
            self.lags.append(self.last - at.timestamp())


EVERY: dict[int, Came] = {}


class Target(asyncio.Protocol):
    """A connection to a target."""

    def __init__(self, port: int, *, is_silent: bool) -> None:
        self._came, self._is_silent = EVERY.setdefault(port, Came()), is_silent
        self._parser, self._body = httptools.HttpRequestParser(self), b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if not self._is_silent:
            self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Keep a part of a message."""
        self._body += body

    def on_message_complete(self) -> None:
        """Take a message, or tell what came."""
        if self._parser.get_method() == b"GET":
            told = {p: [c.count, c.first, c.last, c.lags] for p, c in EVERY.items()}
            body = json.dumps(told).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            self._transport.write(head + body)
            return
        self._came.note(self._body)
        self._body = b""
        self._transport.write(TAKEN)


async def main(ports: list[str]) -> None:
    """Take messages for ever."""
    loop, silent = asyncio.get_running_loop(), False
    for text in ports:
        if text == "-":
            silent = True
            continue
        made = partial(Target, int(text), is_silent=silent)
        await loop.create_server(made, "127.0.0.1", int(text))
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1:]))
