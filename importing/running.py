"""An import on its way: taken up by a worker, batch by batch, and taken up again where it was left.

A batch is one transaction: its outlets, its part of the report and how far the import has come are kept
together or not at all. Whoever holds the import says so in each of them; who has lost it writes no more.
"""

import asyncio
import sys
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Reach
from divisions.memory import DivisionsMemory
from files import stores
from files.errors import FileNotFound
from files.stores import Vault
from importing import kinds, queries, service, writing
from importing.errors import ImportLost
from importing.models import OutletImport
from judging.columns import Columns
from judging.judge import Judge
from judging.places import Places
from judging.reference import Reference, bank_key
from judging.register import Register
from judging.rows import Row, row_of
from kit.clock import now, today
from kit.crypto import KeysUnusable
from kit.db import transaction
from kit.heap import passing
from kit.pinyin import keys
from matters.memory import OURS, Catalogue
from outlets import checks
from outlets.memory import RegistryMemory
from outlets.service import Deed

log = structlog.get_logger()

LEASE = timedelta(seconds=30)
"""For how long an import is a worker's that says nothing: then it is dead, and another takes it up."""

TAKEN_AT_MOST = 8
"""Times that an import is taken up without getting on: then it breaks whoever touches it."""

JUDGED_AHEAD = 1
"""Batches that wait, judged, for the one that is being written: while the database writes, the next but one is
judged. What was found good early is held against the register once more before it is written; what was refused
stays so, and may be good when it is sent again."""

AHEAD = 16 << 20
"""Bytes by which the process that reads may be ahead, packed: a file of a hundred thousand rows has a third."""


@dataclass(frozen=True)
class Shelves:
    """Memories that rows are held against."""

    divisions: DivisionsMemory
    catalogue: Catalogue
    registry: RegistryMemory


