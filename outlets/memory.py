"""The registry that a process holds."""

import uuid
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from sys import intern
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlmodel.ext.asyncio.session import AsyncSession

from kit.db import read_as_of_now
from outlets import queries
from outlets.errors import OutletNotFound
from outlets.models import Agreement, Bank, Teller, Terminal

KIND = "outlets"
NONE: frozenset[str] = frozenset()


class OutletInfo(NamedTuple):
    """An outlet as processes hold it: a row of the ORM takes ten times the room."""

    outlet: str
    name: str
    bank: str
    agreement: str | None
    kind: str
    service_class: str
    status: str
    division: str
    address: str
    lat: float | None
    lng: float | None
    phone: str
    hours: str
    windows: int
    cnaps: str | None
    parent: str | None
    is_sample: bool
    version: int
    allowed: frozenset[str] | None = None
    """Matters that it keeps to; None: all of its agreement."""
    denied: frozenset[str] = frozenset()
    pinyin: str = ""
    """Blanks between syllables."""
    opening: str = ""
    """`schemas.hours.Opening` as JSON; empty: not known."""

    @property
    def county(self) -> str:
        """The county's code: a township's code begins with it."""
        return self.division[:6]


class TerminalInfo(NamedTuple):
    """A terminal as processes hold it."""

    id: str
    outlet: str
    status: str
    public_jwk: dict[str, Any]
    former_jwk: dict[str, Any] | None = None
    former_until: datetime | None = None
    tokens_from: float = 0.0
    """Tokens issued before it hold no more; seconds since 1970."""

    def keys(self, at: datetime) -> list[dict[str, Any]]:
        """Give the keys by which it may prove itself."""
        former, until = self.former_jwk, self.former_until
        overlapping = former is not None and until is not None and at < until
        return [self.public_jwk, former] if overlapping and former else [self.public_jwk]


class TellerInfo(NamedTuple):
    """A teller as processes hold it."""

    code: str
    outlet: str
    status: str
    qualified_until: date | None


class AgreementInfo(NamedTuple):
    """An agreement as processes hold it."""

    number: str
    valid_from: date
    valid_to: date
    ended_on: date | None
    matters: frozenset[str] | None
    max_delegation: str
    delegations: Mapping[str, str] = MappingProxyType({})
    """Matters of which less is entrusted."""
    bank: str = ""
    division: str = ""

    def on(self, day: date) -> bool:
        """Tell whether it is in force on `day`."""
        ended = self.ended_on is not None and day >= self.ended_on
        return self.valid_from <= day <= self.valid_to and not ended

    def is_past(self, day: date) -> bool:
        """Tell whether its last day has gone by on `day`."""
        return day > self.valid_to or (self.ended_on is not None and day >= self.ended_on)


class RegistryMemory:
    """Banks, agreements, outlets, terminals and tellers by their keys."""

    def __init__(self, *, shows: bool = True) -> None:
        """`shows`: whether of outlets that is held, too, which is only shown and looked for."""
        self._instead = {} if shows else queries.TO_SHOW
        self.banks: dict[str, str] = {}
        self.agreements: dict[str, AgreementInfo] = {}
        self.outlets: dict[str, OutletInfo] = {}
        self.terminals: dict[str, TerminalInfo] = {}
        self.tellers: dict[str, TellerInfo] = {}
        self.successors: dict[str, str] = {}
        """Agreements by the one that takes their place."""
        self.changed: dict[str, OutletInfo] | None = None
        """Outlets read since whoever finds among them took them; None: nobody does."""

    async def load(self, session: AsyncSession, since: int) -> None:
        """Read what changed. All of it takes a busy machine longer than a writer may last."""
        await read_as_of_now(session)
        for bank in await queries.since(session, Bank, since):
            self.banks[bank.code] = bank.name
        for agreement in await queries.since(session, Agreement, since):
            self.agreements[agreement.number] = agreement_info(agreement)
            if agreement.replaces is not None:
                self.successors[agreement.replaces] = agreement.number
        async for outlet in queries.outlets_since(session, since, self._instead):
            self._hold(_outlet(outlet))
        for terminal in await queries.since(session, Terminal, since):
            self.terminals[str(terminal.id)] = _terminal(terminal)
        for teller in await queries.since(session, Teller, since):
            self.tellers[teller.code] = TellerInfo(
                teller.code, teller.outlet, teller.status, teller.qualified_until
            )
        session.expunge_all()

    def _hold(self, found: OutletInfo) -> None:
        self.outlets[found.outlet] = found
        if self.changed is not None:
            self.changed[found.outlet] = found

    def outlet(self, number: str) -> OutletInfo:
        """Find an outlet.

        Raises:
            OutletNotFound: there is none of this number.
        """
        try:
            return self.outlets[number]
        except KeyError:
            raise OutletNotFound() from None

    def agreement(self, number: str | None, day: date) -> AgreementInfo | None:
        """Find the agreement of an outlet on a day: its own, or where that is over the one in its place.

        One that is renewed takes its outlets along: nobody has to change each of them.
        """
        seen: set[str] = set()
        found = self.agreements.get(number or "")
        while found is not None and found.is_past(day) and found.number not in seen:
            seen.add(found.number)
            following = self.agreements.get(self.successors.get(found.number, ""))
            if following is None or not following.valid_from <= day:
                break
            found = following
        return found

    def is_over(self, agreement: AgreementInfo, day: date) -> bool:
        """Tell whether an agreement is over on `day`, and what took its place too."""
        if not agreement.is_past(day):
            return False
        last = self.agreement(agreement.number, day)
        return last is None or last.is_past(day)

    def terminal(self, id_: str) -> TerminalInfo | None:
        """Find a terminal by its id, in any spelling of a UUID."""
        known = self.terminals.get(id_)
        if known is not None:
            return known
        try:
            return self.terminals.get(str(uuid.UUID(id_)))
        except ValueError:
            return None


def _terminal(row: Terminal) -> TerminalInfo:
    return TerminalInfo(
        str(row.id), row.outlet, row.status, row.public_jwk, row.former_jwk, row.former_until,
        row.tokens_from.timestamp() if row.tokens_from else 0.0,
    )  # fmt: skip


def agreement_info(row: Agreement) -> AgreementInfo:
    """Give an agreement as processes hold it."""
    matters = None if row.matters is None else frozenset(row.matters)
    return AgreementInfo(
        row.number, row.valid_from, row.valid_to, row.ended_on, matters, row.max_delegation,
        row.delegations, row.bank, row.division,
    )  # fmt: skip


def _outlet(row: Any) -> OutletInfo:
    """Give an outlet as processes hold it: what many say alike is held once, which halves what one takes.

    `row` has the columns of `queries.HELD` in their order, and the opening hours.
    """
    (
        number, name, bank, agreement, kind, class_, status, division, address, lat, lng, phone, hours_,
        windows, cnaps, parent, is_sample, version, pinyin, allowed, denied, opening,
    ) = row  # fmt: skip
    return OutletInfo(
        number, name, intern(bank), None if agreement is None else intern(agreement), intern(kind),
        intern(class_), intern(status), intern(division), address, lat, lng, intern(phone),
        intern(hours_), windows, cnaps, parent, is_sample, version,
        None if allowed is None else _codes(tuple(allowed)),
        _codes(tuple(denied)) if denied else NONE,
        pinyin, intern(opening or ""),
    )  # fmt: skip


@lru_cache(maxsize=10_000)
def _codes(codes: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(intern, codes))
