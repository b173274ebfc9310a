"""What is registered already, as far as the rows of a batch name it: the outlet itself, and its parent."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from access.callers import area_of

BRANCH = "bank_branch"


class Registered(NamedTuple):
    """An outlet that is there, as far as rows are held against it."""

    number: str
    name: str
    bank: str
    division: str
    status: str
    kind: str
    cnaps: str | None = None
    parent: str | None = None
    village: str | None = None
    lat: float | None = None
    lng: float | None = None
    phone: str = ""
    licence: str | None = None
    allowed: Sequence[str] | None = None
    address: str = ""
    hours: str = ""
    service_class: str = ""
    windows: int = 1

    @property
    def has_left(self) -> bool:
        """Whether it is no more."""
        return self.status == "exited"

    def says(self, name: str, value: Any) -> bool:
        """Tell whether a column is so already."""
        if name == "allowed" and self.allowed is not None and value is not None:
            return bool(sorted(self.allowed) == value)
        return bool(getattr(self, name, UNKNOWN) == value)


UNKNOWN = object()


class Sought(NamedTuple):
    """By what outlets are looked for: our numbers, those of CNAPS, names."""

    numbers: set[str]
    cnaps: set[str]
    names: set[str]


class Register:
    """Outlets that are there."""

    def __init__(self, found: Iterable[Registered] = ()) -> None:
        self._numbers = {one.number: one for one in found}
        self._cnaps: dict[str, list[Registered]] = defaultdict(list)
        self._names: dict[tuple[str, str], list[Registered]] = defaultdict(list)
        for _, one in sorted(self._numbers.items()):
            if one.has_left:
                continue  # It gives its name and its number free.
            self._names[one.bank, one.name].append(one)
            if one.cnaps:
                self._cnaps[one.cnaps].append(one)

    def numbered(self, number: str) -> Registered | None:
        """Find an outlet by our number."""
        return self._numbers.get(number)

    def named(self, bank: str, name: str) -> Sequence[Registered]:
        """List the outlets of a bank that are called so."""
        return self._names.get((bank, name), ())

    def same(self, outlet: Mapping[str, Any]) -> Registered | None:
        """Find the outlet that a row is about: by its CNAPS number, else by bank, name and place.

        A number may be shared; a name is one outlet's in one place only, and where only the county was known
        the township may be told now.
        """
        bank, name = outlet["bank"], outlet["name"]
        if outlet["cnaps"]:
            found = self._cnaps.get(outlet["cnaps"], [])
            own = [one for one in found if (one.bank, one.name) == (bank, name)]
            return next(iter(own or found), None)
        place = outlet["division"]
        found = [one for one in self.named(bank, name) if place.startswith(_area(one.division))]
        return max(found, key=lambda one: len(one.division), default=None)

    def parents(self, said: Sequence[str], bank: str, county: str) -> list[Registered]:
        """List what may be meant by a parent: an outlet of our number, else the bank's of the county.

        Branches before others: a point may have the name of its branch.
        """
        numbered = self._numbers.get(said[0])
        if numbered is not None:
            return [numbered]
        found = {
            one.number: one
            for word in said
            for one in (*self._cnaps.get(word, ()), *self.named(bank, word))
            if one.bank == bank and one.division[:6] == county
        }
        return [one for one in found.values() if one.kind == BRANCH] or [*found.values()]


def _area(division: str) -> str:
    return area_of(division) if len(division) == 6 else division
