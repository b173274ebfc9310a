"""What the registry's lists and looks read, among hundreds of thousands of rows: never a whole table."""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from access.callers import Held, person
from access.policy import May, Role
from bench.registry import FILL
from cli.load import load_registry
from cli.sample import agreements, banks, outlets, townships
from entrusting import queries as entrusting
from importing import queries as importing
from judging.register import Sought
from kit.clock import now, today
from kit.db import make_engine, make_sessions
from kit.embedded import OWNER
from kit.ids import uuid7
from outlets import queries as registry
from outlets.models import Teller, Terminal
from schemas.registry import AgreementFilter, BankFilter, ProposalFilter
from schemas.terminals import TellerFilter, TerminalFilter
from terminals import queries as staff
from tests.conftest import Server
from tests.slow.test_plans import SMALL_TABLE, Plans

pytestmark = pytest.mark.slow
ONE, PLACE, COUNTY = "330106000001", "330106002", "330106"
TIMES = 4
FILLED = Path(__file__).with_name("registry.sql")


@pytest.fixture(scope="module")
async def plans(server: Server) -> AsyncIterator[Plans]:
    """A database of its own, filled: fifty thousand outlets and all that hangs on them."""
    cluster, name = server.cluster, "plans_registry"
    cluster.psql(f"CREATE DATABASE {name} TEMPLATE syt OWNER {OWNER}")
    engine = make_engine(server.url(OWNER, name), pool_size=4)
    places = townships(Path("data/divisions/divisions.csv"))
    rows = {"banks": banks(), "agreements": agreements(today()), "outlets": list(outlets(places))}
    await load_registry(make_sessions(engine), rows)
    connection = await asyncpg.connect(host=str(cluster.sockets), user=OWNER, database=name)
    try:
        await connection.execute("SET statement_timeout = 0; SET transaction_timeout = 0")
        await connection.execute(FILL.format(times=TIMES), timeout=None)
        await connection.execute(FILLED.read_text(), timeout=None)
        await connection.execute("VACUUM ANALYZE", timeout=None)
        large = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > $1", SMALL_TABLE
        )
    finally:
        await connection.close()
    assert {"outlet", "agreement", "terminal", "teller", "registry_change"} <= {r[0] for r in large}
    yield Plans(engine, frozenset(row[0] for row in large), [])
    await engine.dispose()


REACHES = {
    name: person(name, [Held(role, scope)]).reach(may)
    for name, role, scope, may in (
        ("bank", Role.BANK_ADMIN, "SRCB", May.REGISTRY_READ),
        ("small bank", Role.BANK_ADMIN, "SABC", May.REGISTRY_READ),
        ("county", Role.OUTLET_ADMIN, COUNTY, May.REGISTRY_READ),
        ("province", Role.OUTLET_ADMIN, "330000", May.REGISTRY_READ),
    )
}


def combinations(model: type[Any], **values: tuple[Any, ...]) -> list[Any]:
    """Every combination of the values of a filter's fields: of all fields that the code has."""
    assert {*values} == set(model.model_fields) - {"limit", "after"}
    return [
        model(**{n: v for n, v in zip(values, chosen, strict=True) if v is not None})
        for chosen in product(*values.values())
    ]


async def whole(plans: Plans, *asked: Any, **more: Any) -> list[str]:
    async def ask(session: Any) -> None:
        await asked[0](session, *asked[1:], **more)

    return plans.whole(await plans.of(ask))


@pytest.mark.parametrize("who", REACHES)
async def test_no_list_reads_a_whole_table(plans: Plans, who: str) -> None:
    reach, bad = REACHES[who], list[Any]()
    for narrow in combinations(
        AgreementFilter, bank=(None, "SPSB"), division=(None, COUNTY), expiring=(None, 60)
    ):
        for after, area in product((None, "A5"), ((COUNTY if narrow.division else None),)):
            found = await whole(
                plans, entrusting.agreements, reach, narrow, area=area, day=today(), after=after
            )
            bad += [("agreements", narrow, after, found)] * bool(found)
    for narrow in combinations(
        ProposalFilter, outlet=(None, ONE), state=(None, "pending", "refused")
    ):
        for mark in (None, uuid7()):
            found = await whole(plans, entrusting.proposals, reach, narrow, mark)
            bad += [("proposals", narrow, mark, found)] * bool(found)
    for last in (None, (today() - timedelta(days=2), ONE)):
        found = await whole(plans, entrusting.overdue, reach, today(), last, 50)
        bad += [("overdue", last, found)] * bool(found)
    assert not bad, f"{len(bad)} of them: {bad[:8]}"


@pytest.mark.parametrize("who", REACHES)
async def test_no_list_of_terminals_or_tellers_reads_a_whole_table(plans: Plans, who: str) -> None:
    reach, bad = REACHES[who], []
    fields: dict[str, tuple[Any, ...]] = {
        "status": (None, "active", "suspended"), "unused_days": (None, 90), "outlet": (None, ONE),
        "bank": (None, "SABC"), "division": (None, COUNTY, PLACE),
    }  # fmt: skip
    asked = [
        (Terminal, narrow, uuid7()) for narrow in combinations(TerminalFilter, **fields)
    ] + [
        (Teller, narrow, ONE)
        for narrow in combinations(TellerFilter, **fields, qualified=(None, True, False))
    ]  # fmt: skip
    for table, narrow, key in asked:
        for after in (None, (today() - timedelta(days=100), key)):
            found = await whole(plans, staff.unused, table, reach, narrow, after)
            bad += [(table.__tablename__, narrow.model_dump(), after, found)] * bool(found)
    assert not bad, f"{len(bad)} of them: {bad[:8]}"


async def test_what_is_looked_up_is_looked_up(plans: Plans) -> None:
    """History, sheets, what depends on an outlet, what an import asks: by an index each."""
    sought = Sought({ONE}, {"330106000003"}, {"测试支行"})
    asked: list[tuple[Any, ...]] = [
        (entrusting.changes, "outlet", ONE, 0, 50), (entrusting.undone, "outlet", ONE, now()),
        (entrusting.changed_since, ONE, 2), (entrusting.sheets, ONE, None, 50),
        (entrusting.sheets, ONE, (now(), uuid7()), 50), (entrusting.pending, ONE),
        (entrusting.same_outlets, ONE, "SRCB", "测试支行", PLACE), (entrusting.points_of, ONE),
        (entrusting.licensed, ONE, "B0001H111000001"), (entrusting.outlets_of_bank, "NONE"),
        (entrusting.agreements_of_bank, "SRCB", today()), (entrusting.replaced, ["A1", "A2"]),
        (entrusting.untold, today(), 60, 200), (entrusting.untold_overdue, today(), 200),
        (entrusting.banks, BankFilter(status="active"), None), (registry.last_numbers, [COUNTY, "330102"]),
        (registry.contacts, [ONE]), (registry.parties, "SABC"), (importing.registered, sought),
        (importing.whole, [ONE]), (importing.pending, [ONE]),
        (importing.take, uuid7(), now(), now()), (importing.next_report, "a/", "a/p"),
        (staff.page, Terminal, ONE, None, 50), (staff.page, Teller, ONE, ONE, 50),
        (staff.count, Teller, ONE), (staff.posts, f"{ONE}-01", 0, 50),
        (staff.changes, Terminal, ONE, 0, 50),
    ]  # fmt: skip
    bad = [(one[0].__name__, found) for one in asked if (found := await whole(plans, *one))]
    assert not bad
