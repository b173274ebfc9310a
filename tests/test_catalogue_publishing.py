"""Guides on their way: drafted by one, published by another, laid over by places; and what is refused."""

import asyncio
import copy
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import httpx
import orjson
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from access.policy import Role
from api.state import State
from cli.load import shipped_guide
from conformity.layers import RULES
from kit.clock import today
from kit.db import transaction
from publishing.service import publish_file
from schemas.drafting import LayerWanted, Period
from schemas.guides import GuideContent, GuideFile
from tests import make as m
from tests.make import Make

CITY, COUNTY, TOWNSHIP, LONGGANG = "330100", "330106", "330106002", "330383"


def day(days: int = 0) -> str:
    return (today() + timedelta(days=days)).isoformat()


def content(**changed: Any) -> dict[str, Any]:
    """The claim of a resident pension: five days promised, papers of several kinds."""
    return {**orjson.loads(_pension()), **changed}


@cache
def _pension() -> bytes:
    return orjson.dumps(shipped_guide(m.PENSION).guide.model_dump(mode="json"))


@dataclass
class Desk:
    """Two persons of the province, one of a city, and a matter of their own."""

    http: httpx.AsyncClient
    make: Make
    matter: str
    writer: dict[str, str]
    publisher: dict[str, str]
    city: dict[str, str]

    def guide(self, **changed: Any) -> dict[str, Any]:
        return content(**{"base_code": self.matter, **changed})

    async def ask(self, method: str, path: str, who: dict[str, str], **more: Any) -> httpx.Response:
        return await self.http.request(
            method, f"/v1/matters/{self.matter}{path}", headers={**who, **more.pop("headers", {})}, **more
        )  # fmt: skip

    async def draft(
        self, *, starts: int = 0, ends: int | None = None, **changed: Any
    ) -> httpx.Response:
        body = {
            "effective_from": day(starts), "effective_to": None if ends is None else day(ends),
            "guide": self.guide(**changed),
        }  # fmt: skip
        return await self.ask("POST", "/versions", self.writer, json=body)

    async def act(
        self, row: httpx.Response, action: str, who: dict[str, str], **more: Any
    ) -> httpx.Response:
        shown = row.json()
        path = (
            f"/layers/{shown['division']}"
            if "division" in shown
            else f"/versions/{shown['version']}"
        )
        answer = await self.ask(
            "POST", f"{path}/actions", who, json={"action": action, **more},
            headers={"If-Match": row.headers["etag"]},
        )  # fmt: skip
        await self.make.settle()
        return answer

    async def publish(self, row: httpx.Response) -> httpx.Response:
        assert row.status_code in (200, 201), row.text
        submitted = await self.act(row, "submit", self.writer)
        assert submitted.json()["state"] == "submitted", submitted.text
        return await self.act(submitted, "publish", self.publisher)

    async def layer(
        self, division: str, who: dict[str, str] | None = None, *, starts: int = 0,
        etag: str | None = None, **fields: Any,
    ) -> httpx.Response:  # fmt: skip
        headers = {"If-Match": etag} if etag else {}
        body = {"effective_from": day(starts), **fields}
        return await self.ask(
            "PUT", f"/layers/{division}", who or self.writer, json=body, headers=headers
        )

    async def shown(self, division: str | None = None, on: str | None = None) -> httpx.Response:
        params = {k: v for k, v in (("division", division), ("on", on)) if v}
        return await self.ask("GET", "/guide", self.writer, params=params)


