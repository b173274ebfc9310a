"""The SDK is a distribution of its own: what it installs is made, and imported away from everything else."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONFIG = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text())
WHOLE = tomllib.loads((ROOT / "pyproject.toml").read_text())
SERVER = set(WHOLE["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) - {
    "client",
    "schemas",
}

TRY = """
import sys
import client, schemas, jsonschema_rs
from client import AsyncClient, Client, Queue, Store, TerminalKey
Client("http://127.0.0.1:1", "t", TerminalKey.generate(), "x").close()
print(client.__file__)
print(schemas.__file__)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `pip install ./client` would put into an environment."""
    folder = tmp_path_factory.mktemp("wheel")
    build = (
        "from hatchling.build import build_wheel; import sys; print(build_wheel(sys.argv[1]))",
    )
    done = subprocess.run(
        [sys.executable, "-c", *build, str(folder)], cwd=ROOT / "client", capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    with zipfile.ZipFile(folder / done.stdout.split()[-1]) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def test_it_holds_its_own_and_the_contracts(installed: Path) -> None:
    found = {p.relative_to(installed).as_posix() for p in installed.rglob("*") if p.is_file()}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in ("client", "schemas")
        for path in (ROOT / package).glob("*.py")
    } | {"client/py.typed", "client/pyproject.toml", "client/README.md"}
    assert {name for name in found if ".dist-info/" not in name} == wanted


def test_it_runs_where_nothing_of_the_service_is(installed: Path) -> None:
    """`-P` and the path before all others keep the working copy out; the dependencies are those it names."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", TRY], cwd=installed, capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(installed)},
    )  # fmt: skip
    own, contracts, modules = done.stdout.splitlines()
    assert Path(own).is_relative_to(installed)
    assert Path(contracts).is_relative_to(installed)
    loaded = set(modules.split())
    assert not loaded & (SERVER | {"fastapi", "starlette", "sqlalchemy", "asyncpg", "orjson"})
    assert {"httpx", "pydantic", "cryptography", "jsonschema_rs"} <= loaded


def test_its_dependencies_are_ranges_that_the_service_has_too() -> None:
    assert set(CONFIG["project"]["dependencies"]) <= set(WHOLE["project"]["dependencies"])
