"""The service as it is deployed: everything goes through the balancer, and parts go away while it does."""

import contextlib
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from tests import make
from tests.slow.service import ROOT, wait_for
from tests.slow.topology import BUCKET, HAPROXY, NEEDED, Topology, topology

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed: apt-get install haproxy"),
]

SCAN = b"\xff\xd8\xff" + "扫描件 scan in clear".encode() * 40_000
GUIDE = f"/v1/matters/{make.RECORD}/guide"
CLIENTS = 4
PACE = 0.05
"""Seconds between two calls of a client: a terminal may make 100 a second."""

AGAIN = frozenset({502, 503, 504})


@pytest.fixture(scope="module")
def whole() -> Iterator[Topology]:
    with topology() as made:
        yield made


@pytest.fixture
def http(whole: Topology) -> Iterator[httpx.Client]:
    with whole.client() as client:
        yield client


@dataclass
class Crowd:
    """Clients that sign in, submit and look up without pause, and repeat what a client may repeat.

    The balancer itself repeats look-ups and submissions, whose key makes that safe; signing in it never
    does, so there alone it would show that a process went without a word.
    """

    whole: Topology
    headers: dict[str, str]
    acknowledged: dict[str, str] = field(default_factory=dict)
    """Idempotency key → number."""

    again: Counter[str] = field(default_factory=Counter)
    """How often a call had to be made again, by what came instead of an answer."""

    failed: list[tuple[int, str]] = field(default_factory=list)
    looked_up: int = 0

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        """Let them work until the block ends; each finishes what it has begun."""
        over = threading.Event()
        threads = [threading.Thread(target=self._work, args=(over,)) for _ in range(CLIENTS)]
        threads.append(threading.Thread(target=self._forget, args=(over,)))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def _work(self, over: threading.Event) -> None:
        with self.whole.client() as client:
            while not over.is_set():
                self._sign_in(client)
                self._submit(client)
                if self._in_the_end(client, "GET", GUIDE).status_code == 200:
                    self.looked_up += 1
                time.sleep(PACE)

    def _forget(self, over: threading.Event) -> None:
        """Forget how often they have signed in: one terminal gets sixty tokens in five minutes."""
        while not over.wait(0.5):
            self.whole.forget_attempts()

    def _sign_in(self, client: httpx.Client) -> None:
        """Sign in, at each try by an assertion of its own: one that was taken is taken no more."""
        self._in_the_end(
            client, "POST", "/v1/oauth/token", anew=lambda: {"data": self.whole.sign_in_form()}
        )

    def _submit(self, client: httpx.Client) -> None:
        key = make.key()
        headers = {"Idempotency-Key": key}
        answer = self._in_the_end(
            client, "POST", "/v1/applications", json=make.body(), headers=headers
        )
        if answer.status_code == 201:
            self.acknowledged[key] = answer.json()["number"]

    def _in_the_end(
        self, client: httpx.Client, method: str, path: str, *,
        anew: Callable[[], dict[str, Any]] = dict, **more: Any,
    ) -> httpx.Response:  # fmt: skip
        """Call until there is an answer, for half a minute; note all that was not well."""
        headers = {**self.headers, **more.pop("headers", {})}
        deadline = time.monotonic() + 30
        while True:
            answer = self._once(client, method, path, headers=headers, **more, **anew())
            if answer.status_code not in AGAIN or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        if not answer.is_success:
            self.failed.append((answer.status_code, answer.text))
        return answer

    def _once(self, client: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response:
        """Call once; a connection that broke counts as a 502."""
        try:
            answer = client.request(method, path, **more)
        except httpx.TransportError as error:
            self.again[type(error).__name__] += 1
            return httpx.Response(502)
        if answer.status_code in AGAIN:
            self.again[f"{method} {answer.status_code}"] += 1
        return answer

    def enough(self, count: int = 60) -> None:
        """Wait until they got on."""
        before = len(self.acknowledged)
        wait_for(lambda: len(self.acknowledged) >= before + count, 40)

    def report(self) -> None:
        """Say what they did."""
        made, again = len(self.acknowledged), dict(self.again)
        sys.stdout.write(f"{made} kept, {self.looked_up} looked up, made again: {again}\n")

    def assert_all_kept_once(self) -> None:
        """Every call got its answer in the end, and each application is there once, also in the feed."""
        assert self.failed == []
        numbers = set(self.acknowledged.values())
        assert len(numbers) == len(self.acknowledged)
        keys = "', '".join(self.acknowledged)
        count = self.whole.sql(
            f"SELECT count(*), count(DISTINCT number) FROM application WHERE idempotency_key IN ('{keys}')"
        )
        assert count == f"{len(numbers)}|{len(numbers)}"
        wait_for(lambda: numbers <= set(self._told()))
        told = Counter(self._told())
        assert {number: told[number] for number in numbers} == dict.fromkeys(numbers, 1)

    def _told(self) -> list[str]:
        """Read the whole feed: the numbers of which it says that they were received."""
        found: list[str] = []
        after: dict[str, str] = {}
        with self.whole.client() as client:
            while True:
                page = client.get(
                    "/v1/events", params={"limit": 200, **after}, headers=self.headers
                )
                assert page.status_code == 200, page.text
                items = page.json()["items"]
                if not items:
                    return found
                found += [i["application"] for i in items if i["kind"] == "application.received"]
                after = {"after": page.json()["next"]}


class TestOneApplication:
    def test_goes_its_way_through_the_balancer(self, whole: Topology, http: httpx.Client) -> None:
        who = whole.teller(http)
        assert http.get(GUIDE, headers=who).status_code == 200
        given = http.post("/v1/files", files={"file": ("id.jpg", SCAN)}, headers=who)
        assert given.status_code == 201, given.text
        materials = [{"code": "id_card", "file": given.json()["file"]}]
        answer = http.post(
            "/v1/applications", json=make.body(materials=materials),
            headers={**who, "Idempotency-Key": make.key()},
        )  # fmt: skip
        assert answer.status_code == 201, answer.text
        number = answer.json()["number"]
        state = self._decide(whole, http, number)
        wait_for(lambda: state in self._told(http, who, number))
        back = http.get(
            f"/v1/files/{given.json()['file']}",
            params={"application": number},
            headers=whole.person("reviewer"),
        )
        assert back.content == SCAN

    def _decide(self, whole: Topology, http: httpx.Client, number: str) -> str:
        """Let a reviewer grant it, and tell its state."""
        reviewer = whole.person("reviewer")
        claimed = http.post("/v1/tasks/claim", json={"limit": 50}, headers=reviewer)
        version = next(i["version"] for i in claimed.json()["items"] if i["number"] == number)
        wanted = {"action": "grant", "opinion": "符合条件", "result": {"number": "样例-1"}}
        done = http.post(
            f"/v1/applications/{number}/actions", json=wanted,
            headers={**reviewer, "If-Match": f'"{version}"'},
        )  # fmt: skip
        assert done.status_code == 200, done.text
        return str(done.json()["state"])

    def _told(self, http: httpx.Client, who: dict[str, str], number: str) -> set[str]:
        items = http.get("/v1/events", params={"limit": 200}, headers=who).json()["items"]
        return {item["state"] for item in items if item["application"] == number}

    def test_its_scan_lies_sealed_in_the_store(self, whole: Topology, http: httpx.Client) -> None:
        before, other = (
            whole.kept(),
            SCAN + b"another",
        )  # The same bytes again would be the same file.
        scan = {"file": ("id.jpg", other)}
        given = http.post("/v1/files", files=scan, headers=whole.teller(http))
        assert given.status_code == 201, given.text
        (path,) = whole.kept() - before
        sealed = httpx.get(f"{whole.store}/{BUCKET}/{path}").content
        assert sealed.startswith(b"SYTF\x01")
        assert len(sealed) > len(SCAN)
        assert "扫描件".encode() not in sealed
        assert not (whole.folder / "api1" / "files").exists()


class TestTheComposition:
    """No engine runs it here; what it says can be compared with what does run."""

    @pytest.fixture
    def services(self) -> dict[str, Any]:
        found: dict[str, Any] = self._read()["services"]
        return found

    def _read(self) -> dict[str, Any]:
        read: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")
        return read

    def test_gives_each_the_secrets_that_were_enough_here(self, services: dict[str, Any]) -> None:
        given = {name: tuple(services[name]["secrets"]) for name in ("migrate", "api-1", "worker")}
        assert services["api-2"] == services["api-1"]
        assert given == {
            "migrate": NEEDED["migrate"], "api-1": NEEDED["api"], "worker": NEEDED["worker"],
        }  # fmt: skip

    def test_lets_the_worker_reach_whom_it_calls(self, services: dict[str, Any]) -> None:
        worker, networks = services["worker"], self._read()["networks"]
        assert {"SYT_SMS_URL", "SYT_PUBLIC_URL"} <= set(worker["environment"])
        for name in ("worker", "api-1"):  # Cores are called by both.
            open_ones = [one for one in services[name]["networks"] if not networks[one]]
            assert "out" in open_ones, name
        assert networks["data"] == {"internal": True}

    def test_names_secrets_that_are_made(self, whole: Topology) -> None:
        for secret in self._read()["secrets"].values():
            assert (whole.secrets / Path(secret["file"]).name).is_file()

    def test_starts_the_same_commands(self, services: dict[str, Any], whole: Topology) -> None:
        api, worker = services["api-1"]["command"], services["worker"]["command"]
        for options in (api, whole.programs["api1"].command):
            assert {"serve", "--no-jobs", "--no-migrate"} <= set(options)
        assert worker == [whole.programs["worker"].command[-1]]

    def test_gives_every_service_limits_and_a_check(self, services: dict[str, Any]) -> None:
        for name, service in services.items():
            assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
            assert service["read_only"] is True
            assert "healthcheck" in service or service["restart"] == "no", name


class TestTheBalancer:
    def test_its_configuration_is_valid_without_a_warning(self, whole: Topology) -> None:
        done = subprocess.run(
            [HAPROXY or "haproxy", "-c", "-f", "deploy/haproxy.cfg"], cwd=ROOT,
            env=dict(whole.programs["balancer"].env), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr.strip()) == (0, ""), done.stderr

    def test_figures_are_not_for_the_world(self, whole: Topology, http: httpx.Client) -> None:
        assert http.get("/metrics").status_code == 404
        assert httpx.get(f"{whole.api('api1')}/metrics").status_code == 200

    def test_its_log_holds_neither_query_nor_number(
        self, whole: Topology, http: httpx.Client
    ) -> None:
        asked = f"339900189901010018-{random.randrange(10**9)}"
        who = whole.teller(http)
        http.get(f"/v1/applications/{asked}", params={"name": asked}, headers=who)
        id_ = http.get("/v1/applications", params={"q": asked}, headers=who).headers["X-Request-Id"]
        log = whole.programs["balancer"].log
        wait_for(lambda: id_ in log.read_text())
        assert asked not in log.read_text()

    def test_what_is_too_large_is_refused_before_it_is_sent(self, whole: Topology) -> None:
        line = HTTPSConnection("localhost", whole.ports["front"], context=whole.trust(), timeout=20)
        with contextlib.closing(line):
            line.putrequest("POST", "/v1/files")
            line.putheader("Content-Length", str(24 * 1024**2))
            line.endheaders()
            line.send(bytes(40_000))
            answer = line.getresponse()
            assert answer.status == 413
            assert json.load(answer)["code"] == "body-too-large"

    def test_a_head_that_is_too_large_is_refused(self, http: httpx.Client) -> None:
        assert http.get(GUIDE, headers={"X-Long": "x" * 60_000}).status_code == 400


def test_restarted_one_by_one_no_call_fails(whole: Topology, http: httpx.Client) -> None:
    crowd = Crowd(whole, whole.teller(http))
    with crowd.going_on():
        for name in ("api1", "api2", "worker"):
            crowd.enough()
            whole.restart(name)
        crowd.enough()
    crowd.report()
    crowd.assert_all_kept_once()
    assert crowd.again == {}


def test_one_that_is_killed_is_passed_by(whole: Topology, http: httpx.Client) -> None:
    crowd = Crowd(whole, whole.teller(http))
    with crowd.going_on():
        crowd.enough()
        whole.programs["api1"].kill()
        whole.wait_counted("api2")
        crowd.enough()
        whole.start("api1")
        whole.wait_counted("api1", "api2")
        crowd.enough()
    crowd.report()
    crowd.assert_all_kept_once()


def test_without_its_database_it_says_so_and_heals(whole: Topology, http: httpx.Client) -> None:
    who = whole.teller(http)
    pids = {name: whole.programs[name].process for name in ("api1", "api2", "worker")}
    whole.stop_database()
    began = time.monotonic()
    try:
        answer = submit(http, who)
        assert answer.status_code == 503, answer.text
        assert time.monotonic() - began < 5
        wait_for(lambda: whole.counted() == set())
        answer = submit(http, who)
        assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "2")
        guide = http.get(GUIDE, headers=who)
        assert guide.status_code == 200  # From memory, though no server is ready.
    finally:
        whole.start_database()
    whole.wait_counted("api1", "api2")
    crowd = Crowd(whole, who)
    with crowd.going_on():
        crowd.enough()
    crowd.assert_all_kept_once()
    assert {name: whole.programs[name].process for name in pids} == pids
    assert whole.alive()


def submit(http: httpx.Client, who: dict[str, str]) -> httpx.Response:
    headers = {**who, "Idempotency-Key": make.key()}
    return http.post("/v1/applications", json=make.body(), headers=headers)
