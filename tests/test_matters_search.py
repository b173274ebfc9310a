"""Finding matters, what packages share, and what the register knows."""

from typing import Any

import httpx
import jsonschema_rs
import pytest

from access.policy import Role
from api.state import State
from cli.load import shipped_guide
from kit.clock import today
from kit.pinyin import keys
from matters import search
from matters.models import Matter
from matters.search import Rank
from schemas.matters import PackageFile
from schemas.packages import Part, asked_for, shared_form, shared_materials
from tests import make as m
from tests.make import Make


@pytest.fixture
async def reader(make: Make) -> dict[str, str]:
    return await make.person(Role.MATTER_ADMIN, "330000")


async def listed(
    http: httpx.AsyncClient, reader: dict[str, str], path: str = "/v1/matters", **params: Any
) -> list[dict[str, Any]]:
    answer = await http.get(path, params={"limit": 200, **params}, headers=reader)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def named(name: str, *aliases: str) -> search.Keys:
    pinyin, initials = keys(name)
    said = [keys(alias)[0] for alias in aliases]
    return search.keys_of(
        Matter(
            base_code="332014901999", name=name, pinyin=pinyin, initials=initials, generation=1,
            aliases=list(aliases), alias_pinyin=said,
        )
    )  # fmt: skip


CLAIM = named("城乡居民养老保险待遇申领", "居保领钱")


@pytest.mark.parametrize(
    ("q", "rank"),
    [
        ("城乡居民养老保险待遇申领", Rank.EXACT),
        ("居保领钱", Rank.EXACT),
        ("332014901999", Rank.EXACT),
        ("chengxiangjuminyanglaobaoxiandaiyushenling", Rank.EXACT),
        ("cheng xiang ju min yang lao bao xian dai yu shen ling", Rank.EXACT),
        ("城乡", Rank.PREFIX),
        ("chengxiang", Rank.PREFIX),
        ("332014", Rank.PREFIX),
        ("待遇", Rank.WORD),
        ("yanglao", Rank.WORD),
        ("老保", Rank.PART),
        ("险待", Rank.PART),
        ("yanglaob", Rank.PART),
        ("cxjmylbxdysl", Rank.INITIALS),
        ("CXJM", Rank.INITIALS),
        ("ylbx", Rank.PART_OF_INITIALS),
        ("anglao", None),
        ("医疗", None),
        ("xyz", None),
    ],
)
def test_a_match_is_ranked(q: str, rank: Rank | None) -> None:
    assert search.rank(CLAIM, q) == rank


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("中国银行长兴支行", "zhong guo yin hang chang xing zhi hang"),
        ("乐清农商行", "yue qing nong shang hang"),
        ("重庆分行", "chong qing fen hang"),
        ("重复参保", "chong fu can bao"),
        ("重要条款", "zhong yao tiao kuan"),
        ("行政", "xing zheng"),
        ("调档", "diao dang"),
        ("调解", "tiao jie"),
        ("台州", "tai zhou"),
        ("《就业创业证》申领", "jiu ye chuang ye zheng shen ling"),
        ("12333咨询", "12333 zi xun"),
        ("干𬒗镇", "gan lan zhen"),
    ],
)
def test_names_are_said_as_people_say_them(name: str, said: str) -> None:
    assert keys(name)[0] == said


def test_initials_keep_numbers_whole() -> None:
    assert keys("长兴支行")[1] == "cxzh"
    assert keys("12333咨询")[1] == "12333zx"


