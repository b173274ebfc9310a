"""Terminals and tellers of outlets: who looks after them, and what is done with them."""

import uuid
from collections.abc import Mapping
from datetime import date
from enum import Enum
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from access.callers import Caller
from access.errors import MemoryStale, TooManyRequests
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, IfMatch, Repeat, Session, identify, may, version_of
from api.openapi import VERSIONED, carries, refuses
from api.paging import Pager
from api.state import State
from kit.clock import CHINA, now, today
from kit.crypto import KeyRing
from outlets.errors import OutletNotFound
from outlets.memory import OutletInfo
from outlets.models import RegistryChange, Teller, TellerPost, Terminal
from schemas.base import Listing, Page
from schemas.terminals import (
    EnrolledView,
    EnrolmentUse,
    EnrolmentView,
    EnrolmentWanted,
    PostView,
    StaffChange,
    TellerAction,
    TellerFilter,
    TellerView,
    TellerWanted,
    TerminalAction,
    TerminalFilter,
    TerminalView,
    TerminalWanted,
)
from terminals import queries, service, tellers
from terminals.errors import TellerNotFound, TerminalNotFound
from terminals.keys import thumbprint
from terminals.models import Enrolment

router = APIRouter(prefix="/v1", route_class=ContractRoute)
TERMINALS, TELLERS = "/outlets/{outlet}/terminals", "/outlets/{outlet}/tellers"
TERMINAL_TAGS: list[str | Enum] = ["terminals"]
TELLER_TAGS: list[str | Enum] = ["tellers"]

TerminalReader = Annotated[Caller, may(May.TERMINAL_READ)]
TerminalKeeper = Annotated[Caller, may(May.TERMINAL_MANAGE)]
TerminalActor = Annotated[Caller, may(May.TERMINAL_SUSPEND)]
TellerReader = Annotated[Caller, may(May.TELLER_READ)]
TellerKeeper = Annotated[Caller, may(May.TELLER_MANAGE)]
TellerActor = Annotated[Caller, may(May.TELLER_SUSPEND)]

OutletPath = Annotated[str, Path(max_length=20, description="Number of an outlet.")]
TerminalPath = Annotated[str, Path(max_length=60, description="Id of a terminal.")]
TellerPath = Annotated[str, Path(max_length=40, description="Code of a teller.")]


async def _looked_after(request: Request, number: str, read: May) -> OutletInfo:
    """Find an outlet whose staff the caller may see; another's is not told from none."""
    caller = await identify(request)
    state: State = request.app.state.syt
    outlet = state.desk.registry.outlet(number)
    if not service.reaches(caller, read, outlet):
        raise OutletNotFound()
    return outlet


async def outlet_of_terminals(request: Request, outlet: OutletPath) -> OutletInfo:
    """Find the outlet of the path, if the caller looks after its terminals."""
    return await _looked_after(request, outlet, May.TERMINAL_READ)


async def outlet_of_tellers(request: Request, outlet: OutletPath) -> OutletInfo:
    """Find the outlet of the path, if the caller looks after its tellers."""
    return await _looked_after(request, outlet, May.TELLER_READ)


TerminalsOf = Annotated[OutletInfo, Depends(outlet_of_terminals)]
TellersOf = Annotated[OutletInfo, Depends(outlet_of_tellers)]


async def _terminal(
    outlet: OutletInfo, text: str, session: Session, *, lock: bool = False
) -> Terminal:
    try:
        row = await queries.terminal(session, outlet.outlet, uuid.UUID(text), lock=lock)
    except ValueError:
        row = None
    if row is None:
        raise TerminalNotFound()
    return row


async def found_terminal(outlet: TerminalsOf, terminal: TerminalPath, session: Session) -> Terminal:
    """Load the terminal of the path."""
    return await _terminal(outlet, terminal, session)


async def held_terminal(outlet: TerminalsOf, terminal: TerminalPath, session: Session) -> Terminal:
    """Load the terminal of the path and hold its row."""
    return await _terminal(outlet, terminal, session, lock=True)


