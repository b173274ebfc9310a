"""Lists of divisions: what is wrong in one is told whole; what one changes is worked out without a database."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from divisions import changes, lists
from divisions.lists import Form, Line, Listed, ListUnusable
from divisions.memory import Place
from divisions.models import UNKNOWN_START

FILES = Path(__file__).parent.parent / "data" / "divisions"
NEXT_YEAR = date(2027, 1, 1)
HEAD = "code,name,level,parent_code"
SMALL = [
    "330000,浙江省,1,", "330100,杭州市,2,330000", "330106,西湖区,3,330100", "330109,萧山区,3,330100",
    "330106002,北山街道,4,330106", "330106109,三墩镇,4,330106", "330109100,楼塔镇,4,330109",
]  # fmt: skip


def text(*lines: str, head: str = HEAD) -> bytes:
    return "\n".join([head, *lines, ""]).encode()


def read(*lines: str, head: str = HEAD) -> Listed:
    return lists.read(text(*lines, head=head))


def told(data: bytes) -> list[str]:
    with pytest.raises(ListUnusable) as refused:
        lists.read(data)
    return [f"{fault.line} {fault.field}" for fault in refused.value.faults]


@pytest.mark.parametrize(("name", "form", "scheme", "size"), [
    ("divisions", Form.LIST, "mca", 41_935), ("history", Form.HISTORY, "mca", 300),
    ("nbs", Form.LIST, "nbs", 1_489),
])  # fmt: skip
def test_what_ships_can_be_read(name: str, form: Form, scheme: str, size: int) -> None:
    found = lists.read((FILES / f"{name}.csv").read_bytes())
    assert (found.form, found.scheme, len(found.lines)) == (form, scheme, size)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", ["1 file"], id="nothing"),
        pytest.param(text(), ["1 file"], id="a head alone"),
        pytest.param(text(*SMALL).decode().encode("gb18030"), ["2 encoding"], id="GB 18030"),
        pytest.param(text(*SMALL).decode().encode("utf-16"), ["1 encoding"], id="UTF-16"),
        pytest.param(text("330000,浙\0江省,1,"), ["2 encoding"], id="a zero byte"),
        pytest.param(b"PK\x03\x04\x14\xff", ["1 encoding"], id="a spreadsheet"),
        pytest.param(text(*SMALL, head="code,nmae,level,parent_code"), ["1 name", "1 nmae"], id="a typo"),
        pytest.param(text(*SMALL, head="code,name,level,code"), ["1 code", "1 parent_code"], id="twice"),
        pytest.param(text('330000,"浙江省,1,'), ["2 line"], id="an open quote"),
        pytest.param(text("330000,浙江省,1", "330100,杭州市,2,330000,x"), ["2 line", "3 line"], id="cells"),
        pytest.param(text(*SMALL, SMALL[5]), ["9 code"], id="a code twice"),
        pytest.param(
            text(*SMALL, "330106003,三墩镇,4,330106"), ["9 name"], id="a name twice in a county"
        ),
        pytest.param(text(*SMALL[:3], *SMALL[4:]), ["7 parent_code"], id="no parent"),
        pytest.param(text(*SMALL, "330110001,甲镇,3,330106"), ["9 level"], id="a wrong level"),
        pytest.param(text(*SMALL, "330110,余杭区,3,330106"), ["9 parent_code"], id="a sister for parent"),
        pytest.param(text(*SMALL, "330110001,甲镇,4,330106"), ["9 parent_code"], id="digits elsewhere"),
        pytest.param(text(*SMALL, "3.3E+08,甲镇,4,330106"), ["9 code"], id="scientific"),
        pytest.param(text(*SMALL, "33010６001,甲镇,4,330106"), ["9 code"], id="wide digits"),
        pytest.param(text(*SMALL, "330106004,甲 镇,4,330106"), ["9 name"], id="a blank in a name"),
        pytest.param(text(*SMALL, "330106004,�镇,4,330106"), ["9 name"], id="a lost character"),
        pytest.param(
            text(*(f"{line},,mca" for line in SMALL[:3]), "330109,萧山区,3,330100,,nbs",
                 head=f"{HEAD},note,scheme"), ["1 scheme"], id="two schemes",
        ),
        pytest.param(
            text("330106004,甲镇,4,330106,30.2,", "330106005,乙镇,4,330106,120.1,30.2", *(
                f"{line},," for line in SMALL), head=f"{HEAD},lat,lng"), ["2 lat", "3 lat"], id="points",
        ),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_whole(data: bytes, expected: list[str]) -> None:
    assert told(data) == expected


def test_all_faults_are_told_together_and_a_slip_of_the_pen_gets_the_right_name() -> None:
    broken = text(
        *SMALL, "33010,西湖,3,330100", SMALL[5], "330110,余杭区,2,330000", "330113001,甲镇,4,330113"
    )
    assert told(broken) == ["9 code", "10 code", "11 level", "12 parent_code"]
    with pytest.raises(ListUnusable) as refused:
        read(*SMALL, head="code,name,levle,parent_code")
    assert "is level meant?" in str(refused.value.faults[1])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["330104,江干区,3,330100,2021-04-09,1978-01-01,"], ["2 valid_to"]),
        (["330104,江干区,3,330100,09.04.2021,,"], ["2 valid_from"]),
        (["330104,江干区,3,330100,,2021-04-09,", "330104,江东区,3,330100,2021-04-08,,"], ["3 valid_from"]),
        (["330104,江干区,3,330100,,,", "330104,江东区,3,330100,2021-04-08,,"], ["3 valid_from"]),
    ],
)  # fmt: skip
def test_periods_that_overlap_are_refused(lines: list[str], expected: list[str]) -> None:
    assert told(text(*lines, head=f"{HEAD},valid_from,valid_to,successors")) == expected


def known(listed: Sequence[Line]) -> list[Place]:
    """What is known after a first list."""
    found = changes.compare(listed, [])
    return changes.writes([], listed, found, "mca", UNKNOWN_START).put


def zhejiang() -> list[Place]:
    listed = (FILES / "divisions.csv").read_text(encoding="utf-8").splitlines()
    return known(read(*(line for line in listed if line.startswith("33")), head=listed[0]).lines)


def after(
    *lines: str, head: str = HEAD, before: Sequence[str] = SMALL
) -> tuple[changes.Changes, list[Place]]:
    there, listed = known(read(*before).lines), read(*lines, head=head)
    holds, faults = changes.lines_after(listed, there, NEXT_YEAR)
    assert [*faults, *changes.faults_of(holds, there, False)] == []
    found = changes.compare(holds, there)
    return found, changes.writes(there, holds, found, "mca", NEXT_YEAR).put


def shown(found: changes.Changes) -> dict[str, Any]:
    pairs = {
        kind: [(p.before.code, p.before.name, p.after.code, p.after.name) for p in getattr(found, kind)]
        for kind in ("renamed", "moved")
    }  # fmt: skip
    some = {
        "appear": [f.code for f in found.appear],
        "disappear": [p.code for p in found.disappear],
    }
    return {kind: value for kind, value in {**some, **pairs}.items() if value}


@pytest.mark.parametrize(
    ("gone", "come", "expected"),
    [
        pytest.param("", "", {}, id="nothing"),
        pytest.param("", "330106003,灵隐街道,4,330106", {"appear": ["330106003"]}, id="appears"),
        pytest.param("330106109", "", {"disappear": ["330106109"]}, id="disappears"),
        pytest.param(
            "330106", "330106,西溪区,3,330100", {"renamed": [("330106", "西湖区", "330106", "西溪区")]},
            id="renamed",
        ),
        pytest.param(
            "330106109", "330106009,三墩街道,4,330106",
            {"renamed": [("330106109", "三墩镇", "330106009", "三墩街道")]}, id="a town becomes a street",
        ),
        pytest.param(
            "330106109", "330109109,三墩镇,4,330109",
            {"moved": [("330106109", "三墩镇", "330109109", "三墩镇")]}, id="moved",
        ),
        pytest.param(
            "330106109", "330106110,三墩镇,4,330106",
            {"renamed": [("330106109", "三墩镇", "330106110", "三墩镇")]}, id="another code",
        ),
        pytest.param(
            "330106109", "330109109,别的镇,4,330109",
            {"appear": ["330109109"], "disappear": ["330106109"]}, id="two that are strangers",
        ),
    ],
)  # fmt: skip
def test_what_a_list_changes(gone: str, come: str, expected: dict[str, Any]) -> None:
    lines = [line for line in SMALL if not gone or not line.startswith(f"{gone},")]
    found, written = after(*lines, *([come] if come else []))
    assert shown(found) == expected
    assert {(p.code, p.valid_from, p.valid_to) for p in written} == {
        *((c, NEXT_YEAR, None) for c in [come.partition(",")[0]] if c),
        *((c, UNKNOWN_START, NEXT_YEAR) for c in [gone] if c),
    }


def test_codes_that_are_dealt_out_anew_are_no_renaming() -> None:
    """As 文成县 and 泰顺县 in 1982: each keeps its name and takes the other's code."""
    lines = [*SMALL[:4], "330106002,三墩镇,4,330106", "330106109,北山街道,4,330106", SMALL[6]]
    found, written = after(*lines)
    assert shown(found) == {"renamed": [
        ("330106002", "北山街道", "330106109", "北山街道"), ("330106109", "三墩镇", "330106002", "三墩镇"),
    ]}  # fmt: skip
    ended = {p.code: p.successors for p in written if p.valid_to}
    assert ended == {"330106002": ["330106109"], "330106109": ["330106002"]}