@pytest.fixture
async def desk(
    http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
) -> AsyncIterator[Desk]:
    """A matter that no other test knows, with one version in force; gone afterwards."""
    matter = f"332014{900 + uuid.uuid4().int % 90}{500 + uuid.uuid4().int % 400}"
    file = GuideFile(
        version=1, effective_from=today() - timedelta(days=30),
        guide=content(base_code=matter, name=f"样例事项{matter}"),
    )  # fmt: skip
    async with transaction(state.sessions) as session:
        await publish_file(session, file, by="person:file")
    await make.settle()
    yield Desk(
        http, make, matter,
        writer=await make.person(Role.MATTER_ADMIN, "330000"),
        publisher=await make.person(Role.MATTER_ADMIN, "330000"),
        city=await make.person(Role.MATTER_ADMIN, CITY),
    )  # fmt: skip
    async with owner.begin() as connection:
        for table in ("guide_layer", "guide_version", "matter"):
            await connection.execute(
                sa.text(f"DELETE FROM {table} WHERE base_code = :matter"), {"matter": matter}
            )
        await connection.execute(
            sa.text("UPDATE generation SET value = value + 1 WHERE kind = 'matters'")
        )
    state.desk.catalogue._shelf.matters.pop(matter, None)
    state.desk.catalogue._shelf.versions.pop(matter, None)
    state.desk.catalogue._shelf.layers.pop(matter, None)


def faults(answer: httpx.Response) -> set[tuple[str, str]]:
    return {(error["at"], error["rule"]) for error in answer.json()["errors"]}


