"""The core, the service and the background process are killed while matters are completed in one call."""

import contextlib
import itertools
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.home import cluster_of
from kit.embedded import DATABASE, SERVICE
from simulated_core.rules import MISBEHAVING, Fault
from tests import make
from tests.make import IDS
from tests.slow.service import Service, running, wait_for

pytestmark = pytest.mark.slow

SIMULATED = {"SYT_CORES": ""}
"""Unset: the demonstration starts the simulated core."""

HELD = "SELECT application, reference FROM simulated_core.completion"
ANSWERED = [person for person, fault in MISBEHAVING.items() if fault is not Fault.ERROR]
"""Sample applicants of whom the core tells in the end, however it misbehaves; of the others it never does."""

OURS = "SELECT application, state, coalesce(reference, '-') FROM core_call"


def hand_in(client: httpx.Client, headers: dict[str, str], key: str, number: str) -> Any:
    """Hand in until it is acknowledged."""
    applicant = {**make.body()["applicant"], "id_number": number}
    body, told = make.body(applicant=applicant), {**headers, "Idempotency-Key": key}
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            answer = client.post("/v1/applications", json=body, headers=told)
        except httpx.TransportError:
            answer = None
        if answer is not None and answer.status_code == 201:
            return answer.json()
        assert answer is None or answer.status_code in (429, 503), answer.text
        time.sleep(0.1)
    raise AssertionError("never acknowledged")


def lines(home: Path, sql: str) -> list[list[str]]:
    said = cluster_of(home).psql(sql, role=SERVICE, database=DATABASE)
    return [line.split("|") for line in said.splitlines() if line]


def is_settled(home: Path) -> bool:
    return {state for _, state, _ in lines(home, OURS)} == {"done"}


def kill_one(service: Service, module: str) -> None:
    for pid in service.children(module)[:1]:
        os.kill(pid, signal.SIGKILL)


class Crowd:
    """Tellers who hand in without pause, each application twice, sample applicants of all kinds."""

    def __init__(self, service: Service) -> None:
        self._service, self._headers = service, service.teller()
        self._over, self._chance = threading.Event(), random.Random(7)
        self.made: list[tuple[Any, Any]] = []

    def _work(self, nth: int) -> None:
        with httpx.Client(base_url=self._service.url, timeout=15) as client:
            for count in itertools.count():
                if self._over.is_set():
                    return
                key, number = f"killed-{nth}-{count}", self._chance.choice([*IDS, *ANSWERED])
                first = hand_in(client, self._headers, key, number)
                self.made.append((first, hand_in(client, self._headers, key, number)))

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._work, args=(nth,)) for nth in range(4)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join(120)
        assert not any(thread.is_alive() for thread in threads)


def test_whatever_is_killed_each_is_completed_once_and_told_right(spare: Path) -> None:
    with running(spare, "demo", env=SIMULATED) as service:
        crowd = Crowd(service)
        with crowd.at_work():
            for module in ("simulated_core", "worker", "simulated_core", "api", "simulated_core"):
                time.sleep(2.5)
                kill_one(service, module)
            time.sleep(2)
        assert len(crowd.made) > 20
        wait_for(lambda: is_settled(spare), 150)
        ours = {number: reference for number, _, reference in lines(spare, OURS)}
        held = lines(spare, HELD)
        assert sorted(held) == sorted([number, reference] for number, reference in ours.items())
        assert {first["number"] for first, _ in crowd.made} == set(ours)
        with httpx.Client(base_url=service.url, headers=service.teller(), timeout=15) as client:
            for first, again in crowd.made:
                now = client.get(f"/v1/applications/{first['number']}").json()
                is_told_right(first, now, ours)
                is_told_right(again, now, ours)


def is_told_right(told: Any, now: Any, ours: dict[str, str]) -> None:
    """What was answered was so, or is so now: never another result, never one that did not come."""
    reference = ours[told["number"]]
    assert now["state"] == "completed"
    assert now["result"]["core_reference"] == reference
    assert (told["state"], told["result"] is None) in {("accepted", True), ("completed", False)}
    if told["result"] is not None:
        assert told["result"]["core_reference"] == reference


def test_with_the_core_stopped_all_is_kept_and_finished_when_it_goes_on(spare: Path) -> None:
    with running(spare, "demo", env=SIMULATED) as service:
        headers = service.teller()
        with httpx.Client(base_url=service.url, timeout=15) as client:
            (core,) = wait_for(lambda: service.children("simulated_core"))
            os.kill(core, signal.SIGSTOP)
            try:
                kept = [hand_in(client, headers, f"stopped-{n}", IDS[0]) for n in range(8)]
            finally:
                os.kill(core, signal.SIGCONT)
            assert {one["state"] for one in kept} == {"accepted"}
            assert all(
                "core-away" in {warning["code"] for warning in one["warnings"]} for one in kept
            )
            wait_for(lambda: is_settled(spare), 150)
            for n in range(8):
                again = hand_in(client, headers, f"stopped-{n}", IDS[0])
                assert (again["state"], again["decided_by"]) == ("completed", "system")
        assert len(lines(spare, HELD)) == 8
