"""Writing submissions: one SQL statement, which many that come together share.

Where any of them brings a number that its terminal has reserved, they share a statement that looks for that
too; all others are spared it.

Each is acknowledged only after its own commit. A statement that fails harms no neighbour: its members
are then sent one by one. A client that hangs up cancels nobody.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from itertools import product
from operator import attrgetter
from typing import Any, NamedTuple

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from applications.draft import Draft, renumbered
from applications.errors import QueueFull
from applications.numbers import Serials
from kit.crypto import KeyRing
from kit.db import AWAY, BUSY, DatabaseAway, driver
from kit.repeats import KeyInProgress

BATCH = 100
"""Submissions in one statement at most: as many as one call brings."""

QUIET = 2
"""Turns of the loop that bring no other draft, after which a statement is sent: a request that has just
been read becomes a draft in its second turn."""

AGAIN = 0.001
"""Seconds without another draft, after which a lane waits no longer for as many as there were just before."""

SHARING = 8
"""Members who share well what a statement costs by itself: for more than these, and half of those who were
there just before, nobody is kept waiting. The other half is read meanwhile."""

TIMEOUT = 6.0
"""Seconds for a statement; the server's own limit is shorter."""

TRIES = 3
"""How often another number is tried where one is taken."""

TYPES = {
    "number": "text", "submitter": "text", "idempotency_key": "text", "body_digest": "bytea",
    "matter": "text", "guide_version": "int", "outlet": "text", "teller": "text", "agency": "text",
    "risk_class": "smallint", "state": "text", "received_at": "timestamptz",
    "captured_at": "timestamptz", "accepted_at": "timestamptz", "legal_due_on": "date",
    "promised_due_on": "date", "due_provisional": "bool", "calendar_generation": "bigint",
    "due_on": "date", "yellow_on": "date", "red_on": "date", "overdue_on": "date",
    "step_due_on": "date", "pooled": "bool",
    "light_told": "smallint", "light_until": "date",
    "accepted_by": "text", "documents": "text[]", "materials": "jsonb", "subject_index": "bytea",
    "sealed": "bytea", "actor": "text",
}  # fmt: skip
"""Columns of a draft and how they travel."""

BYTES = tuple(name for name, kind in TYPES.items() if kind == "bytea")
PLAIN = tuple(name for name in TYPES if name not in BYTES)
"""Travel as one JSON text: to encode and to read an array for each column takes far longer."""

LOOKED_BACK = 20
"""Of how many applications of a subject a duplicate is looked for: a large employer has thousands."""

WRITTEN = tuple(name for name in TYPES if name != "actor")
_plain = attrgetter(*PLAIN)
_bytes = [attrgetter(name) for name in BYTES]

RESERVATIONS = """, refused AS (
    SELECT ord, CASE WHEN used IS NULL THEN 'not-reserved' ELSE 'used' END AS why FROM (
        SELECT i.ord, substr(i.number, 24, 6)::int AS serial, (
            SELECT CASE WHEN b.terminal = i.submitter::uuid THEN b.last END FROM number_block b
            WHERE b.outlet = i.outlet AND b.day = to_date(substr(i.number, 10, 8), 'YYYYMMDD')
                AND b.first <= substr(i.number, 24, 6)::int
            ORDER BY b.outlet, b.day, b.first DESC LIMIT 1
        ) AS last, (SELECT a.number FROM application a WHERE a.number = i.number) AS used
        FROM incoming i WHERE i.reserved
    ) AS given
    WHERE last IS NULL OR last < serial OR used IS NOT NULL
)"""
"""Reserved numbers that are not to be had. Of whom a key is known is decided after it: a repeat is none."""

FILES = """, named AS (
    SELECT i.ord, f.file, held.id IS NULL AS lost
    FROM incoming i CROSS JOIN LATERAL unnest(i.files) AS f (file)
    LEFT JOIN LATERAL (SELECT s.id FROM stored_file s WHERE s.id = f.file FOR KEY SHARE) held ON true
)"""
"""Files that are named, held: one that is just being removed is waited for. Without one nothing is made."""

