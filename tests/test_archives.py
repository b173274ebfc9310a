"""The register of personal archives: moved by what is decided, never in two places at once."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from access.policy import Role
from api.state import State
from kit.clock import today
from tests import make as m
from tests.make import Make
from tests.test_documents import OF_ARCHIVES, printed
from tests.test_sheets import Pdf, squeezed
from tests.test_steps import LETTER, did, due

TRANSFER, LENDING, CERTIFICATE = "332014901017", "332014920110", "332014920111"
HERE, THERE, ELSEWHERE = "330106", "330205", "320104"
PERSON = {"name": "测试甲", "id_type": "resident_id", "id_number": m.IDS[0]}
UNIT = {
    "kind": "organization", "name": "样例事业单位", "credit_code": "12339900YY000001XL",
    "phone": "13900000001",
}  # fmt: skip
SLIP = "档转〔2026〕8号"
Headers = dict[str, str]
Row = dict[str, Any]


async def entered(
    http: httpx.AsyncClient, make: Make, agency: str = THERE, person: Row = PERSON
) -> Row:
    """An archive that an agency keeps."""
    keeper = await make.person(Role.REVIEWER, agency)
    wanted = {"agency": agency, "person": person, "kept_since": "2020-01-02"}
    answer = await http.post("/v1/archives", json=wanted, headers=keeper)
    assert answer.status_code == 201, answer.text
    found: Row = answer.json()
    return found


async def handed_in(
    http: httpx.AsyncClient, make: Make, matter: str, form: Row, **changed: Any
) -> tuple[Headers, Row]:
    """An application that its agency has accepted; with the teller."""
    teller = make.teller(await make.place())
    scan = await http.post(
        "/v1/files", files={"file": ("a.pdf", b"%PDF-" + b"x" * 99)}, headers=teller
    )
    wanted = m.body(matter, accept=False, **changed)
    wanted["form"] |= form
    asked = (await http.get(f"/v1/matters/{matter}/guide", headers=teller)).json()["materials"]
    wanted["materials"] = [
        {"code": one["code"], "exemption": one["exemptions"][0]}
        if one["exemptions"] else {"code": one["code"], "file": scan.json()["file"]}
        for one in asked if one["necessity"] == "required"
    ]  # fmt: skip
    made = await m.submit(http, teller, wanted)
    assert made.status_code == 201, made.text
    officer = await make.person(Role.ACCEPTANCE_OFFICER, made.json()["agency"]["code"])
    return teller, await did(http, officer, made.json(), "accept")


async def to_be_sent(
    http: httpx.AsyncClient, make: Make, form: Row | None = None
) -> tuple[Headers, Headers, Row]:
    """A transfer whose letter has gone to who keeps the archive; with the teller, and a reviewer there."""
    wanted = {"holder_place": THERE} if form is None else form
    teller, row = await handed_in(http, make, TRANSFER, wanted)
    reviewer, second = await make.person(Role.REVIEWER), await make.person(Role.SECOND_REVIEWER)
    row = await did(http, reviewer, row, "take", "pass")
    row = await did(http, second, row, "grant", opinion="同意接收", letter=LETTER)
    theirs = await make.person(Role.REVIEWER, row["agency"]["code"])
    return teller, theirs, await did(http, theirs, row, "take")


async def to_be_lent(
    http: httpx.AsyncClient, make: Make, agency: str = THERE, **form: Any
) -> tuple[Headers, Row]:
    """A unit's wish to borrow, which a second person is to decide; with that person."""
    wanted = {"holder_place": agency, **form}
    _, row = await handed_in(http, make, LENDING, wanted, applicant=UNIT, subject=PERSON)
    row = await did(http, await make.person(Role.REVIEWER, agency), row, "take", "pass")
    return await make.person(Role.SECOND_REVIEWER, agency), row


async def seen(http: httpx.AsyncClient, who: Headers, archive: Row) -> Row:
    answer = await http.get(f"/v1/archives/{archive['archive']}", headers=who)
    found: Row = answer.json()
    return found


async def log_of(http: httpx.AsyncClient, who: Headers, archive: Row) -> list[tuple[str, str]]:
    answer = await http.get(f"/v1/archives/{archive['archive']}/entries", headers=who)
    return [(one["deed"], one["agency"]) for one in answer.json()["items"]]


