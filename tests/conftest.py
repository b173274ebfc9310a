"""A real PostgreSQL for all tests: one server, and a database for each process from one template."""

import asyncio
import gc
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import certifi
import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from api.app import create_app
from api.state import State, running
from cli.demo import load_reference
from cli.load import load_registry
from cli.sample import agreements, banks
from kit.clock import today
from kit.db import Sessions, make_engine, make_sessions, transaction
from kit.embedded import OWNER, SERVICE, Cluster
from kit.settings import Settings
from migrations.runner import migrate
from migrations.tables import metadata
from tests import template
from tests.make import Make

SPEED = "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\nmax_connections = 200\n"
"""Tests prove behaviour, not the disk; what proves the disk starts a server of its own."""

TEMPLATE = "syt"
CHANGING = (
    "application", "event", "event_text", "event_sequence", "stored_file", "file_use", "file_upload",
    "file_leftover", "access_record", "used_assertion", "idempotency_key", "grant_step",
    "access_alert", "revocation", "attempt", "call_share", "number_block", "access_sequence",
    "evidence_block", "evidence_span", "supervision_order", "spot_check",
    "spot_stratum", "document", "rating", "rating_figure", "rectification", "notice",
    "outlet_import", "outlet_import_report", "outlet_contact",
    "core_call", "core_mark", "core_difference", "event_of_bank",
    "webhook_subscription", "webhook_target", "webhook_delivery",
    "personnel_archive", "archive_entry",
)  # fmt: skip
MARKS = ("spot_mark", "notice_mark", "webhook_mark")
"""How far along the events they are that follow them."""

sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]
"""Not installed: the client looks for it along the whole path, three times a call."""

gc.set_threshold(20_000, 10, 10)
"""Thousands of tests are loaded and none goes: to look through them every 700 objects takes a tenth of it."""


@dataclass(frozen=True)
class Server:
    """Where the tests' server is."""

    cluster: Cluster

    def url(self, role: str, database: str) -> str:
        return self.cluster.url(role, database)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the slow ones unread where none of them is asked for: to import them takes seconds."""
    unasked = config.option.markexpr == "not slow"
    return True if unasked and collection_path == Path(__file__).parent / "slow" else None


def pytest_collection_finish() -> None:
    """What is loaded now stays to the end: it is not looked through again and again for what may go."""
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """Start the server once, in the process that hands out the work."""
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    home = Path(tempfile.mkdtemp(prefix="syt-tests-"))
    home.chmod(0o755)
    cluster = Cluster.at(home / "pg")
    config.stash[HOME], config.stash[CLUSTER] = home, cluster
    os.environ["SSL_CERT_FILE"] = str(_authority(home))
    laid = template.lay(cluster.data)
    cluster.start(SPEED)
    if not laid:
        asyncio.run(_fill(cluster))
        cluster.stop()
        template.keep(cluster.data)
        cluster.start(SPEED)


def _authority(home: Path) -> Path:
    """One of the authorities that the world trusts: each new client would read all 150 of them for 60 ms.

    Nobody of the world is called here; who is trusted in a test is named by the test.
    """
    first, end, _ = certifi.contents().partition("-----END CERTIFICATE-----")
    path = home / "authority.pem"
    path.write_text(first + end, encoding="utf-8")
    return path


def pytest_unconfigure(config: pytest.Config) -> None:
    cluster = config.stash.get(CLUSTER, None)
    if cluster is not None:
        cluster.stop()
        shutil.rmtree(config.stash[HOME], ignore_errors=True)


def pytest_configure_node(node: object) -> None:
    """Tell a worker process where the server is."""
    node.workerinput["home"] = str(node.config.stash[HOME])  # type: ignore[attr-defined]


HOME = pytest.StashKey[Path]()
CLUSTER = pytest.StashKey[Cluster]()


async def _fill(cluster: Cluster) -> None:
    await migrate(cluster.url(OWNER), cluster.url(SERVICE))
    engine = make_engine(cluster.url(SERVICE), unhurried=True)  # As the command that does it.
    sessions = make_sessions(engine)
    await load_reference(sessions)
    await load_registry(sessions, {"banks": banks(), "agreements": agreements(today())})
    await engine.dispose()


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Server:
    given = getattr(request.config, "workerinput", None)
    home = Path(given["home"]) if given else request.config.stash[HOME]
    return Server(Cluster.at(home / "pg"))


@pytest.fixture(scope="session")
def database(server: Server) -> str:
    """A database of this process's own."""
    name = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    server.cluster.psql(
        f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY OWNER {OWNER}"
    )
    server.cluster.psql(_emptying(), database=name)
    return name


@pytest.fixture(scope="session")
def settings(server: Server, database: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        home=tmp_path_factory.mktemp("home"),
        database_url=server.url(SERVICE, database),
        owner_url=server.url(OWNER, database),
        public_url="http://outlet.test",
        local_issuer=True,
        log="error",
    )


@pytest.fixture(scope="session")
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    app = create_app(settings)
    async with running(app.state.syt):
        yield app


@pytest.fixture(scope="session")
def state(app: FastAPI) -> State:
    held: State = app.state.syt
    return held


@pytest.fixture
def sessions(state: State) -> Sessions:
    return state.sessions


@pytest.fixture
async def session(state: State) -> AsyncIterator[AsyncSession]:
    async with transaction(state.sessions) as session:
        yield session


@pytest.fixture(scope="session")
async def owner(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(settings.owner_url or "", pool_size=2)
    yield engine
    await engine.dispose()


async def empty(connection: AsyncConnection) -> None:
    """Empty the tables that fill, and let what counts them begin anew."""
    await connection.execute(sa.text("SELECT tests.empty()"))


def _emptying() -> str:
    """Make the function that empties: kept in the server, it is read and planned once, not after each test.

    Few tables hold anything; to truncate makes a file for each index.
    """
    names = [t.name for t in reversed(metadata().sorted_tables) if t.name in CHANGING]
    rows = "".join(f"IF EXISTS (SELECT FROM {n}) THEN DELETE FROM {n}; END IF;\n" for n in names)
    marks = "".join(f"UPDATE {n} SET seq = 0 WHERE seq <> 0;\n" for n in MARKS)
    return f"""
        CREATE SCHEMA tests AUTHORIZATION {OWNER};
        CREATE FUNCTION tests.empty() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {rows} {marks}
            UPDATE event_sequencer SET seq = 0, done_id = 0, window_from = window_to
            WHERE seq <> 0 OR done_id <> 0 OR window_from <> window_to;
        END $$
    """


@pytest.fixture
async def as_new(owner: AsyncEngine) -> None:
    """What fills, without its dead rows too: a plan for an empty table counts a table's pages.

    And without what a look of the server's own, at rows of a neighbour, has left in its statistics.
    """
    async with owner.begin() as connection:
        await connection.execute(sa.text(f"TRUNCATE {', '.join(CHANGING)}"))
        await connection.execute(FORGET, {"tables": list(CHANGING)})


FORGET = sa.text("""
    SELECT pg_clear_attribute_stats(schemaname, tablename, attname, inherited)
    FROM pg_stats WHERE tablename = ANY(:tables)
""")


@pytest.fixture
async def clean(owner: AsyncEngine) -> AsyncIterator[None]:
    """Empty what applications fill, after the test: rows are committed, as in production."""
    yield
    async with owner.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await empty(connection)


@pytest.fixture
async def http(app: FastAPI, clean: None) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://outlet.test") as client:
        yield client


@pytest.fixture(scope="session")
def make(state: State) -> Make:
    return Make(state)
