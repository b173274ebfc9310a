"""The catalogue that a process holds: versions compiled, layers beside them, results shared.

A place without a layer has the master's own bytes. Where layers lie over it, the result is made when it
is first asked for and kept among the last some hundred, one for all places that share the same layers:
200 matters in 1,467 places are as many results as there are different ones, and no more than the limit.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from typing import Any, Generic, NamedTuple, TypeVar

import orjson
import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from divisions.memory import DivisionsMemory
from kit.clock import today
from kit.db import read_as_of_now
from matters import queries
from matters.compiled import MASTER, CompiledGuide, compile_guide, lay_over
from matters.errors import GuideNotFound, MatterNotFound
from matters.models import Matter

log = structlog.get_logger()

KIND = "matters"
V = TypeVar("V")

OURS = MASTER[:2]
"""First digits of the places for which the province publishes."""

LAID, PAST = 800, 100
"""How many results of layers, and of versions that are no longer in force, are kept ready."""


class Recent(Generic[V]):
    """What was asked for last."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: OrderedDict[Hashable, V] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """Give what is held under a key; make it where there is none."""
        found = self._held.get(key)
        if found is None:
            found = self._held[key] = make()
            if len(self._held) > self._size:
                self._held.popitem(last=False)
        else:
            self._held.move_to_end(key)
        return found


class HeldVersion(NamedTuple):
    """A published or withdrawn version as a process keeps it for ever: small, and unpacked when asked for."""

    base_code: str
    version: int
    effective_from: date
    effective_to: date | None
    state: str
    packed: bytes

    @property
    def key(self) -> tuple[str, int]:
        """Its matter and number."""
        return self.base_code, self.version

    @property
    def is_past(self) -> bool:
        """Whether its time is over."""
        return self.effective_to is not None and self.effective_to <= today()

    @property
    def content(self) -> dict[str, Any]:
        """Unpack the guide."""
        return queries.unpacked(self.packed)

    def on(self, day: date) -> bool:
        """Tell whether it is in force on `day`. A withdrawn one was, until it was withdrawn."""
        return self.effective_from <= day and (self.effective_to is None or day < self.effective_to)


class HeldLayer(NamedTuple):
    """A published or withdrawn layer."""

    division: str
    version: int
    effective_from: date
    effective_to: date | None
    state: str
    content: Mapping[str, Any]

    def on(self, day: date) -> bool:
        """Tell whether it is in force on `day`."""
        return self.effective_from <= day and (self.effective_to is None or day < self.effective_to)

    def was_on(self, day: date) -> bool:
        """Tell whether it was in force at some time of `day`, also if it was withdrawn on it."""
        is_its_last = self.state == "withdrawn" and day == self.effective_to
        return self.on(day) or (is_its_last and self.effective_from <= day)


Layers = Mapping[str, Sequence[HeldLayer]]
"""By division, the newest first."""


@dataclass
class Shelf:
    """Everything that was read of the catalogue, as of one moment."""

    matters: dict[str, Matter] = field(default_factory=dict)
    generation: int = 0
    """Of the newest row that was read."""

    versions: dict[str, Sequence[HeldVersion]] = field(default_factory=dict)
    layers: dict[str, Layers] = field(default_factory=dict)
    ready: dict[tuple[str, int], CompiledGuide | None] = field(default_factory=dict)
    """Versions that were compiled; None: it can't be used."""
    stamps: dict[str, dict[str, int]] = field(default_factory=dict)
    """Matter and division to the generation in which it was last changed there."""

    contents: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Contents of layers by their text: what places say alike of many matters is held once."""

    def copy(self) -> "Shelf":
        """Begin a shelf with what is on this one; what is put on it does not show here."""
        stamps = {matter: dict(of) for matter, of in self.stamps.items()}
        return Shelf(
            dict(self.matters), self.generation, dict(self.versions), dict(self.layers),
            dict(self.ready), stamps, self.contents,
        )  # fmt: skip

    def take_matter(self, matter: Matter) -> None:
        """Put a matter on the shelf."""
        self.matters[matter.base_code] = matter
        self.generation = max(self.generation, matter.generation)

    def take_version(self, row: queries.VersionRow, packed: bytes, *, is_change: bool) -> None:
        """Put a version on the shelf. A change that can't be used leaves what was there where it was."""
        held = HeldVersion(*row[:5], packed)
        made = _made(held) if is_change and not held.is_past else None
        if is_change and made is None and not held.is_past:
            return
        others = [v for v in self.versions.get(row.base_code, ()) if v.version != row.version]
        self.versions[row.base_code] = sorted([held, *others], key=_newest)
        self.ready.pop(held.key, None)
        if made is not None:
            self.ready[held.key] = made
        self._stamp(row.base_code, MASTER, row.generation)

    def compiled(self, held: HeldVersion) -> CompiledGuide | None:
        """Give a version that is or will be in force; it is compiled when first asked for."""
        if held.key not in self.ready:
            self.ready[held.key] = _made(held)
        return self.ready[held.key]

    def take_layers(self, rows: Iterable[queries.LayerRow]) -> None:
        """Put layers on the shelf. What a place says alike of many matters is one object."""
        changed: dict[str, dict[str, Sequence[HeldLayer]]] = {}
        for row in rows:
            held = HeldLayer(*row[:5], self._content(row.content))
            alone = (held,)
            for matter, generation in zip(row.matters, row.generations, strict=True):
                if (layers := changed.get(matter)) is None:
                    layers = changed[matter] = dict(self.layers.get(matter, {}))
                known = layers.get(row.division)
                layers[row.division] = alone if known is None else _among(held, known)
                self._stamp(matter, row.division, generation)
        self.layers.update(changed)

    def _content(self, text: str) -> Mapping[str, Any]:
        found = self.contents.get(text)
        if found is None:
            found = self.contents[text] = orjson.loads(text)
        return found

    def _stamp(self, matter: str, division: str, generation: int) -> None:
        if (stamps := self.stamps.get(matter)) is None:
            stamps = self.stamps[matter] = {}
        if generation > stamps.get(division, 0):  # `max` takes as long as all the rest.
            stamps[division] = generation
        if generation > self.generation:
            self.generation = generation


