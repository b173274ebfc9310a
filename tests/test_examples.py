"""Every example of the contract is sent, and gets the answer that the contract says it gets."""

import base64
import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import httpx
import jsonschema_rs
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import OKPKey

from access.policy import GRANTS, SCOPES, May, Role
from api import examples
from api.app import create_app, operations
from api.examples import EXAMPLES, PLACES, body_of
from api.state import State, running
from kit.clock import today
from kit.embedded import OWNER, SERVICE
from kit.settings import Settings
from tests import make as m
from tests.conftest import TEMPLATE, Server
from tests.make import Make, Place
from tests.test_rights import OWN as REACH
from tests.test_rights import _sent, _supervised, _things

Headers = dict[str, str]
Node = dict[str, Any]
ROUTES = {found.name: found for found in operations()}

BY: dict[str, Role] = {
    "act_on_application": Role.ACCEPTANCE_OFFICER, "print_document": Role.TELLER,
    "act_on_rectification": Role.OUTLET_MANAGER, "reveal_rater": Role.OUTLET_MANAGER,
    "act_on_grant": Role.CONTROL_OFFICER, "act_on_spot_check": Role.CONTROL_OFFICER,
    "import_outlets": Role.OUTLET_ADMIN, "act_on_outlet": Role.OUTLET_ADMIN,
    "put_outlet_contact": Role.BANK_ADMIN,
    "act_on_outlet_proposal": Role.OUTLET_ADMIN, "apply_for_grant": Role.BANK_ADMIN,
    **dict.fromkeys(
        ("make_subscription", "change_subscription", "act_on_delivery", "act_on_subscription"),
        Role.BANK_ADMIN,
    ),
    "act_on_teller": Role.OUTLET_MANAGER, "preview_routing": Role.TELLER,
}  # fmt: skip
"""Who sends, where not the first role that may."""


@dataclass
class World:
    """A service of its own, with things to be named; nothing that others look at is left behind."""

    http: httpx.AsyncClient
    document: Node
    own: dict[Role, Headers]
    things: dict[str, str]
    names: dict[str, str] = field(default_factory=dict)
    """Made-up texts of the examples, and the real ones."""

    def put(self, value: Any) -> Any:
        """Put real names and days in the place of made-up ones."""
        text = json.dumps(value, ensure_ascii=False)
        for shown, real in sorted(self.names.items(), key=lambda item: -len(item[0])):
            text = text.replace(shown, real)
        return json.loads(text)


def moved() -> dict[str, str]:
    """Days of the examples are as far from the day that they name today as they were then."""
    shown = (examples.TODAY, examples.FIRST_DAY, examples.LAST_DAY, examples.LATER_DAY)
    ahead = (0, 40, 360, 700)
    days = (today() + timedelta(days=n) for n in ahead)
    return dict(zip(shown, map(str, days), strict=True))


@pytest.fixture(scope="module")
async def app(server: Server, settings: Settings) -> AsyncIterator[FastAPI]:
    name = "examples"
    server.cluster.psql(
        f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY OWNER {OWNER}"
    )
    urls = {"database_url": server.url(SERVICE, name), "owner_url": server.url(OWNER, name)}
    app = create_app(settings.model_copy(update=urls))
    async with running(app.state.syt):
        yield app


@pytest.fixture(scope="module")
async def world(app: FastAPI) -> AsyncIterator[World]:
    state: State = app.state.syt
    make = Make(state)
    here = await make.place()
    own = {role: await make.person(role, REACH.get(s, here.outlet)) for role, s in SCOPES.items()}
    own[Role.TELLER] = make.teller(here)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://outlet.test") as http:
        things = dict(PLACES) | await _things(http, own, here.outlet)
        things |= await _supervised(state, things["number"], here.outlet)
        things |= {
            "terminal": here.terminal,
            "teller": here.teller,
            "upload": await _upload(http, own),
        }
        things["delivery"] = await _sent(state, things["subscription"], things["number"])
        made = World(http, app.openapi(), own, things)
        made.names = {shown: things[name] for name, shown in PLACES.items() if len(shown) > 11}
        made.names |= moved() | {examples.ASSERTION: make.assertion(here)}
        await _enrolment(made, app, here)
        yield made


