"""A public generator makes a client of the checked-in contract, whole and without a word; it works."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.settings import Settings
from tests import make as m
from tests.slow.fuzzing import Running, served
from tests.slow.service import ROOT

pytestmark = pytest.mark.slow

DOCS = ROOT / "docs"
NAME = "syt_api_generated"
Call = Any


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made as the first lines of the generator's configuration say."""
    folder = tmp_path_factory.mktemp("generated")
    done = subprocess.run(
        [
            Path(sys.prefix) / "bin" / "openapi-python-client", "generate", "--path", DOCS / "openapi.json",
            "--config", DOCS / "openapi-python-client.yaml", "--meta", "none", "--output-path", folder / NAME,
        ],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert "WARNING" not in said, said
    assert "Unable" not in said, said
    return folder


@pytest.fixture(scope="module")
def api(folder: Path) -> Iterator[Call]:
    """Its modules by their names."""
    sys.path.insert(0, str(folder))
    yield lambda name: importlib.import_module(f"{NAME}.{name}")
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def running(settings: Settings) -> Iterator[Running]:
    with served(settings) as running:
        yield running


def test_each_operation_has_become_one(folder: Path, running: Running) -> None:
    names = {
        operation["operationId"]
        for methods in running.app.openapi()["paths"].values()
        for operation in methods.values()
    }
    made = {path.stem for path in (folder / NAME / "api").glob("*/*.py")} - {"__init__"}
    assert names == made


def caller(api: Call, running: Running, token: str) -> Any:
    """A client that ends with its `with`."""
    return api("client").AuthenticatedClient(base_url=running.url, token=token)


def tellers_token(running: Running) -> str:
    return running.callers["a teller"]["Authorization"].removeprefix("Bearer ")


def test_a_teller_reads_hands_in_and_follows(api: Call, running: Running) -> None:
    wanted = api("models").ApplicationSubmit.from_dict(m.body())
    submit = api("api.applications.submit_application")
    with caller(api, running, tellers_token(running)) as client:
        guide = api("api.matters.get_guide").sync(matter=m.RECORD, client=client)
        made = submit.sync(client=client, body=wanted, idempotency_key=m.key())
        found = api("api.applications.get_application").sync(made.number, client=client)
        listed = api("api.applications.list_applications").sync(client=client, limit=1)
    assert guide.name
    assert guide.outlet.delegation == "D3"
    assert made.state == "accepted"
    assert (found.number, found.version) == (made.number, made.version)
    assert [item.number for item in listed.items] == [made.number]


def test_what_is_refused_is_a_problem_with_its_faults(api: Call, running: Running) -> None:
    wanted = api("models").ApplicationSubmit.from_dict(m.body(materials=[], form={}))
    submit = api("api.applications.submit_application")
    with caller(api, running, tellers_token(running)) as client:
        answer = submit.sync_detailed(client=client, body=wanted, idempotency_key=m.key())
    assert answer.status_code == 422
    assert answer.parsed.code == "content-invalid"
    assert len(answer.parsed.errors) > 1
    with caller(api, running, "none") as stranger:
        refused = submit.sync(client=stranger, body=wanted, idempotency_key=m.key())
    assert refused.code == "token-invalid"
