"""Next year's list: seen with all that it touches, then done whole, once, and heard of by every process."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typer.testing import CliRunner, Result

from access import service as access
from access.policy import Role
from cli import divisions as lists
from cli.load import LoadFailed, load_divisions, load_registry, load_routing
from cli.main import app
from divisions.memory import KIND, DivisionsMemory
from kit.db import Sessions, make_engine, make_sessions, transaction
from kit.embedded import OWNER, SERVICE
from kit.generations import Follower
from outlets.finding import Segment
from outlets.memory import OutletInfo
from territory.service import survey
from tests.conftest import TEMPLATE, Server

pytestmark = pytest.mark.slow  # Each has the whole province loaded into a database of its own.

Command: TypeAlias = Callable[..., Awaitable[Result]]
ROOT = Path(__file__).parent.parent
FILE = ROOT / "data" / "divisions" / "divisions.csv"
NEXT_YEAR = date(2027, 1, 1)
TODAY = date(2026, 11, 25)

RENAMED, TOWN, MOVED, GONE, HEIR, NEW = (
    "330122", "330109105", "330110199", "330402007", "330402010", "330113008",
)  # fmt: skip
"""A county becomes a city, a town goes to another county, a street into another, one is new."""


@pytest.fixture
async def engine(server: Server, database: str) -> AsyncIterator[AsyncEngine]:
    """A database of its own, filled as the template is: what is loaded here is real."""
    name = f"{database}_lists"
    server.cluster.psql(
        f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY OWNER {OWNER}"
    )
    engine = make_engine(server.url(SERVICE, name), unhurried=True)  # As the command has it.
    yield engine
    await engine.dispose()
    server.cluster.psql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def own(engine: AsyncEngine) -> Sessions:
    return make_sessions(engine)


@pytest.fixture
def next_year(tmp_path: Path) -> Path:
    """A list that the province might get."""
    rows = []
    for known in zhejiang():
        row = {**known, "replaces": GONE if known["code"] == HEIR else ""}
        if row["code"] == RENAMED:
            row["name"] = "桐庐市"
        if row["code"] == TOWN:
            row |= {"code": MOVED, "parent_code": MOVED[:6]}
        if row["code"] != GONE:
            rows.append(row)
    rows.append({**rows[-1], "code": NEW, "name": "新运街道", "level": "4", "parent_code": NEW[:6],
                 "lat": "", "lng": "", "coord_source": ""})  # fmt: skip
    return written(tmp_path / "next.csv", rows)


def zhejiang() -> list[dict[str, str]]:
    with FILE.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["code"].startswith("33")]


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    made = io.StringIO()
    sheet = csv.DictWriter(made, list(rows[0]), lineterminator="\n")
    sheet.writeheader()
    sheet.writerows(rows)
    path.write_text(made.getvalue(), encoding="utf-8")
    return path


def spoil(path: Path) -> list[int]:
    """Put a blank into a name, and a child under nobody at the end; give the lines."""
    before, _, behind = path.read_text(encoding="utf-8").partition("桐庐市")
    text = f"{before}桐庐 市{behind}330113009,新路街道,4,330199,,,,\n"
    path.write_text(text, encoding="utf-8")
    return [before.count("\n") + 1, text.count("\n")]


def outlet(number: str, division: str) -> dict[str, Any]:
    return {
        "number": number, "name": f"测试{number}(样例)", "bank": "SRCB", "agreement": None,
        "kind": "bank_branch", "service_class": "basic", "status": "active", "division": division,
        "address": "样例路1号", "phone": "", "hours": "", "windows": 1, "is_sample": True, "version": 1,
    }  # fmt: skip


LAYER = sa.text("""
    INSERT INTO guide_layer
        (base_code, division, version, effective_from, state, content, drafted_by, generation, created_at)
    VALUES ('332014901003', :division, 1, '2026-01-01', 'published', '{}', 'person:a', 1, now())
