"""Points of Chinese web maps turned into CGCS2000, which for any use here is WGS 84.

Web maps in China shift points: GCJ-02 by up to half a kilometre, BD-09 some further. The shift is a published
function of the place without a published inverse, so it is undone by trying until it comes out right.
"""

from collections.abc import Callable, Mapping
from math import atan2, cos, hypot, pi, sin, sqrt
from types import MappingProxyType
from typing import NamedTuple

AXIS, FLATNESS = 6378245.0, 0.00669342162296594323
"""Krasovsky's ellipsoid, on which the shift is reckoned."""

BD_TURN = pi * 3000 / 180
CLOSE = 1e-9
"""Degrees; a tenth of a millimetre."""

TRIES = 30


class Point(NamedTuple):
    """A place in degrees."""

    lat: float
    lng: float


Turn = Callable[[Point], Point]


def in_china(point: Point) -> bool:
    """Tell whether a point lies in the box round China; beyond it no point is shifted."""
    return 3.5 <= point.lat <= 54.0 and 73.0 <= point.lng <= 136.0


def looks_swapped(point: Point) -> bool:
    """Tell whether a point would lie in China if its latitude were the longitude."""
    return not in_china(point) and in_china(Point(point.lng, point.lat))


def _shift_lat(x: float, y: float) -> float:
    return (
        -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x))
        + (20 * sin(6 * x * pi) + 20 * sin(2 * x * pi)) * 2 / 3
        + (20 * sin(y * pi) + 40 * sin(y / 3 * pi)) * 2 / 3
        + (160 * sin(y / 12 * pi) + 320 * sin(y * pi / 30)) * 2 / 3
    )  # fmt: skip


def _shift_lng(x: float, y: float) -> float:
    return (
        300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x))
        + (20 * sin(6 * x * pi) + 20 * sin(2 * x * pi)) * 2 / 3
        + (20 * sin(x * pi) + 40 * sin(x / 3 * pi)) * 2 / 3
        + (150 * sin(x / 12 * pi) + 300 * sin(x / 30 * pi)) * 2 / 3
    )  # fmt: skip


def to_gcj02(point: Point) -> Point:
    """Shift a point of CGCS2000 in China as web maps do."""
    x, y = point.lng - 105, point.lat - 35
    slope = point.lat / 180 * pi
    bend = 1 - FLATNESS * sin(slope) ** 2
    lat = _shift_lat(x, y) * 180 / (AXIS * (1 - FLATNESS) / (bend * sqrt(bend)) * pi)
    lng = _shift_lng(x, y) * 180 / (AXIS / sqrt(bend) * cos(slope) * pi)
    return Point(point.lat + lat, point.lng + lng)


def _gcj02_to_bd09(point: Point) -> Point:
    z = hypot(point.lng, point.lat) + 0.00002 * sin(point.lat * BD_TURN)
    turned = atan2(point.lat, point.lng) + 0.000003 * cos(point.lng * BD_TURN)
    return Point(z * sin(turned) + 0.006, z * cos(turned) + 0.0065)


def to_bd09(point: Point) -> Point:
    """Shift a point of CGCS2000 in China as Baidu's map does."""
    return _gcj02_to_bd09(to_gcj02(point))


def _undo(turn: Turn, point: Point) -> Point:
    """Find what `turn` makes `point` of: shifts change so little from place to place that steps converge."""
    found = point
    for _ in range(TRIES):
        there = turn(found)
        off = Point(point.lat - there.lat, point.lng - there.lng)
        found = Point(found.lat + off.lat, found.lng + off.lng)
        if max(map(abs, off)) < CLOSE:
            break
    return found


def _as_it_is(point: Point) -> Point:
    return point


FORWARD: Mapping[str, Turn] = MappingProxyType(
    {"cgcs2000": _as_it_is, "wgs84": _as_it_is, "gcj02": to_gcj02, "bd09": to_bd09}
)
"""Systems by name: what turns a point of CGCS2000 into theirs."""


def to_cgcs2000(point: Point, system: str) -> Point:
    """Turn a point of `system` into CGCS2000, in steps of a tenth of a metre; beyond China it stays."""
    turn = FORWARD[system]
    found = _undo(turn, point) if turn is not _as_it_is and in_china(point) else point
    return Point(round(found.lat, 6), round(found.lng, 6))
