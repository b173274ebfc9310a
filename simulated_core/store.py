"""Tables of the simulated core: a schema of its own, which the service never looks into."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import orjson

SCHEMA = "simulated_core"
MAKE = f"""
CREATE TABLE IF NOT EXISTS {SCHEMA}.completion (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL,
    nth int NOT NULL DEFAULT 0,
    application text NOT NULL,
    reference text NOT NULL UNIQUE,
    completed_at timestamptz NOT NULL DEFAULT now(),
    result jsonb NOT NULL,
    UNIQUE (key, nth)
)
"""
COLUMNS = "key, application, reference, completed_at, result"
FIND = f"SELECT {COLUMNS} FROM {SCHEMA}.completion WHERE key = $1 ORDER BY nth LIMIT 1"  # noqa: S608
ADD = f"""
INSERT INTO {SCHEMA}.completion (key, nth, application, reference, completed_at, result)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (key, nth) DO NOTHING RETURNING {COLUMNS}
"""  # noqa: S608
TIMES = f"SELECT count(*) FROM {SCHEMA}.completion WHERE key = $1"  # noqa: S608
LIST = f"""
SELECT id, key, application, reference, completed_at FROM {SCHEMA}.completion
WHERE completed_at >= $1 AND completed_at < $2 AND id > $3 ORDER BY id LIMIT $4
"""  # noqa: S608


def plain_url(url: str) -> str:
    """Write an address as the driver wants it."""
    return url.replace("+asyncpg", "")


async def make_schema(owner_url: str, role: str) -> None:
    """Make the schema, where it is missing, and give it to a role."""
    connection = await asyncpg.connect(plain_url(owner_url))
    try:
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        await connection.execute(f'GRANT USAGE, CREATE ON SCHEMA {SCHEMA} TO "{role}"')
    finally:
        await connection.close()


class Store:
    """Completions."""

    def __init__(self, url: str) -> None:
        self._url = plain_url(url)
        self._pool: asyncpg.Pool | None = None

    async def open(self) -> None:
        """Connect, and make the table."""
        self._pool = await asyncpg.create_pool(self._url, min_size=1, max_size=4)
        await self._pool.execute(MAKE)

    async def close(self) -> None:
        """Disconnect."""
        if self._pool is not None:
            await self._pool.close()

    @property
    def pool(self) -> asyncpg.Pool:
        """The connections."""
        if self._pool is None:
            raise LookupError("not open")
        return self._pool

    async def find(self, key: str) -> Mapping[str, Any] | None:
        """Give what was completed first under a key."""
        return _read(await self.pool.fetchrow(FIND, key))

    async def add(
        self, key: str, application: str, reference: str, at: datetime, result: Mapping[str, Any],
        *, again: bool = False,
    ) -> Mapping[str, Any]:  # fmt: skip
        """Complete, once for a key; `again`: once more, as nobody should."""
        nth = await self.pool.fetchval(TIMES, key) if again else 0
        text = orjson.dumps(result).decode()
        row = await self.pool.fetchrow(ADD, key, nth, application, reference, at, text)
        made = _read(row) or await self.find(key)
        if made is None:
            raise LookupError("neither made nor found")
        return made

    async def listed(
        self, since: datetime, until: datetime, after: int, limit: int
    ) -> Sequence[Mapping[str, Any]]:
        """List what was completed in a time."""
        return [dict(row) for row in await self.pool.fetch(LIST, since, until, after, limit)]


def _read(row: asyncpg.Record | None) -> Mapping[str, Any] | None:
    return None if row is None else {**row, "result": orjson.loads(row["result"])}


def new_reference() -> str:
    """Make the reference of a completion: anybody sees that it is simulated."""
    return f"SIM-{secrets.token_hex(6).upper()}"
