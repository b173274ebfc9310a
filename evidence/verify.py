"""Verifying the chain: every hash is made again from the rows as they stand.

Nothing that the database says of itself is believed: rows are hashed, links and signatures checked here, with
keys that come from elsewhere. The first place that is broken is told, down to the row.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
import orjson

from evidence.chain import HASHES, LEAF, START, Covered, Hash, Statement, root, split
from evidence.streams import CHUNK, STREAMS, Stream
from kit.signing import Trusted, holds

BLOCKS = 16
"""Blocks that are read together: their rows fill some megabytes."""

PATIENCE = 600.0
"""Seconds for a statement: what looks through a whole table takes its time."""

UNLIMITED = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0"

HEADERS = """
    SELECT number, at, statement, hash, key, signature FROM evidence_block
    WHERE number > $1 ORDER BY number LIMIT $2
"""
SPANS = "SELECT block, stream, first, last, leaves FROM evidence_span WHERE block BETWEEN $1 AND $2"
BEFORE = "SELECT max(number) FROM evidence_block WHERE at < $1"
ENDS = """
    SELECT coalesce(min(seq), 1), coalesce(max(seq), 0), (SELECT seq FROM event_sequencer)
    FROM event_sequence
"""


class Broken(Exception):
    """The first place at which what stands is not what was sealed."""


class Root(NamedTuple):
    """A root that was handed out."""

    block: int
    hash: str


@dataclass
class Report:
    """What was looked at."""

    blocks: int = 0
    rows: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STREAMS, 0))
    dropped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STREAMS, 0))
    pending: int = 0
    """Events told and not sealed yet."""
    sealed_until: datetime | None = None
    key: str = ""
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Rows a second."""
        return sum(self.rows.values()) / max(self.seconds, 1e-9)


Rows = Mapping[tuple[str, int, int], Any]
"""Rows as they stand, by kind, form and number."""


class _Batch(NamedTuple):
    """Some blocks as they stand."""

    headers: Sequence[Any]
    spans: Sequence[Any]
    rows: Rows


def read_roots(lines: Iterable[str], trusted: Trusted) -> list[Root]:
    """Read roots that were handed out, one JSON object a line.

    Raises:
        Broken: one of them bears no signature that is to be believed.
        ValueError: it is no root.
    """
    found = []
    for line in filter(str.strip, lines):
        said = orjson.loads(line)
        try:
            block, text = int(said["block"]), said["statement"].encode()
            signature, key = bytes.fromhex(said["signature"]), said["key"]
            statement = Statement.read(text)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("not a root") from error
        believed = key in trusted and holds(trusted[key], text, signature)
        if not believed or statement.block != block:
            raise Broken(
                f"the root of block {block} that was handed out: not signed by a trusted key"
            )
        found.append(Root(block, HASHES[statement.hash](text).hex()))
    return found


