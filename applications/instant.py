"""Matters that are completed in one call (D3): by the agency's core system, in the agency's name.

The application is committed first, together with the call that is due. Then the core is asked, with no
transaction open, and what it answers is settled in another. Whoever is at it has a lease of 45 seconds: of
several workers one finishes a call, and what a killed process left is taken up again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson
import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from applications import changes, draft, lifecycle, queries, telling, views
from applications.actions import SYSTEM, Case, outstanding
from applications.desk import Desk
from applications.lifecycle import System
from applications.models import Application
from connectors import queries as calls
from connectors.client import Core
from connectors.cores import Cores
from connectors.errors import CoreAway
from connectors.models import CoreCall
from connectors.service import Outcome, Refusal, ask
from events import service as events
from kit.clock import now
from kit.crypto import KeysUnusable
from kit.db import Sessions, transaction
from matters.compiled import CompiledGuide
from routing.permissions import Permission
from schemas.applications import ApplicationSubmit, State
from schemas.connectors import Completion, Facts
from schemas.guides import Delegation

log = structlog.get_logger()

PATIENT = 10.0
"""Seconds that the background process waits for a core."""

LONGEST_PAUSE = 60
ROUND = 30_000
"""Attempts are counted round and round: what matters is that two that follow each other differ."""

CHUNK = 10
"""Calls that one worker has under way at once."""

MOVE = lifecycle.by_system(System.COMPLETE)

CHECKS: Mapping[str, str] = MappingProxyType({
    "identity": "姓名与证件号码不一致", "insured": "未查到参保登记", "alive": "参保人状态异常",
    "card_state": "卡片状态不允许办理", "account_holder": "账户户名与本人不一致",
    "benefit_state": "待遇状态不允许办理", "unit_state": "单位登记状态异常", "records": "记录存疑",
})  # fmt: skip
"""Machine checks that are known by name, and what it means to fail them."""

AWAY = {
    "code": "core-away",
    "message": "业务系统暂时没有应答：申请已受理并保存，系统将继续办理，请稍后查看办理结果",
}
LATER = {"code": "core-later", "message": "申请已受理并保存，由系统随后办理，请稍后查看办理结果"}


def core_for(
    cores: Cores, guide: CompiledGuide, wanted: ApplicationSubmit, agency: str, held: Permission
) -> Core | None:
    """Give the core that completes an application at once; None where a person decides.

    The outlet must be entrusted with completing (D3), the case be one that the guide lets be completed at
    once, nothing be promised for later, and the agency's core serve the matter.
    """
    core = cores.of(agency, guide.matter) if wanted.accept else None
    if core is None or not held.lets(Delegation.D3) or len(guide.guide.steps) != 1:
        return None
    if guide.guide.steps[0].archive:  # What stands on a shelf is moved by a person.
        return None
    instant = all(
        wanted.form.get(name) in values for name, values in guide.guide.outlet.instant_when.items()
    )
    promised = any(item.promised_by is not None for item in wanted.materials)
    return core if instant and not promised else None


class Lease(NamedTuple):
    """A call that this process may make now."""

    core: str
    facts: Facts
    attempt: int
    asked: bool
    """An earlier call may have completed it."""


class Settled(NamedTuple):
    """How an application stands after its core was asked."""

    row: Application | None
    warnings: list[dict[str, Any]]


def facts(row: Any, plain: Mapping[str, Any]) -> Facts:
    """Gather what a core is told of an application, or of one that was just made."""
    return Facts(
        application=row.number, step=row.step, matter=row.matter, guide_version=row.guide_version,
        agency=row.agency, outlet=row.outlet, accepted_at=row.accepted_at, **plain,
    )  # fmt: skip


async def finish_new(
    sessions: Sessions, desk: Desk, cores: Cores, made: Any, plain: Mapping[str, Any]
) -> Settled:
    """Complete what has just been committed, while its applicant waits at the counter.

    What goes wrong here changes nothing of what was acknowledged: a worker goes on with it.
    """
    core = cores.named(made.core)
    lease = Lease(core.name, facts(made, plain), 1, asked=False)
    try:
        return await finish(sessions, desk, cores, lease, core.budget)
    except Exception as error:
        log.warning("not_completed_yet", error=type(error).__name__)
        return Settled(None, [AWAY])


async def lease(
    session: AsyncSession, desk: Desk, cores: Cores, at: datetime, limit: int = CHUNK
) -> list[Lease]:
    """Take calls that are due, for 45 seconds; those of applications that a person has taken are dropped."""
    taken = []
    for row, call in await queries.due_calls(session, cores.names, at, limit):
        session.add_all([row, call])
        if _is_anothers(row, call) or outstanding(row):
            call.state, call.settled_at = "dropped", at
            continue
        try:
            plain = draft.opened(desk.keys, row.number, row.sealed)
        except KeysUnusable:  # It keeps itself waiting, and no other.
            log.error("application_unreadable", application=row.number)
            plain = None
        asked, call.asked = call.asked, True
        call.attempts = call.attempts % ROUND + 1
        call.due_at = row.claimed_until = at + draft.HOLD
        row.claimed_by = SYSTEM.id
        if plain is not None:
            taken.append(Lease(call.core, facts(row, plain), call.attempts, asked))
    await session.flush()
    return taken


async def finish(
    sessions: Sessions, desk: Desk, cores: Cores, lease: Lease, within: float = PATIENT
) -> Settled:
    """Ask the core, and settle what it says."""
    outcome = await ask(cores.named(lease.core), lease.facts, asked=lease.asked, within=within)
    async with transaction(sessions) as session:
        return await settle(session, desk, lease, outcome)


async def settle(session: AsyncSession, desk: Desk, lease: Lease, outcome: Outcome) -> Settled:
    """Write what a core said, if it is still this process's turn and nobody else has decided."""
    row = await queries.hold(session, lease.facts.application)
    call = await calls.get(session, lease.facts.application, lease.facts.step)
    if row is None or call is None or (call.state, call.attempts) != ("due", lease.attempt):
        return Settled(row, [])
    case = Case(row, SYSTEM, desk, now())
    session.add_all([row, call])
    if isinstance(outcome, CoreAway):
        return _put_off(case, call, outcome)
    call.asked, call.why, call.settled_at = False, None, case.now
    if _is_anothers(row, call):
        call.state = "dropped"
        call.reference = outcome.reference if isinstance(outcome, Completion) else None
        return Settled(row, [])
    if isinstance(outcome, Refusal):
        return await _hand_over(session, case, call, outcome)
    return await _complete(session, case, call, outcome)


