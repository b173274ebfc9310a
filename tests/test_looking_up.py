"""Looking up guides, matters, divisions, outlets and agencies: from memory, with tags."""

from datetime import timedelta

import httpx
import pytest

from access.policy import Role
from api.state import State
from cli.load import shipped_guide
from kit.clock import today
from kit.db import transaction
from matters.errors import GuideImmutable, GuideOverlaps
from outlets.models import Outlet
from publishing import service as publishing
from schemas.guides import Guide, GuideFile
from tests import make as m
from tests.make import Make


@pytest.fixture
async def reader(make: Make) -> dict[str, str]:
    return await make.person(Role.MATTER_ADMIN, "330000")


class TestGuide:
    async def test_is_whole_and_says_where_it_is_from(
        self, http: httpx.AsyncClient, reader: dict[str, str]
    ) -> None:
        answer = await http.get(f"/v1/matters/{m.PENSION}/guide", headers=reader)
        guide = answer.json()
        assert set(Guide.model_fields) <= set(guide)
        assert (guide["matter"], guide["version"], guide["is_sample"]) == (m.PENSION, 1, True)
        assert guide["legal_limit"]["value"] == 20
        assert guide["provenance"]["promised_limit"] == "330000"
        assert guide["implementation_code"] == guide["agency_code"] + "4" + m.PENSION
        assert len(guide["handling_item_code"]) == 33
        assert guide["outlet_delegation"] == "D2"

    async def test_304_for_who_has_it(
        self, http: httpx.AsyncClient, reader: dict[str, str]
    ) -> None:
        url = f"/v1/matters/{m.PENSION}/guide?division=330106002"
        etag = (await http.get(url, headers=reader)).headers["etag"]
        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            answer = await http.get(url, headers={**reader, "If-None-Match": known})
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
        answer = await http.get(url, headers={**reader, "If-None-Match": '"other"'})
        assert answer.status_code == 200

    async def test_unknown_matter_and_day(
        self, http: httpx.AsyncClient, reader: dict[str, str]
    ) -> None:
        answer = await http.get("/v1/matters/000000000000/guide", headers=reader)
        assert (answer.status_code, answer.json()["code"]) == (404, "matter-not-found")
        answer = await http.get(f"/v1/matters/{m.PENSION}/guide?on=2001-01-01", headers=reader)
        assert (answer.status_code, answer.json()["code"]) == (404, "guide-not-found")
        for bad in ("on=yesterday", "division=12", "division=abc"):
            answer = await http.get(f"/v1/matters/{m.PENSION}/guide?{bad}", headers=reader)
            assert answer.status_code == 422


class TestPublishing:
    def wanted(
        self, version: int, *, days: int = 0, name: str = "样例事项甲", code: str = "332014901999"
    ) -> GuideFile:
        guide = shipped_guide(m.RECORD).guide.model_dump(mode="json")
        guide |= {"base_code": code, "name": name}
        start = today() + timedelta(days=days)
        return GuideFile(version=version, effective_from=start, guide=Guide.model_validate(guide))

    async def test_new_version_ends_the_one_before(
        self, http: httpx.AsyncClient, reader: dict[str, str], make: Make, state: State
    ) -> None:
        url = "/v1/matters/332014901999/guide"
        async with transaction(state.sessions) as session:
            await publishing.publish_file(session, self.wanted(1, days=-5), by="person:a")
        await make.settle()
        first = await http.get(url, headers=reader)
        async with transaction(state.sessions) as session:
            await publishing.publish_file(session, self.wanted(2, name="样例事项乙"), by="person:a")
            again = await publishing.publish_file(
                session, self.wanted(2, name="样例事项乙"), by="person:a"
            )
            assert again is None
        await make.settle()
        second = await http.get(url, headers=reader)
        assert (first.json()["version"], second.json()["version"]) == (1, 2)
        assert first.headers["etag"] != second.headers["etag"]
        before = await http.get(
            url, params={"on": str(today() - timedelta(days=1))}, headers=reader
        )
        assert before.json()["version"] == 1
        detail = (await http.get("/v1/matters/332014901999", headers=reader)).json()
        assert [v["version"] for v in detail["versions"]] == [1, 2]
        async with transaction(state.sessions) as session:
            with pytest.raises(GuideImmutable):
                await publishing.publish_file(session, self.wanted(2, name="改名"), by="person:a")

    async def test_overlap_is_refused_by_the_database(self, state: State) -> None:
        code = "332014901998"
        async with transaction(state.sessions) as session:
            await publishing.publish_file(session, self.wanted(2, code=code), by="person:a")
        with pytest.raises(GuideOverlaps):
            async with transaction(state.sessions) as session:
                await publishing.publish_file(
                    session, self.wanted(1, days=-3, code=code), by="person:a"
                )


