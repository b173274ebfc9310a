"""Progress for the applicant: with number and code, without a name, and five wrong codes are all one has."""

import asyncio
import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import httpx
import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from api.state import State
from applications import progress
from applications.errors import ProgressLocked, ProgressNotFound
from applications.lifecycle import MOVES, START
from applications.numbers import query_code
from kit.clock import today
from kit.db import Sessions, make_engine, make_sessions
from kit.ids import READABLE
from tests import make as m
from tests.make import IDS, Make
from tests.test_accepting import corrected
from tests.test_documents import denied

STRANGER = "SYT" + "0" * 27


async def made(http: httpx.AsyncClient, make: Make) -> dict[str, Any]:
    answer: dict[str, Any] = (await m.submit(http, make.teller(await make.place()))).json()
    return answer


def wrong(code: str) -> str:
    """A code that is right but for its last character."""
    return code[:-1] + READABLE[READABLE.index(code[-1]) - 1]


async def ask(http: httpx.AsyncClient, number: str, code: str) -> httpx.Response:
    return await http.post("/v1/progress", json={"number": number, "code": code})


async def test_who_has_the_code_is_told_how_far_it_is(http: httpx.AsyncClient, make: Make) -> None:
    row = await made(http, make)
    answer = await ask(http, row["number"], row["query_code"].lower())
    told = answer.json()
    assert (answer.status_code, told["state"], told["state_name"]) == (200, "accepted", "已受理")
    assert [stage["name"] for stage in told["stages"]] == ["收件", "受理"]
    assert told["promised_due_on"] == row["promised_due_on"]
    assert told["received_on"] == today().isoformat()
    assert answer.headers["cache-control"] == "no-store"


async def test_nothing_says_whose_it_is(http: httpx.AsyncClient, make: Make) -> None:
    """Nor what people wrote of him."""
    teller, number = await denied(http, make)
    row = (await http.get(f"/v1/applications/{number}", headers=teller)).json()
    code = query_code(make.state.keys, number)
    told = await ask(http, number, code)
    shown = await http.post(f"/p/{number}", data={"code": code})
    assert (told.status_code, shown.status_code) == (200, 200)
    for text in (told.text, shown.text):
        for secret in (
            "测试甲",
            "测**",
            IDS[0][:6] + "1990",
            "13900000001",
            "累计缴费",
            row["teller"],
        ):
            assert secret not in text


async def test_every_state_has_words(http: httpx.AsyncClient) -> None:
    assert set(progress.STATES) == {*START, *(move.target for move in MOVES)}


async def test_a_correction_says_until_when(http: httpx.AsyncClient, make: Make) -> None:
    _, _, row = await corrected(http, make)
    told = (await ask(http, row["number"], query_code(make.state.keys, row["number"]))).json()
    assert (told["state"], told["supply_by"]) == ("correction", row["due_on"])


async def test_a_wrong_code_and_a_strange_number_are_answered_alike(
    http: httpx.AsyncClient, make: Make
) -> None:
    row = await made(http, make)
    bad = wrong(row["query_code"])
    same = {"X-Request-Id": "same"}
    for path, sent in (("/v1/progress", "json"), ("/p/{}", "data")):
        answers = [
            await http.post(
                path.format(number), headers=same,
                **{sent: {"code": bad} | ({"number": number} if sent == "json" else {})},  # type: ignore[arg-type]
            )
            for number in (row["number"], STRANGER)
        ]  # fmt: skip
        known, strange = answers
        assert (known.status_code, strange.status_code) == (404, 404)
        assert known.text.replace(row["number"], STRANGER) == strange.text
        assert known.headers == strange.headers
    opened = [await http.get(f"/p/{number}") for number in (row["number"], STRANGER)]
    assert opened[0].text.replace(row["number"], STRANGER) == opened[1].text


async def test_five_wrong_codes_close_the_door_for_the_right_one_too(
    http: httpx.AsyncClient, make: Make, owner: AsyncEngine
) -> None:
    row, other = await made(http, make), await made(http, make)
    bad = wrong(row["query_code"])
    for number in (row["number"], STRANGER):
        codes = [(await ask(http, number, bad)).status_code for _ in range(7)]
        assert codes == [404] * 5 + [429] * 2
    locked = await ask(http, row["number"], row["query_code"])
    assert (locked.status_code, locked.json()["code"]) == (429, "progress-locked")
    assert 0 < int(locked.headers["retry-after"]) <= 900
    page = await http.post(f"/p/{row['number']}", data={"code": row["query_code"]})
    assert (page.status_code, "已受理" in page.text) == (429, False)
    assert 0 < int(page.headers["retry-after"]) <= 900
    assert (await ask(http, other["number"], other["query_code"])).status_code == 200
    async with owner.begin() as connection:
        await connection.execute(
            sa.text("UPDATE attempt SET expires_at = expires_at - interval '15 min'")
        )
    assert (await ask(http, row["number"], row["query_code"])).status_code == 200


