"""The catalogue that a process holds, compiled."""

from collections.abc import Iterable
from datetime import date

from sqlmodel.ext.asyncio.session import AsyncSession

from matters import queries
from matters.compiled import CompiledGuide, compile_guide
from matters.errors import GuideNotFound, MatterNotFound
from matters.models import Matter

KIND = "matters"


class Catalogue:
    """Matters and their published guides."""

    def __init__(self) -> None:
        self.matters: dict[str, Matter] = {}
        self._versions: dict[str, dict[int, CompiledGuide]] = {}

    async def load(self, session: AsyncSession, since: int) -> None:
        """Read and compile what changed; what was there answers until the new is ready."""
        for matter in await queries.matters_since(session, since):
            self.matters[matter.base_code] = matter
        for row in await queries.versions_since(session, since):
            versions = dict(self._versions.get(row.base_code, {}))
            versions.pop(row.version, None)
            if row.state == "published":
                versions[row.version] = compile_guide(row)
            self._versions[row.base_code] = dict(sorted(versions.items()))

    def versions(self, matter: str) -> Iterable[CompiledGuide]:
        """List the published versions of a matter.

        Raises:
            MatterNotFound: there is no such matter.
        """
        if matter not in self.matters:
            raise MatterNotFound()
        return self._versions.get(matter, {}).values()

    def resolve(self, matter: str, division: str | None, day: date) -> CompiledGuide:
        """Give the guide of a matter for a place on a day.

        Local layers are merged here when there are any; today every place has the province's master.

        Raises:
            MatterNotFound: there is no such matter.
            GuideNotFound: none is in force on that day.
        """
        for compiled in self.versions(matter):
            if compiled.on(day):
                return compiled
        raise GuideNotFound()

    def version(self, matter: str, number: int) -> CompiledGuide | None:
        """Give a published version, in force or not: applications keep theirs for ever."""
        return self._versions.get(matter, {}).get(number)

    def in_force(self, day: date) -> list[CompiledGuide]:
        """List the guides in force on a day, in the order of codes."""
        found = (
            next((g for g in v.values() if g.on(day)), None)
            for _, v in sorted(self._versions.items())
        )
        return [guide for guide in found if guide is not None]