class Runner:
    """Runs imports, one at a time."""

    def __init__(self, vault: Vault, desk: Callable[[], Shelves]) -> None:
        self.vault, self.sessions, self._desk = vault, vault.sessions, desk
        self.holder = uuid.uuid4()

    async def run_one(self) -> bool:
        """Take up an import and bring it to its end; False where none waits.

        Raises:
            MemoryStale: what this process knows is too old.
        """
        desk, at = self._desk(), now()
        async with transaction(self.sessions) as session:
            job = await queries.take(session, self.holder, at, at + LEASE)
        if job is None:
            return False
        try:
            await self._run(job, desk)
        except ImportLost:
            log.warning("import_lost", id=str(job.id))
        except (FileNotFound, KeysUnusable):
            await self.end(job, **service.failed("file_gone"))
        except BaseException:
            with suppress(Exception):
                await self._let_go(job)
            raise
        return True

    async def _let_go(self, job: OutletImport) -> None:
        """Let another worker go on at once: this one is stopping, or the database was away."""
        async with transaction(self.sessions) as session:
            await queries.change(session, job.id, self.holder, {"held_until": now()})

    async def _run(self, job: OutletImport, desk: Shelves) -> None:
        if job.taken > TAKEN_AT_MOST:
            await self.end(job, **service.failed("unreadable"))
            return
        log.info("import_taken", id=str(job.id), batches=job.batches)
        reference = await self._reference(job, desk)
        work = _Work(self, job, desk, reference)
        beating = asyncio.create_task(self._beat(job))
        try:
            with passing():
                await self._read(job, work)
                if work.start_again():
                    await self._read(job, work)
        finally:
            beating.cancel()
            await work.drop()
        if not work.is_over:
            await work.finish()

    async def _read(self, job: OutletImport, work: "_Work") -> None:
        async with aclosing(messages(self.vault, job, waiting=work.is_last)) as told:
            async for message in told:
                await work.take(message)
                if work.is_over:
                    return
        await work.flush()

    async def _beat(self, job: OutletImport) -> None:
        """Say that the import is in hand, while a batch takes long."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            with suppress(Exception):
                async with transaction(self.sessions) as session:
                    await queries.change(
                        session, job.id, self.holder, {"held_until": now() + LEASE}
                    )

    async def _reference(self, job: OutletImport, desk: Shelves) -> Reference:
        async with transaction(self.sessions) as session:
            banks = await queries.banks(session)
            classes, areas = await queries.classes(session), await queries.areas(session)
        day = today()
        matters = {base: base for base in desk.catalogue.matters}
        for guide in desk.catalogue.in_force(day):
            if guide.guide.local_base_code:
                matters[guide.guide.local_base_code] = guide.matter
        named = {
            said: bank.code for bank in banks for said in (*bank.short_names, bank.code, bank.name)
        }
        named |= {bank_key(bank.name): bank.code for bank in banks}
        return Reference(
            places=await asyncio.to_thread(Places, desk.divisions, day, tuple(job.areas) or (OURS,)),
            known=checks.Known(desk.divisions, desk.registry, frozenset(matters.values()), day),
            reach=Reach(areas=tuple(job.areas), banks=frozenset(job.banks)),
            banks=named, bank_names={bank.code: bank.name for bank in banks},
            closed=frozenset(bank.code for bank in banks if bank.status == "closed"),
            classes=classes, areas=areas,
            area_counties=frozenset(area.county for area in (areas or {}).values()), matters=matters,
        )  # fmt: skip

    async def end(self, job: OutletImport, **values: Any) -> None:
        """Say how an import ended, and let go of its file."""
        async with transaction(self.sessions) as session:
            done = await queries.change(session, job.id, self.holder, values)
        if done:
            await stores.try_to_remove(self.vault.files, job.path)
            log.info(
                "import_ended", id=str(job.id), state=values["state"], failure=values.get("failure")
            )


class _Batch(NamedTuple):
    """What was judged at once."""

    number: int
    """From 1 on; those of the rows that wait for others follow."""
    rows: Sequence[Row]
    done: float
    """Share of the file that has been read with it."""


class _Work:
    """One import in one worker's hands.

    Rows that name a parent are passed over, and the file is read once more for them: any row may make their
    parent, and which rows come first must be the same for a worker that takes the import up.
    """

    def __init__(
        self, runner: Runner, job: OutletImport, desk: Shelves, reference: Reference
    ) -> None:
        self._runner, self._job, self._desk, self._reference = runner, job, desk, reference
        self._judge: Judge | None = None
        self._columns: Columns | None = None
        self._encoding: str | None = None
        self._notes: set[str] = set()
        self._batch = 0
        self.is_last, self._waiting = False, 0
        self._ready: list[_Batch] = []
        self._taken = asyncio.Event()
        """Some of what was ready is being kept, or nothing is kept any more."""
        self._keeping: asyncio.Task[None] | None = None
        self.is_over = False
        self._deed = Deed(job.asked_by, job.asked_role, "import", str(job.id))

    def start_again(self) -> bool:
        """Begin with the rows that wait for others, if there are any."""
        if self.is_over or self._judge is None or not self._waiting:
            return False
        self.is_last = True
        return True

    async def take(self, message: dict[str, Any]) -> None:
        """Go on with what the reader says."""
        if failure := message.get("failed"):
            log.info("import_unreadable", failure=failure, error=message.get("error"))
            await self._fail(failure)
        elif "format" in message:
            self._notes |= set(message["notes"]) | self._skipped()
            self._encoding = message["encoding"]
            await self._note(format=message["format"], encoding=message["encoding"])
        elif "columns" in message:
            await self._take_headings(Columns(*message["columns"]))
        else:
            await self._take_rows(message)

    def _skipped(self) -> set[str]:
        """Name the checks for which the operator has loaded no list."""
        found = {
            "bank_list_absent": self._reference.classes is None,
            "area_list_absent": self._reference.areas is None,
            "nbs_codes_absent": not self._reference.places.knows_nbs,
            "bank_proposes": self._reference.proposes,
        }
        return {name for name, is_so in found.items() if is_so}

    async def _take_headings(self, found: Columns) -> None:
        if self._judge is not None:
            return  # Of the second time.
        if missing := found.missing(own_bank=len(self._reference.reach.banks) == 1):
            await self._fail("columns_missing", "、".join(missing))
            return
        self._columns, dry_run = found, self._job.dry_run
        self._judge = Judge(self._reference, found, self._encoding or "utf-8", dry_run=dry_run)

    async def _take_rows(self, message: Mapping[str, Any]) -> None:
        assert self._judge is not None and self._columns is not None  # noqa: S101, PT018
        self._batch += 1
        self._notes |= set(message["notes"])
        self._waiting += message["others"]
        names = [*self._columns.at]
        rows = await self._judged(self._judge, [row_of(names, *said) for said in message["rows"]])
        if self._batch > self._job.batches:
            await self._hand_over(_Batch(self._batch, rows, message["done"]))

    async def _judged(self, judge: Judge, rows: Sequence[Row]) -> list[Row]:
        async with transaction(self._runner.sessions) as session:
            there = await queries.registered(session, writing.wanted(rows))
        return await asyncio.to_thread(_reckoned, judge, rows, there)

    async def _hand_over(self, batch: _Batch) -> None:
        """Let a batch be kept when those before it are; further ones are judged meanwhile."""
        while self._is_keeping and len(self._ready) >= JUDGED_AHEAD:
            self._taken.clear()
            await self._taken.wait()
        if not self._is_keeping:
            await self.flush()
            self._keeping = asyncio.create_task(self._keep_ready())
        self._ready.append(batch)

    @property
    def _is_keeping(self) -> bool:
        return self._keeping is not None and not self._keeping.done()

    async def _keep_ready(self) -> None:
        """Keep what is ready, and what comes to be meanwhile."""
        try:
            while self._ready:
                batch = self._ready.pop(0)
                self._taken.set()
                await self._keep(batch)
        finally:
            self._taken.set()

    async def flush(self) -> None:
        """Wait until all that was judged is kept, or fail as that did."""
        if self._keeping is not None:
            await self._keeping

    async def drop(self) -> None:
        """Let go of what is being kept: its transaction is undone."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)

    async def _keep(self, batch: _Batch) -> None:
        job = self._job
        async with transaction(self._runner.sessions) as session:
            written = await self._write(session, batch.rows)
            self._report(session, batch)
            values = self._come(batch, written)
            told = {"held_until": now() + LEASE, "taken": 0, **values}
            holder, after = self._runner.holder, job.batches
            if not await queries.change(session, job.id, holder, told, after=after):
                raise ImportLost()
        for name, value in values.items():
            setattr(job, name, value)

    async def _write(self, session: AsyncSession, rows: Sequence[Row]) -> writing.Written:
        judge = self._judge
        assert judge is not None  # noqa: S101
        if self._job.dry_run:
            await writing.foresee(session, judge, rows, self._deed)
            return writing.Written()
        keys, registry = self._runner.vault.keys, self._desk.registry
        return await writing.write(session, judge, rows, registry, keys, self._deed)

    def _come(self, batch: _Batch, written: writing.Written) -> dict[str, int | float]:
        """Tell how far the import has come, with a batch that was just written."""
        job, found = self._job, Counter(row.verdict for row in batch.rows)
        return {
            "batches": batch.number, "progress": max(job.progress, self._share(batch.done)),
            "rows": job.rows + len(batch.rows), "ok": job.ok + found["ok"], "fixed": job.fixed + found["fixed"],
            "rejected": job.rejected + found["rejected"], "created": job.created + written.created,
            "changed": job.changed + written.changed, "proposed": job.proposed + written.proposed,
        }  # fmt: skip

    def _report(self, session: AsyncSession, batch: _Batch) -> None:
        keys, id_ = self._runner.vault.keys, self._job.id
        if batch.number == 1 and self._columns is not None:
            heading = service.heading(self._columns.at)
            session.add(service.report_of(keys, id_, 0, [heading]))
        told = [row.report() for row in batch.rows]
        session.add(service.report_of(keys, id_, batch.number, told, last=self.is_last))

    def _share(self, done: float) -> float:
        """Tell how much has been done; a file that names parents is gone through twice."""
        if self._columns is not None and "parent" in self._columns.at:
            done = done / 2 + (0.5 if self.is_last else 0)
        return min(done, 0.999)

    async def _note(self, **values: Any) -> None:
        async with transaction(self._runner.sessions) as session:
            if not await queries.change(session, self._job.id, self._runner.holder, values):
                raise ImportLost()

    async def _fail(self, code: str, about: str = "") -> None:
        await self.flush()
        self.is_over = True
        await self._runner.end(self._job, **service.failed(code, about))

    async def finish(self) -> None:
        """Say that all is done."""
        notes = sorted(self._notes)
        await self._runner.end(
            self._job, state="done", progress=1.0, notes=notes, finished_at=now()
        )


