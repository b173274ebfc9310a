"""Which agency decides: read off the place that the application names."""

import csv
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from api.state import State
from matters.compiled import CompiledGuide
from routing.rules import Routed, route
from schemas.guides import Basis, Level, Step
from tests.make import PENSION, RECORD

DATA = Path(__file__).parent.parent / "data"
DAY = date(2026, 11, 23)
HERE, FAR = "330106", "330302"
with (DATA / "divisions" / "divisions.csv").open(encoding="utf-8", newline="") as file:
    PLACES = [row for row in csv.DictReader(file) if row["code"].startswith("33")]
COUNTIES = [row["code"] for row in PLACES if row["level"] == "3"]
MATTERS = sorted({file.name.partition(".")[0] for file in (DATA / "matters").glob("*.yaml")})
CITY_MATTER = "332014901016"

RULES = """
332014901001 insured_place   county insured_place
332014901002 household_place county household_place
332014901003 insured_place   county insured_place
332014901004 insured_place   county insured_place
332014901005 household_place county household_place
332014901006 insured_place   county insured_place
332014901007 insured_place   county insured_place
332014901008 insured_place   county insured_place
332014901009 insured_place   county insured_place
332014901010 insured_place   county insured_place
332014901011 insured_place   county insured_place
332014901012 insured_place   county insured_place
332014901013 residence       county registration_place
332014901014 insured_place   county insured_place
332014901015 insured_place   county insured_place
332014901016 insured_place   city   insured_place
332014901017 work_place      county receiving_place
332014901018 insured_place   county insured_place
332014901019 insured_place   county insured_place
332014901020 insured_place   county insured_place
332014920110 form_field      county holder_place
332014920111 form_field      county holder_place
"""
"""Which place decides, the level of the agency, and the field of the form that names the place."""


def guide(state: State, matter: str = RECORD) -> CompiledGuide:
    return state.desk.catalogue.resolve(matter, None, DAY)


def stepped(state: State, basis: Basis, level: Level) -> CompiledGuide:
    """The record print, decided elsewhere."""
    found = guide(state)
    step: Step = found.guide.steps[0].model_copy(update={"basis": basis, "level": level})
    return replace(found, guide=found.guide.model_copy(update={"steps": [step]}))


def routed(state: State, found: CompiledGuide, form: dict[str, Any], outlet: str = FAR) -> Routed:
    desk = state.desk
    return route(desk.routing, found, form, outlet, DAY)


def code(found: Routed) -> str | None:
    assert (found.agency is None) != (found.fault is None)
    return found.agency.code if found.agency else None


def test_every_matter_is_decided_at_the_place_it_should(state: State) -> None:
    lines = []
    for found in (g for g in state.desk.catalogue.in_force(DAY) if g.matter in MATTERS):
        step = found.guide.steps[0]
        field = step.field or found.routing[step.basis]
        lines.append(f"{found.matter} {step.basis:15} {step.level:6} {field}")
    assert lines == RULES.strip().splitlines()


@pytest.mark.parametrize(
    "matter",
    [
        pytest.param(
            matter,
        )
        for matter in MATTERS
    ],
)
def test_the_first_example_of_every_form_routes_to_the_demonstrations_agency(
    state: State, matter: str
) -> None:
    found = guide(state, matter)
    assert code(routed(state, found, found.guide.form_schema["examples"][0])) == HERE


@pytest.mark.parametrize("matter", MATTERS)
def test_every_county_is_decided_by_its_own_agency(state: State, matter: str) -> None:
    found = guide(state, matter)
    step = found.guide.steps[0]
    field = step.field or found.routing[step.basis]
    for county in COUNTIES:
        expected = {"county": county, "city": f"{county[:4]}99", "province": "339900"}[step.level]
        if matter == CITY_MATTER and county.startswith("3301"):
            expected = county  # The city has entrusted its counties.
        assert code(routed(state, found, {field: county})) == expected


