"""What the sandbox's people do about each sample applicant. Data only.

Nothing here says which step follows which: of the actions that the service offers to one of them, the first
that the applicant's list names is taken.
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any

from schemas.samples import Outcome

ROLES = ("acceptance_officer", "reviewer", "second_reviewer", "approver")
"""In whose order it is looked who may do something."""

SUPPLY_DAYS = 10
OPINION = "沙箱样例，自动办理"

ON_THE_WAY = ("accept", "take")
WANTS: Mapping[Outcome, tuple[str, ...]] = MappingProxyType({
    Outcome.GRANTED: (*ON_THE_WAY, "grant", "pass"),
    Outcome.CORRECTION: ("ask_correction", *ON_THE_WAY, "grant", "pass"),
    Outcome.REFUSED: ("refuse",),
    Outcome.DENIED: (*ON_THE_WAY, "deny", "pass"),
    Outcome.CORE_AWAY: (*ON_THE_WAY, "grant", "pass"),
    Outcome.SLOW: (),
})  # fmt: skip
"""Actions by outcome, the most wanted first. What is slow is finished by the agency's core system itself."""

BODIES: Mapping[str, Callable[[date], dict[str, Any]]] = MappingProxyType({
    "accept": lambda _: {},
    "take": lambda _: {},
    "pass": lambda _: {"opinion": OPINION},
    "grant": lambda _: {"opinion": OPINION, "result": {"number": "样例-1"}},
    "deny": lambda _: {"reason": "BY06", "opinion": OPINION},
    "refuse": lambda _: {"reason": "BS02", "text": OPINION},
    "ask_correction": lambda today: {
        "reasons": [
            {"code": "BZ02", "material": "id_card", "text": "沙箱样例：请重新提交"},
            {"code": "BZ03", "text": "沙箱样例：请核对后重填"},
        ],
        "by": (today + timedelta(days=SUPPLY_DAYS)).isoformat(),
    },
})  # fmt: skip
"""What is sent with each action."""