async def kinds(http: httpx.AsyncClient, make: Make, row: Row) -> list[tuple[str, str]]:
    auditor = await make.person(Role.AUDITOR, "330000")
    answer = await http.get(f"/v1/applications/{row['number']}/events", headers=auditor)
    found = [(e["kind"].removeprefix("application."), e["agency"]) for e in answer.json()["items"]]
    return [one for one in found if one[0].startswith("archive_")]


async def test_an_archive_goes_from_one_agency_to_the_other_and_is_at_one_only(
    http: httpx.AsyncClient, make: Make
) -> None:
    archive = await entered(http, make)
    teller, theirs, row = await to_be_sent(http, make)
    row = await did(http, theirs, row, "grant", opinion="材料齐全", letter=SLIP)
    on_its_way = await seen(http, theirs, archive)
    assert (on_its_way["state"], on_its_way["agency"], on_its_way["application"]) == (
        "transferring", THERE, row["number"],
    )  # fmt: skip
    ours = await make.person(Role.REVIEWER, HERE)
    assert (await seen(http, ours, archive))["code"] == "archive-not-found"
    row = await did(http, ours, row, "take", "grant", opinion="已入库")
    assert row["state"] == "completed"
    kept = await seen(http, ours, archive)
    assert (kept["state"], kept["agency"], kept["application"]) == ("kept", HERE, None)
    assert kept["kept_since"] == str(today())
    assert (await seen(http, theirs, archive))["code"] == "archive-not-found"
    assert await log_of(http, ours, archive) == [
        ("arrive", HERE),
        ("send", THERE),
        ("enter", THERE),
    ]
    assert await kinds(http, make, row) == [
        ("archive_sent", THERE), ("archive_arrived", HERE), ("archive_receipt", THERE),
    ]  # fmt: skip
    assert teller


@pytest.mark.parametrize("how", ["send_back", "deny", "withdraw"])
async def test_what_comes_to_nothing_gives_the_archive_back(
    http: httpx.AsyncClient, make: Make, how: str
) -> None:
    archive = await entered(http, make)
    teller, theirs, row = await to_be_sent(http, make)
    row = await did(http, theirs, row, "grant", letter=SLIP)
    ours = await make.person(Role.REVIEWER, HERE)
    more = {
        "send_back": {"reason": "TH02", "opinion": "缺少材料"}, "withdraw": {"reason": "不转了"},
        "deny": {"reason": "BY06", "opinion": "未通过核验"},
    }[how]  # fmt: skip
    row = await did(http, ours, row, "take")
    row = await did(http, teller if how == "withdraw" else ours, row, how, **more)
    back = await seen(http, theirs, archive)
    assert (back["state"], back["agency"], back["application"]) == ("kept", THERE, None)
    assert (await log_of(http, theirs, archive))[0][0] == "give_back"
    if how == "send_back":  # And it is sent a second time.
        row = await did(http, theirs, row, "take", "grant", letter=SLIP)
        assert (await seen(http, theirs, archive))["state"] == "transferring"


async def lent_out(http: httpx.AsyncClient, make: Make) -> tuple[Row, Row, Headers]:
    """An archive that is lent for five days, the application by which it is, and its keeper."""
    archive = await entered(http, make)
    second, row = await to_be_lent(http, make, use="lend", loan_days=5)
    row = await did(http, second, row, "grant", opinion="准予借阅")
    keeper = await make.person(Role.REVIEWER, THERE)
    return await seen(http, keeper, archive), row, keeper


async def test_what_is_lent_is_not_sent_until_it_is_back(
    http: httpx.AsyncClient, make: Make, state: State
) -> None:
    lent, _, keeper = await lent_out(http, make)
    day = due(state, today(), 5)
    assert (lent["state"], lent["due_on"], lent["overdue"]) == ("lent", day, False)
    _, theirs, moving = await to_be_sent(http, make)
    refused = await m.act(http, theirs, moving, "grant", letter=SLIP)
    assert (refused.status_code, refused.json()["code"]) == (409, "archive-not-free")
    assert (refused.json()["state"], refused.json()["due_on"]) == ("lent", day)
    still = (await http.get(f"/v1/applications/{moving['number']}", headers=theirs)).json()
    assert (still["step"], still["version"]) == (2, moving["version"])  # Not done by halves.
    assert (await back(http, keeper, lent)).status_code == 200
    await did(http, theirs, moving, "grant", letter=SLIP)


async def back(
    http: httpx.AsyncClient, keeper: Headers, archive: Row, version: int | None = None
) -> httpx.Response:
    """Take back an archive as it was last seen."""
    path = f"/v1/archives/{archive['archive']}/actions"
    tag = {"If-Match": f'"{version or archive["version"]}"'}
    wanted = {"action": "return", "note": "专人送回"}
    return await http.post(path, json=wanted, headers={**keeper, **tag})


