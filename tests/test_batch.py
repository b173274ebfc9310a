"""A hundred applications in one call: each as if it came alone."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api.state import State
from applications import handing_in
from applications.draft import opened
from applications.models import Application
from events.models import Event
from files.models import FileUse, StoredFile
from kit.clock import today
from kit.db import Sessions
from outlets.models import Outlet
from tests import make as m
from tests.make import Make
from tests.statements import statements
from tests.test_submitting import rows
from tests.test_sweeping import WEEK, claim, stored, sweep
from tests.test_uploads import age

URL = "/v1/applications/batch"
VOLATILE = {
    "number", "query_code", "received_at", "accepted_at", "instance", "warnings", "version",
}  # fmt: skip
"""What two calls with the same contents differ in."""


def item(**changed: Any) -> dict[str, Any]:
    return {"key": m.key(), "application": m.body(**changed)}


async def batch(
    http: httpx.AsyncClient, who: dict[str, str], items: list[Any], **more: str
) -> list[dict[str, Any]]:
    answer = await http.post(URL, json={"items": items}, headers={**who, **more})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    assert len(found) == len(items)
    return found


def plain(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in VOLATILE}


WRONG: list[Any] = [
    {"key": "k" * 8, "application": m.body() | {"nonsense": 1, "consent": "yes"}},
    {"key": "k" * 8, "application": m.body() | {"applicant": {"kind": "person", "name": ""}}},
    {"key": "k" * 8, "application": 5},
    {"key": "k" * 8, "application": None},
    {"key": "k" * 8, "application": m.body(consent=False, materials=[])},
    {"key": "k" * 8, "application": m.body(guide_version=99)},
    {"key": "k" * 8, "application": m.body("332014901015")},
    {"key": "k" * 8, "application": m.body() | {"matter": "0" * 12}},
]


TOLERANT = "332014901002"
PLACES: list[Any] = [
    "330106", "330205", "330106001", "33", "3301", "110105", "999999", "330103", "", 5, None, [], {}, True,
]  # fmt: skip
"""Of every kind: a county, a township, too coarse, another province's, none, abolished, no place at all."""


def kinds() -> list[dict[str, Any]]:
    """Applications that differ in what is worked out once for those that agree in it."""
    form, day = m.body()["form"], today()
    card = {"code": "id_card"}
    book = {"code": "household_book", "promised_by": f"{day + timedelta(days=1)}"}
    return [
        *(m.body(form={**form, "insured_place": place}) for place in PLACES),
        m.body(form={name: form[name] for name in form if name != "insured_place"}),
        *(m.body(accept=accept) for accept in (True, False)),
        *(m.body(captured_at=f"{day}T0{n}:00:00+08:00") for n in (1, 2)),
        *(m.body(materials=[{**card, "exemption": way}]) for way in ("card_read", "e_licence")),
        m.body(materials=[{**card, "promised_by": f"{day + timedelta(days=1)}"}]),
        m.body(materials=[{**card, "promised_by": f"{day + timedelta(days=2)}"}]),
        *(m.body(guide_version=version) for version in (1, 2)),
        *(m.body(f"332014901{n:03}") for n in range(1, 16)),
        m.body(TOLERANT, materials=[*m.body(TOLERANT)["materials"], book]),
    ]


