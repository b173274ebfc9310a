"""Faults that were found by trying to break the service, each held here."""

import asyncio
import csv
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from access.policy import Role
from api.app import create_app
from api.state import State
from cli.load import load_outlets
from cli.sample import agreement_number
from kit.settings import Settings
from tests import make as m
from tests.make import Make


async def test_a_database_that_never_answers_is_503(settings: Settings) -> None:
    """It takes the connection and says nothing: what a stopped server or a broken line does."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        url = f"postgresql+asyncpg://nobody@127.0.0.1:{silent.getsockname()[1]}/none"
        app = create_app(settings.model_copy(update={"database_url": url}))
        app.state.syt.follower._looked_at = time.monotonic()
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
            answer = await http.get("/health/ready")
        assert (answer.status_code, answer.json()["code"]) == (503, "database-away")
        await app.state.syt.engine.dispose()


@pytest.mark.slow  # It holds a transaction open: that would hold up the feed of tests beside it.
async def test_locked_table_is_a_busy_database(
    http: httpx.AsyncClient, make: Make, settings: Settings
) -> None:
    """Nobody's key is in use: the answer is 503, and nobody waits for all who came before."""
    teller = make.teller(await make.place())
    unlimited = create_async_engine(settings.owner_url or "")
    async with unlimited.begin() as connection:
        await connection.execute(sa.text("LOCK TABLE application IN ACCESS EXCLUSIVE MODE"))
        began = time.monotonic()
        answers = await asyncio.gather(*(m.submit(http, teller) for _ in range(40)))
        assert time.monotonic() - began < 30
    await unlimited.dispose()
    told = {(a.status_code, a.json()["code"]) for a in answers}
    assert told <= {(503, "database-away"), (503, "busy")}
    again = await m.submit(http, teller)
    assert again.status_code == 201


@pytest.mark.slow
async def test_a_key_that_another_call_holds(
    http: httpx.AsyncClient, make: Make, owner: AsyncEngine
) -> None:
    """The first call with the key has not ended after two seconds: 409, and the others go on."""
    teller, k = make.teller(await make.place()), m.key()
    first = (await m.submit(http, teller, k=k)).json()
    async with owner.connect() as connection:
        await connection.execute(
            sa.text("UPDATE application SET idempotency_key = 'moved-away' WHERE number = :n"),
            {"n": first["number"]},
        )
        held, *others = await asyncio.gather(
            m.submit(http, teller, k="moved-away"), *(m.submit(http, teller) for _ in range(5))
        )
        await connection.rollback()
    assert (held.status_code, held.json()["code"]) == (409, "idempotency-key-in-progress")
    assert held.headers["retry-after"] == "1"
    assert {a.status_code for a in others} == {201}