async def test_a_loan_that_is_not_ended_in_time_stands_on_a_list(
    http: httpx.AsyncClient, make: Make, owner: AsyncEngine
) -> None:
    lent, row, keeper = await lent_out(http, make)
    assert await _overdue(http, keeper) == []
    async with owner.begin() as connection:
        await connection.execute(
            sa.text("UPDATE personnel_archive SET due_on = :day"),
            {"day": today() - timedelta(days=1)},
        )
    assert await _overdue(http, keeper) == [lent["archive"]]
    assert await _overdue(http, await make.person(Role.REVIEWER, HERE)) == []
    answers = [(await back(http, keeper, lent, version)).status_code for version in (1, None, None)]
    assert answers == [412, 200, 412]
    now_kept = await seen(http, keeper, lent)
    assert (now_kept["state"], now_kept["due_on"], now_kept["actions"]) == ("kept", None, [])
    assert (await back(http, keeper, now_kept)).json()["code"] == "archive-not-free"
    assert await _overdue(http, keeper) == []
    assert await kinds(http, make, row) == [("archive_lent", THERE), ("archive_returned", THERE)]


async def test_the_log_is_read_page_by_page(http: httpx.AsyncClient, make: Make) -> None:
    lent, _, keeper = await lent_out(http, make)
    await back(http, keeper, lent)
    path = f"/v1/archives/{lent['archive']}/entries"
    shown = (await http.get(f"{path}?limit=2", headers=keeper)).json()
    assert [one["note"] for one in shown["items"]] == ["专人送回", UNIT["name"]]
    rest = (await http.get(f"{path}?after={shown['next']}", headers=keeper)).json()
    assert ([one["deed"] for one in rest["items"]], rest["next"]) == (["enter"], None)


async def test_who_only_looks_on_there_and_keeps_elsewhere_takes_nothing_back(
    http: httpx.AsyncClient, make: Make
) -> None:
    lent, _, keeper = await lent_out(http, make)
    subject = f"both-{m.key()}"
    await make.person(Role.AUDITOR, "330000", subject)
    both = await make.person(Role.REVIEWER, HERE, subject)
    assert (await seen(http, both, lent))["actions"] == []
    assert (await back(http, both, lent)).status_code == 403
    assert (await back(http, keeper, lent)).status_code == 200


async def test_lent_to_two_at_once_one_has_it_and_the_other_reads_until_when(
    http: httpx.AsyncClient, make: Make
) -> None:
    archive = await entered(http, make)
    wishes = [await to_be_lent(http, make, use="lend", loan_days=5) for _ in range(2)]
    answers = await asyncio.gather(*(m.act(http, who, row, "grant") for who, row in wishes))
    assert sorted(a.status_code for a in answers) == [200, 409]
    (late,) = [n for n, answer in enumerate(answers) if answer.status_code == 409]
    keeper, (who, row) = await make.person(Role.REVIEWER, THERE), wishes[late]
    lent = await seen(http, keeper, archive)
    assert answers[late].json()["due_on"] == lent["due_on"] is not None
    twice = await asyncio.gather(*(back(http, keeper, lent) for _ in range(2)))
    assert sorted(a.status_code for a in twice) == [200, 412]
    await did(http, who, row, "grant")
    assert (await seen(http, keeper, archive))["application"] == row["number"]


async def test_what_is_asked_wrongly_is_a_clear_no(http: httpx.AsyncClient, make: Make) -> None:
    lent, _, keeper = await lent_out(http, make)
    path = f"/v1/archives/{lent['archive']}"
    for odd in ("x", "0" * 40, "00000000-0000-7000-8000-000000000000", "%00", "中"):
        assert (await http.get(f"/v1/archives/{odd}", headers=keeper)).status_code in (404, 422), (
            odd
        )
    bodies: list[Any] = [{}, [], {"action": "burn"}, {"action": "return", "to": "me"}]
    for body in bodies:
        answer = await http.post(
            f"{path}/actions", json=body, headers={**keeper, "If-Match": '"2"'}
        )
        assert answer.status_code == 422, body
    bare = await http.post(f"{path}/actions", json={"action": "return"}, headers=keeper)
    assert bare.status_code == 428
    assert (await http.get("/v1/archives?after=x", headers=keeper)).status_code == 422
    assert (await http.get("/v1/archives?state=burnt", headers=keeper)).status_code == 422
    elsewhere = await http.get(f"/v1/archives?agency={HERE}", headers=keeper)
    assert elsewhere.json()["items"] == []


