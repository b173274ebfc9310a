"""Giving up months that are over: whole partitions go, and all that stays can still be proved."""

from datetime import date

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from access.policy import Role
from api.state import State
from cli.evidence import prune_before
from evidence.retention import TooYoung
from kit.settings import Settings
from kit.signing import Signer
from tests import make as m
from tests.make import Make
from tests.test_events import tell
from tests.test_evidence import change, seal_all, signed, signer, verified

__all__ = ["signed", "signer"]

OLD = "event_2020_01"
MAKE_OLD = (
    f"CREATE TABLE {OLD} PARTITION OF event FOR VALUES FROM ('2020-01-01 00:00:00+00')"
    " TO ('2020-02-01 00:00:00+00')"
)
LONG_AGO = (
    "UPDATE event SET at = '2020-01-15 00:00:00+00'",  # Rows move into the partition by themselves.
    "UPDATE event_sequence SET at = '2020-01-15 00:00:00+00'",
    "UPDATE access_record SET at = '2020-01-15 00:00:00+00'",
)
BEFORE = date(2020, 3, 1)


async def life(http: httpx.AsyncClient, make: Make) -> None:
    """An application, looked at in full and granted with words."""
    reviewer = await make.person(Role.REVIEWER)
    made = (await m.submit(http, make.teller(await make.place()))).json()
    taken = (await m.act(http, reviewer, made, "take")).json()
    url = f"/v1/applications/{made['number']}/reveal"
    assert (await http.post(url, json={"purpose": "核对"}, headers=reviewer)).status_code == 200
    done = await m.act(http, reviewer, taken, "grant", opinion="符合条件")
    assert done.status_code == 200, done.text


async def counted(owner: AsyncEngine, table: str) -> int:
    async with owner.connect() as connection:
        found = await connection.execute(sa.text(f"SELECT count(*) FROM {table}"))
        return int(found.scalar_one())


@pytest.fixture
async def old(
    http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine, signer: Signer
) -> object:
    """A life of long ago, in a partition of its own, and one of today; both sealed."""
    await change(owner, f"DROP TABLE IF EXISTS {OLD}", MAKE_OLD)
    await life(http, make)
    await tell(state)
    await change(owner, *LONG_AGO)
    await seal_all(state, signer)
    await life(http, make)
    await seal_all(state, signer)
    assert await counted(owner, OLD) >= 4
    return None


async def prune(settings: Settings, before: date = BEFORE) -> list[str]:
    urls = settings.database_url or "", settings.owner_url or ""
    return list(await prune_before(settings, *urls, before))


async def test_a_month_goes_with_its_partition_and_the_rest_is_proved(
    old: object, owner: AsyncEngine, signed: Settings
) -> None:
    of_today = await counted(owner, "event") - await counted(owner, OLD)
    assert await verified(signed) is None
    assert await prune(signed) == [OLD]
    assert await counted(owner, "event") == of_today
    assert await counted(owner, "access_record") == 1
    assert await verified(signed) is None
    assert await prune(signed) == []  # Done again it does nothing.
    assert await verified(signed) is None
    for column in ("state", "actor", "kind"):
        await change(owner, f"UPDATE event SET {column} = {column} || '~'")
        assert "changed" in (await verified(signed) or "")
        await change(owner, f"UPDATE event SET {column} = left({column}, -1)")
    assert await verified(signed) is None
    await change(owner, "DELETE FROM event WHERE id = (SELECT min(id) FROM event)")
    assert "missing" in (await verified(signed) or "")


async def test_what_goes_before_it_was_given_up_is_missing(
    old: object, owner: AsyncEngine, signed: Settings
) -> None:
    """Whoever just drops a partition has destroyed evidence, and it shows."""
    await change(owner, f"DROP TABLE {OLD}")
    assert "missing" in (await verified(signed) or "")


async def test_what_is_not_sealed_yet_is_not_given_up(
    http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine, signed: Settings
) -> None:
    await change(owner, f"DROP TABLE IF EXISTS {OLD}", MAKE_OLD)
    await life(http, make)
    await tell(state)
    await change(owner, *LONG_AGO)
    with pytest.raises(TooYoung):
        await prune(signed)
    assert await counted(owner, OLD) >= 4
    await change(owner, f"DROP TABLE {OLD}")
