"""Engine, tables' common ground, and the only commit in the code base."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeAlias

import asyncpg
import orjson
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.types import UserDefinedType
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from kit.clock import now
from kit.errors import DomainError, Kind, Words

Sessions: TypeAlias = async_sessionmaker[AsyncSession]

SQLModel.metadata.naming_convention = {
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}

SQLModel.model_config["defer_build"] = True
"""Rows are not validated: what would do it is not made, a tenth of a start."""

Instant = sa.DateTime(timezone=True)

AS_READ = sa.types.NullType()
"""As the driver gives it: arrays are read a second time else, item by item."""

CREATED_BY = sa.text("pg_current_xact_id()")
"""The transaction that wrote a row: rows of those that have ended are complete, whenever they are read."""


class Xid8(UserDefinedType[int]):
    """A full transaction id of PostgreSQL, which never wraps."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Name the type."""
        return "xid8"


UNCOMPARED = frozenset({"generation", "created_at", "version"})
"""Columns whose difference alone is no change."""

STATEMENT_TIMEOUT = "5s"
COMMAND_TIMEOUT = 6
"""Seconds after which we stop waiting ourselves: a server that stands still keeps no limit of its own."""

LOCK_TIMEOUT = "2s"
TRANSACTION_TIMEOUT = "5s"
"""No transaction of ours may live long: one long writer holds up the feed of events."""

UNHURRIED_STATEMENT, UNHURRIED_COMMAND, UNHURRIED_TRANSACTION = "60s", 61, "5min"
"""Limits of a command that an operator waits for: on a busy machine a file of guides, kept whole or not at all,
takes longer than any call may, and would never be loaded. Meanwhile the feed of events waits for it."""


AWAY = (
    asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.CannotConnectNowError,
    asyncpg.OperatorInterventionError, asyncpg.TooManyConnectionsError, PoolTimeout,
    ConnectionError, TimeoutError,
    asyncpg.InternalClientError,  # A connection that failed a moment ago and is used again.
)  # fmt: skip
"""Errors of a database that is not there: sending the same again at once is of no use."""

BUSY = (
    asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError, asyncpg.InsufficientResourcesError,
    asyncpg.IdleInTransactionSessionTimeoutError, asyncpg.DeadlockDetectedError,
)  # fmt: skip
"""Errors of a database that is there and had no time."""


class DatabaseAway(DomainError):
    """The database can't be reached, or is too busy."""

    kind = Kind.UNAVAILABLE
    code = "database-away"
    title = Words("服务暂不可用，请稍后重试", "The service is not available now")
    advice = Words(
        "稍后用同一个 Idempotency-Key 重试；没有任何内容被部分保存。",
        "Send the same call again later, with the same Idempotency-Key; nothing was half done.",
    )
    retry_after = 2


def one_of(column: str, values: Iterable[str], name: str = "") -> sa.CheckConstraint:
    """Let a column hold only codes of a list."""
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=name or column)


class Stamped(SQLModel):
    """Columns of a row that processes hold in memory: they read what changed since they looked."""

    generation: int = Field(sa_type=sa.BigInteger, index=True)


class Dated(SQLModel):
    """When a row was made."""

    created_at: datetime = Field(default_factory=now, sa_type=Instant)


async def _connect(*arguments: Any, **options: Any) -> asyncpg.Connection:
    """Connect; a socket that is not there is a database that is not there."""
    try:
        return await asyncpg.connect(*arguments, **options)
    except OSError as error:
        raise ConnectionError(type(error).__name__) from None


def make_engine(
    url: str, *, pool_size: int = 8, one_plan: bool = False, unhurried: bool = False
) -> AsyncEngine:
    """Make an engine whose every connection gives up on a statement that takes too long.

    With `one_plan` a statement is planned once in a connection's life, not at every call: right for one
    that is always the same. All others are planned for their values: a plan that serves a county's agency and
    an outlet with a third of all applications alike serves neither.
    """
    lasting = UNHURRIED_TRANSACTION if unhurried else TRANSACTION_TIMEOUT
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=3,
        hide_parameters=True,  # An error's text must not quote what may be personal.
        connect_args={
            "timeout": 3,
            "command_timeout": UNHURRIED_COMMAND if unhurried else COMMAND_TIMEOUT,
            "async_creator_fn": _connect,
            "server_settings": {
                "statement_timeout": UNHURRIED_STATEMENT if unhurried else STATEMENT_TIMEOUT,
                "lock_timeout": LOCK_TIMEOUT,
                "idle_in_transaction_session_timeout": lasting,
                "application_name": "syt",
                "jit": "off",
                "plan_cache_mode": "force_generic_plan" if one_plan else "force_custom_plan",
                "timezone": "UTC",
            },
        },
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _limit_transactions(connection: Any, _: object) -> None:
        """PostgreSQL 16 does not know `transaction_timeout` yet."""
        if connection.driver_connection.get_server_version() >= (17,):
            cursor = connection.cursor()
            cursor.execute(f"SET transaction_timeout = '{lasting}'")
            cursor.close()
            connection.commit()

    return engine


