"""Who loads the service: terminals of a few outlets, and people of their agency, some for each post."""

from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from joserfc.jwk import ECKey

from access import service as access
from access.policy import Role
from access.tokens import Tokens
from cli.home import cluster_of
from cli.load import load_registry
from cli.sample import agreement_number
from kit.crypto import load_keys
from kit.db import Sessions, make_engine, make_sessions, transaction
from kit.embedded import SERVICE
from kit.ids import uuid7
from kit.settings import Settings

COUNTY = "330106"
OUTLETS, TERMINALS = 3, 3
SECONDS = 24 * 3600
POSTS = {
    Role.ACCEPTANCE_OFFICER: 1, Role.REVIEWER: 3, Role.SECOND_REVIEWER: 2, Role.AUDITOR: 1,
}  # fmt: skip
"""How many people hold a post at the agency."""


class Teller(NamedTuple):
    """A teller at a terminal."""

    terminal: str
    outlet: str
    actor: str
    token: str


class Official(NamedTuple):
    """A person of the agency."""

    actor: str
    token: str


class People(NamedTuple):
    """Everybody."""

    tellers: list[Teller]
    officials: dict[Role, list[Official]]


async def gather(home: Path) -> People:
    """Put everybody into the running service's registry; it knows them within two seconds."""
    tokens = Tokens(load_keys(Settings(home=home)), local_people=True)
    engine = make_engine(cluster_of(home).url(SERVICE), pool_size=1)
    try:
        sessions = make_sessions(engine)
        return People(await _tellers(sessions, tokens), await _officials(sessions, tokens))
    finally:
        await engine.dispose()


async def _tellers(sessions: Sessions, tokens: Tokens) -> list[Teller]:
    rows: dict[str, list[dict[str, Any]]] = {"outlets": [], "terminals": [], "tellers": []}
    key, made = ECKey.generate_key("P-256").as_dict(private=False), []
    for outlet in (f"{COUNTY}9{nth:05}" for nth in range(OUTLETS)):
        teller = f"{outlet}-01"
        rows["outlets"].append(_outlet(outlet))
        rows["tellers"].append({
            "code": teller, "outlet": outlet, "status": "active",
            "qualified_until": date(2099, 1, 1), "version": 1,
        })  # fmt: skip
        for _ in range(TERMINALS):
            terminal = uuid7()
            rows["terminals"].append({
                "id": terminal, "outlet": outlet, "name": "测试终端", "status": "active",
                "public_jwk": key, "version": 1,
            })  # fmt: skip
            token = tokens.for_terminal(str(terminal), outlet, teller, seconds=SECONDS)
            made.append(Teller(str(terminal), outlet, f"teller:{teller}", f"Bearer {token}"))
    await load_registry(sessions, rows)
    return made


def _outlet(number: str) -> dict[str, Any]:
    return {
        "number": number, "name": f"测试网点{number}(样例)", "bank": "SRCB",
        "agreement": agreement_number("SRCB"), "kind": "bank_branch", "service_class": "premium",
        "status": "active", "division": f"{COUNTY}002", "address": "样例路1号", "phone": "12333",
        "hours": "", "windows": 1, "is_sample": True, "version": 1,
    }  # fmt: skip


async def _officials(sessions: Sessions, tokens: Tokens) -> dict[Role, list[Official]]:
    made: dict[Role, list[Official]] = {}
    async with transaction(sessions) as session:
        for role, count in POSTS.items():
            scope = "330000" if role is Role.AUDITOR else COUNTY
            for subject in (f"torture-{role}-{nth}" for nth in range(count)):
                await access.ensure_grant(session, subject, role, scope, by="person:torture")
                token = tokens.for_person(subject, seconds=SECONDS)
                made.setdefault(role, []).append(Official(f"person:{subject}", f"Bearer {token}"))
    return made
