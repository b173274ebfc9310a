"""The service on a real socket in a thread of the test, and what every answer of it must keep to."""

import asyncio
import contextlib
import re
import socket
import threading
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import requests
import sqlalchemy as sa
import structlog
import uvicorn
import uvloop
from fastapi import FastAPI
from schemathesis import Case
from schemathesis.checks import CheckContext, CheckFunction
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from sqlalchemy.ext.asyncio import AsyncEngine

from access.policy import SCOPES, Role, Scope
from api.app import create_app
from api.openapi import PROBLEM
from kit.buckets import Buckets
from kit.db import make_engine
from kit.errors import REGISTRY
from kit.logs import configure
from kit.settings import Settings
from tests.conftest import empty
from tests.make import Make, Place

T = TypeVar("T")
Headers = dict[str, str]
PLACES = {Scope.AGENCY: "330106", Scope.BANK: "SRCB", Scope.DIVISION: "330100"}
NOBODY = ("no token", "a broken token", "an expired token")
"""Callers whom no operation with a lock on it answers."""

CALLERS = ("a teller", "a teller of a closed outlet", *Role, *NOBODY)


@dataclass
class Running:
    """A service that runs, and who may call it."""

    app: FastAPI
    loop: asyncio.AbstractEventLoop
    url: str
    port: int
    place: Place
    callers: dict[str, Headers]
    owner: AsyncEngine

    def empty(self) -> None:
        """Empty what applications fill: what is drawn twice must be answered alike."""
        self.wait(_empty(self.owner))

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something where the service runs: its connections belong to that loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)


async def _empty(owner: AsyncEngine) -> None:
    async with owner.begin() as connection:
        await empty(connection)
        await connection.execute(
            sa.text("UPDATE event_sequencer SET seq = 0, done_id = 0, window_from = window_to")
        )


@contextlib.contextmanager
def served(settings: Settings) -> Iterator[Running]:
    """Serve as `api/serving.py` does, without limits of how often somebody may call."""
    configure("error")
    app, loop = create_app(settings), uvloop.new_event_loop()
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, ws="none")
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(
            target=loop.run_until_complete, args=(server.serve(sockets=[listener]),)
        )
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            app.state.syt.buckets = app.state.syt.doors = Buckets(10**9, 10**9)
            app.state.syt.watcher.close()  # As while it leaves: no call is held back.
            port = listener.getsockname()[1]
            owner = make_engine(settings.owner_url or "", pool_size=2)
            yield Running(app, loop, f"http://127.0.0.1:{port}", port, *_known(app, loop), owner)
            asyncio.run_coroutine_threadsafe(owner.dispose(), loop).result(30)
        finally:
            server.should_exit = True
            thread.join(30)
            loop.close()
            structlog.reset_defaults()


def _known(app: FastAPI, loop: asyncio.AbstractEventLoop) -> tuple[Place, dict[str, Headers]]:
    return asyncio.run_coroutine_threadsafe(_make_callers(app), loop).result(30)


async def _make_callers(app: FastAPI) -> tuple[Place, dict[str, Headers]]:
    """Make one caller of each kind; the reviewers are of the agency that the place hands in to."""
    make = Make(app.state.syt)
    place, closed = await make.place(), await make.place(status="suspended")
    expired = app.state.syt.tokens.for_person("anne", seconds=-60)
    people = {
        str(role): await make.person(role, PLACES.get(SCOPES[role], place.outlet)) for role in Role
    }
    return place, {
        "a teller": make.teller(place),
        "a teller of a closed outlet": make.teller(closed),
        **people,
        "no token": {},
        "a broken token": {"Authorization": "Bearer e30.e30.AAAA"},
        "an expired token": {"Authorization": f"Bearer {expired}"},
    }


BY_SHAPE = frozenset(
    {
        "request-invalid", "json-malformed", "json-too-deep", "json-too-many", "text-forbidden",
        "body-too-large", "upload-malformed", "method-not-allowed",
    }
)  # fmt: skip
"""Refusals of the shape: what the document allows never meets one."""

BETWEEN = frozenset({
    "day-twice", "future", "near-missing", "outside-china", "periods-order", "swapped",
})  # fmt: skip
"""Rules on two parts of a call, or on what a day or a point means: no schema says them."""

