"""The map: counties shaded by the share of their townships that have an outlet, as SVG.

Every county is named in its shape, or where the name does not fit by a number, explained in a list.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from math import cos, radians
from typing import NamedTuple

from divisions.borders import FILE

SHADES = ((1.0, "#2f7fa5", "全部有网点"), (0.9, "#5aa3bf", "90%以上，未满"), (0.75, "#a3cfdd", "75%至90%"),
          (0.5, "#f3d9a4", "50%至75%"), (0.0, "#d98a5c", "不足50%"))  # fmt: skip
"""From which share on, the colour, and its words."""

MAP, TOP, MARGIN, LIST = 1000, 110, 30, 330
"""Pixels: the map's longer side, the head above it, the margin, and the list beside it."""
FONT = "'Noto Sans CJK SC','Noto Sans SC','Source Han Sans SC','Microsoft YaHei','PingFang SC',sans-serif"
NOTE = "境界仅为示意，岛屿不全；公开使用须换用有审图号的地图"
SIZE, SMALL = 15, 12
Shares = Mapping[str, tuple[int, int]]
"""County to units with an outlet, and all units."""


class Shape(NamedTuple):
    """A county on the ground: its rings in degrees."""

    code: str
    name: str
    label: tuple[float, float]
    rings: list[list[tuple[float, float]]]


class Box(NamedTuple):
    """A piece of paper that is taken."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        """Tell whether both take the same place."""
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.bottom <= other.top or other.bottom <= self.top)


class Label(NamedTuple):
    """What stands on a county: its name, or the number in the list."""

    shape: Shape
    x: float
    y: float
    number: int | None


@cache
def shapes() -> tuple[Shape, ...]:
    """Read the counties whose borders we have, once."""
    features = json.loads(FILE.read_text(encoding="utf-8"))["features"]
    return tuple(
        Shape(
            f["properties"]["code"], f["properties"]["name"], tuple(f["properties"]["label"]),
            [ring for polygon in f["geometry"]["coordinates"] for ring in polygon],
        )
        for f in features
    )  # fmt: skip


class Paper:
    """Where on the paper a place is: equirectangular, true to scale in the middle."""

    def __init__(self, drawn: list[Shape]) -> None:
        lngs = [x for s in drawn for ring in s.rings for x, _ in ring]
        lats = [y for s in drawn for ring in s.rings for _, y in ring]
        self._narrow = cos(radians((min(lats) + max(lats)) / 2))
        self._west, self._north = min(lngs), max(lats)
        wide, high = (max(lngs) - self._west) * self._narrow, self._north - min(lats)
        self._scale = MAP / max(wide, high)
        self.width, self.height = wide * self._scale, high * self._scale

    def at(self, lng: float, lat: float) -> tuple[float, float]:
        """Give pixels from the map's upper left."""
        x = (lng - self._west) * self._narrow * self._scale
        return round(x + MARGIN, 1), round((self._north - lat) * self._scale + TOP, 1)

    def path(self, shape: Shape) -> str:
        """Draw a county's rings."""
        return "".join(self._ring(ring) for ring in shape.rings)

    def _ring(self, ring: list[tuple[float, float]]) -> str:
        return "M" + "L".join(f"{x} {y}" for x, y in (self.at(*p) for p in ring)) + "Z"

    def size(self, shape: Shape) -> float:
        """Tell how wide and high a county is on the paper, multiplied."""
        points = [self.at(*p) for ring in shape.rings for p in ring]
        xs, ys = zip(*points, strict=True)
        return float((max(xs) - min(xs)) * (max(ys) - min(ys)))


