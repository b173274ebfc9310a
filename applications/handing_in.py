"""Handing in: one application, or many of a terminal at once."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from time import monotonic
from typing import Any, NamedTuple, cast

from access.callers import Caller
from applications import draft, instant, queries, views
from applications.actions import Case, allowed
from applications.checks import content_faults, lost_faults, number_fault, warnings
from applications.desk import Desk
from applications.draft import Draft, Filing, Shared
from applications.errors import ContentInvalid, QueueFull
from applications.intake import Intake, Written
from applications.models import Application
from applications.numbers import Serials, number
from connectors.cores import Cores
from kit.clock import day_of, now
from kit.db import Sessions, transaction
from kit.errors import DomainError, Fault
from kit.repeats import KeyReused
from matters.compiled import CompiledGuide
from matters.errors import GuideNotFound, GuideSuperseded, MatterNotFound
from outlets.errors import MatterNotOpen, OutletClosed
from outlets.memory import OutletInfo
from routing import rules
from routing.permissions import Permission
from routing.rules import Routed
from schemas.applications import ApplicationSubmit
from schemas.guides import Delegation

BREATH = 16
"""Of how many of a batch others wait for the end: to check one takes about a tenth of a millisecond."""

PLACE = 12
"""Characters of a place's code at most: what is longer is none, and is not kept."""


class Answer(NamedTuple):
    """What a submission is answered with."""

    body: dict[str, Any]
    replayed: bool
    at_core: float = 0.0
    """Seconds after the commit for which its core system was waited for."""


class Counter(NamedTuple):
    """Where applications are handed in: the desk, and the way into the database."""

    desk: Desk
    intake: Intake
    serials: Serials
    sessions: Sessions
    cores: Cores


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
    filing = Filing(caller, wanted, key, canonical, now(), Shared())
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
    if ready.core is not None:
        return await _completed(counter, filing, _as_written(ready, written), written)
    return _told(counter, filing, ready, written)


async def _completed(counter: Counter, filing: Filing, made: Draft, written: Written) -> Answer:
    """Let the agency's core complete what has been committed, and answer with how it then stands."""
    desk, began = counter.desk, monotonic()
    told = warnings(filing.wanted, desk.divisions, likely_duplicate=written.likely_duplicate)
    done = await instant.finish_new(
        counter.sessions, desk, counter.cores, made, draft.contents(filing.wanted)
    )
    row = done.row or cast(Application, made)
    body = views.made(row, filing.caller, desk, now(), [*told, *done.warnings])
    return Answer(body, replayed=False, at_core=monotonic() - began)


async def submit_all(counter: Counter, filings: Sequence[Filing]) -> list[Answer | Exception]:
    """Take the applications of one terminal, each as if it came alone; what fails harms no other.

    Those that come under one key are taken one after another, all others together.
    """
    outcomes: dict[int, Answer | Exception] = {}
    waiting = list(range(len(filings)))
    while waiting:
        turn = sorted({filings[nth].key: nth for nth in reversed(waiting)}.values())
        taken = await _submit_some(counter, [filings[nth] for nth in turn])
        outcomes |= zip(turn, taken, strict=True)
        waiting = [nth for nth in waiting if nth not in outcomes]
    return [outcomes[nth] for nth in range(len(filings))]


async def _submit_some(counter: Counter, filings: Sequence[Filing]) -> list[Answer | Exception]:
    """Take applications of different keys: they share statements, to write and to look for repeats."""
    ready = [await _readied(counter, nth, filing) for nth, filing in enumerate(filings)]
    written = await _all_written(counter, ready)
    unclear = [
        filing
        for filing, one, outcome in zip(filings, ready, written, strict=True)
        if isinstance(one, DomainError) or (isinstance(outcome, Written) and not outcome.made)
    ]
    earlier = await _all_earlier(counter, unclear)
    return [
        earlier.get(filing.key) or _settled(counter, filing, one, outcome)
        for filing, one, outcome in zip(filings, ready, written, strict=True)
    ]


