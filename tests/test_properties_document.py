"""The OpenAPI document: complete, and true where calls made of it once found it was not."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from access.policy import Role
from api.openapi import LINKS, PROBLEM
from tests import make as m
from tests.make import Make

Node = dict[str, Any]


def operations(app: FastAPI) -> dict[str, Node]:
    return {
        operation["operationId"]: operation
        for methods in app.openapi()["paths"].values()
        for operation in methods.values()
    }


PAGES = {"show_progress", "rate_on_page"}
"""Forms that people fill in: what is refused is shown to them as a page."""


def test_every_refusal_is_a_problem_document_and_has_its_own_status(app: FastAPI) -> None:
    document = app.openapi()
    refused = document["components"]["responses"]
    for name, operation in operations(app).items():
        statuses = set(operation["responses"])
        assert not statuses & {"4XX", "5XX", "default"}, name
        for status in {s for s in statuses if s >= "400"}:
            told = operation["responses"][status]
            kinds = (
                refused[told["$ref"].rsplit("/", 1)[1]]["content"]
                if "$ref" in told
                else told["content"]
            )
            people = {"text/html"} if name in PAGES and "$ref" not in told else set()
            assert set(kinds) == {PROBLEM} | people, name


def test_what_asks_who_calls_says_what_nobody_gets(app: FastAPI) -> None:
    for name, operation in operations(app).items():
        if "security" in operation:
            assert {"401", "403", "429", "503"} <= set(operation["responses"]), name


def test_links_lead_to_operations_and_their_parameters(app: FastAPI) -> None:
    known = operations(app)
    assert set(LINKS) <= set(known)
    for link in (link for links in LINKS.values() for link in links):
        taken = {p["name"] for p in known[link.operation]["parameters"] if "name" in p}
        assert {name.removeprefix("header.") for name in link.parameters} <= taken


def test_no_parameter_is_null(app: FastAPI) -> None:
    """To leave it out is its null: `?after=null` is the text."""
    for operation in operations(app).values():
        for parameter in operation["parameters"]:
            assert "null" not in str(parameter.get("schema")), parameter


def faults(answer: httpx.Response) -> list[str]:
    assert answer.json()["code"] == "request-invalid"
    return [fault["at"] for fault in answer.json()["errors"]]


@pytest.mark.parametrize("day", ["0", "86400", "946684800", "2026-01-01T00:00:00", "2026-1-1"])
async def test_a_day_is_written_as_a_day(http: httpx.AsyncClient, make: Make, day: str) -> None:
    """Numbers were taken for seconds since 1970, also in quotes."""
    who, promised = make.teller(await make.place()), [{"code": "id_card", "promised_by": day}]
    for query in (f"/v1/applications?received_from={day}", f"/v1/divisions/330106?on={day}"):
        assert len(faults(await http.get(query, headers=who))) == 1
    answer = await m.submit(http, who, m.body(materials=promised))
    assert faults(answer) == ["/materials/0/promised_by"]


@pytest.mark.parametrize(
    "instant", ["0", "1764000000.5", "2026-01-01T00:00Z", "2026-01-01T00:00:00"]
)
async def test_an_instant_is_written_with_its_offset(
    http: httpx.AsyncClient, make: Make, instant: str
) -> None:
    answer = await m.submit(http, make.teller(await make.place()), m.body(captured_at=instant))
    assert faults(answer) == ["/captured_at"]


@pytest.mark.parametrize(
    ("limit", "status"), [(1, 200), (1.0, 200), (1.5, 422), ("1", 422), (True, 422)]
)
async def test_a_whole_number_is_one_however_it_is_written(
    http: httpx.AsyncClient, make: Make, limit: object, status: int
) -> None:
    who = await make.person(Role.REVIEWER)
    answer = await http.post("/v1/tasks/claim", json={"limit": limit}, headers=who)
    assert answer.status_code == status


async def test_who_is_a_teller_away_from_a_terminal_hands_nothing_in(
    http: httpx.AsyncClient, make: Make
) -> None:
    """It was answered that there is no such outlet; a file would have belonged to nobody."""
    who = await make.person(Role.TELLER, (await make.place()).outlet)
    upload = {"file": ("scan.pdf", b"%PDF-1.7", "application/pdf")}
    for answer in (
        await m.submit(http, who), await http.post("/v1/files", files=upload, headers=who),
    ):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_a_guide_is_what_the_document_says(
    http: httpx.AsyncClient, make: Make, app: FastAPI
) -> None:
    """The document had the guide's content alone, and nothing beside it allowed."""
    url = f"/v1/matters/{m.RECORD}/guide"
    shown = (await http.get(url, headers=make.teller(await make.place()))).json()
    schema = app.openapi()["components"]["schemas"]["GuideView"]
    assert set(schema["required"]) <= set(shown)
    assert set(shown) - set(schema["properties"]) == {"implementation_code"}
    assert "additionalProperties" not in schema
