"""What an outlet may do, and why not: one function for the answer and for the refusal."""

from datetime import date
from typing import NamedTuple

from kit.errors import Words
from matters.compiled import CompiledGuide
from outlets.memory import AgreementInfo, OutletInfo, TellerInfo
from schemas.guides import Delegation


class Reason(NamedTuple):
    """Why an outlet may not do something."""

    code: str
    message: Words
    closes: bool = False
    """Whether it closes the outlet for every matter."""


class Permission(NamedTuple):
    """What an outlet may do with a matter: the links let to it, or the reasons against it."""

    delegation: Delegation
    reasons: tuple[Reason, ...]
    limit: Reason | None = None
    """What stands against the links beyond."""

    def against(self, link: Delegation) -> tuple[Reason, ...]:
        """List all that stands against a link; nothing where it is let. To give advice takes least."""
        advice = link is Delegation.D0
        found = tuple(r for r in self.reasons if not (advice and r in HARMLESS_TO_ADVICE))
        if self.limit is None or link <= self.delegation or not SAID.isdisjoint(found):
            return found  # That says already how far it goes.
        return (*found, self.limit)

    def lets(self, link: Delegation) -> bool:
        """Tell whether a link is let."""
        return link <= self.delegation and not self.against(link)


STATUS = Reason(
    "outlet-not-active", Words("网点不在运行状态", "the outlet is not active"), closes=True
)
NO_AGREEMENT = Reason(
    "no-agreement", Words("没有在有效期内的服务协议", "no agreement is in force"), closes=True
)
NOT_IN_AGREEMENT = Reason(
    "not-in-agreement", Words("服务协议未包含该事项", "the agreement does not name this matter")
)
WRONG_CLASS = Reason(
    "service-class",
    Words("该事项不对本等级网点开放", "the matter is not open to this class of outlet"),
)
CONSULT_ONLY = Reason(
    "consult-only", Words("该事项在网点只提供咨询", "outlets only give advice on this matter")
)
NOT_QUALIFIED = Reason(
    "teller-not-qualified",
    Words("柜员培训合格已过期或未取得", "the teller's qualification has run out"),
)
NOT_KEPT_TO = Reason(
    "not-at-outlet", Words("该网点不办理此事项", "the outlet does not do this matter")
)
GUIDE_LIMIT = Reason(
    "guide-limit", Words("该事项未委托到这一环节", "the matter is not let to outlets so far")
)
AGREEMENT_LIMIT = Reason(
    "agreement-limit",
    Words("服务协议未委托到这一环节", "the agreement does not entrust the matter so far"),
)
HARMLESS_TO_ADVICE = frozenset({CONSULT_ONLY, NOT_QUALIFIED})
SAID = frozenset({CONSULT_ONLY, NO_AGREEMENT})
"""Reasons beside which a limit says nothing new: without an agreement nothing is let at all."""


def permission(
    guide: CompiledGuide,
    outlet: OutletInfo,
    agreement: AgreementInfo | None,
    teller: TellerInfo | None,
    day: date,
) -> Permission:
    """Derive what may be done: agreement ∩ service class ∩ matter ∩ the teller's qualification.

    Without a teller the outlet alone is judged. Every reason against it is named, not the first. What the
    answer says and what a submission, an acceptance or a list goes by is this.
    """
    part = guide.guide.outlet
    in_force = agreement is not None and agreement.on(day)
    entrusted = _entrusted(agreement, guide.matter)
    delegation = min(part.delegation, entrusted)
    checks = (
        (outlet.status != "active", STATUS),
        (not in_force, NO_AGREEMENT),
        (in_force and not _named(agreement, guide.matter), NOT_IN_AGREEMENT),
        (not _kept_to(outlet, guide.matter), NOT_KEPT_TO),
        (outlet.service_class not in part.classes, WRONG_CLASS),
        (delegation == Delegation.D0 and in_force, CONSULT_ONLY),
        (teller is not None and not _qualified(teller, day), NOT_QUALIFIED),
    )
    limit = AGREEMENT_LIMIT if entrusted < part.delegation else GUIDE_LIMIT
    return Permission(delegation, tuple(reason for wrong, reason in checks if wrong), limit)


def _entrusted(agreement: AgreementInfo | None, matter: str) -> Delegation:
    if agreement is None:
        return Delegation.D0
    most = agreement.max_delegation
    return Delegation(min(most, agreement.delegations.get(matter, most)))


def _kept_to(outlet: OutletInfo, matter: str) -> bool:
    return (outlet.allowed is None or matter in outlet.allowed) and matter not in outlet.denied


def _named(agreement: AgreementInfo | None, matter: str) -> bool:
    return agreement is not None and (agreement.matters is None or matter in agreement.matters)


def _qualified(teller: TellerInfo, day: date) -> bool:
    return teller.qualified_until is not None and day <= teller.qualified_until
