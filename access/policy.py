"""Who may do what. Data only: read this file to answer any question of authority."""

from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """Roles of the trade (domain: 岗位)."""

    TELLER = "teller"
    OUTLET_MANAGER = "outlet_manager"
    BANK_ADMIN = "bank_admin"
    ACCEPTANCE_OFFICER = "acceptance_officer"
    REVIEWER = "reviewer"
    SECOND_REVIEWER = "second_reviewer"
    APPROVER = "approver"
    AGENCY_HEAD = "agency_head"
    AUDITOR = "auditor"
    CONTROL_OFFICER = "control_officer"
    OUTLET_ADMIN = "outlet_admin"
    MATTER_ADMIN = "matter_admin"
    RIGHTS_ADMIN = "rights_admin"


class Scope(StrEnum):
    """What the scope of a grant names."""

    OUTLET = "outlet"
    BANK = "bank"
    AGENCY = "agency"
    DIVISION = "division"


SCOPES = MappingProxyType(
    {
        Role.TELLER: Scope.OUTLET,
        Role.OUTLET_MANAGER: Scope.OUTLET,
        Role.BANK_ADMIN: Scope.BANK,
        Role.ACCEPTANCE_OFFICER: Scope.AGENCY,
        Role.REVIEWER: Scope.AGENCY,
        Role.SECOND_REVIEWER: Scope.AGENCY,
        Role.APPROVER: Scope.AGENCY,
        Role.AGENCY_HEAD: Scope.AGENCY,
        Role.AUDITOR: Scope.DIVISION,
        Role.CONTROL_OFFICER: Scope.DIVISION,
        Role.OUTLET_ADMIN: Scope.DIVISION,
        Role.MATTER_ADMIN: Scope.DIVISION,
        Role.RIGHTS_ADMIN: Scope.DIVISION,
    }
)


class Duty(StrEnum):
    """Kinds of posts. One person holds posts of one kind only (domain: 不相容岗位)."""

    BANK = "bank"
    HANDLING = "handling"
    DIRECTION = "direction"
    ADMINISTRATION = "administration"
    CONTROL = "control"
    RIGHTS = "rights"


DUTIES = MappingProxyType(
    {
        Role.TELLER: Duty.BANK,
        Role.OUTLET_MANAGER: Duty.BANK,
        Role.BANK_ADMIN: Duty.BANK,
        Role.ACCEPTANCE_OFFICER: Duty.HANDLING,
        Role.REVIEWER: Duty.HANDLING,
        Role.SECOND_REVIEWER: Duty.HANDLING,
        Role.APPROVER: Duty.HANDLING,
        Role.AGENCY_HEAD: Duty.DIRECTION,
        Role.AUDITOR: Duty.CONTROL,
        Role.CONTROL_OFFICER: Duty.CONTROL,
        Role.OUTLET_ADMIN: Duty.ADMINISTRATION,
        Role.MATTER_ADMIN: Duty.ADMINISTRATION,
        Role.RIGHTS_ADMIN: Duty.RIGHTS,
    }
)

APPLICANTS = MappingProxyType(
    {
        Role.OUTLET_MANAGER: frozenset({Role.BANK_ADMIN}),
        Role.BANK_ADMIN: frozenset({Role.BANK_ADMIN, Role.AGENCY_HEAD}),
        **{
            role: frozenset({Role.AGENCY_HEAD})
            for role, duty in DUTIES.items()
            if duty is not Duty.BANK
        },
    }
)
"""Who may apply for a post to be given. A teller's comes with the registry of tellers."""


