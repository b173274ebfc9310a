"""The chain of evidence: whole when nothing was touched, and broken at the very row that was."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import orjson
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from access.models import AccessRecord
from access.policy import Role
from api.state import State
from cli import evidence as cli
from cli.evidence import Asked
from events.models import Event, EventSequence, EventText
from evidence import chain, retention, service
from evidence.streams import ACCESS, EVENT, STREAMS
from evidence.verify import Broken, read_roots
from kit.clock import today
from kit.db import transaction
from kit.settings import Settings
from kit.signing import Signer, load_signer, make_pem, public_pem, read_public, read_signer
from tests import make as m
from tests.make import Make
from tests.test_events import tell

PLAIN = Asked()


@pytest.fixture(scope="session")
def signed(settings: Settings) -> Settings:
    """Settings with a signing key that was made on first use."""
    load_signer(settings)
    return settings


@pytest.fixture
def signer(signed: Settings) -> Signer:
    return read_signer((signed.home / "signing.pem").read_text())


async def seal(state: State, signer: Signer, algorithm: str = "sha256") -> int:
    async with transaction(state.sessions) as session:
        return await service.seal_some(session, signer, algorithm) or 0


LEFT = sa.text(
    "SELECT (SELECT count(*) FROM access_record) - (SELECT count(*) FROM access_sequence)"
)


async def seal_all(state: State, signer: Signer, algorithm: str = "sha256") -> None:
    """Tell and seal all there is; what runs beside the tests holds the order up for a moment."""
    await tell(state)
    for _ in range(200):
        await seal(state, signer, algorithm)
        async with transaction(state.sessions) as session:
            if (await (await session.connection()).execute(LEFT)).scalar_one() <= 0:
                return
        await asyncio.sleep(0.05)


async def verified(settings: Settings, asked: Asked = PLAIN) -> str | None:
    return await cli.verify_all(settings, settings.database_url or "", asked)


async def change(owner: AsyncEngine, *statements: str) -> None:
    """What somebody does who owns the database."""
    async with owner.begin() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)


@pytest.fixture
async def life(http: httpx.AsyncClient, make: Make, state: State, signer: Signer) -> dict[str, str]:
    """An application that was granted with an opinion and looked at in full, sealed in two blocks."""
    place, reviewer = await make.place(), await make.person(Role.REVIEWER)
    made: dict[str, str] = (await m.submit(http, make.teller(place))).json()
    claimed = (await http.post("/v1/tasks/claim", json={"limit": 50}, headers=reviewer)).json()
    await seal_all(state, signer)
    mine = next(item for item in claimed["items"] if item["number"] == made["number"])
    for purpose in ("核对身份", "核对材料"):
        shown = await http.post(
            f"/v1/applications/{made['number']}/reveal", json={"purpose": purpose}, headers=reviewer
        )
        assert shown.status_code == 200, shown.text
    granted = await m.act(
        http, reviewer, mine, "grant", opinion="符合条件", result={"number": "样例-1"}
    )
    assert granted.status_code == 200, granted.text
    await seal_all(state, signer)
    return made


class TestWhole:
    async def test_what_nobody_touched_is_whole(self, life: object, signed: Settings) -> None:
        assert await verified(signed) is None
        assert await verified(signed, Asked(sealed=True)) is None

    async def test_from_a_day_on(self, life: object, signed: Settings) -> None:
        for day in (date(2020, 1, 1), datetime.now(UTC).date(), date(2090, 1, 1)):
            assert await verified(signed, Asked(since=day)) is None

    async def test_nothing_sealed_is_no_fault(self, clean: None, signed: Settings) -> None:
        assert await verified(signed) is None

    async def test_a_block_for_what_came_and_none_for_nothing(
        self, life: object, state: State, signer: Signer
    ) -> None:
        assert await seal(state, signer) == 0

    async def test_sm3_and_sha256_follow_each_other(
        self, life: object, http: httpx.AsyncClient, make: Make, state: State, signer: Signer,
        signed: Settings, owner: AsyncEngine,
    ) -> None:  # fmt: skip
        await m.submit(http, make.teller(await make.place()))
        await seal_all(state, signer, "sm3")
        assert await verified(signed) is None
        await change(
            owner, "UPDATE event SET actor = 'person:x' WHERE id = (SELECT max(id) FROM event)"
        )
        assert "changed" in (await verified(signed) or "")

    async def test_two_at_once_seal_each_row_once(
        self, http: httpx.AsyncClient, make: Make, state: State, signer: Signer, signed: Settings
    ) -> None:
        teller = make.teller(await make.place())
        for _ in range(3):
            await asyncio.gather(*(m.submit(http, teller) for _ in range(4)))
            await tell(state)
            await asyncio.gather(*(seal(state, signer) for _ in range(3)))
        await seal_all(state, signer)
        assert await verified(signed) is None

    async def test_one_that_was_broken_off_goes_on(
        self, life: object, http: httpx.AsyncClient, make: Make, state: State, signer: Signer,
        signed: Settings, monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """Killed between block and hashes: the database undoes what was half done."""
        await m.submit(http, make.teller(await make.place()))
        await tell(state)
        with monkeypatch.context() as broken:
            broken.setattr("evidence.queries.add_span", None)
            with pytest.raises(TypeError):
                await seal(state, signer)
        assert await verified(signed) is None
        await seal_all(state, signer)
        assert await verified(signed) is None


LAST = "(SELECT max(id) FROM event)"
FIRST = "(SELECT min(id) FROM event)"
FORGED = (
    "INSERT INTO event OVERRIDING SYSTEM VALUE SELECT * FROM jsonb_populate_record(NULL::event,"
)
FORGED = (
    "INSERT INTO event OVERRIDING SYSTEM VALUE SELECT * FROM jsonb_populate_record(NULL::event,"
)
SEEN = "(SELECT record FROM access_sequence WHERE seq = 1)"

EVENT_COLUMNS = {
    "at": "at + interval '1 microsecond'", "xid": "(xid::text::bigint + 1)::text::xid8",
    "version": "version + 1", "step": "step + 1", "facts": "facts || '{\"x\": 1}'",
}  # fmt: skip
"""How one value is changed as little as possible; texts by one letter."""


def changed(column: str) -> str:
    return EVENT_COLUMNS.get(column, f"left({column}, -1) || '~'")


class TestAltered:
    @pytest.mark.parametrize("column", [c.name for c in Event.__table__.columns if c.name != "id"])  # type: ignore[attr-defined]
    async def test_any_column_of_an_event(
        self, life: object, owner: AsyncEngine, signed: Settings, column: str
    ) -> None:
        await change(owner, f"UPDATE event SET {column} = {changed(column)} WHERE id = {LAST}")
        found = await verified(signed)
        assert (found or "").startswith("event ")

    async def test_the_row_is_named(
        self, life: object, owner: AsyncEngine, signed: Settings
    ) -> None:
        async with owner.connect() as connection:
            ids = (
                await connection.scalars(sa.text("SELECT event FROM event_sequence ORDER BY seq"))
            ).all()
        for id_ in ids:
            await change(owner, f"UPDATE event SET state = state || '~' WHERE id = {id_}")
            assert (await verified(signed) or "").startswith(f"event {id_} (order")
            await change(owner, f"UPDATE event SET state = left(state, -1) WHERE id = {id_}")
        assert await verified(signed) is None

    @pytest.mark.parametrize(
        ("statements", "words"),
        [
            ((f"DELETE FROM event WHERE id = {FIRST}",), "missing"),
            ((f"DELETE FROM event WHERE id = {LAST}",), "missing"),
            ((f"DELETE FROM event_sequence WHERE event = {FIRST}",), "missing from the order"),
            (("DELETE FROM event_sequence",), "missing from the order"),
            ((f"DELETE FROM event_text WHERE event = {LAST}",), "changed"),
            (("UPDATE event_text SET commitment = sha256(commitment)",), "changed"),
            ((f"UPDATE event_sequence SET outlet = '1' WHERE event = {FIRST}",), "changed"),
            (("UPDATE event_sequence SET seq = -seq WHERE seq <= 2",
              "UPDATE event_sequence SET seq = 3 + seq WHERE seq < 0"), "another stands in its place"),
            ((f"{FORGED} (SELECT to_jsonb(e)"
              f" || jsonb_build_object('id', {LAST} + 7, 'at', now()) FROM event e WHERE id = {FIRST}))",),
             "inserted past the order"),
            ((f"{FORGED} (SELECT to_jsonb(e)"
              " || jsonb_build_object('id', 1 + id, 'xid', '9000000000000') FROM event e"
              f" WHERE id = {LAST}))",), "inserted past the order"),
            (("INSERT INTO event_sequence SELECT max(seq) + 9, 123456, now(), 'o', 'a' FROM event_sequence",),
             "did not write"),
            (("INSERT INTO event_sequence SELECT 0, 123456, now(), 'o', 'a'",), "did not write"),
            (("UPDATE event_sequencer SET seq = 1",), "set back"),
            ((f"UPDATE access_record SET application = left(application, -1) || '~' WHERE id = {SEEN}",),
             "access record"),
            ((f"UPDATE access_record SET subject = 'person:nobody' WHERE id = {SEEN}",), "access record"),
            ((f"DELETE FROM access_record WHERE id = {SEEN}",), "missing"),
            (("DELETE FROM access_sequence WHERE seq = 1",), "missing from the order"),
            (("INSERT INTO access_record (id, at, subject, role, application, purpose_sealed, xid) SELECT"
              " gen_random_uuid(), now(), 'x', 'y', 'z', '', '3'",), "inserted past the order"),
            (("INSERT INTO access_record (id, at, subject, role, application, purpose_sealed, xid) SELECT"
              " gen_random_uuid(), now(), 'x', 'y', 'z', '', NULL",), "inserted past the order"),
        ],
    )  # fmt: skip
    async def test_rows(
        self, life: object, owner: AsyncEngine, signed: Settings, statements: tuple[str, ...], words: str
    ) -> None:  # fmt: skip
        await change(owner, *statements)
        assert words in (await verified(signed) or "")

    @pytest.mark.parametrize("column", [c.name for c in AccessRecord.__table__.columns])  # type: ignore[attr-defined]
    async def test_no_column_of_an_access_record_is_left_out(self, column: str) -> None:
        """What is sealed is covered by its commitment; all else by the form in which rows are sealed now."""
        covered = {name.partition(":")[0] for name in ACCESS.forms[ACCESS.form].columns}
        assert f"r.{column}" in covered or column == "purpose_sealed"

    @pytest.mark.parametrize(
        ("table", "alias"), [(Event, "r"), (EventSequence, "q"), (EventText, "t")]
    )
    async def test_no_column_of_an_event_is_left_out(self, table: type[Event], alias: str) -> None:
        covered = {name.partition(":")[0] for name in EVENT.forms[EVENT.form].columns}
        columns = {f"{alias}.{c.name}" for c in table.__table__.columns}  # type: ignore[attr-defined]
        assert columns - covered <= {"t.sealed"}

    @pytest.mark.parametrize(
        ("statements", "words"),
        [
            (("UPDATE evidence_block SET statement = replace(statement, '\"block\":1,', '\"block\":9,')"
              " WHERE number = 1",), "block 1: its statement"),
            (("UPDATE evidence_block SET statement = 'x' WHERE number = 2",), "block 2: its statement"),
            (("UPDATE evidence_block SET hash = sha256(hash) WHERE number = 1",), "block 1: its statement"),
            (("UPDATE evidence_block SET signature = sha256(signature) || sha256('')",),
             "block 1: its signature"),
            (("UPDATE evidence_block SET key = '0123456789abcdef'",), "a key that is not trusted"),
            (("DELETE FROM evidence_block WHERE number = 1",), "block 1: missing"),
            (("UPDATE evidence_span SET leaves = sha256('') || substr(leaves, 33) WHERE block = 2",),
             "block 2: the hashes of its"),
            (("UPDATE evidence_span SET leaves = substr(leaves, 33)",), "block 1: the hashes of its"),
            (("DELETE FROM evidence_span WHERE block = 1",), "block 1: the hashes of its event rows"),
            (("UPDATE evidence_span SET last = last + 1 WHERE block = 1",), "block 1: the numbers"),
        ],
    )  # fmt: skip
    async def test_the_chain_itself(
        self, life: object, owner: AsyncEngine, signed: Settings, statements: tuple[str, ...], words: str
    ) -> None:  # fmt: skip
        await change(owner, *statements)
        assert words in (await verified(signed) or "")

    async def test_one_who_seals_anew_with_a_key_of_his_own(
        self, life: object, owner: AsyncEngine, state: State, signed: Settings
    ) -> None:
        """He owns the database and has our code, and has not the key."""
        await change(
            owner,
            f"UPDATE event SET actor = 'person:x' WHERE id = {FIRST}",
            "TRUNCATE evidence_block, evidence_span, access_sequence",
        )
        await seal_all(state, read_signer(make_pem()))
        assert "not trusted" in (await verified(signed) or "")


class TestRoots:
    async def handed_out(self, settings: Settings, path: Path) -> Path:
        lines = await cli.roots_since(settings.database_url or "", None)
        path.write_text("\n".join(lines))  # noqa: ASYNC240
        return path

    async def test_an_end_that_was_cut_off(
        self, life: object, owner: AsyncEngine, signed: Settings, tmp_path: Path
    ) -> None:
        """Event, order, block and the sequencer's own mark are gone: only a root kept elsewhere tells."""
        roots = await self.handed_out(signed, tmp_path / "roots")
        assert await verified(signed, Asked(roots=roots)) is None
        await change(
            owner,
            "CREATE TEMP TABLE cut AS SELECT min(first) AS seq FROM evidence_span WHERE block = 2"
            " AND stream = 'event'",
            "DELETE FROM event WHERE id IN (SELECT event FROM event_sequence, cut c WHERE seq >= c.seq)"
            .replace("WHERE seq >=", "WHERE event_sequence.seq >="),
            "DELETE FROM event_sequence q USING cut c WHERE q.seq >= c.seq",
            "UPDATE event_sequencer s SET seq = c.seq - 1 FROM cut c",
            "DELETE FROM access_record", "DELETE FROM access_sequence",
            "DELETE FROM evidence_span WHERE block >= 2", "DELETE FROM evidence_block WHERE number >= 2",
            "DROP TABLE cut",
        )  # fmt: skip
        assert await verified(signed) is None
        assert "the end was cut off" in (await verified(signed, Asked(roots=roots)) or "")

    async def test_roots_of_another_chain(
        self, life: object, owner: AsyncEngine, state: State, signer: Signer, signed: Settings,
        tmp_path: Path,
    ) -> None:  # fmt: skip
        """Whoever has even the signing key can't bring a new chain under roots that were handed out."""
        roots = await self.handed_out(signed, tmp_path / "roots")
        await change(owner, "TRUNCATE evidence_block, evidence_span, access_sequence")
        await seal_all(state, signer)
        await change(owner, "UPDATE event SET step = step + 1")
        found = await verified(signed, Asked(roots=roots))
        assert found is not None

    async def test_what_is_handed_out_is_checked_by_the_public_key_alone(
        self, life: object, signed: Settings, signer: Signer
    ) -> None:
        lines = await cli.roots_since(signed.database_url or "", None)
        trusted = read_public(public_pem(signer.public))
        assert [root.block for root in read_roots(lines, trusted)] == [2]
        said = orjson.loads(lines[0])
        said["statement"] = said["statement"].replace('"block":2', '"block":3')
        with pytest.raises(Broken, match="not signed by a trusted key"):
            read_roots([orjson.dumps(said).decode()], trusted)

    async def test_a_key_of_before_is_still_trusted(self, signer: Signer) -> None:
        fresh = read_signer(make_pem() + public_pem(signer.public))
        assert set(fresh.trusted) == {fresh.id, signer.id}

    @pytest.mark.parametrize("who", [Role.AUDITOR, Role.CONTROL_OFFICER])
    async def test_auditors_are_given_them(
        self, life: object, http: httpx.AsyncClient, make: Make, signer: Signer, who: Role
    ) -> None:
        auditor = await make.person(who, "330000")
        page = (await http.get("/v1/evidence/roots?limit=1", headers=auditor)).json()
        (newest,) = page["items"]
        assert (newest["block"], newest["key"]) == (2, signer.id)
        assert read_roots([orjson.dumps(newest).decode()], signer.trusted)[0].block == 2
        rest = await http.get(f"/v1/evidence/roots?after={page['next']}", headers=auditor)
        assert [item["block"] for item in rest.json()["items"]] == [1]
        assert rest.json()["next"] is None

    async def test_others_are_not(self, http: httpx.AsyncClient, make: Make) -> None:
        reviewer = await make.person(Role.REVIEWER)
        assert (await http.get("/v1/evidence/roots", headers=reviewer)).status_code == 403


