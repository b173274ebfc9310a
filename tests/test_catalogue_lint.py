"""Every rule for guides and forms, by a guide that breaks it: code, place and class."""

import copy
import itertools
import time
from pathlib import Path
from typing import Any

import pytest

from cli.load import shipped_guide
from conformity import forms, lint
from conformity.findings import Class
from conformity.lint import phone_holds
from schemas.guides import GuideContent
from tests import make as m

BASE = shipped_guide(m.PENSION).guide.model_dump(mode="json")
SHIPPED = sorted(p.stem for p in (Path(__file__).parent.parent / "data" / "matters").glob("*.yaml"))
LIMIT = BASE["promised_limit"]


def changed(path: str, value: Any) -> dict[str, Any]:
    """The guide with one place of it changed; a path is names and numbers with dots between."""
    content = copy.deepcopy(BASE)
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    at: Any = content
    for part in way:
        at = at[part]
    at[last] = value
    return content


def findings(content: dict[str, Any]) -> set[tuple[str, str, str]]:
    found = lint.check(GuideContent.model_validate(content))
    return {(f.code, f.at, f.level.value) for f in found}


def materials(number: int) -> list[dict[str, Any]]:
    return [{**BASE["materials"][0], "code": f"paper_{n}"} for n in range(number)]


OPTION = {"question": "问", "options": [{"code": "a", "name": "甲"}, {"code": "a", "name": "乙"}]}
ROUTED = {**BASE["form_schema"], "required": []}

BROKEN: list[tuple[str, Any, tuple[str, str, str]]] = [
    ("accept_conditions.0", "已备齐居民户口簿", ("condition-lists-material", "/accept_conditions/0", "error")),
    ("accept_conditions.0", "提供村委会开具的居住证明",
     ("condition-proof-missing", "/accept_conditions/0", "error")),
    ("case_kind", "1", ("instant-too-long", "/promised_limit/value", "error")),
    ("flow.1.result", "当场办结", ("instant-words", "/flow/1/result", "error")),
    ("flow.1.standard", "可以委托他人，但须本人到场", ("in-person-and-agent", "/flow/1/standard", "error")),
    ("flow.1.standard", "须本人到场", ("visits-and-online", "/flow/1/standard", "warning")),
    ("summary", "监护人可以代为申请", ("age-and-guardian", "/accept_conditions/0", "warning")),
    ("steps.0.limit", 9, ("limits-do-not-add-up", "/steps", "error")),
    ("flow.0.limit", 9, ("limits-do-not-add-up", "/flow", "error")),
    ("flow.5.name", "通知", ("flow-part-missing", "/flow", "error")),
    ("promised_limit", {**LIMIT, "value": 21}, ("promise-longer-than-law", "/promised_limit/value", "error")),
    ("legal_limit.starts", "accepted", ("limit-starts", "/legal_limit/starts", "error")),
    ("promised_limit.starts", "received", ("limit-starts", "/promised_limit/starts", "warning")),
    ("promised_limit.note", "按自然日计算", ("natural-days", "/promised_limit/note", "warning")),
    ("consult_phone", "12-34-5", ("phone-form", "/consult_phone", "error")),
    ("supervise_phone", "139000000", ("phone-form", "/supervise_phone", "error")),
    ("tolerant_acceptance", True, ("tolerant-mark", "/tolerant_acceptance", "error")),
    ("materials.1.exemptions", ["commitment"], ("commitment-mark", "/materials/1/exemptions", "error")),
    ("is_charged", True, ("charged", "/is_charged", "error")),
    ("fee_items", [{"name": "a", "standard": "b", "basis": "c"}], ("charged", "/fee_items", "error")),
    ("materials.0.legal_basis", "按惯例", ("material-without-basis", "/materials/0/legal_basis", "error")),
    ("materials.0.exemptions", [], ("shared-without-exemption", "/materials/0/exemptions", "error")),
    ("materials.0.copy_count", 1, ("copy-of-identity", "/materials/0/copy_count", "error")),
    ("materials", materials(101), ("too-many-materials", "/materials", "error")),
    ("materials.1.code", "id_card", ("material-twice", "/materials/1/code", "error")),
    ("materials.2.situations", ["none"], ("situation-unknown", "/materials/2/situations", "error")),
    ("materials.0.situations", ["none"], ("situation-required", "/materials/0/necessity", "error")),
    ("situations", [OPTION], ("situation-twice", "/situations", "error")),
    ("matter_type", "05", ("code-composition", "/base_code", "error")),
    ("form_schema", ROUTED, ("routing-field-missing", "/steps/0/basis", "error")),
    ("steps.0.basis", "form_field", ("routing-field-missing", "/steps/0/field", "error")),
    ("steps.0.continues", 1, ("step-continues-later", "/steps/0/continues", "error")),
    ("steps.0.letter", "商调函", ("letter-goes-nowhere", "/steps/0/letter", "error")),
    ("steps.0.decides", False, ("last-step-decides", "/steps/0/decides", "error")),
    ("steps.0.archive", [{"deed": "lend"}], ("archive-field-missing", "/steps/0/archive/0", "error")),
    ("steps.0.archive", [{"deed": "send", "when": {"none": ["a"]}}],
     ("archive-field-missing", "/steps/0/archive/0", "error")),
    ("name", "生育津贴申领", ("other-department", "/name", "warning")),
    ("summary", "客户到网点办理", ("calls-customer", "/summary", "warning")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "finding"), BROKEN, ids=[f"{b[2][0]}-{b[0]}" for b in BROKEN]
)
def test_a_broken_rule_is_found(path: str, value: Any, finding: tuple[str, str, str]) -> None:
    assert finding not in findings(BASE)
    assert finding in findings(changed(path, value))


