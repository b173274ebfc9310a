"""A PostgreSQL that is not ours: other names, passwords, over TCP."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg
import httpx
import pytest

from kit.embedded import Cluster
from migrations.tables import metadata
from tests import make
from tests.slow.service import (
    assert_one_line,
    free_port,
    processes,
    running,
    syt,
    wait_for,
)

pytestmark = pytest.mark.slow

PASSWORD = "p@ss/w%rd: 社"
OWNER, SERVICE = "desk boss", "desk_clerk"


@dataclass(frozen=True)
class Foreign:
    """A server that somebody else keeps."""

    cluster: Cluster
    port: int

    def url(self, role: str, database: str = "desk", password: str = PASSWORD) -> str:
        return f"postgresql://{quote(role)}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def env(self, database: str = "desk") -> dict[str, str]:
        return {
            "SYT_DATABASE_URL": self.url(SERVICE, database),
            "SYT_OWNER_URL": self.url(OWNER, database),
        }


@pytest.fixture(scope="module")
def foreign() -> Iterator[Foreign]:
    outer = Path(tempfile.mkdtemp(prefix="syt-slow-"))
    outer.chmod(0o755)
    cluster, port = Cluster.at(outer / "foreign"), free_port()
    try:
        cluster.start()
        for statement in (
            f"CREATE ROLE \"{OWNER}\" LOGIN PASSWORD '{PASSWORD}'",
            f"CREATE ROLE {SERVICE} LOGIN PASSWORD '{PASSWORD}'",
            f'CREATE DATABASE desk OWNER "{OWNER}"',
            f'CREATE DATABASE bare OWNER "{OWNER}" TEMPLATE template0'
            " LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'",
            f'CREATE DATABASE locked OWNER "{OWNER}"',
            "ALTER SYSTEM SET listen_addresses = '127.0.0.1'",
            f"ALTER SYSTEM SET port = {port}",
        ):
            cluster.psql(statement)
        cluster._write("pg_hba.conf", "host all all 127.0.0.1/32 scram-sha-256\n")
        cluster._ctl("restart", "-w", "-l", "server.log")
        yield Foreign(cluster, port)
    finally:
        cluster.stop()
        shutil.rmtree(outer, ignore_errors=True)


@pytest.fixture(scope="module")
async def clerk(foreign: Foreign) -> AsyncIterator[asyncpg.Connection]:
    """The service's role, by hand."""
    connection = await asyncpg.connect(foreign.url(SERVICE))
    yield connection
    await connection.close()


def test_it_serves_and_starts_no_other(foreign: Foreign, home: Path) -> None:
    with running(home, "demo", env=foreign.env()) as service:
        teller = {**service.teller(), "Idempotency-Key": make.key()}
        answer = httpx.post(f"{service.url}/v1/applications", json=make.body(), headers=teller)
        assert answer.status_code == 201, answer.text
        assert not (home / "pg").exists()
        token = syt(home, "token", "reviewer", "330106", env=foreign.env())
        headers = {"Authorization": f"Bearer {token.stdout.strip()}"}
        url = f"{service.url}/v1/tasks"
        wait_for(lambda: httpx.get(url, headers=headers).status_code == 200, 5)
        assert service.stop() == 0
    assert processes(home) == {}
    assert foreign.cluster.running()
    with running(home, "serve", env=foreign.env()) as service:
        assert service.stop() == 0