async def _upload(http: httpx.AsyncClient, own: dict[Role, Headers]) -> str:
    headers = {"Upload-Length": str(len(examples.SCAN)), "Tus-Resumable": "1.0.0"}
    made = await http.post("/v1/uploads", headers=own[Role.TELLER] | headers)
    return str(made.json()["upload"])


async def _enrolment(world: World, app: FastAPI, here: Place) -> None:
    """A device with a key of its own, and a code that it was given."""
    key = OKPKey.generate_key("Ed25519")
    await Make(app.state.syt).settle()
    made = await world.http.post(
        f"/v1/outlets/{here.outlet}/terminals/enrolments", json={"name": "终端"},
        headers=world.own[Role.OUTLET_MANAGER],
    )  # fmt: skip
    assert made.status_code == 201, made.text
    code = made.json()["code"]
    claims = {"aud": "http://outlet.test/v1/terminals", "jti": code, "exp": int(time.time()) + 60}
    world.names |= {
        examples.ENROLMENT: code,
        examples.PROOF: jwt.encode({"alg": "EdDSA"}, claims, key, algorithms=["EdDSA"]),
    }
    world.things["x"] = str(key.as_dict(private=False)["x"])


async def _over(world: World) -> tuple[str, str]:
    """An application that is over, and its query code."""
    made = (await m.submit(world.http, world.own[Role.TELLER])).json()
    more: Node
    for action, more in (("take", {}), ("grant", {"opinion": "符合条件", "result": {}})):
        seen = await world.http.get(
            f"/v1/applications/{made['number']}", headers=world.own[Role.REVIEWER]
        )
        done = await m.act(world.http, world.own[Role.REVIEWER], seen.json(), action, **more)
        assert done.status_code == 200, done.text
    return made["number"], made["query_code"]


async def _apart(world: World, app: FastAPI, operation: str) -> World:
    """Give an operation things of its own where others would be in its way."""
    make, names = Make(app.state.syt), dict(world.names)
    if operation in (
        "rate_application",
        "rate_by_code",
        "ask_progress",
        "rate_on_page",
        "show_progress",
    ):
        number, code = await _over(world)
        names |= {PLACES["number"]: number, examples.CODE: code}
        return replace(world, names=names, things=world.things | {"number": number})
    if operation in (
        "act_on_outlet",
        "change_outlet",
        "act_on_teller",
        "act_on_terminal",
        "revoke",
    ):
        place = await make.place()
        names |= {PLACES["outlet"]: place.outlet, PLACES["terminal"]: place.terminal}
        own = world.own | {
            Role.OUTLET_MANAGER: await make.person(Role.OUTLET_MANAGER, place.outlet)
        }
        told = {"outlet": place.outlet, "terminal": place.terminal, "teller": place.teller}
        return replace(world, names=names, things=world.things | told, own=own)
    if operation == "act_on_bank":
        other = await make.person(Role.OUTLET_ADMIN, "330000")
        things = world.things | {"bank": "YBRCB"}
        return replace(world, things=things, own=world.own | {Role.OUTLET_ADMIN: other})
    if operation == "use_enrolment":
        return replace(world, names=names | {examples.JWK["x"]: world.things["x"]})
    return world


def _sender(world: World, operation: str) -> Headers:
    needed: May | None = ROUTES[operation].permission
    if needed is None:
        return {}
    return world.own[BY.get(operation) or next(r for r in Role if needed in GRANTS[r])]


async def _headers(world: World, operation: str, who: Headers) -> Headers:
    """Give what the operation asks for beside its body: a version, a key, the protocol of uploads."""
    path = ROUTES[operation].path
    declared = world.document["paths"][path][ROUTES[operation].method.lower()]["parameters"]
    names = {p.get("name") for p in declared}
    found = {"Idempotency-Key": m.key()} if "Idempotency-Key" in names else {}
    if "If-Match" in names:
        found["If-Match"] = await _version(world, path.removesuffix("/actions"), who)
    if operation == "put_outlet_contact":
        found.pop("If-Match")  # The first needs none.
    if operation == "add_to_upload":
        found |= {
            "Upload-Offset": "0", "Tus-Resumable": "1.0.0",
            "Content-Type": "application/offset+octet-stream",
        }  # fmt: skip
    return {**who, **found}