@dataclass
class Verifier:
    """Goes through the chain once."""

    connection: asyncpg.Connection
    trusted: Trusted
    roots: Sequence[Root] = ()
    report: Report = field(default_factory=Report)
    _previous: str = START.hex()
    _ends: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STREAMS, 0))
    _dropped: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(STREAMS, 0))
    _handed: dict[int, str] = field(default_factory=dict)

    async def run(self, since: datetime | None = None) -> Report:
        """Check everything sealed since a moment.

        Raises:
            Broken: it was altered; the message names the first place.
        """
        began = time.monotonic()
        await self.connection.execute(UNLIMITED)
        self._handed = {root.block: root.hash for root in self.roots}
        self._dropped = await self._last_dropped()
        number = await self._begin(since)
        await self._go(number)
        await self._end()
        self.report.dropped = dict(self._dropped)
        self.report.seconds = time.monotonic() - began
        return self.report

    async def _last_dropped(self) -> Mapping[str, int]:
        """Tell up to where rows were given up: the last block says so, and is checked like all others."""
        statement = "SELECT statement FROM evidence_block ORDER BY number DESC LIMIT 1"
        text = await self.connection.fetchval(statement)
        try:
            return _understood(text, "").dropped if text else self._dropped
        except Broken:
            return self._dropped  # It is told when its turn comes.

    async def _begin(self, since: datetime | None) -> int:
        """Find the block after which to begin, and what it says of the ends of rows."""
        number = await self.connection.fetchval(BEFORE, since) if since is not None else None
        for block in [block for block in self._handed if block <= (number or 0)]:
            await self._handed_before(block)
        if number is None:
            return 0
        before = await self.connection.fetchrow(HEADERS, number - 1, 1)
        self._previous = ""
        self._link(before, number)
        self.report.blocks = 0
        return int(number)

    async def _handed_before(self, block: int) -> None:
        """Compare a root that was handed out for a block before those that are gone through."""
        row = await self.connection.fetchrow(HEADERS, block - 1, 1)
        if row is None or row["number"] != block:
            raise Broken(f"block {block}: missing, though its root was handed out")
        said = _understood(row["statement"], f"block {block}")
        found = HASHES[said.hash](row["statement"].encode()).hex()
        if found != self._handed.pop(block):
            raise Broken(f"block {block}: not the one whose root was handed out")

    async def _go(self, after: int) -> None:
        """Check all blocks, some at a time, while the next are being read."""
        batch = await self._load(after)
        while batch.headers:
            ahead = asyncio.create_task(self._load(after := after + len(batch.headers)))
            try:
                await asyncio.to_thread(self._check, batch, after - len(batch.headers))
            except BaseException:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)
                raise
            batch = await ahead

    async def _load(self, after: int) -> "_Batch":
        """Read some blocks and the rows that they cover; what they say is not believed yet."""
        headers = await self.connection.fetch(HEADERS, after, BLOCKS)
        if not headers:
            return _Batch([], [], {})
        spans = await self.connection.fetch(SPANS, after + 1, after + len(headers))
        said = [_understood(row["statement"], f"block {row['number']}") for row in headers]
        rows: dict[tuple[str, int, int], Any] = {}
        for wanted in _wanted(said):
            stream, form, first, last = wanted
            last = min(last, first + BLOCKS * CHUNK)
            found = await self.connection.fetch(stream.read(form), first, last, timeout=PATIENCE)
            rows |= {(stream.name, form, row[0]): row for row in found}
        return _Batch(headers, spans, rows)

    def _check(self, batch: "_Batch", after: int) -> None:
        """Check blocks and their rows."""
        spans = {(span["block"], span["stream"]): span for span in batch.spans}
        for nth, row in enumerate(batch.headers, 1):
            said = self._link(row, after + nth)
            for name, covered in said.spans.items():
                self._rows_of(said, name, covered, spans.get((said.block, name)), batch.rows)

    def _link(self, row: Any, expected: int) -> Statement:
        """Check a block by itself, and that it follows the one before."""
        where = f"block {row['number']}"
        if row["number"] != expected:
            raise Broken(f"block {expected}: missing")
        said, text = _understood(row["statement"], where), row["statement"].encode()
        if said.block != expected or HASHES[said.hash](text) != row["hash"]:
            raise Broken(f"{where}: its statement or its hash was changed")
        if self._previous and said.previous != self._previous:
            raise Broken(f"{where}: does not follow block {expected - 1}")
        self._believe(row, where, text)
        if self._handed.pop(expected, row["hash"].hex()) != row["hash"].hex():
            raise Broken(f"{where}: not the one whose root was handed out")
        self._continue(said, where)
        self._previous = row["hash"].hex()
        self.report.blocks += 1
        self.report.sealed_until, self.report.key = said.at, row["key"]
        return said

    def _believe(self, row: Any, where: str, text: bytes) -> None:
        key = self.trusted.get(row["key"])
        if key is None:
            raise Broken(f"{where}: signed by {row['key']}, a key that is not trusted")
        if not holds(key, text, row["signature"]):
            raise Broken(f"{where}: its signature does not hold")

    def _continue(self, said: Statement, where: str) -> None:
        """Check that its rows go on where those of the block before ended."""
        for name, span in said.spans.items():
            if self._previous and span.first != self._ends.get(name, 0) + 1:
                raise Broken(f"{where}: its {name} rows do not go on from the block before")
            self._ends[name] = span.last

    def _rows_of(
        self, said: Statement, name: str, covered: Covered, span: Any, rows: "Rows"
    ) -> None:
        """Hash the rows of a block again, and compare."""
        stream = STREAMS.get(name)
        if stream is None or covered.form not in stream.forms:
            raise Broken(f"block {said.block}: has rows of a kind that is not known here")
        given_up = self._dropped.get(name, 0)
        if covered.last < covered.first or covered.last <= given_up:
            return
        hashed = _leaves(said, name, covered, span)
        found = [
            row
            for seq in range(covered.first, covered.last + 1)
            if (row := rows.get((name, covered.form, seq))) is not None
        ]
        _compare(stream, covered.first, found, hashed, HASHES[said.hash], given_up)
        self.report.rows[name] += len(found)

    async def _end(self) -> None:
        """Check what stands after the last block, and beside the order."""
        if self._handed:
            raise Broken(
                f"block {min(self._handed)}: missing, though its root was handed out: the end was cut off"
            )
        lowest, told, counted = await self.connection.fetchrow(ENDS)
        if lowest < 1 or told > counted or counted < self._ends["event"]:
            raise Broken("the order of events: rows that the sequencer did not write, or set back")
        for stream in STREAMS.values():
            stray = await self.connection.fetchval(stream.strays, timeout=PATIENCE)
            if stray is not None:
                raise Broken(f"{stream.what} {stray}: inserted past the order")
        self.report.pending = max(0, told - self._ends["event"])


