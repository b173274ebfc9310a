"""Outlets as a spreadsheet: harmless, narrowed as the list is, and changing nothing when it comes back."""

import csv
import io

import httpx
import pytest
from python_calamine import CalamineWorkbook

from access.policy import Role
from importing.running import Runner
from outlets.models import Outlet
from tests import test_imports as imports
from tests.make import Make

_as_before, runner = imports._as_before, imports.runner
BRANCH, OLD, POINT = "往返农商银行干𬒗支行", "往返农商银行鿎石旧支行", "往返便民服务点"
ODD = {"hours": "=1+1", "address": "-1号楼 2层（東）", "phone": "+86-571-88880000"}
"""What the API takes, and an import would put right or refuse."""


def cells(answer: httpx.Response, kind: str) -> list[dict[str, str]]:
    if kind == "csv":
        return list(csv.DictReader(io.StringIO(answer.content.decode("gb18030"))))
    book = CalamineWorkbook.from_filelike(io.BytesIO(answer.content))
    head, *lines = book.get_sheet_by_index(0).to_python()
    return [dict(zip(map(str, head), map(str, line), strict=True)) for line in lines]


async def three(http: httpx.AsyncClient, make: Make, runner: Runner, who: dict[str, str]) -> None:
    """A branch that is not as an import would make it, one that has left, and a point of the first."""
    rows = [
        imports.row(700, outlet_name=BRANCH), imports.row(701, outlet_name=OLD),
        {**imports.point(702), "outlet_name": POINT, "所属网点": BRANCH},
    ]  # fmt: skip
    done = await imports.run(http, runner, who, imports.text(rows))
    assert done["created"] == 3, await imports.report(http, who, done["id"])
    await make.settle()
    for outlet in [*make.state.desk.registry.outlets.values()]:
        if outlet.name in (BRANCH, OLD):
            await make.change(
                Outlet, number=outlet.outlet, status="exited" if outlet.name == OLD else "rectifying",
                coordinate_system="gcj02", cnaps=None, allowed=None, original_lat=30.2,
                original_lng=120.1, opening=None, **ODD,
            )  # fmt: skip


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
async def test_what_is_exported_is_harmless_and_changes_nothing_when_it_comes_back(
    http: httpx.AsyncClient, make: Make, runner: Runner, kind: str
) -> None:
    """Rare characters survive, in GB 18030 too; what an import would not have taken stays as it is."""
    who = await make.person(Role.OUTLET_ADMIN, "330000")
    await three(http, make, runner, who)
    query = {"q": "往返", "format": kind, "encoding": "gb18030"}
    reader = await make.person(Role.REVIEWER)
    answer = await http.get("/v1/outlets/export", params=query, headers=reader)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    found = {cell["outlet_name"]: cell for cell in cells(answer, kind)}
    assert {*found} == {BRANCH, OLD, POINT}
    mark = "'" if kind == "csv" else ""
    assert {name: found[BRANCH][name] for name in ODD} == {
        n: mark + said for n, said in ODD.items()
    }
    shown = [found[BRANCH][name] for name in ("matters", "status", "kind", "township")]
    assert shown == ["全部", "整改", "银行网点", "古荡街道"]
    assert (found[POINT]["parent"], found[POINT]["kind"]) == (found[BRANCH]["outlet"], "便民服务点")
    again = await imports.run(http, runner, who, answer.content)
    told = await imports.report(http, who, again["id"])
    assert (again["ok"], again["created"], again["changed"]) == (3, 0, 0), told
    mended = [{**found[BRANCH], "address": "新址", "hours": ""}, {**found[OLD], "windows": "3"}]
    changed = await imports.run(http, runner, who, imports.text(mended))
    told = await imports.report(http, who, changed["id"])
    assert [line["fault"] for line in told] == ["", "outlet_has_left"]
    assert changed["changed"] == 1


async def test_a_number_of_ours_that_is_none_or_another_s_is_told(
    http: httpx.AsyncClient, make: Make, runner: Runner
) -> None:
    who, elsewhere = await make.person(Role.OUTLET_ADMIN), await make.place(county="330102")
    other = make.state.desk.registry.outlets[elsewhere.outlet]
    rows = [
        imports.row(710, outlet="330106999999"), imports.row(711, outlet="17"),
        imports.row(712, outlet=other.outlet, outlet_name=other.name, cnaps_code="", matters="",
                    township_code=other.division, lng="", lat=""),
    ]  # fmt: skip
    done = await imports.run(http, runner, who, imports.text([*rows, {**rows[2], "row_no": "713"}]))
    told = await imports.report(http, who, done["id"])
    faults = ["outlet_unknown", "outlet_unknown", "outlet_not_yours", "duplicate_row"]
    assert [line["fault"] for line in told] == faults, told


async def test_an_export_is_narrowed_as_the_list_is(http: httpx.AsyncClient, make: Make) -> None:
    who, place = await make.person(Role.REVIEWER), await make.place(county="331181")
    query = {"division": "331181", "status": "active", "encoding": "utf-8-sig", "class": "premium"}
    answer = await http.get("/v1/outlets/export", params=query, headers=who)
    assert answer.content.startswith(b"\xef\xbb\xbfoutlet,bank,outlet_name,")
    lines = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    found = [line["outlet"] for line in lines]
    del query["encoding"]
    listed = await http.get("/v1/outlets", params={**query, "limit": "200"}, headers=who)
    assert found == [one["outlet"] for one in listed.json()["items"]]
    assert place.outlet in found
    for unknown in ({"limit": "5"}, {"near": "30,120"}, {"format": "ods"}, {"encoding": "gbk"}):
        refused = await http.get("/v1/outlets/export", params=unknown, headers=who)
        assert refused.status_code == 422