def _reckoned(judge: Judge, rows: Sequence[Row], there: Register) -> list[Row]:
    """Judge rows, and reckon what is to be written of them: the batch before is written meanwhile."""
    found = [judge.judge(row, there) for row in rows]
    for row in found:
        if not row.is_bad and row.registered is None:
            keys(row.outlet["name"])
    return found


async def messages(
    vault: Vault, job: OutletImport, *, waiting: bool
) -> AsyncGenerator[dict[str, Any]]:
    """Let a process of its own read the file, and give what it says of rows that name a parent, or of others.

    Raises:
        FileNotFound: the store has lost it.
    """
    plain = await stores.get(vault, job.path)
    reader = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "importing.reading", str(job.size),
        kinds.WAITING if waiting else kinds.OTHERS, limit=AHEAD,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert reader.stdin is not None and reader.stdout is not None  # noqa: S101, PT018
    feeding = asyncio.create_task(_feed(reader.stdin, plain))
    try:
        is_whole = False
        async for message in _told(reader.stdout):
            is_whole = "end" in message or "failed" in message
            if "end" not in message:
                yield message
        if (
            not is_whole
        ):  # It was stopped: by its limits, or because the machine had no memory left.
            yield {"failed": "too_large_inside"}
        await feeding
    finally:
        feeding.cancel()
        with suppress(ProcessLookupError):
            reader.kill()
        await reader.wait()


async def _told(pipe: asyncio.StreamReader) -> AsyncIterator[dict[str, Any]]:
    with suppress(asyncio.IncompleteReadError):
        while True:
            length = int.from_bytes(await pipe.readexactly(kinds.LENGTH))
            yield kinds.unpacked(await pipe.readexactly(length))


async def _feed(pipe: asyncio.StreamWriter, plain: AsyncIterator[bytes]) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):
        async for piece in plain:
            pipe.write(piece)
            await pipe.drain()
        pipe.close()
