"""Which core system serves which matter of which agency: data of the settings."""

from collections.abc import Iterable

from connectors.client import Core, HttpCore
from kit.settings import CoreSystem


class Cores:
    """All cores that a process may ask. Where none serves, a reviewer decides."""

    def __init__(
        self, systems: Iterable[CoreSystem] = (), cores: Iterable[HttpCore] | None = None
    ) -> None:
        known = list(systems)
        made = list(cores) if cores is not None else [HttpCore(system) for system in known]
        self._made = {core.name: core for core in made}
        self._areas = {system.name: sorted(system.agencies)[0] for system in known}
        self._serving: dict[str, list[tuple[str, Core]]] = {}
        for system in known:
            for matter in system.matters:
                areas = (
                    (agency.rstrip("0"), self._made[system.name]) for agency in system.agencies
                )
                self._serving.setdefault(matter, []).extend(areas)
        for found in self._serving.values():
            found.sort(key=lambda one: -len(one[0]))  # The nearest first.

    @property
    def names(self) -> list[str]:
        """Cores there are."""
        return sorted(self._made)

    def of(self, agency: str, matter: str) -> Core | None:
        """Give the core by which an agency completes a matter."""
        for area, core in self._serving.get(matter, ()):
            if agency.startswith(area):
                return core
        return None

    def named(self, name: str) -> Core:
        """Give a core by its name."""
        return self._made[name]

    def area(self, name: str) -> str:
        """Give the area whose agencies a core serves."""
        return self._areas[name]

    async def close(self) -> None:
        """Let all connections go."""
        for core in self._made.values():
            await core.close()
