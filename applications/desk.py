"""What handling an application needs at hand: everything that is held in memory, and the keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from agencies.memory import KIND as AGENCIES
from agencies.memory import AgenciesMemory
from divisions.memory import KIND as DIVISIONS
from divisions.memory import DivisionsMemory
from kit.crypto import KeyRing
from kit.generations import Derived, Memory
from kit.workdays import KIND as CALENDAR
from kit.workdays import WorkdaysMemory
from matters.compiled import CompiledGuide
from matters.memory import KIND as MATTERS
from matters.memory import Catalogue
from outlets.memory import KIND as OUTLETS
from outlets.memory import OutletInfo, RegistryMemory, TellerInfo
from routing.memory import KIND as ROUTING
from routing.memory import RoutingMemory
from routing.permissions import Permission, permission


@dataclass(frozen=True)
class Desk:
    """Memories of one process."""

    keys: KeyRing
    divisions: DivisionsMemory
    agencies: AgenciesMemory
    catalogue: Catalogue
    registry: RegistryMemory
    calendar: WorkdaysMemory
    routing: RoutingMemory
    derived: Derived
    """Worked out from these, and forgotten when any of them changes."""

    def permission(
        self, guide: CompiledGuide, outlet: OutletInfo, day: date, teller: TellerInfo | None = None
    ) -> Permission:
        """Tell what an outlet, and a teller at it, may do with a matter."""
        agreement = self.registry.agreement(outlet.agreement, day)
        return permission(guide, outlet, agreement, teller, day)


def make_desk(keys: KeyRing, *, shows: bool = True) -> tuple[Desk, Mapping[str, Memory]]:
    """Make the empty memories, and name which generation each follows.

    Who does not show outlets (`shows`) holds the half of each, by which the rules go.
    """
    divisions, agencies = DivisionsMemory(), AgenciesMemory()
    catalogue = Catalogue(divisions)
    registry, calendar = RegistryMemory(shows=shows), WorkdaysMemory()
    routing = RoutingMemory(divisions, agencies)
    desk = Desk(keys, divisions, agencies, catalogue, registry, calendar, routing, Derived())
    memories: dict[str, Memory] = {
        CALENDAR: calendar, DIVISIONS: divisions, AGENCIES: agencies, MATTERS: catalogue,
        OUTLETS: registry, ROUTING: routing,
    }  # fmt: skip
    return desk, {kind: desk.derived.after(memory) for kind, memory in memories.items()}
