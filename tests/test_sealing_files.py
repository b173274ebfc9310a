"""Sealed files: nothing can be dropped, moved, added or changed; and ids that prove whose they are."""

import hashlib
from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from files import sealing
from files.proof import file_id, proves
from kit.crypto import KeyRing, KeysUnusable

RING = KeyRing("k1", {"k1": b"1" * 32})
ROTATED = KeyRing("k2", {"k1": b"1" * 32, "k2": b"2" * 32})
STRANGER = KeyRing("k1", {"k1": b"2" * 32})
OUTLET, OTHER = "330106000012", "330106000013"


async def stream(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def seal(*pieces: bytes, keys: KeyRing = RING, place: str = "here") -> bytes:
    return b"".join([part async for part in sealing.seal(keys, stream(pieces), place)])


async def opened(*pieces: bytes, keys: KeyRing = RING, place: str = "here") -> bytes:
    return b"".join([part async for part in sealing.open_(keys, stream(pieces), place)])


def taken_apart(sealed: bytes) -> tuple[bytes, list[bytes]]:
    """The head, and the frames with their lengths."""
    start = len(sealing.MAGIC) + 3
    at = start + int.from_bytes(sealed[start - 2 : start], "big")
    head, frames = sealed[:at], []
    while at < len(sealed):
        end = at + 4 + int.from_bytes(sealed[at : at + 4], "big")
        frames.append(sealed[at:end])
        at = end
    return head, frames


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 8 bytes, so that a short text has many."""
    monkeypatch.setattr(sealing, "CHUNK", 8)


TEXT = bytes(range(40))


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 64))
async def test_what_is_sealed_opens_however_it_is_cut_on_the_way(
    pieces: list[bytes], size: int
) -> None:
    sealed = await seal(*pieces)
    parts = [sealed[n : n + size] for n in range(0, len(sealed), size)]
    assert await opened(*parts) == b"".join(pieces)


@pytest.mark.parametrize("more", [-1, 0, 1, sealing.CHUNK])
async def test_chunks_end_where_they_should(more: int) -> None:
    plain = b"x" * (sealing.CHUNK + more)
    sealed = await seal(plain)
    assert await opened(sealed) == plain
    assert len(taken_apart(sealed)[1]) == 1 + (more > 0)


async def test_no_more_than_a_chunk_is_held(small: None) -> None:
    read: list[int] = []

    async def source() -> AsyncIterator[bytes]:
        for n in range(100):
            read.append(n)
            yield b"x" * 8

    parts = sealing.seal(RING, source(), "here")
    for _ in range(3):  # The head and two chunks.
        await anext(parts)
    assert len(read) == 3


async def test_the_same_file_is_sealed_differently_each_time() -> None:
    assert len({await seal(TEXT) for _ in range(20)}) == 20
    assert TEXT not in await seal(TEXT)


@pytest.mark.parametrize(
    "order",
    [
        pytest.param((0, 1, 2, 3), id="the last is dropped"),
        pytest.param((1, 2, 3, 4), id="the first is dropped"),
        pytest.param((0, 1, 3, 4), id="one within is dropped"),
        pytest.param((0, 2, 1, 3, 4), id="two are exchanged"),
        pytest.param((0, 1, 1, 2, 3, 4), id="one is repeated"),
        pytest.param((0, 1, 2, 3, 4, 4), id="the last is repeated"),
        pytest.param((4,), id="only the last is left"),
        pytest.param(
            (),
            id="none is left",
        ),
    ],
)
async def test_chunks_are_neither_dropped_nor_moved_nor_added(
    small: None, order: tuple[int, ...]
) -> None:
    head, frames = taken_apart(await seal(TEXT))
    assert len(frames) == 5
    with pytest.raises(KeysUnusable):
        await opened(head, *(frames[n] for n in order))


async def test_chunks_of_another_file_do_not_fit(small: None) -> None:
    head, _ = taken_apart(await seal(TEXT))
    _, frames = taken_apart(await seal(TEXT))
    with pytest.raises(KeysUnusable):
        await opened(head, *frames)


async def test_no_bit_of_head_or_content_may_change(small: None) -> None:
    head, frames = taken_apart(await seal(TEXT[:12]))
    sealed = head + b"".join(frames)
    lengths = {len(head) + n for n in range(4)} | {len(head) + len(frames[0]) + n for n in range(4)}
    for place in set(range(len(sealed))) - lengths:
        changed = bytearray(sealed)
        changed[place] ^= 1 << place % 8
        with pytest.raises(KeysUnusable):
            await opened(bytes(changed))


@pytest.mark.parametrize("added", [b"\0", b"abc"])
async def test_nothing_may_be_added_after_the_end(added: bytes) -> None:
    with pytest.raises(KeysUnusable):
        await opened(await seal(TEXT), added)


async def test_the_length_of_the_last_chunk_may_not_change() -> None:
    head, (frame,) = taken_apart(await seal(TEXT))
    longer = (len(frame) - 4 + 1).to_bytes(4, "big")
    with pytest.raises(KeysUnusable):
        await opened(head, longer, frame[4:])


@settings(deadline=None)
@given(st.binary(max_size=60))
async def test_junk_is_unusable_and_nothing_else(junk: bytes) -> None:
    for start in (b"", sealing.MAGIC, sealing.MAGIC + b"\x01\x00\x20", sealing.MAGIC + b"\x07"):
        with pytest.raises(KeysUnusable):
            await opened(start + junk)


async def test_a_file_opens_at_its_own_place_and_with_its_own_ring_only() -> None:
    sealed = await seal(TEXT)
    assert await opened(sealed, keys=ROTATED) == TEXT
    with pytest.raises(KeysUnusable):
        await opened(sealed, place="there")
    with pytest.raises(KeysUnusable):
        await opened(sealed, keys=STRANGER)
    with pytest.raises(KeysUnusable):
        await opened(await seal(TEXT, keys=ROTATED))


class TestIds:
    ID = file_id(RING, OUTLET, hashlib.sha256(TEXT).digest(), len(TEXT))

    def test_it_proves_its_outlet_and_no_other(self) -> None:
        assert proves(RING, self.ID, OUTLET)
        assert not proves(RING, self.ID, OTHER)
        assert not proves(STRANGER, self.ID, OUTLET)

    def test_it_holds_after_a_rotation(self) -> None:
        assert proves(ROTATED, self.ID, OUTLET)

    def test_it_fits_its_column_and_a_url(self) -> None:
        assert len(self.ID) == 70
        assert set(self.ID) <= set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        )

    @given(st.integers(0, 68), st.sampled_from("AQgw05_-"))
    def test_no_character_may_change(self, at: int, other: str) -> None:
        changed = self.ID[:at] + other + self.ID[at + 1 :]
        assert proves(RING, changed, OUTLET) == (changed == self.ID)

    @given(st.text(max_size=80) | st.text("AZaz09-_=", max_size=80))
    @example("\ud800")
    def test_junk_proves_nothing(self, junk: str) -> None:
        assert not proves(RING, junk, OUTLET)

    def test_an_id_has_one_spelling(self) -> None:
        last = chr(ord(self.ID[-1]) + 1)
        assert not proves(RING, self.ID + "==", OUTLET)
        assert not proves(RING, self.ID[:-1] + last, OUTLET)
