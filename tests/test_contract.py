"""What breaks callers of a released contract is told, and what only adds to it is not."""

import copy
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from api.openapi import PACKAGES
from cli.openapi import written
from contract.__main__ import main
from contract.breaks import Break, accepted, breaks
from kit.errors import REGISTRY

Node = dict[str, Any]
ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def document() -> Node:
    """A small contract: one thing that is made, and shown."""
    thing = {
        "type": "object", "additionalProperties": False, "required": ["name"],
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 60, "pattern": "^[a-z]"},
            "kind": {"type": "string", "enum": ["one", "two"]},
            "count": {"anyOf": [{"type": "integer", "maximum": 9}, {"type": "null"}]},
            "parts": {"type": "array", "maxItems": 3, "items": {"$ref": "#/components/schemas/Part"}},
        },
    }  # fmt: skip
    shown = {
        "type": "object", "required": ["name", "state"],
        "properties": {
            "name": {"type": "string"}, "state": {"type": "string", "enum": ["new", "old"]},
            "count": {"type": "integer"}, "note": {"type": "string"},
            "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}},
        },
    }  # fmt: skip
    part = {"type": "object", "required": ["code"], "properties": {"code": {"type": "string"}}}
    made = {
        "operationId": "make_thing", "security": [{"bearer": ["thing:make"]}],
        "x-problems": ["forbidden", "thing-taken"],
        "parameters": [
            {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 200, "default": 50}},
            {"$ref": "#/components/parameters/Key"},
        ],
        "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
        "responses": {
            "201": {
                "headers": {"Location": {}},
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Shown"}}},
            },
            "409": {"$ref": "#/components/responses/Refused"},
        },
    }  # fmt: skip
    shows = {"operationId": "get_thing", "responses": {"200": {}}}
    return {
        "paths": {"/things": {"post": made},
            "/things/{thing}": {"get": shows}
        },
        "components": {
            "schemas": {"Thing": thing, "Shown": shown, "Part": part},
            "parameters": {"Key": {"name": "Key", "in": "header", "schema": {"type": "string"}}},
            "responses": {"Refused": {"content": {"application/problem+json": {"schema": {}}}}},
        },
    }  # fmt: skip


def made(new: Node) -> Node:
    found: Node = new["paths"]["/things"]["post"]
    return found


def sent(new: Node) -> Node:
    found: Node = new["components"]["schemas"]["Thing"]
    return found


def shown(new: Node) -> Node:
    found: Node = new["components"]["schemas"]["Shown"]
    return found


OF_OTHERS = {"routing-gaps"}
"""Codes of commands, which no call meets."""

OUTSIDE = {"cli", "client", "contract", "migrations", "simulated_gateway", "worker"}
"""Packages that no operation leads to."""