def test_a_survey_takes_its_time() -> None:
    content = changed("flow.2.standard", "现场核查居住情况")
    assert ("survey-too-short", "/flow/2", "warning") not in findings(content)
    content["promised_limit"] = {**LIMIT, "value": 4}
    assert ("survey-too-short", "/flow/2", "warning") in findings(content)


def test_a_guide_may_ask_for_as_many_materials_as_can_be_shown() -> None:
    assert not any(
        code == "too-many-materials" for code, *_ in findings(changed("materials", materials(100)))
    )


def test_no_rule_is_without_a_guide_that_breaks_it() -> None:
    assert set(lint.WORDS) == {finding[0] for _, _, finding in BROKEN} | {"survey-too-short"}


@pytest.mark.parametrize("matter", SHIPPED)
def test_what_ships_breaks_none(matter: str) -> None:
    found = lint.check(shipped_guide(matter).guide)
    assert [f for f in found if f.level is Class.ERROR] == []


@pytest.mark.parametrize(
    ("number", "holds"),
    [
        ("12333", True), ("0571-12345678", True), ("13900000001", True), ("4001234567", True),
        ("400-123-4567", True), ("110", False), ("1234567", False), ("0571-1234", False),
        ("99999", False), ("12333-1", False),
    ],
)  # fmt: skip
def test_numbers_that_can_be_dialled(number: str, holds: bool) -> None:
    assert phone_holds(number) is holds


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def doubling(levels: int) -> dict[str, Any]:
    """A form of a few lines that is a million parts when it is written out."""
    names = [f"d{n}" for n in range(levels + 1)]
    both = {
        name: {"allOf": [{"$ref": f"#/$defs/{after}"}, {"$ref": f"#/$defs/{after}"}]}
        for name, after in itertools.pairwise(names)
    }
    return {"type": "object", "$defs": {**both, names[-1]: {}}, "$ref": "#/$defs/d0"}


def within(name: str, keyword: str) -> dict[str, Any]:
    """A form with a reference outside, where its author may give any name."""
    return {"type": "object", keyword: {name: {"$ref": "other.json"}}}


def chain(length: int) -> dict[str, Any]:
    """A form whose definitions are each a reference to the next."""
    each = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(length)}
    return {
        "type": "object", "$defs": {**each, f"d{length}": {}}, "$ref": "#/$defs/d0", "examples": [{}],
    }  # fmt: skip


