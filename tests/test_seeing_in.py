"""Logs, metrics, health and pages: what happened, never whom it concerned."""

import json

import httpx
import pytest
import sqlalchemy as sa
import structlog
from fastapi import FastAPI

from access.policy import Role
from api.state import State
from kit.errors import REGISTRY
from kit.logs import configure
from tests import make as m
from tests.make import IDS, Make


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

    monkeypatch.setattr(state.desk.catalogue, "resolve", breaks)
    configure("info")
    try:
        answer = await http.get(
            f"/v1/matters/{m.RECORD}/guide", headers=make.teller(await make.place())
        )
    finally:
        structlog.reset_defaults()
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
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
        "syt_generations_age_seconds",
        "syt_submissions_waiting",
    ):
        assert name in text


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
