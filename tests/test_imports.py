"""Spreadsheets of outlets: every row judged, good ones written once, whatever else the file holds."""

import asyncio
import csv
import io
import os
import struct
import zipfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import date
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import xlsxwriter
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import select

from access.policy import Role
from api.state import State
from cli.load import load_banks, load_cnaps_areas, read_csv
from importing import queries
from importing.running import Runner, Shelves
from kit.db import transaction
from outlets.models import Outlet
from schemas.codes import mod_11_10
from tests.make import Make, key

SHARED = Path(os.environ.get("SYT_SHARED", Path(__file__).parent.parent.parent / "shared"))
DATA = SHARED / "data" / "outlets"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the lists of banks and outlets lie in ../shared/data/outlets"
)
HEADING = (
    "row_no", "bank", "outlet_name", "cnaps_code", "city", "county", "township", "township_code",
    "address", "lng", "lat", "phone", "hours", "matters",
)  # fmt: skip
VERDICTS = {"ok": "ok", "fixed": "fix", "rejected": "reject"}
Send = Callable[..., Any]


def runner_of(state: State) -> Runner:
    """A worker of its own, with this process's memories."""
    desk = state.desk
    return Runner(state.vault, lambda: Shelves(desk.divisions, desk.catalogue, desk.registry))


@pytest.fixture
def runner(state: State) -> Runner:
    return runner_of(state)


@pytest.fixture(autouse=True)
async def _as_before(owner: AsyncEngine, make: Make, state: State) -> AsyncIterator[None]:
    """Leave no outlet, bank or list that an import made."""
    await make.settle()
    registry = state.desk.registry
    before, banks = {*registry.outlets}, {*registry.banks}
    yield
    await make.settle()
    before |= {terminal.outlet for terminal in registry.terminals.values()}  # Made otherwise.
    fresh = [number for number in registry.outlets if number not in before]
    fresh.sort(key=lambda number: registry.outlets[number].parent is None)  # Points first.
    async with owner.begin() as connection:
        await connection.execute(sa.text("TRUNCATE outlet_import, outlet_import_report"))
        await connection.execute(
            sa.text("TRUNCATE cnaps_class, cnaps_area, outlet_proposal, outlet_contact")
        )
    for start in range(0, len(fresh), 300):
        async with owner.begin() as connection:
            wanted = sa.text("DELETE FROM outlet WHERE number = ANY(:keys)")
            await connection.execute(wanted, {"keys": fresh[start : start + 300]})
    async with owner.begin() as connection:
        wanted = sa.text("DELETE FROM bank WHERE code = ANY(:keys)")
        await connection.execute(wanted, {"keys": [*({*registry.banks} - banks)]})
    for number in fresh:
        del registry.outlets[number]
    for code in {*registry.banks} - banks:
        del registry.banks[code]
    vars(state).pop("finder", None)  # It holds what was there; the next one is made of what is,
    registry.changed = None  # and of nothing that the last had yet to take.


async def load_lists(state: State) -> None:
    """Load what the operator does."""
    await load_banks(state.sessions, DATA / "banks.csv")
    await load_cnaps_areas(state.sessions, DATA / "cnaps_areas.csv")
    await state.follower.look()


async def handed_in(
    http: httpx.AsyncClient, who: dict[str, str], data: bytes, **query: str
) -> httpx.Response:
    files = {"file": ("outlets", data)}
    return await http.post("/v1/outlets/imports", files=files, headers=who, params=query)


async def run(
    http: httpx.AsyncClient, runner: Runner, who: dict[str, str], data: bytes, **query: str
) -> dict[str, Any]:
    made = await handed_in(http, who, data, **query)
    assert made.status_code == 202, made.text
    while await runner.run_one():
        pass
    done = await http.get(f"/v1/outlets/imports/{made.json()['id']}", headers=who)
    body: dict[str, Any] = done.json()
    return body


async def report(http: httpx.AsyncClient, who: dict[str, str], id_: str) -> list[dict[str, str]]:
    answer = await http.get(f"/v1/outlets/imports/{id_}/report.csv", headers=who)
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.text)))


def cnaps(n: int, area: str = "3310") -> str:
    body = f"402{area}{n:04}"
    return body + mod_11_10(body)


