"""What can be done with applications. No HTTP, no commit, no SQL."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple, cast

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from access.errors import Forbidden
from applications import actions, changes, draft, lifecycle, needs, queries, telling, views
from applications.actions import Case
from applications.checks import content_faults, lost_faults, number_fault, warnings
from applications.desk import Desk
from applications.draft import Draft, Filing
from applications.errors import (
    ActionNotAllowed,
    ContentInvalid,
    StaleVersion,
)
from applications.intake import Intake, Written
from applications.lifecycle import Move
from applications.models import Application
from applications.numbers import Serials, number
from events import service as events
from files import service as files
from kit.clock import day_of, now
from kit.db import Sessions, transaction
from kit.errors import DomainError, Fault
from kit.repeats import KeyReused
from matters.compiled import CompiledGuide
from matters.errors import GuideNotFound, GuideSuperseded, MatterNotFound
from outlets.errors import MatterNotOpen, OutletClosed
from routing.permissions import Permission
from routing.rules import route
from schemas.applications import ActionRequest, ApplicationSubmit, State
from schemas.guides import Delegation


class Answer(NamedTuple):
    """What a submission is answered with."""

    body: dict[str, Any]
    replayed: bool


class Counter(NamedTuple):
    """Where applications are handed in: the desk, and the way into the database."""

    desk: Desk
    intake: Intake
    serials: Serials
    sessions: Sessions


async def submit(
    counter: Counter, caller: Caller, wanted: ApplicationSubmit, *, key: str, canonical: bytes
) -> Answer:
    """Take an application: check it, route it, work out its limits, write it.

    `canonical` is the body as parsed and key-sorted. A second call with the same key and body gives
    what the first made, as it now stands, also when what was right then would be refused today.

    Raises:
        OutletClosed, MatterNotOpen: the outlet may not hand this in; `reasons` says why.
        GuideSuperseded: the version named is not in force.
        ContentInvalid: with everything that is missing or wrong.
        KeyReused: the key was used for another body.
    """
    filing = Filing(caller, wanted, key, canonical, now())
    try:
        ready = await _prepare(counter, filing)
    except DomainError as refusal:
        earlier = await _earlier(counter, filing)
        if earlier is None:
            raise refusal
        return earlier
    written = await counter.intake.write(ready)
    if not written.made:
        earlier = await _earlier(counter, filing)
        if earlier is None:
            raise _unmade(filing, written)
        return earlier
    return _told(counter, filing, ready, written)


def _told(counter: Counter, filing: Filing, ready: Draft, written: Written) -> Answer:
    """Answer who handed in what has been written."""
    caller, wanted, desk = filing.caller, filing.wanted, counter.desk
    told = warnings(wanted, desk.divisions, likely_duplicate=written.likely_duplicate)
    draft_now = ready if written.number == ready.number else replace(ready, number=written.number)
    row = cast(Application, draft_now)  # It has every field that is shown; to make a row is slow.
    return Answer(views.made(row, caller, desk, filing.at, told), replayed=False)


def _unmade(filing: Filing, written: Written) -> Exception:
    """Say why a draft was not written whose key is free."""
    faults = [number_fault(written.why)] if written.why is not None else []
    faults += lost_faults(filing.wanted.materials, written.lost or ())
    if faults:
        return ContentInvalid(faults=faults)
    return LookupError("a key was taken by a row that is not there")


async def _prepare(counter: Counter, filing: Filing) -> Draft:
    """Check everything, and make the row; no statement but the one in a thousand for numbers."""
    desk, wanted, day = counter.desk, filing.wanted, day_of(filing.at)
    outlet = desk.registry.outlet(filing.caller.outlet or "")
    guide = _guide(desk, wanted, outlet.division, filing.at)
    held = may_hand_in(desk, filing.caller, guide, filing.at)
    if wanted.guide_version not in (None, guide.version):
        raise GuideSuperseded(guide_version=guide.version)
    latest = desk.calendar.workdays.after(day, guide.guide.promised_limit.value)
    faults = content_faults(
        wanted, guide, outlet=outlet.outlet, keys=desk.keys, at=filing.at, latest=latest
    )
    routed = route(
        guide, wanted.form, outlet.county, agencies=desk.agencies, divisions=desk.divisions, day=day
    )
    if routed.fault is not None and routed.fault.at not in {fault.at for fault in faults}:
        faults.append(routed.fault)
    if faults or routed.agency is None:
        raise ContentInvalid(faults=[*faults, *await _reservation(counter, filing, faults)])
    accept = wanted.accept and held.delegation >= Delegation.D2
    numbered = wanted.number or number(outlet.outlet, day, await counter.serials.take())
    return draft.make(
        filing, guide, desk, agency=routed.agency.code, accept=accept, numbered=numbered
    )


async def _reservation(counter: Counter, filing: Filing, faults: list[Fault]) -> list[Fault]:
    """Look after a number where the rest is refused anyway: all that is wrong is told at once."""
    given = filing.wanted.number
    if given is None or any(fault.at == "/number" for fault in faults):
        return []
    async with transaction(counter.sessions) as session:
        why = await queries.number_refused(session, filing.caller.terminal or "", given)
    return [number_fault(why)] if why else []


def _guide(desk: Desk, wanted: ApplicationSubmit, place: str, at: datetime) -> CompiledGuide:
    try:
        return desk.catalogue.resolve(wanted.matter, place, day_of(at))
    except (MatterNotFound, GuideNotFound) as error:
        raise ContentInvalid(faults=[Fault("/matter", error.code, error.title)]) from error


def may_hand_in(desk: Desk, caller: Caller, guide: CompiledGuide, at: datetime) -> Permission:
    """Tell what the caller's outlet may do with a matter.

    Raises:
        OutletClosed: it takes nothing now.
        MatterNotOpen: it does not take this matter.
    """
    outlet = desk.registry.outlet(caller.outlet or "")
    teller = desk.registry.tellers.get(caller.teller or "")
    held = desk.permission(guide, outlet, day_of(at), teller)
    if held.reasons:
        closed = any(reason.closes for reason in held.reasons)
        reasons = [{"code": r.code, "message": r.message} for r in held.reasons]
        raise (OutletClosed if closed else MatterNotOpen)(reasons=reasons)
    return held


async def _earlier(counter: Counter, filing: Filing) -> Answer | None:
    """Find what an earlier call with this key made, if its body was the same."""
    caller = filing.caller
    async with transaction(counter.sessions) as session:
        row = await queries.by_key(session, caller.terminal or "", filing.key)
    if row is None:
        return None
    if not counter.desk.keys.holds(draft.DIGEST, filing.canonical, row.body_digest):
        raise KeyReused()
    return Answer(views.made(row, caller, counter.desk, filing.at, []), replayed=True)


async def act(
    session: AsyncSession,
    desk: Desk,
    caller: Caller,
    row: Application,
    wanted: ActionRequest,
    version: int,
) -> Application:
    """Take an action on an application whose row is locked.

    Raises:
        StaleVersion: it has changed since `version`.
        ActionNotAllowed: its state does not permit it; `actions` lists what does.
        SamePerson, ClaimedByOther, NotClaimed: someone else has to do it, or it must be claimed first.
        ContentInvalid: the action needs more than the body has.
    """
    case = Case(row, caller, desk, now(), wanted)
    if row.version != version:
        raise StaleVersion(version=row.version)
    move = _legal(case, wanted)
    faults = list(needs.faults(case))
    if faults:
        raise ContentInvalid(faults=faults)
    await _hold_files(session, row, wanted)
    before = {"agency": row.agency, "due_on": row.due_on}
    changes.apply(case, move)
    _keep_result(row, wanted, desk)
    session.add(row)
    await session.flush()
    await telling.tell(session, case, before)
    return row


async def _hold_files(session: AsyncSession, row: Application, wanted: ActionRequest) -> None:
    """Keep the files that come with an action, as those of a submission are.

    Raises:
        ContentInvalid: one was removed since it was stored.
    """
    handed = wanted.materials or []
    if named := [item.file for item in handed if item.file is not None]:
        lost = await files.use(session, row.number, named)
        if lost:
            raise ContentInvalid(faults=lost_faults(handed, lost))


def may_ask(caller: Caller, row: Application, wanted: ActionRequest) -> None:
    """Check that a post of the caller's may take the action at all.

    Raises:
        Forbidden: none may.
    """
    wide = lifecycle.PERMISSIONS[wanted.action]
    if not any(caller.reach(may).covers(outlet=row.outlet, agency=row.agency) for may in wide):
        raise Forbidden(private=f"{caller.role} lacks {wanted.action}")


def _legal(case: Case, wanted: ActionRequest) -> Move:
    row = case.row
    move = lifecycle.find(State(row.state), wanted.action, row.risk_class)
    may: dict[str, Any] = {"actions": actions.allowed(case), "state": row.state}
    if move is None or move.may is None:
        raise ActionNotAllowed(**may)
    if not case.caller.reach(move.may).covers(outlet=row.outlet, agency=row.agency):
        raise ActionNotAllowed(**may)
    against = actions.hindrance(case, move)
    if against is not None:
        raise against(**may)
    return move


def _keep_result(row: Application, wanted: ActionRequest, desk: Desk) -> None:
    if row.outcome is None or row.result_sealed is not None:
        return
    guide = desk.catalogue.version(row.matter, row.guide_version)
    result = {
        name: value for name, value in (wanted.result or {}).items() if name not in views.OURS
    }
    if row.outcome == "denied":
        result |= {"reason": wanted.reason, "remedy": guide.guide.remedy if guide else ""}
    bound = f"{views.RESULT}:{row.number}"
    row.result_sealed = desk.keys.seal(orjson.dumps(result), bound_to=bound)


async def claim(
    session: AsyncSession, caller: Caller, limit: int, matters: Sequence[str] | None
) -> list[Application]:
    """Hand free applications to a reviewer, the least time left first; never one to two persons."""
    at = now()
    rows = list(await queries.claim(session, caller, limit, matters, at))
    if not rows:
        return []
    await queries.hand_to(session, caller, [row.number for row in rows], at)
    for row in rows:
        session.expunge(row)
        row.version += 1
        if row.state in (State.ACCEPTED, State.IN_REVIEW):
            row.state, row.reviewed_by = State.IN_REVIEW, caller.id
        row.claimed_by, row.claimed_until = caller.id, at + queries.LEASE
    return rows


async def release(
    session: AsyncSession, desk: Desk, caller: Caller, row: Application
) -> Application:
    """Give a claimed application free again; who has no claim on it changes nothing."""
    if row.claimed_by != caller.id:
        return row
    row.claimed_by = row.claimed_until = None
    row.version += 1
    session.add(row)
    await session.flush()
    case = Case(row, caller, desk, now())
    await events.append(session, telling.event(case, "application.released"))
    return row