def _leaves(said: Statement, name: str, covered: Covered, span: Any) -> list[bytes]:
    """Give the hashes of a block's rows, if they are those that were signed."""
    where = f"block {said.block}"
    if span is None or span["leaves"] is None:
        raise Broken(f"{where}: the hashes of its {name} rows are missing")
    hashed, count = split(span["leaves"]), covered.last - covered.first + 1
    if len(hashed) != count or root(HASHES[said.hash], hashed).hex() != covered.root:
        raise Broken(f"{where}: the hashes of its {name} rows were changed")
    if (span["first"], span["last"]) != (covered.first, covered.last):
        raise Broken(f"{where}: the numbers of its {name} rows were changed")
    return hashed


def _wanted(said: Sequence[Statement]) -> Iterator[tuple[Stream, int, int, int]]:
    """Tell which rows some blocks cover: of each kind and form from the first to the last."""
    for stream in STREAMS.values():
        for form in stream.forms:
            spans = [c for s in said if (c := s.spans.get(stream.name)) and c.form == form]
            filled = [span for span in spans if span.last >= span.first]
            if filled:
                yield stream, form, filled[0].first, filled[-1].last


def _understood(text: str, where: str) -> Statement:
    try:
        return Statement.read(text)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Broken(f"{where}: its statement was changed") from None


def _compare(
    stream: Stream,
    first: int,
    rows: Sequence[Any],
    hashed: Sequence[bytes],
    hash_: Hash,
    given_up: int,
) -> None:
    """Find the first row that is not the one that was sealed; up to `given_up` rows may be gone."""
    found = [hash_(LEAF + row[3]) for row in rows]
    if found == hashed:
        return
    at = {row[0]: nth for nth, row in enumerate(rows)}
    for seq, expected in enumerate(hashed, first):
        nth = at.get(seq)
        if nth is None and seq > given_up:
            raise Broken(f"order {seq}: {stream.what} missing from the order")
        if nth is not None and found[nth] != expected:
            raise Broken(_words(stream, rows[nth]))


def _words(stream: Stream, row: Any) -> str:
    seq, id_, there, _ = row
    if not there:
        return f"{stream.what} {id_} (order {seq}): missing"
    return f"{stream.what} {id_} (order {seq}): changed, or another stands in its place"
