"""Lists of notices, ratings, rectifications, differences and archives: no filter reads a large table whole."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller, Held, person, teller
from access.policy import Role
from archives import queries as archives
from connectors import queries as connectors
from kit.clock import today
from kit.db import make_engine
from kit.embedded import OWNER
from kit.ids import uuid7
from notices import queries as notices
from ratings import queries as ratings
from schemas.archives import ArchiveFilter
from schemas.notices import NoticeFilter
from schemas.ratings import FigureFilter, RectificationFilter
from schemas.reconciliations import DifferenceFilter
from tests.conftest import Server
from tests.slow.test_plans import Plans, combinations, set_fields

pytestmark = pytest.mark.slow
ROWS = 60_000
AGENCY, OUTLET, MONTHS = "330106", "330106000001", 24
NUMBER = f"SYT{'0' * 21}000999"
PLACES = "(ARRAY['330106','330205','330302','330402','330602','330702'])[1 + (n * 7 + n / 6) % 6]"
OUTLETS = f"{PLACES} || lpad((1 + n % 200)::text, 6, '0')"
LARGE = frozenset({
    "notice", "rating", "rating_figure", "rectification", "core_difference", "personnel_archive",
    "archive_entry",
})  # fmt: skip

FILL = (
    f"""INSERT INTO notice (application, event, kind, outlet, agency, at, state, version, next_at, tries)
        SELECT 'SYT' || lpad(n::text, 27, '0'), n, CASE n % 5 WHEN 0 THEN 'completion' ELSE 'receipt' END,
            {OUTLETS}, {PLACES}, now(), CASE WHEN n % 50 = 0 THEN 'undelivered' ELSE 'told' END, 1, now(), 1
        FROM generate_series(1, {ROWS}) n""",
    f"""INSERT INTO rating (id, token, rated_on, outlet, agency, matter, grade, channel, tags)
        SELECT lpad(to_hex(n), 32, '0')::uuid, int4send(n), current_date, {OUTLETS}, {PLACES},
            '332014901008', 5, 'counter', '{{}}' FROM generate_series(1, {ROWS}) n""",
    f"""INSERT INTO rectification (rating, opened_on, due_on, outlet, agency, responsible, state, version, told)
        SELECT lpad(to_hex(n), 32, '0')::uuid, current_date, current_date + 5 - (n % 80 = 0)::int * 9,
            {OUTLETS}, {PLACES}, CASE n % 3 WHEN 0 THEN 'agency' ELSE 'outlet' END,
            CASE WHEN n % 40 = 0 THEN 'open' ELSE 'closed' END, 1, '{{}}' FROM generate_series(1, {ROWS}) n""",
    f"""INSERT INTO rating_figure (outlet, agency, month, grade_1, grade_2, grade_3, grade_4, grade_5, closed,
            in_time, excused)
        SELECT a || lpad(o::text, 6, '0'), a, date_trunc('month', current_date) - make_interval(months => m),
            9, 1, 0, 0, 0, 0, 0, 0
        FROM unnest(ARRAY['330106','330205','330302','330402','330602','330702']) a,
            generate_series(1, 400) o, generate_series(0, {MONTHS}) m""",
    f"""INSERT INTO core_difference (at, core, kind, application, agency, reference_there, state, version)
        SELECT now(), 'simulated', 'missing_there', n::text, {PLACES}, '',
            CASE WHEN n % 50 = 0 THEN 'open' ELSE 'settled' END, 1 FROM generate_series(1, {ROWS}) n""",
    f"""INSERT INTO personnel_archive (id, token, agency, state, version, kept_since, due_on, application,
            changed_at, sealed)
        SELECT lpad(to_hex(n), 32, '0')::uuid, int4send(n), {PLACES},
            CASE WHEN n % 50 = 0 THEN 'lent' ELSE 'kept' END, 1, current_date,
            CASE WHEN n % 50 = 0 THEN current_date + 5 - n % 11 END, CASE WHEN n % 50 = 0 THEN 'SYT' END,
            now(), '' FROM generate_series(1, {ROWS}) n""",
    f"""INSERT INTO archive_entry (id, archive, at, deed, actor, agency)
        SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(1 + n % 9000), 32, '0')::uuid, now(), 'consult',
            'person:a', {PLACES} FROM generate_series(1, {ROWS}) n""",
)  # fmt: skip


@pytest.fixture(scope="module")
async def plans(server: Server) -> AsyncIterator[Plans]:
    """A database of its own, filled."""
    name = "plans_of_lists"
    server.cluster.psql(f"CREATE DATABASE {name} TEMPLATE syt OWNER {OWNER}")
    connection = await asyncpg.connect(host=str(server.cluster.sockets), user=OWNER, database=name)
    try:  # Without the limits of a service: a busy machine is slow to check 60,000 references.
        for statement in (*FILL, "VACUUM ANALYZE"):
            await connection.execute(statement, timeout=None)
    finally:
        await connection.close()
    engine = make_engine(server.url(OWNER, name), pool_size=4)
    yield Plans(engine, LARGE, [])
    await engine.dispose()


def held(role: Role, *scopes: str) -> Caller:
    return person(str(role), [Held(role, scope) for scope in scopes])


COUNTER = teller("terminal", OUTLET, f"{OUTLET}-01")
AUDITORS = [held(Role.AUDITOR, AGENCY), held(Role.AUDITOR, "330200"), held(Role.AUDITOR, "330000")]
MANAGER, HEAD = held(Role.OUTLET_MANAGER, OUTLET), held(Role.AGENCY_HEAD, AGENCY)


async def bad(
    plans: Plans, callers: list[Caller], narrowed: list[dict[str, Any]], model: Any, ask: Any
) -> list[Any]:
    """List what reads a large table from end to end, or most of one."""
    found, seen = [], 0
    for caller in callers:
        for narrow in narrowed:
            after = narrow["after"]
            wanted = model(**{name: value for name, value in narrow.items() if name != "after"})
            scans = await plans.of(ask, caller, wanted, after)
            seen += len(scans)
            read = sum(node.read for node in scans if node.relation in LARGE)
            if plans.whole(scans) or read > ROWS / 2:
                found.append((caller.role, set_fields(narrow), read, scans))
    assert seen > len(narrowed)
    return found


async def test_notices(plans: Plans) -> None:
    narrowed = combinations(
        {
            "state": (None, "undelivered", "told"), "kind": (None, "completion"),
            "number": (None, NUMBER), "after": (None, ROWS // 2),
        },
        NoticeFilter,
    )  # fmt: skip
    callers = [COUNTER, held(Role.ACCEPTANCE_OFFICER, AGENCY), *AUDITORS]
    assert not await bad(plans, callers, narrowed, NoticeFilter, notices.page)


async def test_rectifications(plans: Plans) -> None:
    async def ask(session: AsyncSession, caller: Caller, narrow: Any, after: Any) -> Any:
        return await ratings.page(session, caller, narrow, after, today())

    narrowed = combinations(
        {
            "state": (None, "open", "closed"), "outlet": (None, OUTLET), "agency": (None, AGENCY),
            "overdue": (None, True, False), "after": (None, ROWS // 2),
        },
        RectificationFilter,
    )  # fmt: skip
    possible = [one for one in narrowed if not (one["overdue"] and one["state"] == "closed")]
    assert not await bad(plans, [MANAGER, HEAD, *AUDITORS], possible, RectificationFilter, ask)


async def test_figures_of_ratings(plans: Plans) -> None:
    async def ask(session: AsyncSession, caller: Caller, narrow: Any, after: Any) -> Any:
        return await ratings.figures(session, caller, narrow, after, [])

    narrowed = combinations(
        {
            "division": (None, AGENCY), "month_from": (None, today() - timedelta(days=90)),
            "month_to": (None, today()), "after": (None, f"{AGENCY}000100"),
        },
        FigureFilter,
    )  # fmt: skip
    assert not await bad(plans, [MANAGER, HEAD, *AUDITORS], narrowed, FigureFilter, ask)


async def test_differences(plans: Plans) -> None:
    narrowed = combinations(
        {
            "agency": (None, AGENCY), "core": (None, "simulated"), "kind": (None, "missing_there"),
            "state": (None, "open"), "after": (None, ROWS // 2),
        },
        DifferenceFilter,
    )  # fmt: skip
    assert not await bad(plans, AUDITORS, narrowed, DifferenceFilter, connectors.differences)


async def test_archives_and_what_was_done_with_one(plans: Plans) -> None:
    async def ask(session: AsyncSession, caller: Caller, narrow: Any, after: Any) -> Any:
        return await archives.page(session, caller, narrow, after, today())

    narrowed = combinations(
        {
            "agency": (None, AGENCY), "state": (None, "lent", "kept"), "overdue": (False, True),
            "after": (None, uuid7()),
        },
        ArchiveFilter,
    )  # fmt: skip
    possible = [one for one in narrowed if not (one["overdue"] and one["state"] == "kept")]
    callers = [held(Role.REVIEWER, AGENCY), *AUDITORS]
    assert not await bad(plans, callers, possible, ArchiveFilter, ask)
    scans = await plans.of(archives.entries, uuid7(), None, 50)
    assert not plans.whole(scans)
