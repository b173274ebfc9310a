"""The harm that is done: kinds of faults, and a plan of them that a seed makes again."""

import asyncio
import contextlib
import os
import random
import resource
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import asyncpg

from kit.embedded import DATABASE
from torture.books import connect
from torture.stand import Stand

Pids = Callable[[Stand], Sequence[int]]
SMALL_FILE = 32 * 1024
"""Bytes after which a process may write no more of a file: what is larger breaks off in its middle."""

CONNECTIONS = 120
"""More than the server has."""

GAP, REST, REST_PART = 0.2, 3.0, 0.1
"""Seconds between two faults on average; after some of them the service may draw breath."""

AIMS, AIMING = 5, 1.0
"""How often, and for how many seconds, a target is looked for."""


class Fault(NamedTuple):
    """One fault of a plan."""

    at: float
    """Seconds from the begin."""
    name: str
    pick: float
    """Which of several processes, as a part of 1."""
    seconds: float
    """How long it lasts, where it lasts."""


class Kind(NamedTuple):
    """A kind of fault."""

    label: str
    weight: int
    longest: float
    inflict: Callable[[Stand, Fault], Awaitable[bool]]
    """Tells whether there was something to harm."""
    kills: bool = False


async def _aim(pids: Pids, stand: Stand, fault: Fault) -> int | None:
    """Pick a process; wait a little for one to come up, since another fault may just have ended it."""
    for _ in range(AIMS):
        found = sorted(await asyncio.to_thread(pids, stand))
        if found:
            return found[int(fault.pick * len(found))]
        await asyncio.sleep(AIMING / AIMS)
    return None


def _sent(pid: int, number: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


def _kill(pids: Pids) -> Callable[[Stand, Fault], Awaitable[bool]]:
    async def inflict(stand: Stand, fault: Fault) -> bool:
        pid = await _aim(pids, stand, fault)
        return pid is not None and _sent(pid, signal.SIGKILL)

    return inflict


def _stop(pids: Pids) -> Callable[[Stand, Fault], Awaitable[bool]]:
    async def inflict(stand: Stand, fault: Fault) -> bool:
        pid = await _aim(pids, stand, fault)
        if pid is None or not _sent(pid, signal.SIGSTOP):
            return False
        await asyncio.sleep(fault.seconds)
        _sent(pid, signal.SIGCONT)
        return True

    return inflict


async def _hold_locks(stand: Stand, fault: Fault) -> bool:
    """Lock applications as no statement of ours can: with enough load, the pools are empty soon."""
    held = ("LOCK TABLE application IN ACCESS EXCLUSIVE MODE", "LOCK TABLE event IN SHARE MODE",
            "SELECT FROM application FOR UPDATE")  # fmt: skip
    statement, locked = held[int(fault.pick * len(held))], False
    with contextlib.suppress(asyncpg.PostgresError, OSError, asyncpg.InterfaceError):
        connection = await connect(stand.home)
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '3s'; {statement}")
                locked = True
                await asyncio.sleep(fault.seconds)
        finally:
            connection.terminate()
    return locked


async def _take_connections(stand: Stand, fault: Fault) -> bool:
    """Take every connection that the server has, until it refuses more."""
    taken: list[Any] = []
    with contextlib.suppress(asyncpg.PostgresError, OSError, asyncpg.InterfaceError):
        for _ in range(CONNECTIONS):
            taken.append(
                await asyncpg.connect(
                    host=str(stand.cluster.sockets), user="syt_owner", database=DATABASE, timeout=2
                )
            )
    await asyncio.sleep(fault.seconds)
    for connection in taken:
        connection.terminate()
    return bool(taken)


async def _take_folder(stand: Stand, fault: Fault) -> bool:
    """Put a plain file where the folder of the files is: nothing can be written, nothing read."""
    folder, away = stand.home / "files", stand.home / "files.away"
    if away.exists():
        return False
    folder.rename(away)
    folder.touch()
    await asyncio.sleep(fault.seconds)
    folder.unlink()
    away.rename(folder)
    return True


async def _break_writes(stand: Stand, fault: Fault) -> bool:
    """Let the kernel refuse an API process to write beyond the begin of a file."""
    pid = await _aim(_api, stand, fault)
    with contextlib.suppress(ProcessLookupError):
        if pid is not None:
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (SMALL_FILE, hard))
            await asyncio.sleep(fault.seconds)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
            return True
    return False


def _api(stand: Stand) -> Sequence[int]:
    return stand.children("api")


def _worker(stand: Stand) -> Sequence[int]:
    return stand.children("worker")


KINDS = {
    "kill-backend": Kind("backend of PostgreSQL killed", 60, 0, _kill(Stand.backends), True),
    "kill-auxiliary": Kind("writer of PostgreSQL killed", 8, 0, _kill(Stand.auxiliaries), True),
    "kill-postmaster": Kind("postmaster killed", 2, 0, _kill(Stand.postmaster), True),
    "kill-worker": Kind("background process killed", 14, 0, _kill(_worker), True),
    "kill-api": Kind("API process killed", 3, 0, _kill(_api), True),
    "stop-api": Kind("API process stopped for a while", 3, 2, _stop(_api)),
    "stop-worker": Kind("background process stopped for a while", 3, 2, _stop(_worker)),
    "stop-backend": Kind("backend stopped for a while", 4, 2, _stop(Stand.backends)),
    "locks": Kind("tables and rows locked", 4, 3, _hold_locks),
    "connections": Kind("all connections taken", 3, 2, _take_connections),
    "folder": Kind("folder of files gone", 2, 2, _take_folder),
    "writes": Kind("files break off while written", 3, 3, _break_writes),
}


def plan(seed: str, seconds: float, names: Sequence[str] = tuple(KINDS)) -> list[Fault]:
    """Draw the faults of a run: the same seed, seconds and names draw the same."""
    drawn = random.Random(seed)
    weights = [KINDS[name].weight for name in names]
    faults, at = [], 0.0
    while (at := at + drawn.expovariate(1 / GAP)) < seconds:
        (name,) = drawn.choices(names, weights)
        longest = KINDS[name].longest
        faults.append(Fault(at, name, drawn.random(), drawn.uniform(longest / 4, longest)))
        at += REST if drawn.random() < REST_PART else 0
    return faults


async def inflict(stand: Stand, faults: Sequence[Fault], done: Counter[str]) -> None:
    """Inflict a plan; faults that last go on beside the next ones. Count those that hit something."""
    began, loop = asyncio.get_running_loop().time(), asyncio.get_running_loop()

    async def one(fault: Fault) -> None:
        if await KINDS[fault.name].inflict(stand, fault):
            done[fault.name] += 1

    async with asyncio.TaskGroup() as lasting:
        for fault in faults:
            await asyncio.sleep(max(0, began + fault.at - loop.time()))
            lasting.create_task(one(fault))