def _is_anothers(row: Application, call: CoreCall) -> bool:
    """Tell whether a person has taken it, or it has gone to another agency."""
    return row.state != State.ACCEPTED or row.agency != call.agency


def _put_off(case: Case, call: CoreCall, away: CoreAway) -> Settled:
    """Ask again later. What may have been completed there is kept from people until that is known."""
    pause = timedelta(seconds=min(LONGEST_PAUSE, 2 ** min(call.attempts, 6)))
    call.why, call.asked, call.due_at = away.why, away.asked, case.now + pause
    row = case.row
    if not _is_anothers(row, call):
        row.claimed_by = SYSTEM.id if away.asked else None
        row.claimed_until = call.due_at + draft.HOLD if away.asked else None
    return Settled(row, [AWAY])


async def _hand_over(
    session: AsyncSession, case: Case, call: CoreCall, refusal: Refusal
) -> Settled:
    """Leave it to a reviewer: a machine denies nothing."""
    call.state, call.failed = "handed", refusal.failed
    case.row.claimed_by = case.row.claimed_until = None
    kind = "application.machine_check_failed"
    await events.append(
        session, telling.event(case, kind, core=call.core, failed=refusal.failed)
    )  # fmt: skip
    return Settled(case.row, _failed(refusal.failed))


async def _complete(session: AsyncSession, case: Case, call: CoreCall, made: Completion) -> Settled:
    row, keys = case.row, case.desk.keys
    changes.apply(case, MOVE)
    call.state, call.reference = "done", made.reference
    result = {name: value for name, value in made.result.items() if name not in views.OURS}
    result |= {"core_reference": made.reference}
    if made.result.get("simulated") is True:
        result["simulated"] = True
    row.result_sealed = keys.seal(orjson.dumps(result), bound_to=f"{views.RESULT}:{row.number}")
    await session.flush()
    told = telling.event(
        case, "application.completed", core=call.core, reference=made.reference, outcome=row.outcome
    )
    await events.append(session, told)
    return Settled(row, [])


def _failed(checks: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "code": "machine-check-failed",
            "message": f"系统核验未通过（{CHECKS.get(check, check)}），已转经办机构人工审核",
        }
        for check in checks
    ]


async def told(
    session: AsyncSession, cores: Cores, rows: Sequence[Application]
) -> dict[str, list[dict[str, Any]]]:
    """Tell, by number, what who repeats a call has to know of applications that are not completed yet."""
    open_ = [r.number for r in rows if r.state == State.ACCEPTED and cores.of(r.agency, r.matter)]
    if not open_:
        return {}
    found = await calls.of_applications(session, open_)
    return {call.application: _said(call) for call in found}


def _said(call: CoreCall) -> list[dict[str, Any]]:
    return [AWAY] if call.state == "due" else _failed(call.failed or ())
