"""The press: makes each sheet once, in a thread of its own, and keeps those asked for last."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sheets.errors import SheetsBusy

KEPT = 32 * 1024 * 1024
"""Bytes of sheets that are kept: some 300 prints."""

WAITING = 32
"""Sheets that may wait; a print takes some 0.2 s."""


class Press:
    """What one process has made, and is making."""

    def __init__(self, *, kept: int = KEPT, waiting: int = WAITING) -> None:
        self._most, self._waiting = kept, waiting
        self._thread = ThreadPoolExecutor(1, "press")
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0
        self._making: dict[str, asyncio.Task[bytes]] = {}

    async def get(self, tag: str, make: Callable[[], bytes]) -> bytes:
        """Give the sheet with a tag; who asks while it is made waits for the same one.

        A client that hangs up stops nobody else's sheet.

        Raises:
            SheetsBusy: too many others wait.
        """
        if (known := self._kept.get(tag)) is not None:
            self._kept.move_to_end(tag)
            return known
        if tag not in self._making:
            if len(self._making) >= self._waiting:
                raise SheetsBusy()
            self._making[tag] = asyncio.create_task(self._make(tag, make))
        return await asyncio.shield(self._making[tag])

    async def _make(self, tag: str, make: Callable[[], bytes]) -> bytes:
        try:
            made = await asyncio.get_running_loop().run_in_executor(self._thread, make)
        finally:
            del self._making[tag]
        self._keep(tag, made)
        return made

    def _keep(self, tag: str, made: bytes) -> None:
        self._kept[tag] = made
        self._size += len(made)
        while self._size > self._most:
            _, oldest = self._kept.popitem(last=False)
            self._size -= len(oldest)
