"""What handling an application needs at hand: everything that is held in memory, and the keys."""

from dataclasses import dataclass
from datetime import date

from agencies.memory import AgenciesMemory
from divisions.memory import DivisionsMemory
from kit.crypto import KeyRing
from kit.workdays import WorkdaysMemory
from matters.compiled import CompiledGuide
from matters.memory import Catalogue
from outlets.memory import OutletInfo, RegistryMemory, TellerInfo
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

    def permission(
        self, guide: CompiledGuide, outlet: OutletInfo, day: date, teller: TellerInfo | None = None
    ) -> Permission:
        """Tell what an outlet, and a teller at it, may do with a matter."""
        agreement = self.registry.agreements.get(outlet.agreement or "")
        return permission(guide, outlet, agreement, teller, day)