class TestList:
    async def test_names_of_the_trade_are_found(
        self, http: httpx.AsyncClient, reader: dict[str, str]
    ) -> None:
        for q, code in {
            "退休": "332014901015", "grqyjl": m.RECORD, "sbk": "332014901011",
            "shebaoka": "332014901011", "002014005002": m.RECORD, "调档": "332014901017",
            "diaodang": "332014901017", "灵活": "332014901001", "失业登记": "332014901013",
        }.items():  # fmt: skip
            assert (await listed(http, reader, q=q))[0]["matter"] == code, q

    async def test_ranks_do_not_fall_along_the_list(
        self, http: httpx.AsyncClient, reader: dict[str, str], state: State
    ) -> None:
        for q in ("ylbx", "登记", "sy", "保险", "shiye"):
            found = await listed(http, reader, q=q)
            matters = state.desk.catalogue.matters
            ranks = [
                search.rank(search.keys_of(matters[item["matter"]], item["short_name"]), q)
                for item in found
            ]
            assert len(ranks) > 1, q
            assert None not in ranks
            assert ranks == sorted(ranks, key=lambda rank: rank or 0), q

    async def test_all_of_the_reconstruction_are_there_and_marked(
        self, http: httpx.AsyncClient, reader: dict[str, str]
    ) -> None:
        found = [item for item in await listed(http, reader) if item["number"]]
        assert len(found) == 122
        assert all(item["is_reconstruction"] and item["is_sample"] for item in found)
        guided = [item["matter"] for item in found if item["has_guide"]]
        first = [f"332014901{n:03}" for n in range(1, 21)]
        assert guided == [*first, "332014920110", "332014920111"]
        assert [i["matter"] for i in found][: len(first)] == first
        bare = next(item for item in found if item["number"] == "38")
        assert (bare["name"], bare["guide_version"]) == ("工伤认定申请", None)

    @pytest.mark.parametrize(
        ("narrow", "field", "value"),
        [
            ("category", "category", "work_injury"),
            ("delegation", "outlet_delegation", "D3"),
            ("fit", "fit", "basic"),
            ("has_guide", "has_guide", False),
        ],
    )
    async def test_is_narrowed(
        self, http: httpx.AsyncClient, reader: dict[str, str], narrow: str, field: str, value: Any
    ) -> None:
        found = await listed(http, reader, **{narrow: value})
        assert found
        assert {item[field] for item in found} == {value}
        assert len(found) < len(await listed(http, reader))

    @pytest.mark.parametrize(
        ("narrow", "field", "value"),
        [
            ("service_object", "service_objects", "5"),
            ("insurance_kind", "insurance_kinds", "210"),
            ("item", "items", 16),
        ],
    )
    async def test_is_narrowed_by_one_of_several(
        self, http: httpx.AsyncClient, reader: dict[str, str], narrow: str, field: str, value: Any
    ) -> None:
        found = await listed(http, reader, **{narrow: value})
        assert found
        assert all(value in item[field] for item in found)
        assert len(found) < len(await listed(http, reader))

    @pytest.mark.parametrize(
        "bad", ["q=", "q=%20", "category=" + "x" * 41, "item=19", "delegation=D9", "colour=red"]
    )
    async def test_what_is_no_filter_is_refused(
        self, http: httpx.AsyncClient, reader: dict[str, str], bad: str
    ) -> None:
        assert (await http.get(f"/v1/matters?{bad}", headers=reader)).status_code == 422

    async def test_a_place_that_is_not_there_is_refused(
        self, http: httpx.AsyncClient, reader: dict[str, str]
    ) -> None:
        answer = await http.get("/v1/matters?division=999999", headers=reader)
        assert answer.json()["code"] == "division-not-found"
        assert await listed(http, reader, division="330106002")

    async def test_pages_of_a_search_hold_all_once(
        self, http: httpx.AsyncClient, reader: dict[str, str]
    ) -> None:
        whole = [item["matter"] for item in await listed(http, reader, q="sq")]
        seen: list[str] = []
        after = None
        while True:
            params = {"q": "sq", "limit": "7"} | ({"after": after} if after else {})
            page = (await http.get("/v1/matters", params=params, headers=reader)).json()
            seen += [item["matter"] for item in page["items"]]
            if (after := page["next"]) is None:
                break
        assert seen == whole
        assert len(seen) > 14


class TestSituations:
    def test_answers_narrow_the_materials(self) -> None:
        guide = shipped_guide("332014901012").guide
        questions, asked = asked_for(guide, frozenset())
        assert (len(questions), len(asked)) == (2, len(guide.materials))
        questions, asked = asked_for(guide, frozenset({"lost"}))
        assert len(questions) == 1
        assert "old_card" not in {material.code for material in asked}
        questions, asked = asked_for(guide, frozenset({"lost", "in_person"}))
        assert questions == []
        assert [material.code for material in asked] == ["id_card"]

    @pytest.mark.parametrize("n", range(1, 21))
    def test_every_answer_of_every_guide_leaves_what_is_required(self, n: int) -> None:
        guide = shipped_guide(f"332014901{n:03}").guide
        always = {material.code for material in guide.materials if not material.situations}
        for situation in guide.situations:
            for option in situation.options:
                _, asked = asked_for(guide, frozenset({option.code}))
                assert always <= {material.code for material in asked}

    async def test_over_the_wire(self, http: httpx.AsyncClient, reader: dict[str, str]) -> None:
        url = "/v1/matters/332014901012/materials?answer=lost&answer=in_person"
        answer = (await http.get(url, headers=reader)).json()
        assert (answer["matter"], answer["open_questions"]) == ("332014901012", [])
        assert [material["code"] for material in answer["materials"]] == ["id_card"]
        bare = await http.get("/v1/matters/332014915038/materials", headers=reader)
        assert bare.json()["code"] == "guide-not-found"