class TestForms:
    @pytest.mark.parametrize(
        ("schema", "code"),
        [
            (nested(30), "form-too-deep"),
            ({"type": "object", "description": "x" * 200_000}, "form-too-large"),
            ({"type": "object", "maximum": 1e30}, "form-number"),
            ({"type": "object", "examples": [{"a": [-(2**53) - 1]}]}, "form-number"),
            ({"type": "object", "enum": [2**70]}, "form-number"),
            (doubling(28), "form-recursive"),
            ({"type": "object", "$ref": "#/$defs/%61", "$defs": {"a": {}}}, "form-reference"),
            ({"type": "object", "$ref": "#/$defs/a~0", "$defs": {"a~": {}}}, "form-reference"),
            ({"type": "object", "$ref": "#/$defs/a/allOf/0", "$defs": {"a": {"allOf": [{}]}}},
             "form-reference"),
            (within("default", "$defs"), "form-reference"),
            (within("default", "patternProperties"), "form-reference"),
            (within("default", "dependentSchemas"), "form-reference"),
            (within("enum", "properties"), "form-reference"),
            ({"type": "object", "allOf": [{"$ref": "other.json"}]}, "form-reference"),
            ({"type": "object", "allOf": [{"$ref": "#"}]}, "form-reference"),
            ({"type": "object", "allOf": [{"$dynamicRef": "#a"}]}, "form-reference"),
            ({"type": "object", "allOf": [{"$schema": "http://json-schema.org/draft-07/schema"}]},
             "form-dialect"),
            ({"type": "object", "properties": {"a": {"pattern": "(?=a)b"}}}, "form-pattern"),
            ({"type": "object", "properties": {"a": {"pattern": "(a{1000}){1000}"}}}, "form-pattern"),
        ],
    )  # fmt: skip
    def test_what_could_do_harm_is_found(self, schema: dict[str, Any], code: str) -> None:
        assert code in {finding.code for finding in forms.check(schema)}

    def test_a_number_may_be_as_large_as_is_kept(self) -> None:
        large = {"type": "integer", "minimum": -(2**53), "maximum": 2**53}
        schema = {"type": "object", "properties": {"a": large}, "examples": [{"a": 2**53}]}
        assert forms.check(schema) == []

    def test_references_are_counted_however_many_follow_one_another(self) -> None:
        assert forms.check(chain(50)) == []
        assert [found.code for found in forms.check(chain(1_500))] == ["form-recursive"]

    @pytest.mark.parametrize(
        ("field", "finding"),
        [
            (True, ("form-field", "/form_schema/properties/zz")),
            ({"x-routing": "moon"}, ("form-mark", "/form_schema/properties/zz/x-routing")),
            ({"x-routing": ["residence"]}, ("form-mark", "/form_schema/properties/zz/x-routing")),
            ({"x-routing": None}, ("form-mark", "/form_schema/properties/zz/x-routing")),
            ({"x-personal": "no"}, ("form-mark", "/form_schema/properties/zz/x-personal")),
            ({"title": {}}, ("form-invalid", "/form_schema/properties/zz/title")),
        ],
    )  # fmt: skip
    def test_a_field_is_one_that_the_service_can_read(
        self, field: Any, finding: tuple[str, str]
    ) -> None:
        schema = {"type": "object", "properties": {"zz": field}, "examples": [{}]}
        assert [(found.code, found.at) for found in forms.check(schema)] == [finding]

    def test_a_field_may_be_called_anything(self) -> None:
        schema = {
            "type": "object", "properties": {"$ref": {"type": "string"}}, "examples": [{"$ref": "a"}],
        }  # fmt: skip
        assert forms.check(schema) == []

    def test_no_pattern_is_slow_on_any_text(self) -> None:
        """A minute and more where an engine backtracks; no bound closer than that is meant."""
        validator = forms.make_validator({"type": "string", "pattern": "^(a+)+$"})
        began = time.monotonic()
        assert not validator.is_valid("a" * 50_000 + "!")
        assert time.monotonic() - began < 30