""")
CHANGES_OF_2026 = """change,code,name,county_code,county_name
removed,330402007,建设街道,330402,南湖区
removed,330402008,解放街道,330402,南湖区
removed,330402009,新嘉街道,330402,南湖区
removed,330402011,新兴街道,330402,南湖区
removed,330802205,黄家乡,330802,柯城区
removed,330803200,灰坪乡,330803,衢江区
removed,330803207,云溪乡,330803,衢江区
removed,330803213,举村乡,330803,衢江区
removed,330803214,岭洋乡,330803,衢江区
removed,330824201,音坑乡,330824,开化县
removed,330824202,中村乡,330824,开化县
removed,330824210,大溪边乡,330824,开化县
added,330402016,禾兴街道,330402,南湖区
added,330802014,黄家街道,330802,柯城区
added,330803003,路港街道,330803,衢江区
added,330803116,云溪镇,330803,衢江区
added,330824001,芹阳街道,330824,开化县
added,330824118,音坑镇,330824,开化县
"""
"""What was seen to differ between the lists of 2025-12-31 and 2026-09-11."""

RULE = "entrusted,200,*,1,step,,330109,county,2026-01-01,,样例"


@pytest.fixture
async def lived_in(own: Sessions, tmp_path: Path) -> None:
    """Outlets, layers, a rule and a post in what changes, and others in what does not."""
    places = {"330122001": 1, TOWN: 2, GONE: 3, "330106014": 4, "330109100": 5}
    outlets = [outlet(f"{place[:6]}99999{n}", place) for place, n in places.items()]
    await load_registry(own, {"outlets": outlets})
    async with transaction(own) as session:
        for division in (RENAMED, TOWN, "330106", "330110"):
            await session.connection()
            await (await session.connection()).execute(LAYER, {"division": division})
        await access.ensure_grant(session, "who", Role.OUTLET_ADMIN, RENAMED, by="person:test")
    rules = tmp_path / "routing.csv"
    rules.write_text((ROOT / "data" / "routing.csv").read_text() + RULE + "\n", encoding="utf-8")
    await load_routing(own, rules)


async def rows(engine: AsyncEngine) -> list[Any]:
    async with engine.connect() as connection:
        found = await connection.execute(
            sa.text("SELECT d.scheme, d.code, d.valid_from, d.valid_to, d.name, d.parent, d.lat, d.successors,"
                    " d.generation, g.value FROM division d, generation g WHERE g.kind = 'divisions'"
                    " AND d.code LIKE '33%' ORDER BY scheme, code, valid_from")
        )  # fmt: skip
        return list(found.all())


async def test_what_a_list_changes_and_touches_is_seen_before_it_is_done(
    engine: AsyncEngine, own: Sessions, next_year: Path, lived_in: None
) -> None:
    before = await rows(engine)
    seen = await lists.look(own, next_year, NEXT_YEAR)
    changes = seen.plan.changes
    assert [line.code for line in changes.appear] == [NEW]
    assert [place.code for place in changes.disappear] == [GONE]
    assert changes.heirs[GONE] == [HEIR]
    assert [(p.before.name, p.after.name) for p in changes.renamed] == [("桐庐县", "桐庐市")]
    assert [(p.before.code, p.after.code) for p in changes.moved] == [(TOWN, MOVED)]

    touched: dict[str, set[tuple[str, str]]] = {}
    for one in seen.touched:
        touched.setdefault(one.kind, set()).add((one.key, one.code))
    assert touched["outlet"] == {
        ("330122999991", "330122001"), ("330109999992", TOWN), ("330402999993", GONE),
    }  # fmt: skip
    assert touched["agency"] == {(c, c) for c in (RENAMED, "330109", "330110")}
    assert touched["coverage of a county"] == {
        (agency, county) for county in (RENAMED, "330109", "330110") for agency in (county, "330199", "339900")
    }  # fmt: skip
    assert {code for _, code in touched["layer of a guide"]} == {RENAMED, TOWN, "330110"}
    assert touched["rule of routing"] == {("entrusted", "330109")}
    assert {code for _, code in touched["post"]} == {RENAMED}
    assert seen.uncovered == []
    told = "\n".join(lists.told(seen))
    for words in (
        "1 appear, 1 disappear, 1 renamed, 1 moved", f"disappears  {GONE} 建设街道: {HEIR} 南湖街道",
        f"renamed     {RENAMED} 桐庐县: {RENAMED} 桐庐市", f"{TOWN} 临浦镇: {MOVED} 临浦镇 in 330110 余杭区",
        f"appears     {NEW} 新运街道 in 330113 临平区", "touched     outlet 330402999993",
    ):  # fmt: skip
        assert words in told
    assert await rows(engine) == before


async def test_a_new_county_and_a_first_township_are_told_with_what_they_ask_for(
    own: Sessions, tmp_path: Path
) -> None:
    """A county without agencies decides nothing; 龙港 with a township is no place for an outlet any more."""
    await load_registry(own, {"outlets": [outlet("330383999991", "330383")]})
    changes = tmp_path / "changes.csv"
    rows = [
        {"change": "added", "code": code, "name": name, "county_code": parent}
        for code, name, parent in (("330115", "新城区", "330100"), ("330383001", "龙港街道", "330383"))
    ]  # fmt: skip
    seen = await lists.look(own, written(changes, rows), NEXT_YEAR)
    assert [line.code for line in seen.uncovered] == ["330115"]
    outlets = [one.key for one in seen.touched if one.kind == "outlet"]
    assert outlets == ["330383999991"]
    told = [*lists.told(seen)]
    assert told[0].startswith("mca, from 2027-01-01: 2 appear, 0 disappear")
    assert told[-1].startswith("uncovered   330115 新城区")


async def test_it_is_done_whole_once_and_every_process_follows(
    engine: AsyncEngine, own: Sessions, next_year: Path
) -> None:
    memory = DivisionsMemory("33")
    follower = Follower(own, {KIND: memory})
    await follower.look()
    one, other = await asyncio.gather(
        *(load_divisions(own, next_year, NEXT_YEAR) for _ in range(2))
    )
    assert sorted((one, other)) == [0, 6]
    done = await rows(engine)
    assert await load_divisions(own, next_year, NEXT_YEAR) == 0
    assert await rows(engine) == done

    await follower.look()
    assert memory.get(RENAMED, TODAY).name == "桐庐县"
    assert memory.get(RENAMED, NEXT_YEAR).name == "桐庐市"
    assert memory.get(TOWN, TODAY).parent == "330109"
    assert memory.line(MOVED, NEXT_YEAR) == ("330000", "330100", "330110", MOVED)
    assert memory.find(NEW, TODAY) is None
    for code, heir in ((TOWN, MOVED), (GONE, HEIR)):
        stale = memory.stale(code, NEXT_YEAR)
        assert stale is not None
        assert [place.code for place in stale.now] == [heir]
    assert memory.get(MOVED, NEXT_YEAR).lat == memory.get(TOWN, TODAY).lat
    outlets = [
        OutletInfo(str(n), "测试", "SRCB", None, "bank_branch", "basic", "active", place, "", None, None, "",
                   "", 1, None, None, True, 1)
        for n, place in enumerate((TOWN, GONE))
    ]  # fmt: skip
    active = [Segment(outlets).active(frozenset())]
    land = survey(memory, active, "330000", NEXT_YEAR)  # Who stands in a moved town counts there.
    assert {u.place.code for u in land.units if u.outlets} == {MOVED, HEIR}
    assert land.unplaced == []
    assert memory.counterpart(memory.get("330109105", NEXT_YEAR, "nbs"), NEXT_YEAR) == memory.get(
        MOVED, NEXT_YEAR
    )


async def test_an_older_list_takes_nothing_away_from_a_newer_one(
    engine: AsyncEngine, own: Sessions, next_year: Path, tmp_path: Path
) -> None:
    old = written(tmp_path / "old.csv", zhejiang())
    assert await load_divisions(own, old, TODAY) == 0  # It is what is there.
    await load_divisions(own, next_year, NEXT_YEAR)
    done = await rows(engine)
    with pytest.raises(LoadFailed, match="2027-01-01 are known already"):
        await load_divisions(own, old, TODAY)
    assert await rows(engine) == done


WAITING = sa.text("""
    SELECT pid FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))