async def test_right_codes_count_for_nothing(http: httpx.AsyncClient, make: Make) -> None:
    row = await made(http, make)
    answers = [await ask(http, row["number"], row["query_code"]) for _ in range(8)]
    assert {answer.status_code for answer in answers} == {200}
    for _ in range(4):
        await ask(http, row["number"], wrong(row["query_code"]))
    assert (await ask(http, row["number"], row["query_code"])).status_code == 200


async def test_of_many_at_once_in_two_processes_five_are_looked_at(
    http: httpx.AsyncClient, make: Make, state: State
) -> None:
    """Two processes share nothing but the database: here two engines, each with connections of its own."""
    row = await made(http, make)
    engine = make_engine(state.settings.database_url or "", pool_size=6)
    try:
        tries = await asyncio.gather(
            *(
                _enter(sessions, state, row["number"], wrong(row["query_code"]))
                for sessions in (state.sessions, make_sessions(engine))
                for _ in range(6)
            )
        )
    finally:
        await engine.dispose()
    assert sorted(tries) == ["looked at"] * 5 + ["refused"] * 7


async def _enter(sessions: Sessions, state: State, number: str, code: str) -> str:
    try:
        await progress.enter(sessions, state.keys, number, code)
    except ProgressNotFound:
        return "looked at"
    except ProgressLocked:
        return "refused"
    return "let in"


async def test_what_is_no_question_is_refused(http: httpx.AsyncClient) -> None:
    bodies: list[Any] = [
        {}, {"number": STRANGER}, {"number": "SYT1", "code": "ABCDEFGH"},
        {"number": STRANGER, "code": "ABC"}, {"number": STRANGER, "code": "ABCDEFGH", "name": "x"},
        {"number": STRANGER, "code": 12345678}, [],
    ]  # fmt: skip
    for body in bodies:
        answer = await http.post("/v1/progress", content=orjson.dumps(body))
        assert answer.status_code == 422, body
    large = await http.post("/v1/progress", content=b'{"number": "' + b"1" * 20_000 + b'"}')
    assert large.status_code == 413


async def test_the_page_runs_its_own_script_alone_and_works_without(
    http: httpx.AsyncClient, make: Make
) -> None:
    row = await made(http, make)
    opened = await http.get(f"/p/{row['number']}")
    policy = opened.headers["content-security-policy"]
    for tag in ("style", "script"):
        inner = re.findall(rf"<{tag}>(.*?)</{tag}>", opened.text, re.DOTALL)
        assert len(inner) == 1
        digest = base64.b64encode(hashlib.sha256(inner[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"https?://|<link|<img|\bsrc=|\bon\w+=|url\(|\bstyle=", opened.text)
    action = re.findall(r'<form method="post" action="([^"]+)"', opened.text)[0]
    shown = await http.post(action, data={"code": f" {row['query_code']} "})
    assert (shown.status_code, "已受理" in shown.text, "<script" in shown.text) == (
        200,
        True,
        False,
    )
    assert "script-src" not in shown.headers["content-security-policy"]
    assert row["query_code"] not in shown.text


VOID = frozenset({"meta", "input", "br", "link", "img"})


class Reading(HTMLParser):
    """A page as a browser reads it: every tag is closed where it should be, its form with named fields."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.action = ""
        self.fields: dict[str, str] = {}
        self.choices: list[str] = []
        self.unnamed: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []
        assert self.unnamed == []  # Who can't see the page is told what each field is.

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "form":
            assert said["method"] == "post"
            self.action = said["action"] or ""
        if tag in ("input", "select", "textarea"):
            self.fields[said["name"] or ""] = said.get("value") or ""
            hidden = said.get("type") == "hidden"
            if not hidden and "label" not in self.open and not said.get("aria-label"):
                self.unnamed.append(tag)
        if tag == "option" and said["value"]:
            self.choices.append(said["value"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


async def test_the_page_is_read_filled_in_and_rated_as_by_a_browser_without_a_script(
    http: httpx.AsyncClient, make: Make
) -> None:
    _, number = await denied(http, make)
    code = query_code(make.state.keys, number)
    asks = Reading((await http.get(f"/p/{number}")).text)
    assert (asks.action, list(asks.fields)) == (f"/p/{number}", ["code"])
    shown = Reading((await http.post(asks.action, data={"code": code})).text)
    assert shown.fields == {"code": code, "grade": "", "text": ""}
    assert shown.choices == ["1", "2", "3", "4", "5"]
    rated = await http.post(shown.action, data=shown.fields | {"grade": "1"})
    assert (rated.status_code, Reading(rated.text).action) == (200, "")
    refused = await http.post(shown.action, data=shown.fields | {"grade": "1"})
    assert refused.status_code == 409
    Reading(refused.text)


async def test_a_word_in_the_place_of_a_code_is_a_wrong_one(
    http: httpx.AsyncClient, make: Make
) -> None:
    row = await made(http, make)
    for word in ("<script>", "码在这里", "' OR 1=1"):
        answer = await http.post(f"/p/{row['number']}", data={"code": word})
        assert (answer.status_code, word in answer.text) == (404, False)


async def test_the_code_of_another_application_opens_nothing(
    http: httpx.AsyncClient, make: Make
) -> None:
    row, other = await made(http, make), await made(http, make)
    assert (await ask(http, row["number"], other["query_code"])).status_code == 404
