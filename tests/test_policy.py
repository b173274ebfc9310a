"""Who may do what: the whole matrix, and what domain 9A.4 forbids."""

from itertools import pairwise
from pathlib import Path

from access.policy import APPLICANTS, DUTIES, GRANTS, PUBLIC, SCOPES, May, Role, Scope
from api.app import operations
from cli.rights import page
from tests.test_rights import OPEN, TRIED

ROOT = Path(__file__).parent.parent

SCOPE_OF = """
teller             outlet
outlet_manager     outlet
bank_admin         bank
acceptance_officer agency
reviewer           agency
second_reviewer    agency
approver           agency
agency_head        agency
auditor            division
control_officer    division
outlet_admin       division
matter_admin       division
rights_admin       division
"""

READS = {may for may in May if may.endswith(":read")}
STEPS = (May.GRANT_APPLY, May.GRANT_CHECK, May.GRANT_APPROVE, May.GRANT_GRANT)
CHAIN = (
    May.APPLICATION_ACCEPT,
    May.APPLICATION_REVIEW,
    May.APPLICATION_SECOND_REVIEW,
    May.APPLICATION_APPROVE,
)


def holding(may: May) -> set[Role]:
    return {role for role, granted in GRANTS.items() if may in granted}


def test_the_page_of_rights_is_current() -> None:
    """Make it anew with `python -m cli.rights > docs/rights.md`, and read what changed: it is agreed."""
    assert (ROOT / "docs" / "rights.md").read_text() == page()
    assert set(GRANTS) == set(Role)


def test_every_operation_is_tried_by_every_role() -> None:
    """A new operation needs an entry in `TRIED` of `tests/test_rights.py`, or one that says it is open."""
    named = {found.name for found in operations()}
    assert len(named) > 50
    assert named - {*TRIED, *OPEN} == set(), "operations without an entry"
    assert {*TRIED, *OPEN} - named == set(), "entries of no operation"
    assert {found.name for found in operations() if found.permission is None} == OPEN


def test_every_role_has_one_kind_of_scope() -> None:
    assert "\n".join(f"{role:18} {SCOPES[role]}" for role in Role) == SCOPE_OF.strip()
    assert set(SCOPES.values()) == set(Scope)


def test_permissions_are_named_alike_and_sorted() -> None:
    assert [may.name for may in May] == sorted(may.name for may in May)
    assert all(may.name == may.value.replace(":", "_").upper() for may in May)


def test_public_registry_data_are_seen_by_everyone() -> None:
    assert all(granted >= PUBLIC for granted in GRANTS.values())
    assert {may.partition(":")[0] for may in PUBLIC} == {
        "agency",
        "bank",
        "division",
        "matter",
        "outlet",
        "routing",
    }


def test_no_role_takes_two_links_of_the_review_chain() -> None:
    assert all(len(granted & set(CHAIN)) <= 1 for granted in GRANTS.values())
    assert [holding(may) for may in CHAIN] == [
        {Role.TELLER, Role.ACCEPTANCE_OFFICER},
        {Role.REVIEWER},
        {Role.SECOND_REVIEWER},
        {Role.APPROVER},
    ]


def test_who_administers_handles_no_applications() -> None:
    for role in (Role.BANK_ADMIN, Role.AGENCY_HEAD, Role.OUTLET_ADMIN, Role.RIGHTS_ADMIN):
        assert not {may for may in GRANTS[role] if may.startswith(("application:", "task:"))}
    guides = {May.GUIDE_DRAFT, May.GUIDE_PUBLISH, May.GUIDE_READ}
    assert GRANTS[Role.MATTER_ADMIN] == PUBLIC | guides


def test_nobody_qualifies_the_own_tellers() -> None:
    """The manager of an outlet keeps its roster; what a training was worth is said from outside."""
    assert holding(May.TELLER_QUALIFY) == {Role.BANK_ADMIN, Role.OUTLET_ADMIN}
    assert holding(May.TELLER_MANAGE) == {Role.OUTLET_MANAGER, Role.BANK_ADMIN}


def test_who_checks_changes_nothing() -> None:
    assert GRANTS[Role.AUDITOR] <= READS
    checks = {
        May.CHECK_ACT, May.CHECK_DO, May.GRANT_ACT, May.GRANT_CHECK, May.RECTIFICATION_ACT,
        May.RECTIFICATION_JUDGE,
        May.RECONCILIATION_SETTLE,
    }  # fmt: skip
    assert GRANTS[Role.CONTROL_OFFICER] - READS == checks


def test_only_a_teller_hands_in_and_never_reviews() -> None:
    assert holding(May.APPLICATION_SUBMIT) == {Role.TELLER}
    assert not GRANTS[Role.TELLER] & {*CHAIN[1:], May.APPLICATION_REFUSE, May.APPLICATION_VOID}


def test_who_handles_sees_no_rating() -> None:
    handling = {Role.TELLER, *(holding(May.APPLICATION_ACCEPT) | holding(May.TASK_CLAIM))}
    seen = {May.RATING_READ, May.RECTIFICATION_READ, May.RECTIFICATION_DO}
    assert all(not GRANTS[role] & seen for role in handling)
    assert holding(May.RECTIFICATION_DO) == {Role.OUTLET_MANAGER, Role.AGENCY_HEAD}
    assert holding(May.RECTIFICATION_JUDGE) == {Role.CONTROL_OFFICER}


def test_who_voids_has_not_handed_in() -> None:
    assert holding(May.APPLICATION_VOID) == {Role.OUTLET_MANAGER}
    assert May.APPLICATION_SUBMIT not in GRANTS[Role.OUTLET_MANAGER]


def test_full_data_are_shown_to_agencies_only() -> None:
    assert {SCOPES[role] for role in holding(May.APPLICATION_REVEAL)} == {Scope.AGENCY}


def test_who_takes_an_action_may_read_what_it_is_about() -> None:
    assert holding(May.APPLICATION_ACT) <= holding(May.APPLICATION_READ)
    assert holding(May.APPLICATION_REVEAL) <= holding(May.APPLICATION_READ)
    assert holding(May.TASK_CLAIM) == holding(May.TASK_READ)


def test_the_four_of_the_chain_are_four_posts() -> None:
    assert [holding(may) for may in STEPS] == [
        {Role.BANK_ADMIN, Role.AGENCY_HEAD},
        {Role.CONTROL_OFFICER},
        {Role.APPROVER},
        {Role.RIGHTS_ADMIN},
    ]
    assert all(len({DUTIES[r] for r in holding(a) | holding(b)}) > 1 for a, b in pairwise(STEPS))


def test_every_post_has_one_duty_and_who_applies_for_it() -> None:
    assert set(DUTIES) == set(Role)
    assert set(APPLICANTS) == set(Role) - {Role.TELLER}
    assert set().union(*APPLICANTS.values()) == holding(May.GRANT_APPLY)
