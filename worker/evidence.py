"""Seal what has happened into the chain of evidence."""

from evidence import service
from evidence.streams import CHUNK
from kit.db import Sessions, transaction
from kit.signing import Signer
from worker.tasks import Task

PERIOD = 5.0
"""Seconds between two blocks while there is little: each is a signature and a row."""

RETRY = 15.0


def sealing(signer: Signer, algorithm: str) -> Task:
    """Make the task; of several workers one does it at a time."""

    async def seal(sessions: Sessions) -> float:
        async with transaction(sessions) as session:
            count = await service.seal_some(session, signer, algorithm)
        return 0 if count == CHUNK else PERIOD

    return Task("evidence", seal, retry=RETRY)