HTTP_HEADERS = frozenset(
    {"content-type", "content-length", "date", "connection", "transfer-encoding"}
)
"""Headers that HTTP itself has, which no document lists."""


def expect(holds: bool, case: Case[Any], message: str) -> None:
    """Report an answer that breaks a rule, with the call that makes it again."""
    if not holds:
        raise Failure(operation=case.operation.label, title=message, message=message)


def shape_is_taken(context: CheckContext, response: Response, case: Case[Any]) -> None:
    """What the document allows is refused by its contents only, never by its shape."""
    if case.meta is not None and case.meta.generation.mode.is_positive:
        problem = _problem(response)
        code, rules = problem.get("code"), {fault["rule"] for fault in problem.get("errors", ())}
        by_shape = code in BY_SHAPE and not (rules and rules <= BETWEEN)
        expect(not by_shape, case, f"what the document allows was refused: {code}")


def problem_follows_the_contract(
    context: CheckContext, response: Response, case: Case[Any]
) -> None:
    """A refusal is a problem document of a known code, and says its own status and request."""
    if response.status_code < 400 or case.method == "HEAD" or is_page(response):
        return
    kind, body = response.headers["content-type"][0], _problem(response)
    expect(kind == PROBLEM, case, f"a refusal of the kind {kind}")
    expect(body["code"] in REGISTRY, case, "a code that is not in the list")
    expect(body["type"] == f"/problems/{body['code']}", case, "a type of another code")
    expect(body["status"] == response.status_code, case, "a status of another answer")
    name = response.headers["x-request-id"][0]
    expect(body["instance"] == f"urn:request:{name}", case, "an instance of another call")
    places = [fault["at"] for fault in body.get("errors", ())]
    expect(all(at == "" or at.startswith("/") for at in places), case, "a place that is no pointer")


def code_is_documented(context: CheckContext, response: Response, case: Case[Any]) -> None:
    """No refusal by a code that the operation does not name; another method is no operation of its."""
    if response.status_code < 400 or case.method == "HEAD" or is_page(response):
        return
    if response.status_code != 405:
        code = _problem(response)["code"]
        named = case.operation.definition.raw["x-problems"]
        expect(code in named, case, f"a code that is not named: {code}")


def headers_are_documented(context: CheckContext, response: Response, case: Case[Any]) -> None:
    """No header that the document does not name."""
    known = case.operation.responses.find_by_status_code(response.status_code)
    named = {name.lower() for name, _ in known.headers.items()} if known is not None else set()
    more = {name.lower() for name in response.headers} - named - HTTP_HEADERS
    expect(response.status_code == 405 or not more, case, f"headers not documented: {more}")


LIKE_OUR_CODES = re.compile(r"[a-z][a-z_-]*")


def nothing_comes_back(context: CheckContext, response: Response, case: Case[Any]) -> None:
    """No text that was sent stands in a refusal; short ones, and codes like ours, may by chance."""
    if response.status_code >= 400:
        said = response.content.decode()
        sent = [t for t in _texts(case.body) if len(t) >= 12 and not LIKE_OUR_CODES.fullmatch(t)]
        expect(not any(text in said for text in sent), case, "a refusal repeats what was sent")


CHECKS: list[CheckFunction] = [
    shape_is_taken,
    problem_follows_the_contract,
    headers_are_documented,
    code_is_documented,
    nothing_comes_back,
]
"""Rules of ours, beside those of the tool."""


def nobody_is_answered(context: CheckContext, response: Response, case: Case[Any]) -> None:
    """Who calls is asked first: whatever else is wrong, nobody gets 401 and no more."""
    if case.operation.definition.raw.get("security"):
        expect(response.status_code in (401, 405), case, "somebody unknown got past the door")


def is_page(response: Response) -> bool:
    """Tell a page for people, which the document must name, from what a program reads."""
    return response.headers["content-type"][0].startswith("text/html")


def _problem(response: Response) -> dict[str, Any]:
    if response.status_code < 400 or not response.content or is_page(response):
        return {}  # An answer to HEAD has no body.
    body = response.json()
    assert isinstance(body, dict)
    return body


def _texts(value: Any) -> Iterator[str]:
    """Give all texts among the values of a body; names of fields are told, where they are unknown."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def calls() -> requests.Session:
    """A connection that is kept, and takes nothing from the environment."""
    session = requests.Session()
    session.trust_env = False
    return session