USED = """, used AS (
    INSERT INTO file_use (file, application)
    SELECT DISTINCT n.file, i.number FROM named n JOIN incoming i USING (ord) JOIN made USING (number)
)"""
LOST = "(SELECT array_agg(n.file) FROM named n WHERE n.ord = i.ord AND n.lost)"

CALLED = """, called AS (
    INSERT INTO core_call (application, step, core, agency, state, attempts, asked, due_at, made_at)
    SELECT i.number, 1, i.core, i.agency, 'due', (i.held_until IS NOT NULL)::int,
        i.held_until IS NOT NULL, coalesce(i.held_until, i.received_at), i.received_at
    FROM incoming i JOIN made USING (number) WHERE i.core IS NOT NULL
)"""
"""What the agency's core is to complete: whoever was to ask it may be killed, this stays."""
HOLDING = ", claimed_by, claimed_until"
HELD = "CASE WHEN held_until IS NOT NULL THEN 'system' END, held_until"

MORE = {"reserved": "bool", "files": "text[]", "core": "text", "held_until": "timestamptz"}
"""What few drafts have, and how it travels."""


def _statement(*, reserved: bool, files: bool, core: bool) -> str:
    """Write the statement; the plain one holds not a word of reserved numbers, of files and of cores."""
    few = {"reserved": reserved, "files": files, "core": core, "held_until": core}
    more = [name for name, wanted in few.items() if wanted]
    plain, types = (*PLAIN, *more), TYPES | MORE
    kept = [
        *(["ord NOT IN (SELECT ord FROM refused)"] if reserved else []),
        *(["ord NOT IN (SELECT ord FROM named WHERE lost)"] if files else []),
    ]
    return f"""
WITH incoming AS (
    SELECT * FROM ROWS FROM (
        json_to_recordset($1::json) AS ({", ".join(f"{n} {types[n]}" for n in plain)}),
        {", ".join(f"unnest(${i}::bytea[])" for i, _ in enumerate(BYTES, 2))}
    ) WITH ORDINALITY AS t ({", ".join(plain + BYTES)}, ord)
){RESERVATIONS if reserved else ""}{FILES if files else ""}, made AS (
    INSERT INTO application ({", ".join(WRITTEN)}, step, version{HOLDING if core else ""})
    SELECT {", ".join(WRITTEN)}, 1, 1{f", {HELD}" if core else ""} FROM incoming
    WHERE {" AND ".join(("true", *kept))} ORDER BY ord
    ON CONFLICT (submitter, idempotency_key) DO NOTHING
    RETURNING number
){USED if files else ""}{CALLED if core else ""}, told AS (
    INSERT INTO event
        (at, kind, application, version, state, step, actor, actor_role, outlet, agency, facts)
    SELECT i.received_at, e.kind, i.number, 1, e.state, 1, i.actor, 'teller', i.outlet, i.agency,
           CASE e.nth WHEN 2 THEN jsonb_strip_nulls(jsonb_build_object(
               'legal_due_on', i.legal_due_on, 'promised_due_on', i.promised_due_on
           )) ELSE '{{}}' END
    FROM incoming i JOIN made USING (number)
    CROSS JOIN LATERAL (
        VALUES (1, 'application.received', 'received'), (2, 'application.accepted', 'accepted'),
            (3, 'application.unrouted', 'received')
    ) AS e (nth, kind, state)
    WHERE e.nth = 1 OR e.nth = 2 AND i.accepted_at IS NOT NULL OR e.nth = 3 AND i.pooled
    ORDER BY i.ord, e.nth
)
SELECT i.number, made.number IS NOT NULL, EXISTS (
    SELECT 1 FROM (
        SELECT a.matter, a.state FROM application a
        WHERE a.subject_index = i.subject_index
        ORDER BY a.received_at DESC LIMIT {LOOKED_BACK}
    ) earlier
    WHERE earlier.matter = i.matter AND earlier.state NOT IN
        ('completed', 'delivered', 'archived', 'refused', 'returned', 'withdrawn', 'voided')
), {"refused.why" if reserved else "NULL"}, {LOST if files else "NULL"}
FROM incoming i LEFT JOIN made USING (number)
{"LEFT JOIN refused USING (ord)" if reserved else ""}
"""  # noqa: S608 -- built from the names above only