class TestAnswers:
    async def test_each_of_many_kinds_is_taken_as_alone(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        who, bodies = make.teller(await make.place()), kinds()
        many = [body for body in bodies for _ in range(2)]
        made = await batch(http, who, [{"key": m.key(), "application": body} for body in many])
        statuses = set()
        for wanted, one in zip(many, made, strict=True):
            alone = await m.submit(http, who, wanted)
            assert one["status"] == alone.status_code, alone.text
            assert plain(one["body"]) == plain(alone.json())
            statuses.add(one["status"])
        assert statuses == {201, 403, 409, 422}
        numbers = {
            one["body"]["number"]: nth for nth, one in enumerate(made) if "number" in one["body"]
        }
        kept = {row.number: row for row in await rows(state.sessions, Application)}
        for number, nth in numbers.items():
            row, wanted = kept[number], many[nth]
            held = opened(state.keys, number, row.sealed)
            assert (held["form"], held["applicant"]) == (wanted["form"], wanted["applicant"])
            assert [item["code"] for item in row.materials] == [
                item["code"] for item in wanted["materials"]
            ]
            assert (row.matter, row.state == "accepted") == (
                wanted["matter"],
                made[nth]["body"]["state"] == "accepted",
            )

    async def test_a_hundred_are_made_in_their_order(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions, state: State
    ) -> None:
        who = make.teller(await make.place())
        forms = [{**m.body()["form"], "insured_place": place} for place in ("330106", "330205")]
        items = [item(form=forms[n % 2], accept=n % 3 > 0) for n in range(100)]
        async with statements(state) as sent:
            made = await batch(http, who, items)
        assert len(sent) == 1
        assert {one["status"] for one in made} == {201}
        assert len({one["body"]["number"] for one in made}) == 100
        for wanted, one in zip(items, made, strict=True):
            place = wanted["application"]["form"]["insured_place"]
            assert one["body"]["agency"]["code"] == place
            accepted = "accepted" if wanted["application"]["accept"] else "received"
            assert one["body"]["state"] == accepted
            assert "replayed" not in one
        assert len(await rows(sessions, Application)) == 100
        accepted_too = sum(i["application"]["accept"] for i in items)
        assert len(await rows(sessions, Event)) == 100 + accepted_too

    @pytest.mark.parametrize("language", ["zh", "en"])
    async def test_what_fails_is_answered_as_alone_and_harms_no_other(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions, language: str
    ) -> None:
        who = make.teller(await make.place()) | {"Accept-Language": language}
        items = [one for wrong in WRONG for one in (item(), wrong | {"key": m.key()})]
        made = await batch(http, who, items)
        assert [one["status"] for one in made[::2]] == [201] * len(WRONG)
        assert len(await rows(sessions, Application)) == len(WRONG)
        for wanted, one in zip(items, made, strict=True):
            headers = {**who, "Idempotency-Key": m.key(), "Content-Type": "application/json"}
            content = orjson.dumps(wanted["application"])
            alone = await http.post("/v1/applications", content=content, headers=headers)
            assert one["status"] == alone.status_code, alone.text
            if one["status"] == 201 or isinstance(wanted["application"], dict):
                assert plain(one["body"]) == plain(alone.json())
            else:
                assert one["body"]["code"] == "request-invalid"

    @pytest.mark.parametrize("key", ["short", "x" * 65, "with space", "schlüssel", "", 7, None, []])
    async def test_a_key_that_is_none_is_a_fault_of_its_item(
        self, http: httpx.AsyncClient, make: Make, key: Any
    ) -> None:
        who = make.teller(await make.place())
        wrong = {"key": key, "application": m.body() | {"nonsense": 1}}
        made = await batch(http, who, [wrong, item()])
        assert [one["status"] for one in made] == [422, 201]
        assert [e["at"] for e in made[0]["body"]["errors"]] == [
            "/header/Idempotency-Key", "/nonsense",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        "body", [{}, {"items": []}, {"items": 5}, {"items": [{}]}, {"items": [5]},
                 {"items": [item() | {"more": 1}]}, {"items": [item()] * 101}],
    )  # fmt: skip
    async def test_what_is_no_batch_is_refused_whole(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions, body: Any
    ) -> None:
        answer = await http.post(URL, json=body, headers=make.teller(await make.place()))
        assert (answer.status_code, answer.json()["code"]) == (422, "request-invalid")
        assert await rows(sessions, Application) == []

    async def test_a_hundred_large_ones_fit(self, http: httpx.AsyncClient, make: Make) -> None:
        """Of the shape allowed; the guide refuses them, each by itself."""
        form = {f"field_{n}": "样" * 30 for n in range(200)}
        items = [item(form=form) for _ in range(100)]
        made = await batch(http, make.teller(await make.place()), items)
        assert {one["body"]["code"] for one in made} == {"content-invalid"}

    async def test_people_have_no_terminal(self, http: httpx.AsyncClient, make: Make) -> None:
        from_afar = await make.person("teller", (await make.place()).outlet)  # type: ignore[arg-type]
        answer = await http.post(URL, json={"items": [item()]}, headers=from_afar)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


class TestRepeats:
    async def test_the_same_batch_again_makes_nothing(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions, state: State
    ) -> None:
        who = make.teller(await make.place())
        items = [item() for _ in range(30)]
        first = await batch(http, who, items[:20])
        withdrawn = first[3]["body"]
        await m.act(http, who, withdrawn, "withdraw", reason="不办了")
        async with statements(state) as sent:
            again = await batch(http, who, items)
        assert len(sent) == 2  # One that writes, one that looks for all repeats.
        assert [one.get("replayed", False) for one in again] == [True] * 20 + [False] * 10
        assert [a["body"]["number"] for a in first] == [a["body"]["number"] for a in again[:20]]
        assert again[3]["body"]["state"] == "withdrawn"
        assert len(await rows(sessions, Application)) == 30

    async def test_alone_and_in_a_batch_are_one_world(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        who = make.teller(await make.place())
        one, other = item(), item()
        alone = await m.submit(http, who, one["application"], k=one["key"])
        made = await batch(http, who, [one, other])
        assert made[0]["body"]["number"] == alone.json()["number"]
        again = await m.submit(http, who, other["application"], k=other["key"])
        assert again.headers["idempotent-replayed"] == "true"
        assert again.json()["number"] == made[1]["body"]["number"]

    async def test_a_key_twice_in_a_batch(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions
    ) -> None:
        """The same body: a repeat. Another: refused. After one that was refused: the first that is right."""
        who, wanted = make.teller(await make.place()), m.body()
        first, second = m.key(), m.key()
        made = await batch(http, who, [
            {"key": first, "application": wanted},
            {"key": second, "application": m.body(consent=False)},
            {"key": first, "application": dict(reversed(wanted.items()))},
            {"key": first, "application": m.body(accept=False)},
            {"key": second, "application": wanted},
            {"key": second, "application": wanted},
        ])  # fmt: skip
        assert [one["status"] for one in made] == [201, 422, 201, 422, 201, 201]
        assert [one.get("replayed", False) for one in made] == [
            False, False, True, False, False, True,
        ]  # fmt: skip
        assert made[3]["body"]["code"] == "idempotency-key-reused"
        assert made[0]["body"]["number"] == made[2]["body"]["number"]
        assert len(await rows(sessions, Application)) == 2

    async def test_five_at_once_make_each_once(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions
    ) -> None:
        who = make.teller(await make.place())
        items = [item() for _ in range(20)]
        turned = [items, items[::-1], items, items[::-1], items]
        answers = await asyncio.gather(*(batch(http, who, some) for some in turned))
        assert {one["status"] for made in answers for one in made} == {201}
        assert len(await rows(sessions, Application)) == 20
        assert sum("replayed" not in one for made in answers for one in made) == 20

    async def test_a_repeat_of_what_would_be_refused_today(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place = await make.place()
        who, known = make.teller(place), item()
        first = await batch(http, who, [known])
        await make.change(Outlet, number=place.outlet, status="suspended")
        made = await batch(http, who, [known, item()])
        assert [one["status"] for one in made] == [201, 403]
        assert made[0]["body"]["number"] == first[0]["body"]["number"]
        assert made[1]["body"]["code"] == "outlet-closed"


class TestTrouble:
    async def test_a_removed_file_refuses_its_own_application_alone(
        self, http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
    ) -> None:
        who = make.teller(await make.place())
        gone = await stored(http, who)
        await age(owner, StoredFile, "created_at", WEEK)
        await sweep(state)
        there = await stored(http, who, b"%PDF-1.7 another")
        items = [{"key": m.key(), "application": claim(file)} for file in (there, gone, there)]
        made = await batch(http, who, [*items, item()])
        assert [one["status"] for one in made] == [201, 422, 201, 201]
        assert [e["at"] for e in made[1]["body"]["errors"]] == ["/materials/1/file"]
        assert len(await rows(state.sessions, FileUse)) == 2

    async def test_a_full_queue_refuses_what_does_not_fit(
        self, http: httpx.AsyncClient, make: Make, state: State, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        who = make.teller(await make.place())
        monkeypatch.setattr(state.counter.intake, "_limit", 10)
        items = [item() for _ in range(15)]
        made = await batch(http, who, items)
        assert [one["status"] for one in made] == [201] * 10 + [503] * 5
        assert {one["body"]["code"] for one in made[10:]} == {"busy"}
        assert [one["status"] for one in await batch(http, who, items[10:])] == [201] * 5

    async def test_what_nobody_expected_is_the_items_own(
        self, http: httpx.AsyncClient, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        who, prepare = make.teller(await make.place()), handing_in._prepare

        async def stumble(counter: Any, filing: Any) -> Any:
            if filing.key == "stumbles":
                raise ZeroDivisionError
            return await prepare(counter, filing)

        monkeypatch.setattr(handing_in, "_prepare", stumble)
        made = await batch(http, who, [item(), item() | {"key": "stumbles"}, item()])
        assert [one["status"] for one in made] == [201, 500, 201]
        assert made[1]["body"]["code"] == "internal"
