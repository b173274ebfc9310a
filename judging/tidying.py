"""Cells put into their columns and cleaned: what can be done to them without knowing anything else."""

import re
from collections.abc import Callable, Mapping, Sequence

from judging import cells
from judging.cells import Tidy
from judging.columns import Columns
from judging.findings import Finding, Tidied

CODES = ("outlet", "cnaps_code", "township_code", "county_code", "city_code")
NAMES = ("outlet_name", "bank", "city", "county", "township", "parent")
MOST = {"outlet_name": 100, "parent": 200, "bank": 100, "address": 200, "phone": 20, "hours": 200,
        "contact_name": 60, "contact_phone": 20}  # fmt: skip
CLEAN: Mapping[str, re.Pattern[str]] = {
    **{name: re.compile(r"[0-9]+", re.ASCII) for name in CODES},
    **{name: re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII) for name in ("lng", "lat")},
    **{name: re.compile(r"0[1-9][0-9]{1,2}-[0-9]{7,8}", re.ASCII) for name in ("phone", "contact_phone")},
}  # fmt: skip
"""How most cells of a column are written: of these, no step would change anything."""

ONCE = frozenset({"row_no", "outlet_name", "cnaps_code", "address", "phone", "lng", "lat"})
"""Columns in which each row says something else."""

KEPT = 20_000
SHORT = 20
"""Characters that any column has room for."""

Step = Callable[[str], Tidy]
STEPS: Mapping[str, tuple[Step, ...]] = {
    **{name: (cells.code,) for name in (*CODES, "licence")},
    **{name: (cells.halfwidth,) for name in ("lng", "lat", "windows", "coordinate_system")},
    **{name: (cells.unbroken, cells.simplified) for name in NAMES},
    **{name: (cells.unbroken,) for name in ("kind", "service_class", "status", "contact_name")},
    "phone": (cells.phone,), "contact_phone": (cells.phone,), "address": (cells.unbroken,),
}  # fmt: skip


class Tidier:
    """Tidies the rows of one file, in their order."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._at = [(name, places[0], places[1:]) for name, places in columns.at.items()]
        self._known: dict[tuple[str, str], tuple[str, tuple[Finding, ...]]] = {}
        self._n = 0

    def tidy(self, line: int, cells_: Sequence[str], flag: str | None) -> Tidied:
        """Put the cells of a line into their columns, and clean them."""
        self._n += 1
        raw, contradictory = self._named(cells_)
        row = Tidied(line, raw.get("row_no", "").strip()[:20] or str(self._n), raw)
        wanted, found = self._columns.width, len(cells_)
        if flag is not None:
            row.say(flag, "")
        elif found > wanted and any(cell.strip() for cell in cells_[wanted:]):
            row.say("too_many_columns", "", found=found, wanted=wanted)
        elif found < wanted:
            row.say("too_few_columns", "", found=found, wanted=wanted)
        elif contradictory:
            row.say("columns_contradict", contradictory, heading=contradictory)
        else:
            for name, text in raw.items():
                row.values[name] = self._cell(row, name, text)
        return row

    def _named(self, cells_: Sequence[str]) -> tuple[dict[str, str], str]:
        raw, contradictory, width = {}, "", len(cells_)
        for name, first, others in self._at:
            raw[name] = cells_[first] if first < width else ""
            if not others:
                continue
            filled = {cells_[n] for n in others if n < width and cells_[n].strip()}
            if filled:
                raw[name], *more = sorted(filled | ({raw[name]} if raw[name].strip() else set()))
                contradictory = name if more else contradictory
        return raw, contradictory

    def _cell(self, row: Tidied, name: str, text: str) -> str:
        """Clean a cell; what many rows say alike is cleaned once."""
        if not text or (name in CLEAN and len(text) <= SHORT and CLEAN[name].fullmatch(text)):
            return text
        if name in ONCE:
            return self._cleaned(row, name, text)
        known = self._known.get((name, text))
        if known is None:
            before = len(row.findings)
            value = self._cleaned(row, name, text)
            if len(self._known) < KEPT:
                self._known[name, text] = value, tuple(row.findings[before:])
            return value
        row.findings += known[1]
        return known[0]

    def _cleaned(self, row: Tidied, name: str, text: str) -> str:
        value = text
        if not cells.is_plain(text):
            value = row.put(name, cells.stripped(text))
            if cells.is_formula(value) and name != "row_no":
                row.say("formula_injection", name)
                return value
            if cells.ERROR.fullmatch(value):
                row.say("cell_error", name)
                return ""
        for step in STEPS.get(name, ()):
            value = row.put(name, step(value))
        if name in MOST and len(value) > MOST[name]:
            row.say("too_long", name, most=MOST[name])
        if name in NAMES and cells.is_mojibake(value):
            row.say("mojibake", name)
        return value
