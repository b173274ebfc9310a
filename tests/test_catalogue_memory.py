"""What a process holds of the catalogue changes all at once, and one broken version harms no other."""

import asyncio
import zlib
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from api.state import State
from kit.clock import today
from kit.db import make_engine, make_sessions, read_as_of_now, run, transaction
from kit.settings import Settings
from matters import queries
from matters.memory import Catalogue
from tests import make as m

PUBLISHED = sa.text(
    "SELECT content::text, packed FROM guide_version WHERE published_by IS NOT NULL AND packed IS NOT NULL"
)


async def loaded(state: State, since: int, into: Catalogue) -> None:
    async with transaction(state.sessions) as session:
        await into.load(session, since)


async def test_nobody_sees_half_of_a_load(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up that came between two rows found no guide, and a copy a mark before its time."""
    catalogue = Catalogue(state.desk.divisions)
    await loaded(state, 0, catalogue)
    before, seen = catalogue.generation, []

    async def look(_: float) -> None:
        seen.append(
            (catalogue.generation, len(catalogue.in_force(today())), len(catalogue.matters))
        )

    # Of this module alone: what else runs in the process would sleep no more, and spin.
    monkeypatch.setattr(
        "matters.memory.asyncio", SimpleNamespace(**vars(asyncio) | {"sleep": look})
    )
    await loaded(state, 0, catalogue)
    assert len(seen) >= 20
    assert set(seen) == {(before, len(catalogue.in_force(today())), len(catalogue.matters))}


async def test_a_version_that_can_not_be_used_keeps_none_from_being_read(
    state: State, owner: AsyncEngine
) -> None:
    """Of its matter what was there stays; of all others the new is taken."""
    bad = sa.text(
        "UPDATE guide_version SET content = jsonb_set(content, '{form_schema,properties,zz}', 'true')"
        " WHERE base_code = :matter"
    )
    good = sa.text("UPDATE guide_version SET content = content #- '{form_schema,properties,zz}'")
    async with owner.begin() as connection:
        await connection.execute(bad, {"matter": m.RECORD})
    try:
        fresh = Catalogue(state.desk.divisions)
        await loaded(state, 0, fresh)
        assert m.RECORD not in {guide.matter for guide in fresh.in_force(today())}
        assert fresh.resolve(m.PENSION, None, today()).matter == m.PENSION
        held = Catalogue(state.desk.divisions)
        held._shelf = state.desk.catalogue._shelf
        await loaded(state, 1, held)
        assert held.resolve(m.RECORD, None, today()).matter == m.RECORD
    finally:
        async with owner.begin() as connection:
            await connection.execute(good)


async def test_what_is_published_is_kept_packed_letter_by_letter(owner: AsyncEngine) -> None:
    """What code published that did not know of it is packed by the background process, once."""
    forgotten = sa.text("UPDATE guide_version SET packed = NULL WHERE base_code = :matter")
    async with owner.begin() as connection:
        await connection.execute(forgotten, {"matter": m.RECORD})
    sessions = make_sessions(owner)
    async with transaction(sessions) as session:
        assert await queries.pack_some(session) >= 1
    async with transaction(sessions) as session:
        assert await queries.pack_some(session) == 0
    async with owner.connect() as connection:
        rows = await connection.execute(PUBLISHED)
        kept = [(content, zlib.decompress(packed).decode()) for content, packed in rows]
    assert len(kept) > 20
    assert all(content == unpacked for content, unpacked in kept)


async def test_to_read_it_all_may_take_longer_than_a_writer_may(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process on a busy machine would never have started: its reading was broken off each time."""
    monkeypatch.setattr("kit.db.TRANSACTION_TIMEOUT", "200ms")
    engine = make_engine(settings.database_url or "", pool_size=1)
    sessions, slow = make_sessions(engine), sa.text("SELECT pg_sleep(0.4)")

    async def written() -> None:
        async with transaction(sessions) as session:
            await run(session, slow)
            await run(session, slow)

    try:
        async with transaction(sessions) as session:
            await read_as_of_now(session)
            await run(session, slow)
            await asyncio.sleep(0.4)
            await run(session, slow)
        with pytest.raises(DBAPIError):
            await written()
        patient = make_engine(settings.database_url or "", pool_size=1, unhurried=True)
        sessions = make_sessions(patient)  # As a command has them that an operator waits for.
        await written()
        await patient.dispose()
    finally:
        await engine.dispose()
