"""Files of divisions: read whole, and refused whole with everything that is wrong in them, line by line."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from divisions.memory import DEFAULT_SCHEME, SCHEMES, level_of, short_code
from divisions.models import UNKNOWN_START

CODE = re.compile(r"[0-9]{6}|[0-9]{9}|[0-9]{12}", re.ASCII)
NAME = re.compile(r"[㐀-鿿\U00020000-\U0003ffff]{2,60}")
"""Han characters, also those that GBK lacks: anything else in a name is a fault of its file."""


class Form(StrEnum):
    """What a file says."""

    LIST = "list"
    """All divisions of its provinces, as of one day."""
    HISTORY = "history"
    """Periods of the past, and since when something has been there."""
    CHANGES = "changes"
    """What goes and what comes."""


REQUIRED: Mapping[Form, frozenset[str]] = {
    Form.LIST: frozenset({"code", "name", "level", "parent_code"}),
    Form.HISTORY: frozenset({"code", "name", "level", "parent_code", "valid_from", "valid_to", "successors"}),
    Form.CHANGES: frozenset({"change", "code", "name", "county_code"}),
}  # fmt: skip
MAY: Mapping[Form, frozenset[str]] = {
    Form.LIST: frozenset({"scheme", "lat", "lng", "replaces", "coord_source", "counterpart", "note"}),
    Form.HISTORY: frozenset({"scheme", "lat", "lng", "note"}),
    Form.CHANGES: frozenset({"scheme", "county_name", "replaces", "note"}),
}  # fmt: skip
"""Columns of each form. `coord_source`, `counterpart`, `county_name` and `note` are for people and not kept."""

TOLD_BY = {"change": Form.CHANGES, "valid_from": Form.HISTORY, "valid_to": Form.HISTORY}
"""Columns by which a file is told from a list."""

REMOVED, ADDED = "removed", "added"


class Fault(NamedTuple):
    """What is wrong with a line; the head is line 1."""

    line: int
    field: str
    words: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.field}: {self.words}"


Wrong: TypeAlias = Callable[[str, str], None]


class ListUnusable(Exception):
    """A list that can't be taken, or contradicts itself or what is known; nothing of it is kept."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = sorted(faults)
        super().__init__(f"{len(self.faults)} faults, nothing was changed")


class Line(NamedTuple):
    """A line of a file."""

    line: int
    code: str
    name: str
    level: int
    parent: str | None
    lat: float | None = None
    lng: float | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    successors: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    """What it takes the place of, where the file says so."""
    change: str = ""


class Listed(NamedTuple):
    """A file that does not contradict itself."""

    form: Form
    scheme: str
    lines: list[Line]


def read(data: bytes) -> Listed:
    """Read a list, a history or changes, each told by its head; UTF-8, comma separated.

    Raises:
        ListUnusable: with all that is wrong, line by line.
    """
    rows = list(_rows(_text(data)))
    if not rows:
        raise ListUnusable([Fault(1, "file", "there is nothing in it")])
    head, *body = rows
    form = _form(head[1])
    faults: list[Fault] = []
    schemes = {DEFAULT_SCHEME} if not body else set[str]()
    lines = []
    for number, cells in body:
        if len(cells) != len(head[1]):
            told = f"{len(cells)} cells where the head has {len(head[1])}"
            faults.append(Fault(number, "line", told))
            continue
        row = dict(zip(head[1], cells, strict=True))
        schemes.add(row.get("scheme") or DEFAULT_SCHEME)
        lines.append(_line(number, row, form, faults))
    faults += _of_all(form, lines, schemes, faults)
    if faults:
        raise ListUnusable(faults)
    return Listed(form, schemes.pop(), lines)


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        words = "not UTF-8: save it as CSV UTF-8 (GBK has no 干𬒗镇)"
        raise ListUnusable([Fault(line, "encoding", words)]) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ListUnusable([Fault(line, "encoding", "a zero byte: not a text in UTF-8")])
    return text


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Walk the lines that hold anything, with their numbers."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise ListUnusable([Fault(reader.line_num, "line", str(error))]) from None


def _form(head: Sequence[str]) -> Form:
    """Tell by its columns what a file is; a name that is nearly one of ours is a slip of the pen."""
    form = next((form for name, form in TOLD_BY.items() if name in head), Form.LIST)
    wanted = REQUIRED[form] | MAY[form]
    faults = [
        Fault(1, name or "head", _unknown(name, wanted)) for name in head if name not in wanted
    ]
    faults += [Fault(1, name, "there is no such column") for name in REQUIRED[form] - {*head}]
    twice = {name for name in head if list(head).count(name) > 1}
    faults += [Fault(1, name, "the column stands there twice") for name in twice]
    if faults:
        raise ListUnusable(faults)
    return form


def _unknown(name: str, wanted: frozenset[str]) -> str:
    near = get_close_matches(name.strip().lower(), sorted(wanted), 1, 0.6)
    return "an unknown column" + (f": is {near[0]} meant?" if near else "")


