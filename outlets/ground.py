"""Where outlets stand: a grid over their points, so that what is near is found without a look at all."""

from math import cos, floor, radians
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from kit.coordinates import Point

Rows: TypeAlias = NDArray[np.int64]

EARTH = 6_371_008.8
"""Metres: the mean radius of GRS 80, which CGCS2000 is laid on."""

DEGREE = EARTH * radians(1)

CELL = 0.02
"""Degrees: the side of a cell, two kilometres from south to north."""

LINE = 1 << 20
"""More than the cells of any line from west to east."""


class Ground:
    """Points as rows of latitude and longitude, NaN where they are unknown, in cells."""

    def __init__(self, points: NDArray[np.float64]) -> None:
        self._points = points
        known = np.flatnonzero(~np.isnan(points).any(1))
        cells = np.floor(points[known] / CELL).astype(np.int64) @ (LINE, 1)
        in_order = np.argsort(cells, kind="stable")
        self._rows, self._cells = known[in_order], cells[in_order]

    def round(self, point: Point, metres: float) -> Rows:
        """Give the rows of all that is within some metres of a point, and of what shares a cell with it."""
        high = metres / DEGREE * 1.001
        wide = high / max(cos(radians(min(abs(point.lat) + high, 89))), 0.01)
        south, west = _cell(point.lat - high), _cell(point.lng - wide)
        north, east = _cell(point.lat + high), _cell(point.lng + wide)
        lines = np.arange(south, north + 1) * LINE
        firsts, lasts = (np.searchsorted(self._cells, lines + end) for end in (west, east + 1))
        found = [self._rows[a:b] for a, b in zip(firsts.tolist(), lasts.tolist(), strict=True)]
        return np.concatenate(found)

    def metres(self, point: Point, rows: Rows) -> NDArray[np.float64]:
        """Give how far some rows are from a point."""
        return distances(point, self._points[rows])


def _cell(degrees: float) -> int:
    return floor(degrees / CELL)


def distances(point: Point, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the metres from a point to each of others, along the sphere (haversine)."""
    lat, lng = np.radians(points[:, 0]), np.radians(points[:, 1])
    here_lat, here_lng = radians(point.lat), radians(point.lng)
    half = np.sin((lat - here_lat) / 2) ** 2
    half += np.cos(lat) * cos(here_lat) * np.sin((lng - here_lng) / 2) ** 2
    found: NDArray[np.float64] = 2 * EARTH * np.arcsin(np.sqrt(np.minimum(half, 1)))
    return found
