"""Dashboards and alerts ask for figures that are there, and the alerts fire when they should."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.state import State
from connectors.client import HttpCore
from connectors.cores import Cores
from kit.settings import CoreSystem
from tests import make as m
from tests.make import Make
from worker.__main__ import TASKS
from worker.cores import Finishing
from worker.life import Office

ROOT = Path(__file__).parent.parent
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")

FOREIGN = {"up", "instance"}
"""What Prometheus itself makes."""

LISTS = re.compile(
    r""""[^"]*" | \[[^]]*\] | \{[^}]*\}                             # texts, ranges, matchers
    | \b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)  # lists of labels""",
    re.VERBOSE,
)
WORDS = re.compile(
    r"\b[a-z_0-9]+\s*(?=\() | \b(and|or|unless|bool|offset)\b | \b[0-9][0-9.]*[a-z]*\b",
    re.VERBOSE,
)
"""Functions, which are told by their bracket, and all else that is no name."""
MATCHERS = re.compile(r"\{([^}]*)\}")
LISTED = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")


def names(expression: str) -> set[str]:
    """The metrics that an expression reads."""
    return set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", WORDS.sub(" ", LISTS.sub(" ", expression))))


def labels(expression: str) -> set[str]:
    """The labels that an expression speaks of."""
    matched = re.findall(r"(\w+)\s*(?:=|!=|=~|!~)", " ".join(MATCHERS.findall(expression)))
    return {*matched, *re.findall(r"\w+", " ".join(LISTED.findall(expression)))}


def rules() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        yield from group["rules"]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def panels() -> Iterator[tuple[str, str]]:
    """Every question of every dashboard, with the panel's title."""
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                yield panel["title"], target["expr"]


def asked() -> list[tuple[str, str]]:
    return [*panels(), *((r.get("alert") or r["record"], r["expr"]) for r in rules())]


@pytest.fixture(scope="module")
def recorded() -> set[str]:
    return {rule["record"] for rule in rules() if "record" in rule}


async def at_cores(state: State) -> None:
    """Have a core asked, as the background process has where there is one."""

    async def none_there(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(status_code=404)(scope, receive, send)

    system = CoreSystem(
        name="core-of-a-test", url="https://core.test", agencies=frozenset({"330106"}),
        matters=frozenset({m.RECORD}),
    )  # fmt: skip
    core = HttpCore(system, httpx.ASGITransport(app=none_there))
    assert await core.find("SYT-000001-1", 5) is None
    finishing = Finishing(Office(state.sessions, state.keys), Cores([system], [core]))
    await finishing.watch(state.sessions)
    await core.close()


@pytest.fixture
async def shown(http: httpx.AsyncClient, make: Make, state: State) -> dict[str, set[str]]:
    """What a service shows that has done all it does, with the labels."""
    assert (await m.submit(http, make.teller(await make.place()))).status_code == 201
    await at_cores(state)
    for task in TASKS:
        await task.once(state.sessions)
    text = (await http.get("/metrics")).text
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_names_are_told_from_all_else() -> None:
    expression = (
        'sum by (le, route) (rate(syt_a_bucket{x="syt_b"}[5m])) / on (pool) group_left () syt_c > 0.5'
        " and syt_d offset 5m unless absent(up)"
    )
    assert names(expression) == {"syt_a_bucket", "syt_c", "syt_d", "up"}
    assert labels(expression) == {"le", "route", "x", "pool"}


def test_there_is_something_to_ask() -> None:
    assert len(alerts()) >= 10
    assert len(list(panels())) >= 10


async def test_every_figure_asked_for_is_shown(
    shown: dict[str, set[str]], recorded: set[str]
) -> None:
    known = FOREIGN | recorded | shown.keys()
    missing = {(title, n) for title, e in asked() for n in names(e) - known}
    assert not missing


async def test_every_label_asked_for_is_there(shown: dict[str, set[str]]) -> None:
    for title, expression in asked():
        there = {"job", "instance", "severity"}.union(
            *(shown.get(name, set()) for name in names(expression))
        )
        assert labels(expression) <= there, title


async def test_every_figure_of_ours_is_looked_at(shown: dict[str, set[str]]) -> None:
    """A figure that nobody asks for is one too many."""
    used = {n for _, expression in asked() for n in names(expression)}
    stems = {re.sub(r"_(bucket|sum|count|created|total)$", "", n) for n in shown}
    ours = {stem for stem in stems if stem.startswith("syt_")}
    assert ours - {re.sub(r"_(bucket|sum|count|total)$", "", n) for n in used} == set()


async def test_no_label_tells_of_a_person_or_grows_without_end(
    shown: dict[str, set[str]],
) -> None:
    held = set().union(*(found for name, found in shown.items() if name.startswith("syt_")))
    assert held <= {
        "method", "route", "status", "le", "pool", "task", "light", "waiting_for", "part",
        "rule", "core", "call", "outcome",
    }  # fmt: skip


class TestAlerts:
    @pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
    def test_says_how_bad_it_is_and_what_to_do(self, rule: dict[str, Any]) -> None:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert re.search("[一-鿿]", rule["annotations"]["summary"])
        page, _, section = rule["annotations"]["runbook"].partition("#")
        assert (ROOT / page).is_file()
        headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
        assert section in {heading.lower() for heading in headings}
        assert section == rule["alert"].lower()

    @needs_promtool
    def test_promtool_takes_them(self) -> None:
        run_promtool("check", "rules", "--lint-fatal", str(RULES))

    @needs_promtool
    @pytest.mark.slow
    def test_they_fire_when_they_should(self) -> None:
        run_promtool("test", "rules", str(RULES.parent / "alerts_test.yml"))

    def test_each_is_tried(self) -> None:
        tried = yaml.safe_load((RULES.parent / "alerts_test.yml").read_text())["tests"]
        fired = {
            case["alertname"]
            for test in tried
            for case in test.get("alert_rule_test", ())
            if case.get("exp_alerts")
        }
        assert fired == {rule["alert"] for rule in alerts()}


class TestDashboards:
    @needs_promtool
    def test_every_question_is_promql(self, tmp_path: Path) -> None:
        """As rules, since `promtool` reads nothing else; Grafana's own variable replaced."""
        found = [
            {"record": f"panel:{n}", "expr": expression.replace("$__rate_interval", "5m")}
            for n, (_, expression) in enumerate(panels())
        ]
        path = tmp_path / "panels.yml"
        path.write_text(json.dumps({"groups": [{"name": "panels", "rules": found}]}))
        run_promtool("check", "rules", str(path))

    def test_ids_and_places_are_each_its_own(self) -> None:
        for path in DASHBOARDS:
            board = json.loads(path.read_text())
            ids = [panel["id"] for panel in board["panels"]]
            places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in board["panels"]]
            assert len(set(ids)) == len(set(places)) == len(ids)
            assert board["uid"]


@needs_promtool
def test_promtool_takes_the_configuration() -> None:
    run_promtool("check", "config", str(RULES.parent / "prometheus.yml"))


def run_promtool(*arguments: str) -> None:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
