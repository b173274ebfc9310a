"""The rules of routing that a process holds, and the places and agencies that they speak of."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import area_of
from agencies.memory import AgenciesMemory
from divisions.memory import DivisionsMemory, Place
from routing import queries
from routing.models import RoutingRule

KIND = "routing"
EVERY, ANYWHERE = "*", "*"


class Rule(NamedTuple):
    """A rule, ready to be asked."""

    rule: str
    position: int
    matter: str
    step: int
    basis: str
    field: str
    area: str
    digits: str
    """First digits of the codes in the area; none for anywhere."""
    decided_by: str
    valid_from: date
    valid_to: date | None
    source: str

    def on(self, day: date) -> bool:
        """Tell whether it is in force on `day`."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)

    def holds_at(self, place: Place | None, county: Place | None) -> bool:
        """Tell whether a place lies where the rule holds."""
        if self.area == ANYWHERE:
            return True
        codes = [one.code for one in (place, county) if one is not None]
        return any(code.startswith(self.digits) for code in codes)


def made(row: RoutingRule) -> Rule:
    """Make a rule of its row."""
    digits = row.area if len(row.area) > len("330106") else area_of(row.area)
    return Rule(
        row.rule, row.position, row.matter, row.step, row.basis, row.field, row.area,
        "" if row.area == ANYWHERE else digits, row.decided_by, row.valid_from, row.valid_to, row.source,
    )  # fmt: skip


class RoutingMemory:
    """Rules by matter and step, each list in the order in which its rules are looked at."""

    def __init__(self, divisions: DivisionsMemory, agencies: AgenciesMemory) -> None:
        self.divisions, self.agencies = divisions, agencies
        self.all: tuple[Rule, ...] = ()
        self._of: dict[tuple[str, int], tuple[Rule, ...]] = {}

    async def load(self, session: AsyncSession, since: int) -> None:
        """Read all: there are few."""
        self.take(await queries.rules(session))

    def take(self, rows: Sequence[RoutingRule]) -> None:
        """Hold these rules, and no others."""
        self.all, self._of = tuple(made(row) for row in rows), {}

    def rules(self, matter: str, step: int) -> tuple[Rule, ...]:
        """List the rules that may speak of a step."""
        found = self._of.get((matter, step))
        if found is None:
            found = self._of[matter, step] = tuple(
                rule for rule in self.all
                if rule.matter in (EVERY, matter) and rule.step in (0, step)
            )  # fmt: skip
        return found