def test_a_township_is_decided_by_its_county_in_every_spelling(state: State) -> None:
    found = guide(state)
    for row in PLACES:
        if row["level"] == "4":
            for place in (row["code"], row["code"] + "000"):
                assert code(routed(state, found, {"insured_place": place})) == row["code"][:6]


@pytest.mark.parametrize(
    "place",
    [
        pytest.param("330000", id="the province"),
        pytest.param("330100", id="a city"),
        pytest.param("339900", id="an agency's code"),
        pytest.param("999999", id="nowhere"),
        pytest.param("", id="nothing"),
        pytest.param(None, id="null"),
        pytest.param(330106, id="a number"),
        pytest.param([HERE], id="a list"),
        pytest.param({"code": HERE}, id="an object"),
    ],
)
@pytest.mark.parametrize("matter", [PENSION, CITY_MATTER])
def test_where_nobody_decides_the_field_is_named(state: State, matter: str, place: object) -> None:
    found = routed(state, guide(state, matter), {"insured_place": place})
    assert code(found) is None
    assert found.fault is not None
    assert (found.fault.at, found.fault.rule) == ("/form/insured_place", "no-agency")
    assert str(place or "-") not in repr(found.fault.message)


@pytest.mark.parametrize(
    ("place", "rule", "named"),
    [("330103", "division-abolished", "拱墅区(330105)"), ("310115", "not-ours", "上海市浦东新区")],
)
def test_what_became_of_a_place_and_whose_it_is_is_named(
    state: State, place: str, rule: str, named: str
) -> None:
    found = routed(state, guide(state), {"insured_place": place})
    assert found.fault is not None
    assert (found.fault.at, found.fault.rule) == ("/form/insured_place", rule)
    assert named in found.fault.message.zh
    assert place not in repr(found.fault.message)


def test_a_code_of_the_statistics_names_the_one_that_is_meant(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    township = next(p for p in state.desk.divisions.children(HERE, "", DAY))
    other = township._replace(scheme="nbs", code=f"{HERE}999")
    known = state.desk.divisions._by_code
    monkeypatch.setitem(known, ("nbs", other.code), [other])
    found = routed(state, guide(state), {"insured_place": other.code})
    assert found.fault is not None
    assert found.fault.rule == "division-scheme"
    assert f"{township.name}({township.code})" in found.fault.message.zh


def test_a_place_that_is_not_named_is_a_fault(state: State) -> None:
    assert routed(state, guide(state), {}).fault is not None
    assert routed(state, guide(state), {"residence": HERE}).fault is not None


def test_the_outlet_does_not_decide_where_a_place_is_asked_for(state: State) -> None:
    for outlet in (HERE, FAR, ""):
        assert code(routed(state, guide(state), {"insured_place": HERE}, outlet)) == HERE


def test_an_outlet_of_a_county_that_is_no_more_is_where_that_went(state: State) -> None:
    """An outlet keeps the code that it was registered with until somebody moves it."""
    found = stepped(state, Basis.OUTLET, Level.COUNTY)
    assert code(routed(state, found, {"insured_place": HERE}, "330103")) == "330105"
    assert (
        code(routed(state, found, {"insured_place": HERE}, "330104")) is None
    )  # Two took its place.


@pytest.mark.parametrize(
    ("level", "agency"),
    [(Level.COUNTY, "330302"), (Level.CITY, "330399"), (Level.PROVINCE, "339900")],
)
def test_where_the_outlet_decides_the_form_does_not(
    state: State, level: Level, agency: str
) -> None:
    found = stepped(state, Basis.OUTLET, level)
    assert code(routed(state, found, {"insured_place": HERE}, FAR)) == agency


def test_a_basis_that_the_form_does_not_ask_for_is_a_fault_and_no_crash(state: State) -> None:
    found = routed(state, stepped(state, Basis.WORK_PLACE, Level.COUNTY), {"insured_place": HERE})
    assert code(found) is None
