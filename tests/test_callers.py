"""Callers: where what they may do holds."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from access.callers import NOWHERE, Held, Reach, area_of, person, reaches_of, teller
from access.policy import GRANTS, SCOPES, May, Role, Scope

FILE = Path(__file__).parent.parent / "data" / "divisions" / "divisions.csv"
with FILE.open(encoding="utf-8", newline="") as file:
    PARENTS = {r["code"]: r["parent_code"] for r in csv.DictReader(file) if r["level"] != "4"}

PROVINCE, CITY, COUNTY = "339900", "330199", "330106"
"""Agencies of Zhejiang, Hangzhou and Xihu."""

held = st.lists(
    st.sampled_from(Role).flatmap(
        lambda role: st.builds(
            Held,
            st.just(role),
            st.sampled_from(
                {
                    Scope.OUTLET: ["330106000012", "330302000001"],
                    Scope.BANK: ["SRCB"],
                    Scope.AGENCY: [COUNTY, CITY, "330302"],
                    Scope.DIVISION: ["330000", "330100", "330106"],
                }[SCOPES[role]]
            ),
        )
    ),
    max_size=5,
)


@pytest.mark.parametrize(
    ("division", "area"),
    [
        ("330000", "33"),
        ("500000", "50"),
        ("330100", "3301"),
        ("331000", "3310"),
        ("331100", "3311"),
        ("330106", "330106"),
        ("330110", "330110"),
        ("330500", "3305"),
        ("330106000000", "330106"),
    ],
)
def test_areas_are_the_digits_that_all_within_share(division: str, area: str) -> None:
    assert area_of(division) == area


def test_an_area_holds_its_divisions_and_no_others() -> None:
    areas = {code: area_of(code) for code in PARENTS}
    assert len(set(areas.values())) == len(PARENTS)
    for code, parent in PARENTS.items():
        assert code.startswith(areas[code])
        if parent:
            assert code.startswith(areas[parent])
            assert not parent.startswith(areas[code])


@pytest.mark.parametrize(
    ("division", "within"),
    [
        ("330000", {PROVINCE, CITY, COUNTY, "330302"}),
        ("330100", {CITY, COUNTY}),
        ("330106", {COUNTY}),
        ("331000", set()),
    ],
)
def test_an_auditor_sees_the_agencies_of_the_division(division: str, within: set[str]) -> None:
    reach = person("a", [Held(Role.AUDITOR, division)]).reach(May.APPLICATION_READ)
    agencies = (PROVINCE, CITY, COUNTY, "330302")
    assert {a for a in agencies if reach.covers(outlet="330106000012", agency=a)} == within


@pytest.mark.parametrize("scope", ["", "000000", "000000000000"])
def test_a_division_that_is_none_reaches_nothing(scope: str) -> None:
    reach = person("a", [Held(Role.AUDITOR, scope)]).reach(May.APPLICATION_READ)
    assert not reach.covers(outlet="330106000012", agency=COUNTY)


def test_a_teller_reaches_what_the_outlet_handed_in_wherever_it_is_decided() -> None:
    caller = teller("terminal", "330106000012", "330106000012-01")
    assert (caller.id, caller.role) == ("teller:330106000012-01", Role.TELLER)
    assert set(caller.reaches) == GRANTS[Role.TELLER]
    for reach in caller.reaches.values():
        assert reach.covers(outlet="330106000012", agency="330302")
        assert not reach.covers(outlet="330106000013", agency=COUNTY)


def test_a_reviewer_reaches_the_own_agency_only() -> None:
    reach = person("r", [Held(Role.REVIEWER, COUNTY)]).reach(May.APPLICATION_REVIEW)
    assert reach.covers(outlet="330302000001", agency=COUNTY)
    assert not reach.covers(outlet="330106000012", agency=CITY)


def test_rights_of_one_post_do_not_spread_to_the_scope_of_another() -> None:
    both = person("p", [Held(Role.REVIEWER, COUNTY), Held(Role.AUDITOR, "330300")])
    assert both.reach(May.APPLICATION_READ).covers(outlet="x", agency="330302")
    assert not both.reach(May.APPLICATION_REVIEW).covers(outlet="x", agency="330302")


def test_a_bank_reaches_no_application() -> None:
    for reach in person("b", [Held(Role.BANK_ADMIN, "SRCB")]).reaches.values():
        assert not reach
        assert not reach.covers(outlet="330106000012", agency=COUNTY)


def test_who_holds_nothing_may_nothing() -> None:
    nobody = person("n", [])
    assert (nobody.id, nobody.role) == ("person:n", "none")
    assert not any(nobody.may(may) for may in May)
    assert not NOWHERE
    assert not NOWHERE.covers(outlet="", agency="")


def test_a_person_is_never_taken_for_a_teller() -> None:
    caller = person("330106000012-01", [Held(Role.TELLER, "330106000012")])
    assert caller.id != teller("t", "330106000012", "330106000012-01").id
    assert (caller.terminal, caller.outlet, caller.teller) == (None, None, None)


@given(held)
def test_what_is_held_is_the_sum_of_the_posts(posts: list[Held]) -> None:
    reaches = reaches_of(posts)
    assert set(reaches) == set().union(*(GRANTS[post.role] for post in posts))
    for may, reach in reaches.items():
        alone = [reaches_of([post]).get(may, Reach()) for post in posts]
        for outlet in ("330106000012", "330302000001"):
            for agency in (PROVINCE, CITY, COUNTY, "330302"):
                assert reach.covers(outlet=outlet, agency=agency) == any(
                    one.covers(outlet=outlet, agency=agency) for one in alone
                )
