"""Migrations beside the running service: a full table, a busy one, and the code of the release before."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from alembic import command
from alembic.script import ScriptDirectory

from cli.home import cluster_of
from kit.embedded import OWNER, SERVICE
from migrations.runner import config, migrate
from tests import make
from tests.conftest import TEMPLATE, Server
from tests.slow import service as slow
from tests.slow.service import Service, running, wait_for

pytestmark = pytest.mark.slow

TODAY = slow.ROOT
ROWS = 1_000_000
FIRST = "0001"

SEED = f"""
INSERT INTO application (
    number, submitter, idempotency_key, body_digest, matter, guide_version, outlet, teller, agency,
    step, risk_class, state, version, received_at, accepted_at, legal_due_on, promised_due_on,
    due_provisional, calendar_generation, due_on, yellow_on, red_on, overdue_on, documents, materials,
    subject_index, sealed
)
SELECT 'seed-' || n, 'terminal-' || n % 3000, 'key-' || n, sha256(n::text::bytea), '332014901008', 1,
    (330100000000 + n % 3000)::text, 'teller', (330100 + n % 100)::text, 1, 1,
    (ARRAY['delivered', 'delivered', 'delivered', 'archived', 'accepted', 'in_review', 'received'])[1 + n % 7],
    1, at, at, day + 30, day + 20, n % 1000 = 0, 1, day + 20, day + 15, day + 20, day + 31,
    '{{RCV}}', '[]', sha256(n::text::bytea), sha256(n::text::bytea)
FROM (SELECT n, now() - make_interval(mins => n / 4), (now() - make_interval(mins => n / 4))::date
      FROM generate_series(1, {ROWS}) n) AS s (n, at, day)
"""

ROW = """
INSERT INTO application (
    number, submitter, idempotency_key, body_digest, matter, guide_version, outlet, teller, agency,
    step, risk_class, state, version, received_at, due_provisional, calendar_generation, due_on,
    yellow_on, red_on, overdue_on, documents, materials, subject_index, sealed
)
VALUES ($1, 't', $1, '', 'm', 1, 'o', 't', 'a', 1, 1, 'received', 1, now(), false, 1, current_date,
    current_date, current_date, current_date + 1, '{}', '[]', '', '')