def row(n: int, **changed: str) -> dict[str, str]:
    """A good row of the county 西湖区."""
    return {
        "row_no": str(n), "bank": "测试农商银行(样例)", "outlet_name": f"测试农商银行第{n}支行",
        "cnaps_code": cnaps(n), "city": "杭州市", "county": "西湖区", "township": "古荡街道",
        "township_code": "330106014", "address": f"测试路{n}号", "lng": "120.11842",
        "lat": "30.2784", "phone": "0571-88880000", "hours": "08:30-11:30,13:30-17:00",
        "matters": "332014901003;332014901008", **changed,
    }  # fmt: skip


def text(rows: list[dict[str, str]], encoding: str = "utf-8") -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, [*dict.fromkeys([*HEADING, *chain(*rows)])])
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode(encoding)


@needs_data
async def test_every_row_of_the_dirty_file_is_judged_as_expected(
    http: httpx.AsyncClient, make: Make, runner: Runner, state: State
) -> None:
    """The register are the lines of the real file that have these numbers; `M001` and `M002` two matters."""
    await load_lists(state)
    who = await make.person(Role.OUTLET_ADMIN, "330000")
    codes = {"M001": "332014901003", "M002": "332014901008"}
    dirty = (DATA / "outlets_dirty.csv").read_text("utf-8")
    expected = (DATA / "outlets_dirty_expected.csv").read_text("utf-8")
    for local, base in codes.items():
        dirty, expected = dirty.replace(local, base), expected.replace(local, base)
    numbers = {line["cnaps_code"] for line in csv.DictReader(io.StringIO(dirty))}
    head, *lines = (DATA / "outlets_zhejiang.csv").read_text("utf-8").splitlines()
    known = [head, *(line for line in lines if line[:12] in numbers or "银行银行" in line)]
    register = await run(http, runner, who, "\n".join(known).encode())
    assert (register["rows"], register["rejected"]) == (len(known) - 1, 0)
    tried = await run(http, runner, who, dirty.encode(), dry_run="true")
    done = await run(http, runner, who, dirty.encode())
    assert [note["code"] for note in done["notes"]] == []
    wanted = {
        line["row_no"]: (line["verdict"], line["fault"], line["field"], line["fixed_value"])
        for line in csv.DictReader(io.StringIO(expected))
        if line["file"] == "outlets_dirty.csv"
    }
    for made in (tried, done):
        found = {
            line["row_no"]: (VERDICTS[line["verdict"]], *(line[n] for n in ("fault", "field", "fixed_value")))
            for line in await report(http, who, made["id"])
        }  # fmt: skip
        assert found == wanted
        assert (made["rows"], made["ok"], made["fixed"], made["rejected"]) == (195, 64, 45, 86)
    assert (tried["created"], tried["changed"]) == (0, 0)
    again = await run(http, runner, who, dirty.encode())
    assert (again["created"], again["changed"]) == (0, 0)


@needs_data
@pytest.mark.parametrize(
    "name", ["outlets_gbk.csv", "outlets_utf16.csv", "outlets_mixed_encoding.csv"]
)
async def test_encodings_of_people(
    http: httpx.AsyncClient, make: Make, runner: Runner, name: str
) -> None:
    who = await make.person(Role.OUTLET_ADMIN, "330000")
    data = (DATA / name).read_bytes()
    for encoding in ("ascii", "utf-16-le"):
        for local, base in (("M001", "332014901003"), ("M002", "332014901008")):
            data = data.replace(local.encode(encoding), base.encode(encoding))
    done = await run(http, runner, who, data, dry_run="true")
    found = {
        line["row_no"]: (VERDICTS[line["verdict"]], line["fault"])
        for line in await report(http, who, done["id"])
    }
    expected = read_csv(DATA / "outlets_dirty_expected.csv")
    assert found == {
        line["row_no"]: (line["verdict"], line["fault"])
        for line in expected
        if line["file"] == name
    }