async def _teller(outlet: OutletInfo, code: str, session: Session, *, lock: bool = False) -> Teller:
    known = code.isascii() and code.isprintable()
    row = await queries.teller(session, outlet.outlet, code, lock=lock) if known else None
    if row is None:
        raise TellerNotFound()
    return row


async def found_teller(outlet: TellersOf, teller: TellerPath, session: Session) -> Teller:
    """Load the teller of the path."""
    return await _teller(outlet, teller, session)


async def held_teller(outlet: TellersOf, teller: TellerPath, session: Session) -> Teller:
    """Load the teller of the path and hold the row."""
    return await _teller(outlet, teller, session, lock=True)


FoundTerminal = Annotated[Terminal, Depends(found_terminal, scope="function")]
HeldTerminal = Annotated[Terminal, Depends(held_terminal, scope="function")]
FoundTeller = Annotated[Teller, Depends(found_teller, scope="function")]
HeldTeller = Annotated[Teller, Depends(held_teller, scope="function")]


class Viewer(NamedTuple):
    """Who is shown something, and what is held to show it."""

    caller: Caller
    state: State

    def outlet(self, number: str) -> OutletInfo:
        """Find an outlet that is known to be there."""
        return self.state.desk.registry.outlet(number)


def _show_terminal(row: Terminal, viewer: Viewer) -> dict[str, Any]:
    outlet = viewer.outlet(row.outlet)
    keys = [(row.public_jwk, None)]
    if row.former_jwk is not None and row.former_until is not None and row.former_until > now():
        keys.append((row.former_jwk, row.former_until.astimezone(CHINA)))  # type: ignore[arg-type]
    return {
        "terminal": str(row.id), "outlet": row.outlet, "name": row.name, "status": row.status,
        "keys": [_show_key(jwk, until) for jwk, until in keys],
        "last_used_on": row.used_on if row.last_seen_at else None,
        "created_at": row.created_at.astimezone(CHINA), "version": row.version,
        "actions": service.allowed(viewer.caller, row, outlet, service.MOVES),
    }  # fmt: skip


def _show_key(jwk: Mapping[str, Any], until: Any) -> dict[str, Any]:
    return {"thumbprint": thumbprint(dict(jwk)), "curve": jwk.get("crv", ""), "until": until}


def _show_teller(row: Teller, viewer: Viewer) -> dict[str, Any]:
    outlet, until = viewer.outlet(row.outlet), row.qualified_until
    return {
        "teller": row.code, "outlet": row.outlet, "status": row.status,
        "qualified": until is not None and today() <= until, "qualified_on": row.qualified_on,
        "qualified_until": until, "certificate": row.certificate,
        "last_used_on": row.used_on if row.last_seen_at else None,
        "created_at": row.created_at.astimezone(CHINA), "version": row.version,
        "actions": service.allowed(viewer.caller, row, outlet, tellers.MOVES),
    }  # fmt: skip


def _made(body: dict[str, Any], where: str, *, replayed: bool) -> Response:
    headers = {"Location": where}
    if "version" in body:
        headers["ETag"] = f'"{body["version"]}"'
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return json(body, 201, headers)


MADE: dict[int | str, Any] = {201: {"headers": carries("Location", "ETag", "Idempotent-Replayed")}}
LEAVE: dict[int | str, Any] = {201: {"headers": carries("Cache-Control", "Idempotent-Replayed")}}
ENROLLED: dict[int | str, Any] = {201: {"headers": carries("Location")}}


@router.get("/terminals", response_model=Page[TerminalView], tags=TERMINAL_TAGS)
async def list_terminals(
    narrow: Annotated[TerminalFilter, Query()], caller: TerminalReader, held: Held, session: Session
) -> Response:
    """List the terminals that the caller looks after, the longest unused first."""
    pager, viewer = Pager(held, "terminals", caller, narrow), Viewer(caller, held)
    place = pager.position
    after = (date.fromisoformat(place[0]), uuid.UUID(place[1])) if place else None
    reach = caller.reach(May.TERMINAL_READ)
    rows = await queries.unused(session, Terminal, reach, narrow, after)
    return json(
        pager.page(
            rows, narrow.limit, lambda r: [str(r.used_on), str(r.id)],
            lambda r: _show_terminal(r, viewer),
        )
    )  # fmt: skip


