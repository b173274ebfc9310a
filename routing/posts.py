"""Where a post is: the place, the agency and the bank whose people decide who is to hold it."""

from collections.abc import Mapping
from itertools import takewhile

from access.callers import area_of
from access.chain import Post
from access.policy import SCOPES, Role, Scope
from agencies.memory import AgenciesMemory
from divisions.memory import DivisionsMemory
from kit.clock import today
from outlets.memory import RegistryMemory

COUNTY = 3
"""Posts of divisions are of counties and above."""


def place(
    role: Role,
    scope: str,
    registry: RegistryMemory,
    agencies: AgenciesMemory,
    divisions: DivisionsMemory,
    parties: Mapping[str, list[str]],
) -> Post | None:
    """Find where a post is; None where the scope names nothing.

    `parties` are the divisions that a bank has agreements with: a bank's posts are of the smallest area
    that holds them all.
    """
    kind = SCOPES[role]
    if kind is Scope.OUTLET:
        return _at_outlet(role, scope, registry, agencies)
    if kind is Scope.BANK:
        known = scope in registry.banks
        return _at_bank(role, scope, agencies, parties.get(scope, [])) if known else None
    if kind is Scope.AGENCY:
        found = agencies.by_code.get(scope)
        return Post(role, scope, area_of(found.division), scope) if found else None
    division = divisions.find(scope, today())
    if division is None or division.code != scope or division.level > COUNTY:
        return None
    return Post(role, scope, area_of(scope), _agency_of(scope, agencies))


def _at_outlet(
    role: Role, scope: str, registry: RegistryMemory, agencies: AgenciesMemory
) -> Post | None:
    outlet = registry.outlets.get(scope)
    if outlet is None:
        return None
    agency = agencies.covering("county", outlet.county)
    return Post(role, scope, outlet.county, agency.code if agency else None, outlet.bank)


def _at_bank(role: Role, scope: str, agencies: AgenciesMemory, parties: list[str]) -> Post:
    digits = zip(*map(area_of, parties), strict=False)
    shared = "".join(d[0] for d in takewhile(lambda d: len(set(d)) == 1, digits))
    area = shared[: len(shared) // 2 * 2]
    return Post(role, scope, area, _agency_of(area.ljust(6, "0"), agencies), scope)


def _agency_of(division: str, agencies: AgenciesMemory) -> str | None:
    found = (code for code, agency in agencies.by_code.items() if agency.division == division)
    return next(found, None)
