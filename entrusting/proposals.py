"""Changes of outlets: what a bank says of itself holds at once, the rest is proposed and decided."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from access.errors import Forbidden
from access.policy import May
from entrusting import queries
from entrusting.errors import (
    OwnProposal,
    ProposalNotFound,
    ProposalPending,
    ProposalSuperseded,
    RegistryActionNotAllowed,
    RegistryInvalid,
    RegistryStale,
)
from entrusting.service import (
    REQUIRED,
    ensure_unknown,
    freshly,
    given,
    held,
    reaches,
    stored,
    whole,
)
from kit.clock import now
from kit.errors import Fault, Words
from outlets.checks import Known, faults
from outlets.models import Outlet, OutletProposal
from outlets.service import deed, propose
from schemas.registry import OutletChange, ProposalAction

AT_ONCE = frozenset(
    {
        "phone", "hours", "opening", "windows", "equipment", "zones",
    }
)  # fmt: skip
"""What the bank alone knows and nothing follows from: people who find a closed door or a dead line are worse
off for every day that a correction waits. What an outlet is, where it is and what it may do is decided."""

MOVES: Mapping[str, May] = MappingProxyType(
    {
        "approve": May.OUTLET_DECIDE, "refuse": May.OUTLET_DECIDE, "withdraw": May.OUTLET_CHANGE,
    }
)  # fmt: skip
STATES: Mapping[str, str] = MappingProxyType(
    {"approve": "approved", "refuse": "refused", "withdraw": "withdrawn"}
)

COUNTY_WORDS = Words(
    "迁往其他区县须重新申报：网点编号含区县代码",
    "apply anew for another county: the outlet's number begins with its own",
)
POINTS_WORDS = Words(
    "仍有便民服务点属于本网点", "convenience points belong to it: it stays a branch"
)


async def change(
    session: AsyncSession,
    caller: Caller,
    number: str,
    wanted: OutletChange,
    *,
    version: int,
    known: Known,
) -> Outlet | OutletProposal:
    """Change an outlet at once, or propose it where anything of it is to be decided.

    Raises:
        Forbidden, RegistryStale, RegistryActionNotAllowed: what its name says.
        ProposalPending, OutletKnown: another change waits; another outlet has this name or licence.
        RegistryInvalid: with all that is wrong.
    """
    row = await held(session, number)
    ensure(caller, May.OUTLET_CHANGE, row)
    if row.version != version:
        raise RegistryStale(version=row.version)
    if row.status == "exited":
        raise RegistryActionNotAllowed(status=row.status, actions=[])
    before = whole(row)
    new = {n: v for n, v in given(wanted).items() if _plain(before[n]) != _plain(v)}
    if new.keys() <= AT_ONCE:
        _check([*faults({**before, **new}, known, new.keys())])
        return await stored(session, {**before, **new}, deed(caller, "change", wanted.reason))
    return await _propose(session, caller, row, new, wanted.reason, known)


def _plain(value: Any) -> Any:
    """Give a value as it is written: what is kept as a list of tuples is one of lists."""
    return orjson.loads(orjson.dumps(value))


def ensure(caller: Caller, may: May, row: Outlet) -> None:
    """Check that a permission of the caller's holds at an outlet.

    Raises:
        Forbidden: it does not.
    """
    if not reaches(caller, may, row):
        raise Forbidden(private=f"{caller.role} lacks {may} there")


def _check(found: list[Fault]) -> None:
    if found:
        raise RegistryInvalid(faults=found)


async def _propose(
    session: AsyncSession,
    caller: Caller,
    row: Outlet,
    new: dict[str, Any],
    reason: str,
    known: Known,
) -> OutletProposal:
    waits = await queries.pending(session, row.number)
    if waits is not None:
        raise ProposalPending(proposal=str(waits.id))
    await _ensure_sound(session, row, new, known)
    fields = {n: _plain(v) for n, v in new.items()}
    return await propose(session, row, fields, deed(caller, "change", reason))


async def _ensure_sound(
    session: AsyncSession, row: Outlet, new: Mapping[str, Any], known: Known
) -> None:
    """Check an outlet as it would become.

    Raises:
        OutletKnown: another has this name and place, or this licence.
        RegistryInvalid: with all that is wrong.
    """
    became = {**whole(row), **new}
    if new.keys() & {"name", "division", "licence"}:
        await ensure_unknown(session, row.number, became)
    found = list(faults(became, await freshly(session, became, known), new.keys()))
    if became["division"][:6] != row.number[:6] and "division" in new:
        found.append(Fault("/division", "county", COUNTY_WORDS))
    if new.get("kind", "bank_branch") != "bank_branch" and await queries.points_of(
        session, row.number
    ):
        found.append(Fault("/kind", "points", POINTS_WORDS))
    _check(found)


def allowed(caller: Caller, row: OutletProposal, outlet: Outlet) -> list[str]:
    """List what the caller may do with a proposal as things stand."""
    if row.state != "pending":
        return []
    return [
        name
        for name, may in MOVES.items()
        if reaches(caller, may, outlet) and (name == "withdraw") == (row.proposed_by == caller.id)
    ]


async def act(
    session: AsyncSession,
    caller: Caller,
    row: OutletProposal,
    wanted: ProposalAction,
    *,
    version: int,
    known: Known,
) -> OutletProposal:
    """Approve a proposal, refuse it, or withdraw what one proposed oneself.

    Raises:
        Forbidden, RegistryStale, RegistryActionNotAllowed, OwnProposal: what its name says.
        ProposalSuperseded: what it would change has changed otherwise since.
        OutletKnown, RegistryInvalid: it is not right any more; or a reason is missing.
    """
    outlet = await held(session, row.outlet)
    found = await session.get(OutletProposal, row.id, populate_existing=True)
    if found is None:
        raise ProposalNotFound()
    _ensure_allowed(caller, found, outlet, wanted.action, version)
    if wanted.action == "refuse" and wanted.reason is None:
        raise RegistryInvalid(faults=[Fault("/reason", "missing", REQUIRED)])
    if wanted.action == "approve":
        await _approve(session, caller, found, outlet, known)
    found.state, found.version = STATES[wanted.action], found.version + 1
    found.decided_by, found.decided_at = caller.id, now()
    found.words = wanted.reason or ""
    session.add(found)
    await session.flush()
    return found


def _ensure_allowed(
    caller: Caller, row: OutletProposal, outlet: Outlet, action: str, version: int
) -> None:
    ensure(caller, MOVES[action], outlet)
    if row.version != version:
        raise RegistryStale(version=row.version)
    actions, own = allowed(caller, row, outlet), row.proposed_by == caller.id
    if row.state == "pending" and own and action != "withdraw":
        raise OwnProposal()
    if action not in actions:
        raise RegistryActionNotAllowed(status=row.state, actions=actions)


async def _approve(
    session: AsyncSession, caller: Caller, row: OutletProposal, outlet: Outlet, known: Known
) -> None:
    """Let an outlet become what was proposed, if it still may.

    Raises:
        ProposalSuperseded: the same has been changed otherwise since.
        OutletKnown, RegistryInvalid: it is not right any more.
    """
    otherwise = await queries.changed_since(session, row.outlet, row.base_version)
    both = sorted(otherwise & row.fields.keys())
    if both:
        raise ProposalSuperseded(fields=both)
    await _ensure_sound(session, outlet, row.fields, known)
    changed = whole(outlet) | row.fields
    await stored(session, changed, deed(caller, "approve_change", row.reason))
