"""Who may do what: the whole matrix, and what domain 9A.4 forbids."""

from access.policy import GRANTS, PUBLIC, SCOPES, May, Role, Scope

MATRIX = """
                               tel mgr bnk acc rev sec app aud ctl out mat rgt
agency:read                     x   x   x   x   x   x   x   x   x   x   x   x
application:accept              x   -   -   x   -   -   -   -   -   -   -   -
application:act                 x   x   -   x   x   x   x   -   -   -   -   -
application:approve             -   -   -   -   -   -   x   -   -   -   -   -
application:deliver             x   -   -   -   -   -   -   -   -   -   -   -
application:propose_refusal     x   -   -   -   -   -   -   -   -   -   -   -
application:read                x   x   -   x   x   x   x   x   x   -   -   -
application:refuse              -   -   -   x   -   -   -   -   -   -   -   -
application:reveal              -   -   -   x   x   x   x   -   -   -   -   -
application:review              -   -   -   -   x   -   -   -   -   -   -   -
application:second_review       -   -   -   -   -   x   -   -   -   -   -   -
application:submit              x   -   -   -   -   -   -   -   -   -   -   -
application:supply              x   -   -   -   -   -   -   -   -   -   -   -
application:void                -   x   -   -   -   -   -   -   -   -   -   -
application:withdraw            x   -   -   -   -   -   -   -   -   -   -   -
division:read                   x   x   x   x   x   x   x   x   x   x   x   x
event:read                      x   x   -   x   x   x   x   x   x   -   -   -
file:read                       x   x   -   x   x   x   x   x   x   -   -   -
file:write                      x   -   -   -   -   -   -   -   -   -   -   -
guide:draft                     -   -   -   -   -   -   -   -   -   -   x   -
guide:publish                   -   -   -   -   -   -   -   -   -   -   x   -
guide:read                      -   -   -   -   -   -   -   x   x   -   x   -
matter:read                     x   x   x   x   x   x   x   x   x   x   x   x
outlet:read                     x   x   x   x   x   x   x   x   x   x   x   x
task:claim                      -   -   -   -   x   x   x   -   -   -   -   -
task:read                       -   -   -   -   x   x   x   -   -   -   -   -
terminal:use                    x   -   -   -   -   -   -   -   -   -   -   -
"""
HEADS = {
    "tel": Role.TELLER,
    "mgr": Role.OUTLET_MANAGER,
    "bnk": Role.BANK_ADMIN,
    "acc": Role.ACCEPTANCE_OFFICER,
    "rev": Role.REVIEWER,
    "sec": Role.SECOND_REVIEWER,
    "app": Role.APPROVER,
    "aud": Role.AUDITOR,
    "ctl": Role.CONTROL_OFFICER,
    "out": Role.OUTLET_ADMIN,
    "mat": Role.MATTER_ADMIN,
    "rgt": Role.RIGHTS_ADMIN,
}

SCOPE_OF = """
teller             outlet
outlet_manager     outlet
bank_admin         bank
acceptance_officer agency
reviewer           agency
second_reviewer    agency
approver           agency
auditor            division
control_officer    division
outlet_admin       division
matter_admin       division
rights_admin       division
"""

READS = {may for may in May if may.endswith(":read")}
CHAIN = (
    May.APPLICATION_ACCEPT,
    May.APPLICATION_REVIEW,
    May.APPLICATION_SECOND_REVIEW,
    May.APPLICATION_APPROVE,
)


def holding(may: May) -> set[Role]:
    return {role for role, granted in GRANTS.items() if may in granted}


def matrix() -> str:
    rows = [[" " * 31, *HEADS]]
    rows += [
        [f"{may:32}", *("x  " if may in GRANTS[r] else "-  " for r in HEADS.values())]
        for may in May
    ]
    return "\n".join((name + " ".join(cells)).rstrip() for name, *cells in rows)


def test_the_matrix_is_as_it_was_agreed() -> None:
    assert list(HEADS.values()) == list(Role)
    assert set(GRANTS) == set(Role)
    assert matrix() == MATRIX.strip("\n")


def test_every_role_has_one_kind_of_scope() -> None:
    assert "\n".join(f"{role:18} {SCOPES[role]}" for role in Role) == SCOPE_OF.strip()
    assert set(SCOPES.values()) == set(Scope)


def test_permissions_are_named_alike_and_sorted() -> None:
    assert [may.name for may in May] == sorted(may.name for may in May)
    assert all(may.name == may.value.replace(":", "_").upper() for may in May)


def test_public_registry_data_are_seen_by_everyone() -> None:
    assert all(granted >= PUBLIC for granted in GRANTS.values())
    assert {may.partition(":")[0] for may in PUBLIC} == {"agency", "division", "matter", "outlet"}


def test_no_role_takes_two_links_of_the_review_chain() -> None:
    assert all(len(granted & set(CHAIN)) <= 1 for granted in GRANTS.values())
    assert [holding(may) for may in CHAIN] == [
        {Role.TELLER, Role.ACCEPTANCE_OFFICER},
        {Role.REVIEWER},
        {Role.SECOND_REVIEWER},
        {Role.APPROVER},
    ]


def test_who_administers_handles_no_applications() -> None:
    for role in (Role.BANK_ADMIN, Role.OUTLET_ADMIN, Role.RIGHTS_ADMIN):
        assert GRANTS[role] == PUBLIC
    guides = {May.GUIDE_DRAFT, May.GUIDE_PUBLISH, May.GUIDE_READ}
    assert GRANTS[Role.MATTER_ADMIN] == PUBLIC | guides


def test_who_checks_changes_nothing() -> None:
    for role in (Role.AUDITOR, Role.CONTROL_OFFICER):
        assert GRANTS[role] <= READS


def test_only_a_teller_hands_in_and_never_reviews() -> None:
    assert holding(May.APPLICATION_SUBMIT) == {Role.TELLER}
    assert not GRANTS[Role.TELLER] & {*CHAIN[1:], May.APPLICATION_REFUSE, May.APPLICATION_VOID}


def test_who_voids_has_not_handed_in() -> None:
    assert holding(May.APPLICATION_VOID) == {Role.OUTLET_MANAGER}
    assert May.APPLICATION_SUBMIT not in GRANTS[Role.OUTLET_MANAGER]


def test_full_data_are_shown_to_agencies_only() -> None:
    assert {SCOPES[role] for role in holding(May.APPLICATION_REVEAL)} == {Scope.AGENCY}


def test_who_takes_an_action_may_read_what_it_is_about() -> None:
    assert holding(May.APPLICATION_ACT) <= holding(May.APPLICATION_READ)
    assert holding(May.APPLICATION_REVEAL) <= holding(May.APPLICATION_READ)
    assert holding(May.TASK_CLAIM) == holding(May.TASK_READ)
