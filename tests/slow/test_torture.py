"""A short run of `torture`: whatever is killed, stopped or starved, nothing acknowledged is lost."""

import asyncio
import random
from pathlib import Path

import pytest

from torture import books
from torture.faults import KINDS
from torture.people import gather
from torture.reckoning import reckon
from torture.run import Run, torture
from torture.stand import Stand, standing

pytestmark = pytest.mark.slow

SECONDS = 20.0
HARMS = {
    "whole": "DELETE FROM event WHERE id = (SELECT max(id) FROM event)",
    "order": "DELETE FROM event_sequence WHERE seq = 7",
    "kept_once": "DELETE FROM application WHERE number = (SELECT max(number) FROM application)",
    "holders": "UPDATE application SET claimed_by = 'person:nobody'",
    "files": "DELETE FROM stored_file",
    "actions": "DELETE FROM event_text",
}
"""What is done to the database by hand, and which reckoning must find it."""


async def suffer(stand: Stand, run: Run) -> None:
    await torture(stand, await gather(stand.home), run, SECONDS, tuple(KINDS))


async def harmed(stand: Stand, run: Run, statement: str) -> list[str]:
    """Reckon with a row less, or another, and put it back."""
    connection = await books.connect(stand.home)
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
        return reckon(run.journal, await books.read_by(connection, stand.home / "files"))
    finally:
        await transaction.rollback()
        await connection.close()


def test_nothing_acknowledged_is_lost(spare: Path) -> None:
    run = Run(seed=random.SystemRandom().randrange(10**6))
    again = f"again by: python -m torture --seconds {SECONDS:g} --seed {run.seed}"
    with standing(spare, workers=2) as stand:
        asyncio.run(suffer(stand, run))
        assert run.wrong == [], again
        assert run.done.total() >= 6
        assert run.journal.made
        assert run.journal.acted
        assert run.journal.stored
        for check, statement in HARMS.items():
            found = asyncio.run(harmed(stand, run, statement))
            assert [one for one in found if one.startswith(f"{check}: ")], check
