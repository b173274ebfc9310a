"""Sealed columns, all of them: what was changed or moved is found; sealing again; wrong rings."""

import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner

from access.policy import Role
from api.state import State
from applications import draft
from applications.actions import SYSTEM
from applications.models import Application
from archives import service as archives
from archives.service import Ask
from cli import evidence as cli
from cli import keys as cli_keys
from cli.evidence import Asked
from cli.main import app
from connectors.models import Difference
from custody import queries, service
from custody.inventory import SealedColumn, inventory, is_sealed
from files import queries as files
from files.stores import get
from kit.clock import now, today
from kit.crypto import KeyRing, KeysUnusable, load_keys, place, sealed_under
from kit.db import transaction
from kit.settings import Settings
from kit.signing import Signer
from migrations.tables import metadata
from notices.models import Notice
from schemas.guides import ArchiveDeed
from supervision import reconciling
from supervision import service as supervision
from supervision.models import Order, SpotCheck
from tests import make as m
from tests import test_imports as imports
from tests.make import Make
from tests.test_accepting import REASON
from tests.test_evidence import seal_all, signed, signer
from tests.test_files import PDF, send
from tests.test_uploads import begin

__all__ = ["signed", "signer"]

COLUMNS = inventory(metadata())


@pytest.fixture
async def full(http: httpx.AsyncClient, make: Make, state: State) -> None:
    """Two values at least in every sealed column, made by the calls that make them, and two files."""
    shop, officer = await make.place(), await make.person(Role.ACCEPTANCE_OFFICER)
    teller, reviewer = make.teller(shop), await make.person(Role.REVIEWER)
    by = (today() + timedelta(days=9)).isoformat()
    for n in range(2):
        await send(http, teller, PDF + bytes([n]))
        await begin(http, teller, 9, **{"Upload-Metadata": "filename 5byg5LiJLnBkZg=="})
        made = (await m.submit(http, teller, m.body(accept=False))).json()
        await http.get(f"/v1/applications/{made['number']}/documents", headers=teller)
        asked = await m.act(http, officer, made, "ask_correction", reasons=[REASON], by=by)
        assert asked.status_code == 200, asked.text
        await m.submit(http, teller)
        await _others(http, make, state, n)
    claimed = await http.post("/v1/tasks/claim", json={"limit": 50}, headers=reviewer)
    for case in claimed.json()["items"]:
        url = f"/v1/applications/{case['number']}/reveal"
        await http.post(url, json={"purpose": "核对身份"}, headers=reviewer)
        done = await m.act(http, reviewer, case, "grant", opinion="同意", result={"number": "样例"})
        assert done.status_code == 200, done.text
        await _supervised(state, case)
        url = f"/v1/applications/{case['number']}/rating"
        rated = await http.post(url, json={"grade": 5, "text": "等得太久"}, headers=teller)
        assert rated.status_code == 201, rated.text
    boss = await make.person(Role.OUTLET_MANAGER, shop.outlet)
    for poor in (await http.get("/v1/rectifications", headers=boss)).json()["items"]:
        url, first = f"/v1/rectifications/{poor['id']}/actions", {"If-Match": '"1"'}
        said = {"action": "contact", "text": "已致电"}
        assert (await http.post(url, json=said, headers=boss | first)).status_code == 200


async def _others(http: httpx.AsyncClient, make: Make, state: State, n: int) -> None:
    """What is no application's."""
    await _brought_in(http, make, state, n)
    await _kept(state, m.IDS[n])
    await _subscribed(http, make)


async def _reached(http: httpx.AsyncClient, make: Make) -> None:
    url = f"/v1/outlets/{(await make.place()).outlet}/contact"
    who = await make.person(Role.OUTLET_ADMIN)
    named = await http.put(url, json={"name": "张三丰", "phone": "13900001234"}, headers=who)
    assert named.status_code == 200, named.text


async def _brought_in(http: httpx.AsyncClient, make: Make, state: State, n: int) -> None:
    """A spreadsheet of a row, judged; an outlet with a liaison person."""
    await _reached(http, make)
    sheet, who = imports.text([imports.row(n)]), await make.person(Role.OUTLET_ADMIN)
    await imports.run(http, imports.runner_of(state), who, sheet, dry_run="true")