async def test_members_without_end(http: httpx.AsyncClient, make: Make) -> None:
    who = await make.person(Role.REVIEWER)
    body = b"{" + b",".join(b'"%05d":1' % n for n in range(60_000)) + b"}"
    answer = await http.post(
        "/v1/tasks/claim", content=body, headers={**who, "Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "json-too-many")
    few = b"{" + b",".join(b'"%05d":1' % n for n in range(2_000)) + b"}"
    answer = await http.post(
        "/v1/tasks/claim", content=few, headers={**who, "Content-Type": "application/json"}
    )
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 200)


async def test_people_are_limited_too(
    http: httpx.AsyncClient, make: Make, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = await make.person(Role.REVIEWER)
    monkeypatch.setattr(state.buckets, "_burst", 2.0)
    monkeypatch.setattr(state.buckets, "_rate", 0.0)
    codes = [(await http.get("/v1/matters", headers=who)).status_code for _ in range(3)]
    assert codes == [200, 200, 429]


async def test_outlets_are_loaded_once_and_changed_with_a_version(
    make: Make, state: State, tmp_path: Path
) -> None:
    row = {
        "number": "330106800001", "name": "装入网点(样例)", "bank": "SRCB",
        "agreement": agreement_number("SRCB"), "kind": "bank_branch", "service_class": "basic",
        "status": "active", "division": "330106002", "address": "样例路1号", "lat": "30.2",
        "lng": "120.1", "phone": "12333", "hours": "", "windows": "1",
    }  # fmt: skip
    path = tmp_path / "outlets.csv"

    async def load(**changed: str) -> int:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, row)
            writer.writeheader()
            writer.writerow({**row, **changed})
        return await load_outlets(state.sessions, path)

    assert [await load(), await load()] == [1, 0]
    assert await load(status="suspended") == 1
    await make.settle()
    found = state.desk.registry.outlet("330106800001")
    assert (found.status, found.version) == ("suspended", 2)


async def test_the_applicant_may_withdraw_whoever_works_on_it(
    http: httpx.AsyncClient, make: Make
) -> None:
    teller = make.teller(await make.place())
    made = (await m.submit(http, teller)).json()
    await m.act(http, await make.person(Role.REVIEWER), made, "take")
    shown = (await http.get(f"/v1/applications/{made['number']}", headers=teller)).json()
    assert shown["actions"] == ["withdraw"]
    done = await m.act(http, teller, shown, "withdraw", reason="不办了")
    assert (done.json()["state"], done.json()["claimed_until"]) == ("withdrawn", None)


async def test_boundaries_and_second_files(http: httpx.AsyncClient, make: Make) -> None:
    who = make.teller(await make.place())
    kind = "multipart/form-data; boundary=" + "b" * 5000
    long = await http.post("/v1/files", content=b"x", headers={**who, "Content-Type": kind})
    assert (long.status_code, long.json()["code"]) == (400, "upload-malformed")
    pdf = b"%PDF-1.7" + b"x" * 900
    two = await http.post(
        "/v1/files", files=[("file", ("a", pdf)), ("file", ("b", pdf))], headers=who
    )
    assert (two.status_code, two.json()["code"]) == (400, "upload-malformed")


async def test_no_token_on_stale_memory(
    http: httpx.AsyncClient, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = await make.place()
    monkeypatch.setattr("kit.generations.TOO_OLD", -1.0)
    answer = await http.post(
        "/v1/oauth/token",
        data={
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": make.assertion(place),
        },
    )
    assert (answer.status_code, answer.json()["code"]) == (503, "rights-not-current")


@pytest.mark.parametrize(
    "changed",
    [
        {"consent": "yes"}, {"consent": 1}, {"accept": "on"}, {"guide_version": "1"},
        {"guide_version": True}, {"captured_at": 1790000000},
    ],
)  # fmt: skip
async def test_no_type_is_guessed(
    http: httpx.AsyncClient, make: Make, changed: dict[str, Any]
) -> None:
    answer = await m.submit(http, make.teller(await make.place()), m.body(**changed))
    assert (answer.status_code, answer.json()["code"]) == (422, "request-invalid")


async def test_what_people_write_is_masked(http: httpx.AsyncClient, make: Make) -> None:
    teller = make.teller(await make.place())
    proxy = {
        "name": "样例乙", "id_type": "passport", "id_number": "E00000000", "phone": "13900000002",
        "relation": "邻居王小明", "authority": "代为申请",
    }  # fmt: skip
    made = (await m.submit(http, teller, m.body(proxy=proxy))).json()
    reviewer = await make.person(Role.REVIEWER)
    taken = (await m.act(http, reviewer, made, "take")).json()
    await m.act(http, reviewer, taken, "grant", result={"remedy": "王小明 6217000000000000012"})
    shown = await http.get(f"/v1/applications/{made['number']}", headers=reviewer)
    assert "王小明" not in shown.text


async def test_paths_are_as_written(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v1/matters/")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    answer = await http.delete("/v1/matters")
    assert answer.headers["allow"] == "GET"


async def test_a_division_of_zeros_holds_nothing(http: httpx.AsyncClient, make: Make) -> None:
    await make.place()
    who = await make.person(Role.OUTLET_ADMIN, "330000")
    answer = await http.get("/v1/outlets?division=000000", headers=who)
    assert answer.json()["items"] == []


async def test_auditors_see_no_scans(http: httpx.AsyncClient, make: Make) -> None:
    teller = make.teller(await make.place())
    file = (
        await http.post(
            "/v1/files", files={"file": ("a", b"%PDF-1.7" + b"x" * 900)}, headers=teller
        )
    ).json()["file"]
    wanted = m.body(m.PENSION)
    wanted["materials"] = [
        {"code": "id_card", "exemption": "card_read"}, {"code": "claim_form", "file": file},
    ]  # fmt: skip
    made = (await m.submit(http, teller, wanted)).json()
    at = {"application": made["number"]}
    auditor = await make.person(Role.AUDITOR, "330000")
    assert (await http.get(f"/v1/files/{file}", params=at, headers=auditor)).status_code == 404
    reviewer = await make.person(Role.REVIEWER)
    assert (await http.get(f"/v1/files/{file}", params=at, headers=reviewer)).status_code == 200


async def test_a_fault_inside_a_route_is_a_problem_too(
    http: httpx.AsyncClient, make: Make, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The framework answers such a fault in plain text, unless it is told how."""

    def breaks(*_: object) -> None:
        raise RuntimeError("测试甲")

    who = make.teller(await make.place())
    monkeypatch.setattr(state.desk.agencies, "name", breaks)
    made = await m.submit(http, who)
    assert (made.status_code, made.json()["code"]) == (500, "internal")
    listed = await http.get("/v1/applications", headers=who)
    assert (listed.status_code, listed.json()["code"]) == (500, "internal")
    assert "测试甲" not in listed.text


async def test_a_wrong_method_is_told_all_that_are_right(http: httpx.AsyncClient) -> None:
    answer = await http.delete("/v1/applications")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
