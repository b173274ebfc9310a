"""Sealing: rows in their order, block after block, beside the writers and never in their way."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from evidence import queries
from evidence.chain import HASHES, START, Covered, Statement, leaves, root, seal
from evidence.models import Block, Span
from evidence.streams import CHUNK, STREAMS, Stream
from kit.clock import CHINA, now
from kit.signing import Signer

LOCK = 0x50C1A1_E71
"""Advisory lock of the one that seals."""


class OutOfOrder(Exception):
    """The order of a kind of row has a gap: it has been altered, and nothing is sealed on top of that."""


def handed_out(block: Block) -> dict[str, Any]:
    """Write a root as it is handed out."""
    return {
        "block": block.number, "at": block.at.astimezone(CHINA), "statement": block.statement,
        "hash": block.hash.hex(), "key": block.key, "signature": block.signature.hex(),
    }  # fmt: skip


async def seal_some(session: AsyncSession, signer: Signer, algorithm: str) -> int | None:
    """Seal the next block, of at most `CHUNK` rows of each kind; tell how many rows, of the fullest kind.

    None when another process is doing it, 0 when there was nothing to seal.

    Raises:
        OutOfOrder: the order of rows has a gap.
    """
    if not await queries.lead(session, LOCK):
        return None
    await queries.put_accesses_in_order(session, CHUNK)
    return await _seal(session, signer, algorithm, {})


async def seal_dropping(
    session: AsyncSession, signer: Signer, algorithm: str, dropped: Mapping[str, int]
) -> bool:
    """Seal a block that says up to which numbers rows are given up; tell whether it could be done now."""
    if not await queries.lead(session, LOCK):
        return False
    await _seal(session, signer, algorithm, dropped)
    return True


async def _seal(
    session: AsyncSession, signer: Signer, algorithm: str, dropped: Mapping[str, int]
) -> int:
    before = await queries.head(session)
    said = Statement.read(before.statement) if before else FIRST
    gathered = [
        await _gather(session, stream, said.spans[stream.name].last, algorithm)
        for stream in STREAMS.values()
    ]
    count = max(span.last - span.first + 1 for span, _ in gathered)
    if not count and not dropped:
        return 0
    statement = Statement(
        block=said.block + 1, at=now(), hash=algorithm, previous=(before.hash if before else START).hex(),
        spans=dict(zip(STREAMS, (span for span, _ in gathered), strict=True)),
        dropped={**said.dropped, **dropped},
    )  # fmt: skip
    await _keep(session, signer, statement, [hashed for _, hashed in gathered])
    return count


FIRST = Statement(
    block=0, at=datetime.min.replace(tzinfo=UTC), hash="", previous="",
    spans={name: Covered(1, 0, "") for name in STREAMS}, dropped=dict.fromkeys(STREAMS, 0),
)  # fmt: skip
"""What the first block follows."""


async def _gather(
    session: AsyncSession, stream: Stream, after: int, algorithm: str
) -> tuple[Covered, bytes]:
    """Hash the rows that come next."""
    found = await queries.rows(session, stream, after + 1, after + CHUNK)
    expected = list(range(after + 1, after + 1 + len(found)))
    if [row.seq for row in found] != expected or not all(row.there for row in found):
        raise OutOfOrder(stream.name)
    hashed = leaves(HASHES[algorithm], [row.told for row in found])
    said = root(HASHES[algorithm], hashed).hex()
    return Covered(after + 1, after + len(found), said, stream.form), b"".join(hashed)


async def _keep(
    session: AsyncSession, signer: Signer, statement: Statement, hashed: Sequence[bytes]
) -> None:
    """Write the block, and the hashes of its rows beside it."""
    public = signer.public.public_bytes_raw()
    await queries.know_key(session, signer.id, public, statement.at)
    await queries.add(session, statement.block, statement.at, seal(statement, signer))
    for (name, span), joined in zip(statement.spans.items(), hashed, strict=True):
        if joined:
            row = Span(
                block=statement.block, stream=name, first=span.first, last=span.last, leaves=joined
            )
            await queries.add_span(session, row)
