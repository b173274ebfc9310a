"""What lists, work lists, claims, the feed and its sequencer read: never a whole table, whatever is asked for.

On a database filled as `bench.scale` fills it, every combination of filters is asked for, by callers of
every reach, and its plan is looked at as PostgreSQL ran it.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from itertools import islice, product
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from access.callers import Caller, Held, person, teller
from access.policy import Role
from applications import feed, queries
from bench.fill import LARGE_AGENCY, fill_database
from cli.load import load_registry
from cli.sample import outlets, townships
from events import queries as events
from kit.clock import now, today
from kit.db import make_engine, make_sessions
from kit.embedded import OWNER
from kit.ids import uuid7
from schemas.applications import ApplicationFilter, Light, TaskFilter
from schemas.events import EventFilter
from tests.conftest import Server
from tests.make import PENSION, RECORD

pytestmark = pytest.mark.slow
ROWS = 100_000
LARGE = f"{LARGE_AGENCY}000001"
SMALL_TABLE = 5000
"""A table of fewer rows may be read from end to end."""

READ = 0.08
"""Share of all applications that a page may read at most: a filter of two fields may find little."""

FILTERS: dict[str, tuple[Any, ...]] = {
    "state": (None, "delivered", "voided"),
    "matter": (None, "332014901999"),
    "outlet": (None, LARGE),
    "agency": (None, LARGE_AGENCY),
    "light": (None, Light.GREEN, Light.OVERDUE, Light.NONE),
    "pooled": (None, True, False),
    "received_from": (None, today() - timedelta(days=90)),
    "received_to": (None, today() - timedelta(days=60)),
    "after": (None, (now() - timedelta(days=75), "SYT")),
}
TASKS: dict[str, tuple[Any, ...]] = {
    "agency": (None, LARGE_AGENCY),
    "step": (None, "review", "second_review", "approval"),
    "light": (None, "green", "yellow", "red", "overdue"),
    "mine": (False, True),
    "after": (None, (today(), "SYT")),
}


class Node(NamedTuple):
    """A scan of a plan."""

    kind: str
    relation: str
    read: float
    """Rows it looked at."""


class Plans:
    """Runs queries of the service, and asks PostgreSQL how it ran them."""

    def __init__(self, engine: AsyncEngine, large: frozenset[str], branches: list[str]) -> None:
        self.engine, self._large, self.branches = engine, large, branches
        self._seen: list[tuple[str, Any]] = []
        event.listen(engine.sync_engine, "before_cursor_execute", self._keep)

    def _keep(self, _: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        self._seen.append((statement, values))

    async def of(self, ask: Callable[..., Awaitable[Any]], *arguments: Any) -> list[Node]:
        """Run a query of the service, take it back, and give the scans of its plan."""
        self._seen.clear()
        async with make_sessions(self.engine)() as session:
            await ask(session, *arguments)
            await session.rollback()
        if not self._seen:
            return []  # Nothing is within the caller's reach: the database is not asked.
        statement, values = self._seen[-1]
        async with self.engine.connect() as connection:
            found = await connection.exec_driver_sql(
                f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}", values
            )
            told = found.scalar_one()
            await connection.rollback()
        tree = (json.loads(told) if isinstance(told, str) else told)[0]["Plan"]
        return [_node(n) for n in _nodes(tree) if "Relation Name" in n]

    def whole(self, scans: list[Node]) -> list[str]:
        """Name the large tables that were read from end to end."""
        return [n.relation for n in scans if n.kind == "Seq Scan" and n.relation in self._large]


def _nodes(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield tree
    for part in tree.get("Plans", ()):
        yield from _nodes(part)


def _node(node: dict[str, Any]) -> Node:
    passed_over = sum(
        node.get(name, 0) for name in ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    )
    read = (node["Actual Rows"] + passed_over) * node["Actual Loops"]
    return Node(node["Node Type"], node["Relation Name"], read)


@pytest.fixture(scope="module")
async def plans(server: Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plans]:
    """A database of its own, filled."""
    cluster, name = server.cluster, "plans"
    cluster.psql(f"CREATE DATABASE {name} TEMPLATE syt OWNER {OWNER}")
    engine = make_engine(server.url(OWNER, name), pool_size=4)
    branches = await _registry(engine)
    connection = await asyncpg.connect(host=str(cluster.sockets), user=OWNER, database=name)
    try:
        await fill_database(connection, tmp_path_factory.mktemp("keys"), ROWS, LARGE)
        large = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > $1", SMALL_TABLE
        )
    finally:
        await connection.close()
    yield Plans(engine, frozenset(row[0] for row in large), branches)
    await engine.dispose()


async def _registry(engine: AsyncEngine) -> list[str]:
    """Load every tenth sample outlet, and a terminal of the large one; give twenty of its county."""
    places = townships(Path("data/divisions/divisions.csv"))
    rows = [
        o for o in outlets(places) if o["number"][:6] == LARGE_AGENCY or o["number"].endswith("7")
    ]
    terminal = {
        "id": uuid7(), "outlet": LARGE, "name": "终端", "status": "active", "public_jwk": {},
        "version": 1,
    }  # fmt: skip
    await load_registry(make_sessions(engine), {"outlets": rows, "terminals": [terminal]})
    of_county = (o["number"] for o in rows if o["number"].startswith(LARGE_AGENCY))
    return list(islice(of_county, 1, 21))


def callers(branches: list[str]) -> dict[str, Caller]:
    """One of every reach: an outlet, an agency, several outlets, a county, a city, a province."""
    return {
        "teller": teller("terminal", LARGE, f"{LARGE}-01"),
        "reviewer": person("reviewer", [Held(Role.REVIEWER, LARGE_AGENCY)]),
        "branches": person("manager", [Held(Role.OUTLET_MANAGER, number) for number in branches]),
        "county": person("county", [Held(Role.AUDITOR, LARGE_AGENCY)]),
        "city": person("city", [Held(Role.AUDITOR, "330100")]),
        "province": person("auditor", [Held(Role.AUDITOR, "330000")]),
    }


def workers() -> dict[str, Caller]:
    """One of every step of the work."""
    return {
        role: person(role, [Held(role, LARGE_AGENCY)])
        for role in (Role.REVIEWER, Role.SECOND_REVIEWER, Role.APPROVER)
    }


def combinations(values: dict[str, tuple[Any, ...]], model: type[Any]) -> list[dict[str, Any]]:
    """Give every combination of the values of a filter's fields: of all fields that the code has."""
    assert set(values) == set(model.model_fields) - {"limit"}
    return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]


