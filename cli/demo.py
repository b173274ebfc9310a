"""The demonstration: everything loaded once."""

from pathlib import Path

from joserfc.jwk import ECKey
from sqlalchemy.engine import make_url
from sqlmodel import func, select

from access import service as access
from cli import load, sample
from cli.card import PEOPLE, TELLER, TERMINAL, terminal_key
from cli.home import Database
from kit.clock import today
from kit.db import Sessions, transaction
from outlets.models import Outlet
from simulated_core.store import make_schema

DATA = Path(__file__).parent.parent / "data"


async def load_reference(sessions: Sessions) -> None:
    """Load what ships: divisions, calendar, agencies, the catalogue, guides, rules of routing."""
    for name in ("divisions", "history", "nbs"):
        await load.load_divisions(sessions, DATA / "divisions" / f"{name}.csv")
    await load.load_calendar(sessions, DATA / "calendar" / "cn_day_exceptions.csv")
    await load.load_agencies(sessions, DATA / "agencies.csv")
    await load.load_catalogue(sessions, DATA / "catalogue")
    await load.load_matters(sessions, DATA / "matters")
    await load.load_routing(sessions, DATA / "routing.csv")


async def load_demo(sessions: Sessions, home: Path) -> None:
    """Load the demonstration, as far as it is not there."""
    if not await _there(sessions):
        await load_reference(sessions)
        outlets = list(sample.outlets(sample.townships(DATA / "divisions" / "divisions.csv")))
        await load.load_registry(
            sessions,
            {"banks": sample.banks(), "agreements": sample.agreements(today()), "outlets": outlets},
        )
    await _people(sessions, terminal_key(home), sample.FIRST_OUTLET)


async def _there(sessions: Sessions) -> bool:
    """Tell whether all sample outlets are there; they are loaded last."""
    async with transaction(sessions) as session:
        counted = select(func.count()).select_from(Outlet).where(Outlet.is_sample)
        return (await session.exec(counted)).one() >= sample.COUNT


async def _people(sessions: Sessions, key: ECKey, outlet: str) -> None:
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
                    "code": TELLER, "outlet": outlet, "status": "active", "qualified_until": until,
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


async def make_core_schema(database: Database) -> None:
    """Give the simulated core a schema of its own, which the service's role may fill and never looks into."""
    role = make_url(database.url).username or ""
    await make_schema(database.owner_url, role)