async def _subscribed(http: httpx.AsyncClient, make: Make) -> None:
    """A subscription whose secret was turned over: both are kept."""
    who = await make.person(Role.BANK_ADMIN, "SRCB")
    body = {"name": "推送", "url": "https://bank.example/events", "bank": "SRCB"}
    made = (await http.post("/v1/subscriptions", json=body, headers=who)).json()
    url = f"/v1/subscriptions/{made['subscription']}/actions"
    version = {"If-Match": '"1"'}
    turned = await http.post(url, json={"action": "rotate"}, headers=who | version)
    assert turned.status_code == 200, turned.text


async def _kept(state: State, id_number: str) -> None:
    """An archive that came with a word about it."""
    person = {"name": "测试甲", "id_type": "resident_id", "id_number": id_number}
    asked = Ask(ArchiveDeed.ARRIVE, person, SYSTEM, "330106", note="已核实")
    async with transaction(state.sessions) as session:
        await archives.move(session, state.keys, asked)


async def _supervised(state: State, case: dict[str, Any]) -> None:
    """What supervisors write of an application, sealed as their calls seal it."""
    about: dict[str, Any] = {
        "at": now(), "application": case["number"], "agency": "330106", "outlet": case["outlet"],
        "matter": case["matter"],
    }  # fmt: skip
    order = Order(**about, light="red", waits_for="decision", since=today(), told=[])
    check = SpotCheck(**about, reason="matter")
    differs = Difference(
        at=now(),
        core="simulated",
        kind="missing_there",
        application=case["number"],
        agency="330106",
    )
    async with transaction(state.sessions) as session:
        notice = Notice(
            application=case["number"], event=int(case["number"][-8:]), kind="receipt", outlet=case["outlet"],
            agency="330106", at=now(), next_at=now(), state="told",
        )  # fmt: skip
        session.add_all([order, check, notice, differs])
        await session.flush()
        for row, place, name in (
            (differs, reconciling.SETTLEMENT, "settlement_sealed"),
            (notice, "notice.note_sealed", "note_sealed"),
            (order, supervision.ANSWER, "answer_sealed"),
            (check, supervision.FINDING, "finding_sealed"),
            (check, supervision.CORRECTION, "correction_sealed"),
        ):
            sealed = state.keys.seal("已核实".encode(), bound_to=f"{place}:{row.id}")
            setattr(row, name, sealed)


async def found(state: State, column: SealedColumn, keys: KeyRing | None = None) -> list[str]:
    """The rows of a column that do not open, by their keys."""
    looked = service.damaged(state.sessions, keys or state.keys, column)
    return [key async for _, key in looked if key is not None]


async def values(state: State, column: SealedColumn) -> dict[str, bytes]:
    async with transaction(state.sessions) as session:
        rows = await queries.values(session, column, "", 1000)
    return {str(row.key): row.sealed for row in rows if row.sealed is not None}


async def scans(state: State, settings: Settings) -> list[Path]:
    async with transaction(state.sessions) as session:
        return [settings.home / "files" / row.path for row in await files.after(session, "", 100)]


async def put(owner: AsyncEngine, column: SealedColumn, key: str, value: bytes) -> None:
    async with owner.begin() as connection:
        await connection.execute(
            sa.text(
                f"UPDATE {column.table.name} SET {column.column} = :value WHERE {column.key}::text = :key"
            ),
            {"value": value, "key": key},
        )


@asynccontextmanager
async def instead(
    owner: AsyncEngine, column: SealedColumn, held: dict[str, bytes], other: dict[str, bytes]
) -> AsyncIterator[None]:
    """Other values for a while: what is `held` is put back, and the next column finds all whole."""
    for key, value in other.items():
        await put(owner, column, key, value)
    yield
    for key in other:
        await put(owner, column, key, held[key])