"""
"""With the columns of the first release alone: whoever adds one must let it write on."""

KEPT = """
SELECT count(*), sum(hashtext(concat(number, received_at, due_on, sealed))::bigint)
FROM application WHERE number LIKE 'seed-%'
"""
CHANGE = "UPDATE application SET state = 'accepted', version = version + 1 WHERE number = $1"


@pytest.fixture
def place(server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of this test's own, at the newest schema."""
    name = f"migrating_{request.node.name[:40]}"
    server.cluster.psql(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER {OWNER}")
    yield name
    server.cluster.psql(f"DROP DATABASE {name} WITH (FORCE)")


def plain(url: str) -> str:
    """The address as the driver itself takes it."""
    return url.replace("+asyncpg", "")


@asynccontextmanager
async def busy(url: str) -> AsyncIterator[Callable[[], float]]:
    """Write all the while, within the service's own limits; gives the longest wait in seconds."""
    limits = {"lock_timeout": "2s", "statement_timeout": "5s"}
    connection = await asyncpg.connect(plain(url), server_settings=limits)
    longest = 0.0

    async def write() -> None:
        nonlocal longest
        for n in range(10**9):
            began = time.monotonic()
            await connection.execute(ROW, f"busy-{time.monotonic_ns()}-{n}")
            await connection.execute(CHANGE, f"seed-{1 + n % ROWS}")
            await connection.execute(
                CHANGE.replace("accepted", "delivered"), f"seed-{1 + n % ROWS}"
            )
            longest = max(longest, time.monotonic() - began)
            await asyncio.sleep(0.005)

    writing = asyncio.create_task(write())
    try:
        yield lambda: longest
        assert not writing.done(), writing.exception()
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await connection.close()


async def test_up_down_up_with_a_million_applications(server: Server, place: str) -> None:
    """The service writes on meanwhile, and what was there stays what it was."""
    owner, made = server.url(OWNER, place), config(server.url(OWNER, place))
    await asyncio.to_thread(command.downgrade, made, FIRST)
    await asyncio.to_thread(server.cluster.psql, SEED, database=place)
    await asyncio.to_thread(server.cluster.psql, "ANALYZE application", database=place)
    before = server.cluster.psql(KEPT, database=place)
    assert before.startswith(f"{ROWS}|")
    up, down = (command.upgrade, "head"), (command.downgrade, FIRST)
    for way, there in (up, down, up):
        async with busy(server.url(SERVICE, place)) as longest:
            began = time.monotonic()
            await asyncio.to_thread(way, made, there)
            took = time.monotonic() - began
        print(f"{way.__name__}: {took:.1f} s; longest wait of a writer {longest():.3f} s")  # noqa: T201
        assert server.cluster.psql(KEPT, database=place) == before
    await asyncio.to_thread(command.check, made)
    await migrate(owner, server.url(SERVICE, place))


async def test_a_lock_that_does_not_come_is_asked_for_again(server: Server, place: str) -> None:
    """Nobody waits behind it for longer than its limit."""
    owner = server.url(OWNER, place)
    await asyncio.to_thread(command.downgrade, config(owner), FIRST)
    connection = await asyncpg.connect(plain(owner))
    held = connection.transaction()
    await held.start()
    await connection.execute("LOCK TABLE alembic_version IN SHARE MODE")
    migrating = asyncio.create_task(migrate(owner, server.url(SERVICE, place)))
    await asyncio.sleep(6)
    assert not migrating.done()
    await held.rollback()
    await connection.close()
    await asyncio.wait_for(migrating, 60)
    await asyncio.to_thread(command.check, config(owner))


class TestReleaseBefore:
    """Code of the commit before the newest migration, on the schema of today."""

    @pytest.fixture
    def older(self, tmp_path: Path) -> Path:
        """Its files, in a folder of their own."""
        archive = git("archive", "--format=tar", commit_before())
        subprocess.run(["tar", "-x", "-C", str(tmp_path)], input=archive, check=True)
        return tmp_path

    def test_it_serves_while_and_after_the_schema_changes(
        self, older: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(slow, "ROOT", older)
        env = {"PYTHONPATH": str(older)}
        where = subprocess.run(
            [sys.executable, "-c", "import api; print(api.__file__)"], cwd=older,
            env={**os.environ, **env}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert Path(where.stdout).is_relative_to(older)
        cluster = cluster_of(home)
        with running(home, "demo", "--workers", "2", env=env) as service:
            live_through(service)
            with submitting(service) as answers:
                asyncio.run(migrate(cluster.url(OWNER), cluster.url(SERVICE)))
            assert answers
            assert set(answers) == {201}
            head = ScriptDirectory.from_config(config("")).get_current_head()
            at = cluster.psql("SELECT version_num FROM alembic_version", database="syt")
            assert at == head
            live_through(service)
            for pid in service.children(
                "api"
            ):  # One that ends is started again, on the new schema.
                os.kill(pid, 9)
            wait_for(lambda: len(service.children("api")) == 2 and service.is_ready())
            live_through(service)
            assert service.stop() == 0
        with running(home, "demo", env=env) as service:  # As in a rollout that is turned back.
            live_through(service)
            assert service.stop() == 0


def git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=TODAY, capture_output=True, check=True)
    return done.stdout


def commit_before() -> str:
    """The commit before the one that brought the newest migration; the last one, if none has yet."""
    script = ScriptDirectory.from_config(config(""))
    newest = Path(script.get_revision(script.get_current_head() or "").path)
    try:
        added = (
            git("log", "--diff-filter=A", "-1", "--format=%H", "--", str(newest)).decode().strip()
        )
        found = f"{added}^" if added else "HEAD"
        git("cat-file", "-e", f"{found}^{{commit}}")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the history before the newest migration is not here (a shallow clone?)")
    return found


@contextmanager
def submitting(service: Service) -> Iterator[list[int]]:
    """Hand in one application after another all the while; gives the answers' codes."""
    answers: list[int] = []
    done, teller = threading.Event(), service.teller()

    def submit() -> None:
        with httpx.Client(base_url=service.url, headers=teller, timeout=30) as client:
            while not done.is_set():
                answers.append(handed_in(client).status_code)

    thread = threading.Thread(target=submit)
    thread.start()
    try:
        yield answers
    finally:
        done.set()
        thread.join()


def handed_in(client: httpx.Client) -> httpx.Response:
    key = {"Idempotency-Key": make.key()}
    return client.post("/v1/applications", json=make.body(), headers=key)


def live_through(service: Service) -> None:
    """Hand in, find, claim, decide, deliver; then read what happened in the feed."""
    with (
        httpx.Client(base_url=service.url, headers=service.teller(), timeout=30) as teller,
        httpx.Client(base_url=service.url, headers=service.person("reviewer"), timeout=30) as reviewer,
    ):  # fmt: skip
        number = right(handed_in(teller))["number"]
        assert number in {item["number"] for item in right(teller.get("/v1/applications"))["items"]}
        act(reviewer, number, action="take")
        act(reviewer, number, action="grant", opinion="符合条件", result={"number": "样例-1"})
        act(teller, number, action="deliver", way="counter", received_by="测试甲")
        assert right(teller.get(f"/v1/applications/{number}"))["state"] == "delivered"
        kinds = {e["kind"] for e in right(teller.get(f"/v1/applications/{number}/events"))["items"]}
        assert "application.delivered" in kinds
        wait_for(lambda: told(teller, number))


def act(client: httpx.Client, number: str, **wanted: Any) -> None:
    version = right(client.get(f"/v1/applications/{number}"))["version"]
    headers = {"If-Match": f'"{version}"'}
    right(client.post(f"/v1/applications/{number}/actions", json=wanted, headers=headers))


def told(client: httpx.Client, number: str) -> bool:
    """Whether the feed tells of the application."""
    position: dict[str, str] = {}
    while True:
        page = right(client.get("/v1/events", params={"limit": "100", **position}))
        if any(event["application"] == number for event in page["items"]):
            return True
        if not page["items"] or not page.get("next"):
            return False
        position = {"after": page["next"]}


def right(answer: httpx.Response) -> dict[str, Any]:
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found