async def _overdue(http: httpx.AsyncClient, who: Headers) -> list[str]:
    answer = await http.get("/v1/archives?overdue=true", headers=who)
    return [one["archive"] for one in answer.json()["items"]]


async def test_lent_and_sent_at_once_one_of_them_is_done(
    http: httpx.AsyncClient, make: Make
) -> None:
    archive = await entered(http, make)
    _, theirs, moving = await to_be_sent(http, make)
    second, lending = await to_be_lent(http, make, use="lend", loan_days=3.0)
    answers = await asyncio.gather(
        m.act(http, theirs, moving, "grant", letter=SLIP), m.act(http, second, lending, "grant")
    )
    assert sorted(a.status_code for a in answers) == [200, 409]
    (lost,) = [a.json() for a in answers if a.status_code == 409]
    found = await seen(http, theirs, archive)
    assert lost["code"] == "archive-not-free"
    won = moving if answers[0].status_code == 200 else lending
    assert (found["application"], found["version"]) == (won["number"], 2)
    assert len(await log_of(http, theirs, archive)) == 2


async def test_what_is_entered_at_once_by_two_is_there_once(
    http: httpx.AsyncClient, make: Make
) -> None:
    here, there = [await make.person(Role.REVIEWER, agency) for agency in (HERE, THERE)]
    answers = await asyncio.gather(*(
        http.post("/v1/archives", headers=who, json={
            "agency": agency, "person": PERSON, "kept_since": "2020-01-02",
        })
        for who, agency in ((here, HERE), (there, THERE), (here, HERE))
    ))  # fmt: skip
    assert sorted(a.status_code for a in answers) == [201, 409, 409]
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"archive-known"}


async def test_from_another_province_it_is_entered_when_it_arrives(
    http: httpx.AsyncClient, make: Make
) -> None:
    _, ours, row = await to_be_sent(http, make, {"holder_place": ELSEWHERE})
    assert row["agency"]["code"] == HERE  # Nobody of ours is there: the letter is waited for here.
    row = await did(http, ours, row, "grant", letter=SLIP)
    other = await make.person(Role.REVIEWER, HERE)
    row = await did(http, other, row, "take", "grant")
    (kept,) = (await http.get("/v1/archives", headers=other)).json()["items"]
    assert (kept["state"], kept["agency"], kept["person"]["name"]) == ("kept", HERE, "测**")
    assert await kinds(http, make, row) == [("archive_arrived", HERE)]

    gone = {"transfer_kind": "transfer_out", "holder_place": HERE, "receiver_name": "样例事业单位",
            "receiver_address": "宁波市海曙区测试路9号"}  # fmt: skip
    _, ours, row = await to_be_sent(http, make, gone)
    row = await did(http, ours, row, "grant", letter=SLIP)
    row = await did(http, await make.person(Role.REVIEWER, HERE), row, "take", "grant")
    left = await seen(http, other, kept)
    assert (left["state"], left["application"]) == ("transferred", None)
    second, lending = await to_be_lent(http, make, HERE, use="consult")
    refused = await m.act(http, second, lending, "grant")
    assert (refused.status_code, refused.json()["state"]) == (409, "transferred")


async def test_what_somebody_keeps_does_not_come_from_elsewhere(
    http: httpx.AsyncClient, make: Make
) -> None:
    _, ours, row = await to_be_sent(http, make, {"holder_place": ELSEWHERE})
    row = await did(http, ours, row, "grant", letter=SLIP)
    await entered(http, make, "330302")  # Somebody finds it in the meantime.
    other = await make.person(Role.REVIEWER, HERE)
    row = await did(http, other, row, "take")
    refused = await m.act(http, other, row, "grant")
    assert (refused.status_code, refused.json()["agency"]) == (409, "330302")


async def test_who_looks_into_it_is_written_down_and_a_certificate_needs_it_at_hand(
    http: httpx.AsyncClient, make: Make
) -> None:
    teller, row = await handed_in(http, make, CERTIFICATE, {"holder_place": THERE})
    theirs = await make.person(Role.REVIEWER, THERE)
    row = await did(http, theirs, row, "take")
    unknown = await m.act(http, theirs, row, "grant")
    assert (unknown.status_code, unknown.json()["code"]) == (409, "archive-unknown")
    archive = await entered(http, make, HERE)
    elsewhere = await m.act(http, theirs, row, "grant")
    assert (elsewhere.json()["code"], elsewhere.json()["agency"]) == ("archive-elsewhere", HERE)

    second, looking = await to_be_lent(http, make, HERE, use="consult")
    await did(http, second, looking, "grant")
    assert (await log_of(http, second, archive))[0] == ("consult", HERE)
    assert (await seen(http, second, archive))["state"] == "kept"
    assert teller