async def _version(world: World, path: str, who: Headers) -> str:
    if "get" not in world.document["paths"].get(path, {}):
        return '"1"'
    seen = await world.http.get(path.format(**world.things), headers=who)
    if not seen.is_success:
        return ""
    tag = seen.headers.get("etag", "")
    return tag if re.fullmatch(r'"[0-9]+"', tag) else f'"{seen.json()["version"]}"'


async def send(world: World, app: FastAPI, operation: str) -> httpx.Response:
    """Send an example as it stands in the contract; memory is brought up to date, however busy the machine."""
    await Make(app.state.syt).settle()
    world = await _apart(world, app, operation)
    route, who = ROUTES[operation], _sender(world, operation)
    body, headers = world.put(body_of(operation)), await _headers(world, operation, who)
    content = world.document["paths"][route.path][route.method.lower()]["requestBody"]["content"]
    kind = next(iter(content))
    sent: Node = {"json": body}
    if kind == "multipart/form-data":
        sent = {
            "files": {
                "file": ("a.pdf" if "%PDF" in body["file"] else "a.csv", body["file"].encode())
            }
        }
    elif kind == "application/x-www-form-urlencoded":
        sent = {"data": body}
    elif isinstance(body, str):
        sent = {"content": body.encode()}
    headers = {name: value for name, value in headers.items() if value}
    return await world.http.request(
        route.method, route.path.format(**world.things), headers=headers, **sent
    )


def faults(world: World, operation: str, answer: httpx.Response) -> list[str]:
    """Hold an answer against what the contract says of it."""
    route = ROUTES[operation]
    declared = world.document["paths"][route.path][route.method.lower()]["responses"]
    status = str(answer.status_code)
    if status not in declared:
        return [f"{status} is not in the contract"]
    schema = declared[status].get("content", {}).get("application/json", {}).get("schema")
    if schema is None:
        return []
    whole = {**schema, "components": world.document["components"]}
    return [e.message for e in jsonschema_rs.validator_for(whole).iter_errors(answer.json())]


def _unnamed(world: World, operation: str, answer: httpx.Response) -> list[str]:
    route = ROUTES[operation]
    named = world.document["paths"][route.path][route.method.lower()]["x-problems"]
    code = answer.json()["code"] if answer.status_code >= 400 else None
    return [f"{code} is not named"] if code is not None and code not in named else []


@pytest.mark.slow
async def test_every_example_gets_its_answer(world: World, app: FastAPI) -> None:
    wrong: dict[str, Any] = {}
    for operation, example in EXAMPLES.items():
        answer = await send(world, app, operation)
        if operation == "draft_version":
            world.things["version"] = str(answer.json()["version"])
        found = faults(world, operation, answer)
        found += _unnamed(world, operation, answer)
        if answer.status_code != example.answer or found:
            wrong[operation] = (answer.status_code, answer.text[:400], found[:3])
    assert wrong == {}


def test_whatever_takes_a_body_has_one(app: FastAPI) -> None:
    takes = {
        operation["operationId"]
        for methods in app.openapi()["paths"].values()
        for operation in methods.values()
        if "requestBody" in operation
    }
    assert set(EXAMPLES) == takes, (
        "api/examples.py has an example of each body; then `make openapi`"
    )


def test_they_stand_in_the_contract(app: FastAPI) -> None:
    for methods in app.openapi()["paths"].values():
        for operation in methods.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                shown = content["examples"]["sent"]
                assert shown["value"] == body_of(operation["operationId"])
                assert shown["summary"]
            for parameter in operation["parameters"]:
                if parameter.get("in") == "path" and parameter["name"] in PLACES:
                    assert parameter["example"] == PLACES[parameter["name"]]


def test_nobody_in_them_is_a_person() -> None:
    said = json.dumps([body_of(name) for name in EXAMPLES])
    assert examples.PERSON["id_number"].startswith("339900")
    assert base64.urlsafe_b64decode(examples.JWK["x"] + "=")
    assert said.count("339900") >= 2
