"""The demonstration: everything loaded once, and what a first visitor needs in one file."""

import json
import os
import shutil
import sys
import uuid
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey
from sqlalchemy.engine import make_url
from sqlmodel import func, select

from access import service as access
from access.policy import Role
from access.tokens import Tokens
from cli import load, sample
from cli.home import Database
from kit.clock import today
from kit.crypto import KeyRing
from kit.db import Sessions, transaction
from outlets.models import Outlet
from simulated_core.store import make_schema

DATA = Path(__file__).parent.parent / "data"
FIRST = Path(__file__).parent / "first_application.txt"
"""The five calls, with places for addresses."""

DAYS = 30
TERMINAL = uuid.UUID("00000000-0000-7000-8000-000000000001")

PEOPLE: dict[str, tuple[Role, str]] = {
    "outlet_manager": (Role.OUTLET_MANAGER, ""),
    "bank_admin": (Role.BANK_ADMIN, "SRCB"),
    "acceptance_officer": (Role.ACCEPTANCE_OFFICER, "330106"),
    "reviewer": (Role.REVIEWER, "330106"),
    "second_reviewer": (Role.SECOND_REVIEWER, "330106"),
    "approver": (Role.APPROVER, "330106"),
    "agency_head": (Role.AGENCY_HEAD, "330106"),
    "outlet_admin": (Role.OUTLET_ADMIN, "330106"),
    "outlet_admin_province": (Role.OUTLET_ADMIN, "330000"),
    "matter_admin": (Role.MATTER_ADMIN, "330000"),
    "matter_admin_2": (Role.MATTER_ADMIN, "330000"),
    "rights_admin": (Role.RIGHTS_ADMIN, "330100"),
    "auditor": (Role.AUDITOR, "330000"),
    "control_officer": (Role.CONTROL_OFFICER, "330000"),
}
"""Who is in the demonstration, and where; an empty scope is the demonstration's outlet."""


async def load_reference(sessions: Sessions) -> None:
    """Load what ships: divisions, calendar, agencies, the catalogue, guides, rules of routing."""
    for name in ("divisions", "history", "nbs"):
        await load.load_divisions(sessions, DATA / "divisions" / f"{name}.csv")
    await load.load_calendar(sessions, DATA / "calendar" / "cn_day_exceptions.csv")
    await load.load_agencies(sessions, DATA / "agencies.csv")
    await load.load_catalogue(sessions, DATA / "catalogue")
    await load.load_matters(sessions, DATA / "matters")
    await load.load_routing(sessions, DATA / "routing.csv")


async def load_demo(sessions: Sessions, home: Path) -> dict[str, Any]:
    """Load the demonstration, unless it is there; give its outlet, terminal and teller."""
    if not await _there(sessions):
        await load_reference(sessions)
        outlets = list(sample.outlets(sample.townships(DATA / "divisions" / "divisions.csv")))
        await load.load_registry(
            sessions,
            {"banks": sample.banks(), "agreements": sample.agreements(today()), "outlets": outlets},
        )
    return await _people(sessions, home, sample.FIRST_OUTLET)


async def _there(sessions: Sessions) -> bool:
    """Tell whether all sample outlets are there; they are loaded last."""
    async with transaction(sessions) as session:
        counted = select(func.count()).select_from(Outlet).where(Outlet.is_sample)
        return (await session.exec(counted)).one() >= sample.COUNT


async def _people(sessions: Sessions, home: Path, outlet: str) -> dict[str, Any]:
    key = _terminal_key(home)
    teller = f"{outlet}-01"
    until = today().replace(year=today().year + 2, day=1)
    await load.load_registry(
        sessions,
        {
            "terminals": [
                {
                    "id": TERMINAL, "outlet": outlet, "name": "样例终端", "status": "active",
                    "public_jwk": key.as_dict(private=False), "version": 1,
                }
            ],
            "tellers": [
                {
                    "code": teller, "outlet": outlet, "status": "active", "qualified_until": until,
                    "version": 1,
                }
            ],
        },
    )  # fmt: skip
    async with transaction(sessions) as session:
        for name, (role, scope) in PEOPLE.items():
            await access.ensure_grant(
                session, f"demo-{name}", role, scope or outlet, by="person:syt-demo"
            )
    return {
        "outlet": outlet,
        "terminal": {"id": str(TERMINAL), "private_jwk": key.as_dict(private=True)},
        "teller": teller,
    }


async def make_core_schema(database: Database) -> None:
    """Give the simulated core a schema of its own, which the service's role may fill and never looks into."""
    role = make_url(database.url).username or ""
    await make_schema(database.owner_url, role)


def _terminal_key(home: Path) -> ECKey:
    """Keep the demonstration terminal's key from start to start."""
    path = home / "demo-terminal.jwk"
    if path.exists():
        return ECKey.import_key(json.loads(path.read_text()))
    key = ECKey.generate_key("P-256")
    write_private(path, json.dumps(key.as_dict(private=True)))
    return key


def write_private(path: Path, text: str) -> None:
    """Write a file that only we can read, whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    beside.replace(path)


def write_card(home: Path, keys: KeyRing, base_url: str, who: dict[str, Any]) -> None:
    """Write `demo.json`: where the service is, and tokens for everyone in it."""
    tokens = Tokens(keys, local_people=True)
    seconds = DAYS * 86400
    card = {
        "base_url": base_url,
        **who,
        "tokens": {n: tokens.for_person(f"demo-{n}", seconds=seconds) for n in PEOPLE},
    }
    write_private(home / "demo.json", json.dumps(card, ensure_ascii=False, indent=2))


def first_application(home: Path, base_url: str) -> str:
    """Write the five calls of a first application, ready to paste into another shell."""
    syt = f"{sys.executable} -m cli.main" if shutil.which("syt") is None else "syt"
    return FIRST.read_text().format(
        card=home.resolve() / "demo.json", base=base_url, syt=syt, home=home.resolve()
    )