class TestPackages:
    async def test_the_ten_are_there_and_share_one_form(
        self, http: httpx.AsyncClient, reader: dict[str, str]
    ) -> None:
        found = {p["package"]: p for p in await listed(http, reader, "/v1/packages")}
        assert len(found) == 10
        assert all(package["is_sample"] for package in found.values())
        package = found["unemployment"]
        fields = package["form_schema"]["properties"]
        assert {"residence_place", "insured_place", "account_number"} <= set(fields)
        assert "registration_place" not in fields
        cards = [one for one in package["materials"] if one["code"] == "id_card"]
        assert [len(one["matters"]) for one in cards] == [3]
        assert found["work_injury_death"]["form_schema"] is None

    async def test_what_fills_the_package_fills_every_form_of_it(
        self, http: httpx.AsyncClient, reader: dict[str, str]
    ) -> None:
        shared = [p for p in await listed(http, reader, "/v1/packages") if p["form_schema"]]
        assert len(shared) >= 3
        for package in shared:
            form = package["form_schema"]["examples"][0]
            jsonschema_rs.validate(package["form_schema"], form)
            for one in (one for one in package["matters"] if one["has_guide"]):
                guide = shipped_guide(one["matter"]).guide
                jsonschema_rs.validate(guide.form_schema, Part(guide, one["form"]).filled(form))

    def test_fields_with_another_name_are_renamed_wherever_a_form_speaks_of_them(self) -> None:
        guide = shipped_guide("332014901003").guide
        form = shared_form("甲", [Part(guide, {"delivery_way": "way", "contact_address": "where"})])
        assert {"way", "where"} <= set(form["properties"])
        rule = form["allOf"][0]
        assert rule["if"]["required"] == ["way"]
        assert list(rule["if"]["properties"]) == ["way"]
        assert rule["then"]["required"] == ["where"]

    def test_a_material_is_as_needed_as_by_who_needs_it_most(self) -> None:
        guides = {n: shipped_guide(n).guide for n in ("332014901002", "332014901005")}
        found = {one["code"]: one for one in shared_materials(guides)}
        assert found["household_book"]["necessity"] == "tolerable"
        assert found["household_book"]["matters"] == list(guides)


class TestRegister:
    async def test_items_hold_their_matters(
        self, http: httpx.AsyncClient, reader: dict[str, str], state: State
    ) -> None:
        items = await listed(http, reader, "/v1/items")
        assert [item["item"] for item in items] == list(range(1, 19))
        assert len({item["category"] for item in items}) == 6
        resident = next(item for item in items if item["name"] == "城乡居民基本养老保险")
        assert m.PENSION in resident["matters"]
        linked = {code for item in items for code in item["matters"]}
        assert linked <= set(state.desk.catalogue.matters)
        assert len(linked) > 100

    async def test_documents_tell_their_state_of_today(
        self, http: httpx.AsyncClient, reader: dict[str, str]
    ) -> None:
        documents = {d["document"]: d for d in await listed(http, reader, "/v1/documents")}
        posts = documents["gbt_35616_2017"]
        assert (posts["state"], posts["replaced_by"]) == ("replaced", "gbt_35616_2025")
        assert documents["gbt_35616_2025"]["replaces"] == "gbt_35616_2017"
        assert documents["handling_regulation"]["in_force_from"] == "2023-12-01"
        replaced = await listed(http, reader, "/v1/documents", state="replaced")
        assert [one["document"] for one in replaced] == ["gbt_35616_2017"]

    async def test_no_sample_guide_rests_on_what_was_replaced(
        self, http: httpx.AsyncClient, reader: dict[str, str]
    ) -> None:
        assert await listed(http, reader, "/v1/catalogue/outdated") == []

    def test_a_basis_that_was_replaced_is_found(self, state: State) -> None:
        from matters.register import outdated  # noqa: PLC0415

        ended = {
            "document": "handling_regulation", "number": "国务院令第765号", "title": "社会保险经办条例",
            "state": "replaced", "ended_on": None, "replaced_by": "another",
        }  # fmt: skip
        guides = state.desk.catalogue.in_force(today())
        found = list(outdated(guides, [ended, {**ended, "document": "x", "state": "in_force"}]))
        assert (m.PENSION, "第十八条") in {(one["matter"], one["article"]) for one in found}
        assert {one["replaced_by"] for one in found} == {"another"}
        assert len({one["matter"] for one in found}) > 10


def test_a_package_needs_a_matter() -> None:
    with pytest.raises(ValueError, match="matters"):
        PackageFile.model_validate(
            {
                "package": "a",
                "name": "甲",
                "summary": "甲",
                "matters": [],
                "is_sample": True,
                "source_note": "甲",
            }
        )


async def test_a_matter_without_a_guide_has_a_page_too(http: httpx.AsyncClient, make: Make) -> None:
    who = make.teller(await make.place())
    listed = (await http.get("/v1/matters?has_guide=false&limit=1", headers=who)).json()["items"][0]
    page = await http.get(f"/v1/matters/{listed['matter']}", headers=who)
    assert page.status_code == 200
    assert page.json() == {**listed, "versions": []}
    guided = (await http.get(f"/v1/matters/{m.PENSION}", headers=who)).json()
    assert [v["version"] for v in guided["versions"]] == [guided["guide_version"]]