Change = Callable[[Node], object]
BROKEN: dict[str, tuple[Change, str]] = {
    "an operation is gone": (
        lambda n: n["paths"]["/things/{thing}"].pop("get"), "get_thing operation-removed GET /things/{thing}",
    ),
    "a path is gone": (
        lambda n: n["paths"].pop("/things/{thing}"), "get_thing operation-removed GET /things/{thing}",
    ),
    "another name": (
        lambda n: made(n).update(operationId="add_thing"), "make_thing operation-renamed add_thing",
    ),
    "another permission": (
        lambda n: made(n).update(security=[{"bearer": ["thing:do"]}]), "make_thing permission-changed security",
    ),
    "a token is asked for": (
        lambda n: n["paths"]["/things/{thing}"]["get"].update(security=[{"bearer": []}]),
        "get_thing permission-changed security",
    ),
    "a code is gone": (
        lambda n: made(n).update({"x-problems": ["forbidden"]}), "make_thing code-removed thing-taken",
    ),
    "a parameter is gone": (
        lambda n: made(n)["parameters"].pop(0), "make_thing parameter-removed query/limit",
    ),
    "a shared parameter is required": (
        lambda n: n["components"]["parameters"]["Key"].update(required=True),
        "make_thing parameter-required header/Key",
    ),
    "a new parameter is required": (
        lambda n: made(n)["parameters"].append({"name": "q", "in": "query", "required": True, "schema": {}}),
        "make_thing parameter-required query/q",
    ),
    "a parameter's limit": (
        lambda n: made(n)["parameters"][0]["schema"].update(maximum=100),
        "make_thing maximum-narrowed query/limit",
    ),
    "a default": (
        lambda n: made(n)["parameters"][0]["schema"].update(default=10),
        "make_thing default-changed query/limit",
    ),
    "the body is required": (
        lambda n: made(n)["requestBody"].update(required=True), "make_thing body-required body",
    ),
    "the body is gone": (lambda n: made(n).pop("requestBody"), "make_thing body-removed body"),
    "another kind of body": (
        lambda n: made(n)["requestBody"].update(content={"text/csv": {}}),
        "make_thing media-type-removed application/json",
    ),
    "a field is gone": (
        lambda n: sent(n)["properties"].pop("kind"), "make_thing field-removed body/kind",
    ),
    "a field is required": (
        lambda n: sent(n)["required"].append("kind"), "make_thing field-required body/kind",
    ),
    "a new field is required": (
        lambda n: (sent(n)["properties"].update(more={}), sent(n)["required"].append("more")),
        "make_thing field-required body/more",
    ),
    "a field of another type": (
        lambda n: sent(n)["properties"].update(name={"type": "integer"}),
        "make_thing type-narrowed body/name",
    ),
    "a value is gone": (
        lambda n: sent(n)["properties"]["kind"].update(enum=["one"]), "make_thing values-narrowed body/kind",
    ),
    "values are named": (
        lambda n: sent(n)["properties"]["name"].update(enum=["a"]), "make_thing values-narrowed body/name",
    ),
    "a shorter text": (
        lambda n: sent(n)["properties"]["name"].update(maxLength=59), "make_thing maxLength-narrowed body/name",
    ),
    "a longer text": (
        lambda n: sent(n)["properties"]["name"].update(minLength=2), "make_thing minLength-narrowed body/name",
    ),
    "a first limit": (
        lambda n: sent(n)["properties"]["kind"].update(maxLength=9), "make_thing maxLength-narrowed body/kind",
    ),
    "another pattern": (
        lambda n: sent(n)["properties"]["name"].update(pattern="^[a-y]"),
        "make_thing pattern-changed body/name",
    ),
    "null is not taken": (
        lambda n: sent(n)["properties"].update(count={"type": "integer", "maximum": 9}),
        "make_thing choice-removed body/count",
    ),
    "a choice's limit": (
        lambda n: sent(n)["properties"]["count"]["anyOf"][0].update(maximum=8),
        "make_thing maximum-narrowed body/count",
    ),
    "fewer items": (
        lambda n: sent(n)["properties"]["parts"].update(maxItems=2), "make_thing maxItems-narrowed body/parts",
    ),
    "unknown fields are refused": (
        lambda n: n["components"]["schemas"]["Part"].update(additionalProperties=False),
        "make_thing fields-closed body/parts/[]",
    ),
    "an answer is gone": (lambda n: made(n)["responses"].pop("409"), "make_thing answer-removed 409"),
    "a success has another status": (
        lambda n: made(n)["responses"].update({"200": made(n)["responses"].pop("201")}),
        "make_thing answer-removed 201",
    ),
    "a header is gone": (
        lambda n: made(n)["responses"]["201"].pop("headers"), "make_thing header-removed 201/Location",
    ),
    "an answer's field is gone": (
        lambda n: shown(n)["properties"].pop("note"), "make_thing field-removed 201/body/note",
    ),
    "an answer's field may be missing": (
        lambda n: shown(n)["required"].remove("state"), "make_thing field-optional 201/body/state",
    ),
    "an answer's field may be null": (
        lambda n: shown(n)["properties"].update(count={"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        "make_thing choice-added 201/body/count",
    ),
    "an answer's field of another type": (
        lambda n: shown(n)["properties"].update(count={"type": ["integer", "string"]}),
        "make_thing type-widened 201/body/count",
    ),
    "a shared part's field": (
        lambda n: n["components"]["schemas"]["Part"]["properties"].pop("code"),
        "make_thing field-removed 201/body/parts/[]/code",
    ),
    "a refusal of another kind": (
        lambda n: n["components"]["responses"]["Refused"].update(content={"text/plain": {}}),
        "make_thing media-type-removed 409/application/problem+json",
    ),
}  # fmt: skip

KEPT: dict[str, Change] = {
    "nothing": lambda n: None,
    "an operation more": lambda n: n["paths"].update({"/more": {"get": {"operationId": "more"}}}),
    "an optional parameter": lambda n: made(n)["parameters"].append(
        {"name": "q", "in": "query", "schema": {"type": "string"}}
    ),
    "an optional field": lambda n: sent(n)["properties"].update(more={"type": "string"}),
    "a field is not required any more": lambda n: sent(n)["required"].clear(),
    "a wider limit": lambda n: sent(n)["properties"]["name"].update(maxLength=61, minLength=0),
    "no limit": lambda n: [sent(n)["properties"]["name"].pop(k) for k in ("maxLength", "pattern")],
    "a value more": lambda n: sent(n)["properties"]["kind"]["enum"].append("three"),
    "a number for a whole one": lambda n: sent(n)["properties"]["count"]["anyOf"].__setitem__(
        0, {"type": "number", "maximum": 9}
    ),
    "null is taken": lambda n: sent(n)["properties"].update(
        kind={"anyOf": [{"type": "string", "enum": ["one", "two"]}, {"type": "null"}]}
    ),
    "an answer's field more": lambda n: shown(n)["properties"].update(more={"type": "string"}),
    "an answer's field is always there": lambda n: shown(n)["required"].append("count"),
    "an answer's code more": lambda n: shown(n)["properties"]["state"]["enum"].append("older"),
    "a refusal more": lambda n: made(n)["responses"].update({"404": {}}),
    "a code more": lambda n: made(n)["x-problems"].append("thing-gone"),
    "a code is another operation's": lambda n: (
        made(n)["x-problems"].remove("thing-taken"),
        n["paths"]["/things/{thing}"]["get"].update({"x-problems": ["thing-taken"]}),
    ),
    "words": lambda n: made(n).update(description="otherwise", tags=["x"]),
    "the same, in place of a reference": lambda n: made(n)["requestBody"]["content"].update(
        {"application/json": {"schema": sent(n)}}
    ),
    "names of parts": lambda n: (
        n["components"]["schemas"].update(Wanted=n["components"]["schemas"].pop("Thing")),
        made(n)["requestBody"]["content"].update(
            {"application/json": {"schema": {"$ref": "#/components/schemas/Wanted"}}}
        ),
    ),
}


def changed(change: Change) -> list[str]:
    new = copy.deepcopy(document())
    change(new)
    return [str(one) for one in breaks(document(), new)]


@pytest.mark.parametrize("what", BROKEN)
def test_what_breaks_is_told(what: str) -> None:
    change, told = BROKEN[what]
    assert told in changed(change)


@pytest.mark.parametrize("what", [w for w in BROKEN if "shared part" not in w])
def test_nothing_else_is_told_with_it(what: str) -> None:
    """One change, one line: two are noise, in which a third is not seen."""
    assert len(changed(BROKEN[what][0])) == 1


@pytest.mark.parametrize("what", KEPT)
def test_what_adds_is_not_told(what: str) -> None:
    assert changed(KEPT[what]) == []


def test_each_rule_has_been_seen() -> None:
    """One that no pair brings about might never fail. Limits are told by their own names."""
    source = (ROOT / "contract" / "breaks.py").read_text()
    told = {words.split()[1] for _, words in BROKEN.values()}
    written = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', source))
    assert len(written) > 15
    assert written - {"x-problems"} <= told


def test_a_schema_that_holds_itself_comes_to_an_end() -> None:
    tree = document()
    tree["components"]["schemas"]["Part"]["properties"]["part"] = {
        "$ref": "#/components/schemas/Part"
    }
    assert breaks(tree, copy.deepcopy(tree)) == []


def test_a_break_that_was_decided_on_is_told_no_more_and_an_idle_one_is() -> None:
    found = [Break("make_thing", "field-removed", "body/kind")]
    line = "make_thing field-removed body/kind"
    assert accepted(found, [line]) == ([], [])
    assert accepted(found, []) == (found, [])
    assert accepted([], [line]) == ([], [line])


def test_the_command_fails_where_something_breaks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new, decided = (tmp_path / name for name in ("old.json", "new.json", "decided.txt"))
    changed_ = document()
    sent(changed_)["properties"].pop("kind")
    old.write_text(json.dumps(document()))
    new.write_text(json.dumps(changed_))
    assert main([str(old), str(old)]) == 0
    assert main([str(old), str(new)]) == 1
    assert "make_thing field-removed body/kind" in capsys.readouterr().out
    decided.write_text("# it was never read\nmake_thing field-removed body/kind  # since 2026\n")
    assert main([str(old), str(new), str(decided)]) == 0
    assert main([str(old), str(old), str(decided)]) == 1


def test_the_checked_in_contract_is_current(app: FastAPI) -> None:
    current = written(app.openapi()) == (DOCS / "openapi.json").read_text("utf-8")
    assert current, "the API has changed: run `make openapi`, and look at what `git diff` says"


def test_nothing_that_was_released_breaks() -> None:
    names = ("openapi-released.json", "openapi.json", "openapi-decided.txt")
    assert main([str(DOCS / name) for name in names]) == 0


def test_what_an_operation_may_refuse_is_looked_for_in_every_package() -> None:
    """A package that is left out hides its refusals."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    (layers,) = [c["layers"] for c in config["importlinter"]["contracts"] if c["type"] == "layers"]
    named = {name.strip("() ") for layer in layers for name in layer.split("|")}
    named &= set(config["importlinter"]["root_packages"])
    assert named - PACKAGES == OUTSIDE


def test_every_code_is_some_operations(app: FastAPI) -> None:
    found = {
        code
        for methods in app.openapi()["paths"].values()
        for operation in methods.values()
        for code in operation["x-problems"]
    }
    nobodys = {"internal", "method-not-allowed"}
    assert set(REGISTRY) - found - OF_OTHERS == nobodys


def test_the_contract_names_all_that_is_called_and_who_calls(app: FastAPI) -> None:
    document = app.openapi()
    found = [o for methods in document["paths"].values() for o in methods.values()]
    names = [operation["operationId"] for operation in found]
    assert len(set(names)) == len(names) > 100
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)
    told = {tag["name"] for tag in document["tags"]}
    for operation in found:
        assert told & set(operation["tags"]), operation["operationId"]
    by_name = {operation["operationId"]: set(operation["tags"]) for operation in found}
    assert "for-terminals" in by_name["submit_application"]
    assert by_name["reveal_application"] & told == {"for-agencies"}
    assert by_name["ask_progress"] & told == {"for-applicants"}
    assert by_name["list_matters"] & told == {"for-everybody"}
    assert by_name["list_roots"] & told == {"for-control"}