EITHER = (False, True)
STATEMENTS = {
    (reserved, files, core): _statement(reserved=reserved, files=files, core=core)
    for reserved, files, core in product(EITHER, EITHER, EITHER)
}
"""Application and events are inserted, and the key settled, in one statement that commits itself. The
third column tells of a likely duplicate: another open application of the same person and matter."""

STATEMENT = STATEMENTS[False, False, False]


class Written(NamedTuple):
    """What became of a draft."""

    number: str
    made: bool
    """False: the key was used before, the number is not to be had, or a file is gone."""
    likely_duplicate: bool
    why: str | None = None
    """What is wrong with a number that was given."""
    lost: list[str] | None = None
    """Files that were removed since they were stored."""


class Waiting(NamedTuple):
    """A draft that waits to be written, and who waits for it."""

    draft: Draft
    future: asyncio.Future[Written]
    since: float


PATIENCE = 8.0
"""Seconds after which a draft is no longer begun with: its client has given up, or is about to."""

BUSY_ENOUGH = 2
"""Members of a batch that wait for a lock in vain, after which it is the database that is busy."""


def _answer(future: asyncio.Future[Written], outcome: Written) -> None:
    if not future.done():  # A client that has hung up no longer waits.
        future.set_result(outcome)


def _given_up(waiting: Waiting) -> bool:
    """Refuse what has waited for too long; tell whether it has, or its client has hung up."""
    late = time.monotonic() - waiting.since > PATIENCE
    if late:
        _fail(waiting.future, QueueFull())
    return late