def make_sessions(engine: AsyncEngine) -> Sessions:
    """Make sessions that keep what they loaded after a commit: async code can't reload it."""
    return async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)


@asynccontextmanager
async def transaction(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    """Run one unit of work: all of it is kept when the block ends, or none of it."""
    async with sessions() as session, session.begin():
        yield session


@asynccontextmanager
async def driver(engine: AsyncEngine) -> AsyncIterator[asyncpg.Connection]:
    """Lend the driver's own connection from the pool, for a single statement that commits itself.

    A connection that broke is thrown away, not put back.
    """
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        lent = raw.driver_connection
        assert isinstance(lent, asyncpg.Connection)  # noqa: S101
        try:
            yield lent
        finally:
            if lent.is_closed():
                await connection.invalidate()


async def run(
    session: AsyncSession, statement: sa.Executable, **values: Any
) -> sa.CursorResult[Any]:
    """Run a statement written by hand, in the session's transaction."""
    return await (await session.connection()).execute(statement, values)


BY_INDEX = tuple(
    sa.func.set_config(name, "off", True)
    for name in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")
)
"""Columns of a SELECT after which a transaction reads a little of large tables by their indexes alone.

A plan is kept for as long as its connection, and that of a table which was empty (a month's partition, a new
database) reads all of it: a look at fifty events took as long as there were events.
"""


def table_of(values: Sequence[str]) -> Any:
    """Give texts as a table with one column, `value`: what is looked up for each of them is joined to it."""
    listed = sa.literal(values, ARRAY(sa.String))
    return sa.func.unnest(listed).table_valued("value").render_derived()


async def by_index(session: AsyncSession) -> None:
    """Let the statements of this transaction find what they read by indexes."""
    await session.exec(sa.select(*BY_INDEX))  # type: ignore[call-overload]


async def hold_name(session: AsyncSession, name: str) -> None:
    """Let one at a time work on what has this name, there or not, until the transaction ends."""
    await run(
        session, sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), name=name
    )


READING = {"transaction_timeout": "0", "idle_in_transaction_session_timeout": "30s"}
"""Limits of a transaction that only reads: it holds nobody up, and to read and compile a whole catalogue on
a busy machine takes longer than a writer may; broken off each time, it would never be done."""


async def read_as_of_now(session: AsyncSession) -> None:
    """Let all that a transaction reads be of one moment; said before anything is read. It can't write."""
    await run(session, sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    longer = sa.text(
        "SELECT set_config(key, value, true) FROM jsonb_each_text(:limits)"
        " WHERE current_setting(key, true) IS NOT NULL"  # PostgreSQL 16 does not know all of them.
    ).bindparams(sa.bindparam("limits", type_=JSONB))
    await run(session, longer, limits=READING)


SET = {"version": "version = t.version + 1"}
"""A row that is changed gets another version, whatever the new one says."""


async def put(
    session: AsyncSession, table: type[SQLModel], rows: Sequence[Mapping[str, Any]]
) -> int:
    """Insert or change rows by their key; tell how many were not there as they now are.

    `generation` and `created_at` alone are no change: loading the same file twice changes nothing.
    """
    if not rows:
        return 0
    known = table.__table__  # type: ignore[attr-defined]
    keys = [column.name for column in known.primary_key]
    names = list(rows[0])
    others = [name for name in names if name not in keys]
    statement = sa.text(f"""
        INSERT INTO {known.name} AS t ({", ".join(names)})
        SELECT {", ".join(names)} FROM jsonb_populate_recordset(NULL::{known.name}, cast(:rows AS jsonb))
        ON CONFLICT ({", ".join(keys)}) DO UPDATE
        SET {", ".join(SET.get(n, f"{n} = excluded.{n}") for n in others if n != "created_at")}
        WHERE ({", ".join(f"t.{n}" for n in others if n not in UNCOMPARED)})
            IS DISTINCT FROM ({", ".join(f"excluded.{n}" for n in others if n not in UNCOMPARED)})
    """)  # noqa: S608 -- names of our own tables and columns
    done = await run(session, statement, rows=orjson.dumps(list(rows)).decode())
    return done.rowcount
