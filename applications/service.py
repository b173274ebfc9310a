"""What can be done with applications. No HTTP, no commit, no SQL."""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from access.errors import Forbidden
from applications import actions, archiving, changes, lifecycle, needs, queries, telling, views
from applications.actions import Case
from applications.checks import lost_faults
from applications.desk import Desk
from applications.errors import (
    ActionNotAllowed,
    ContentInvalid,
    StaleVersion,
)
from applications.lifecycle import Move
from applications.models import Application
from events import service as events
from files import service as files
from kit.clock import now
from schemas.applications import Action, ActionRequest, State


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
        ArchiveUnknown, ArchiveElsewhere, ArchiveNotFree: the archive that it would move can't be.
    """
    case = Case(row, caller, desk, now(), wanted)
    if row.version != version:
        raise StaleVersion(version=row.version)
    move = _legal(case, wanted)
    faults = list(needs.faults(case))
    if faults:
        raise ContentInvalid(faults=faults)
    await _hold_files(session, row, wanted)
    before = {"agency": row.agency, "due_on": row.due_on, "materials": row.materials}
    archives = await archiving.move(session, case, move)
    changes.apply(case, move)
    archiving.issue(row, archives)
    _keep_result(row, wanted, desk)
    session.add(row)
    await session.flush()
    await telling.tell(session, case, before)
    await archiving.tell(session, case, archives)
    return row


async def _hold_files(session: AsyncSession, row: Application, wanted: ActionRequest) -> None:
    """Keep the files that are supplied, as those of a submission are; no other action brings any.

    Raises:
        ContentInvalid: one was removed since it was stored.
    """
    handed = (wanted.materials or []) if wanted.action is Action.SUPPLY else []
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
    move = lifecycle.find(State(row.state), wanted.action, row.risk_class, case.turn)
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