class Catalogue:
    """Matters, the versions of their guides, and the layers of places."""

    def __init__(self, divisions: DivisionsMemory) -> None:
        self._divisions = divisions
        self._shelf = Shelf()
        self._laid: Recent[CompiledGuide] = Recent(LAID)
        self._past: Recent[CompiledGuide] = Recent(PAST)

    async def load(self, session: AsyncSession, since: int) -> None:
        """Read and compile what changed, beside what answers meanwhile; then take it all at once.

        Nobody sees half of a publication: not a matter between its version of yesterday and that of
        today, nor a generation some rows of which are still to come.
        """
        await read_as_of_now(session)
        fresh = self._shelf.copy() if since else Shelf()
        for matter in await queries.matters_since(session, since):
            fresh.take_matter(matter)
        async for row, packed in _versions(session, since):
            fresh.take_version(row, packed, is_change=since > 0)
            await asyncio.sleep(0)  # To compile takes a millisecond or two: calls go between.
        fresh.take_layers(await queries.layers_since(session, since))
        self._shelf = fresh

    @property
    def matters(self) -> Mapping[str, Matter]:
        """Matters by their base code."""
        return self._shelf.matters

    @property
    def generation(self) -> int:
        """Generation of the newest row that is held."""
        return self._shelf.generation

    def versions(self, matter: str) -> list[HeldVersion]:
        """List the versions of a matter that are or were published, by their numbers.

        Raises:
            MatterNotFound: there is no such matter.
        """
        if matter not in self.matters:
            raise MatterNotFound()
        return sorted(self._shelf.versions.get(matter, ()), key=lambda held: held.version)

    def look_up(self, matter: str, division: str | None, day: date) -> CompiledGuide:
        """Give the guide of a matter for who names a place: one that is there.

        Raises:
            MatterNotFound, GuideNotFound: as `resolve` does.
            DivisionNotFound, DivisionAbolished: there is no such place on that day.
        """
        found = self.resolve(matter, division, day)
        if division is not None and not self._divisions.get(division, day).code.startswith(OURS):
            raise GuideNotFound()
        return found

    def resolve(self, matter: str, division: str | None, day: date) -> CompiledGuide:
        """Give the guide of a matter for a place on a day: the master, and over it the place's layers.

        Raises:
            MatterNotFound: there is no such matter.
            GuideNotFound: none is in force on that day.
        """
        master = self._master(matter, day)
        if master is None:
            raise GuideNotFound() if matter in self.matters else MatterNotFound()
        layers = self._shelf.layers.get(matter)
        if layers is None or division is None:
            return master
        return self._over(master, self._in_line(layers, division, day))

    def _master(self, matter: str, day: date) -> CompiledGuide | None:
        for held in self._shelf.versions.get(matter, ()):
            if held.on(day) and (found := self._compiled(held)) is not None:
                return found
        return None

    def _compiled(self, held: HeldVersion) -> CompiledGuide | None:
        if held.key not in self._shelf.ready and held.is_past:
            key = (*held.key, held.effective_to)
            return self._past.get(key, lambda: compile_guide(held))
        return self._shelf.compiled(held)

    async def make_ready(self) -> None:
        """Compile what was read at the start and nobody has asked for yet, while calls go between."""
        shelf = self._shelf  # One that is put in its place meanwhile has newer rows.
        for held in chain.from_iterable(shelf.versions.values()):
            if not held.is_past:
                shelf.compiled(held)
                await asyncio.sleep(0)

    def _in_line(
        self,
        layers: Layers,
        division: str,
        day: date,
        is_on: Callable[[HeldLayer, date], bool] = HeldLayer.on,
    ) -> list[HeldLayer]:
        """Find the layers in force over a place, from the province down."""
        line = self._divisions.line(division, day)
        found = (next((one for one in layers.get(d, ()) if is_on(one, day)), None) for d in line)
        return [one for one in found if one is not None]

    def _over(self, master: CompiledGuide, layers: list[HeldLayer]) -> CompiledGuide:
        if not layers:
            return master
        key = (master.matter, master.etag, *((one.division, one.version) for one in layers))
        return self._laid.get(
            key, lambda: lay_over(master, ((one.division, one.content) for one in layers))
        )

    def version(
        self, matter: str, number: int, division: str | None = None, day: date | None = None
    ) -> CompiledGuide | None:
        """Give a published version, in force or not: applications keep theirs for ever.

        With a place and a day it has the layers that lay over it there and then: who was promised less
        in the morning keeps it, though it was withdrawn at noon.
        """
        held = next((v for v in self._shelf.versions.get(matter, ()) if v.version == number), None)
        master = self._compiled(held) if held is not None else None
        layers = self._shelf.layers.get(matter)
        if master is None or layers is None or division is None or day is None:
            return master
        over = self._in_line(layers, division, day, HeldLayer.was_on)
        return self._over(master, over)

    def in_force(self, day: date) -> list[CompiledGuide]:
        """List the guides in force on a day, in the order of codes."""
        found = (self._master(matter, day) for matter in sorted(self._shelf.versions))
        return [guide for guide in found if guide is not None]

    def layers(self, day: date) -> Iterable[tuple[CompiledGuide, HeldLayer]]:
        """Walk the layers in force on a day, with the masters under them, by matter and division."""
        for matter, layers in sorted(self._shelf.layers.items()):
            master = self._master(matter, day)
            for _, held in sorted(layers.items()) if master is not None else ():
                found = next((one for one in held if one.on(day)), None)
                if found is not None and master is not None:
                    yield master, found

    def has_layer(self, matter: str, division: str, day: date) -> bool:
        """Tell whether a place itself has a layer of a matter on a day."""
        return any(one.on(day) for one in self._shelf.layers.get(matter, {}).get(division, ()))

    def changed_since(self, matter: str, division: str, generation: int) -> bool:
        """Tell whether anything of a matter that concerns a place was published or withdrawn since."""
        stamps = self._shelf.stamps.get(matter, {})
        line = self._divisions.line(division, today())
        return any(stamps.get(code, 0) > generation for code in (MASTER, *line))

    def begins(self, matter: str, division: str, day: date) -> list[date]:
        """List the days, `day` first, from which on a place has another guide of a matter."""
        layers, line = self._shelf.layers.get(matter, {}), self._divisions.line(division, day)
        days: set[date | None] = set()
        for held in self._shelf.versions.get(matter, ()):
            days |= {held.effective_from, held.effective_to}
        for one in (one for code in line for one in layers.get(code, ())):
            days |= {one.effective_from, one.effective_to}
        return [day, *sorted(turn for turn in days if turn is not None and turn > day)]