class TestMatters:
    @pytest.mark.parametrize("q", ["权益记录", "332014901008", "grqyjl", "gerenquanyi", "GRQYJL"])
    async def test_found_by_name_code_and_pinyin(
        self, http: httpx.AsyncClient, reader: dict[str, str], q: str
    ) -> None:
        found = (await http.get("/v1/matters", params={"q": q}, headers=reader)).json()["items"]
        assert found[0]["matter"] == m.RECORD

    async def test_what_an_outlet_may_do(
        self, http: httpx.AsyncClient, reader: dict[str, str], make: Make
    ) -> None:
        basic, premium = await make.place(service_class="basic"), await make.place()

        async def codes(outlet: str) -> set[str]:
            page = await http.get(
                "/v1/matters", params={"outlet": outlet, "limit": 200}, headers=reader
            )
            return {item["matter"] for item in page.json()["items"]}

        assert m.PENSION in await codes(premium.outlet)
        assert m.PENSION not in await codes(basic.outlet)
        assert m.RECORD in await codes(basic.outlet)
        assert "332014901015" not in await codes(premium.outlet)
        unknown = await http.get("/v1/matters?outlet=000000000000", headers=reader)
        assert unknown.json()["code"] == "outlet-not-found"

    async def test_pages_hold_all_once(
        self, http: httpx.AsyncClient, reader: dict[str, str]
    ) -> None:
        seen, after = [], None
        while True:
            params = {"limit": 4} | ({"after": after} if after else {})
            page = (await http.get("/v1/matters", params=params, headers=reader)).json()
            seen += [item["matter"] for item in page["items"]]
            if (after := page["next"]) is None:
                break
        assert len(seen) == len(set(seen)) >= 14


class TestDivisions:
    @pytest.mark.parametrize(
        ("code", "name"),
        [
            ("330106", "西湖区"), ("330106000000", "西湖区"), ("330106000", "西湖区"), ("330383", "龙港市"),
            ("330000", "浙江省"),
        ],
    )  # fmt: skip
    async def test_by_code_of_any_length(
        self, http: httpx.AsyncClient, reader: dict[str, str], code: str, name: str
    ) -> None:
        assert (await http.get(f"/v1/divisions/{code}", headers=reader)).json()["name"] == name

    async def test_unknown(self, http: httpx.AsyncClient, reader: dict[str, str]) -> None:
        for code in ("999999", "x", "%00", "999999?scheme=nbs"):
            answer = await http.get(f"/v1/divisions/{code}", headers=reader)
            assert (answer.status_code, answer.json()["code"]) == (404, "division-not-found")
        answer = await http.get("/v1/divisions/330106?scheme=xyz", headers=reader)
        assert answer.status_code == 422

    async def test_narrowed(self, http: httpx.AsyncClient, reader: dict[str, str]) -> None:
        async def count(query: str) -> int:
            return len(
                (await http.get(f"/v1/divisions?limit=200&{query}", headers=reader)).json()["items"]
            )

        assert await count("parent=330000") == 11
        assert await count("parent=330100&level=county") == 13
        assert await count("parent=330383") == 0
        assert await count("level=province") == 34
        assert await count("q=白云街道") >= 5


class TestOutlets:
    async def test_narrowed_and_tagged(
        self, http: httpx.AsyncClient, reader: dict[str, str], make: Make
    ) -> None:
        place = await make.place(county="330881", service_class="basic")

        async def found(query: str) -> list[str]:
            numbers: list[str] = []
            after: str | None = ""
            while after is not None:
                mark = f"&after={after}" if after else ""
                answer = await http.get(f"/v1/outlets?limit=200&{query}{mark}", headers=reader)
                assert answer.status_code == 200, answer.text
                numbers += [item["outlet"] for item in answer.json()["items"]]
                after = answer.json()["next"]
            return numbers

        for query in (
            "division=330881", "division=330881002", "division=330800", "division=330000",
            "division=330881002000", "class=basic&division=330881", "bank=SRCB&division=330881",
            "status=active&division=330881", "kind=bank_branch&division=330881",
            f"matter={m.RECORD}&division=330881", "q=测试网点&division=330881",
        ):  # fmt: skip
            assert place.outlet in await found(query), query
        for query in (
            "division=330882", "division=330881003", "class=premium&division=330881",
            "status=exited", "kind=agency_hall", f"matter={m.PENSION}&division=330881",
        ):  # fmt: skip
            assert place.outlet not in await found(query), query
        shown = await http.get(f"/v1/outlets/{place.outlet}", headers=reader)
        known = {**reader, "If-None-Match": shown.headers["etag"]}
        assert (await http.get(f"/v1/outlets/{place.outlet}", headers=known)).status_code == 304
        await make.change(Outlet, number=place.outlet, status="exited", version=2)
        assert (await http.get(f"/v1/outlets/{place.outlet}", headers=known)).status_code == 200

    async def test_unknown(self, http: httpx.AsyncClient, reader: dict[str, str]) -> None:
        answer = await http.get("/v1/outlets/1", headers=reader)
        assert (answer.status_code, answer.json()["code"]) == (404, "outlet-not-found")


async def test_agencies(http: httpx.AsyncClient, reader: dict[str, str]) -> None:
    first = (await http.get("/v1/agencies?limit=100", headers=reader)).json()
    rest = await http.get(
        "/v1/agencies", params={"limit": 100, "after": first["next"]}, headers=reader
    )
    assert len(first["items"]) + len(rest.json()["items"]) == 102
