"""What can be done with imports: hand a file in, see how it goes, read what came of it."""

import csv
import hashlib
import io
import re
import uuid
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from access.policy import May
from files import queries as files
from files import stores
from files.errors import FileEmpty
from files.stores import Vault
from importing import kinds, queries
from importing.errors import ImportNotFound, ImportTooLarge, NoSpreadsheet
from importing.models import ImportReport, OutletImport
from judging.cells import FORMULA, NUMBER
from judging.columns import ORDER
from kit.clock import now
from kit.crypto import KeyRing, place
from kit.db import Sessions, transaction
from kit.ids import uuid7
from schemas.imports import REPORT

LARGEST = 64 << 20
"""Bytes of a file."""

WAITS = timedelta(days=7)
"""How long a file is kept that no worker has got to."""

PIECE = 500
"""Rows of a report that are written at once."""

KEPT = timedelta(days=90)
"""How long one can see what came of an import."""


class Arriving:
    """Looks at a file while it passes: how long it is, and whether it can be a spreadsheet at all."""

    def __init__(self) -> None:
        self.size = 0
        self._digest = hashlib.sha256()

    async def through(self, plain: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Let the bytes pass.

        Raises:
            FileEmpty, NoSpreadsheet, ImportTooLarge: nothing of it is kept.
        """
        head = b""
        async for piece in plain:
            self.size += len(piece)
            if self.size > LARGEST:
                raise ImportTooLarge()
            self._digest.update(piece)
            if len(head) < 4096:
                head += piece
                if len(head) >= 4096:
                    _look(head)
            yield piece
        if self.size < 4096:
            _look(head)

    @property
    def digest(self) -> bytes:
        """SHA-256 of what passed."""
        return self._digest.digest()


def _look(head: bytes) -> None:
    try:
        kind = kinds.kind(head)
    except kinds.Unreadable as failure:
        raise (FileEmpty() if str(failure) == "empty" else NoSpreadsheet()) from None
    if kind == "html":
        raise NoSpreadsheet()


async def receive(vault: Vault, plain: AsyncIterator[bytes]) -> tuple[str, Arriving]:
    """Seal a file into the store, announced before as something that may be left over.

    Raises:
        FileEmpty, NoSpreadsheet, ImportTooLarge, UploadMalformed: nothing is kept.
        FilesAway: the store refuses.
    """
    path, arriving = f"imports/{uuid7()}", Arriving()
    async with transaction(vault.sessions) as session:
        await files.announce(session, [path], now() + WAITS)
    try:
        await stores.put(vault, path, arriving.through(plain))
    except BaseException:
        await stores.try_to_remove(vault.files, path)
        raise
    return path, arriving


def begun(id_: uuid.UUID, path: str, size: int, caller: Caller, *, dry_run: bool) -> OutletImport:
    """Make the import that waits for a worker."""
    reach = caller.reach(May.OUTLET_IMPORT)
    return OutletImport(
        id=id_, path=path, size=size, dry_run=dry_run, asked_by=caller.id, asked_role=caller.role,
        banks=sorted(reach.banks), areas=list(reach.areas),
    )  # fmt: skip


async def visible(session: AsyncSession, caller: Caller, id_: str) -> OutletImport:
    """Load an import of the caller's own bank or division.

    Raises:
        ImportNotFound: there is none, or it is another's.
    """
    try:
        found = await queries.get(session, uuid.UUID(id_))
    except ValueError:
        found = None
    if found is None or not _within(caller, found):
        raise ImportNotFound()
    return found


def _within(caller: Caller, found: OutletImport) -> bool:
    """Tell whether all that an import may have written lies within the caller's reach."""
    reach = caller.reach(May.OUTLET_IMPORT)
    if found.banks:
        return bool(reach.banks) and reach.banks.issuperset(found.banks)
    return bool(reach.areas) and all(area.startswith(reach.areas) for area in found.areas)


# Reports


def harmless(text: str) -> str:
    """Write a cell so that no spreadsheet runs it: what looks like a formula begins with an apostrophe."""
    is_risky = text[:1] in FORMULA and text != "" and not NUMBER.fullmatch(text)
    return f"'{text}" if is_risky else text


RISKY = re.compile(f"\0[{re.escape(''.join(FORMULA))}]")
"""Something that may be a formula at the beginning of a cell, all cells of a row behind marks."""


def lines(rows: Iterable[Sequence[str]]) -> str:
    """Write rows as CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(map(_harmless, rows))
    return out.getvalue()


def _harmless(row: Sequence[str]) -> Iterable[str]:
    return map(harmless, row) if RISKY.search("\0" + "\0".join(row)) else row


def heading(names: Iterable[str]) -> tuple[str, ...]:
    """Give the headings of a report: what became of a row, and its own columns, to be sent again."""
    return (*REPORT, *(name for name in names if name != "row_no"))


PASSES = ("", "p")
"""Marks of the batches of a report, each in the order of the file: of rows that name no parent, and of those
that do, which come last."""  # fmt: skip


def report_of(
    keys: KeyRing, id_: uuid.UUID, batch: int, rows: Iterable[Sequence[str]], *, last: bool = False
) -> ImportReport:
    """Seal what became of a batch."""
    key = f"{id_}/{PASSES[last]}{batch:06}"
    packed = zlib.compress(lines(rows).encode(), 6)
    sealed = keys.seal(packed, bound_to=place("outlet_import_report", "sealed", key))
    return ImportReport(id=key, of_import=id_, sealed=sealed)


async def report(sessions: Sessions, keys: KeyRing, id_: uuid.UUID) -> AsyncIterator[str]:
    """Give the report piece by piece; of an import that still runs, as far as it has come."""
    first, second = (
        _told(sessions, keys, f"{id_}/{mark}", f"{id_}/{end}")
        for mark, end in pairwise((*PASSES, "q"))
    )
    rows = _in_order(first, second)
    head = await anext(rows, None)
    some = [] if head is not None and head[0] == REPORT[0] else [[*heading(ORDER)]]
    some += [] if head is None else [head]
    async for row in rows:
        some.append(row)
        if len(some) == PIECE:
            yield lines(some)
            some = []
    yield lines(some)


async def _told(
    sessions: Sessions, keys: KeyRing, after: str, end: str
) -> AsyncGenerator[list[str]]:
    """Walk the rows of the batches between two ids."""
    while True:
        async with transaction(sessions) as session:
            found = await queries.next_report(session, after, end)
        if found is None:
            return
        after = found.id
        bound_to = place("outlet_import_report", "sealed", found.id)
        text = zlib.decompress(keys.open(found.sealed, bound_to=bound_to)).decode()
        for row in csv.reader(io.StringIO(text)):
            yield row


async def _in_order(*parts: AsyncGenerator[list[str]]) -> AsyncGenerator[list[str]]:
    """Put rows of several parts into the order of the file, the headings first."""
    heads = [(row, part) for part in parts if (row := await anext(part, None)) is not None]
    while heads:
        head = min(heads, key=lambda one: int(one[0][0]) if one[0][0].isdigit() else 0)
        yield head[0]
        at = heads.index(head)
        following = await anext(head[1], None)
        heads[at : at + 1] = [] if following is None else [(following, head[1])]


def failed(code: str, about: str = "") -> dict[str, Any]:
    """Give the columns of an import that came to nothing."""
    return {
        "state": "failed", "failure": code, "failure_about": about[:200], "finished_at": now(),
    }  # fmt: skip
