"""Drafts that wait, layers named by their number, and what of a guide's draft is no slip of the pen."""

import asyncio
import copy
from typing import Any

import httpx
import pytest

from access.policy import Role
from conformity import forms
from schemas.drafting import LayerWanted, LocalField
from tests import make as m
from tests import test_catalogue_publishing as base
from tests.make import Make
from tests.test_catalogue_publishing import CITY, COUNTY, Desk, content, day, faults

desk = base.desk


async def drafts(desk: Desk, who: dict[str, str], **params: Any) -> list[dict[str, Any]]:
    """All pages of the list, two items each."""
    found: list[dict[str, Any]] = []
    params = {"matter": desk.matter, "limit": 2, **params}
    while True:
        answer = await desk.http.get("/v1/catalogue/drafts", params=params, headers=who)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        if answer.json()["next"] is None:
            return found
        params["after"] = answer.json()["next"]


class TestDrafts:
    async def test_what_waits_is_listed(self, desk: Desk) -> None:
        version = await desk.draft(starts=3)
        layer = await desk.layer(COUNTY, desk.city, handle_address="某街道1号")
        await desk.layer(CITY, desk.city, handle_address="某路2号")
        assert layer.status_code == 200, layer.text
        await desk.act(version, "submit", desk.writer)
        found = await drafts(desk, desk.publisher)
        assert [(d["division"], d["version"], d["state"]) for d in found] == [
            ("330000", 2, "submitted"), (CITY, 1, "draft"), (COUNTY, 1, "draft"),
        ]  # fmt: skip
        assert "publish" in found[0]["actions"]
        only = await drafts(desk, desk.publisher, state="submitted")
        assert [d["division"] for d in only] == ["330000"]
        within = await drafts(desk, desk.city, division=COUNTY)
        assert [d["division"] for d in within] == [COUNTY]

    async def test_published_ones_are_not(self, desk: Desk) -> None:
        await desk.publish(await desk.draft(starts=1))
        assert await drafts(desk, desk.publisher) == []

    async def test_only_who_works_on_guides_sees_them(self, desk: Desk, make: Make) -> None:
        who = await make.person(Role.OUTLET_ADMIN, "330106")
        answer = await desk.http.get("/v1/catalogue/drafts", headers=who)
        assert answer.status_code == 403


class TestRepeats:
    async def send(self, desk: Desk, key: str, **changed: Any) -> httpx.Response:
        body = {"effective_from": day(), "guide": desk.guide(**changed)}
        headers = {"Idempotency-Key": key}
        return await desk.ask("POST", "/versions", desk.writer, json=body, headers=headers)

    async def test_a_call_sent_twice_drafts_once(self, desk: Desk) -> None:
        key = m.key()
        first, second = await self.send(desk, key), await self.send(desk, key)
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        assert second.headers["idempotent-replayed"] == "true"
        assert "idempotent-replayed" not in first.headers
        other = await self.send(desk, key, summary="另一份")
        assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")

    async def test_two_at_once_draft_once(self, desk: Desk) -> None:
        key = m.key()
        answers = await asyncio.gather(*(self.send(desk, key) for _ in range(4)))
        assert {a.json()["version"] for a in answers} == {2}
        assert len(await drafts(desk, desk.writer)) == 1


class TestLayersByNumber:
    async def test_one_in_force_is_withdrawn_while_the_next_is_drafted(self, desk: Desk) -> None:
        first = await desk.publish(await desk.layer(COUNTY, handle_address="旧址1号"))
        assert first.json()["state"] == "published", first.text
        second = await desk.layer(
            COUNTY, starts=3, etag=first.headers["etag"], handle_address="新址2号"
        )
        assert second.json()["version"] == 2
        path = f"/layers/{COUNTY}"
        older = await desk.ask("GET", path, desk.writer, params={"version": 1})
        assert older.json()["fields"] == {"handle_address": "旧址1号"}
        withdrawn = await desk.ask(
            "POST", f"{path}/actions", desk.publisher, params={"version": 1},
            json={"action": "withdraw", "reason": "地址写错"},
            headers={"If-Match": older.headers["etag"]},
        )  # fmt: skip
        assert (withdrawn.status_code, withdrawn.json()["state"]) == (200, "withdrawn")
        await desk.make.settle()
        assert (await desk.shown(COUNTY)).json()["provenance"]["handle_address"] == "330000"
        assert (await desk.ask("GET", path, desk.writer)).json()["version"] == 2

    async def test_one_that_is_not_there(self, desk: Desk) -> None:
        answer = await desk.ask("GET", f"/layers/{COUNTY}", desk.writer, params={"version": 9})
        assert answer.status_code == 404


class TestWhatIsRefused:
    @pytest.mark.parametrize("value", [False, "1", 1.5])
    async def test_a_number_is_a_number(self, desk: Desk, value: Any) -> None:
        answer = await desk.layer(COUNTY, visits_required=value)
        assert answer.status_code == 422
        assert {at for at, _ in faults(answer)} == {"/visits_required"}

    @pytest.mark.parametrize(("name", "value"), [("accept_limit", True), ("is_charged", "no")])
    async def test_so_it_is_in_the_master(self, desk: Desk, name: str, value: Any) -> None:
        answer = await desk.draft(**{name: value})
        assert {at for at, _ in faults(answer)} == {f"/guide/{name}"}

    async def test_a_document_that_the_register_lacks(self, desk: Desk) -> None:
        bases = copy.deepcopy(content()["legal_bases"])
        bases[0]["document"] = "no-such-document"
        drafted = await desk.draft(legal_bases=bases)
        found = await desk.ask("GET", "/versions/2/lint", desk.writer)
        assert "document-unknown" in {f["code"] for f in found.json()["findings"]}
        refused = await desk.publish(drafted)
        assert ("/guide/legal_bases/0/document", "document-unknown") in faults(refused)

    @pytest.mark.parametrize("path", ["/guide", "/guide.html", "/guide.pdf"])
    async def test_an_unknown_name_in_a_query(self, desk: Desk, path: str) -> None:
        answer = await desk.ask("GET", path, desk.writer, params={"divison": COUNTY})
        assert answer.status_code == 422

    @pytest.mark.parametrize("place", ["310000", "310101"])
    async def test_a_place_of_another_province_has_no_guide(self, desk: Desk, place: str) -> None:
        answer = await desk.shown(place)
        assert (answer.status_code, answer.json()["code"]) == (404, "guide-not-found")

    async def test_a_report_on_a_field_that_no_place_may_change(self, desk: Desk) -> None:
        answer = await desk.http.get(
            "/v1/catalogue/conformity", params={"field": "name"}, headers=desk.writer
        )
        assert answer.status_code == 422


def test_two_fields_by_one_basis_are_one_too_many() -> None:
    form = copy.deepcopy(content()["form_schema"])
    field = next(part for part in form["properties"].values() if "x-routing" in part)
    form["properties"]["again"] = field
    found = {(f.code, f.at) for f in forms.check(form)}
    assert ("form-mark-twice", "/form_schema/properties/again/x-routing") in found


def test_the_fields_of_a_report_are_those_of_a_layer() -> None:
    period = {"effective_from", "effective_to"}
    assert set(LocalField.__args__) == set(LayerWanted.model_fields) - period  # type: ignore[attr-defined]
