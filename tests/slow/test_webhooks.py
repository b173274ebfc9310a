"""Workers are killed while they send: every message comes, in order, and what comes twice has the same id."""

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from standardwebhooks import Webhook

from tests import make
from tests.slow.service import Service, running, wait_for

pytestmark = pytest.mark.slow

ALLOWED = {"SYT_WEBHOOK_HTTP": "true", "SYT_WEBHOOK_NETWORKS": '["127.0.0.0/8"]'}
COUNT = 60


class Target(ThreadingHTTPServer):
    """Takes messages slowly, so that some are always under way, and keeps them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.came: list[tuple[str, str, str]] = []
        self.secret = ""
        self.wrong = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Target

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            Webhook(self.server.secret).verify(body, dict(self.headers.items()))
        except Exception:
            self.server.wrong += 1
        data = json.loads(body)["data"]
        time.sleep(0.05)
        self.server.came.append((self.headers["webhook-id"], data["application"], data["kind"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextlib.contextmanager
def listening() -> Iterator[Target]:
    target = Target()
    serving = threading.Thread(target=target.serve_forever)
    serving.start()
    yield target
    target.shutdown()
    serving.join()
    target.server_close()


def subscribe(service: Service, target: Target) -> None:
    who = service.person("bank_admin")
    bank = httpx.get(f"{service.url}/v1/outlets/{service.card['outlet']}", headers=who).json()[
        "bank"
    ]
    body = {"name": "x", "url": f"http://127.0.0.1:{target.server_port}/x", "bank": bank}
    made = httpx.post(f"{service.url}/v1/subscriptions", json=body, headers=who)
    assert made.status_code == 201, made.text
    target.secret = made.json()["secret"]


def hand_in(service: Service, count: int) -> list[str]:
    with httpx.Client(base_url=service.url, headers=service.teller(), timeout=30) as client:
        answers = [
            client.post(
                "/v1/applications", json=make.body(accept=False), headers={"Idempotency-Key": make.key()}
            )
            for _ in range(count)
        ]  # fmt: skip
    assert {a.status_code for a in answers} == {201}
    return [a.json()["number"] for a in answers]


def withdraw(service: Service, numbers: list[str]) -> None:
    with httpx.Client(base_url=service.url, headers=service.teller(), timeout=30) as client:
        for number in numbers:
            answer = client.post(
                f"/v1/applications/{number}/actions", json={"action": "withdraw", "reason": "不办了"},
                headers={"If-Match": '"1"'},
            )  # fmt: skip
            assert answer.status_code == 200, answer.text


def test_whatever_is_killed_each_message_comes_in_its_order(spare: Path) -> None:
    with running(spare, "demo", env=ALLOWED) as service, listening() as target:
        subscribe(service, target)
        numbers = hand_in(service, COUNT)
        withdraw(service, numbers)
        for pause in (0.6, 0.2, 1.5):
            (old,) = wait_for(lambda: service.children("worker"))
            before = len(target.came)
            wait_for(lambda: len(target.came) > before, 60)  # noqa: B023 -- called at once
            time.sleep(pause)
            os.kill(old, signal.SIGKILL)
            wait_for(lambda: set(service.children("worker")) - {old})  # noqa: B023 -- called at once
        wait_for(lambda: len(set(target.came)) == 2 * COUNT, 120)
        assert target.wrong == 0
        ids: dict[str, str] = {}
        for number in numbers:
            mine = [(id_, kind) for id_, application, kind in target.came if application == number]
            first = list(dict.fromkeys(mine))
            assert [kind for _, kind in first] == ["application.received", "application.withdrawn"]
            ids |= {id_: number for id_, _ in first}
        assert len(ids) == 2 * COUNT
        assert service.stop() == 0