@router.get("/tellers", response_model=Page[TellerView], tags=TELLER_TAGS)
async def list_tellers(
    narrow: Annotated[TellerFilter, Query()], caller: TellerReader, held: Held, session: Session
) -> Response:
    """List the tellers that the caller looks after, who has not worked for longest first."""
    pager, viewer = Pager(held, "tellers", caller, narrow), Viewer(caller, held)
    place = pager.position
    after = (date.fromisoformat(place[0]), place[1]) if place else None
    reach = caller.reach(May.TELLER_READ)
    rows = await queries.unused(session, Teller, reach, narrow, after)
    return json(
        pager.page(
            rows, narrow.limit, lambda r: [str(r.used_on), r.code],
            lambda r: _show_teller(r, viewer),
        )
    )  # fmt: skip


@router.post(
    "/terminals", status_code=201, response_model=EnrolledView, tags=TERMINAL_TAGS,
    responses=ENROLLED | refuses(401, 403, 409, 429, 503),
)  # fmt: skip
async def use_enrolment(wanted: EnrolmentUse, held: Held, session: Session) -> Response:
    """Hand in a device's key with the code that its outlet was given. The same again is answered alike."""
    if not held.follower.fresh:
        raise MemoryStale()
    if not held.buckets.take("enrolment"):
        raise TooManyRequests()
    base = held.settings.public_url
    audience = f"{base}/v1/terminals"
    row = await service.use_enrolment(session, held.keys, wanted, audience=audience)
    body = {
        "terminal": str(row.id), "outlet": row.outlet, "name": row.name,
        "thumbprint": thumbprint(row.public_jwk),
    }  # fmt: skip
    return json(body, 201, {"Location": f"{base}/v1/terminals/me"})


@router.get(TERMINALS, response_model=Page[TerminalView], tags=TERMINAL_TAGS)
async def list_terminals_of_outlet(
    outlet: TerminalsOf,
    narrow: Annotated[Listing, Query()],
    caller: TerminalReader,
    held: Held,
    session: Session,
) -> Response:
    """List the terminals of an outlet in the order of their making, also those that are retired."""
    pager, viewer = Pager(held, f"terminals\0{outlet.outlet}", caller, narrow), Viewer(caller, held)
    after = uuid.UUID(pager.position[0]) if pager.position else None
    rows = await queries.page(session, Terminal, outlet.outlet, after, narrow.limit)
    return json(
        pager.page(rows, narrow.limit, lambda r: [str(r.id)], lambda r: _show_terminal(r, viewer))
    )


@router.post(
    TERMINALS, status_code=201, response_model=TerminalView, tags=TERMINAL_TAGS,
    responses=MADE | refuses(409),
)  # fmt: skip
async def enrol_terminal(
    outlet: TerminalsOf,
    wanted: TerminalWanted,
    caller: TerminalKeeper,
    held: Held,
    session: Session,
    asked: Repeat,
) -> Response:
    """Enrol a terminal whose public key is at hand."""
    service.ensure(caller, May.TERMINAL_MANAGE, outlet)
    row, replayed = await service.enrol(session, held.keys, caller, outlet, wanted, asked=asked)
    where = f"{held.settings.public_url}/v1/outlets/{outlet.outlet}/terminals/{row.id}"
    return _made(_show_terminal(row, Viewer(caller, held)), where, replayed=replayed)