WORDING = {
    "DAZ": "现将测试甲的人事档案转去，请查收，并退回回执。.*不得由个人携带.*档转〔2026〕8号.*西湖区",
    "DAH": "转来的测试甲的人事档案已收到入库。",
    "DAM": "经查，测试甲的人事档案自2020年1月2日起由本机构保管。特此证明。.*1998年7月参加工作",
    "DAJ": "准予样例事业单位查\\(借\\)阅测试甲的人事档案。.*归还日期20",
}


async def test_each_thing_that_is_done_with_it_has_its_paper(
    http: httpx.AsyncClient, make: Make
) -> None:
    await entered(http, make)
    teller, row = await handed_in(http, make, CERTIFICATE, {"holder_place": THERE})
    theirs = await make.person(Role.REVIEWER, THERE)
    certified = await did(http, theirs, row, "take", "grant", opinion="1998年7月参加工作")
    papers = {"DAM": (teller, certified)}
    _, sender, row = await to_be_sent(http, make)
    officer = await make.person(Role.ACCEPTANCE_OFFICER, HERE)
    row = await did(http, sender, row, "grant", letter=SLIP)
    row = await did(http, await make.person(Role.REVIEWER, HERE), row, "take", "grant")
    papers |= {"DAZ": (officer, row), "DAH": (officer, row)}
    second, lending = await to_be_lent(http, make, HERE, use="lend", loan_days=2)
    papers["DAJ"] = (officer, await did(http, second, lending, "grant"))
    assert set(papers) == set(WORDING) == OF_ARCHIVES
    for code, (who, application) in papers.items():
        assert code in application["documents"]
        text = squeezed(Pdf((await printed(http, who, application["number"], code)).content).text)
        assert re.search(WORDING[code], text), (code, text)


async def test_a_unit_says_whose_archive(http: httpx.AsyncClient, make: Make) -> None:
    wanted = m.body(LENDING, accept=False, applicant=UNIT)
    refused = await m.submit(http, make.teller(await make.place()), wanted)
    assert "/subject" in {one["at"] for one in refused.json()["errors"]}


async def test_what_is_entered_is_checked_found_and_nowhere_in_clear(
    http: httpx.AsyncClient, make: Make, owner: AsyncEngine
) -> None:
    keeper = await make.person(Role.ACCEPTANCE_OFFICER, HERE)
    wanted: Row = {"agency": HERE, "person": PERSON, "kept_since": str(today() + timedelta(days=1))}
    wrong = wanted | {"person": PERSON | {"id_number": "339900189901010010"}}
    faults = (await http.post("/v1/archives", json=wrong, headers=keeper)).json()["errors"]
    assert {one["at"] for one in faults} == {"/person/id_number", "/kept_since"}
    wanted["kept_since"] = str(today())
    foreign = await make.person(Role.REVIEWER, THERE)
    assert (await http.post("/v1/archives", json=wanted, headers=foreign)).status_code == 403

    keyed = {**keeper, "Idempotency-Key": m.key()}
    first, again = [await http.post("/v1/archives", json=wanted, headers=keyed) for _ in range(2)]
    assert (first.json(), again.headers["Idempotent-Replayed"]) == (again.json(), "true")
    asked = {"id_number": m.IDS[0].lower(), "purpose": "核对存档"}
    found = await http.post("/v1/archives/search", json=asked, headers=keeper)
    assert [one["archive"] for one in found.json()["items"]] == [first.json()["archive"]]
    hidden = await http.post("/v1/archives/search", json=asked, headers=foreign)
    assert hidden.json()["items"] == []
    assert m.IDS[0] not in found.text
    async with owner.connect() as connection:
        rows = (await connection.execute(sa.text("SELECT p::text FROM personnel_archive p"))).all()
        looks = await connection.scalar(
            sa.text("SELECT count(*) FROM access_record WHERE kind = 'search'")
        )
    plain = (m.IDS[0], m.IDS[0].encode().hex(), "测试甲", "测试甲".encode().hex())
    assert not [one for one in plain if one in str(rows)]
    assert looks == 2
