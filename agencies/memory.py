"""The agencies that a process holds."""

from sqlmodel.ext.asyncio.session import AsyncSession

from agencies import queries
from agencies.models import Agency

KIND = "agencies"


class AgenciesMemory:
    """Agencies by code, and by what they cover."""

    def __init__(self) -> None:
        self.by_code: dict[str, Agency] = {}
        self._covering: dict[tuple[str, str], str] = {}

    async def load(self, session: AsyncSession, since: int) -> None:
        """Read all: there are a hundred."""
        self.by_code = {agency.code: agency for agency in await queries.agencies(session)}
        self._covering = {(c.level, c.county): c.agency for c in await queries.coverage(session)}

    def covering(self, level: str, county: str) -> Agency | None:
        """Find the agency of a level (province, city, county) that covers a county."""
        code = self._covering.get((level, county))
        return self.by_code.get(code) if code else None

    def name(self, code: str) -> str:
        """Name an agency."""
        found = self.by_code.get(code)
        return found.name if found else code