@router.post(
    f"{TERMINALS}/enrolments", status_code=201, response_model=EnrolmentView, tags=TERMINAL_TAGS,
    responses=LEAVE,
)  # fmt: skip
async def allow_enrolment(
    outlet: TerminalsOf,
    wanted: EnrolmentWanted,
    caller: TerminalKeeper,
    held: Held,
    session: Session,
    asked: Repeat,
) -> Response:
    """Get a code with which one device hands in its key, once and within minutes."""
    service.ensure(caller, May.TERMINAL_MANAGE, outlet)
    leave, replayed = await service.allow_enrolment(
        session, held.keys, caller, outlet, wanted, asked=asked
    )
    headers = {"Cache-Control": "no-store"} | ({"Idempotent-Replayed": "true"} if replayed else {})
    return json(_show_leave(leave, held.keys), 201, headers)


def _show_leave(leave: Enrolment, keys: KeyRing) -> dict[str, Any]:
    return {
        "enrolment": str(leave.id), "code": service.code_of(keys, leave.id), "outlet": leave.outlet,
        "name": leave.name, "terminal": str(leave.terminal) if leave.terminal else None,
        "expires_at": leave.expires_at.astimezone(CHINA),
    }  # fmt: skip


@router.get(
    f"{TERMINALS}/{{terminal}}", response_model=TerminalView, responses=VERSIONED,
    tags=TERMINAL_TAGS,
)  # fmt: skip
async def get_terminal(row: FoundTerminal, caller: TerminalReader, held: Held) -> Response:
    """Show a terminal."""
    body = _show_terminal(row, Viewer(caller, held))
    return json(body, headers={"ETag": f'"{row.version}"'})


@router.post(
    f"{TERMINALS}/{{terminal}}/actions", response_model=TerminalView, responses=VERSIONED,
    tags=TERMINAL_TAGS,
)  # fmt: skip
async def act_on_terminal(
    outlet: TerminalsOf,
    row: HeldTerminal,
    wanted: TerminalAction,
    caller: TerminalActor,
    held: Held,
    session: Session,
    if_match: IfMatch = None,
) -> Response:
    """Rename, rotate the key of, suspend, resume or retire a terminal. Suspending bites within two seconds."""
    service.ensure(caller, service.MOVES[wanted.action].may, outlet)
    version = version_of(if_match)
    changed = await service.act(session, caller, outlet, row, wanted, version=version)
    body = _show_terminal(changed, Viewer(caller, held))
    return json(body, headers={"ETag": f'"{changed.version}"'})


@router.get(
    f"{TERMINALS}/{{terminal}}/history", response_model=Page[StaffChange], tags=TERMINAL_TAGS
)
async def list_terminal_history(
    row: FoundTerminal,
    narrow: Annotated[Listing, Query()],
    caller: TerminalReader,
    held: Held,
    session: Session,
) -> Response:
    """List what was done with a terminal, oldest first."""
    pager = Pager(held, f"terminal-history\0{row.id}", caller, narrow)
    after = int(pager.position[0]) if pager.position else 0
    rows = await queries.changes(session, Terminal, str(row.id), after, narrow.limit)
    return json(pager.page(rows, narrow.limit, lambda r: [r.id], _show_change))


UNSAID = frozenset({"public_jwk", "former_jwk", "last_seen_at", "used_on", "tokens_from"})
"""Fields of which a history says nothing that its action does not."""


def _show_change(row: RegistryChange) -> dict[str, Any]:
    fields = {name: value for name, value in row.fields.items() if name not in UNSAID}
    return {
        "at": row.at.astimezone(CHINA), "action": row.action, "reason": row.reason, "by": row.actor,
        "role": row.actor_role, "version": row.version, "fields": fields,
    }  # fmt: skip


@router.get(TELLERS, response_model=Page[TellerView], tags=TELLER_TAGS)
async def list_tellers_of_outlet(
    outlet: TellersOf,
    narrow: Annotated[Listing, Query()],
    caller: TellerReader,
    held: Held,
    session: Session,
) -> Response:
    """List the tellers of an outlet by their codes, also those who left from there."""
    pager, viewer = Pager(held, f"tellers\0{outlet.outlet}", caller, narrow), Viewer(caller, held)
    after = pager.position[0] if pager.position else None
    rows = await queries.page(session, Teller, outlet.outlet, after, narrow.limit)
    return json(
        pager.page(rows, narrow.limit, lambda r: [r.code], lambda r: _show_teller(r, viewer))
    )


