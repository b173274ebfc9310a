"""Every statement on stored files, on those on their way, and on what is left over."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from files.errors import FileNotFound
from files.models import FileLeftover, FileUpload, StoredFile
from kit.db import run

UPLOADS = "uploads/"
"""Where parts lie, each upload's in a folder of its own."""

NOTED = {"id", "path", "outlet", "sha256", "size", "media_type", "created_at"}
"""Columns that a new file gives; `kept` is the database's to say."""


async def get(session: AsyncSession, id_: str) -> StoredFile:
    """Load what is known of a file.

    Raises:
        FileNotFound: there is none.
    """
    row = (await session.exec(select(StoredFile).where(StoredFile.id == id_))).one_or_none()
    if row is None:
        raise FileNotFound()
    return row


async def announce(session: AsyncSession, paths: Sequence[str], due: datetime) -> None:
    """Note paths that are to be removed at `due`, unless they are claimed before."""
    await session.exec(insert(FileLeftover).values([{"path": p, "due_at": due} for p in paths]))


async def claim(session: AsyncSession, path: str) -> bool:
    """Take a path out of what is left over; False where it was given up already."""
    gone = delete(FileLeftover).where(col(FileLeftover.path) == path)
    return (await session.exec(gone)).rowcount == 1


async def file(session: AsyncSession, fresh: StoredFile) -> StoredFile:
    """Note a file; give the one there is where its outlet stored the same bytes before, young again."""
    adding = insert(StoredFile).values(fresh.model_dump(include=NOTED))
    again = {"created_at": adding.excluded.created_at}
    noted = adding.on_conflict_do_update(index_elements=["id"], set_=again).returning(StoredFile)
    row: StoredFile = (await session.exec(noted)).scalar_one()
    return row


USE = sa.text("""
    WITH held AS (
        SELECT id FROM stored_file WHERE id = ANY(:files) ORDER BY id FOR KEY SHARE
    ), used AS (
        INSERT INTO file_use (file, application) SELECT id, :application FROM held
        ON CONFLICT DO NOTHING
    )
    SELECT id FROM held
""")
"""As a submission has it in its own statement: a file that is just being removed is waited for."""


async def use(session: AsyncSession, application: str, files: Sequence[str]) -> set[str]:
    """Note that an application has files among its materials; give those that there are."""
    found = await run(session, USE, application=application, files=list(files))
    return set(found.scalars())


async def upload(session: AsyncSession, id_: str, outlet: str, at: datetime) -> FileUpload | None:
    """Load an upload of an outlet that has not expired."""
    found: FileUpload | None = (await session.exec(_living(id_, outlet, at))).one_or_none()
    return found


def _living(id_: str, outlet: str, at: datetime) -> Any:
    return select(FileUpload).where(
        FileUpload.id == id_, FileUpload.outlet == outlet, FileUpload.expires_at > at
    )


async def take(session: AsyncSession, id_: str, received: int, holder: str) -> FileUpload | None:
    """Become the one who adds to an upload, if it stands where said; who did so before adds no more."""
    taken = (
        update(FileUpload)
        .where(
            col(FileUpload.id) == id_,
            col(FileUpload.received) == received,
            col(FileUpload.file).is_(None),
        )
        .values(holder=holder)
        .returning(FileUpload)
    )
    return (await session.exec(taken)).scalar_one_or_none()


async def advance(session: AsyncSession, row: FileUpload, **changed: Any) -> bool:
    """Change an upload that is still held by whom it says; False where it is not."""
    held = (col(FileUpload.id) == row.id, col(FileUpload.holder) == row.holder)
    done = await session.exec(update(FileUpload).where(*held).values(**changed))
    return done.rowcount == 1


GONE = """
    WITH gone AS (
        DELETE FROM file_upload WHERE {which} RETURNING id
    )
    INSERT INTO file_leftover (path, due_at)
    SELECT :folder || id || '/', :due FROM gone ON CONFLICT DO NOTHING
"""
ENDED = sa.text(GONE.format(which="id = :id"))
EXPIRED = sa.text(
    GONE.format(
        which="id IN (SELECT id FROM file_upload WHERE expires_at <= :at ORDER BY expires_at"
        " LIMIT :limit FOR UPDATE SKIP LOCKED)"
    )
)


async def end_upload(session: AsyncSession, id_: str, due: datetime) -> None:
    """Forget an upload; its parts are removed at `due`."""
    await run(session, ENDED, id=id_, folder=UPLOADS, due=due)


async def expire(session: AsyncSession, at: datetime, due: datetime, limit: int) -> int:
    """Forget some uploads that have expired; tell how many."""
    done = await run(session, EXPIRED, at=at, folder=UPLOADS, due=due, limit=limit)
    return done.rowcount


OLD = sa.text("""
    SELECT id FROM stored_file WHERE NOT kept AND created_at < :before
    ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")
JUDGED = sa.text("""
    WITH found AS (
        UPDATE stored_file f SET kept = true
        WHERE id = ANY(:ids) AND EXISTS (SELECT FROM file_use u WHERE u.file = f.id)
    ), gone AS (
        DELETE FROM stored_file f
        WHERE id = ANY(:ids) AND NOT EXISTS (SELECT FROM file_use u WHERE u.file = f.id)
        RETURNING path
    )
    INSERT INTO file_leftover (path, due_at) SELECT path, :due FROM gone
""")


async def drop_unused(session: AsyncSession, before: datetime, due: datetime, limit: int) -> int:
    """Judge some files older than `before`: kept for ever when used, else dropped. Tell how many.

    They are held first, and judged by a statement of its own, which sees who used one meanwhile. Who would use
    one now waits, and then finds it or not.
    """
    ids = list((await run(session, OLD, before=before, limit=limit)).scalars())
    if ids:
        await run(session, JUDGED, ids=ids, due=due)
    return len(ids)


LEASED = sa.text("""
    UPDATE file_leftover SET due_at = :until WHERE path IN (
        SELECT path FROM file_leftover WHERE due_at <= :at
        ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ) RETURNING path
""")


async def lease_leftovers(
    session: AsyncSession, at: datetime, until: datetime, limit: int
) -> list[str]:
    """Take on some of what is due for removal; another may from `until` on, if we don't get to it."""
    return list((await run(session, LEASED, at=at, until=until, limit=limit)).scalars())


async def forget_leftovers(session: AsyncSession, paths: Sequence[str]) -> None:
    """Forget what was removed."""
    await session.exec(delete(FileLeftover).where(col(FileLeftover.path).in_(paths)))


async def after(session: AsyncSession, id_: str, limit: int) -> Sequence[StoredFile]:
    """List stored files by their ids, after one."""
    statement = select(StoredFile).where(StoredFile.id > id_).order_by(col(StoredFile.id))
    return (await session.exec(statement.limit(limit))).all()