class TestRightsOfTheServicesRole:
    """Read from the catalogue, and tried. The demonstration of the test above has made the tables."""

    FIXED = ("event", "event_sequence", "access_record")

    async def test_by_the_catalogue(self, clerk: asyncpg.Connection) -> None:
        rows = await clerk.fetch(
            """
            SELECT c.relname AS name, p.privilege
            FROM pg_class c, unnest(
                ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN']
            ) AS p(privilege)
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
              AND has_table_privilege(c.oid, p.privilege)
            """
        )
        held = {(row["name"], row["privilege"]) for row in rows}
        tables = {table.name: table for table in metadata().sorted_tables}
        assert {name for name, _ in held} <= set(tables)  # No partition is open beside its table.
        for name in self.FIXED:
            assert {p for n, p in held if n == name} == {"INSERT"}
        assert {p for _, p in held} <= {"INSERT", "UPDATE", "DELETE"}
        may_delete = {n for n, p in held if p == "DELETE"}
        assert may_delete == {n for n, t in tables.items() if "DELETE" in t.info.get("grants", "")}

    async def test_it_owns_nothing_and_is_nothing_special(self, clerk: asyncpg.Connection) -> None:
        mine = "SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole"
        assert await clerk.fetchval(mine) == 0
        special = (
            "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls"
            " FROM pg_roles WHERE rolname = current_user"
        )
        assert await clerk.fetchval(special) is False
        assert await clerk.fetchval("SELECT has_schema_privilege('public', 'CREATE')") is False

    @pytest.mark.parametrize("table", FIXED)
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE {} SET at = now()", "DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}",
            "ALTER TABLE {} ADD COLUMN more int", "ALTER TABLE {} DISABLE TRIGGER ALL",
            "CREATE RULE r AS ON INSERT TO {} DO INSTEAD NOTHING",
        ],
    )  # fmt: skip
    async def test_by_trying(self, clerk: asyncpg.Connection, table: str, statement: str) -> None:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await clerk.execute(statement.format(table))

    async def test_partitions_are_no_way_round(self, clerk: asyncpg.Connection) -> None:
        partition = await clerk.fetchval(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'event'::regclass LIMIT 1"
        )
        for statement in ("UPDATE {} SET at = now()", "DELETE FROM {}", "DROP TABLE {}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await clerk.execute(statement.format(partition))

    async def test_its_one_function_makes_partitions_and_no_more(
        self, clerk: asyncpg.Connection
    ) -> None:
        assert await clerk.fetchval("SELECT make_event_partitions(1)") == 0
        with pytest.raises(asyncpg.RaiseError):
            await clerk.fetchval("SELECT make_event_partitions(1000)")


class TestUnfit:
    def test_lc_ctype_c_is_refused(self, foreign: Foreign, home: Path) -> None:
        done = syt(home, "serve", "--port", str(free_port()), env=foreign.env("bare"))
        assert_one_line(done, "LC_CTYPE", "C.UTF-8")
        assert processes(home) == {}

    def test_a_wrong_password_is_told_and_not_shown(self, foreign: Foreign, home: Path) -> None:
        wrong = foreign.url(OWNER, password="hunter2")
        done = syt(home, "migrate", env=foreign.env() | {"SYT_OWNER_URL": wrong})
        assert_one_line(done, "password authentication failed")
        assert "hunter2" not in done.stderr

    def test_a_server_that_is_not_there_is_told(self, home: Path) -> None:
        url = f"postgresql://a:hunter2@127.0.0.1:{free_port()}/b"
        done = syt(home, "serve", "--port", str(free_port()), env={"SYT_DATABASE_URL": url})
        assert_one_line(done)
        assert "hunter2" not in done.stderr

    def test_what_is_no_address_is_told_and_not_shown(self, home: Path) -> None:
        done = syt(home, "migrate", env={"SYT_DATABASE_URL": "hunter2 hunter2"})
        assert_one_line(done, "postgresql://")
        assert "hunter2" not in done.stderr

    def test_an_owner_that_may_not_is_told(self, foreign: Foreign, home: Path) -> None:
        url = foreign.url(SERVICE, "locked")
        done = syt(home, "migrate", env={"SYT_DATABASE_URL": url, "SYT_OWNER_URL": url})
        assert_one_line(done, "denied")

    def test_a_command_before_the_tables_are_there_says_so(
        self, foreign: Foreign, home: Path
    ) -> None:
        done = syt(home, "token", "reviewer", "330106", env=foreign.env("locked"))
        assert_one_line(done, "the database says")
