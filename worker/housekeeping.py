"""What has to be done now and then: partitions ahead of time, and what is of no more use forgotten."""

from datetime import timedelta

from access import queries as access
from access import service as rights
from applications import queries as applications
from applications.numbers import TAKEN_WITHIN
from events import queries as events
from events.service import MONTHS_AHEAD
from importing import queries as imports
from importing.service import KEPT as IMPORTS_KEPT
from kit import repeats
from kit.clock import now, today
from kit.db import Sessions, transaction
from matters import queries as matters
from terminals import queries as terminals
from worker.life import until_none
from worker.tasks import Task

PERIOD = 3600.0
RETRY = 60.0
KEPT = timedelta(minutes=10)
"""How long a used assertion is remembered past its end: clocks may differ."""

KEYS_KEPT = timedelta(days=40)
"""How long a repeated call is known as one; the contract says 30 days at least."""


async def keep(sessions: Sessions) -> float:
    """Do it once. Two workers doing it at once do no harm."""
    async with transaction(sessions) as session:
        await events.make_partitions(session, MONTHS_AHEAD)
    async with transaction(sessions) as session:
        await access.forget_assertions(session, now() - KEPT)
        await access.forget_revocations(session, now() - KEPT)
        await access.forget_attempts(session, now() - KEPT)
        await access.forget_shares(session, now() - KEPT)
        await repeats.forget(session, now() - KEYS_KEPT)
        await imports.forget(session, now() - IMPORTS_KEPT)
        await terminals.forget_enrolments(session, now() - KEYS_KEPT)
        await applications.forget_blocks(session, today() - TAKEN_WITHIN)
    async with transaction(sessions) as session:
        await rights.end_lapsed(session)
    await until_none(sessions, matters.pack_some, matters.VERSIONS)
    return PERIOD


TASK = Task("housekeeping", keep, retry=RETRY)
