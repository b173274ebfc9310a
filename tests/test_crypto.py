"""Seals, keyed hashes, and the ring of keys behind them."""

import base64
import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from kit.crypto import KeyRing, KeysUnusable, load_keys
from kit.settings import Settings

K1, K2 = b"1" * 32, b"2" * 32
RING = KeyRing("k1", {"k1": K1})
ROTATED = KeyRing("k2", {"k1": K1, "k2": K2})
STRANGER = KeyRing("k1", {"k1": K2})
places = st.text(max_size=30)


def ring(current: object, **keys: object) -> str:
    return json.dumps({"current": current, "keys": keys})


def b64(key: bytes) -> str:
    return base64.b64encode(key).decode()


def text(key: bytes = K1, key_id: str = "k1") -> str:
    return ring(key_id, **{key_id: b64(key)})


class TestSeals:
    @given(st.binary(max_size=2000), places)
    def test_what_is_sealed_opens(self, plain: bytes, place: str) -> None:
        assert RING.open(RING.seal(plain, bound_to=place), bound_to=place) == plain

    @given(places, places)
    def test_it_opens_at_no_other_place(self, here: str, there: str) -> None:
        sealed = RING.seal(b"x", bound_to=here)
        if here != there:
            with pytest.raises(KeysUnusable):
                RING.open(sealed, bound_to=there)

    @given(st.binary(max_size=40), st.data())
    def test_no_bit_may_change(self, plain: bytes, data: st.DataObject) -> None:
        sealed = bytearray(ROTATED.seal(plain, bound_to="here"))
        at = data.draw(st.integers(0, len(sealed) - 1))
        sealed[at] ^= 1 << data.draw(st.integers(0, 7))
        with pytest.raises(KeysUnusable):
            ROTATED.open(bytes(sealed), bound_to="here")

    @given(st.binary(max_size=100))
    def test_junk_is_unusable_and_nothing_else(self, junk: bytes) -> None:
        with pytest.raises(KeysUnusable):
            RING.open(junk, bound_to="here")

    @given(st.integers(0, 31))
    def test_what_is_cut_does_not_open(self, length: int) -> None:
        sealed = RING.seal(b"", bound_to="here")
        assert len(sealed) == 32
        with pytest.raises(KeysUnusable):
            RING.open(sealed[:length], bound_to="here")

    def test_what_is_cut_does_not_open_whatever_the_id(self) -> None:
        dated = KeyRing("2026-11-23", {"2026-11-23": K1})
        sealed = dated.seal(b"", bound_to="here")
        with pytest.raises(KeysUnusable):
            dated.open(sealed[:14], bound_to="here")

    def test_the_same_text_is_sealed_differently_each_time(self) -> None:
        assert len({RING.seal(b"x", bound_to="here") for _ in range(100)}) == 100

    def test_what_is_sealed_does_not_show(self) -> None:
        assert b"339900189901010018" not in RING.seal(b"339900189901010018", bound_to="here")

    def test_an_old_key_still_opens_and_a_lost_one_is_told(self) -> None:
        before, after = RING.seal(b"x", bound_to="here"), ROTATED.seal(b"x", bound_to="here")
        assert ROTATED.open(before, bound_to="here") == b"x"
        with pytest.raises(KeysUnusable, match="no key k2"):
            RING.open(after, bound_to="here")
        with pytest.raises(KeysUnusable, match="changed"):
            STRANGER.open(before, bound_to="here")


class TestHashes:
    @given(st.binary(max_size=200))
    def test_a_hash_holds_for_what_it_was_made_of(self, data: bytes) -> None:
        mac = RING.mac("purpose", data)
        assert RING.holds("purpose", data, mac)
        assert RING.holds("purpose", data, mac[:16])
        assert not RING.holds("purpose", data + b"x", mac)
        assert not RING.holds("other", data, mac)
        assert not STRANGER.holds("purpose", data, mac)

    def test_it_holds_after_a_rotation(self) -> None:
        assert ROTATED.holds("purpose", b"x", RING.mac("purpose", b"x"))
        assert not RING.holds("purpose", b"x", ROTATED.mac("purpose", b"x"))

    @pytest.mark.parametrize("length", [0, 1, 15, 33])
    def test_too_short_or_too_long_a_hash_never_holds(self, length: int) -> None:
        mac = (RING.mac("purpose", b"x") + b"\0")[:length]
        assert not RING.holds("purpose", b"x", mac)

    def test_no_key_serves_two_purposes(self) -> None:
        purposes = ("seal", "cursor", "file", "token", "subject", "query-code", "body")
        assert len({RING.derive(purpose) for purpose in purposes} | {K1}) == len(purposes) + 1


class TestRing:
    def test_it_is_read_as_it_was_written(self) -> None:
        assert KeyRing.parse(ROTATED.dump()) == ROTATED

    def test_a_fresh_one_is_never_the_same(self) -> None:
        assert KeyRing.make() != KeyRing.make()

    def test_keys_do_not_show(self) -> None:
        assert "1111" not in repr(RING)
        assert "1111" not in str(RING)

    @pytest.mark.parametrize(
        "broken",
        [
            "",
            "null",
            "[]",
            "7",
            "{}",
            ring("k1"),
            ring("k2", k1=b64(K1)),
            ring("k1", k1=b64(K1[:16])),
            ring("k1", k1=b64(K1), k0=b64(K1 + K1)),
            ring("k1", k1="not base64!"),
            ring("k1", k1="钥匙"),
            ring("k1", k1=7),
            ring(None, k1=b64(K1)),
            json.dumps({"current": "k1", "keys": [b64(K1)]}),
            text()[:-5],
        ],
    )
    def test_a_broken_one_is_unusable(self, broken: str) -> None:
        with pytest.raises(KeysUnusable):
            KeyRing.parse(broken)

    @pytest.mark.parametrize(
        "broken",
        [ring([], k1=b64(K1)), text(key_id="k" * 300), text(key_id="钥一"), text(key_id="")],
    )
    def test_an_id_that_can_not_be_written_into_a_seal_is_refused(self, broken: str) -> None:
        with pytest.raises(KeysUnusable):
            KeyRing.parse(broken)


class TestFile:
    def test_a_first_start_makes_one_that_only_we_can_read(self, tmp_path: Path) -> None:
        home = tmp_path / "new"
        made = load_keys(Settings(home=home))
        assert stat.S_IMODE((home / "keys.json").stat().st_mode) == 0o600
        assert [file.name for file in home.iterdir()] == ["keys.json"]
        assert load_keys(Settings(home=home)) == made

    def test_the_environment_comes_before_the_file(self, tmp_path: Path) -> None:
        assert load_keys(Settings(home=tmp_path, keys=SecretStr(RING.dump()))) == RING
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("damaged", ["", "{", ring("k9", k1=b64(K1))])
    def test_a_damaged_one_is_told_and_left_alone(self, tmp_path: Path, damaged: str) -> None:
        (tmp_path / "keys.json").write_text(damaged)
        with pytest.raises(KeysUnusable):
            load_keys(Settings(home=tmp_path))
        assert (tmp_path / "keys.json").read_text() == damaged

    def test_one_that_can_not_be_read_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "keys.json").mkdir()
        with pytest.raises(KeysUnusable):
            load_keys(Settings(home=tmp_path))

    def test_one_that_is_no_text_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "keys.json").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(KeysUnusable):
            load_keys(Settings(home=tmp_path))