async def test_a_good_file_goes_in_and_again_changes_nothing(
    http: httpx.AsyncClient, make: Make, runner: Runner, state: State
) -> None:
    who = await make.person(Role.OUTLET_ADMIN)
    data = text([row(n) for n in range(100, 103)])
    tried = await run(http, runner, who, data, dry_run="true")
    assert (tried["state"], tried["rows"], tried["ok"], tried["created"]) == ("done", 3, 3, 0)
    first = await run(http, runner, who, data)
    assert (first["created"], first["changed"], first["progress"]) == (3, 0, 1.0), first
    again = await run(http, runner, who, data)
    assert (again["ok"], again["created"], again["changed"]) == (3, 0, 0)
    assert await report(http, who, tried["id"]) == await report(http, who, again["id"])


async def test_liaison_persons_stand_sealed_and_in_no_history(
    http: httpx.AsyncClient, make: Make, runner: Runner, state: State, owner: AsyncEngine
) -> None:
    bank, who = await make.person(Role.BANK_ADMIN, "SRCB"), await make.person(Role.OUTLET_ADMIN)
    people = {"联络员": "诸葛联络", "联络员电话": "13900001111"}
    rows = [row(800, **people), row(801, **{**people, "联络员电话": "不知道"})]
    done = await run(http, runner, bank, text(rows))
    assert [r["fault"] for r in await report(http, bank, done["id"])] == ["", "phone_invalid"]
    again = await run(http, runner, bank, text(rows[:1]))
    other = await run(http, runner, bank, text([row(800, **{**people, "联络员电话": ""})]))
    newer = await run(
        http, runner, bank, text([row(800, **{"联络员": "司马联络", "联络员电话": ""})])
    )
    assert [made["changed"] for made in (again, other, newer)] == [0, 0, 1]
    async with transaction(state.sessions) as session:
        outlet = (await session.exec(select(Outlet).where(Outlet.cnaps == cnaps(800)))).one()
    seen = (await http.get(f"/v1/outlets/{outlet.number}/contact", headers=who)).json()
    assert (seen["name"], seen["phone"]) == ("司马联络", "13900001111")
    async with owner.begin() as connection:
        for table in ("outlet", "registry_change", "outlet_proposal"):
            clear = await connection.scalar(sa.text(
                f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%联络%' OR t::text LIKE '%13900001111%'"
            ))  # fmt: skip
            assert clear == 0, table