async def _versions(
    session: AsyncSession, since: int
) -> AsyncIterator[tuple[queries.VersionRow, bytes]]:
    """Read versions, each with its guide packed; those that are not are packed in a thread meanwhile."""
    rows = await queries.versions_since(session, since, ("", 0))
    while rows:
        packing = asyncio.create_task(asyncio.to_thread(_pack, rows))
        after = (rows[-1].base_code, rows[-1].version)
        further = await queries.versions_since(session, since, after)
        for pair in zip(rows, await packing, strict=True):
            yield pair
        rows = further


def _pack(rows: Sequence[queries.VersionRow]) -> list[bytes]:
    return [row.packed or queries.packed(row.content or "") for row in rows]


def _made(held: HeldVersion) -> CompiledGuide | None:
    """Compile a version. One that can't be used is told: it must not keep all others from being read."""
    try:
        return compile_guide(held)
    except Exception as error:
        kind = type(error).__name__
        log.error("guide_unusable", matter=held.base_code, version=held.version, error=kind)
        return None


def _among(held: HeldLayer, known: Sequence[HeldLayer]) -> list[HeldLayer]:
    """Put a layer in its place among those of its place."""
    return sorted([held, *(one for one in known if one.version != held.version)], key=_newest)


def _newest(held: HeldVersion | HeldLayer) -> tuple[bool, int]:
    """Order what is published before what is withdrawn, and the newer before the older."""
    return held.state != "published", -held.version
