"""`syt conformance`: a bank's client between the faults of the kit and a sandbox, and what it did wrong."""

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from cli.home import say
from rehearsal.journal import Journal
from rehearsal.report import as_json, as_text, judged, status
from rehearsal.session import BASE_URL, Place, relaying, run

GUIDE = (
    "把贵行终端的服务地址指向 {url}（断言的 aud 仍用沙箱公布的地址），"
    "按 docs/conformance.md 逐个提交样例申请人；按 Ctrl-C 结束并出报告。"
)


@dataclass(frozen=True)
class Asked:
    """What is to be done."""

    base_url: str
    listen: str
    report: Path | None = None
    logs: Sequence[Path] = ()
    command: Sequence[str] = field(default=())

    @property
    def place(self) -> Place:
        """Where the relay listens.

        Raises:
            ValueError: it is no HOST:PORT.
        """
        host, _, port = self.listen.rpartition(":")
        return Place(host or "127.0.0.1", int(port))


async def rehearse(asked: Asked) -> tuple[int, str]:
    """Run a session to its end; give the exit code and the report."""
    journal = Journal()
    async with relaying(asked.base_url.rstrip("/"), asked.place, journal) as place:
        if asked.command:
            ended = await run(asked.command, {BASE_URL: place.url})
            say(f"客户端程序已结束，退出码 {ended}")
        else:
            say(GUIDE.format(url=place.url))
            await _told_to_stop()
    texts = [path.read_text("utf-8", "replace") for path in asked.logs]
    found = judged(journal, texts)
    if asked.report is not None:
        written = orjson.dumps(as_json(asked.base_url, journal, found), option=orjson.OPT_INDENT_2)
        asked.report.write_bytes(written)
    return status(found), as_text(journal, found)


async def _told_to_stop() -> None:
    told, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, told.set)
    await told.wait()
