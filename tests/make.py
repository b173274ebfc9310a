"""Rows and tokens for tests. A test names what it is about, and the rest is filled in."""

import itertools
import time
import uuid
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any, Generic, TypeVar

import httpx
import orjson
from joserfc import jwt
from joserfc.jwk import ECKey

from access import service as access
from access.models import Grant
from access.policy import Role
from api.state import State
from cli.load import load_registry, put_rows, shipped_guide
from cli.sample import agreement_number
from kit.db import transaction
from kit.ids import uuid7
from outlets.memory import KIND
from outlets.models import Outlet, Teller, Terminal

PENSION = "332014901003"
RECORD = "332014901008"
"""Claim of a resident pension: D2, premium outlets, two persons. Record print: D3, one person."""

IDS = ("339900189901010018", "339900189901010026", "339900188812310030")
serial = itertools.count(1)
FIRST = uuid.uuid4().int
"""Outlets are numbered from somewhere on: by chance each, two of a thousand shared one now and then."""
BELOW = 90_000
"""Numbers of outlets are made by chance, and end here: the service gives the next after the highest.

Going down, none comes upon one that the service gave.
"""


@dataclass(frozen=True)
class Place:
    """An outlet with a terminal, its key and a teller."""

    outlet: str
    terminal: str
    key: ECKey
    teller: str


T = TypeVar("T")
USUAL = ("330106", "premium", "active", agreement_number("SRCB"), date(2099, 1, 1))
"""County, class, state, agreement and qualification of a place of which nothing else is said."""

FEWEST, MOST = 4, 16
"""As many of a kind are made at once, at first and in the end."""


@dataclass
class Stock(Generic[T]):
    """What was made ahead of the tests that will ask for it."""

    held: list[T] = field(default_factory=list)
    _last: int = 0

    def more(self) -> int:
        """Say how many to make: a few, and the more the oftener they are asked for."""
        self._last = min(2 * self._last, MOST) or FEWEST
        return self._last


def _place(county: str) -> Place:
    number = f"{county}9{(FIRST - next(serial)) % BELOW:05}"
    return Place(number, str(uuid7()), ECKey.generate_key("P-256"), f"{number}-01")


