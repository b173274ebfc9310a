"""The sample guides: valid, complete, and free of what a reader from the trade would refuse."""

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from cli.load import DATA, shipped_guide
from matters.compiled import CompiledGuide, compile_guide
from matters.models import GuideVersion
from schemas.guides import Exemption, Guide, GuideFile, Necessity

FILES = sorted(f for f in (DATA / "matters").glob("*.yaml") if "." not in f.stem)
EARLIER = sorted((DATA / "matters").glob("*.*.yaml"))
DAY = date(2026, 11, 23)

NAMES = """
332014901001 灵活就业人员参保登记
332014901002 城乡居民养老保险参保登记
332014901003 城乡居民养老保险待遇申领
332014901004 居民养老保险注销登记
332014901005 城乡居民养老保险关系转移接续申请
332014901006 城镇职工基本养老保险关系转移接续申请
332014901007 城镇职工与城乡居民养老保险互转
332014901008 个人权益记录查询打印
332014901009 个人基本信息变更
332014901010 养老保险待遇发放账户维护申请
332014901011 社会保障卡申领
332014901012 社会保障卡挂失与解挂
332014901013 失业登记
332014901014 失业保险金申领
332014901015 职工正常退休(职)申请
332014901016 工伤康复申请确认
332014901017 流动人员人事档案的接收和转递
332014901018 社会保险缴费申报与变更
332014901019 领取养老金人员待遇资格认证
332014901020 单位参保证明查询打印
332014920110 为符合规定的单位提供档案查(借)阅服务
332014920111 依据档案记载出具存档、经历、亲属关系等证明
"""
"""Domain 4.2; 012 joins its numbers 80 and 81, as domain 4.3 G12 does."""

LIMITS = """
332014901001 10  1
332014901002 10  3
332014901003 20  5
332014901004 10  8
332014901005  1  1
332014901006 45 45
332014901007 45 45
332014901008  1  1
332014901009 10  3
332014901010 10  1
332014901011 30 10
332014901012  1  1
332014901013  -  1
332014901014 10  5
332014901015 20 15
332014901016  3  1
332014901017 15 15
332014901018  -  1
332014901019  -  1
332014901020  -  1
332014920110  -  3
332014920111  -  1
"""
"""Legal and promised working days (domain 4.3)."""

GROUPS = {
    "A. Identity": "base_code name short_name summary handling_item_name matter_type category",
    "B. Power and body": """legal_bases power_source exercise_level exercise_content power_split
        agency_name agency_code agency_nature entrusted_department undertaking_body
        administrative_jurisdiction""",
    "C. Who and how": """service_objects topics case_kind handling_forms online_depth visits_required
        visit_reason cross_area_scope accept_conditions quantity_limit flow""",
    "D. Time": "promised_limit accept_limit",
    "E. Materials": "materials",
    "F. Situations": "situations",
    "G. Money and result": "is_charged result delivery_ways",
    "H. Places": """handle_address handle_time consult_ways consult_phone supervise_ways
        supervise_phone faqs remedy""",
    "Ours": "steps form_schema outlet is_sample source_note",
}
"""Field groups of domain 2.2, and what must stand in them; the eleven elements are among it."""


def compiled(wanted: GuideFile) -> CompiledGuide:
    content = wanted.guide.model_dump(mode="json")
    return compile_guide(
        GuideVersion(
            base_code=wanted.guide.base_code, version=wanted.version, state="published",
            effective_from=wanted.effective_from, content=content, drafted_by="a", generation=1,
        )
    )  # fmt: skip


WANTED = {f.stem: shipped_guide(f.stem) for f in FILES}
GUIDES = {name: wanted.guide for name, wanted in WANTED.items()}
COMPILED = {name: compiled(wanted) for name, wanted in WANTED.items()}
each = pytest.mark.parametrize("name", GUIDES)


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def test_they_are_the_matters_of_the_domain_notes() -> None:
    assert [f"{name} {guide.name}" for name, guide in GUIDES.items()] == NAMES.strip().splitlines()


def test_limits_are_those_of_the_domain_notes() -> None:
    lines = [
        f"{name} {guide.legal_limit.value if guide.legal_limit else '-':>2}"
        f" {guide.promised_limit.value:>2}"
        for name, guide in GUIDES.items()
    ]
    assert lines == LIMITS.strip().splitlines()


@each
def test_the_file_is_named_after_the_code_and_is_in_force(name: str) -> None:
    wanted = WANTED[name]
    assert wanted.guide.base_code == name
    before = [shipped_guide(f.stem) for f in EARLIER if f.stem.startswith(f"{name}.")]
    assert [old.version for old in before] == list(range(1, wanted.version))
    assert [old.effective_from < wanted.effective_from for old in before] == [True] * len(before)
    assert COMPILED[name].on(DAY)
    assert not COMPILED[name].on(wanted.effective_from.replace(year=wanted.effective_from.year - 1))


