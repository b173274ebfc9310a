"""What a killed worker had under way is taken up by the next, once, and soon."""

import os
import signal
import time
from pathlib import Path

import httpx
import pytest

from cli.home import cluster_of
from kit.embedded import DATABASE
from tests import make
from tests.slow.service import Service, assert_all_gone, running, wait_for

pytestmark = pytest.mark.slow

COUNT, MINUTE = 300, 60.0

COPIES = f"""
    INSERT INTO application SELECT (jsonb_populate_record(a, jsonb_build_object(
        'number', left(a.number, 20) || lpad(n::text, 9, '0') || 'X',
        'idempotency_key', 'copied-' || n, 'due_on', current_date - 3))).*
    FROM application a, generate_series(1, {COUNT}) n WHERE a.number = '%s'
"""
"""Applications about which nobody told anything in time: accepted by themselves, from the day of receipt."""

WAITING = (
    "SELECT count(*) FROM application WHERE idempotency_key LIKE 'copied-%' AND state = 'received'"
)
DEEMED = """
    SELECT count(*), count(DISTINCT e.application), min(a.version), max(a.version)
    FROM event e JOIN application a ON a.number = e.application
    WHERE e.kind = 'application.deemed_accepted' AND a.idempotency_key LIKE 'copied-%'
"""


def received(service: Service) -> str:
    with httpx.Client(base_url=service.url, headers=service.teller(), timeout=30) as client:
        key = {"Idempotency-Key": make.key()}
        answer = client.post("/v1/applications", json=make.body(accept=False), headers=key)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["number"])


def killed(service: Service) -> None:
    """Kill each worker that comes, some times over: while it starts, while it works, after it did."""
    for pause in (0.0, 0.3, 1.0):
        (old,) = wait_for(lambda: service.children("worker"))
        time.sleep(pause)
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: set(service.children("worker")) - {old})  # noqa: B023 -- called at once


def test_what_a_killed_worker_left_is_done_once_within_a_minute(spare: Path) -> None:
    with running(spare, "demo") as service:
        cluster = cluster_of(spare)
        number = received(service)
        cluster.psql(COPIES % number, database=DATABASE)
        assert int(cluster.psql(WAITING, database=DATABASE)) > 0
        killed(service)
        wait_for(lambda: cluster.psql(WAITING, database=DATABASE) == "0", MINUTE)
        told = cluster.psql(DEEMED, database=DATABASE)
        assert told == f"{COUNT}|{COUNT}|2|2"
        assert service.stop() == 0
    assert_all_gone(spare)