async def _readied(counter: Counter, nth: int, filing: Filing) -> Draft | Exception:
    """Prepare one of many, and let others have their turn now and then."""
    if nth % BREATH == BREATH - 1:
        await asyncio.sleep(0)
    try:
        return await _prepare(counter, filing)
    except Exception as error:
        return error


async def _all_written(
    counter: Counter, ready: Sequence[Draft | Exception]
) -> list[Written | Exception]:
    """Write those that are ready, and wait for all: they enter together, with no task for each."""
    entered = [_entered(counter, one) for one in ready]
    waited_for = [one for one in entered if isinstance(one, asyncio.Future)]
    ended: Iterator[Any] = iter(await asyncio.gather(*waited_for, return_exceptions=True))
    return [next(ended) if isinstance(one, asyncio.Future) else one for one in entered]


def _entered(counter: Counter, ready: Draft | Exception) -> asyncio.Future[Written] | Exception:
    if isinstance(ready, Exception):
        return ready
    try:
        return counter.intake.enter(ready)
    except QueueFull as error:
        return error


def _settled(
    counter: Counter, filing: Filing, ready: Draft | Exception, outcome: Written | Exception
) -> Answer | Exception:
    """Answer one of which no earlier call knows."""
    if isinstance(ready, Exception) or isinstance(outcome, Exception):
        return ready if isinstance(ready, Exception) else cast(Exception, outcome)
    if not outcome.made:
        return _unmade(filing, outcome)
    return _told(counter, filing, ready, outcome)


async def _all_earlier(
    counter: Counter, filings: Sequence[Filing]
) -> dict[str, Answer | Exception]:
    """Find what earlier calls with these keys made, by key; all by one statement."""
    if not filings:
        return {}
    by_key = {filing.key: filing for filing in filings}
    try:
        async with transaction(counter.sessions) as session:
            rows = await queries.by_keys(session, filings[0].caller.terminal or "", list(by_key))
            told = await instant.told(session, counter.cores, rows)
    except Exception as error:
        return dict.fromkeys(by_key, error)
    return {
        row.idempotency_key: _again(
            counter, by_key[row.idempotency_key], row, told.get(row.number, [])
        )
        for row in rows
    }


def _again(
    counter: Counter, filing: Filing, row: Application, told: list[dict[str, Any]]
) -> Answer | Exception:
    """Answer a repeat with the application as it now stands, if its body is the same."""
    if not counter.desk.keys.holds(draft.DIGEST, filing.canonical, row.body_digest):
        return KeyReused()
    return Answer(views.made(row, filing.caller, counter.desk, filing.at, told), replayed=True)


def _told(counter: Counter, filing: Filing, ready: Draft, written: Written) -> Answer:
    """Answer who handed in what has been written."""
    caller, wanted, desk = filing.caller, filing.wanted, counter.desk
    told = warnings(wanted, desk.divisions, likely_duplicate=written.likely_duplicate)
    told += [instant.LATER] if ready.core is not None else []
    # It has every field that is shown; to make a row is slow.
    row = cast(Application, _as_written(ready, written))
    alike = filing.shared.once(
        ready.likeness(),
        lambda: views.view(row, caller, desk, filing.at, _actions(desk, filing, ready)),
    )
    return Answer(views.made(row, caller, desk, filing.at, told, alike), replayed=False)


def _actions(desk: Desk, filing: Filing, ready: Draft) -> list[str]:
    """List what its teller may do next with what was just handed in.

    All that rules look at in a new application is in the key; who names a file has one of his own.
    """
    caller, now = filing.caller, filing.at
    new = (
        caller.id, caller.terminal, ready.matter, ready.guide_version, ready.outlet, ready.agency, ready.state,
        ready.risk_class, ready.materials, ready.promised_due_on, ready.legal_due_on, ready.due_on,
        ready.pooled, ready.core, ready.held_until is None, day_of(now),
    )  # fmt: skip
    kept = filing.shared if ready.files else desk.derived
    return kept.once(new, lambda: allowed(Case(cast(Application, ready), caller, desk, now)))


def _as_written(ready: Draft, written: Written) -> Draft:
    """Give what was written: another number where the first was taken."""
    return ready if written.number == ready.number else replace(ready, number=written.number)


