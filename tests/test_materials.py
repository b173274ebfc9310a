"""A material is a file, an exemption or a promise, as the guide allows; all that is wrong is told at once."""

from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from cli.load import shipped_guide
from kit.clock import today
from tests import make as m
from tests.make import Make
from tests.test_sweeping import stored

REGISTRATION = "332014901002"
"""The household book may follow later; the form may not, and can't be left out."""

CLOSING = "332014901004"
"""A death is proved by a paper, by shared data, or by the applicant's word."""

SOON = (today() + timedelta(days=1)).isoformat()


async def handed_in(
    http: httpx.AsyncClient, who: dict[str, str], matter: str, **ways: dict[str, Any]
) -> httpx.Response:
    """Hand in with the usual ways, but for those that are named; None leaves a material out."""
    wanted = m.body(matter)
    known = {item["code"]: item for item in wanted["materials"]}
    file = await stored(http, who, b"%PDF-1.7 a form")
    for code in ("enrol_form", "closing_form", "registration_form"):
        known.setdefault(code, {"code": code, "file": file})
    asked = {code for code in known if code in codes(matter)} | set(ways)
    wanted["materials"] = [
        {"code": code, **ways[code]} if code in ways else known[code] for code in sorted(asked)
    ]
    return await m.submit(http, who, wanted)


def codes(matter: str) -> set[str]:
    return {item.code for item in shipped_guide(matter).guide.materials}


def found(answer: httpx.Response) -> set[tuple[str, str]]:
    """Faults of materials, by the material's place."""
    return {(e["at"].rpartition("/")[2], e["rule"]) for e in answer.json()["errors"]}


@pytest.fixture
async def who(make: Make) -> dict[str, str]:
    return make.teller(await make.place())


@pytest.mark.parametrize(
    ("way", "documents"),
    [({"promised_by": SOON}, ["REC", "ACP", "TOL"]), ({"exemption": "data_sharing"}, ["REC", "ACP"])],
)  # fmt: skip
async def test_what_may_follow_follows_or_is_looked_up(
    http: httpx.AsyncClient, who: dict[str, str], way: dict[str, Any], documents: list[str]
) -> None:
    made = await handed_in(http, who, REGISTRATION, household_book=way)
    assert made.status_code == 201, made.text
    assert made.json()["documents"] == documents
    shown = await http.get(f"/v1/applications/{made.json()['number']}", headers=who)
    kept = {item["code"]: item for item in shown.json()["materials"]}["household_book"]
    assert {name: value for name, value in kept.items() if value is not None} == {
        "code": "household_book", **way,
    }  # fmt: skip


async def test_a_proof_may_rest_on_the_applicants_word(
    http: httpx.AsyncClient, who: dict[str, str]
) -> None:
    made = await handed_in(http, who, CLOSING, death_proof={"exemption": "commitment"})
    assert made.status_code == 201, made.text
    shown = await http.get(f"/v1/applications/{made.json()['number']}", headers=who)
    kept = {item["code"]: item["exemption"] for item in shown.json()["materials"]}
    assert kept["death_proof"] == "commitment"


LATE, PAST = date(2099, 1, 1).isoformat(), (today() - timedelta(days=1)).isoformat()


@pytest.mark.parametrize(
    ("code", "way", "faults"),
    [
        ("household_book", {}, {("0", "way")}),
        ("household_book", {"promised_by": LATE}, {("promised_by", "range")}),
        ("household_book", {"promised_by": PAST}, {("promised_by", "range")}),
        ("household_book", {"exemption": "commitment"}, {("exemption", "exemption")}),
        ("household_book", {"file": "x"}, {("file", "file")}),
        ("id_card", {"promised_by": SOON}, {("promised_by", "tolerance")}),
        (
            "id_card", {"promised_by": SOON, "file": "x", "exemption": "commitment"},
            {("1", "way"), ("promised_by", "tolerance"), ("file", "file"), ("exemption", "exemption")},
        ),
        ("no_such", {"file": "x"}, {("code", "unknown"), ("file", "file")}),
        ("no_such", {}, {("code", "unknown"), ("2", "way")}),
    ],
)  # fmt: skip
async def test_every_way_that_the_guide_does_not_allow(
    http: httpx.AsyncClient,
    who: dict[str, str],
    code: str,
    way: dict[str, Any],
    faults: set[tuple[str, str]],
) -> None:
    answer = await handed_in(http, who, REGISTRATION, **{code: way})
    assert (answer.status_code, answer.json()["code"]) == (422, "content-invalid"), answer.text
    ways = {rule for _, rule in faults if rule == "way"}
    assert {f for f in found(answer) if f[1] != "way"} == {f for f in faults if f[1] != "way"}
    assert {rule for _, rule in found(answer) if rule == "way"} == ways


async def test_all_faults_of_all_materials_come_together(
    http: httpx.AsyncClient, who: dict[str, str]
) -> None:
    """Also those of one that came twice, and what is missing beside."""
    wanted = m.body(REGISTRATION, materials=[
        {"code": "household_book", "promised_by": LATE},
        {"code": "household_book", "exemption": "commitment"},
        {"code": "no_such", "file": "x", "promised_by": SOON},
    ])  # fmt: skip
    answer = await m.submit(http, who, wanted)
    places = {(e["at"], e["rule"]) for e in answer.json()["errors"]}
    assert {
        ("/materials/0/promised_by", "range"),
        ("/materials/1/code", "repeated"),
        ("/materials/1/exemption", "exemption"),
        ("/materials/2", "way"),
        ("/materials/2/code", "unknown"),
        ("/materials/2/file", "file"),
        ("/materials/id_card", "required"),
    } <= places


async def test_a_wrong_exemption_says_which_ones_there_are(
    http: httpx.AsyncClient, who: dict[str, str]
) -> None:
    who = who | {"Accept-Language": "en"}
    answer = await handed_in(http, who, REGISTRATION, id_card={"exemption": "commitment"})
    (fault,) = [e for e in answer.json()["errors"] if e["rule"] == "exemption"]
    assert "card_read" in fault["message"]