class Make:
    """Makes what a test is about, in the database and in memory.

    Of what is asked for again and again some more is made at once, each for one test: it takes no longer.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self._places: dict[tuple[Any, ...], Stock[Place]] = {}
        self._persons: dict[tuple[Role, str], Stock[str]] = {}

    async def settle(self) -> None:
        """Let this process see at once what has changed."""
        await self.state.follower.look()

    async def place(
        self, *, county: str = USUAL[0], service_class: str = USUAL[1], status: str = USUAL[2],
        agreement: str | None = USUAL[3], qualified_until: date | None = USUAL[4],
    ) -> Place:  # fmt: skip
        """An outlet that may do what the guide lets it, unless the test says otherwise."""
        alike = (county, service_class, status, agreement, qualified_until)
        stock = self._places.setdefault(alike, Stock())
        await self.settle()
        if not stock.held or not self._is_new(stock.held[-1], status):
            stock.held = await self._open(stock.more() if alike == USUAL else 1, *alike)
            await self.settle()
        self.state.desk.derived.forget()  # As it is after each outlet that is made.
        return stock.held.pop()

    def _is_new(self, place: Place, status: str) -> bool:
        """Tell whether no job of a test before has had a hand in it: an agreement's end closes outlets."""
        held = self.state.desk.registry
        outlet, terminal = held.outlets[place.outlet], held.terminals[place.terminal]
        teller = held.tellers[place.teller]
        return (outlet.version, outlet.status, terminal.status, teller.status) == (
            1, status, "active", "active",
        )  # fmt: skip

    async def _open(
        self, count: int, county: str, service_class: str, status: str, agreement: str | None,
        qualified_until: date | None,
    ) -> list[Place]:  # fmt: skip
        places = [_place(county) for _ in range(count)]
        outlets = [
            {
                "number": place.outlet, "name": f"测试网点{place.outlet}(样例)", "bank": "SRCB",
                "agreement": agreement, "kind": "bank_branch", "service_class": service_class,
                "status": status, "division": f"{county}002", "address": f"样例路{place.outlet}号",
                "phone": "12333", "hours": "", "windows": 1, "is_sample": True, "version": 1,
            }
            for place in places
        ]  # fmt: skip
        terminals = [
            {
                "id": uuid.UUID(place.terminal), "outlet": place.outlet, "name": "终端",
                "status": "active", "public_jwk": place.key.as_dict(private=False), "version": 1,
            }
            for place in places
        ]  # fmt: skip
        tellers = [
            {
                "code": place.teller, "outlet": place.outlet, "status": "active",
                "qualified_until": qualified_until, "version": 1,
            }
            for place in places
        ]  # fmt: skip
        rows: dict[str, list[dict[str, Any]]] = {
            "outlets": outlets, "terminals": terminals, "tellers": tellers,
        }  # fmt: skip
        await load_registry(self.state.sessions, rows)
        return places

    async def change(self, table: type[Outlet | Terminal | Teller], **row: Any) -> None:
        """Change a row of the registry, by its key; what is not named stays."""
        key = next(c.name for c in table.__table__.primary_key)  # type: ignore[union-attr]
        wanted = uuid.UUID(row[key]) if table is Terminal else row[key]
        async with transaction(self.state.sessions) as session:
            known = (await session.get_one(table, wanted)).model_dump(
                exclude={"generation", "created_at"}
            )
        await put_rows(self.state.sessions, KIND, table, [{**known, **row, key: wanted}])
        await self.settle()

    async def change_to(self, table: type[Outlet | Terminal | Teller], row: dict[str, Any]) -> None:
        """Put a whole row of the registry."""
        await put_rows(self.state.sessions, KIND, table, [row])
        await self.settle()

    def teller(self, place: Place) -> dict[str, str]:
        """Headers of the teller at the place's terminal."""
        token = self.state.tokens.for_terminal(
            place.terminal, place.outlet, place.teller, seconds=900
        )
        return {"Authorization": f"Bearer {token}"}

    async def person(
        self, role: Role, scope: str = "330106", subject: str | None = None
    ) -> dict[str, str]:
        """Headers of a person who holds a role within a scope."""
        await self.settle()
        who = subject or await self._somebody(role, scope)
        if subject:
            await self._appoint([subject], role, scope)
        token = self.state.tokens.for_person(who, seconds=900)
        return {"Authorization": f"Bearer {token}"}

    async def _somebody(self, role: Role, scope: str) -> str:
        stock = self._persons.setdefault((role, scope), Stock())
        if not stock.held or not self.state.grants.caller(stock.held[-1]).reaches:
            names = [f"{role}-{scope}-{next(serial)}" for _ in range(stock.more())]
            await self._appoint(names, role, scope)
            stock.held = names
        return stock.held.pop()

    async def _appoint(self, names: list[str], role: Role, scope: str) -> None:
        async with transaction(self.state.sessions) as session:
            one, *others = names
            grant = await access.ensure_grant(session, one, role, scope, by="person:test")
            alike = grant.model_dump(exclude={"id", "subject", "created_at"})
            rows = [Grant(**alike, subject=name) for name in others]
            session.add_all(rows)
            await session.flush()
            for row in rows:
                access._note(session, row, "grant", "person:test")
        await self.settle()

    def assertion(self, place: Place, **changed: Any) -> str:
        """An assertion of the place's terminal; `changed` claims replace the right ones."""
        claims = {
            "iss": place.terminal, "sub": place.terminal, "aud": "http://outlet.test/v1/oauth/token",
            "exp": int(time.time()) + 60, "jti": uuid.uuid4().hex, "teller": place.teller, **changed,
        }  # fmt: skip
        return jwt.encode({"alg": "ES256"}, claims, place.key)


@cache
def _example(matter: str) -> bytes:
    guide = shipped_guide(matter).guide.model_dump(mode="json")
    materials = [
        {"code": m["code"], "exemption": m["exemptions"][0]}
        for m in guide["materials"]
        if m["necessity"] != "optional" and m["exemptions"]
    ]
    return orjson.dumps({
        "matter": matter,
        "applicant": {
            "kind": "person", "name": "测试甲", "id_type": "resident_id", "id_number": IDS[0],
            "phone": "13900000001",
        },
        "form": guide["form_schema"]["examples"][0],
        "materials": materials,
        "accept": True,
        "consent": True,
    })  # fmt: skip


def body(matter: str = RECORD, **changed: Any) -> dict[str, Any]:
    """A complete application for a matter: its guide's own example, every required material shown."""
    return {**orjson.loads(_example(matter)), **changed}


def key() -> str:
    """A fresh idempotency key."""
    return uuid.uuid4().hex


async def submit(
    http: httpx.AsyncClient,
    who: dict[str, str],
    wanted: dict[str, Any] | None = None,
    *,
    k: str | None = None,
) -> httpx.Response:
    """Hand in an application."""
    headers = {**who, "Idempotency-Key": k or key()}
    return await http.post("/v1/applications", json=wanted or body(), headers=headers)


async def act(
    http: httpx.AsyncClient,
    who: dict[str, str],
    application: dict[str, Any],
    action: str,
    **more: Any,
) -> httpx.Response:
    """Take an action on an application as it was last seen."""
    return await http.post(
        f"/v1/applications/{application['number']}/actions",
        json={"action": action, **more},
        headers={**who, "If-Match": f'"{application["version"]}"'},
    )
