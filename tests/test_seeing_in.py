"""Logs, metrics, health and pages: what happened, never whom it concerned."""

import asyncio
import json
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
import structlog
from fastapi import FastAPI
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col

from access.policy import Role
from api import figures as api_figures
from api.state import State
from applications import queries as applications
from applications.clocks import light
from applications.models import Application
from events import queries as events
from kit.clock import today
from kit.db import make_engine, make_sessions, transaction
from kit.errors import REGISTRY
from kit.logs import configure
from kit.metrics import DONE_AT, FAILURES, registry
from schemas.applications import Light
from tests import make as m
from tests.make import IDS, Make
from tests.test_events import tell
from worker import sequence, watch


async def test_lines_hold_request_ids_and_nothing_personal(
    http: httpx.AsyncClient, make: Make, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    configure("debug")
    try:
        teller = make.teller(await make.place())
        made = await m.submit(http, teller)
        wrong = m.body(applicant={**m.body()["applicant"], "id_number": IDS[1][:-1] + "1"})
        await m.submit(http, teller, wrong)
        reviewer = await make.person(Role.REVIEWER)
        taken = (await m.act(http, reviewer, made.json(), "take")).json()
        await m.act(http, reviewer, taken, "grant", opinion="秘密意见")
        await http.post(
            f"/v1/applications/{taken['number']}/reveal", json={"purpose": "核对"}, headers=reviewer
        )
    finally:
        structlog.reset_defaults()
    out = capfdbinary.readouterr().out
    lines = [json.loads(line) for line in out.splitlines()]
    assert len(lines) >= 5
    assert all(line["request_id"] for line in lines if line["event"] == "answered")
    for secret in ("测试甲", IDS[0], IDS[1][:-1], "13900000001", "秘密意见"):
        assert secret not in out.decode()


async def test_unexpected_fault_is_answered_and_logged_without_its_words(
    http: httpx.AsyncClient, make: Make, state: State, monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:  # fmt: skip
    def breaks(*_: object) -> None:
        raise RuntimeError("测试甲 339900189901010018")

    before = api_figures.UNEXPECTED._value.get()
    monkeypatch.setattr(state.desk.catalogue, "resolve", breaks)
    configure("info")
    try:
        answer = await http.get(
            f"/v1/matters/{m.RECORD}/guide", headers=make.teller(await make.place())
        )
    finally:
        structlog.reset_defaults()
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert api_figures.UNEXPECTED._value.get() == before + 1
    out = capfdbinary.readouterr().out.decode()
    assert "RuntimeError" in out
    assert "express.py" in out
    assert "测试甲" not in out + answer.text
    assert IDS[0] not in out + answer.text


async def test_lost_database_is_503(
    http: httpx.AsyncClient, make: Make, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = make.teller(await make.place())
    async with state.engine.connect() as connection:
        await connection.execute(sa.text("SELECT 1"))
    admin = state.engine

    async def kill() -> None:
        async with admin.connect() as connection:
            await connection.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE usename = current_user AND pid <> pg_backend_pid() AND datname = current_database()"
                )
            )

    await kill()
    codes = [(await http.get("/v1/applications", headers=who)).status_code for _ in range(12)]
    assert set(codes) <= {200, 503}
    assert codes[-1] == 200
    await kill()
    codes = [(await m.submit(http, who)).status_code for _ in range(12)]
    assert set(codes) <= {201, 503}
    assert codes[-1] == 201
    codes = [(await http.get("/v1/applications", headers=who)).status_code for _ in range(12)]
    assert codes[-1] == 200


async def test_health_and_metrics(http: httpx.AsyncClient) -> None:
    assert (await http.get("/health/live")).json() == {"status": "live"}
    assert (await http.get("/health/ready")).json() == {"status": "ready"}
    text = (await http.get("/metrics")).text
    for name in (
        "syt_requests_total",
        "syt_request_seconds_bucket",
        "syt_generations_looked_at_seconds",
        "syt_submissions_waiting",
    ):
        assert name in text


def figures(text: str) -> dict[str, float]:
    """What a page of figures says, by name and labels."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


async def test_an_acknowledgement_is_counted_and_a_refusal_is_not(
    http: httpx.AsyncClient, make: Make
) -> None:
    async def count() -> float:
        return figures((await http.get("/metrics")).text)["syt_acknowledgement_seconds_count{}"]

    teller, key = make.teller(await make.place()), m.key()
    before = await count()
    assert (await m.submit(http, teller, k=key)).status_code == 201
    assert (await m.submit(http, teller, k=key)).status_code == 201
    assert (await m.submit(http, teller, {**m.body(), "matter": "000000000000"})).status_code == 422
    assert await count() == before + 2


async def test_connections_lent_out_are_counted(http: httpx.AsyncClient, state: State) -> None:
    """Of each pool by itself, and given back when they are."""
    follower, intake = state.follower, state.counter.intake
    pools = {"requests": state.engine, "submissions": state.writing}

    async def lent() -> tuple[float, float]:
        api_figures.note(follower, intake, pools)
        found = figures((await http.get("/metrics")).text)
        in_use = "syt_pool_connections_in_use{pool=%s}"
        return found[in_use % "requests"], found[in_use % "submissions"]

    async def settle(count: int) -> None:
        """What looks by itself each second takes one too, for a moment."""
        async with asyncio.timeout(10):
            while (await lent())[0] != count:  # noqa: ASYNC110 -- nobody tells when a connection is back
                await asyncio.sleep(0.01)

    await settle(0)
    async with state.engine.connect(), state.engine.connect():
        await settle(2)
    await settle(0)
    found = figures((await http.get("/metrics")).text)
    assert found["syt_pool_connections{pool=requests}"] == state.settings.pool_size


PROCESS = """
import sys, time
from prometheus_client import Counter, Gauge
Counter("done_total", "x").inc(int(sys.argv[1]))
Gauge("held", "x", multiprocess_mode="livesum").set(int(sys.argv[1]))
Gauge("looked", "x", multiprocess_mode="livemin").set(int(sys.argv[1]))
print("set", flush=True)
time.sleep(60)
"""


def test_figures_are_of_all_processes_that_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is held ends with the process that held it; what was counted stays counted."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))

    def shown() -> tuple[float, float, float]:
        found = figures(generate_latest(registry()).decode())
        return found["done_total{}"], found["held{}"], found["looked{}"]

    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, n], stdout=subprocess.PIPE)
        for n in ("3", "40", "500")
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"set\n"
        assert shown() == (543, 543, 3)
        processes[0].kill()
        processes[0].wait()
        assert shown() == (543, 540, 40)
    finally:
        for process in processes:
            process.kill()
            process.communicate()


class TestWatch:
    """What the background process counts in the database."""

    async def test_feed_lag(
        self, http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
    ) -> None:
        await tell(state)
        async with transaction(state.sessions) as session:
            assert (await events.lag(session)).events == 0
        made = await m.submit(http, make.teller(await make.place()))
        async with owner.begin() as connection:
            await connection.execute(
                sa.text("UPDATE event SET at = at - interval '7 s' WHERE application = :n"),
                {"n": made.json()["number"]},
            )
        async with transaction(state.sessions) as session:
            lag = await events.lag(session)
        assert (lag.events, 7 <= lag.seconds < 60) == (2, True)
        async with asyncio.timeout(30):
            while lag.events:
                await sequence.TASK.once(state.sessions)
                async with transaction(state.sessions) as session:
                    lag = await events.lag(session)
        assert lag.seconds == 0

    @pytest.mark.parametrize(
        ("row", "late", "provisional"),
        [
            ({}, None, False),
            ({"due_on": 0, "red_on": 0}, "decision red", False),
            ({"due_on": -9, "red_on": -9, "overdue_on": 1}, "decision red", False),
            ({"due_on": -9, "red_on": -9, "overdue_on": 0}, "decision overdue", False),
            ({"due_on": 5, "red_on": 5, "overdue_on": 0}, "decision overdue", False),
            ({"due_on": -1, "red_on": -1, "state": "received"}, "acceptance red", False),
            ({"due_on": -1, "red_on": -1, "overdue_on": -1, "state": "received"}, "acceptance overdue", False),
            ({"due_on": -1, "red_on": -1, "overdue_on": None}, "decision red", False),
            ({"due_on": -9, "red_on": -9, "overdue_on": -9, "state": "delivered"}, None, False),
            ({"due_on": -9, "red_on": -9, "overdue_on": -9, "state": "suspended"}, None, False),
            ({"due_provisional": True}, None, True),
            ({"due_provisional": True, "state": "delivered"}, None, False),
        ],
    )  # fmt: skip
    async def test_late_and_provisional(
        self, http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine,
        row: dict[str, int | str | bool | None], late: str | None, provisional: bool,
    ) -> None:  # fmt: skip
        """As many as a person is shown in that light."""
        made = await m.submit(http, make.teller(await make.place()))
        plain = {"due_on": 30, "red_on": 30, "overdue_on": 31, "due_provisional": False}
        values = {
            name: value if name in ("state", "due_provisional") or value is None
            else today() + timedelta(days=int(value))
            for name, value in {**plain, **row}.items()
        }  # fmt: skip
        async with owner.begin() as connection:
            await connection.execute(
                sa.update(Application).where(col(Application.number) == made.json()["number"])
                .values(**values)
            )  # fmt: skip
        async with transaction(state.sessions) as session:
            counted = await applications.late(session, today())
            held = await applications.provisional(session)
            changed = await session.get_one(Application, made.json()["number"])
        assert {" ".join(k): v for k, v in counted.items() if v} == ({late: 1} if late else {})
        seen = light(changed, today())
        assert late is None or late.endswith(f" {seen}")
        assert late is not None or seen not in (Light.RED, Light.OVERDUE)
        assert held == provisional

    async def test_it_is_shown(self, http: httpx.AsyncClient, state: State) -> None:
        await watch.TASK.once(state.sessions)
        found = figures((await http.get("/metrics")).text)
        assert found["syt_applications_late{light=overdue,waiting_for=decision}"] == 0
        assert time.time() - found["syt_task_done_at_seconds{task=watch}"] < 60

    async def test_what_fails_is_counted_and_tried_again(self) -> None:
        """With sessions on a server that is not there."""
        away = make_sessions(make_engine("postgresql+asyncpg://nobody@127.0.0.1:1/none"))
        failed = FAILURES.labels("watch")
        before, done = failed._value.get(), DONE_AT.labels("watch")._value.get()
        assert await watch.TASK.once(away) == watch.TASK.retry
        assert failed._value.get() == before + 1
        assert DONE_AT.labels("watch")._value.get() == done


async def test_pages_need_nothing_from_outside(http: httpx.AsyncClient, app: FastAPI) -> None:
    docs = await http.get("/docs")
    for path in app.openapi()["paths"]:
        assert path in docs.text
    for code in REGISTRY:
        page = await http.get(f"/problems/{code}", headers={"Accept-Language": "en"})
        assert page.status_code == 200
        assert REGISTRY[code].title.en.replace("'", "&#x27;") in page.text
    listed = await http.get("/problems")
    assert all(f"/problems/{code}" in listed.text for code in REGISTRY)
    assert (await http.get("/problems/none-such")).status_code == 404
    for page in (docs, listed):
        assert "http://" not in page.text.replace("http://outlet.test", "")
        assert "https://" not in page.text
        assert "<script" not in page.text