class TestVersions:
    async def test_two_persons_bring_a_version_into_force(self, desk: Desk) -> None:
        drafted = await desk.draft(summary="新的简述")
        assert drafted.status_code == 201, drafted.text
        assert drafted.headers["location"].endswith(f"/v1/matters/{desk.matter}/versions/2")
        assert (drafted.json()["state"], drafted.json()["actions"]) == (
            "draft",
            ["submit", "withdraw"],
        )
        submitted = await desk.act(drafted, "submit", desk.writer)
        own = await desk.act(submitted, "publish", desk.writer)
        assert (own.status_code, own.json()["code"]) == (403, "guide-same-person")
        assert "publish" not in submitted.json()["actions"]
        assert (await desk.shown()).json()["version"] == 1
        published = await desk.act(submitted, "publish", desk.publisher)
        assert (published.status_code, published.json()["state"]) == (200, "published")
        shown = (await desk.shown()).json()
        assert (shown["version"], shown["summary"]) == (2, "新的简述")
        assert (await desk.shown(on=day(-1))).json()["version"] == 1

    async def test_the_last_editor_does_not_publish_either(self, desk: Desk) -> None:
        drafted = await desk.draft()
        body = {"effective_from": day(), "guide": desk.guide(summary="二稿")}
        edited = await desk.ask(
            "PUT", "/versions/2", desk.publisher, json=body, headers={"If-Match": drafted.headers["etag"]}
        )  # fmt: skip
        assert edited.json()["guide"]["summary"] == "二稿"
        submitted = await desk.act(edited, "submit", desk.writer)
        answer = await desk.act(submitted, "publish", desk.publisher)
        assert answer.json()["code"] == "guide-same-person"

    async def test_nobody_who_had_a_hand_in_it_publishes(self, desk: Desk, make: Make) -> None:
        other = await make.person(Role.MATTER_ADMIN, "330000")
        fourth = await make.person(Role.MATTER_ADMIN, "330000")
        row = await desk.draft()
        body = {"effective_from": day(), "guide": desk.guide(summary="二稿")}
        for who in (desk.publisher, other):
            row = await desk.ask(
                "PUT", "/versions/2", who, json=body, headers={"If-Match": row.headers["etag"]}
            )
        row = await desk.act(row, "submit", desk.writer)
        for who in (desk.writer, desk.publisher, other):
            shown = await desk.ask("GET", "/versions/2", who)
            assert "publish" not in shown.json()["actions"]
            answer = await desk.act(row, "publish", who)
            assert (answer.status_code, answer.json()["code"]) == (403, "guide-same-person")
        assert (await desk.act(row, "publish", fourth)).json()["state"] == "published"

    async def test_sent_back_it_is_a_draft_again(self, desk: Desk) -> None:
        submitted = await desk.act(await desk.draft(), "submit", desk.writer)
        bare = await desk.act(submitted, "send_back", desk.publisher)
        assert (bare.status_code, faults(bare)) == (422, {("/reason", "missing")})
        back = await desk.act(submitted, "send_back", desk.publisher, reason="材料依据不清")
        assert (back.json()["state"], back.json()["reason"]) == ("draft", "材料依据不清")
        again = await desk.act(back, "publish", desk.publisher)
        assert (again.status_code, again.json()["code"]) == (409, "guide-action-not-allowed")

    async def test_conditions_are_kept_in_their_order(self, desk: Desk, make: Make) -> None:
        drafted = await desk.draft()
        url, body = "/versions/2", {"effective_from": day(), "guide": desk.guide()}
        bare = await desk.ask("PUT", url, desk.writer, json=body)
        assert (bare.status_code, bare.json()["code"]) == (428, "if-match-required")
        stale = await desk.ask("PUT", url, desk.writer, json=body, headers={"If-Match": '"99"'})
        assert (stale.status_code, stale.json()["code"]) == (412, "guide-stale")
        city = await desk.ask("PUT", url, desk.city, json=body)
        assert city.status_code == 403
        teller = make.teller(await make.place())
        assert (await desk.ask("PUT", url, teller, json=body)).status_code == 404
        assert (await desk.ask("GET", url, teller)).status_code == 404
        await desk.publish(drafted)
        assert (await desk.ask("GET", url, teller)).status_code == 200
        late = await desk.ask("GET", url, desk.writer)
        over = await desk.ask(
            "PUT", url, desk.writer, json=body, headers={"If-Match": late.headers["etag"]}
        )
        assert (over.status_code, over.json()["code"]) == (409, "guide-immutable")
        for number in ("0", "x", "9" * 10, "%00", "-1"):
            assert (await desk.ask("GET", f"/versions/{number}", desk.writer)).status_code == 404

    async def test_one_that_is_to_come_comes_by_itself(self, desk: Desk) -> None:
        await desk.publish(await desk.draft(starts=10, summary="将来"))
        assert (await desk.shown()).json()["version"] == 1
        assert (await desk.shown(on=day(9))).json()["version"] == 1
        assert (await desk.shown(on=day(10))).json()["version"] == 2

    async def test_one_that_is_withdrawn_before_gives_back_what_it_cut(self, desk: Desk) -> None:
        published = await desk.publish(await desk.draft(starts=10))
        assert (await desk.shown(on=day(20))).json()["version"] == 2
        gone = await desk.act(published, "withdraw", desk.publisher, reason="文件暂缓")
        assert gone.json()["state"] == "withdrawn"
        shown = (await desk.shown(on=day(20))).json()
        assert (shown["version"], shown["effective_to"]) == (1, None)

    async def test_one_between_cuts_short_and_the_later_stays(self, desk: Desk) -> None:
        await desk.publish(await desk.draft(starts=20))
        over = await desk.publish(await desk.draft(starts=10))
        assert (over.status_code, over.json()["code"]) == (409, "guide-overlaps")
        between = await desk.publish(await desk.draft(starts=10, ends=20))
        assert between.status_code == 200, between.text
        found = [(await desk.shown(on=day(n))).json()["version"] for n in (9, 10, 19, 20)]
        assert found == [1, 4, 4, 2]
        await desk.act(between, "withdraw", desk.publisher, reason="不再需要")
        found = [(await desk.shown(on=day(n))).json()["version"] for n in (9, 10, 19, 20)]
        assert found == [1, 1, 1, 2]

    async def test_one_that_comes_while_the_one_before_goes(self, desk: Desk) -> None:
        """Both hold the generation and the row of the one before: whoever is first, none waits for ever."""
        for number in range(2, 8):
            before = await desk.ask("GET", f"/versions/{number - 1}", desk.writer)
            row = await desk.act(await desk.draft(starts=number), "submit", desk.writer)
            came, went = await asyncio.gather(
                desk.act(row, "publish", desk.publisher),
                desk.act(before, "withdraw", desk.publisher, reason="由新版本代替"),
            )
            assert came.status_code == 200, came.text
            assert went.status_code in (200, 412), went.text

    async def test_what_is_withdrawn_in_force_stays_readable_and_was_in_force(
        self, desk: Desk, state: State
    ) -> None:
        row = await desk.ask("GET", "/versions/1", desk.writer)
        await desk.act(row, "withdraw", desk.publisher, reason="事项取消")
        answer = await desk.shown()
        assert (answer.status_code, answer.json()["code"]) == (404, "guide-not-found")
        assert (await desk.shown(on=day(-1))).json()["version"] == 1
        kept = state.desk.catalogue.version(desk.matter, 1)
        assert kept is not None
        assert kept.guide.promised_limit.value == 5
        assert (await desk.ask("GET", "/versions/1", desk.writer)).json()["state"] == "withdrawn"

    async def test_nothing_begins_before_it_is_published(self, desk: Desk) -> None:
        answer = await desk.publish(await desk.draft(starts=-1))
        assert (answer.status_code, faults(answer)) == (422, {("/effective_from", "past")})
        assert (await desk.ask("GET", "/versions/2", desk.writer)).json()["state"] == "submitted"

    @pytest.mark.parametrize(
        ("form", "at", "rule"),
        [
            ({"type": "nonsense"}, "/type", "form-object"),
            ({"type": "object", "properties": {"a": {"type": "x"}}}, "/properties/a/type", "form-invalid"),
            ({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/x"}}},
             "/properties/a/$ref", "form-reference"),
            ({"type": "object", "$id": "http://example.org/"}, "/$id", "form-reference"),
            ({"type": "object", "$schema": "http://example.org/x"}, "/$schema", "form-dialect"),
            ({"type": "object", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "", "form-recursive"),
            ({"type": "object", "properties": {"a": {"pattern": r"(a)\1"}}},
             "/properties/a/pattern", "form-pattern"),
            ({"type": "object"}, "/examples", "form-example-missing"),
            ({"type": "object", "required": ["a"], "examples": [{}]},
             "/examples/0", "form-example-invalid"),
        ],
    )  # fmt: skip
    async def test_a_form_that_is_none_is_not_kept(
        self, desk: Desk, form: dict[str, Any], at: str, rule: str
    ) -> None:
        answer = await desk.draft(form_schema=form)
        assert (answer.status_code, answer.json()["code"]) == (422, "guide-not-valid")
        assert (f"/guide/form_schema{at}", rule) in faults(answer)
        assert (await desk.ask("GET", "/versions/2", desk.writer)).status_code == 404

    async def test_shape_period_and_matter(self, desk: Desk) -> None:
        answer = await desk.draft(starts=5, ends=5, base_code="332014901001")
        assert faults(answer) == {("/effective_to", "period"), ("/guide/base_code", "matter")}
        answer = await desk.draft(sumary="typo", visits_required=-1)
        assert answer.json()["code"] == "request-invalid"
        assert {at for at, _ in faults(answer)} == {"/guide/sumary", "/guide/visits_required"}
        large = b'{"guide": "' + b"x" * 2_000_000 + b'"}'
        answer = await desk.ask("POST", "/versions", desk.writer, content=large)
        assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


class TestLint:
    async def test_errors_are_told_before_and_refused_at_the_end(self, desk: Desk) -> None:
        wrong = desk.guide()
        wrong["promised_limit"] = {**wrong["promised_limit"], "value": 30}
        drafted = await desk.draft(promised_limit=wrong["promised_limit"], is_charged=True)
        told = await desk.ask(
            "GET", "/versions/2/lint", desk.writer, headers={"Accept-Language": "en"}
        )
        found = {(f["at"], f["code"]) for f in told.json()["findings"] if f["level"] == "error"}
        expected = {
            ("/promised_limit/value", "promise-longer-than-law"), ("/flow", "limits-do-not-add-up"),
            ("/steps", "limits-do-not-add-up"), ("/is_charged", "charged"),
        }  # fmt: skip
        assert found == expected
        assert told.json()["errors"] == 4
        refused = await desk.publish(drafted)
        assert (refused.status_code, refused.json()["code"]) == (422, "guide-breaks-rules")
        assert faults(refused) == {(f"/guide{at}", rule) for at, rule in expected}
        assert (await desk.shown()).json()["version"] == 1

    async def test_is_for_who_works_on_guides(self, desk: Desk, make: Make) -> None:
        teller = make.teller(await make.place())
        assert (await desk.ask("GET", "/versions/1/lint", teller)).status_code == 403
        assert (await desk.ask("GET", "/versions/1/lint", desk.city)).json()["errors"] == 0


class TestDiff:
    async def test_is_readable_field_by_field(self, desk: Desk) -> None:
        changed = copy.deepcopy(desk.guide())
        changed["materials"][0]["necessity"] = "optional"
        changed["materials"].insert(0, changed["materials"].pop())
        dropped = changed["flow"].pop(0)
        await desk.draft(
            summary="新", materials=changed["materials"], flow=changed["flow"],
            promised_limit={**changed["promised_limit"], "value": 4},
        )  # fmt: skip
        answer = await desk.ask("GET", "/versions/1/diff/2", desk.writer)
        found = {d["at"]: d for d in answer.json()["differences"]}
        assert found["/promised_limit/value"] == {
            "at": "/promised_limit/value", "title": "承诺办结时限 › 时限", "change": "changed",
            "before": 5, "after": 4,
        }  # fmt: skip
        assert found["/materials/id_card/necessity"]["title"] == "申请材料 › 居民身份证 › 必要性"
        assert found[f"/flow/{dropped['name']}"]["change"] == "removed"
        assert set(found) == {
            "/promised_limit/value", "/materials/id_card/necessity", "/summary", "/flow/申请", "/name",
        }  # fmt: skip


class TestLayers:
    async def test_lie_over_each_other_down_to_the_township(self, desk: Desk) -> None:
        shorter = {**desk.guide()["promised_limit"], "value": 3}
        kept = [one for one in desk.guide()["materials"] if one["code"] != "household_book"]
        wanted: dict[str, dict[str, Any]] = {
            CITY: {"promised_limit": shorter, "supervise_phone": "0571-12345678"},
            COUNTY: {"handle_address": "西湖区政务中心", "consult_phone": "0571-87654321"},
            TOWNSHIP: {"handle_address": "街道便民服务中心", "materials": kept},
        }
        for division, fields in wanted.items():
            published = await desk.publish(await desk.layer(division, **fields))
            assert published.json()["state"] == "published", published.text
        shown = (await desk.shown(TOWNSHIP)).json()
        assert shown["handle_address"] == "街道便民服务中心"
        assert (shown["promised_limit"]["value"], shown["consult_phone"]) == (3, "0571-87654321")
        assert "household_book" not in [one["code"] for one in shown["materials"]]
        assert {n: p for n, p in shown["provenance"].items() if p != "330000"} == {
            "promised_limit": CITY, "flow": CITY, "steps": CITY, "supervise_phone": CITY,
            "consult_phone": COUNTY, "handle_address": TOWNSHIP, "materials": TOWNSHIP,
        }  # fmt: skip
        assert sum(step["limit"] for step in shown["flow"]) == 3
        assert sum(step["limit"] for step in shown["steps"]) == 3
        county = (await desk.shown(COUNTY)).json()
        assert county["provenance"]["handle_address"] == COUNTY
        assert (await desk.shown("330106003")).headers["etag"] == (
            await desk.shown(COUNTY)
        ).headers["etag"]
        assert (await desk.shown("330102")).json()["provenance"]["promised_limit"] == CITY
        assert set((await desk.shown("330302")).json()["provenance"].values()) == {"330000"}

    async def test_longgang_has_one_though_it_has_no_townships(self, desk: Desk) -> None:
        await desk.publish(await desk.layer(LONGGANG, handle_address="龙港市政务服务中心"))
        assert (await desk.shown(LONGGANG)).json()["provenance"]["handle_address"] == LONGGANG

    async def test_every_fault_is_named_at_once(self, desk: Desk) -> None:
        guide = desk.guide()
        stranger = {**guide["materials"][0], "code": "another"}
        other = {**guide["materials"][0], "name": "改名"}
        answer = await desk.layer(
            COUNTY, promised_limit={**guide["promised_limit"], "value": 6, "starts": "received"},
            visits_required=9, materials=[other, stranger], legal_limit=None, name="另一个名字",
            form_schema={}, no_such_field=1, handle_address="可以改",
        )  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (422, "layer-not-allowed")
        assert faults(answer) == {
            ("/promised_limit/value", "shorter"), ("/promised_limit/starts", "locked"),
            ("/visits_required", "fewer"), ("/materials/0", "locked"), ("/materials/1", "fewer"),
            ("/legal_limit", "locked"), ("/name", "locked"), ("/form_schema", "locked"),
            ("/no_such_field", "locked"),
        }  # fmt: skip
        assert (await desk.ask("GET", f"/layers/{COUNTY}", desk.writer)).status_code == 404

    @pytest.mark.parametrize("field", sorted(set(GuideContent.model_fields) - set(RULES)))
    async def test_every_other_field_is_locked(self, desk: Desk, field: str) -> None:
        answer = await desk.layer(COUNTY, **{field: desk.guide()[field]})
        assert faults(answer) == {(f"/{field}", "locked")}

    def test_the_body_has_the_fields_of_the_rule(self) -> None:
        assert set(LayerWanted.model_fields) - set(Period.model_fields) == set(RULES)

    async def test_posts_hold_where_they_hold(self, desk: Desk) -> None:
        mine = await desk.layer(COUNTY, desk.city, handle_time="周一至周五")
        assert mine.status_code == 200, mine.text
        other = await desk.layer("330302", desk.city, handle_time="周一至周五")
        assert (other.status_code, other.json()["code"]) == (403, "forbidden")
        own = await desk.act(await desk.act(mine, "submit", desk.city), "publish", desk.city)
        assert own.json()["code"] == "guide-same-person"

    async def test_nobody_who_had_a_hand_in_one_publishes(self, desk: Desk, make: Make) -> None:
        other = await make.person(Role.MATTER_ADMIN, "330000")
        row = await desk.layer(COUNTY, handle_time="甲")
        for who in (desk.publisher, other):
            row = await desk.layer(COUNTY, who, handle_time="乙", etag=row.headers["etag"])
        row = await desk.act(row, "submit", desk.writer)
        answer = await desk.act(row, "publish", desk.publisher)
        assert (answer.status_code, answer.json()["code"]) == (403, "guide-same-person")

    async def test_a_limit_has_the_words_of_the_province(self, desk: Desk) -> None:
        words = {"basis": "本地规定", "note": "另行通知", "starts": "received"}
        for name, value in words.items():
            limit = {**desk.guide()["promised_limit"], name: value}
            answer = await desk.layer(COUNTY, promised_limit=limit)
            assert faults(answer) == {(f"/promised_limit/{name}", "locked")}

    async def test_words_that_the_province_changes_change_everywhere(self, desk: Desk) -> None:
        limit = desk.guide()["promised_limit"]
        await desk.publish(await desk.layer(COUNTY, promised_limit={**limit, "value": 3}))
        done = await desk.publish(await desk.draft(promised_limit={**limit, "note": "新说明"}))
        assert done.status_code == 200, done.text
        shown = (await desk.shown(COUNTY)).json()["promised_limit"]
        assert (shown["value"], shown["note"]) == (3, "新说明")

    async def test_one_that_says_nothing_is_none(self, desk: Desk) -> None:
        answer = await desk.layer(COUNTY)
        assert (answer.status_code, faults(answer)) == (422, {("", "empty")})

    async def test_the_guide_with_one_keeps_the_rules(self, desk: Desk) -> None:
        """A condition asks for a proof: the paper that is the proof can't be left out."""
        guide = desk.guide()
        paper = {**guide["materials"][0], "code": "proof", "name": "本人居住证明"}
        asks = [*guide["accept_conditions"], "提供居住证明"]
        kept, at = guide["materials"], f"/accept_conditions/{len(asks) - 1}"
        drafted = await desk.draft(materials=[*kept, paper], accept_conditions=asks)
        assert (await desk.publish(drafted)).status_code == 200
        refused = await desk.layer(COUNTY, materials=kept)
        assert (refused.status_code, refused.json()["code"]) == (422, "layer-not-allowed")
        assert faults(refused) == {(at, "condition-proof-missing")}
        fewer = [one for one in [*kept, paper] if one["code"] != "household_book"]
        assert (await desk.layer(COUNTY, materials=fewer)).status_code == 200

    async def test_of_many_who_begin_one_at_once_one_does(self, desk: Desk) -> None:
        answers = await asyncio.gather(*(desk.layer(COUNTY, handle_time=t) for t in "甲乙丙丁"))
        codes = sorted(answer.status_code for answer in answers)
        assert codes[0] == 200, [answer.text for answer in answers]
        assert set(codes[1:]) <= {412, 428}
        etag = next(answer for answer in answers if answer.status_code == 200).headers["etag"]
        row = await desk.publish(await desk.layer(COUNTY, handle_time="戊", etag=etag))
        etag = row.headers["etag"]
        answers = await asyncio.gather(
            *(desk.layer(COUNTY, handle_time=t, starts=3, etag=etag) for t in "甲乙丙丁")
        )
        assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]

    async def test_who_sees_no_drafts_sees_what_is_published(self, desk: Desk, make: Make) -> None:
        teller = make.teller(await make.place())
        row = await desk.layer(COUNTY, handle_time="甲")
        assert (await desk.ask("GET", f"/layers/{COUNTY}", teller)).status_code == 404
        row = await desk.publish(row)
        await desk.layer(COUNTY, handle_time="乙", starts=3, etag=row.headers["etag"])
        shown = (await desk.ask("GET", f"/layers/{COUNTY}", teller)).json()
        assert (shown["version"], shown["state"]) == (1, "published")
        shown = (await desk.ask("GET", f"/layers/{COUNTY}", desk.writer)).json()
        assert (shown["version"], shown["state"]) == (2, "draft")

    async def test_a_draft_is_written_anew_and_a_published_one_followed(self, desk: Desk) -> None:
        first = await desk.layer(COUNTY, handle_time="甲")
        bare = await desk.layer(COUNTY, handle_time="乙")
        assert bare.status_code == 428
        second = await desk.layer(COUNTY, handle_time="乙", etag=first.headers["etag"])
        assert (second.json()["version"], second.json()["fields"]) == (1, {"handle_time": "乙"})
        published = await desk.publish(second)
        third = await desk.layer(COUNTY, handle_time="丙", starts=7, etag=published.headers["etag"])
        assert (third.json()["version"], third.json()["state"]) == (2, "draft")
        waiting = await desk.act(third, "submit", desk.writer)
        busy = await desk.layer(COUNTY, handle_time="丁", etag=waiting.headers["etag"])
        assert busy.json()["code"] == "guide-action-not-allowed"
        done = await desk.act(waiting, "publish", desk.publisher)
        found = [(await desk.shown(COUNTY, day(n))).json()["handle_time"] for n in (0, 6, 7)]
        assert found == ["乙", "乙", "丙"]
        await desk.act(done, "withdraw", desk.publisher, reason="不再需要")
        assert (await desk.shown(COUNTY, day(7))).json()["handle_time"] == "乙"

    async def test_places_that_have_none(self, desk: Desk) -> None:
        for division in ("330000", "310101"):
            answer = await desk.layer(division, handle_time="甲")
            assert answer.status_code in (403, 422), answer.text
        for division in ("999999", "x", "%00"):
            answer = await desk.layer(division, handle_time="甲")
            assert (answer.status_code, answer.json()["code"]) == (404, "division-not-found")
        answer = await desk.shown("999999")
        assert (answer.status_code, answer.json()["code"]) == (404, "division-not-found")
        for gone in (await desk.shown("330104"), await desk.layer("330104", handle_time="甲")):
            assert (gone.status_code, gone.json()["code"]) == (404, "division-abolished")
            assert [one["division"] for one in gone.json()["successors"]] == ["330102", "330114"]

    async def test_a_master_that_makes_them_illegal_is_refused_with_their_list(
        self, desk: Desk
    ) -> None:
        shorter = {**desk.guide()["promised_limit"], "value": 4}
        layer = await desk.publish(await desk.layer(COUNTY, promised_limit=shorter))
        await desk.publish(await desk.layer("330302", handle_time="甲"))
        guide = desk.guide()
        guide["promised_limit"] |= {"value": 3}
        for parts in (guide["flow"], guide["steps"]):
            excess = sum(part["limit"] for part in parts) - 3
            longest = max(parts, key=lambda part: part["limit"])
            longest["limit"] -= excess
        changed = {name: guide[name] for name in ("promised_limit", "flow", "steps")}
        drafted = await desk.draft(starts=5, **changed)
        told = (await desk.ask("GET", "/versions/2/lint", desk.writer)).json()["findings"]
        assert [(f["code"], f["at"]) for f in told] == [
            ("layer-in-the-way", f"/layers/{COUNTY}/promised_limit/value")
        ]
        submitted = await desk.act(drafted, "submit", desk.writer)
        refused = await desk.act(submitted, "publish", desk.publisher)
        assert (refused.status_code, refused.json()["code"]) == (409, "layers-in-the-way")
        assert [(one["division"], one["errors"][0]["at"]) for one in refused.json()["layers"]] == [
            (COUNTY, "/promised_limit/value")
        ]
        await desk.act(layer, "withdraw", desk.publisher, reason="按省里新时限执行")
        assert (await desk.act(submitted, "publish", desk.publisher)).status_code == 200

    async def test_a_city_is_refused_like_the_province(self, desk: Desk) -> None:
        limit = desk.guide()["promised_limit"]
        await desk.publish(await desk.layer(COUNTY, promised_limit={**limit, "value": 4}))
        city = await desk.publish(await desk.layer(CITY, promised_limit={**limit, "value": 2}))
        assert (city.status_code, city.json()["code"]) == (409, "layers-in-the-way")

    async def test_a_material_that_the_province_adds_is_asked_for_everywhere(
        self, desk: Desk
    ) -> None:
        guide = desk.guide()
        kept = [one for one in guide["materials"] if one["code"] != "household_book"]
        await desk.publish(await desk.layer(COUNTY, materials=kept))
        added = {**guide["materials"][0], "code": "new_paper", "name": "新材料样例"}
        published = await desk.publish(await desk.draft(materials=[*guide["materials"], added]))
        assert published.status_code == 200, published.text
        codes = [one["code"] for one in (await desk.shown(COUNTY)).json()["materials"]]
        assert "new_paper" in codes
        assert "household_book" not in codes


class TestApplications:
    """What is handed in goes by the guide of the outlet's place, and keeps it."""

    def wanted(self, desk: Desk, **changed: Any) -> dict[str, Any]:
        return {**m.body(m.PENSION), "matter": desk.matter, **changed}

    def optional(self, desk: Desk) -> list[dict[str, Any]]:
        return [one for one in desk.guide()["materials"] if one["necessity"] == "optional"]

    async def test_keep_the_shorter_promise_of_their_place(self, desk: Desk, make: Make) -> None:
        who, other = make.teller(await make.place()), make.teller(await make.place(county="330302"))
        kept = self.optional(desk)
        shorter = {**desk.guide()["promised_limit"], "value": 1}
        layer = await desk.publish(
            await desk.layer(TOWNSHIP, promised_limit=shorter, materials=kept)
        )
        await desk.publish(await desk.layer("330302", materials=kept))
        made = [
            (
                await m.submit(desk.http, teller, self.wanted(desk, accept=accept, materials=[]))
            ).json()
            for teller, accept in ((who, True), (other, True), (who, False))
        ]
        assert made[0]["promised_due_on"] < made[1]["promised_due_on"]
        await desk.act(layer, "withdraw", desk.publisher, reason="恢复省定时限")
        officer = await make.person(Role.ACCEPTANCE_OFFICER, made[2]["agency"]["code"])
        accepted = await m.act(desk.http, officer, made[2], "accept")
        assert accepted.status_code == 200, accepted.text
        assert accepted.json()["promised_due_on"] == made[0]["promised_due_on"]

    async def test_need_no_paper_that_their_place_does_not_ask_for(
        self, desk: Desk, make: Make
    ) -> None:
        who, wanted = make.teller(await make.place()), self.wanted(desk, materials=[])
        refused = await m.submit(desk.http, who, wanted)
        assert refused.status_code == 422, refused.text
        await desk.publish(await desk.layer(TOWNSHIP, materials=self.optional(desk)))
        made = await m.submit(desk.http, who, wanted)
        assert made.status_code == 201, made.text
