"""What an outlet may do, and every reason why not."""

from datetime import date
from itertools import product

import pytest

from cli.load import shipped_guide
from matters.compiled import CompiledGuide, compile_guide
from matters.models import GuideVersion
from outlets.memory import AgreementInfo, OutletInfo, TellerInfo
from routing.permissions import permission
from schemas.guides import Delegation
from tests.make import PENSION

DAY = date(2026, 11, 23)
YESTERDAY, TOMORROW = date(2026, 11, 22), date(2026, 11, 24)


def guide(delegation: str = "D2", classes: tuple[str, ...] = ("premium",)) -> CompiledGuide:
    content = shipped_guide(PENSION).guide.model_dump(mode="json")
    content["outlet"] = {"delegation": delegation, "classes": list(classes)}
    return compile_guide(
        GuideVersion(
            base_code=PENSION, version=1, state="published", effective_from=date(2026, 1, 1),
            content=content, drafted_by="a", generation=1,
        )
    )  # fmt: skip


def outlet(status: str = "active", service_class: str = "premium") -> OutletInfo:
    return OutletInfo(
        outlet="330106000012", name="测试网点", bank="SRCB", agreement="A", kind="bank_branch",
        service_class=service_class, status=status, division="330106013", address="", lat=None,
        lng=None, phone="", hours="", windows=1, cnaps=None, parent=None, is_sample=True, version=1,
    )  # fmt: skip


def agreement(
    *,
    matters: frozenset[str] | None = None,
    limit: str = "D3",
    start: date = YESTERDAY,
    end: date = TOMORROW,
    ended: date | None = None,
) -> AgreementInfo:
    return AgreementInfo("A", start, end, ended, matters, limit)


def teller(until: date | None = TOMORROW) -> TellerInfo:
    return TellerInfo("330106000012-01", "330106000012", "active", until)


TABLE = """
active           in force  named    premium  D2  qualified    -
active           in force  named    premium  D2  nobody       -
active           in force  named    premium  D2  lapsed       teller-not-qualified
active           in force  named    premium  D0  qualified    consult-only
active           in force  named    basic    D2  qualified    service-class
active           in force  unnamed  premium  D2  qualified    not-in-agreement
active           none      named    premium  D2  qualified    no-agreement
active           expired   named    premium  D2  qualified    no-agreement
suspended        in force  named    premium  D2  qualified    outlet-not-active
rectifying       in force  named    premium  D2  qualified    outlet-not-active
applied          in force  named    premium  D2  qualified    outlet-not-active
site_acceptance  in force  named    premium  D2  qualified    outlet-not-active
exited           none      named    basic    D0  lapsed       outlet-not-active no-agreement service-class teller-not-qualified
exited           in force  unnamed  basic    D0  lapsed       outlet-not-active not-in-agreement service-class consult-only teller-not-qualified
"""  # noqa: E501
"""Outlet, agreement, whether it names the matter, class, what the guide lets, teller: reasons."""

TELLERS = {"qualified": teller(), "lapsed": teller(YESTERDAY), "nobody": None}


@pytest.mark.parametrize("line", TABLE.strip().splitlines())
def test_every_reason_is_named(line: str) -> None:
    status, force, named, kind, delegation, who, *reasons = line.replace(
        "in force", "in_force"
    ).split()
    matters = frozenset({PENSION if named == "named" else "332014901008"})
    agreements = {
        "in_force": agreement(matters=matters),
        "expired": agreement(matters=matters, start=date(2020, 1, 1), end=YESTERDAY),
        "none": None,
    }
    found = permission(
        guide(delegation), outlet(status, kind), agreements[force], TELLERS[who], DAY
    )
    assert [reason.code for reason in found.reasons] == [r for r in reasons if r != "-"]


def test_what_is_let_is_the_lesser_of_guide_and_agreement() -> None:
    for let, entrusted in product(Delegation, Delegation):
        found = permission(guide(let), outlet(), agreement(limit=entrusted), teller(), DAY)
        assert found.delegation == min(let, entrusted)
        assert bool(found.reasons) == (found.delegation is Delegation.D0)


def test_without_an_agreement_nothing_is_let() -> None:
    assert permission(guide("D3"), outlet(), None, None, DAY).delegation is Delegation.D0


