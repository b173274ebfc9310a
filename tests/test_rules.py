"""Rules of the code base that a linter can't know. Each has been seen to fail."""

import ast
import importlib
import importlib.metadata
import pathlib
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from api.body import ContractRoute
from cli.problems import page
from kit.errors import REGISTRY
from migrations.tables import MODULES

ROOT = pathlib.Path(__file__).parent.parent
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: list[str] = CONFIG["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

COMMITS = {"kit/db.py", "migrations/runner.py", "migrations/env.py"}
"""The only transaction boundary, and the migrations, which have their own. Submissions commit in
`applications/intake.py` by a single statement on the driver, with no call of that name."""

FOUR = {"__init__", "models", "queries", "service", "errors"}
OWN_FILES = 6
"""Files that a package may have beside the four; more is a second package."""

NOT_OURS = re.compile(r"utils|helpers|common|constants|misc")


def sources() -> list[pathlib.Path]:
    return [p for name in PACKAGES for p in (ROOT / name).rglob("*.py")]


@cache
def parsed(path: pathlib.Path) -> ast.Module:
    return ast.parse(path.read_text())


def test_the_wheel_names_every_package() -> None:
    found = {p.parent.name for p in ROOT.glob("*/__init__.py")} - {"tests", "bench", "torture"}
    assert set(PACKAGES) == found
    assert set(CONFIG["tool"]["importlinter"]["root_packages"]) == found


def test_every_package_reaches_the_image() -> None:
    """What the build does not see it can't install: the service would end at its first import."""
    seen = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    assert set(PACKAGES) | {"data"} <= seen


def test_every_table_is_known_to_the_migrations() -> None:
    """A table that nobody loads would be dropped by the next migration that is made."""
    found = {
        ".".join(p.relative_to(ROOT).with_suffix("").parts)
        for p in sources()
        if re.search(r"^class .*table=True\)", p.read_text(), re.MULTILINE)
    }
    assert found == set(MODULES)


def test_only_one_place_commits() -> None:
    found = {
        str(p.relative_to(ROOT))
        for p in sources()
        for node in ast.walk(parsed(p))
        if isinstance(node, ast.Attribute) and node.attr in {"commit", "begin", "rollback"}
    }
    assert found <= COMMITS, found - COMMITS
    assert "kit/db.py" in found


def test_sql_stands_in_queries() -> None:
    """`session.exec` is called where statements are kept, and nowhere in services or routes."""
    found = {
        str(p.relative_to(ROOT))
        for p in sources()
        if p.name in ("service.py", "rules.py", "permissions.py") or "routes" in p.parts
        for node in ast.walk(parsed(p))
        if isinstance(node, ast.Attribute) and node.attr == "exec"
    }
    assert found == set()


distributions = cache(importlib.metadata.packages_distributions)
"""Reads what each distribution holds: seconds."""


@pytest.mark.parametrize("name", PACKAGES)
def test_package_is_ours(name: str) -> None:
    """A generic top-level name must hide no module of Python's and none of a dependency's."""
    assert name not in sys.stdlib_module_names
    assert set(distributions().get(name, [])) <= {"syt"}
    assert pathlib.Path(importlib.import_module(name).__file__ or "").is_relative_to(ROOT)


def test_files_have_the_four_names_and_few_of_their_own() -> None:
    for package in {
        "access",
        "agencies",
        "divisions",
        "events",
        "files",
        "matters",
        "outlets",
        "publishing",
        "routing",
    }:
        own = {p.stem for p in (ROOT / package).glob("*.py")} - FOUR
        assert len(own) <= OWN_FILES, (package, own)
    assert not [p for p in sources() if NOT_OURS.search(p.stem)]


def test_functions_are_short() -> None:
    """Median at most 10 lines, 95 of 100 at most 30, none over 60."""
    lengths = sorted(
        (node.end_lineno or 0) - node.lineno + 1
        for p in sources()
        if "versions" not in p.parts
        for node in ast.walk(parsed(p))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert lengths[len(lengths) // 2] <= 10
    assert lengths[int(len(lengths) * 0.95)] <= 30
    assert lengths[-1] <= 60


def test_routes_and_dependencies_are_coroutines() -> None:
    """A plain function costs a hop to a thread on every request."""
    plain = [
        f"{p.name}:{node.name}"
        for p in (ROOT / "api" / "routes").glob("*.py")
        for node in parsed(p).body
        if isinstance(node, ast.FunctionDef) and node.decorator_list
    ]
    assert plain == []


def test_no_operation_is_hidden_and_all_keep_the_order(app: FastAPI) -> None:
    """A route outside the document would escape the sweep; one of another class the order of checks."""
    routes = [
        c.original_route
        for c in iter_route_contexts(app.routes)
        if isinstance(c.original_route, APIRoute)
    ]
    assert len(routes) > 15
    assert [r.path for r in routes if not r.include_in_schema] == []
    ours = [r for r in routes if r.path.startswith("/v1")]
    assert [r.path for r in ours if not isinstance(r, ContractRoute)] == []


def test_queries_are_models_that_refuse_unknown_names(app: FastAPI) -> None:
    """A filter with a slip of the pen would find everything."""

    def asked(dependant: Any) -> Iterator[Any]:
        yield from (field.field_info.annotation for field in dependant.query_params)
        for part in dependant.dependencies:
            yield from asked(part)

    loose = [
        c.original_route.path
        for c in iter_route_contexts(app.routes)
        if isinstance(c.original_route, APIRoute)
        for model in asked(c.original_route.dependant)
        if getattr(model, "model_config", {}).get("extra") != "forbid"
    ]
    assert loose == []


def test_every_problem_says_what_to_do() -> None:
    for code, problem in REGISTRY.items():
        assert re.fullmatch(r"[a-z][a-z-]{2,40}", code)
        assert all(problem.title), code
        assert all(problem.advice), code


def test_the_page_of_problems_is_current() -> None:
    """Make it anew with `python -m cli.problems > docs/problems.md`."""
    assert (ROOT / "docs" / "problems.md").read_text() == page()


def test_locked_requirements_name_no_index_and_hash_all() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text()
        assert "index" not in text
        assert "://" not in text
        pins = re.findall(r"^[a-z0-9._-]+==", text, re.MULTILINE | re.IGNORECASE)
        assert len(pins) > 40
        assert len(
            re.findall(r"^[a-z0-9._-]+==[^\n]*\\\n    --hash", text, re.MULTILINE | re.IGNORECASE)
        ) == len(pins)
