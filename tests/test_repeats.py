"""Keys of calls that are sent again."""

import asyncio

import pytest

from api.state import State
from kit.clock import now
from kit.db import Sessions, transaction
from kit.repeats import Asked, KeyInProgress, KeyReused, forget, made_before
from tests import make as m


async def ask(state: State, asked: Asked | None, resource: str) -> str | None:
    async with transaction(state.sessions) as session:
        return await made_before(session, state.keys, asked, resource)


def asked(key: str, body: bytes = b"{}", who: str = "person:a") -> Asked:
    return Asked(who, key, body)


async def test_a_repeat_is_told_what_the_first_made(state: State, clean: None) -> None:
    key = m.key()
    assert await ask(state, asked(key), "one") is None
    assert await ask(state, asked(key), "two") == "one"
    assert await ask(state, asked(key, who="person:b"), "three") is None
    assert await ask(state, None, "four") is None


async def test_another_body_is_refused(state: State, clean: None) -> None:
    key = m.key()
    await ask(state, asked(key), "one")
    with pytest.raises(KeyReused):
        await ask(state, asked(key, b'{"x":1}'), "two")


async def test_a_call_that_fails_leaves_its_key_free(sessions: Sessions, state: State) -> None:
    key = m.key()

    async def fail() -> None:
        async with transaction(sessions) as session:
            await made_before(session, state.keys, asked(key), "one")
            raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        await fail()
    assert await ask(state, asked(key), "two") is None


async def test_of_two_at_once_one_makes_it(state: State, clean: None) -> None:
    key = m.key()
    found = await asyncio.gather(*(ask(state, asked(key), f"r{n}") for n in range(6)))
    assert found.count(None) == 1
    assert len({one for one in found if one is not None}) == 1


async def test_who_waits_too_long_is_told_to_come_back(
    state: State, sessions: Sessions, clean: None
) -> None:
    key = m.key()

    async def hurry() -> None:
        async with transaction(sessions) as other:
            await (await other.connection()).exec_driver_sql("SET LOCAL lock_timeout = '30ms'")
            await made_before(other, state.keys, asked(key), "two")

    async with transaction(sessions) as session:
        await made_before(session, state.keys, asked(key), "one")
        with pytest.raises(KeyInProgress):
            await hurry()


async def test_old_keys_are_forgotten(state: State, sessions: Sessions, clean: None) -> None:
    key = m.key()
    await ask(state, asked(key), "one")
    async with transaction(sessions) as session:
        await forget(session, now())
    assert await ask(state, asked(key), "two") is None
