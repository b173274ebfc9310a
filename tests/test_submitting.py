"""Handing in, through the front door."""

import asyncio
from datetime import date
from typing import Any

import httpx
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import select

from access.policy import Role
from api.state import State
from applications.models import Application
from events.models import Event
from kit.db import Sessions, transaction
from outlets.models import Outlet, Teller
from schemas.codes import mod_11_10
from tests import make as m
from tests.make import IDS, PENSION, Make
from tests.statements import statements


async def rows(sessions: Sessions, table: Any) -> list[Any]:
    async with transaction(sessions) as session:
        return list((await session.exec(select(table))).all())


class TestAnswer:
    async def test_is_accepted_routed_and_dated(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions
    ) -> None:
        place = await make.place()
        answer = await m.submit(http, make.teller(place))
        made = answer.json()
        assert answer.status_code == 201, answer.text
        assert answer.headers["location"] == f"http://outlet.test/v1/applications/{made['number']}"
        assert answer.headers["etag"] == '"1"'
        assert made["agency"]["code"] == "330106"
        assert (made["state"], made["version"], made["step"]) == ("accepted", 1, 1)
        assert (made["documents"], made["actions"]) == (["REC", "ACP"], ["withdraw"])
        assert made["outlet"] == place.outlet
        assert made["teller"] == place.teller
        assert len(made["query_code"]) == 8
        assert made["legal_due_on"] <= made["promised_due_on"] or made["promised_due_on"]

    async def test_number_is_made_of_its_parts(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        made = (await m.submit(http, make.teller(place))).json()
        digits = made["number"].removeprefix("SYT")
        day = made["received_at"][:10].replace("-", "")
        assert digits[:20] == place.outlet[:6] + day + place.outlet[6:]
        assert digits[-1] == mod_11_10(digits[:-1])

    async def test_receipt_and_acceptance_are_two_events(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions
    ) -> None:
        await m.submit(http, make.teller(await make.place()))
        found = await rows(sessions, Event)
        assert [(e.kind, e.state) for e in sorted(found, key=lambda e: e.id)] == [
            ("application.received", "received"),
            ("application.accepted", "accepted"),
        ]

    async def test_without_accept_it_is_only_received(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        made = (await m.submit(http, make.teller(await make.place()), m.body(accept=False))).json()
        assert (made["state"], made["accepted_at"], made["promised_due_on"]) == (
            "received",
            None,
            None,
        )
        assert made["documents"] == ["REC"]
        assert made["actions"] == ["accept", "ask_correction", "propose_refusal", "withdraw"]

    async def test_collecting_outlet_does_not_accept(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        """D1 (332014901016): received in the agency's name; the legal clock runs."""
        place = await make.place()
        teller = make.teller(place)
        wanted = m.body("332014901016")
        given = {item["code"] for item in wanted["materials"]}
        for code in {"id_card", "rehab_form", "rehab_plan", "diagnosis_records"} - given:
            wanted["materials"].append({"code": code, "file": (await upload(http, teller))["file"]})
        made = (await m.submit(http, teller, wanted)).json()
        assert made["state"] == "received"
        assert made["agency"]["code"] == "330106"
        assert made["legal_due_on"] is not None

    async def test_contracts_own_example(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        teller = make.teller(place)
        file = (await upload(http, teller))["file"]
        made = await m.submit(
            http,
            teller,
            m.body(
                PENSION,
                form={
                    "insured_place": "330106",
                    "account_bank": "样例银行",
                    "account_number": "6217000000000000012",
                },
                materials=[
                    {"code": "id_card", "exemption": "card_read"},
                    {"code": "claim_form", "file": file},
                ],
            ),
        )
        assert made.status_code == 201, made.text
        assert made.json()["state"] == "accepted"


async def upload(http: httpx.AsyncClient, who: dict[str, str]) -> dict[str, Any]:
    answer = await http.post(
        "/v1/files", files={"file": ("a.pdf", b"%PDF-1.7\n" + b"x" * 2000)}, headers=who
    )
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


class TestRepeats:
    async def test_repeat_gives_the_first_as_it_now_stands(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions
    ) -> None:
        teller, k = make.teller(await make.place()), m.key()
        first = await m.submit(http, teller, k=k)
        await m.act(http, teller, first.json(), "withdraw", reason="不办了")
        again = await m.submit(http, teller, k=k)
        assert again.status_code == 201
        assert again.headers["idempotent-replayed"] == "true"
        assert "idempotent-replayed" not in first.headers
        assert (again.json()["number"], again.json()["state"]) == (
            first.json()["number"],
            "withdrawn",
        )
        assert again.json()["query_code"] == first.json()["query_code"]
        assert len(await rows(sessions, Application)) == 1

    async def test_reserialised_repeat_is_the_same(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        teller, k, wanted = make.teller(await make.place()), m.key(), m.body()
        first = await m.submit(http, teller, wanted, k=k)
        turned = dict(reversed(wanted.items()))
        again = await m.submit(http, teller, turned, k=k)
        assert again.json()["number"] == first.json()["number"]

    async def test_other_body_is_refused(self, http: httpx.AsyncClient, make: Make) -> None:
        teller, k = make.teller(await make.place()), m.key()
        await m.submit(http, teller, k=k)
        answer = await m.submit(http, teller, m.body(accept=False), k=k)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")

    async def test_twenty_at_once_make_one(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions
    ) -> None:
        teller, k, wanted = make.teller(await make.place()), m.key(), m.body()
        answers = await asyncio.gather(*(m.submit(http, teller, wanted, k=k) for _ in range(20)))
        assert {a.status_code for a in answers} == {201}
        assert len({a.json()["number"] for a in answers}) == 1
        assert len(await rows(sessions, Application)) == 1
        assert len(await rows(sessions, Event)) == 2

    async def test_a_week_late_with_everything_changed(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        """The answer was lost; since then the outlet was suspended and another teller came."""
        place = await make.place()
        k = m.key()
        first = await m.submit(http, make.teller(place), k=k)
        await make.change(Outlet, number=place.outlet, status="suspended")
        again = await m.submit(http, make.teller(place), k=k)
        assert (again.status_code, again.json()["number"]) == (201, first.json()["number"])
        fresh = await m.submit(http, make.teller(place))
        assert (fresh.status_code, fresh.json()["code"]) == (403, "outlet-closed")

    async def test_two_terminals_may_use_the_same_key(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        k = m.key()
        one = await m.submit(http, make.teller(await make.place()), k=k)
        two = await m.submit(http, make.teller(await make.place()), k=k)
        assert one.json()["number"] != two.json()["number"]

    async def test_many_at_once_are_all_made(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions
    ) -> None:
        teller = make.teller(await make.place())
        answers = await asyncio.gather(*(m.submit(http, teller) for _ in range(150)))
        assert {a.status_code for a in answers} == {201}
        assert len({a.json()["number"] for a in answers}) == 150
        assert len(await rows(sessions, Application)) == 150

    async def test_taken_number_is_replaced(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        """Serials come round after a million: another number is drawn, and sealed for anew."""
        teller = make.teller(await make.place())
        first = (await m.submit(http, teller)).json()
        state.counter.serials._next -= 1
        second = await m.submit(http, teller)
        assert second.status_code == 201
        assert second.json()["number"] != first["number"]
        shown = await http.get(f"/v1/applications/{second.json()['number']}", headers=teller)
        assert shown.json()["applicant"]["name"] == "测**"


class TestAllFaultsAtOnce:
    async def test_every_fault_of_content_is_named(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions
    ) -> None:
        wanted = m.body(
            PENSION,
            applicant={
                "kind": "person", "name": "测试甲", "id_type": "resident_id",
                "id_number": IDS[0][:-1] + "1", "phone": "12345",
            },
            proxy={
                "name": "样例乙", "id_type": "resident_id", "id_number": "33990018990101001",
                "phone": "13900000002", "relation": "子女", "authority": "代为申请",
            },
            form={"insured_place": "abc", "account_number": "x", "delivery_way": "fax", "nonsense": 1},
            materials=[
                {"code": "id_card", "exemption": "data_sharing"},
                {"code": "unheard_of", "exemption": "card_read"},
            ],
            consent=False,
        )  # fmt: skip
        answer = await m.submit(http, make.teller(await make.place()), wanted)
        assert (answer.status_code, answer.json()["code"]) == (422, "content-invalid")
        found = {(e["at"], e["rule"]) for e in answer.json()["errors"]}
        assert {
            ("/consent", "consent"),
            ("/applicant/id_number", "id-check"),
            ("/applicant/phone", "phone"),
            ("/proxy/id_number", "id-form"),
            ("/form/insured_place", "pattern"),
            ("/form/account_number", "pattern"),
            ("/form/account_bank", "required"),
            ("/form/delivery_way", "enum"),
            ("/form/nonsense", "additionalProperties"),
            ("/materials/0/exemption", "exemption"),
            ("/materials/1/code", "unknown"),
            ("/materials/claim_form", "required"),
        } <= found
        assert IDS[0][:-1] not in answer.text
        assert await rows(sessions, Application) == []
        assert await rows(sessions, Event) == []

    async def test_five_places_of_a_form_are_five_entries(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        form = {"insured_place": 1, "account_number": "x", "a": 1, "b": 2}
        answer = await m.submit(http, make.teller(await make.place()), m.body(PENSION, form=form))
        places = [e["at"] for e in answer.json()["errors"] if e["at"].startswith("/form")]
        assert sorted(places) == [
            "/form/a", "/form/account_bank", "/form/account_number", "/form/b", "/form/insured_place",
        ]  # fmt: skip

    async def test_place_without_an_agency(self, http: httpx.AsyncClient, make: Make) -> None:
        form = {**m.body()["form"], "insured_place": "310101"}
        answer = await m.submit(http, make.teller(await make.place()), m.body(form=form))
        assert [(e["at"], e["rule"]) for e in answer.json()["errors"]] == [
            ("/form/insured_place", "not-ours")
        ]

    async def test_another_outlets_file_is_no_file(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        theirs = await upload(http, make.teller(await make.place()))
        wanted = m.body(PENSION)
        wanted["materials"] = [
            {"code": "id_card", "exemption": "card_read"},
            {"code": "claim_form", "file": theirs["file"]},
        ]
        answer = await m.submit(http, make.teller(await make.place()), wanted)
        assert [e["at"] for e in answer.json()["errors"]] == ["/materials/1/file"]

    async def test_unknown_matter(self, http: httpx.AsyncClient, make: Make) -> None:
        answer = await m.submit(
            http, make.teller(await make.place()), m.body() | {"matter": "0" * 12}
        )
        assert (answer.status_code, answer.json()["errors"][0]["at"]) == (422, "/matter")

    async def test_unknown_county_in_an_id_only_warns(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        made = (await m.submit(http, make.teller(await make.place()))).json()
        assert [w["code"] for w in made["warnings"]] == ["id-place-unknown"]

    async def test_likely_duplicate_only_warns(self, http: httpx.AsyncClient, make: Make) -> None:
        teller = make.teller(await make.place())
        await m.submit(http, teller)
        second = (await m.submit(http, teller)).json()
        assert "likely-duplicate" in [w["code"] for w in second["warnings"]]
        other = m.body(applicant={**m.body()["applicant"], "id_number": IDS[1]})
        third = (await m.submit(http, teller, other)).json()
        assert "likely-duplicate" not in [w["code"] for w in third["warnings"]]


class TestWhoMayHandIn:
    async def test_outlet_of_the_wrong_class(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place(service_class="basic")
        answer = await m.submit(http, make.teller(place), m.body(PENSION))
        assert (answer.status_code, answer.json()["code"]) == (403, "matter-not-open")
        assert [r["code"] for r in answer.json()["reasons"]] == ["service-class"]

    async def test_consultation_only(self, http: httpx.AsyncClient, make: Make) -> None:
        answer = await m.submit(http, make.teller(await make.place()), m.body("332014901015"))
        assert [r["code"] for r in answer.json()["reasons"]] == ["consult-only"]

    async def test_every_reason_is_named(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place(
            status="suspended",
            agreement=None,
            service_class="basic",
            qualified_until=date(2020, 1, 1),
        )
        answer = await m.submit(http, make.teller(place), m.body(PENSION))
        assert (answer.status_code, answer.json()["code"]) == (403, "outlet-closed")
        assert [r["code"] for r in answer.json()["reasons"]] == [
            "outlet-not-active", "no-agreement", "service-class", "teller-not-qualified",
        ]  # fmt: skip

    async def test_superseded_guide(self, http: httpx.AsyncClient, make: Make) -> None:
        answer = await m.submit(http, make.teller(await make.place()), m.body(guide_version=7))
        assert (answer.status_code, answer.json()["code"]) == (409, "guide-superseded")
        assert answer.json()["guide_version"] == 1

    async def test_reviewer_may_not(self, http: httpx.AsyncClient, make: Make) -> None:
        answer = await m.submit(http, await make.person(Role.REVIEWER))
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")

    async def test_teller_who_left(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        who = make.teller(place)
        await make.change(Teller, code=place.teller, status="left")
        answer = await m.submit(http, who)
        assert (answer.status_code, answer.json()["code"]) == (403, "teller-inactive")


class TestSealing:
    async def test_nothing_personal_stands_in_clear(
        self, http: httpx.AsyncClient, make: Make, owner: AsyncEngine
    ) -> None:
        """The whole of what a submission and a decision wrote, searched for what went in."""
        place = await make.place()
        wanted = m.body(
            applicant={
                "kind": "person", "name": "欧阳样例", "id_type": "resident_id", "id_number": IDS[2],
                "phone": "13912345678",
            }
        )  # fmt: skip
        teller = make.teller(place)
        made = (await m.submit(http, teller, wanted)).json()
        reviewer = await make.person(Role.REVIEWER)
        taken = (await m.act(http, reviewer, made, "take")).json()
        done = await m.act(
            http, reviewer, taken, "grant", opinion="欧阳样例符合", result={"no": "欧阳样例"}
        )
        await m.act(http, teller, done.json(), "deliver", way="counter", received_by="欧阳样例")
        async with owner.connect() as connection:
            tables = (
                await connection.execute(
                    sa.text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
                )
            ).scalars().all()  # fmt: skip
            dump = ""
            for table in tables:
                found = await connection.execute(sa.text(f"SELECT t::text FROM {table} t"))
                dump += "\n".join(found.scalars())
        assert made["number"] in dump
        for secret in (
            "欧阳样例",
            IDS[2],
            "13912345678",
            IDS[2].encode().hex(),
            "欧阳样例".encode().hex(),
        ):
            assert secret not in dump


async def test_statement_is_one(http: httpx.AsyncClient, make: Make, state: State) -> None:
    """Design: a submission is one SQL statement; it is counted where the driver sends it."""
    teller = make.teller(await make.place())
    await m.submit(http, teller)
    async with statements(state) as sent:
        await m.submit(http, teller)
    assert len(sent) == 1, sent
    async with statements(state) as sent:
        await http.get(f"/v1/matters/{PENSION}/guide", headers=teller)
        await http.get("/v1/outlets?division=330106", headers=teller)
        await http.get("/v1/divisions?q=余杭", headers=teller)
        await http.get("/v1/matters?q=ylbx", headers=teller)
    assert sent == []
