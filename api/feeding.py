"""The ways in which the feed is read: a page, a page that is waited for, and a stream (Server-Sent Events).

A reader reads in transactions of its own that end at once: nothing is held while he waits. Whether he may still
read is asked from memory each second and before each page.
"""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Any

from fastapi import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from access.callers import Caller
from access.errors import Forbidden
from access.policy import May
from api.conditional import dumps
from api.deps import identify
from api.paging import Pager
from api.problems import documented, told
from api.state import State
from api.watching import Waiter
from applications.feed import FeedEpochOver, FeedExpired, Told, page_of
from events import queries
from events.models import Event
from events.queries import Mark
from events.service import shown
from kit.db import transaction
from schemas.events import EventFilter

ASKED_AGAIN = 1.0
"""Seconds between two looks whether a reader may still read."""

ALIVE = 15.0
"""Seconds after which a stream says that it lives, and how far it is."""

RETRY = b"retry: 2000\n\n"
STREAM = "text/event-stream"


class Reader:
    """One caller on his way through the feed."""

    def __init__(self, request: Request, held: State, caller: Caller, narrow: EventFilter) -> None:
        """Begin where his mark says.

        Raises:
            CursorInvalid: the mark is none of his.
        """
        self._request, self._held, self._narrow = request, held, narrow
        self.caller = caller
        self._pager = Pager(held, "events", caller, narrow, lasting=True)
        self._place = self._pager.position

    async def read(self) -> Told:
        """Read the next page, as far as the order is told.

        Raises:
            FeedEpochOver, FeedExpired: the mark is of before a restore, or of what is kept no longer.
        """
        async with transaction(self._held.sessions) as session:
            mark = await queries.mark(session)
            start = self._start(mark)
            page = await page_of(session, self.caller, start, mark.seq, self._narrow)
        self._place = [mark.epoch, page.end]
        return page

    def _start(self, mark: Mark) -> int:
        if self._place is None:
            return 0
        epoch, seq = self._place
        if epoch != mark.epoch:
            raise FeedEpochOver()
        if seq + 1 < mark.first:
            raise FeedExpired(next=self._pager.mark([mark.epoch, mark.first - 1]))
        return int(seq)

    def mark(self, seq: int | None = None) -> str:
        """Give the mark of where the reader is, or of an event on the page that he read last."""
        epoch, end = self._place or (1, 0)
        return self._pager.mark([epoch, end if seq is None else seq])

    def check(self) -> None:
        """Go on only if the caller may still read, and with what he may see now.

        Raises:
            TokenInvalid, MemoryStale, TerminalSuspended, TellerInactive, Forbidden: he may not.
        """
        self.caller = identify.again(self._request)
        if not self.caller.may(May.EVENT_READ):
            raise Forbidden()


class Wait:
    """What is waited for: events, the end of the process, a client that hangs up."""

    def __init__(self, waiter: Waiter, receive: Receive) -> None:
        self._waiter = waiter
        self._gone = asyncio.create_task(_gone(receive))

    @property
    def is_left(self) -> bool:
        """Whether nobody listens any more."""
        return self._gone.done()

    async def some(self, seconds: float) -> None:
        """Wait until something happens, or so many seconds."""
        woken = asyncio.create_task(self._waiter.woken.wait())
        try:
            await asyncio.wait(
                {woken, self._gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            woken.cancel()

    @property
    def was_woken(self) -> bool:
        """Whether there is something to read; asked, it is forgotten."""
        found = self._waiter.woken.is_set()
        self._waiter.woken.clear()
        return found

    def close(self) -> None:
        """Listen no longer."""
        self._gone.cancel()


async def _gone(receive: Receive) -> None:
    """End when the client hangs up."""
    with suppress(Exception):  # However a line ends, it has ended.
        while (await receive())["type"] != "http.disconnect":
            pass


async def waited_for(reader: Reader, held: State, request: Request, seconds: int) -> Told:
    """Read a page, and wait for it while there is nothing on it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    with ExitStack() as stack:
        waiter = stack.enter_context(held.watcher.waiting(reader.caller))
        found = await reader.read()
        if found.rows or not seconds:
            return found
        wait = Wait(waiter, request.receive)
        stack.callback(wait.close)
        while not found.rows and not held.watcher.closed and not wait.is_left:
            left = deadline - loop.time()
            if left <= 0:
                break
            if not found.more:
                await wait.some(min(left, ASKED_AGAIN))
            reader.check()
            if found.more or wait.was_woken:
                found = await reader.read()
    return found


def page(reader: Reader, found: Told) -> dict[str, Any]:
    """Show a page."""
    items = [shown(event) for _, event in found.rows]
    return {"items": items, "next": reader.mark(), "more": found.more}


class Stream(Response):
    """An answer without an end, in the form of Server-Sent Events.

    It ends when the process leaves, when the client hangs up, and, after saying why, when the reader may
    read no longer. Each event carries its mark as `id`, which a client that comes back sends as
    `Last-Event-ID`.
    """

    media_type = STREAM

    def __init__(
        self, reader: Reader, held: State, request: Request, first: Told, stack: ExitStack, waiter: Waiter
    ) -> None:  # fmt: skip
        super().__init__()
        del self.headers["content-length"]
        self._reader, self._held, self._request = reader, held, request
        self._first, self._stack, self._waiter = first, stack, waiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell events until there is a reason to end."""
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        with self._stack:
            wait = Wait(self._waiter, receive)
            self._stack.callback(wait.close)
            await send(start)
            await _say(send, RETRY)
            try:
                await self._tell(wait, send)
            except Exception as error:
                _, said = documented(self._request, told(error))
                await _say(send, _message("problem", said))
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell(self, wait: Wait, send: Send) -> None:
        page = self._first
        while True:
            if page.rows:
                events = (self._event(seq, event) for seq, event in page.rows)
                await _say(send, b"".join(events))
            if not page.more:
                await self._rest(wait)
            if self._held.watcher.closed or wait.is_left:
                return
            self._reader.check()
            page = await self._reader.read()
            if not (page.rows or page.more):
                await _say(send, f": alive\nid: {self._reader.mark()}\n\n".encode())

    async def _rest(self, wait: Wait) -> None:
        """Wait until there is something to read; after a while it is looked for all the same."""
        until = asyncio.get_running_loop().time() + ALIVE
        while not self._held.watcher.closed and not wait.is_left:
            left = until - asyncio.get_running_loop().time()
            if wait.was_woken or left <= 0:
                return
            await wait.some(min(left, ASKED_AGAIN))
            self._reader.check()

    def _event(self, seq: int, event: Event) -> bytes:
        return _message(event.kind, shown(event), self._reader.mark(seq))


def _message(kind: str, data: Mapping[str, Any], mark: str | None = None) -> bytes:
    named = f"id: {mark}\n" if mark is not None else ""
    return f"{named}event: {kind}\ndata: ".encode() + dumps(data) + b"\n\n"


async def _say(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def stream(reader: Reader, held: State, request: Request) -> Stream:
    """Begin a stream; what is wrong with its mark is refused before it begins."""
    with ExitStack() as stack:
        waiter = stack.enter_context(held.watcher.waiting(reader.caller))
        first = await reader.read()
        return Stream(reader, held, request, first, stack.pop_all(), waiter)
