"""Who looked at whom: recorded before it is shown, told to the auditor, and watched."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from access.policy import Role
from kit.clock import now, today
from looking import rules
from looking.service import Look, is_elsewhere
from tests import make as m
from tests.make import Make

RECORDS, SEARCH, ALERTS = "/v1/access-records", "/v1/access-records/search", "/v1/access-alerts"
Headers = dict[str, str]


async def handed_in(http: httpx.AsyncClient, make: Make, nth: int = 0, **place: Any) -> Any:
    """An application about another person each time."""
    applicant = m.body()["applicant"] | {"id_number": m.IDS[nth]}
    who = make.teller(await make.place(**place))
    return (await m.submit(http, who, m.body(applicant=applicant))).json()


async def look(
    http: httpx.AsyncClient, who: Headers, number: str, why: str = "核对身份"
) -> httpx.Response:
    return await http.post(f"/v1/applications/{number}/reveal", json={"purpose": why}, headers=who)


async def report(http: httpx.AsyncClient, who: Headers, **narrow: Any) -> list[dict[str, Any]]:
    answer = await http.get(RECORDS, params=narrow, headers=who)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


class TestReport:
    async def test_tells_who_whom_why_and_from_where(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        made = await handed_in(http, make)
        reviewer = await make.person(Role.REVIEWER, subject="looker-1")
        auditor = await make.person(Role.AUDITOR, "330000", subject="auditor-1")
        assert (await look(http, reviewer, made["number"], "电话核对")).status_code == 200
        (row,) = await report(http, auditor)
        assert row | {"id": "", "at": "", "address": ""} == {
            "id": "", "at": "", "looker": "person:looker-1", "role": "reviewer", "kind": "reveal",
            "application": made["number"], "outlet": made["outlet"], "agency": "330106",
            "elsewhere": False, "address": "", "purpose": "电话核对",
        }  # fmt: skip
        assert row["address"] == "127.0.0.1"
        again = await report(http, auditor)
        assert [(r["kind"], r["looker"]) for r in again] == [
            ("report", "person:auditor-1"), ("reveal", "person:looker-1"),
        ]  # fmt: skip

    async def test_narrowed_and_paged(self, http: httpx.AsyncClient, make: Make) -> None:
        made = await handed_in(http, make)
        one = await make.person(Role.REVIEWER, subject="looker-2")
        two = await make.person(Role.APPROVER, subject="looker-3")
        auditor = await make.person(Role.AUDITOR, "330106")
        for who in (one, two, one):
            await look(http, who, made["number"])
        cases: list[tuple[dict[str, Any], int]] = [
            ({"looker": "person:looker-2"}, 2), ({"looker": "person:nobody"}, 0),
            ({"application": made["number"]}, 3), ({"kind": "reveal"}, 3), ({"kind": "file"}, 0),
            ({"agency": "330106", "kind": "reveal"}, 3), ({"outlet": made["outlet"]}, 3),
            ({"kind": "reveal", "looked_from": today(), "looked_to": today()}, 3),
            ({"looked_to": today() - timedelta(days=1)}, 0),
            ({"looked_from": today() + timedelta(days=1)}, 0),
        ]  # fmt: skip
        for narrow, count in cases:
            assert len(await report(http, auditor, **narrow)) == count, narrow
        ask: dict[str, Any] = {"kind": "reveal", "limit": 2}
        first = (await http.get(RECORDS, params=ask, headers=auditor)).json()
        ask["after"] = first["next"]
        rest = (await http.get(RECORDS, params=ask, headers=auditor)).json()
        found = [row["id"] for row in first["items"] + rest["items"]]
        assert len(set(found)) == 3
        assert rest["next"] is None

    async def test_by_the_person_looked_at(
        self, http: httpx.AsyncClient, make: Make, owner: AsyncEngine
    ) -> None:
        """The number is sent in the body, stands nowhere, and the search is a look by itself."""
        first, second = [await handed_in(http, make, nth) for nth in (0, 1)]
        reviewer = await make.person(Role.REVIEWER)
        auditor = await make.person(Role.AUDITOR, "330000", subject="auditor-2")
        for made in (first, second):
            await look(http, reviewer, made["number"])
        wanted = {"id_number": m.IDS[1].lower(), "purpose": "群众投诉"}
        answer = await http.post(SEARCH, json=wanted, headers=auditor)
        assert [row["application"] for row in answer.json()["items"]] == [second["number"]]
        again = (await http.post(SEARCH, json=wanted, headers=auditor)).json()["items"]
        assert [(row["kind"], row["looker"], row["purpose"]) for row in again[:1]] == [
            ("search", "person:auditor-2", "群众投诉")
        ]
        async with owner.connect() as connection:
            rows = await connection.execute(sa.text("SELECT r::text FROM access_record r"))
            assert m.IDS[1] not in "".join(rows.scalars())

    async def test_an_auditor_sees_his_own_area(self, http: httpx.AsyncClient, make: Make) -> None:
        made = await handed_in(http, make)
        await look(http, await make.person(Role.REVIEWER), made["number"])
        for area, count in (
            ("330000", 1),
            ("330100", 1),
            ("330106", 1),
            ("330200", 0),
            ("330105", 0),
        ):
            auditor = await make.person(Role.AUDITOR, area)
            assert len(await report(http, auditor, kind="reveal")) == count, area

    async def test_reading_a_scan_for_an_application_is_looking(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place = await make.place()
        teller, reviewer = make.teller(place), await make.person(Role.REVIEWER)
        scan = {"file": ("a.pdf", b"%PDF-1.4\n%%EOF\n", "application/pdf")}
        file = (await http.post("/v1/files", files=scan, headers=teller)).json()["file"]
        made = await m.submit(
            http, teller, m.body(materials=[{"code": "id_card", "file": file}], accept=False)
        )
        number = made.json()["number"]
        url = f"/v1/files/{file}"
        assert (await http.get(url, headers=teller)).status_code == 200
        assert (await http.get(url, headers=reviewer)).status_code == 404
        other = await http.get(url, params={"application": number}, headers=reviewer)
        assert other.status_code == 200
        found = await report(http, await make.person(Role.AUDITOR, "330106"))
        assert [(row["kind"], row["application"]) for row in found] == [("file", number)]

    async def test_nothing_is_shown_that_was_not_recorded(
        self, http: httpx.AsyncClient, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = await handed_in(http, make)
        reviewer = await make.person(Role.REVIEWER)

        async def broken(*_: Any) -> None:
            raise RuntimeError("the record can't be written")

        monkeypatch.setattr("api.routes.applications.record", broken)
        answer = await look(http, reviewer, made["number"])
        assert answer.status_code == 500
        assert m.IDS[0] not in answer.text


class TestUnusual:
    @pytest.fixture
    def few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Thresholds that a test can cross."""
        low = tuple(threshold._replace(people=1) for threshold in rules.THRESHOLDS)
        monkeypatch.setattr("looking.service.THRESHOLDS", low)

    async def test_many_people_raise_one_alert(
        self, http: httpx.AsyncClient, make: Make, few: None
    ) -> None:
        reviewer = await make.person(Role.REVIEWER, subject="curious")
        auditor = await make.person(Role.AUDITOR, "330106")
        first = await handed_in(http, make)
        for _ in range(3):
            await look(http, reviewer, first["number"])
        assert (await http.get(ALERTS, headers=auditor)).json()["items"] == []
        for nth in (1, 2):
            await look(http, reviewer, (await handed_in(http, make, nth))["number"])
        found = (await http.get(ALERTS, headers=auditor)).json()["items"]
        assert {(row["rule"], row["looker"], row["people"]) for row in found} == {
            ("many_soon", "person:curious", 2), ("many_a_day", "person:curious", 2),
        }  # fmt: skip
        other = await make.person(Role.AUDITOR, "330200")
        assert (await http.get(ALERTS, headers=other)).json()["items"] == []

    async def test_people_of_other_places(
        self, http: httpx.AsyncClient, make: Make, few: None
    ) -> None:
        reviewer = await make.person(Role.REVIEWER)
        for nth in (0, 1):
            made = await handed_in(http, make, nth, county="330205")
            await look(http, reviewer, made["number"])
        auditor = await make.person(Role.AUDITOR, "330106")
        found = (await http.get(ALERTS, headers=auditor)).json()["items"]
        assert "elsewhere" in {row["rule"] for row in found}
        assert all(row["elsewhere"] for row in await report(http, auditor, kind="reveal"))

    async def test_what_is_long_ago_counts_no_more(
        self, http: httpx.AsyncClient, make: Make, few: None, owner: AsyncEngine
    ) -> None:
        reviewer = await make.person(Role.REVIEWER)
        await look(http, reviewer, (await handed_in(http, make))["number"])
        async with owner.begin() as connection:
            await connection.execute(
                sa.text("UPDATE access_record SET at = :at"), {"at": now() - timedelta(hours=1)}
            )
        await look(http, reviewer, (await handed_in(http, make, 1))["number"])
        auditor = await make.person(Role.AUDITOR, "330106")
        found = (await http.get(ALERTS, headers=auditor)).json()["items"]
        assert [row["rule"] for row in found] == ["many_a_day"]

    @pytest.mark.parametrize(
        ("agency", "outlet", "elsewhere"),
        [
            ("330106", "330106000001", False), ("330106", "330105000001", True),
            ("330199", "330105000001", False), ("330199", "330205000001", True),
            ("339900", "330205000001", False), ("339900", "340000000001", True),
            ("330106", None, False), (None, "330106000001", False),
        ],
    )  # fmt: skip
    def test_where_elsewhere_is(
        self, agency: str | None, outlet: str | None, elsewhere: bool
    ) -> None:
        seen = Look("reveal", "x", None, outlet=outlet, agency=agency)
        assert is_elsewhere(seen) == elsewhere

    def test_the_thresholds(self) -> None:
        assert (
            ("many_soon", timedelta(minutes=10), 30, False), ("many_a_day", timedelta(days=1), 200, False),
            ("elsewhere", timedelta(days=1), 20, True),
        ) == rules.THRESHOLDS  # fmt: skip


async def test_reports_are_read_from_indexes(owner: AsyncEngine, as_new: None) -> None:
    asked = {
        "subject = 'x' AND at > now()": "access_record_subject_at_idx",
        "agency = '330106' ORDER BY at DESC, id DESC LIMIT 51": "access_record_agency_at_idx",
        "person = '\\x00'": "access_record_person_at_idx",
    }
    async with owner.connect() as connection:
        # Among few rows the planner may rather walk another index in order: only the named ones are left.
        await connection.execute(sa.text("SET enable_seqscan = off"))
        await connection.execute(sa.text("SET enable_indexscan = off"))
        for where, index in asked.items():
            plan = await connection.execute(
                sa.text(f"EXPLAIN SELECT * FROM access_record WHERE {where}")
            )
            assert index in "\n".join(plan.scalars())
