"""What bad input gets: one clear answer, never a 500, nothing half written."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from access.policy import Role
from applications.models import Application
from kit.db import Sessions
from tests import make as m
from tests.make import Make
from tests.test_submitting import rows

URL = "/v1/applications"


async def post(
    http: httpx.AsyncClient, who: dict[str, str], content: Any, **headers: str
) -> httpx.Response:
    head = {**who, "Idempotency-Key": m.key(), "Content-Type": "application/json", **headers}
    return await http.post(URL, content=content, headers=head)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"{", 400, "json-malformed"),
        (b"\xff\xfe", 400, "json-malformed"),
        (b'{"matter": "\\ud800"}', 400, "json-malformed"),
        (b'{"matter": "\\u0000"}', 400, "text-forbidden"),
        (b'{"form": {"a\\u0000": 1}}', 400, "text-forbidden"),
        (b"[" * 100_000, 400, "json-too-deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400, "json-too-deep"),
        (b"[]", 422, "request-invalid"),
        (b"null", 422, "request-invalid"),
        (b"", 422, "request-invalid"),
        (b"1e400", 400, "json-malformed"),
        (b"{}", 422, "request-invalid"),
        (b'{"matter": ' + b"9" * 5000 + b"}", 400, "json-malformed"),
    ],
)
async def test_bodies(
    http: httpx.AsyncClient, make: Make, sessions: Sessions, content: bytes, status: int, code: str
) -> None:
    answer = await post(http, make.teller(await make.place()), content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert await rows(sessions, Application) == []


async def test_fifty_megabytes(http: httpx.AsyncClient, make: Make) -> None:
    who = make.teller(await make.place())
    answer = await post(http, who, b'"' + b"x" * 50_000_000 + b'"')
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"x" * 1_000_000

    answer = await post(http, who, chunks())
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


async def test_faults_of_shape_come_together(http: httpx.AsyncClient, make: Make) -> None:
    wanted = m.body() | {"surprise": 1, "consent": "maybe", "guide_version": 0}
    wanted["applicant"] = {"kind": "person", "name": "", "id_type": "library_card"}
    del wanted["form"]
    answer = await m.submit(http, make.teller(await make.place()), wanted)
    assert answer.json()["code"] == "request-invalid"
    assert {e["at"] for e in answer.json()["errors"]} == {
        "/surprise", "/consent", "/guide_version", "/form", "/applicant/name", "/applicant/id_type",
        "/applicant/id_number", "/applicant/phone",
    }  # fmt: skip
    assert "maybe" not in answer.text
    assert "library_card" not in answer.text


async def test_shape_is_told_before_the_role(http: httpx.AsyncClient, make: Make) -> None:
    reviewer = await make.person(Role.REVIEWER)
    answer = await post(http, reviewer, b"{}")
    assert (answer.status_code, answer.json()["code"]) == (422, "request-invalid")
    answer = await post(http, reviewer, b"{")
    assert answer.json()["code"] == "json-malformed"


@pytest.mark.parametrize("key", ["short", "k" * 65, "with blank", "umläut-key", ""])
async def test_keys(http: httpx.AsyncClient, make: Make, key: str) -> None:
    who = make.teller(await make.place())
    answer = await http.post(URL, json=m.body(), headers={**who, "Idempotency-Key": key.encode()})
    assert (answer.status_code, answer.json()["code"]) == (422, "request-invalid")


async def test_key_is_required(http: httpx.AsyncClient, make: Make) -> None:
    answer = await http.post(URL, json=m.body(), headers=make.teller(await make.place()))
    assert [e["at"] for e in answer.json()["errors"]] == ["/header/Idempotency-Key"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1", "limit=0", "limit=201", "limit=x", "sate=received", "state=nonsense", "light=blue",
        "received_from=yesterday", "received_from=2026-13-40", "agency=33", "outlet=x", "matter=1",
        "after=" + "x" * 700,
    ],
)  # fmt: skip
async def test_filters(http: httpx.AsyncClient, make: Make, query: str) -> None:
    answer = await http.get(f"{URL}?{query}", headers=make.teller(await make.place()))
    assert (answer.status_code, answer.json()["code"]) == (422, "request-invalid")
    assert answer.json()["errors"][0]["at"].startswith("/query/")


async def test_marks_of_others(http: httpx.AsyncClient, make: Make) -> None:
    who, other = make.teller(await make.place()), make.teller(await make.place())
    for _ in range(3):
        await m.submit(http, who)
    mark = (await http.get(f"{URL}?limit=1", headers=who)).json()["next"]
    assert mark is not None

    async def code(headers: dict[str, str], path: str, **params: Any) -> str:
        answer = await http.get(path, params={"limit": 1, "after": mark, **params}, headers=headers)
        return str(answer.json().get("code", answer.status_code))

    assert await code(who, URL) == "200"
    assert await code(other, URL) == "cursor-invalid"
    assert await code(who, URL, state="received") == "cursor-invalid"
    assert await code(who, "/v1/events") == "cursor-invalid"
    assert await code(who, "/v1/matters") == "cursor-invalid"
    for junk in ("x", "AAAA", "é", mark[:-4] + "AAA="):
        answer = await http.get(URL, params={"after": junk}, headers=who)
        assert answer.json()["code"] == "cursor-invalid"


async def test_unknown_paths_and_methods(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v2/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    answer = await http.delete("/v1/matters")
    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")


async def test_language_and_request_id(http: httpx.AsyncClient) -> None:
    zh = await http.get("/v1/matters")
    en = await http.get("/v1/matters", headers={"Accept-Language": "en", "X-Request-Id": "abc-1"})
    assert (zh.json()["title"], en.json()["title"]) == ("需要有效令牌", "A token is needed")
    assert en.headers["x-request-id"] == "abc-1"
    odd = await http.get("/v1/matters", headers={"X-Request-Id": "a b\tc"})
    assert odd.headers["x-request-id"] != "a b\tc"


async def test_content_type_that_is_no_json(http: httpx.AsyncClient, make: Make) -> None:
    who = make.teller(await make.place())
    answer = await post(http, who, b"{}", **{"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (422, "request-invalid")


async def test_form_that_is_too_large(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/oauth/token", data={"client_assertion": "x" * 2_000_000})
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


async def test_size_is_told_after_who_calls(http: httpx.AsyncClient) -> None:
    answer = await post(http, {}, b"x" * 2_000_000)
    assert answer.status_code == 401