def test_what_a_list_says_goes_before_what_names_let_one_think() -> None:
    head = f"{HEAD},replaces"
    lines = [f"{line}," for line in SMALL[:4]] + [
        "330106003,新街道,4,330106,330106002 330106109", "330109109,三墩镇,4,330109,", f"{SMALL[6]},",
    ]  # fmt: skip
    found, written = after(*lines, head=head)
    assert shown(found) == {
        "appear": ["330106003", "330109109"], "disappear": ["330106002", "330106109"],
    }  # fmt: skip
    assert {p.code: p.successors for p in written if p.valid_to} == {
        "330106002": ["330106003"], "330106109": ["330106003"],
    }  # fmt: skip


@pytest.mark.parametrize("replaces", ["330106999", "330109"])
def test_only_what_ends_is_replaced(replaces: str) -> None:
    there = known(read(*SMALL).lines)
    lines = read(
        *(f"{line}," for line in SMALL),
        f"330106003,新街道,4,330106,{replaces}",
        head=f"{HEAD},replaces",
    ).lines
    assert [(f.line, f.field) for f in changes.faults_of(lines, there, False)] == [(9, "replaces")]


def test_a_list_that_is_cut_short_or_of_the_other_scheme_is_refused() -> None:
    there = known(
        [x for x in lists.read((FILES / "divisions.csv").read_bytes()).lines if x.code[:2] == "33"]
    )
    half = [line for line in there if line.level < 4 or line.code < "330600"]
    short = [Line(n, p.code, p.name, p.level, p.parent) for n, p in enumerate(half)]
    other = lists.read((FILES / "nbs.csv").read_bytes()).lines
    for lines in (short, other):
        assert [fault.field for fault in changes.faults_of(lines, there, False)] == ["file"]
        assert [*changes.faults_of(lines, there, True)] == []


