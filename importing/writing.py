"""Rows that were found good become outlets: set-wise, a batch in one short transaction."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple, TypeAlias

from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import area_of
from importing import queries
from judging.judge import Judge
from judging.register import Sought
from judging.rows import Row, parent_words
from kit.clock import now
from kit.crypto import KeyRing
from outlets import contacts, service
from outlets.memory import RegistryMemory
from outlets.models import Bank, Outlet, OutletProposal
from outlets.service import Deed

DERIVED = {"generation", "created_at", "version", "pinyin", "initials"}
"""Columns that the registry fills itself."""

NEW: Mapping[str, Any] = {
    **{
        name: (field.get_default(call_default_factory=True))
        for name, field in Outlet.model_fields.items()
        if name not in DERIVED and not field.is_required()
    },
    "kind": "bank_branch", "service_class": "basic", "status": "applied", "address": "",
}  # fmt: skip
"""An outlet of which nothing is said."""

OPEN_TO_BANKS = frozenset({"applied"})
"""States in which a bank changes its outlet by itself: nobody has agreed to anything yet."""


Change: TypeAlias = tuple[Row, Outlet]
"""A row, and the outlet that it would change."""


class Written(NamedTuple):
    """What a batch came to."""

    created: int = 0
    changed: int = 0
    proposed: int = 0


def wanted(rows: Iterable[Row]) -> Sought:
    """Collect by what the outlets of some rows, and their parents, are looked for."""
    sought = Sought(set(), set(), set())
    for row in rows:
        words = parent_words(row)
        sought.numbers.update((row.values.get("outlet", ""), *words[:1]))
        sought.cnaps.update((row.values.get("cnaps_code", ""), *words[:1]))
        sought.names.update((row.values.get("outlet_name", ""), row.outlet.get("name", ""), *words))
    for some in sought:
        some.discard("")
    return sought


async def write(
    session: AsyncSession,
    judge: Judge,
    rows: Sequence[Row],
    registry: RegistryMemory,
    keys: KeyRing,
    deed: Deed,
) -> Written:
    """Make or change the outlets of a batch. Rows that others overtook meanwhile are judged again.

    From here on to the end of the transaction nobody else writes the registry.
    """
    await service.hold(session)
    await _banks(session, rows, deed)
    there = await queries.registered(session, wanted(row for row in rows if not row.is_bad))
    for row in rows:
        if not row.is_bad:
            judge.again(row, there)
    good = [row for row in rows if not row.is_bad]
    fresh = [row for row in good if row.registered is None]
    made = await _numbered(session, fresh, registry, deed)
    waits, own = await _changes(session, judge, good)
    changed = [_whole(_row(old), row.outlet) for row, old in own]
    kept = await service.store(session, Outlet, [*made, *changed], deed)
    proposals = await _proposals(session, waits, deed)
    for outlet, fields, before in proposals:
        await service.propose(session, outlet, fields, deed, instead=before)
    created = {row["number"] for row in made} & {*kept}
    people = {row.number: row.contact for row in good if any(row.contact) and not row.is_bad}
    told = await contacts.keep(session, keys, people, deed.actor)
    return Written(len(created), len({*kept, *told} - created), len(proposals))


async def foresee(session: AsyncSession, judge: Judge, rows: Sequence[Row], deed: Deed) -> None:
    """Say of rows what else only their writing would tell: that another person's change waits."""
    waits, _ = await _changes(session, judge, [row for row in rows if not row.is_bad])
    await _proposals(session, waits, deed)


async def _changes(
    session: AsyncSession, judge: Judge, rows: Sequence[Row]
) -> tuple[list[Change], list[Change]]:
    """Give the rows that would change an outlet: those that need the authority's consent, and others."""
    known = {row.registered.number: row for row in rows if row.registered is not None}
    found = await queries.whole(session, [*known]) if known else {}
    waits: list[Change] = []
    own: list[Change] = []
    for number, row in known.items():
        row.number, old = number, found[number]
        waiting = judge.proposes and old.status not in OPEN_TO_BANKS
        (waits if waiting else own).append((row, old))
    return waits, own


async def _banks(session: AsyncSession, rows: Sequence[Row], deed: Deed) -> None:
    """Register banks that nobody knows, as proposed."""
    unknown = {
        row.outlet["bank"]: row for row in rows
        if not row.is_bad and any(found.fault == "bank_proposed" for found in row.findings)
    }  # fmt: skip
    known = {bank.code for bank in await queries.banks(session)} if unknown else set()
    fresh = [
        {
            "code": code, "name": row.values["bank"], "status": "proposed",
            "bank_class": (row.outlet["cnaps"] or "000")[:3], "proposed_by": deed.actor,
        }
        for code, row in unknown.items() if code not in known
    ]  # fmt: skip
    if fresh:
        await service.store(session, Bank, fresh, deed)


async def _numbered(
    session: AsyncSession, rows: Sequence[Row], registry: RegistryMemory, deed: Deed
) -> list[dict[str, Any]]:
    counts = Counter(row.outlet["division"][:6] for row in rows)
    numbers = {c: iter(n) for c, n in (await service.take_numbers(session, counts)).items()}
    agreements, made, at = _Agreements(registry, now().date()), [], now()
    for row in rows:
        row.number = next(numbers[row.outlet["division"][:6]])
        own = {
            "number": row.number, "proposed_by": deed.actor, "status_since": at,
            "agreement": agreements[row.outlet["bank"], row.outlet["division"][:6]],
        }  # fmt: skip
        made.append(_whole({**NEW, **own}, row.outlet))
    return made


class _Agreements(dict[tuple[str, str], str | None]):
    """The one agreement of a bank in force that covers a county; the nearest, where several do."""

    def __init__(self, registry: RegistryMemory, day: date) -> None:
        self._all = [one for one in registry.agreements.values() if one.on(day)]

    def __missing__(self, key: tuple[str, str]) -> str | None:
        bank, county = key
        found = [
            (len(area_of(one.division)), one.number)
            for one in self._all
            if one.bank == bank and county.startswith(area_of(one.division))
        ]
        self[key] = chosen = max(found, default=(0, None))[1]
        return chosen


def _row(outlet: Outlet) -> dict[str, Any]:
    return outlet.model_dump(exclude=DERIVED)


def _whole(base: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Lay what a row says over an outlet; what it leaves out stays."""
    return {**base, **said}


async def _proposals(
    session: AsyncSession, waits: Sequence[Change], deed: Deed
) -> list[tuple[Outlet, dict[str, Any], OutletProposal | None]]:
    """Give what is to be handed in to the authority, and in place of what; what waits there as it is stays."""
    there = await queries.pending(session, [outlet.number for _, outlet in waits]) if waits else {}
    found = []
    for row, outlet in waits:
        old = _row(outlet)
        fields = {n: v for n, v in row.outlet.items() if n in old and old[n] != v}
        before = there.get(outlet.number)
        if not fields or (before is not None and before.fields == fields):
            continue
        if before is not None and before.proposed_by != deed.actor:
            row.say("change_waits", "")  # Another person's is not thrown away.
        else:
            found.append((outlet, fields, before))
    return found