@router.post(
    TELLERS, status_code=201, response_model=TellerView, tags=TELLER_TAGS,
    responses=MADE | refuses(409),
)  # fmt: skip
async def add_teller(
    outlet: TellersOf,
    wanted: TellerWanted,
    caller: TellerKeeper,
    held: Held,
    session: Session,
    asked: Repeat,
) -> Response:
    """Add a teller to an outlet, or take one back who had left its bank. No name: it stays with the bank."""
    service.ensure(caller, May.TELLER_MANAGE, outlet)
    row, replayed = await tellers.add(
        session, held.keys, caller, outlet, wanted, asked=asked, registry=held.desk.registry
    )
    where = f"{held.settings.public_url}/v1/outlets/{outlet.outlet}/tellers/{row.code}"
    return _made(_show_teller(row, Viewer(caller, held)), where, replayed=replayed)


@router.get(
    f"{TELLERS}/{{teller}}", response_model=TellerView, responses=VERSIONED, tags=TELLER_TAGS
)
async def get_teller(row: FoundTeller, caller: TellerReader, held: Held) -> Response:
    """Show a teller."""
    body = _show_teller(row, Viewer(caller, held))
    return json(body, headers={"ETag": f'"{row.version}"'})


@router.post(
    f"{TELLERS}/{{teller}}/actions", response_model=TellerView, responses=VERSIONED,
    tags=TELLER_TAGS,
)  # fmt: skip
async def act_on_teller(
    outlet: TellersOf,
    row: HeldTeller,
    wanted: TellerAction,
    caller: TellerActor,
    held: Held,
    session: Session,
    if_match: IfMatch = None,
) -> Response:
    """Move, suspend, resume, let go or qualify a teller. All rights end within two seconds."""
    service.ensure(caller, tellers.MOVES[wanted.action].may, outlet)
    version = version_of(if_match)
    changed = await tellers.act(
        session, caller, outlet, row, wanted, version=version, registry=held.desk.registry
    )
    body = _show_teller(changed, Viewer(caller, held))
    return json(body, headers={"ETag": f'"{changed.version}"'})


@router.get(f"{TELLERS}/{{teller}}/posts", response_model=Page[PostView], tags=TELLER_TAGS)
async def list_teller_posts(
    row: FoundTeller,
    narrow: Annotated[Listing, Query()],
    caller: TellerReader,
    held: Held,
    session: Session,
) -> Response:
    """List at which outlets a teller was, and when, newest first."""
    pager = Pager(held, f"teller-posts\0{row.code}", caller, narrow)
    after = int(pager.position[0]) if pager.position else 0
    rows = await queries.posts(session, row.code, after, narrow.limit)
    return json(pager.page(rows, narrow.limit, lambda r: [r.id], _show_post))


def _show_post(row: TellerPost) -> dict[str, Any]:
    ended = row.ended_at.astimezone(CHINA) if row.ended_at else None
    return {"outlet": row.outlet, "begun_at": row.begun_at.astimezone(CHINA), "ended_at": ended}


@router.get(f"{TELLERS}/{{teller}}/history", response_model=Page[StaffChange], tags=TELLER_TAGS)
async def list_teller_history(
    row: FoundTeller,
    narrow: Annotated[Listing, Query()],
    caller: TellerReader,
    held: Held,
    session: Session,
) -> Response:
    """List what was done with a teller, oldest first."""
    pager = Pager(held, f"teller-history\0{row.code}", caller, narrow)
    after = int(pager.position[0]) if pager.position else 0
    rows = await queries.changes(session, Teller, row.code, after, narrow.limit)
    return json(pager.page(rows, narrow.limit, lambda r: [r.id], _show_change))