def workbook(fill: Callable[[Any, Any], None]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        fill(book, book.add_worksheet("网点"))
    return out.getvalue()


def _as_people_do(book: Any, sheet: Any) -> None:
    """A title, headings in two lines, merged banks, numbers for codes, a date, totals, a forgotten corner."""
    sheet.merge_range("A1:H1", "XX县社银网点情况汇总表（2026年）")
    for at, words in (
        ("A2:A3", "序号"),
        ("B2:B3", "所属银行"),
        ("C2:C3", "网点名称*"),
        ("F2:G2", "位置"),
    ):
        sheet.merge_range(at, words)
    for column, words in enumerate(("支付系统行号", "县（市、区）"), start=3):
        sheet.merge_range(1, column, 2, column, words)
    sheet.write_row("F3", ["乡镇（街道）", "区划代码"])
    sheet.merge_range("H2:H3", "可办事项")
    sheet.merge_range("B4:B6", "测试农商银行(样例)")
    for n in range(3):
        sheet.write_row(3 + n, 2, [f"测试合并{n}支行", int(cnaps(200 + n)), "西湖区", "古荡街道"])
        sheet.write(3 + n, 0, n + 1)
        sheet.write(3 + n, 7, "332014901003、332014901008")
    sheet.write(3, 6, 330106014)
    sheet.write_datetime(4, 6, date(2026, 1, 2), book.add_format({"num_format": "m月d日"}))
    sheet.write(5, 6, "3.30106E+08")
    sheet.write_row("A7", ["合计", "", "3家"])
    sheet.write_row("A9", ["填表人：某某"])
    sheet.write_blank(1_048_575, 3, None, book.add_format({"bold": True}))
    hidden = book.add_worksheet("旧数据")
    hidden.write_row("A1", HEADING)
    hidden.hide()


def point(n: int, **changed: str) -> dict[str, str]:
    """A good convenience point of the county 西湖区, but that it names no parent."""
    return row(
        n, outlet_name=f"第{n}便民服务点", cnaps_code="", kind="便民服务点", **{"所属网点": ""}, **changed,
    )  # fmt: skip


async def test_points_belong_to_outlets_wherever_these_stand(
    http: httpx.AsyncClient, make: Make, runner: Runner, state: State
) -> None:
    """Registered, above, below; by our number, that of CNAPS, by name, with the bank before it or not."""
    who = await make.person(Role.OUTLET_ADMIN)
    first = await run(http, runner, who, text([row(150)]))
    async with transaction(state.sessions) as session:
        there = (await session.exec(select(Outlet).where(Outlet.cnaps == cnaps(150)))).one()
    named = [
        there.number, there.name, "测试农商银行第152支行", f"'{cnaps(153)}",
        "测试农商银行(样例) 测试农商银行第153支行", "测试農商銀行第152支行",
    ]  # fmt: skip
    rows = [row(152, kind="银行网点"), *(point(160 + n) for n in range(6)), row(153, kind="")]
    for one, parent in zip(rows[1:], named, strict=False):
        one["所属网点"] = parent
    tried = await run(http, runner, who, text(rows), dry_run="true")
    done = await run(http, runner, who, text(rows))
    again = await run(http, runner, who, text(rows))
    assert (first["created"], tried["created"], done["created"]) == (1, 0, 8)
    assert (again["created"], again["changed"], again["rejected"]) == (0, 0, 0)
    told = await report(http, who, tried["id"])
    assert [line["verdict"] for line in told] == ["ok"] * 5 + ["fixed"] * 2 + ["ok"], told
    assert [line["parent"] for line in told[1:7]] == named
    for made in (done, again):
        assert await report(http, who, made["id"]) == told
    async with transaction(state.sessions) as session:
        found = (
            await session.exec(select(Outlet).where(sa.column("name").like("第16_便民%")))
        ).all()
        parents = {o.number: o for o in (await session.exec(select(Outlet))).all()}
    assert {one.name: parents[one.parent or ""].name[-6:] for one in found} == {
        f"第{160 + n}便民服务点": f"第{branch}支行"
        for n, branch in enumerate((150, 150, 152, 153, 153, 152))
    }


async def test_a_point_without_its_outlet_says_so_at_the_parent(
    http: httpx.AsyncClient, make: Make, runner: Runner, state: State
) -> None:
    who = await make.person(Role.OUTLET_ADMIN, "330100")
    elsewhere = {
        "county": "上城区", "township": "清波街道", "township_code": "330102001", "lng": "", "lat": "",
    }  # fmt: skip
    for division in ("330106010", "330106011"):  # Two of one name in one county.
        made = await make.place()
        await make.change(
            Outlet, number=made.outlet, name="测试农商银行同名支行", division=division
        )
    rows = [
        row(172, kind="", **elsewhere), row(173, kind="", phone="没有"), point(180), point(181), point(182),
        point(183), point(184), point(185), row(174, kind="银行网点"),
    ]  # fmt: skip
    said = ["", "测试农商银行第172支行", "测试农商银行第173支行", "测试农商银行同名支行", "3.30106E+11",
            "第180便民服务点", "测试农商银行第172支行"]  # fmt: skip
    for one, parent in zip(rows[2:], said, strict=True):
        one["所属网点"] = parent
    tried = await run(http, runner, who, text(rows), dry_run="true")
    done = await run(http, runner, who, text(rows))
    told = await report(http, who, done["id"])
    assert told == await report(http, who, tried["id"])
    assert [(line["row_no"], line["fault"], line["field"]) for line in told] == [
        ("172", "coords_absent", "lng"), ("173", "phone_invalid", "phone"), ("180", "parent_missing", "parent"),
        ("181", "parent_unknown", "parent"), ("182", "parent_refused", "parent"),
        ("183", "parent_ambiguous", "parent"), ("184", "code_scientific", "parent"),
        ("185", "parent_refused", "parent"), ("174", "parent_unknown", "parent"),
    ]  # fmt: skip
    assert "第173行" in told[4]["detail"]
    assert tried["created"] == 0
    assert done["created"] == 1


async def test_what_people_do_to_a_workbook(
    http: httpx.AsyncClient, make: Make, runner: Runner
) -> None:
    who = await make.person(Role.OUTLET_ADMIN)
    done = await run(http, runner, who, workbook(_as_people_do))
    assert done["failure"] is None
    assert {note["code"] for note in done["notes"]} >= {
        "totals_skipped",
        "sheet_hidden",
    }
    found = [
        (r["line"], r["verdict"], r["fault"], r["field"])
        for r in await report(http, who, done["id"])
    ]
    assert found == [
        ("4", "fixed", "matter_separator", "matters"),
        ("5", "rejected", "cell_is_date", "township_code"),
        ("6", "rejected", "code_scientific", "township_code"),
    ]


def _far_corner(book: Any, sheet: Any) -> None:
    sheet.write_row("A1", HEADING)
    sheet.write(1_048_575, 16_383, "x")


def _without_name(book: Any, sheet: Any) -> None:
    sheet.write_row("A1", ["银行", "行号", "区县", "电话"])
    sheet.write_row("A2", ["测试农商银行(样例)", cnaps(1), "西湖区", "12333"])


LOCKED = (
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    + bytes(600)
    + "EncryptedPackage".encode("utf-16-le")
    + bytes(4000)
)


def bomb(said: int) -> bytes:
    """A workbook of some kilobytes whose sheet unpacks to twenty megabytes, and says another size."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", bytes(20_000_000))
    data = bytearray(out.getvalue())
    struct.pack_into("<I", data, data.rindex(b"PK\x01\x02") + 24, said)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        (partial(bomb, 900 << 20), "too_large_inside"),
        (partial(bomb, 1000), "broken"),
        (b"PK\x03\x04" + bytes(5000), "broken"),
        (partial(workbook, _far_corner), "too_large_inside"),
        (partial(workbook, _without_name), "columns_missing"),
        (partial(workbook, lambda _, sheet: sheet.write("A1", "hello")), "no_headings"),
        (LOCKED, "password"),
        ("随便写的一段文字，没有表头\n第二行".encode(), "no_headings"),
    ],
)  # fmt: skip
async def test_a_file_that_can_not_be_read_says_why(
    http: httpx.AsyncClient, make: Make, runner: Runner, data: bytes | Callable[[], bytes],
    failure: str,
) -> None:  # fmt: skip
    """Large ones are made where they are looked at: each process reads this list."""
    who = await make.person(Role.OUTLET_ADMIN)
    done = await run(http, runner, who, data if isinstance(data, bytes) else data())
    assert (done["state"], done["failure"]["code"], done["rows"]) == ("failed", failure, 0)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "file-missing"),
        (b"%PDF-1.4 " + bytes(range(256)) * 20, "import-kind-unsupported"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "import-kind-unsupported"),
        ("<html><table><tr><td>网点名称</td></tr></table>".encode(), "import-kind-unsupported"),
    ],
)  # fmt: skip
async def test_what_is_no_spreadsheet_is_refused_at_the_door(
    http: httpx.AsyncClient, make: Make, data: bytes, code: str
) -> None:
    who = await make.person(Role.OUTLET_ADMIN)
    answer = await handed_in(http, who, data)
    assert (answer.json()["code"], answer.status_code) == (code, 422 if not data else 415)


async def test_a_bank_brings_in_its_own_and_changes_wait(
    http: httpx.AsyncClient, make: Make, runner: Runner, state: State
) -> None:
    bank, elsewhere = (
        await make.person(Role.BANK_ADMIN, "SRCB"),
        await make.person(Role.BANK_ADMIN, "SPSB"),
    )
    rows = [row(n) for n in range(300, 302)]
    rows[1]["bank"] = "样例邮政储蓄银行(样例)"
    done = await run(http, runner, bank, text(rows))
    assert [r["fault"] for r in await report(http, bank, done["id"])] == ["", "bank_not_yours"]
    seen = await http.get(f"/v1/outlets/imports/{done['id']}", headers=elsewhere)
    assert seen.status_code == 404
    async with transaction(state.sessions) as session:
        outlet = (await session.exec(select(Outlet).where(Outlet.cnaps == cnaps(300)))).one()
        outlet.status = "active"
    assert state.desk.registry.agreements[outlet.agreement or ""].bank == "SRCB"
    changed = text([row(300, phone="0571-87654321")])
    for proposed in (1, 0):  # What waits already is not proposed again.
        done = await run(http, runner, bank, changed)
        assert (done["ok"], done["changed"], done["proposed"]) == (1, 0, proposed)
    second = await make.person(Role.BANK_ADMIN, "SRCB")
    other = text([row(300, phone="0571-81111111")])
    for who, dry_run, fault in (
        (bank, "true", ""), (second, "true", "change_waits"), (second, "false", "change_waits"),
    ):  # fmt: skip
        done = await run(http, runner, who, other, dry_run=dry_run)
        assert [r["fault"] for r in await report(http, who, done["id"])] == [fault]
        assert (done["rejected"], done["proposed"]) == (int(fault != ""), 0)
    async with transaction(state.sessions) as session:
        waits = await queries.pending(session, [outlet.number])
        assert waits[outlet.number].fields == {"phone": "0571-87654321"}
        assert (await session.get_one(Outlet, outlet.number)).phone == "0571-88880000"


async def test_another_county_is_told_row_by_row(
    http: httpx.AsyncClient, make: Make, runner: Runner
) -> None:
    who = await make.person(Role.OUTLET_ADMIN, "330106")
    there = row(
        311, county="上城区", township="清波街道", township_code="330102001", lng="", lat="",
        status="active",
    )  # fmt: skip
    del there["status"]
    done = await run(http, runner, who, text([row(310), there]))
    assert [r["fault"] for r in await report(http, who, done["id"])] == [
        "",
        "outside_your_division",
    ]


async def test_two_imports_of_one_file_at_once_make_each_outlet_once(
    http: httpx.AsyncClient, make: Make, state: State
) -> None:
    who = await make.person(Role.OUTLET_ADMIN)
    data = text([row(n, bank="谁也不知道的银行") for n in range(400, 420)])
    ids = [(await handed_in(http, who, data)).json()["id"] for _ in range(2)]
    runners = [runner_of(state) for _ in ids]
    assert await asyncio.gather(*(one.run_one() for one in runners)) == [True, True]
    done = [(await http.get(f"/v1/outlets/imports/{one}", headers=who)).json() for one in ids]
    assert sorted((one["state"], one["ok"], one["created"]) for one in done) == [
        ("done", 20, 0), ("done", 20, 20),
    ]  # fmt: skip
    async with transaction(state.sessions) as session:
        numbers = [cnaps(n) for n in range(400, 420)]
        found = (await session.exec(select(Outlet).where(sa.column("cnaps").in_(numbers)))).all()
    assert Counter(one.cnaps for one in found) == Counter(numbers)
    assert len({one.bank for one in found}) == 1


async def test_a_key_makes_one_import(http: httpx.AsyncClient, make: Make) -> None:
    who = await make.person(Role.OUTLET_ADMIN)
    again = who | {"Idempotency-Key": key()}
    made = [await handed_in(http, again, text([row(500)])) for _ in range(2)]
    assert made[0].json()["id"] == made[1].json()["id"]
    assert made[1].headers["Idempotent-Replayed"] == "true"
    other = await handed_in(http, again, text([row(501)]))
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


async def test_a_report_is_harmless_and_can_be_mended_and_sent_again(
    http: httpx.AsyncClient, make: Make, runner: Runner
) -> None:
    who = await make.person(Role.OUTLET_ADMIN)
    bad = [row(600, address='=HYPERLINK("http://a.test")'), row(601, cnaps_code=cnaps(601)[:-1])]
    done = await run(http, runner, who, text([*bad, row(602)]))
    told = await report(http, who, done["id"])
    assert [r["fault"] for r in told] == ["formula_injection", "cnaps_length", ""]
    assert told[0]["address"].startswith("'=")
    assert told[0]["value"].startswith("'=")
    told[0]["address"], told[1]["cnaps_code"] = "测试路600号", cnaps(601)
    out = io.StringIO()
    writer = csv.DictWriter(out, told[0])
    writer.writeheader()
    writer.writerows(told)
    mended = await run(http, runner, who, out.getvalue().encode("gb18030"))
    assert (mended["rows"], mended["rejected"], mended["created"]) == (3, 0, 2)
