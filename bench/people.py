"""Who calls in the loads of `bench.scale`: tellers of the large outlet, and persons with rights."""

import asyncio
from pathlib import Path
from typing import NamedTuple

from access import service as access
from access.policy import Role
from access.tokens import Tokens
from bench.fill import LARGE_AGENCY
from bench.seed import HOURS
from cli.home import cluster_of
from kit.crypto import load_keys
from kit.db import make_engine, make_sessions, transaction
from kit.embedded import DATABASE, SERVICE
from kit.settings import Settings

BRANCHES = 20
"""Outlets of the person who holds several: a bank's own head office may not look into applications."""


class People(NamedTuple):
    """Tokens, by who bears them."""

    teller: str
    reviewer: str
    branches: str
    auditor: str


OUTLETS = f"""
    SELECT number FROM outlet WHERE number LIKE '{LARGE_AGENCY}0%' ORDER BY number LIMIT {BRANCHES}
"""
LARGE = "SELECT outlet FROM terminal GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"


def large_outlet(home: Path) -> str:
    """Name the outlet with the most terminals: it holds 30 %."""
    return cluster_of(home).psql(LARGE, database=DATABASE)


def invite(home: Path) -> People:
    """Give persons their rights in the running service's database."""
    cluster, large = cluster_of(home), large_outlet(home)
    terminal = cluster.psql(
        f"SELECT id FROM terminal WHERE outlet = '{large}' LIMIT 1", database=DATABASE
    )
    outlets = cluster.psql(OUTLETS, database=DATABASE)
    grants = [
        ("scale-reviewer", Role.REVIEWER, LARGE_AGENCY),
        ("scale-auditor", Role.AUDITOR, "330000"),
        *(("scale-branches", Role.OUTLET_MANAGER, number) for number in outlets.split()),
    ]
    asyncio.run(_grant(home, grants))
    tokens = Tokens(load_keys(Settings(home=home)), local_people=True)
    reviewer, branches, auditor = (
        tokens.for_person(f"scale-{name}", seconds=HOURS * 3600)
        for name in ("reviewer", "branches", "auditor")
    )
    teller = tokens.for_terminal(terminal, large, f"{large}-01", seconds=HOURS * 3600)
    return People(teller, reviewer, branches, auditor)


async def _grant(home: Path, grants: list[tuple[str, Role, str]]) -> None:
    engine = make_engine(cluster_of(home).url(SERVICE), pool_size=1)
    try:
        async with transaction(make_sessions(engine)) as session:
            for subject, role, scope in grants:
                await access.ensure_grant(session, subject, role, scope, by="person:bench")
    finally:
        await engine.dispose()