def draw(title: str, shares: Shares, told: str) -> str:
    """Draw the counties of `shares`; `told` is said under the title. Counties without borders are not drawn."""
    drawn = [shape for shape in shapes() if shape.code in shares]
    if not drawn:
        return _sheet(title, "没有这些县(市、区)的边界数据", 600, 200, "")
    paper = Paper(drawn)
    labels = _labels(drawn, paper)
    width = paper.width + 2 * MARGIN + LIST
    listed = [label for label in labels if label.number]
    height = max(paper.height + TOP + MARGIN, TOP + 215 + 22 * len(listed) + MARGIN)
    parts = [
        *(_area(shape, paper, shares) for shape in drawn),
        *(_label(label) for label in labels),
        *_legend(paper.width + 2 * MARGIN, listed, shares),
    ]
    return _sheet(title, told, width, height, "\n".join(parts))


def _sheet(title: str, told: str, width: float, height: float, inside: str) -> str:
    name, words = escape(title), escape(told)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" font-family="{FONT}">\n'
        f"<title>{name}</title>\n"
        f'<rect width="100%" height="100%" fill="#fff"/>\n'
        f'<text x="{MARGIN}" y="50" font-size="28" font-weight="bold" fill="#1d2b33">{name}</text>\n'
        f'<text x="{MARGIN}" y="82" font-size="16" fill="#4a5a63">{words}</text>\n{inside}\n</svg>\n'
    )


def shade(share: tuple[int, int]) -> str:
    """Choose the colour of a county."""
    have, all_ = share
    return next(colour for least, colour, _ in SHADES if have >= least * all_)


def _area(shape: Shape, paper: Paper, shares: Shares) -> str:
    have, all_ = shares[shape.code]
    return (
        f'<path d="{paper.path(shape)}" fill="{shade((have, all_))}" stroke="#fff" stroke-width="1" '
        f'stroke-linejoin="round"><title>{escape(shape.name)} {have}/{all_}</title></path>'
    )


def _labels(drawn: list[Shape], paper: Paper) -> list[Label]:
    """Name the largest first: whom the others leave no place gets a number, from north to south."""
    taken: list[Box] = []
    named: list[Shape] = []
    for shape in sorted(drawn, key=paper.size, reverse=True):
        box = _box(shape, paper)
        wide = (box.right - box.left) * (box.bottom - box.top) * 1.6
        if wide <= paper.size(shape) and not any(box.meets(other) for other in taken):
            taken.append(box)
            named.append(shape)
    rest = sorted((s for s in drawn if s not in named), key=lambda s: (-s.label[1], s.label[0]))
    numbered = [Label(s, *paper.at(*s.label), n) for n, s in enumerate(rest, 1)]
    return [*(Label(s, *paper.at(*s.label), None) for s in named), *numbered]


def _box(shape: Shape, paper: Paper) -> Box:
    x, y = paper.at(*shape.label)
    half = len(shape.name) * SIZE / 2 + 2
    return Box(x - half, y - SIZE, x + half, y + SIZE / 2)


def _label(label: Label) -> str:
    """Write a name or number with a rim: a name may reach over a border, onto another shade or the sea."""
    text, size = (str(label.number), SMALL) if label.number else (escape(label.shape.name), SIZE)
    return (
        f'<text x="{label.x}" y="{label.y + 5:.1f}" font-size="{size}" text-anchor="middle" fill="#1d2b33" '
        f'stroke="#fff" stroke-width="3" stroke-linejoin="round" paint-order="stroke">{text}</text>'
    )


def _legend(left: float, listed: list[Label], shares: Shares) -> Iterator[str]:
    y = TOP + 20
    yield _text(left, y, "有网点的乡镇(街道)占比", 16, bold=True)
    for _, colour, words in SHADES:
        y += 26
        yield f'<rect x="{left}" y="{y - 14}" width="26" height="17" fill="{colour}"/>'
        yield _text(left + 36, y, words, SIZE)
    y += 24
    yield _text(left, y, NOTE, SMALL)
    y += 8
    for label in listed:
        y += 22
        have, all_ = shares[label.shape.code]
        yield _text(left, y, f"{label.number}  {label.shape.name}  {have}/{all_}", SIZE)


def _text(x: float, y: float, words: str, size: int, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}"{weight} fill="#1d2b33">{escape(words)}</text>'