class May(StrEnum):
    """A permission, named `resource:action`. Keep the list sorted."""

    ACCESS_READ = "access:read"
    AGENCY_READ = "agency:read"
    AGREEMENT_MANAGE = "agreement:manage"
    AGREEMENT_READ = "agreement:read"
    APPLICATION_ACCEPT = "application:accept"
    APPLICATION_ACT = "application:act"
    APPLICATION_APPROVE = "application:approve"
    APPLICATION_DELIVER = "application:deliver"
    APPLICATION_PROPOSE_REFUSAL = "application:propose_refusal"
    APPLICATION_READ = "application:read"
    APPLICATION_REFUSE = "application:refuse"
    APPLICATION_REVEAL = "application:reveal"
    APPLICATION_REVIEW = "application:review"
    APPLICATION_SECOND_REVIEW = "application:second_review"
    APPLICATION_SUBMIT = "application:submit"
    APPLICATION_SUPPLY = "application:supply"
    APPLICATION_VOID = "application:void"
    APPLICATION_WITHDRAW = "application:withdraw"
    ARCHIVE_KEEP = "archive:keep"
    ARCHIVE_READ = "archive:read"
    BANK_MANAGE = "bank:manage"
    BANK_READ = "bank:read"
    CHECK_ACT = "check:act"
    CHECK_CORRECT = "check:correct"
    CHECK_DO = "check:do"
    CHECK_READ = "check:read"
    DIVISION_READ = "division:read"
    DOCUMENT_PRINT = "document:print"
    EVENT_READ = "event:read"
    EVIDENCE_READ = "evidence:read"
    FILE_READ = "file:read"
    FILE_WRITE = "file:write"
    GRANT_ACT = "grant:act"
    GRANT_APPLY = "grant:apply"
    GRANT_APPROVE = "grant:approve"
    GRANT_CHECK = "grant:check"
    GRANT_GRANT = "grant:grant"
    GRANT_READ = "grant:read"
    GUIDE_DRAFT = "guide:draft"
    GUIDE_PUBLISH = "guide:publish"
    GUIDE_READ = "guide:read"
    MATTER_READ = "matter:read"
    NOTICE_READ = "notice:read"
    NOTICE_TELL = "notice:tell"
    OUTLET_CHANGE = "outlet:change"
    OUTLET_DECIDE = "outlet:decide"
    OUTLET_IMPORT = "outlet:import"
    OUTLET_READ = "outlet:read"
    RATING_GIVE = "rating:give"
    RATING_READ = "rating:read"
    RECONCILIATION_READ = "reconciliation:read"
    RECONCILIATION_SETTLE = "reconciliation:settle"
    RECTIFICATION_ACT = "rectification:act"
    RECTIFICATION_DO = "rectification:do"
    RECTIFICATION_JUDGE = "rectification:judge"
    RECTIFICATION_READ = "rectification:read"
    REGISTRY_READ = "registry:read"
    ROUTING_READ = "routing:read"
    SUBSCRIPTION_MANAGE = "subscription:manage"
    SUBSCRIPTION_READ = "subscription:read"
    SUPERVISION_ANSWER = "supervision:answer"
    SUPERVISION_READ = "supervision:read"
    TASK_CLAIM = "task:claim"
    TASK_READ = "task:read"
    TELLER_MANAGE = "teller:manage"
    TELLER_QUALIFY = "teller:qualify"
    TELLER_READ = "teller:read"
    TELLER_SUSPEND = "teller:suspend"
    TERMINAL_MANAGE = "terminal:manage"
    TERMINAL_READ = "terminal:read"
    TERMINAL_SUSPEND = "terminal:suspend"
    TERMINAL_USE = "terminal:use"
    TOKEN_REVOKE = "token:revoke"  # noqa: S105


PUBLIC = frozenset({
            May.AGENCY_READ, May.BANK_READ, May.DIVISION_READ, May.MATTER_READ, May.OUTLET_READ,
            May.ROUTING_READ,
})  # fmt: skip
"""Registry data that every caller sees."""

READING = PUBLIC | {May.APPLICATION_READ, May.EVENT_READ, May.FILE_READ}
WORKING = READING | {
    May.APPLICATION_ACT, May.APPLICATION_REVEAL, May.ARCHIVE_READ, May.TASK_CLAIM, May.TASK_READ,
}  # fmt: skip

SUPERVISING = frozenset({May.CHECK_READ, May.SUPERVISION_READ})
"""Of all who look at how work is done."""

RATED = frozenset({May.RATING_READ, May.RECTIFICATION_READ})
"""Of all who answer for how people are served, or look at it; never of who serves."""

RECTIFYING = RATED | {May.RECTIFICATION_ACT, May.RECTIFICATION_DO}
"""The unit's own: 谁办理、谁负责, by who stands above those that handled it."""

APPOINTING = frozenset({May.GRANT_ACT, May.GRANT_READ})
"""Of all who have a part in the chain by which rights are given."""

STAFF = frozenset({May.REGISTRY_READ, May.TELLER_READ, May.TERMINAL_READ})
"""Terminals, tellers and histories of outlets: seen by who answers for them, and by who checks."""

