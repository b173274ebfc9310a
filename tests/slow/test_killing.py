"""Power cuts in small: whatever is killed, nothing acknowledged is lost and everything runs again."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from cli.home import cluster_of
from kit.embedded import DATABASE
from tests import make
from tests.slow.service import Service, assert_all_gone, processes, running, starting, wait_for

pytestmark = pytest.mark.slow

THREADS = 4


@dataclass
class Load:
    """Submissions without pause, and what became of them."""

    service: Service
    headers: dict[str, str]
    acknowledged: dict[str, str] = field(default_factory=dict)
    """Idempotency key → number."""

    statuses: list[int] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)

    def submit(self, client: httpx.Client, key: str) -> httpx.Response | None:
        headers = {**self.headers, "Idempotency-Key": key}
        with contextlib.suppress(httpx.TransportError):
            answer = client.post("/v1/applications", json=make.body(), headers=headers)
            self.statuses.append(answer.status_code)
            if answer.status_code == 201:
                self.acknowledged[key] = answer.json()["number"]
            return answer
        return None

    def submit_in_the_end(self, client: httpx.Client, key: str) -> httpx.Response:
        """Submit; later again while it is told to: too often, or rights were last read before a cut."""
        deadline = time.monotonic() + 20
        while True:
            answer = self.submit(client, key)
            assert answer is not None
            if answer.status_code not in (429, 503) or time.monotonic() > deadline:
                return answer
            time.sleep(0.2)

    @contextlib.contextmanager
    def going_on(self) -> Iterator[threading.Event]:
        """Submit in the background until the block ends."""
        over = threading.Event()

        def work() -> None:
            with httpx.Client(base_url=self.service.url, timeout=30) as client:
                while not over.is_set():
                    key = make.key()
                    self.tried.append(key)
                    answer = self.submit(client, key)
                    if answer is None or answer.status_code != 201:
                        time.sleep(0.05)

        threads = [threading.Thread(target=work) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        try:
            yield over
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def assert_kept_once(self) -> None:
        """Every acknowledged one is there, once; a repeat of any, acknowledged or not, makes no second."""
        assert self.acknowledged
        known = dict(self.acknowledged)
        unsure = [key for key in self.tried if key not in known]
        with httpx.Client(base_url=self.service.url, timeout=30) as client:
            for key in [*list(known)[-50:], *unsure[-20:]]:
                answer = self.submit_in_the_end(client, key)
                assert answer.status_code == 201, answer.text
                if key in known:
                    assert answer.headers["Idempotent-Replayed"] == "true"
                    assert answer.json()["number"] == known[key]
        numbers = "', '".join(known.values())
        cluster = cluster_of(self.service.home)
        told = cluster.psql(
            f"SELECT count(*), count(DISTINCT idempotency_key) FROM application WHERE number IN ('{numbers}')",
            database=DATABASE,
        )
        assert told == f"{len(known)}|{len(known)}"


def enough(load: Load) -> None:
    before = len(load.acknowledged)
    wait_for(lambda: len(load.acknowledged) > before + 100)


def test_a_killed_parent_loses_nothing_and_can_be_started_again(spare: Path) -> None:
    with running(spare, "demo") as service:
        load = Load(service, service.teller())
        with load.going_on() as over:
            enough(load)
            old = set(service.children("api") + service.children("worker"))
            assert len(old) == 2
            service.kill()
            with running(spare, "demo", port=service.port) as again:
                enough(load)
                assert not old & set(processes(spare))
                over.set()
                load.assert_kept_once()
                assert again.stop() == 0
    assert_all_gone(spare)


def test_a_parent_killed_in_its_start_leaves_no_child(spare: Path) -> None:
    with starting(spare, "serve") as service:
        wait_for(lambda: service.children("api"))
        service.kill()
        wait_for(lambda: not service.children("api"))
    with running(spare, "serve") as again:
        assert again.stop() == 0
    assert_all_gone(spare)


def test_a_killed_child_is_started_again(spare: Path) -> None:
    with running(spare, "demo") as service:
        for module in ("worker", "api"):
            (old,) = service.children(module)
            os.kill(old, signal.SIGKILL)
            wait_for(lambda: set(service.children(module)) - {old})  # noqa: B023 -- called at once
        wait_for(service.is_ready)
        load = Load(service, service.teller())
        with load.going_on():
            enough(load)
        assert service.stop() == 0
    assert_all_gone(spare)


def test_a_killed_database_is_started_again_and_never_a_500(spare: Path) -> None:
    with running(spare, "demo") as service:
        load = Load(service, service.teller())
        pid = int((spare / "pg" / "postmaster.pid").read_text().splitlines()[0])
        with load.going_on():
            enough(load)
            at = len(load.statuses)
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: 201 in load.statuses[at + 50 :], 30)
            enough(load)
        assert set(load.statuses) <= {201, 429, 503}
        assert "runs again" in service.said()
        wait_for(service.is_ready)
        load.assert_kept_once()
        assert service.stop() == 0
    assert_all_gone(spare)


def test_while_the_database_is_away_every_call_is_a_503(spare: Path) -> None:
    """Ended cleanly, it takes its socket with it; the parent, which would start it again, stands still."""
    with running(spare, "demo") as service:
        teller = service.teller()
        cluster = cluster_of(spare)
        os.kill(service.process.pid, signal.SIGSTOP)  # It would start the database again.
        try:
            cluster.stop()
            with httpx.Client(base_url=service.url, headers=teller, timeout=30) as client:
                assert client.get("/health/live").status_code == 200
                for path in ("/health/ready", "/v1/applications", "/v1/events"):
                    answer = client.get(path)
                    assert answer.status_code == 503, (path, answer.text)
                    assert "Retry-After" in answer.headers
                key = {"Idempotency-Key": make.key()}
                answer = client.post("/v1/applications", json=make.body(), headers=key)
                assert answer.status_code == 503, answer.text
        finally:
            os.kill(service.process.pid, signal.SIGCONT)
        wait_for(service.is_ready)
        load = Load(service, service.teller())
        with load.going_on():
            enough(load)
        assert service.stop() == 0
    assert_all_gone(spare)
