"""Papers: each says what offices write, the same for ever, in full only for the applicant."""

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from access.policy import Role
from api.state import State
from applications.numbers import query_code
from documents import compose, printing, service
from documents.models import Document
from documents.words import TITLES
from kit.db import transaction
from sheets.press import Press
from sheets.printing import qr
from tests import make as m
from tests.make import PENSION, Make
from tests.test_accepting import COMMITTED, TOLERANT, card, corrected, in_days, received
from tests.test_limits import PROCEDURE
from tests.test_sheets import Pdf, squeezed

PURPOSE = {"purpose": "当面交给申请人"}
NAME = "测试甲"


async def took(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


async def granted(http: httpx.AsyncClient, make: Make) -> tuple[dict[str, str], str]:
    """One that was suspended, extended, granted, delivered: REC ACP SPE EXT STL RCH."""
    teller, row = await received(http, make, PENSION)
    two, officer = (
        await make.person(Role.SECOND_REVIEWER),
        await make.person(Role.ACCEPTANCE_OFFICER),
    )
    reviewer, approver = await make.person(Role.REVIEWER), await make.person(Role.APPROVER)
    row = await took(await m.act(http, officer, row, "accept"))
    row = await took(await m.act(http, reviewer, row, "take"))
    row = await took(await m.act(http, reviewer, row, "propose_suspension", **PROCEDURE))
    row = await took(await m.act(http, approver, row, "suspend"))
    row = await took(await m.act(http, reviewer, row, "resume"))
    row = await took(await m.act(http, approver, row, "extend", working_days=3, reason="材料较多"))
    row = await took(await m.act(http, reviewer, row, "pass"))
    row = await took(
        await m.act(
            http, two, row, "grant", opinion="符合条件", result={"number": "浙社待〔2026〕7号"}
        )
    )
    row = await took(await m.act(http, teller, row, "deliver", way="counter", received_by=NAME))
    return teller, row["number"]


async def denied(http: httpx.AsyncClient, make: Make) -> tuple[dict[str, str], str]:
    """One that was corrected, accepted, denied: REC SGZ SUP ACP NST."""
    teller, officer, row = await corrected(http, make)
    reviewer = await make.person(Role.REVIEWER)
    row = await took(await m.act(http, teller, row, "supply", materials=[card()]))
    row = await took(await m.act(http, officer, row, "accept"))
    row = await took(await m.act(http, reviewer, row, "take"))
    row = await took(
        await m.act(http, reviewer, row, "deny", reason="BY02", opinion="累计缴费未满15年")
    )
    return teller, row["number"]


async def refused(http: httpx.AsyncClient, make: Make) -> tuple[dict[str, str], str]:
    teller, row = await received(http, make)
    officer = await make.person(Role.ACCEPTANCE_OFFICER)
    more = {"reason": "BS01", "text": "参保地不在本县", "right_agency": "330105"}
    row = await took(await m.act(http, officer, row, "refuse", **more))
    return teller, row["number"]


async def pledged(
    http: httpx.AsyncClient, make: Make, matter: str, action: str, *missing: dict[str, Any]
) -> tuple[dict[str, str], str]:
    teller, row = await received(http, make, matter)
    officer = await make.person(Role.ACCEPTANCE_OFFICER)
    row = await took(await m.act(http, officer, row, action, missing=list(missing)))
    return teller, row["number"]


async def printed(
    http: httpx.AsyncClient, who: dict[str, str], number: str, document: str
) -> httpx.Response:
    url = f"/v1/applications/{number}/documents/{document}.pdf"
    answer = await http.post(url, json=PURPOSE, headers=who)
    assert answer.status_code == 200, answer.text
    return answer


REMEDY = "如不服本决定，可自收到之日起60日内申请行政复议，或6个月内提起行政诉讼。"
DAY = r"\d{4}年\d{1,2}月\d{1,2}日"
CORE = {
    "REC": (
        r"现收到你\(单位\)提交的.+申请材料\(清单附后\)。"
        r"本凭证仅表示已接收材料，是否受理将于5个工作日内告知。"
    ),
    "ACP": (
        rf"你\(单位\)于{DAY}提出的.+申请，经审查符合受理条件，现予受理。"
        rf"承诺办结时限为\d+个工作日，预计于{DAY}前办结\(不含补正、特别程序时间\)。"
    ),
    "SGZ": (
        r"经审查，你\(单位\)提交的材料不齐全/不符合法定形式，现一次性告知需补正的全部内容：1\..+"
        rf"[^；]。请于{DAY}前补正；逾期不补正的，视为放弃申请，本机构将退回申请材料。"
    ),
    "NGA": r"因不属于本机构职权范围，依据《.+》.+，决定不予受理。" + REMEDY,
    "TOL": rf"本人已知晓尚缺.+，承诺于{DAY}前补齐；逾期未补齐的，愿承担由此产生的后果。",
    "COM": r"证明名称.+设定依据.+承诺效力.+不实承诺的后果.+核查权.+承诺内容.+签字",
    "SPE": r"需进行鉴定，所需时间20个工作日不计入办理时限。",
    "EXT": r"经本机构负责人批准，办理期限延长3个工作日，理由：材料较多。延期后",
    "STL": r"现已办结。.*办理结果准予.*结果编号浙社待〔2026〕7号.*领取方式",
    "NST": r"累计缴费未满15年，属于缴费年限不足，依据《.+》.+，决定不予办理。" + REMEDY,
    "RCH": rf"受送达人{NAME}.*送达方式窗口.*送达日期{DAY}.*签收",
    "SUP": r"现收到你\(单位\)补交的.+申请材料\(清单附后\)。.*身份证.*已补交",
}
"""Wording of domain 9A.1, as one reads it off the print without its blanks."""

OF_ARCHIVES = {"DAZ", "DAH", "DAM", "DAJ"}
"""Looked at in `tests/test_archives.py`."""


@pytest.mark.slow
async def test_every_paper_is_there_and_says_what_offices_write(
    http: httpx.AsyncClient, make: Make, state: State
) -> None:
    seen: dict[str, str] = {}
    owed = {"code": "household_book", "promised_by": in_days(1)}
    for who, number in (
        await granted(http, make), await denied(http, make), await refused(http, make),
        await pledged(http, make, TOLERANT, "accept_tolerant", owed),
        await pledged(http, make, COMMITTED, "accept_commitment", {"code": "death_proof"}),
    ):  # fmt: skip
        listed = (await http.get(f"/v1/applications/{number}/documents", headers=who)).json()
        for item in listed["items"]:
            made = Pdf((await printed(http, who, number, item["code"])).content)
            text = seen[item["code"]] = squeezed(made.text)
            assert 0 not in {glyph for glyph, _ in made.glyphs}
            assert item["name"] == TITLES[item["code"]]
            for words in (
                item["name"],
                item["document"],
                number,
                NAME,
                item["agency"]["name"],
                "12333",
            ):
                assert squeezed(words) in text, (item["code"], words)
            assert ("代为出具" in text or "代收" in text) == (item["outlet"] is not None), item
            assert query_code(state.keys, number) in text
            await _keep_picture(state, number, item["document"])
    assert set(seen) == set(TITLES) - OF_ARCHIVES
    for code, wording in CORE.items():
        assert re.search(wording, seen[code]), (code, seen[code])
    for code in ("NGA", "NST"):
        assert "救济途径" in seen[code]
    assert "由" in seen["NGA"]
    assert "材料清单" in seen["REC"]


async def _keep_picture(state: State, number: str, document: str) -> None:
    """Where `SYT_PICTURES` names a folder, the papers are put there to be looked at."""
    folder = os.environ.get("SYT_PICTURES")
    if not folder:
        return
    async with transaction(state.sessions) as session:
        row = await session.get_one(Document, document)
    paper = service.Paper(row, service.read(state.keys, row))
    words = printing.worded(
        paper.content, service.receipt(paper, state.receipts), "http://outlet.test",
        query_code(state.keys, number),
    )  # fmt: skip
    inputs = {
        "paper": orjson.dumps(words).decode(), "qr": qr(words["address"]), "receipt": qr(words["receipt"]),
    }  # fmt: skip
    made = printing._compiler().compile(format="png", sys_inputs=inputs, ppi=70)
    assert isinstance(made, bytes)
    await asyncio.to_thread(Path(folder, f"{row.code}.png").write_bytes, made)


async def test_the_same_paper_later_is_the_same_bytes(
    http: httpx.AsyncClient, make: Make, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though materials came since, the agency has another name, and the printer was started anew."""
    teller, row = await received(http, make, TOLERANT)
    before = (await printed(http, teller, row["number"], "REC")).content
    officer = await make.person(Role.ACCEPTANCE_OFFICER)
    asked = [{"code": "BZ02", "material": "household_book", "text": "不清晰"}]
    row = await took(
        await m.act(http, officer, row, "ask_correction", reasons=asked, by=in_days(9))
    )
    file = {"file": ("b.pdf", b"%PDF-another")}
    stored = (await http.post("/v1/files", files=file, headers=teller)).json()["file"]
    given = [{"code": "household_book", "file": stored}]
    row = await took(await m.act(http, teller, row, "supply", materials=given))
    agency = state.desk.agencies.by_code["330106"]
    monkeypatch.setitem(
        state.desk.agencies.by_code, "330106", agency.model_copy(update={"name": "改名机构"})
    )
    printing._compiler.cache_clear()
    assert (await printed(http, teller, row["number"], "REC-1")).content == before
    assert "改名机构" in Pdf((await printed(http, teller, row["number"], "SUP")).content).text


async def test_a_receipt_names_what_was_there_when_it_was_first_asked_for_late(
    http: httpx.AsyncClient, make: Make
) -> None:
    """Nobody asked for it before a promise was added to the materials: it says what was handed in."""
    owed = {"code": "household_book", "promised_by": in_days(1)}
    teller, number = await pledged(http, make, TOLERANT, "accept_tolerant", owed)
    text = Pdf((await printed(http, teller, number, "REC")).content).text
    assert "承诺" not in text
    assert "居民户口簿" in text


async def test_a_copy_to_look_at_shows_nobody_and_is_tagged(
    http: httpx.AsyncClient, make: Make, state: State
) -> None:
    teller, number = await denied(http, make)
    url = f"/v1/applications/{number}/documents/NST.pdf"
    shown = await http.get(url, headers=teller)
    text = squeezed(Pdf(shown.content).text)
    assert shown.headers["content-type"] == "application/pdf"
    for secret in (NAME, "累计缴费未满15年", query_code(state.keys, number)):
        assert secret not in text
    for words in ("测**", "缴费年限不足", "个人信息已隐去", "60日内"):
        assert words in text
    again = await http.get(url, headers={**teller, "If-None-Match": shown.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await http.get(url, headers=teller)).content == shown.content


async def test_a_print_is_recorded_and_no_word_of_it_stands_in_clear(
    http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
) -> None:
    teller, number = await refused(http, make)
    await printed(http, teller, number, "NGA")
    auditor = await make.person(Role.AUDITOR, "330000")
    looks = (await http.get("/v1/access-records?kind=document", headers=auditor)).json()["items"]
    assert [(look["application"], look["purpose"]) for look in looks] == [
        (number, PURPOSE["purpose"])
    ]
    async with owner.connect() as connection:
        rows = (await connection.execute(sa.text("SELECT d::text FROM document d"))).scalars().all()
    assert len(rows) == 2
    for secret in (NAME, "参保地不在本县", NAME.encode().hex(), "参保地不在本县".encode().hex()):
        assert secret not in "".join(rows)


REFUSED = """
GET  documents          reviewer-elsewhere 404 application-not-found
GET  documents/REC.pdf  reviewer-elsewhere 404 application-not-found
POST documents/REC.pdf  teller-elsewhere   404 application-not-found
GET  documents/STL.pdf  teller             404 document-not-found
GET  documents/REC-2.pdf teller            404 document-not-found
GET  documents/rec.pdf  teller             422 request-invalid
POST documents/REC.pdf  reviewer           403 forbidden
POST documents/REC.pdf  bare               422 request-invalid
"""


async def test_refusals_are_problems(http: httpx.AsyncClient, make: Make) -> None:
    teller, row = await received(http, make)
    far = await make.place(county="330205")
    callers = {
        "teller": teller, "bare": teller, "teller-elsewhere": make.teller(far),
        "reviewer": await make.person(Role.REVIEWER),
        "reviewer-elsewhere": await make.person(Role.REVIEWER, "330205"),
    }  # fmt: skip
    for method, path, who, status, code in map(str.split, REFUSED.strip().splitlines()):
        url, body = f"/v1/applications/{row['number']}/{path}", {} if who == "bare" else PURPOSE
        asked = {"json": body} if method == "POST" else {}
        answer = await http.request(method, url, headers=callers[who], **asked)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["code"]) == (int(status), code), (path, who)


async def test_two_who_ask_at_once_are_shown_one_paper(
    http: httpx.AsyncClient, make: Make, owner: AsyncEngine
) -> None:
    teller, row = await received(http, make)
    url = f"/v1/applications/{row['number']}/documents"
    answers = await asyncio.gather(*(http.get(url, headers=teller) for _ in range(6)))
    assert {answer.text for answer in answers} == {answers[0].text}
    async with owner.connect() as connection:
        assert (await connection.execute(sa.text("SELECT count(*) FROM document"))).scalar() == 1


async def test_one_that_can_not_be_printed_soon_is_503(
    http: httpx.AsyncClient, make: Make, app: Any
) -> None:
    teller, row = await received(http, make)
    app.state.paper_press = Press(kept=0, waiting=0)
    try:
        url = f"/v1/applications/{row['number']}/documents/REC.pdf"
        answer = await http.get(url, headers=teller)
    finally:
        del app.state.paper_press
    assert (answer.status_code, answer.json()["code"]) == (503, "sheets-busy")
    assert answer.headers["retry-after"] == "5"


NASTY = '#panic("x") *a* {matter} \\ "'


def test_no_word_is_markup_or_a_place_to_fill(state: State) -> None:
    spans = compose.filled("因{reason}。", {"reason": [compose.WORDS_KIND, NASTY]})
    assert spans == ["因", [compose.WORDS_KIND, NASTY], "。"]