def test_an_agreement_that_names_no_matters_is_of_all() -> None:
    assert permission(guide(), outlet(), agreement(matters=None), None, DAY).reasons == ()
    assert permission(guide(), outlet(), agreement(matters=frozenset()), None, DAY).reasons != ()


@pytest.mark.parametrize(
    ("terms", "holds"),
    [
        pytest.param(agreement(start=DAY, end=DAY), True, id="first and last day"),
        pytest.param(agreement(start=TOMORROW), False, id="not begun"),
        pytest.param(agreement(end=YESTERDAY), False, id="over"),
        pytest.param(agreement(ended=DAY), False, id="ended today"),
        pytest.param(agreement(ended=TOMORROW), True, id="ends tomorrow"),
    ],
)
def test_an_agreement_holds_from_its_first_to_its_last_day(
    terms: AgreementInfo, holds: bool
) -> None:
    found = permission(guide(), outlet(), terms, None, DAY)
    assert [reason.code for reason in found.reasons] == ([] if holds else ["no-agreement"])


@pytest.mark.parametrize(("until", "holds"), [(None, False), (YESTERDAY, False), (DAY, True)])
def test_a_teller_is_qualified_to_the_last_day(until: date | None, holds: bool) -> None:
    found = permission(guide(), outlet(), agreement(), teller(until), DAY)
    assert (found.reasons == ()) is holds


def test_only_status_and_agreement_close_an_outlet_altogether() -> None:
    worst = permission(guide("D0"), outlet("exited", "basic"), None, teller(None), DAY)
    assert {r.code for r in worst.reasons if r.closes} == {"outlet-not-active", "no-agreement"}


LINKS = """
D3  D3  -                       D0 D1 D2 D3
D2  D3  guide-limit             D0 D1 D2
D3  D1  agreement-limit         D0 D1
D0  D3  consult-only            D0
D3  D0  consult-only            D0
"""
"""What the guide lets, the agreement entrusts, what stands against the first link beyond, and links let."""


@pytest.mark.parametrize("line", LINKS.strip().splitlines())
def test_each_link_is_let_or_told_why_not(line: str) -> None:
    let, entrusted, limit, *links = line.split()
    found = permission(guide(let), outlet(), agreement(limit=entrusted), teller(), DAY)
    assert [str(link) for link in Delegation if found.lets(link)] == links
    beyond = [found.against(link)[-1].code for link in Delegation if not found.lets(link)]
    assert set(beyond) == ({limit} - {"-"})


def test_advice_is_given_also_by_who_is_not_qualified() -> None:
    found = permission(guide("D0"), outlet(), agreement(), teller(YESTERDAY), DAY)
    assert found.lets(Delegation.D0)
    closed = permission(guide("D0"), outlet("suspended"), agreement(), teller(), DAY)
    assert [r.code for r in closed.against(Delegation.D0)] == ["outlet-not-active"]


def test_a_matter_of_which_less_is_entrusted() -> None:
    terms = agreement()._replace(delegations={PENSION: "D1"})
    found = permission(guide("D2"), outlet(), terms, teller(), DAY)
    assert (found.delegation, found.lets(Delegation.D2)) == (Delegation.D1, False)
    more = agreement(limit="D1")._replace(delegations={PENSION: "D3"})
    assert permission(guide("D2"), outlet(), more, teller(), DAY).delegation is Delegation.D1


@pytest.mark.parametrize(
    ("allowed", "denied", "let"),
    [
        (None, (), True), ({PENSION}, (), True), (set(), (), False), ({"332014901008"}, (), False),
        (None, {PENSION}, False), ({PENSION}, {PENSION}, False),
    ],
)  # fmt: skip
def test_an_outlet_may_keep_to_some_matters(
    allowed: set[str] | None, denied: set[str], let: bool
) -> None:
    kept = None if allowed is None else frozenset(allowed)
    here = outlet()._replace(allowed=kept, denied=frozenset(denied))
    reasons = [r.code for r in permission(guide(), here, agreement(), teller(), DAY).reasons]
    assert reasons == ([] if let else ["not-at-outlet"])


def test_reasons_are_said_in_both_languages() -> None:
    worst = permission(guide("D0"), outlet("exited", "basic"), None, teller(None), DAY)
    assert all(reason.message.zh and reason.message.en for reason in worst.reasons)