def _fail(future: asyncio.Future[Written], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _wanted(before: int) -> int:
    """Tell how many are to share the next statement where there were so many just before."""
    return min(max(before // 2, SHARING), before, BATCH)


class SameNumber(Exception):
    """Two that came together bring one number: the same call twice, most likely."""


class Intake:
    """Writes drafts through a few lanes, each with a connection and one statement under way."""

    def __init__(
        self, engine: AsyncEngine, keys: KeyRing, serials: Serials, *, lanes: int, queue: int
    ) -> None:
        self._engine, self._keys, self._serials = engine, keys, serials
        self._width, self._limit = lanes, queue
        self._waiting: deque[Waiting] = deque()
        self._arrived = asyncio.Event()
        self._closing = False
        self._wanted, self._enough = 0, asyncio.Event()
        self._lanes: list[asyncio.Task[None]] = []

    @property
    def waiting(self) -> int:
        """How many drafts wait for a lane."""
        return len(self._waiting)

    async def write(self, draft: Draft) -> Written:
        """Write a draft; gives back after its commit.

        Raises:
            QueueFull: too many wait already.
            KeyInProgress: another call with the same key has not ended within two seconds.
        """
        return await self.enter(draft)

    def enter(self, draft: Draft) -> asyncio.Future[Written]:
        """Queue a draft; what is given back ends as `write` does, after the commit.

        Raises:
            QueueFull: too many wait already.
        """
        if len(self._waiting) >= self._limit:
            raise QueueFull()
        if not self._lanes:
            self._lanes = [asyncio.create_task(self._work()) for _ in range(self._width)]
        future: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(draft, future, time.monotonic()))
        self._arrived.set()
        if len(self._waiting) >= self._wanted:
            self._enough.set()
        return future

    async def drain(self) -> None:
        """Wait until all that was taken has been written, and close the lanes."""
        self._closing = True
        self._arrived.set()
        await asyncio.gather(*self._lanes)
        self._lanes, self._closing = [], False

    async def _more(self) -> bool:
        """Wait for a draft; False when no other will come."""
        await self._arrived.wait()
        return bool(self._waiting) or not self._closing

    async def _work(self) -> None:
        """Write what comes; a connection that breaks is followed by another one."""
        while await self._more():
            try:
                async with driver(self._engine) as connection:
                    await self._serve(connection)
            except Exception as error:
                for waiting in self._take():  # There is no connection to be had.
                    _fail(waiting.future, error)

    async def _serve(self, connection: asyncpg.Connection) -> None:
        while await self._more() and not connection.is_closed():
            await self._gather()
            batch = [waiting for waiting in self._take() if not _given_up(waiting)]
            if batch:
                await self._settle(connection, batch)
                self._wanted = _wanted(len(batch) + len(self._waiting))

    async def _gather(self) -> None:
        """Let those in who stand at the door: who shares a statement costs less than who has one alone.

        Who was answered together mostly comes again together, while others wait already: a few at a time
        that take turns would need many more statements. One who comes alone waits for nobody.
        """
        quiet = 0
        while quiet < QUIET and len(self._waiting) < BATCH:
            before = len(self._waiting)
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._waiting) == before else 0
        before = 0
        while before < len(self._waiting) < self._wanted:
            before = len(self._waiting)
            self._enough.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN):
                    await self._enough.wait()

    def _take(self) -> list[Waiting]:
        taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH))]
        if not self._waiting and not self._closing:
            self._arrived.clear()
        return taken

    async def _settle(self, connection: asyncpg.Connection, batch: list[Waiting]) -> None:
        drafts = [waiting.draft for waiting in batch]
        try:
            if len({draft.number for draft in drafts}) < len(drafts):
                raise SameNumber
            written = await _send(connection, drafts)
        except AWAY as error:
            connection.terminate()  # What it still thinks of itself is not to be trusted.
            for waiting in batch:
                _fail(waiting.future, error)
        except Exception as error:
            await self._settle_each(connection, batch, error)
        else:
            for waiting, outcome in zip(batch, written, strict=True):
                _answer(waiting.future, outcome)

    async def _settle_each(
        self, connection: asyncpg.Connection, batch: list[Waiting], error: Exception | None
    ) -> None:
        """Send the members alone: what fails one harms no other.

        One that waits for a lock in vain has a key that another call holds; where several do, it is the
        database that is busy, and the rest are told so without waiting too.
        """
        held: list[Waiting] = []
        met = error if len(batch) == 1 else None
        for waiting in batch:
            if len(held) >= BUSY_ENOUGH or await self._is_held(connection, waiting, met):
                held.append(waiting)
        for waiting in held:
            _fail(waiting.future, DatabaseAway() if len(held) >= BUSY_ENOUGH else KeyInProgress())

    async def _is_held(
        self, connection: asyncpg.Connection, waiting: Waiting, error: Exception | None
    ) -> bool:
        """Send one alone, or deal with the error it has met; tell whether it met a lock."""
        try:
            if error is None:
                outcome = (await _send(connection, [waiting.draft]))[0]
            else:
                outcome = await self._try_again(connection, waiting.draft, error)
        except BUSY:
            return True
        except Exception as final:
            if error is None and isinstance(final, asyncpg.UniqueViolationError):
                return await self._is_held(
                    connection, waiting, final
                )  # Another number may be free.
            _fail(waiting.future, final)
        else:
            _answer(waiting.future, outcome)
        return False

    async def _try_again(
        self, connection: asyncpg.Connection, draft: Draft, error: Exception
    ) -> Written:
        """Try other numbers where the number was taken; else tell what went wrong.

        A reserved one stays: now that it is taken, the statement says by whom.
        """
        for _ in range(TRIES):
            if not isinstance(error, asyncpg.UniqueViolationError):
                break
            if not draft.reserved:
                draft = renumbered(draft, self._keys, await self._serials.take())
            try:
                return (await _send(connection, [draft]))[0]
            except asyncpg.UniqueViolationError as again:
                error = again
        raise error


async def _send(connection: asyncpg.Connection, drafts: Sequence[Draft]) -> list[Written]:
    few = any(d.reserved for d in drafts), any(d.files for d in drafts), any(d.core for d in drafts)
    rows = [_row(draft) for draft in drafts]
    if any(few):
        for row, draft in zip(rows, drafts, strict=True):
            row |= {name: getattr(draft, name) for name in MORE}
    columns = [[column(draft) for draft in drafts] for column in _bytes]
    text = orjson.dumps(rows).decode()
    answers = await connection.fetch(STATEMENTS[few], text, *columns, timeout=TIMEOUT)
    found = {answer[0]: Written(*answer) for answer in answers}
    return [found[draft.number] for draft in drafts]


def _row(draft: Draft) -> dict[str, Any]:
    row = dict(zip(PLAIN, _plain(draft), strict=True))
    row["materials"] = orjson.Fragment(draft.materials)
    return row