@each
def test_codes_are_composed_by_the_rule(name: str) -> None:
    """GB/T 39554: scope, type, department, main, sub; main 900 and above can't be a real code."""
    guide = GUIDES[name]
    scope, kind, department, main = name[:2], name[2:4], name[4:6], name[6:9]
    assert (scope, kind, department) == ("33", guide.matter_type, "14")
    assert int(main) >= 900
    answer = json.loads(COMPILED[name].body)
    assert answer["implementation_code"] == guide.agency_code + guide.exercise_level + name
    assert len(answer["implementation_code"]) == 31
    assert answer["handling_item_code"] == answer["implementation_code"] + "01"


@each
@pytest.mark.parametrize("group", GROUPS)
def test_every_field_group_is_filled(name: str, group: str) -> None:
    content = GUIDES[name].model_dump(mode="json")
    assert [field for field in GROUPS[group].split() if content[field] in ("", [], {}, None)] == []


@each
def test_no_text_is_a_blank_or_a_placeholder(name: str) -> None:
    content = GUIDES[name].model_dump(mode="json")
    assert not [
        t for t in texts(content) if t != t.strip() or re.search("TODO|待补|xxx|示例文本", t)
    ]


@each
def test_it_says_that_it_is_a_sample_and_what_its_figures_rest_on(name: str) -> None:
    guide = GUIDES[name]
    assert guide.is_sample
    assert len(guide.source_note) >= 30
    assert "样例" in guide.source_note


@each
def test_limits_start_where_they_do_by_law_and_by_custom(name: str) -> None:
    guide = GUIDES[name]
    assert guide.promised_limit.starts == "accepted"
    assert guide.legal_limit is None or guide.legal_limit.starts == "received"
    assert guide.legal_limit is None or guide.legal_limit.basis


class TestLint:
    """Domain 2.6, by its numbers."""

    @each
    def test_2_at_once_is_within_a_day(self, name: str) -> None:
        guide = GUIDES[name]
        if guide.case_kind == "1":
            assert guide.promised_limit.value <= 1
        if guide.promised_limit.value > 1:
            said = (guide.promised_limit.note, *(step.result for step in guide.flow))
            assert not [text for text in said if re.search("当场办结|即时办结|即办", text)]

    @each
    def test_5_the_steps_add_up_to_the_promise(self, name: str) -> None:
        guide = GUIDES[name]
        assert sum(step.limit for step in guide.flow) == guide.promised_limit.value
        assert sum(step.limit for step in guide.steps) == guide.promised_limit.value

    @each
    def test_6_the_flow_has_its_parts_in_order(self, name: str) -> None:
        names = " ".join(step.name for step in GUIDES[name].flow)
        assert re.search("受理.*审核.*(决定|审批).*办结.*送达", names), names

    @each
    def test_6_the_flow_has_as_many_hands_as_the_risk_class_asks_for(self, name: str) -> None:
        names = " ".join(step.name for step in GUIDES[name].flow)
        risk = max(step.risk_class for step in GUIDES[name].steps)
        assert ("复核" in names) == (risk >= 2)
        assert ("审批" in names) == (risk == 3)

    @each
    def test_7_no_promise_is_longer_than_the_law(self, name: str) -> None:
        guide = GUIDES[name]
        assert guide.legal_limit is None or guide.promised_limit.value <= guide.legal_limit.value

    @each
    def test_9_what_may_follow_is_tolerated_and_the_reverse(self, name: str) -> None:
        guide = GUIDES[name]
        tolerable = [m.code for m in guide.materials if m.necessity is Necessity.TOLERABLE]
        assert bool(tolerable) == guide.tolerant_acceptance
        for material in guide.materials:
            if Exemption.COMMITMENT in material.exemptions:
                assert material.necessity is not Necessity.TOLERABLE
                assert material.material_type != "form"  # A commitment stands for a proof.

    @each
    def test_10_nothing_is_charged(self, name: str) -> None:
        assert not GUIDES[name].is_charged
        assert not GUIDES[name].fee_items

    @each
    def test_11_every_material_has_a_legal_basis(self, name: str) -> None:
        for material in GUIDES[name].materials:
            assert re.search("《.+》|号", material.legal_basis), material.code

    @each
    def test_12_what_the_government_has_is_exempt(self, name: str) -> None:
        for material in GUIDES[name].materials:
            if material.source == "government":
                assert material.exemptions, material.code

    @each
    def test_a_material_is_named_once_and_points_to_situations_that_are_there(
        self, name: str
    ) -> None:
        guide = GUIDES[name]
        codes = [material.code for material in guide.materials]
        options = [option.code for situation in guide.situations for option in situation.options]
        assert len(set(codes)) == len(codes)
        assert len(set(options)) == len(options)
        assert {code for m in guide.materials for code in m.situations} <= set(options)

    @each
    def test_a_material_of_one_situation_is_not_required_of_all(self, name: str) -> None:
        required = COMPILED[name].required
        assert not [m.code for m in GUIDES[name].materials if m.situations and m.code in required]

    @each
    def test_identity_is_proved_by_card_or_licence(self, name: str) -> None:
        card = COMPILED[name].materials["id_card"]
        assert {Exemption.CARD_READ, Exemption.E_LICENCE} <= set(card.exemptions)

    def test_refused_is_what_no_guide_may_say(self) -> None:
        content = GUIDES["332014901008"].model_dump()
        over = {**content["promised_limit"], "value": 5}
        fee = {"name": "a", "standard": "b", "basis": "c"}
        for wrong in ({"promised_limit": over}, {"is_charged": True}, {"fee_items": [fee]}):
            with pytest.raises(ValidationError):
                Guide.model_validate({**content, **wrong})