def _unmade(filing: Filing, written: Written) -> Exception:
    """Say why a draft was not written whose key is free."""
    faults = [number_fault(written.why)] if written.why is not None else []
    faults += lost_faults(filing.wanted.materials, written.lost or ())
    if faults:
        return ContentInvalid(faults=faults)
    return LookupError("a key was taken by a row that is not there")


class Ground(NamedTuple):
    """What an application for a matter is held against, at an outlet and a moment."""

    outlet: OutletInfo
    guide: CompiledGuide
    held: Permission
    latest: date
    """By when what is promised must come."""
    fields: tuple[str, ...]
    """Of the form: by these it finds its agency."""


async def _prepare(counter: Counter, filing: Filing) -> Draft:
    """Check everything, and make the row; no statement but the one in a thousand for numbers."""
    desk, wanted = counter.desk, filing.wanted
    caller = filing.caller
    stands = caller.outlet, caller.teller, wanted.matter, day_of(filing.at)
    ground = desk.derived.once(stands, lambda: _ground(desk, filing))
    guide = ground.guide
    if wanted.guide_version not in (None, guide.version):
        raise GuideSuperseded(guide_version=guide.version)
    faults = content_faults(
        wanted,
        guide,
        outlet=ground.outlet.outlet,
        keys=desk.keys,
        at=filing.at,
        latest=ground.latest,
    )
    routed = _routed(desk, filing, ground, faults)
    if faults or routed.agency is None:
        raise ContentInvalid(faults=[*faults, *await _reservation(counter, filing, faults)])
    agency = routed.agency.code
    accept = wanted.accept and ground.held.lets(Delegation.D2) and not routed.pooled
    core = instant.core_for(counter.cores, guide, wanted, agency, ground.held) if accept else None
    return draft.make(
        filing, guide, desk, agency=agency, accept=accept, numbered=await _number(counter, filing),
        pooled=routed.pooled, core=core.name if core is not None else None,
    )  # fmt: skip


async def _number(counter: Counter, filing: Filing) -> str:
    outlet, day = filing.caller.outlet or "", day_of(filing.at)
    return filing.wanted.number or number(outlet, day, await counter.serials.take())


def _ground(desk: Desk, filing: Filing) -> Ground:
    outlet = desk.registry.outlet(filing.caller.outlet or "")
    guide = _guide(desk, filing.wanted, outlet.division, filing.at)
    held = may_hand_in(desk, filing.caller, guide, filing.at)
    latest = desk.calendar.workdays.after(day_of(filing.at), guide.guide.promised_limit.value)
    return Ground(outlet, guide, held, latest, rules.fields(desk.routing, guide))


def _routed(desk: Desk, filing: Filing, ground: Ground, faults: list[Fault]) -> Routed:
    """Find the agency of the first step, and add what is wrong with the places of any."""
    asked = map(filing.wanted.form.get, ground.fields)
    by = tuple(value if isinstance(value, str) else value is None for value in asked)
    goes = ground.guide, ground.outlet.county, by, day_of(filing.at)
    is_short = all(len(value) <= PLACE for value in by if isinstance(value, str))
    kept = desk.derived if is_short and not faults else filing.shared
    legs = kept.once(goes, lambda: _legs(desk, filing, ground))
    known = {fault.at for fault in faults}
    for leg in legs:
        if leg.fault is not None and leg.fault.at not in known:
            known.add(leg.fault.at)
            faults.append(leg.fault)
    return legs[0]


def _legs(desk: Desk, filing: Filing, ground: Ground) -> list[Routed]:
    """Find the agency of each step, or what is wrong with its place."""
    day, before, legs = day_of(filing.at), "", list[Routed]()
    for step in range(1, len(ground.guide.guide.steps) + 1):
        legs.append(rules.route(
            desk.routing, ground.guide, filing.wanted.form, ground.outlet.county, day, step=step,
            before=before,
        ))  # fmt: skip
        agency = legs[-1].agency
        before = agency.code if agency is not None else before
    return legs


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
    found = (await _all_earlier(counter, [filing])).get(filing.key)
    if isinstance(found, Exception):
        raise found
    return found