class TestGivingUp:
    async def test_what_remains_can_still_be_proved(
        self, life: object, http: httpx.AsyncClient, make: Make, owner: AsyncEngine, state: State,
        signer: Signer, signed: Settings, monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        await m.submit(http, make.teller(await make.place()))
        await seal_all(state, signer)
        monkeypatch.setattr(retention, "PARTITIONS", "SELECT 1 WHERE $1::timestamptz IS NULL")
        until = datetime.now(UTC) + timedelta(hours=1)
        url, owner_url = signed.database_url or "", signed.owner_url or ""
        for _ in range(2):  # Broken off and done again, it is done once.
            async with cli._opened(url) as (sessions, _), cli._opened(owner_url) as (_, mine):
                await retention.give_up(sessions, mine, signer, "sha256", until)
        await change(owner, "DELETE FROM event")
        await m.submit(http, make.teller(await make.place()))
        await seal_all(state, signer)
        assert await verified(signed) is None
        await change(owner, f"UPDATE event SET step = step + 1 WHERE id = {LAST}")
        assert "changed" in (await verified(signed) or "")

    def test_three_years_are_kept(self) -> None:
        with pytest.raises(retention.TooYoung):
            retention.boundary(today() - timedelta(days=1000))
        assert retention.boundary(date(2020, 5, 17)) == datetime(2020, 5, 1, tzinfo=UTC)


class TestHashes:
    def test_no_pair_passes_for_a_row(self) -> None:
        hash_ = chain.HASHES["sha256"]
        a, b = chain.leaves(hash_, [b"a", b"b"])
        assert chain.leaves(hash_, [a + b])[0] != chain.root(hash_, [a, b])

    @pytest.mark.parametrize("count", range(1, 9))
    def test_every_row_and_its_place_count(self, count: int) -> None:
        hash_ = chain.HASHES["sm3"]
        rows = chain.leaves(hash_, [bytes([n]) for n in range(count)])
        roots = {chain.root(hash_, rows), chain.root(hash_, [*rows, rows[-1]])}
        roots |= {chain.root(hash_, [*rows[:n], hash_(b"x"), *rows[n + 1 :]]) for n in range(count)}
        if count > 1:
            roots.add(chain.root(hash_, rows[::-1]))
        assert len(roots) == 2 + count + (count > 1)

    def test_a_statement_reads_as_it_was_written(self) -> None:
        said = chain.Statement(
            7, datetime(2026, 11, 24, tzinfo=UTC), "sm3", "00",
            {"event": chain.Covered(1, 2, "ff")}, {"event": 0},
        )  # fmt: skip
        assert chain.Statement.read(said.text()) == said
        assert set(STREAMS) == {"event", "access"}