""")


async def who_waits_for(other: AsyncConnection) -> int:
    """The server's process that waits for what a connection holds."""
    for _ in range(400):
        if pid := (await other.execute(WAITING)).scalar():
            return int(pid)
        await asyncio.sleep(0.05)
    raise AssertionError("nobody waits")


async def test_one_that_is_killed_half_way_leaves_nothing(
    engine: AsyncEngine, own: Sessions, next_year: Path
) -> None:
    """Somebody holds a row that the list ends: it waits there with others written, and is killed."""
    before = await rows(engine)
    held = sa.text("SELECT 1 FROM division WHERE code = :code FOR UPDATE")
    async with engine.connect() as other:
        await other.execute(held, {"code": GONE})
        loading = asyncio.create_task(load_divisions(own, next_year, NEXT_YEAR))
        pid = await who_waits_for(other)
        await other.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        with pytest.raises(DBAPIError):
            await loading
    assert await rows(engine) == before
    assert await load_divisions(own, next_year, NEXT_YEAR) == 6


class TestCommand:
    @pytest.fixture
    def syt(self, engine: AsyncEngine, server: Server, tmp_path: Path) -> Command:
        name = engine.url.database or ""
        settings = {
            "SYT_HOME": str(tmp_path), "SYT_DATABASE_URL": server.url(SERVICE, name),
            "SYT_OWNER_URL": server.url(OWNER, name),
        }  # fmt: skip

        async def run(*words: str) -> Result:
            line = ["load", "divisions", *words]
            return await asyncio.to_thread(lambda: CliRunner().invoke(app, line, env=settings))

        return run

    async def test_it_shows_and_asks_before_it_does(
        self, engine: AsyncEngine, syt: Command, next_year: Path, tmp_path: Path
    ) -> None:
        before = await rows(engine)
        for words in ((), ("--preview",)):
            shown = await syt(str(next_year), "--on", "2027-01-01", *words)
            assert shown.exit_code == 0, shown.output
            assert f"disappears  {GONE} 建设街道: {HEIR} 南湖街道" in shown.stdout
            assert shown.stderr == "divisions: nothing was changed; do it with --apply\n"
        assert await rows(engine) == before
        done, again = [await syt(str(next_year), "--apply", "--on", "2027-01-01") for _ in range(2)]
        assert (done.exit_code, done.stderr) == (0, "divisions: 6 changed\n")
        assert (again.exit_code, again.stderr) == (0, "divisions: 0 changed\n")
        old = written(tmp_path / "old.csv", zhejiang())
        asked = await syt(str(old), "--on", "2027-01-01")  # It would undo what was done.
        assert f"taken back  {NEW} 新运街道" in asked.stdout
        assert asked.stderr == "divisions: nothing was changed; do it with --apply\n"
        assert (await syt(str(old), "--on", "2027-01-01", "--apply")).exit_code == 0
        assert [row[:-2] for row in await rows(engine)] == [row[:-2] for row in before]

    async def test_the_changes_of_2026_become_what_they_seem(
        self, syt: Command, own: Sessions, tmp_path: Path
    ) -> None:
        changes = tmp_path / "changes.csv"
        changes.write_text(CHANGES_OF_2026, encoding="utf-8")
        done = await syt(str(changes), "--apply", "--on", "2026-09-11")
        assert "3 appear, 9 disappear, 3 renamed, 0 moved" in done.stdout
        assert "330802205 黄家乡: 330802014 黄家街道" in done.stdout
        memory = DivisionsMemory("33")
        async with transaction(own) as session:
            await memory.load(session, 0)
        assert memory.only_successor("330803207", TODAY) == "330803116"
        assert (await syt(str(changes), "--apply")).stderr == "divisions: 0 changed\n"

    async def test_all_that_is_wrong_is_told_and_nothing_done(
        self, engine: AsyncEngine, syt: Command, next_year: Path
    ) -> None:
        before = await rows(engine)
        first, second = spoil(next_year)
        refused = await syt(str(next_year), "--apply")
        assert refused.exit_code == 1
        assert refused.stderr.splitlines() == [
            f"syt: {next_year}: line {first}: name: not a name in Chinese characters",
            f"{next_year}: line {second}: parent_code: not in this list",
        ]
        for words in (("--preview", "--apply"), ("--on", "2027")):
            assert (await syt(str(next_year), *words)).exit_code == 2
        assert await rows(engine) == before
