"""A caller: someone whose token has been checked, with what he may do and where."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from access.policy import GRANTS, SCOPES, May, Role, Scope


class Held(NamedTuple):
    """A role that is held now, and where."""

    role: Role
    scope: str


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a permission holds. An application is reached by any of the three."""

    outlets: frozenset[str] = frozenset()
    agencies: frozenset[str] = frozenset()
    areas: tuple[str, ...] = ()
    """First digits of the agencies' codes: `33` a province, `3301` a city, `330106` a county."""
    banks: frozenset[str] = frozenset()
    """Of these it reaches outlets and posts, and no application."""

    def covers(self, *, outlet: str, agency: str) -> bool:
        """Tell whether an application of `outlet` at `agency` is within."""
        return outlet in self.outlets or agency in self.agencies or agency.startswith(self.areas)

    def misses(self, agency: str | None) -> bool:
        """Tell whether of an agency nothing is within: a list of it is empty, and nobody need look."""
        if agency is None or self.outlets:
            return False
        return not self.covers(outlet="", agency=agency)

    def covers_outlet(self, *, outlet: str, bank: str, division: str) -> bool:
        """Tell whether an outlet of the registry is within."""
        return outlet in self.outlets or bank in self.banks or division.startswith(self.areas)

    def __bool__(self) -> bool:
        return bool(self.outlets or self.agencies or self.areas)


NOWHERE = Reach()
NO_REACH: Mapping[May, Reach] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `id` is what separation of duties compares and what events record."""

    id: str
    role: str
    """The first role held: for records, not for decisions."""
    reaches: Mapping[May, Reach]
    terminal: str | None = None
    outlet: str | None = None
    teller: str | None = None
    withheld: frozenset[May] = frozenset()
    """What would hold if the caller had proved himself more strongly."""

    def may(self, permission: May) -> bool:
        """Tell whether the caller holds `permission` anywhere."""
        return permission in self.reaches

    def reach(self, permission: May) -> Reach:
        """Give where `permission` holds."""
        return self.reaches.get(permission, NOWHERE)


def area_of(division: str) -> str:
    """Give the leading digits that all codes within a division share; none where it is none."""
    return division.rstrip("0").ljust(
        len(division.rstrip("0")) + len(division.rstrip("0")) % 2, "0"
    )


def reaches_of(held: Iterable[Held]) -> Mapping[May, Reach]:
    """Work out, for each permission, where it holds."""
    found: dict[May, dict[Scope, set[str]]] = {}
    for role, scope in held:
        for permission in GRANTS[role]:
            found.setdefault(permission, {}).setdefault(SCOPES[role], set()).add(scope)
    return MappingProxyType({may: _reach(scopes) for may, scopes in found.items()})


def _reach(scopes: Mapping[Scope, set[str]]) -> Reach:
    return Reach(
        outlets=frozenset(scopes.get(Scope.OUTLET, ())),
        agencies=frozenset(scopes.get(Scope.AGENCY, ())),
        areas=tuple(sorted(filter(None, map(area_of, scopes.get(Scope.DIVISION, ()))))),
        banks=frozenset(scopes.get(Scope.BANK, ())),
    )


def person(
    subject: str, held: Iterable[Held], *, withheld: frozenset[Role] = frozenset()
) -> Caller:
    """Make the caller that a person's grants make, without those that ask for a stronger proof."""
    every = tuple(held)
    roles = tuple(post for post in every if post.role not in withheld)
    reaches = reaches_of(roles)
    return Caller(
        id=f"person:{subject}", role=roles[0].role if roles else "none", reaches=reaches,
        withheld=frozenset(m for p in every for m in GRANTS[p.role]) - frozenset(reaches),
    )  # fmt: skip


@lru_cache(maxsize=50_000)
def teller(terminal: str, outlet: str, code: str) -> Caller:
    """Make the caller that a teller at a terminal is; the same one at every call."""
    return Caller(
        id=f"teller:{code}",
        role=Role.TELLER,
        reaches=reaches_of([Held(Role.TELLER, outlet)]),
        terminal=terminal,
        outlet=outlet,
        teller=code,
    )
