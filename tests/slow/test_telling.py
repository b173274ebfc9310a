"""Notices reach a gateway that is a process of its own: each once, also where the worker is killed."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.home import cluster_of
from kit.embedded import DATABASE
from tests import make
from tests.slow.service import ROOT, Service, free_port, running, wait_for

pytestmark = pytest.mark.slow
COUNT = 40
SLOW = 0.5
"""Seconds between taking a message and saying so: who is killed then does not know that it was taken."""

SOON = 100.0
"""Seconds for a worker to start and send: the one before it may have had all that was due."""

WITHIN = 200.0
"""Seconds for all: what a killed worker had is another's after a minute, three times over."""

TOLD = "SELECT count(*) FROM notice WHERE state = 'told' AND way = 'sms'"
NOW = "UPDATE notice SET next_at = now() - interval '1 second'"


@contextlib.contextmanager
def gateway() -> Iterator[str]:
    """The simulated gateway; gives its address."""
    port = free_port()
    options = ["--port", str(port), "--slow", "1", "--seconds", str(SLOW)]
    process = subprocess.Popen([sys.executable, "-m", "simulated_gateway", *options], cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: answers(url))
        yield url
    finally:
        process.terminate()
        process.wait(10)


def answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/messages").status_code == 200
    return False


def taken(url: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = httpx.get(f"{url}/messages").json()["messages"]
    return found


def handed_in(service: Service) -> None:
    body: Any = {
        "items": [{"key": make.key(), "application": make.body(accept=False)} for _ in range(COUNT)]
    }
    answer = httpx.post(
        f"{service.url}/v1/applications/batch", json=body, headers=service.teller(), timeout=60
    )
    assert {one["status"] for one in answer.json()["items"]} == {201}, answer.text


def kill_while_it_sends(service: Service, url: str) -> None:
    """Kill the worker as soon as the gateway has taken something new, and wait for the next one."""
    before = len(taken(url))
    (worker,) = wait_for(lambda: service.children("worker"))
    wait_for(lambda: len(taken(url)) > before, SOON)
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: set(service.children("worker")) - {worker}, SOON)


def test_each_notice_is_sent_once_whoever_is_killed(spare: Path) -> None:
    with gateway() as url, running(spare, "demo", env={"SYT_SMS_URL": url}) as service:

        def sql(statement: str) -> str:
            return cluster_of(spare).psql(statement, database=DATABASE)

        handed_in(service)
        wait_for(lambda: sql("SELECT count(*) FROM notice") == str(COUNT), 60)
        assert taken(url) == []  # It may still be handed over at the counter.
        sql(NOW)
        for _ in range(2):
            kill_while_it_sends(service, url)
        wait_for(lambda: sql(TOLD) == str(COUNT), WITHIN)
        messages = taken(url)
        repeats = httpx.get(f"{url}/messages").json()["repeats"]
        assert len({one["id"] for one in messages}) == len(messages) == COUNT
        assert repeats > 0  # What was taken before the kill was sent again, and dropped.
        proofs = set(sql("SELECT proof FROM notice").splitlines())
        assert proofs == {one["message"] for one in messages}
        assert service.stop() == 0