def _line(number: int, row: Mapping[str, str], form: Form, faults: list[Fault]) -> Line:
    """Make a line of a row, and note what is wrong with it."""

    def wrong(field: str, words: str) -> None:
        faults.append(Fault(number, field, words))

    code = row["code"]
    if not CODE.fullmatch(code):
        wrong("code", "6, 9 or 12 digits: a spreadsheet may have made a number of it")
    if not NAME.fullmatch(row["name"]):
        wrong("name", "not a name in Chinese characters")
    if row.get("scheme", "") not in ("", *SCHEMES):
        wrong("scheme", f"one of {', '.join(SCHEMES)}")
    if form is Form.CHANGES and row["change"] not in (REMOVED, ADDED):
        wrong("change", f"{REMOVED} or {ADDED}")
    said = row["parent_code" if "parent_code" in row else "county_code"]
    code, level = short_code(code), level_of(short_code(code))
    if row.get("level", str(level)) != str(level):
        wrong("level", f"a code of this form is of level {level}")
    return Line(
        number, code, row["name"], level, short_code(said) or None,
        *_point(row, wrong), *_period(row, wrong),
        tuple(map(short_code, row.get("successors", "").split())),
        tuple(map(short_code, row.get("replaces", "").split())), row.get("change", ""),
    )  # fmt: skip


def _point(row: Mapping[str, str], wrong: Wrong) -> tuple[float | None, float | None]:
    lat, lng = row.get("lat", ""), row.get("lng", "")
    if not lat and not lng:
        return None, None
    try:
        found = float(lat), float(lng)
    except ValueError:
        found = (0.0, 0.0)
    if not (3 < found[0] < 54 and 73 < found[1] < 136):
        wrong("lat", "latitude and longitude of a place in China, or neither")
    return found


def _period(row: Mapping[str, str], wrong: Wrong) -> tuple[date | None, date | None]:
    days: list[date | None] = []
    for field in ("valid_from", "valid_to"):
        said = row.get(field, "")
        try:
            days.append(date.fromisoformat(said) if said else None)
        except ValueError:
            days.append(None)
            wrong(field, "a day is written 2027-01-01")
    first, last = days
    if first and last and last <= first:
        wrong("valid_to", "not after valid_from")
    return first, last


def _of_all(
    form: Form, lines: Sequence[Line], schemes: set[str], faults: Sequence[Fault]
) -> list[Fault]:  # fmt: skip
    """Find what lines say against each other. What is wrong by itself is not told again as another's."""
    found: list[Fault] = []
    if not lines and not faults:
        return [Fault(1, "file", "there is no line below the head")]
    if len(schemes) > 1:
        found.append(Fault(1, "scheme", "a file is of one scheme"))
    if form is Form.HISTORY:
        return found + _overlaps(lines)
    found += _twice(lines)
    if form is Form.LIST:
        broken = {fault.line for fault in faults}
        found += _families([line for line in lines if line.line not in broken], {*lines_by(lines)})
    return found


def lines_by(lines: Sequence[Line]) -> dict[str, Line]:
    """Give lines by their code."""
    return {line.code: line for line in lines}


def _overlaps(lines: Sequence[Line]) -> list[Fault]:
    found: list[Fault] = []
    in_order = sorted(lines, key=lambda one: (one.code, one.valid_from or UNKNOWN_START))
    for one, other in pairwise(in_order):
        begins = other.valid_from or UNKNOWN_START
        if one.code == other.code and (one.valid_to is None or begins < one.valid_to):
            found.append(
                Fault(
                    other.line, "valid_from", f"within the period of line {one.line} ({one.name})"
                )
            )
    return found


def _twice(lines: Sequence[Line]) -> list[Fault]:
    """Find codes that are there twice, and names that are within one parent."""
    found: list[Fault] = []
    codes: dict[str, Line] = {}
    names: dict[tuple[str | None, str, str], Line] = {}
    for line in lines:
        first = codes.setdefault(line.code, line)
        if first is not line:
            found.append(Fault(line.line, "code", f"also in line {first.line} ({first.name})"))
            continue
        same = names.setdefault((line.parent, line.name, line.change), line)
        if same is not line:
            words = f"the same parent has one of this name in line {same.line} ({same.code})"
            found.append(Fault(line.line, "name", words))
    return found


def _families(lines: Sequence[Line], codes: set[str]) -> Iterator[Fault]:
    """Find who has no parent, or one of a wrong level, or lies elsewhere than the digits say."""
    for line in lines:
        if line.level == 1:
            if line.parent is not None:
                yield Fault(line.line, "parent_code", "a province has none")
            continue
        shared = {2: 2, 3: 2, 4: 6}[line.level]
        if line.parent is None or line.parent not in codes:
            yield Fault(line.line, "parent_code", "not in this list")
        elif level_of(line.parent) >= line.level:
            yield Fault(line.line, "parent_code", "not of a level above")
        elif line.parent[:shared] != line.code[:shared]:
            yield Fault(
                line.line, "parent_code", f"the first {shared} digits are not those of the code"
            )