def set_fields(narrow: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in narrow.items() if value not in (None, False)}


@pytest.mark.parametrize("who", ["teller", "reviewer", "branches", "county", "city", "province"])
async def test_no_filter_of_the_list_reads_a_whole_table(plans: Plans, who: str) -> None:
    caller, bad = callers(plans.branches)[who], []
    for narrow in combinations(FILTERS, ApplicationFilter):
        after = narrow.pop("after")
        wanted = ApplicationFilter(**narrow)
        scans = await plans.of(queries.page, caller, wanted, after, today())
        read = sum(node.read for node in scans)
        if plans.whole(scans) or read > ROWS * READ:
            bad.append((set_fields(narrow), after is not None, read, [n.kind for n in scans]))
    assert not bad, f"{len(bad)} of them: {bad[:8]}"


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.SECOND_REVIEWER, Role.APPROVER])
async def test_no_work_list_and_no_claim_reads_a_whole_table(plans: Plans, role: Role) -> None:
    caller, bad = workers()[role], []
    for narrow in combinations(TASKS, TaskFilter):
        after = narrow.pop("after")
        wanted = TaskFilter(**narrow)
        scans = await plans.of(queries.tasks, caller, wanted, after, now(), today())
        if plans.whole(scans) or sum(node.read for node in scans) > ROWS * READ:
            bad.append((set_fields(narrow), after is not None, scans))
    for matters in (None, [RECORD], [PENSION, "332014901999"]):
        scans = await plans.of(queries.claim, caller, 5, matters, now())
        if plans.whole(scans):
            bad.append(({"claim": matters}, False, scans))
    assert not bad, f"{len(bad)} of them: {bad[:8]}"


@pytest.mark.parametrize("who", ["teller", "reviewer", "branches", "county", "city", "province"])
@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
async def test_the_feed_reads_a_page(plans: Plans, who: str, part: float) -> None:
    caller = callers(plans.branches)[who]
    start = int(ROWS * 4 * part)
    scans = await plans.of(feed.page_of, caller, start, ROWS * 4, EventFilter())
    told = [node for node in scans if node.relation != "event_sequence"]
    assert not plans.whole(scans), scans
    assert sum(node.read for node in told) <= 200, scans  # Events are joined to what is shown.
    assert sum(node.read for node in scans) < ROWS * READ, scans


async def test_the_sequencer_reads_what_is_new(plans: Plans) -> None:
    for ask in ((events.open_window,), (events.tell, 2000)):
        scans = await plans.of(*ask)
        assert not plans.whole(scans), scans
        assert sum(node.read for node in scans) < 100, scans


async def test_events_of_one_application_are_looked_up(plans: Plans) -> None:
    async with plans.engine.connect() as connection:
        number = await connection.scalar(sa.text("SELECT application FROM event LIMIT 1"))
    scans = await plans.of(events.of_application, number, 0, 51)
    assert not plans.whole(scans), scans
    assert sum(node.read for node in scans) < 20, scans