class TestForms:
    @each
    def test_the_form_is_a_closed_schema_of_named_fields(self, name: str) -> None:
        schema = GUIDES[name].form_schema
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert (schema["type"], schema["additionalProperties"]) == ("object", False)
        assert set(schema["required"]) <= set(schema["properties"])
        for field, part in schema["properties"].items():
            assert part["title"], field
            assert re.fullmatch("[a-z][a-z0-9_]*", field)

    @each
    def test_every_text_of_the_form_has_an_end(self, name: str) -> None:
        for field, part in GUIDES[name].form_schema["properties"].items():
            if part["type"] == "string":
                assert {"maxLength", "pattern", "enum", "format", "const"} & set(part), field

    @each
    def test_every_example_is_valid(self, name: str) -> None:
        examples = GUIDES[name].form_schema["examples"]
        assert examples
        assert [COMPILED[name].form_faults(example) for example in examples] == [[]] * len(examples)

    @each
    def test_a_field_too_many_or_too_few_is_a_fault(self, name: str) -> None:
        schema = GUIDES[name].form_schema
        example = schema["examples"][0]
        (fault,) = COMPILED[name].form_faults({**example, "a/b~c": 1})
        assert (fault.at, fault.rule) == ("/form/a~1b~0c", "additionalProperties")
        for field in schema["required"]:
            rest = {key: value for key, value in example.items() if key != field}
            assert f"/form/{field}" in {fault.at for fault in COMPILED[name].form_faults(rest)}

    @each
    def test_faults_do_not_quote_what_was_sent(self, name: str) -> None:
        schema = GUIDES[name].form_schema
        secret = "测试甲 339900189901010018 " * 20
        faults = COMPILED[name].form_faults(dict.fromkeys(schema["properties"], secret))
        assert faults
        assert not [f for f in faults if "测试甲" in repr(f) or "3399001899" in repr(f)]

    @each
    def test_the_place_that_decides_is_asked_for(self, name: str) -> None:
        found = COMPILED[name]
        for step in found.guide.steps:
            if step.basis == "form_field":
                assert step.field in found.guide.form_schema["properties"]
            elif step.basis != "outlet":
                field = found.routing[step.basis]
                assert field in found.guide.form_schema["required"]

    @each
    def test_what_tells_of_a_person_is_masked(self, name: str) -> None:
        telling = re.compile(
            "account|address|phone|name|id_number|card_number|diagnosis|birth|death"
        )
        fields = set(GUIDES[name].form_schema["properties"])
        plain = {"account_kind"} | COMPILED[name].personal
        assert not [field for field in fields - plain if telling.search(field)]


class TestAnswer:
    @each
    def test_it_holds_what_the_contract_names(self, name: str) -> None:
        answer = json.loads(COMPILED[name].body)
        assert (answer["matter"], answer["version"]) == (name, WANTED[name].version)
        assert answer["outlet_delegation"] in ("D0", "D1", "D2", "D3")
        assert set(answer["promised_limit"]) >= {"value", "unit", "starts"}
        assert answer["promised_limit"]["unit"] == "working_day"
        for material in answer["materials"]:
            assert set(material) >= {"code", "name", "necessity", "exemptions"}
        for step in answer["steps"]:
            assert set(step) >= {"name", "basis", "limit", "risk_class"}
        assert set(answer["provenance"].values()) == {"330000"}

    def test_its_mark_follows_its_content(self) -> None:
        wanted = WANTED["332014901008"]
        other = wanted.guide.model_copy(update={"consult_phone": "12345"})
        changed = compiled(wanted.model_copy(update={"guide": other}))
        assert compiled(wanted).etag == COMPILED["332014901008"].etag
        assert len({found.etag for found in COMPILED.values()} | {changed.etag}) == len(FILES) + 1

    def test_a_form_that_is_no_schema_is_refused(self) -> None:
        wanted = WANTED["332014901008"]
        broken = wanted.guide.model_copy(update={"form_schema": {"type": "nonsense"}})
        with pytest.raises(ValueError, match=r"."):
            compiled(wanted.model_copy(update={"guide": broken}))