ROSTER = STAFF | {
    May.TELLER_MANAGE, May.TELLER_SUSPEND, May.TERMINAL_MANAGE, May.TERMINAL_SUSPEND,
}  # fmt: skip
"""The bank's own: who stands where, with which key."""

GRANTS = MappingProxyType(
    {
        Role.TELLER: READING
        | {
            May.APPLICATION_ACCEPT, May.APPLICATION_ACT, May.APPLICATION_DELIVER,
            May.APPLICATION_PROPOSE_REFUSAL, May.APPLICATION_SUBMIT, May.APPLICATION_SUPPLY,
            May.APPLICATION_WITHDRAW, May.DOCUMENT_PRINT, May.FILE_WRITE, May.NOTICE_READ,
            May.NOTICE_TELL, May.RATING_GIVE,
            May.TERMINAL_USE,
        },
        Role.OUTLET_MANAGER: READING
        | ROSTER
        | RECTIFYING
        | {May.APPLICATION_ACT, May.APPLICATION_VOID},
        Role.BANK_ADMIN: PUBLIC
        | APPOINTING
        | ROSTER
        | {
            May.AGREEMENT_READ, May.EVENT_READ, May.GRANT_APPLY, May.OUTLET_CHANGE, May.OUTLET_IMPORT,
            May.RATING_READ, May.SUBSCRIPTION_MANAGE, May.SUBSCRIPTION_READ, May.TELLER_QUALIFY,
        },
        Role.ACCEPTANCE_OFFICER: READING
        | {
            May.APPLICATION_ACCEPT, May.APPLICATION_ACT, May.APPLICATION_REFUSE,
            May.APPLICATION_REVEAL, May.ARCHIVE_KEEP, May.ARCHIVE_READ, May.DOCUMENT_PRINT,
            May.NOTICE_READ, May.NOTICE_TELL,
        },
        Role.REVIEWER: WORKING | {May.APPLICATION_REVIEW, May.ARCHIVE_KEEP},
        Role.SECOND_REVIEWER: WORKING | {May.APPLICATION_SECOND_REVIEW},
        Role.APPROVER: WORKING
        | APPOINTING
        | SUPERVISING
        | {
            May.APPLICATION_APPROVE, May.CHECK_ACT, May.CHECK_CORRECT, May.GRANT_APPROVE,
            May.SUPERVISION_ANSWER,
        },
        Role.AGENCY_HEAD: PUBLIC
        | APPOINTING
        | RECTIFYING
        | {
            May.EVENT_READ, May.GRANT_APPLY, May.SUBSCRIPTION_MANAGE, May.SUBSCRIPTION_READ,
            May.SUPERVISION_READ,
        },
        Role.AUDITOR: READING | SUPERVISING | STAFF | RATED | {
            May.ACCESS_READ, May.AGREEMENT_READ, May.ARCHIVE_READ, May.EVIDENCE_READ, May.GRANT_READ,
            May.GUIDE_READ, May.NOTICE_READ, May.RECONCILIATION_READ, May.SUBSCRIPTION_READ,
        },
        Role.CONTROL_OFFICER: READING
        | APPOINTING
        | SUPERVISING
        | STAFF
        | RATED
        | {
            May.ACCESS_READ, May.AGREEMENT_READ, May.ARCHIVE_READ, May.CHECK_ACT, May.CHECK_DO,
            May.EVIDENCE_READ,
            May.GRANT_CHECK, May.GUIDE_READ, May.NOTICE_READ, May.RECONCILIATION_READ,
            May.RECONCILIATION_SETTLE, May.RECTIFICATION_ACT, May.RECTIFICATION_JUDGE,
            May.SUBSCRIPTION_READ,
        },
        Role.OUTLET_ADMIN: PUBLIC
        | STAFF
        | {
            May.AGREEMENT_MANAGE, May.AGREEMENT_READ, May.BANK_MANAGE, May.OUTLET_CHANGE,
            May.OUTLET_DECIDE, May.OUTLET_IMPORT, May.RATING_READ, May.TELLER_QUALIFY,
            May.TELLER_SUSPEND,
            May.TERMINAL_SUSPEND,
        },
        Role.MATTER_ADMIN: PUBLIC | {May.GUIDE_DRAFT, May.GUIDE_PUBLISH, May.GUIDE_READ},
        Role.RIGHTS_ADMIN: PUBLIC | APPOINTING | {May.GRANT_GRANT, May.TOKEN_REVOKE},
    }
)  # fmt: skip
