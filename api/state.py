"""What one API process holds: put together at start, taken apart at the end."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from access.issuers import KIND as ISSUERS
from access.issuers import make_issuers
from access.memory import KIND as GRANTS
from access.memory import REVOKED, GrantsMemory, RevokedMemory
from access.tokens import Tokens
from api import figures
from api.issuers import Reader
from api.sharing import Sharing
from api.watching import Watcher
from applications.desk import Desk, make_desk
from applications.handing_in import Counter
from applications.intake import Intake
from applications.numbers import Serials
from connectors.cores import Cores
from custody import service as custody
from files.stores import Vault, make_store
from kit.buckets import Buckets
from kit.crypto import KeyRing, load_keys
from kit.db import AWAY, Sessions, make_engine, make_sessions, transaction
from kit.generations import Follower
from kit.heap import filling
from kit.settings import Settings
from kit.signing import Signer, load_receipt_signer
from terminals.usage import Usage

if TYPE_CHECKING:
    from outlets.finding import Finder

log = structlog.get_logger()

DOOR_RATE, DOOR_BURST = 200, 2000
"""Tokens a second, and at once, that may be asked for from one address."""


PATIENCE = 30.0
"""Seconds for which a start waits for a database that is away: to end and begin again takes longer."""


@dataclass
class State:
    """Everything an endpoint may need."""

    settings: Settings
    engine: AsyncEngine
    writing: AsyncEngine
    """For submissions alone: connections of their own, which plan their one statement once."""
    sessions: Sessions
    keys: KeyRing
    desk: Desk
    grants: GrantsMemory
    tokens: Tokens
    follower: Follower
    counter: Counter
    cores: Cores
    vault: Vault
    buckets: Buckets
    doors: Buckets
    """Of those who ask for a token, by their address: a bank's outlets may share one."""
    sharing: Sharing
    reader: Reader
    usage: Usage
    watcher: Watcher
    """For those who wait for events."""
    receipts: Signer
    """Signs what is handed to applicants."""
    leaving: bool = False
    """Told to stop: no balancer is to send more, and what it sends is still served."""

    @cached_property
    def finder(self) -> "Finder":
        """Finds outlets. What it rests on takes long to load: see `_find`."""
        from outlets.finding import Finder  # noqa: PLC0415 -- this is when

        return Finder(self.desk.registry)


def make_state(settings: Settings, database_url: str) -> State:
    """Put a process together; nothing is read yet."""
    keys = load_keys(settings)
    engine = make_engine(database_url, pool_size=settings.pool_size)
    sessions = make_sessions(engine)
    desk, memories = make_desk(keys)
    lanes = settings.submission_lanes
    writing = make_engine(database_url, pool_size=lanes + 1, one_plan=True)
    grants, serials = GrantsMemory(), Serials(writing)
    buckets = Buckets(settings.calls_per_second, settings.calls_at_once)
    issuers, revoked = make_issuers(settings.issuers), RevokedMemory()
    memories = {GRANTS: grants, REVOKED: revoked, ISSUERS: issuers, **memories}
    intake = Intake(writing, keys, serials, lanes=lanes, queue=settings.submission_queue)
    cores = Cores(settings.cores)
    return State(
        settings=settings, engine=engine, writing=writing, sessions=sessions, keys=keys, desk=desk,
        grants=grants,
        tokens=Tokens(
            keys, local_people=settings.local_issuer, issuers=issuers, revoked=revoked
        ),
        follower=Follower(sessions, memories),
        counter=Counter(desk, intake, serials, sessions, cores), cores=cores,
        vault=Vault(make_store(settings), keys, sessions), buckets=buckets,
        doors=Buckets(DOOR_RATE, DOOR_BURST), sharing=Sharing(buckets, sessions),
        reader=Reader(issuers, sessions),
        usage=Usage(sessions), watcher=Watcher(sessions),
        receipts=load_receipt_signer(settings),
    )  # fmt: skip


async def _once_there(work: Callable[[], Awaitable[object]]) -> None:
    """Do what needs the database; one that is just being started again is waited for."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            await work()
        except ProgrammingError:
            raise  # It is there, and is another than ours.
        except (DBAPIError, *AWAY):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
        else:
            return


async def _check_keys(state: State) -> None:
    """Serve nobody with a ring that is not the one by which the database is sealed."""
    async with transaction(state.sessions) as session:
        await custody.check(session, state.keys)


async def _fill(state: State) -> None:
    """Read all that is held in memory."""
    with filling():
        await _once_there(lambda: _check_keys(state))
        await _once_there(state.follower.look)
        await _once_there(state.counter.serials.refill)
    # To load all may take longer than what is known may be old.
    await _once_there(state.follower.look)


async def _find(state: State) -> None:
    """Make the finder ready beside: who looks for an outlet waits for it, nobody else has to."""
    await asyncio.to_thread(__import__, "outlets.finding")
    await state.finder.ready()


@asynccontextmanager
async def running(state: State) -> AsyncIterator[State]:
    """Fill the memories, follow their changes, and at the end let go of nothing unwritten."""
    await _fill(state)
    engines = {"requests": state.engine, "submissions": state.writing}
    noting = figures.keep_noting(state.follower, state.counter.intake, engines)
    if state.settings.local_issuer:
        log.warning("local_issuer_is_on", never="in production")
    always = (
        state.follower.follow(), noting, state.reader.keep(), state.sharing.keep(),
        state.usage.keep_writing(), state.watcher.keep(),
    )  # fmt: skip
    once = _find(state), state.desk.catalogue.make_ready()
    beside = [asyncio.create_task(work) for work in (*once, *always)]
    try:
        yield state
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await _let_go(state)


async def _let_go(state: State) -> None:
    """Write what was taken, and let all connections go."""
    await state.counter.intake.drain()
    await state.usage.write()
    await state.cores.close()
    await state.engine.dispose()
    await state.writing.dispose()
