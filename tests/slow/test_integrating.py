"""Every command of the guide for banks is run, as it stands there, against a sandbox."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rehearsal.journal import Journal
from rehearsal.session import Place, relaying
from tests.slow.conftest import Made, _copy
from tests.slow.service import ROOT, Service, environment, new_home, running, syt

pytestmark = pytest.mark.slow

GUIDE = (ROOT / "docs" / "integrating.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SECONDS = 180


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(GUIDE) if kind == language]


@pytest.fixture(scope="module")
def sandbox(made: Made) -> Iterator[Service]:
    """Started by the guide's own line, with the simulated core that comes along."""
    assert ".venv/bin/syt demo --sandbox" in blocks("console")[0]
    with new_home() as home:
        _copy(made, home)
        with running(home, "demo", "--sandbox", env={"SYT_CORES": ""}) as service:
            yield service


def placed(script: str, service: Service, folder: Path) -> str:
    """Put this sandbox in the place of the reader's own; nothing else is changed."""
    places = {
        "http://127.0.0.1:8000": service.url, "var/demo.json": str(service.home / "demo.json"),
        "W=var/first": f"W={folder}", ".venv/bin/": f"{Path(sys.prefix) / 'bin'}/",
    }  # fmt: skip
    for theirs, ours in places.items():
        script = script.replace(theirs, ours)
    return script


def test_nothing_but_commands_and_the_start_stands_in_blocks() -> None:
    assert {kind for kind, _ in BLOCK.findall(GUIDE)} <= {"sh", "console", "python"}
    assert len(blocks("console")) == 1


KIT = [sys.executable, "-m", "cli.main", "conformance"]
CLIENT = [sys.executable, "-m", "tests.terminal_of_a_bank"]


def test_a_terminal_that_does_right_passes_the_kit(sandbox: Service, tmp_path: Path) -> None:
    """With real processes, real faults and the simulated core: away for one applicant, slow for another."""
    report = tmp_path / "report.json"
    done = subprocess.run(
        [
            *KIT, sandbox.url, "--listen", "127.0.0.1:0", "--report", str(report), "--",
            *CLIENT, str(sandbox.home / "demo.json"),
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False,
        env=environment(tmp_path / "nothing"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(report.read_text())
    assert {rule["verdict"] for rule in told["rules"]} == {"kept"}
    assert {call["fault"] for call in told["calls"]} > {"answer_lost", "receipt_tampered"}


def test_no_sandbox_is_said_in_one_line(tmp_path: Path) -> None:
    done = syt(tmp_path, "conformance", "http://127.0.0.1:9", "--listen", "127.0.0.1:0")
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1)
    assert "no sandbox answers" in done.stderr


def test_from_a_key_to_the_first_application(sandbox: Service, tmp_path: Path) -> None:
    script = "\n".join(["set -euo pipefail", *blocks("sh")])
    done = subprocess.run(
        ["bash", "-c", placed(script, sandbox, tmp_path)], cwd=ROOT, capture_output=True, text=True,
        timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for told in ("终端号", "办件编号", "content-invalid", "验真通过", "delivered"):
        assert told in done.stdout
    assert (tmp_path / "STL.pdf").read_bytes().startswith(b"%PDF-")


async def test_a_stream_is_passed_on_as_it_comes(sandbox: Service) -> None:
    """It has no end: who waited for that would wait for ever."""
    journal, who = Journal(), sandbox.person("reviewer")
    asked = {**who, "Accept": "text/event-stream"}
    async with (
        relaying(sandbox.url, Place("127.0.0.1", 0), journal) as place,
        httpx.AsyncClient(timeout=20) as http,
        http.stream("GET", f"{place.url}/v1/events", headers=asked) as answer,
    ):
        first = await anext(answer.aiter_lines())
    assert (answer.status_code, first) == (200, "retry: 2000")
    assert [exchange.path for exchange in journal] == ["/v1/events"]


def test_the_same_by_the_sdk(sandbox: Service, tmp_path: Path) -> None:
    (program,) = blocks("python")
    program = placed(program, sandbox, tmp_path).replace('"var/first"', repr(str(tmp_path)))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=SECONDS,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "delivered"
    assert (tmp_path / "SDK-STL.pdf").read_bytes().startswith(b"%PDF-")
