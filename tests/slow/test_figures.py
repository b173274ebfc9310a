"""The figures of a whole service: several API processes and the worker, told by any of them."""

import os
import time
from pathlib import Path

import httpx
import pytest

from tests import make
from tests.slow.service import Service, running, wait_for
from tests.test_alerts import FOREIGN, asked, names
from tests.test_seeing_in import figures

pytestmark = pytest.mark.slow

ACKNOWLEDGED = "syt_acknowledgement_seconds_count{}"
CONNECTIONS = "syt_pool_connections{pool=requests}"


def shown(service: Service) -> dict[str, float]:
    return figures(httpx.get(f"{service.url}/metrics", timeout=10).text)


def submit(service: Service, times: int) -> None:
    headers = service.teller()
    for _ in range(times):  # Each over a connection of its own: they come to both processes.
        answer = httpx.post(
            f"{service.url}/v1/applications", json=make.body(), timeout=10,
            headers={**headers, "Idempotency-Key": make.key()},
        )  # fmt: skip
        assert answer.status_code == 201, answer.text


def test_they_are_of_all_processes_also_when_one_is_killed(spare: Path) -> None:
    with running(spare, "demo", "--workers", "2") as service:
        submit(service, 20)
        assert shown(service)[ACKNOWLEDGED] == 20
        wait_for(lambda: shown(service).get("syt_task_done_at_seconds{task=watch}"), 40)
        wait_for(lambda: shown(service).get(CONNECTIONS) == 16)
        there = {name.partition("{")[0] for name in shown(service)}
        assert {n for _, e in asked() for n in names(e)} <= there | FOREIGN
        os.kill(service.children("api")[0], 9)
        wait_for(lambda: len(service.children("api")) == 2 and service.is_ready())
        wait_for(lambda: shown(service).get(CONNECTIONS) == 16)
        submit(service, 5)
        found = shown(service)
        assert found[ACKNOWLEDGED] == 25
        assert abs(time.time() - found["syt_generations_looked_at_seconds{}"]) < 60
        assert service.stop() == 0