def changed(*rows: str) -> bytes:
    return text(*rows, head="change,code,name,county_code,county_name")


def test_changes_are_taken_as_the_list_that_they_make() -> None:
    found, written = after(
        "removed,330106109,三墩镇,330106,", "added,330106009,三墩街道,330106,",
        "added,330109101,河上镇,330109,萧山区", head="change,code,name,county_code,county_name",
    )  # fmt: skip
    assert shown(found) == {
        "appear": ["330109101"], "renamed": [("330106109", "三墩镇", "330106009", "三墩街道")],
    }  # fmt: skip
    assert len(written) == 3


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("removed,330106109,四墩镇,330106,", ["2 name"]), ("removed,330106198,甲镇,330106,", ["2 code"]),
        ("added,330106109,甲镇,330106,", ["2 code"]), ("added,330107001,甲街道,330107,", ["2 county_code"]),
        ("added,330107001,甲街道,330106109,", ["2 county_code"]),
    ],
)  # fmt: skip
def test_changes_against_what_is_known_are_refused(row: str, expected: list[str]) -> None:
    _, faults = changes.lines_after(lists.read(changed(row)), known(read(*SMALL).lines), NEXT_YEAR)
    assert [f"{fault.line} {fault.field}" for fault in faults] == expected


def test_a_mended_list_takes_the_place_of_the_first_of_its_day() -> None:
    there = known(read(*SMALL).lines)
    first = [*SMALL[:5], "330106009,三敦街道,4,330106", SMALL[6]]
    mended = [*SMALL[:5], "330106009,三墩街道,4,330106", SMALL[6], "330109101,河上镇,4,330109"]
    for lines in (first, mended, mended, SMALL):
        holds = read(*lines).lines
        found = changes.compare(holds, changes.before(there, NEXT_YEAR))
        wrote = changes.writes(there, holds, found, "mca", NEXT_YEAR)
        keys = {(p.code, p.valid_from) for p in (*wrote.put, *wrote.drop)}
        there = sorted([p for p in there if (p.code, p.valid_from) not in keys] + wrote.put)
        assert {p.name for p in there if p.on(NEXT_YEAR)} == {line.name for line in holds}
        assert changes.writes(there, holds, found, "mca", NEXT_YEAR).size == 0
    assert there == sorted(known(read(*SMALL).lines))


def test_history_is_dated_once() -> None:
    there = zhejiang()
    listed = lists.read((FILES / "history.csv").read_bytes())
    wrote, faults = changes.dated(there, listed)
    assert faults == []
    dropped = {(p.code, p.valid_from) for p in wrote.drop}
    there = [p for p in there if (p.code, p.valid_from) not in dropped] + wrote.put
    assert changes.dated(there, listed) == (changes.Writes([], []), [])
    lost = read("330198,甲区,3,330100,2020-01-01,,", head=f"{HEAD},valid_from,valid_to,successors")
    assert [fault.field for fault in changes.dated(there, lost)[1]] == ["code"]
    lap = read(
        "330104,甲区,3,330100,2000-01-01,2001-01-01,", head=f"{HEAD},valid_from,valid_to,successors"
    )
    assert [fault.field for fault in changes.dated(there, lap)[1]] == ["valid_from"]
