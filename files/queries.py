"""Every statement on stored files."""

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from files.errors import FileNotFound
from files.models import StoredFile


async def get(session: AsyncSession, id_: str) -> StoredFile:
    """Load what is known of a file.

    Raises:
        FileNotFound: there is none.
    """
    row = (await session.exec(select(StoredFile).where(StoredFile.id == id_))).one_or_none()
    if row is None:
        raise FileNotFound()
    return row