class TestEveryColumn:
    async def test_one_byte_changed_is_found(
        self, full: None, state: State, owner: AsyncEngine
    ) -> None:
        wrong: dict[tuple[str, object], list[str]] = {}
        for column in COLUMNS:
            held = await values(state, column)
            assert held, f"fill {column.name} in the fixture: a sealed column is shown to be one"
            if rows := await found(state, column):
                wrong[column.name, "before"] = rows
            key, sealed = next(iter(held.items()))
            for at in {0, 1, 2, 4, len(sealed) // 2, len(sealed) - 1}:
                changed = bytearray(sealed)
                changed[at] ^= 1
                async with instead(owner, column, held, {key: bytes(changed)}):
                    if (rows := await found(state, column)) != [key]:
                        wrong[column.name, at] = rows
        assert wrong == {}

    async def test_one_moved_to_another_row_is_found(
        self, full: None, state: State, owner: AsyncEngine
    ) -> None:
        wrong = {}
        for column in COLUMNS:
            held = await values(state, column)
            assert len(held) > 1, f"fill {column.name} in the fixture with two"
            (one, first), (other, second), *_ = held.items()
            async with instead(owner, column, held, {one: second, other: first}):
                if set(rows := await found(state, column)) != {one, other}:
                    wrong[column.name] = rows
        assert wrong == {}

    async def test_a_text_that_was_replaced_by_one_with_the_key_is_found(
        self, full: None, state: State, owner: AsyncEngine
    ) -> None:
        """Whoever has the key ring, too, can't change what was said: the commitment stands in the chain."""
        committed, wrong = [c for c in COLUMNS if c.commitment], {}
        assert committed
        for column in committed:
            held = await values(state, column)
            key = next(iter(held))
            forged = state.keys.seal(b"\0" * 32 + "不同意".encode(), bound_to=column.place(key))
            async with instead(owner, column, held, {key: forged}):
                if (rows := await found(state, column)) != [key]:
                    wrong[column.name] = rows
        assert wrong == {}

    async def test_it_is_told_by_the_command(
        self, full: None, state: State, owner: AsyncEngine, signed: Settings
    ) -> None:
        column = COLUMNS[0]
        key, sealed = next(iter((await values(state, column)).items()))
        await put(owner, column, key, sealed[:-1])
        told = await cli.verify_all(signed, signed.database_url or "", Asked(sealed=True))
        assert told == f"{column.name} of {key}: changed, moved or replaced"

    async def test_a_file_that_was_changed_is_told(
        self, full: None, state: State, signed: Settings
    ) -> None:
        path = (await scans(state, signed))[0]
        *kept, last = path.read_bytes()
        path.write_bytes(bytes([*kept, last ^ 1]))
        told = await cli.verify_all(signed, signed.database_url or "", Asked(sealed=True))
        assert "file " in (told or "")

    def test_no_column_of_bytes_is_unaccounted_for(self) -> None:
        """Bytes are sealed, and then named so, or they are hashes and the like, listed here."""
        plain = {
            f"{table.name}.{column.name}"
            for table in metadata().sorted_tables
            for column in table.columns
            if isinstance(column.type, sa.LargeBinary) and not is_sealed(column.name)
        }
        assert plain == PLAIN_BYTES


PLAIN_BYTES = {
    "access_record.person", "access_record.purpose_commitment", "application.body_digest",
    "application.subject_index", "attempt.name", "event_text.commitment", "evidence_block.hash",
    "evidence_block.signature", "evidence_key.public", "evidence_span.leaves", "guide_version.packed",
    "idempotency_key.body_digest",
    "personnel_archive.token", "rating.token", "ring_key.check_value", "stored_file.sha256",
    "terminal_enrolment.code_index",
    "used_assertion.digest",
}  # fmt: skip
"""Hashes, keyed ones of what is personal, and what is public."""


@pytest.fixture
async def fresh(state: State, owner: AsyncEngine) -> AsyncIterator[KeyRing]:
    """A ring with a second key, of the state's algorithms, that is the current one."""
    yield state.keys.with_new("k2", "sm").with_current("k2")
    async with owner.begin() as connection:
        await connection.execute(sa.text("DELETE FROM ring_key WHERE id <> 'k1'"))
        await connection.execute(sa.text("UPDATE ring_key SET lost_at = NULL"))
        await connection.execute(sa.text("TRUNCATE resealing"))


async def again(state: State, keys: KeyRing, column: SealedColumn, rounds: int = 1000) -> int:
    """Seal a column again, some rounds long; how many values were."""
    rehash = cli_keys.REHASHED.get(column.name)
    done = 0
    for _ in range(rounds):
        async with transaction(state.sessions) as session:
            progress = await service.reseal_some(session, keys, column, rehash)
        assert progress is not None
        done = progress.sealed_again
        if progress.ended_at is not None:
            break
    return done


class TestSealingAgain:
    async def test_all_of_it_by_the_command_s_own_way(
        self, full: None, state: State, fresh: KeyRing, signed: Settings, capsys: pytest.CaptureFixture[str]
    ) -> None:  # fmt: skip
        ours = signed.model_copy(update={"keys": SecretStr(fresh.dump())})
        await cli_keys.rotate(ours, ours.database_url or "")
        for column in COLUMNS:
            held = await values(state, column)
            assert {sealed_under(sealed) for sealed in held.values()} == {"k2"}, column.name
            assert await found(state, column, fresh) == []
        assert await cli.verify_all(ours, ours.database_url or "", Asked(sealed=True)) is None
        said = capsys.readouterr().err
        assert "files under k2: 2 looked at, 2 sealed again, ended" in said
        await cli_keys.rotate(ours, ours.database_url or "")
        lines = await cli_keys.status(ours, ours.database_url or "")
        assert any(line.startswith("k2  SM4-GCM, SM3") and "current" in line for line in lines)

    async def test_the_chain_does_not_mind(
        self, full: None, state: State, fresh: KeyRing, signed: Settings, signer: Signer
    ) -> None:
        await seal_all(state, signer)
        ours = signed.model_copy(update={"keys": SecretStr(fresh.dump())})
        await cli_keys.rotate(ours, ours.database_url or "")
        assert await cli.verify_all(ours, ours.database_url or "", Asked()) is None

    async def test_stopped_it_goes_on_and_readers_see_both(
        self, full: None, state: State, fresh: KeyRing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "CHUNK", 1)
        column = next(c for c in COLUMNS if c.name == "application.sealed")
        count = len(await values(state, column))
        assert await again(state, fresh, column, rounds=2) == 2
        assert await found(state, column, fresh) == []
        kinds = [sealed_under(sealed) for sealed in (await values(state, column)).values()]
        assert kinds.count("k2") == 2
        assert await again(state, fresh, column) == count
        assert await again(state, fresh, column, rounds=1) == count

    async def test_one_that_another_holds_is_taken_later(
        self, full: None, state: State, fresh: KeyRing
    ) -> None:
        column = next(c for c in COLUMNS if c.name == "application.sealed")
        number, *others = await values(state, column)
        async with transaction(state.sessions) as holder:
            await holder.get_one(Application, number, with_for_update=True)
            assert await again(state, fresh, column, rounds=2) == len(others)
        assert await again(state, fresh, column) == 1 + len(others)

    async def test_who_is_searched_for_is_found_before_meanwhile_and_after(
        self, full: None, state: State, fresh: KeyRing
    ) -> None:
        column = next(c for c in COLUMNS if c.name == "application.sealed")
        wanted = draft.subject_indexes(fresh, m.IDS[0])
        assert len(wanted) == 2
        for rounds in (0, 1, 1000):
            if rounds:
                await again(state, fresh, column, rounds)
            async with transaction(state.sessions) as session:
                rows = await (await session.connection()).execute(
                    sa.text("SELECT count(*) FROM application WHERE subject_index = ANY(:wanted)"),
                    {"wanted": wanted},
                )
            assert rows.scalar_one() == 4
        async with transaction(state.sessions) as session:
            rows = await (await session.connection()).execute(
                sa.text("SELECT DISTINCT subject_index FROM application")
            )
        assert rows.scalars().all() == wanted[:1]

    async def test_a_value_that_does_not_open_stops_it_and_stays(
        self, full: None, state: State, fresh: KeyRing, owner: AsyncEngine
    ) -> None:
        column = COLUMNS[0]
        key, sealed = next(iter((await values(state, column)).items()))
        await put(owner, column, key, sealed[:-1])
        with pytest.raises(KeysUnusable):
            await again(state, fresh, column)
        assert (await values(state, column))[key] == sealed[:-1]

    async def test_a_file_is_read_before_and_after(
        self, http: httpx.AsyncClient, make: Make, state: State, fresh: KeyRing, signed: Settings
    ) -> None:
        large = PDF + bytes(range(256)) * 3000
        stored = await send(http, make.teller(await make.place()), large)
        assert stored.status_code == 201, stored.text
        (path,) = await scans(state, signed)
        before = path.read_bytes()
        vault = state.vault._replace(keys=fresh)
        for _ in range(2):
            while (await service.rewrap_some(vault)).ended_at is None:
                pass
        after = path.read_bytes()
        assert (after[-9000:], after != before) == (before[-9000:], True)
        opened = b"".join([piece async for piece in await get(vault, path.name)])
        assert opened == large


class TestTheRightRing:
    async def test_a_key_that_is_missing_is_named(self, state: State, fresh: KeyRing) -> None:
        async with transaction(state.sessions) as session:
            await service.check(session, fresh)
        with pytest.raises(KeysUnusable, match="lacks k2"):
            async with transaction(state.sessions) as session:
                await service.check(session, state.keys)
        await cli_keys.give_up(state.settings.database_url or "", "k2")
        async with transaction(state.sessions) as session:
            await service.check(session, state.keys)

    async def test_another_of_its_name_is_named(self, state: State, fresh: KeyRing) -> None:
        with pytest.raises(KeysUnusable, match="k1 of the key ring is another key"):
            async with transaction(state.sessions) as session:
                await service.check(session, KeyRing.make())

    async def test_a_ring_that_is_refused_leaves_nothing_behind(
        self, state: State, fresh: KeyRing
    ) -> None:
        stranger = KeyRing("k9", {"k9": b"9" * 32})
        with pytest.raises(KeysUnusable, match="lacks k1"):
            async with transaction(state.sessions) as session:
                await service.check(session, stranger)
        async with transaction(state.sessions) as session:
            assert {row.id for row in await queries.known(session)} == {"k1"}

    async def test_a_check_value_tells_nothing_of_the_key(self, state: State) -> None:
        ring = state.keys
        assert len(ring.check_value("k1")) == 16
        assert ring.check_value("k1") not in ring.keys["k1"]


class TestTheRingsFile:
    def test_add_then_use(self, tmp_path: Path) -> None:
        first = load_keys(Settings(home=tmp_path))
        for arguments in (["keys", "add", "k2"], ["keys", "use", "k2"]):
            done = CliRunner().invoke(app, arguments, env={"SYT_HOME": str(tmp_path)})
            assert done.exit_code == 0, done.stderr
        ring = load_keys(Settings(home=tmp_path))
        assert (ring.current, list(ring.keys)) == ("k2", ["k1", "k2"])
        assert ring.keys["k1"] == first.keys["k1"]
        assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600
        assert [file.name for file in tmp_path.iterdir()] == ["keys.json"]

    @pytest.mark.parametrize("arguments", [["add", "k1"], ["add", "钥"], ["use", "k7"]])
    def test_what_can_not_be_is_one_line(self, tmp_path: Path, arguments: list[str]) -> None:
        load_keys(Settings(home=tmp_path))
        done = CliRunner().invoke(app, ["keys", *arguments], env={"SYT_HOME": str(tmp_path)})
        assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)

    def test_one_that_others_may_read_is_refused(self, tmp_path: Path) -> None:
        load_keys(Settings(home=tmp_path))
        (tmp_path / "keys.json").chmod(0o640)
        with pytest.raises(KeysUnusable, match="chmod 600"):
            load_keys(Settings(home=tmp_path))

    def test_a_command_gives_the_ring(self, tmp_path: Path) -> None:
        """As a key management system is joined: a program that asks it, here one of the test's own."""
        ring = KeyRing.make("sm")
        (tmp_path / "ask.py").write_text(f"print({ring.dump()!r})")
        command = f"{sys.executable} {tmp_path / 'ask.py'}"
        assert load_keys(Settings(home=tmp_path, keys_command=command)) == ring
        with pytest.raises(KeysUnusable, match="not ours to change"):
            cli_keys.change(Settings(home=tmp_path, keys_command=command), lambda r, _: r)

    @pytest.mark.parametrize("command", ["/nowhere/kms", "false", "", "'", "sleep 30"])
    def test_one_that_gives_none_is_told(
        self, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("kit.crypto.KMS_SECONDS", 0.2)
        with pytest.raises(KeysUnusable):
            load_keys(Settings(home=tmp_path, keys_command=command))
        assert not list(tmp_path.iterdir())


def test_a_place_is_table_column_and_row() -> None:
    assert place("application", "sealed", "SYT1") == "application.sealed:SYT1"
