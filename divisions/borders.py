"""Borders of counties: in which one does a point lie? Only of the province whose borders we have."""

import json
from functools import cache, lru_cache
from math import floor
from pathlib import Path

from shapely import STRtree, box, contains_xy, prepare
from shapely.geometry import Point as Shape
from shapely.geometry import shape

from kit.coordinates import Point

FILE = Path(__file__).parent.parent / "data" / "geo" / "zhejiang_counties.geojson"

TOLERANCE = 0.005
"""Degrees, half a kilometre: borders are generalised, and a point near one may fall beside it."""

CELL = 0.01
"""Degrees: the side of the cells of which it is known that they lie in a county; a kilometre."""

CELLS = 20_000
"""Of which it is kept whether they do."""

AT_SEA = 0.15
"""Degrees: islands that the map leaves out lie this far from their county's shore."""

COASTAL = frozenset({
    "330206", "330211", "330212", "330225", "330226", "330282", "330303", "330305", "330326", "330327",
    "330381", "330382", "330383", "330424", "330482", "330481", "330604", "330902", "330903", "330921",
    "330922", "331002", "331004", "331022", "331081", "331082", "331083",
})  # fmt: skip
"""Counties with a shore."""


class Borders:
    """Counties as shapes, found by a tree."""

    def __init__(self, path: Path) -> None:
        features = json.loads(path.read_text(encoding="utf-8"))["features"]
        self._codes = [str(feature["properties"]["code"]) for feature in features]
        self._shapes = [shape(feature["geometry"]) for feature in features]
        self._by_code = dict(zip(self._codes, self._shapes, strict=True))
        self._tree = STRtree(self._shapes)
        prepare(self._shapes)
        self._is_inner = lru_cache(CELLS)(self._holds_cell)

    def county(self, point: Point) -> str | None:
        """Name the county in which a point lies; None beyond all borders that we have."""
        found = self._tree.query(Shape(point.lng, point.lat), predicate="intersects")
        return self._codes[found[0]] if len(found) else None

    def _holds_cell(self, county: str, west: int, south: int) -> bool:
        """Tell whether a whole cell lies in a county: of its points nothing more is asked."""
        cell = box(west * CELL, south * CELL, (west + 1) * CELL, (south + 1) * CELL)
        return bool(self._by_code[county].contains(cell))

    def holds(self, county: str, point: Point) -> bool | None:
        """Tell whether a point lies in a county, or so near that it may; None: we have no borders of it."""
        mine = self._by_code.get(county)
        if mine is None:
            return None
        if self._is_inner(county, floor(point.lng / CELL), floor(point.lat / CELL)):
            return True
        if contains_xy(mine, point.lng, point.lat):
            return True
        away = mine.distance(Shape(point.lng, point.lat))
        nobodys = county in COASTAL and self.county(point) is None
        return bool(away <= (AT_SEA if nobodys else TOLERANCE))


@cache
def borders() -> Borders:
    """Give the borders that ship; read once, when first asked for."""
    return Borders(FILE)
