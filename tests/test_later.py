"""What nobody waits for at a start is loaded afterwards, and nobody can tell."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI

from api.app import create_app
from api.later import Later
from kit.settings import Settings
from tests.test_edges import _client

ROOT = Path(__file__).parent.parent
LOADED = "import sys, {}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}), *sys.modules)"


@pytest.fixture
def begun(settings: Settings) -> FastAPI:
    """A process that has loaded the main job's operations alone."""
    return create_app(settings, whole=False)


def _waits(app: FastAPI) -> bool:
    return any(isinstance(route, Later) for route in app.router.routes)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/notices", 401),
        ("GET", "/v1/banks", 401),
        ("GET", "/v1/outlets/coverage", 401),
        ("GET", "/nowhere", 404),
        ("DELETE", "/v1/matters", 405),
        ("DELETE", "/v1/banks", 405),
    ],
)
async def test_the_first_call_is_answered_as_every_other(
    begun: FastAPI, method: str, path: str, status: int
) -> None:
    assert _waits(begun)
    async with _client(begun) as http:
        first, second = [await http.request(method, path) for _ in range(2)]
    assert (first.status_code, second.status_code) == (status, status)
    assert first.json()["code"] == second.json()["code"]
    assert not _waits(begun)


async def test_the_main_job_does_not_wait(begun: FastAPI) -> None:
    async with _client(begun) as http:
        for path in ("/health/live", "/v1/matters", "/v1/tasks"):
            assert (await http.get(path)).status_code in {200, 401}
    assert _waits(begun)


async def test_many_at_once_load_once(begun: FastAPI) -> None:
    async with _client(begun) as http:
        answers = await asyncio.gather(*(http.get("/v1/banks") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {401}
    assert len(begun.router.routes) == len({id(route) for route in begun.router.routes})


async def test_the_document_is_whole_at_once(begun: FastAPI, app: FastAPI) -> None:
    async with _client(begun) as http:
        assert (await http.get("/openapi.json")).json()["paths"].keys() == app.openapi()[
            "paths"
        ].keys()


async def test_a_fault_while_loading_is_tried_again(
    begun: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Later, "include", lambda self: 1 / 0)
        async with _client(begun) as http:
            assert (await http.get("/v1/banks")).status_code == 500
    async with _client(begun) as http:
        assert (await http.get("/v1/banks")).status_code == 401


async def test_a_process_that_can_not_load_them_ends(
    begun: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = asyncio.Event()
    numbers: list[int] = []

    def hear(number: int) -> None:
        numbers.append(number)
        told.set()

    monkeypatch.setattr("signal.raise_signal", hear)
    monkeypatch.setattr(Later, "include", lambda self: 1 / 0)
    (later,) = (route for route in begun.router.routes if isinstance(route, Later))
    async with later.loading(), asyncio.timeout(10):
        await told.wait()
    assert numbers == [signal.SIGTERM]


def _loaded(*modules: str) -> set[str]:
    code = LOADED.format(", ".join(modules))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_what_starts_the_processes_loads_no_database() -> None:
    """It does its work beside an API process that loads, on as few cores as there are."""
    heavy = {"sqlalchemy", "sqlmodel", "fastapi", "alembic", "numpy", "asyncpg"}
    assert not _loaded("cli.main", "cli.card", "kit.crypto") & heavy


@pytest.mark.slow
def test_a_process_serves_before_it_loads_what_is_seldom_called() -> None:
    seldom = {"api.seldom", "xlsxwriter", "jinja2", "typst", "shapely", "yaml", "segno"}
    assert not _loaded("api.serving") & seldom
