"""What each row of a spreadsheet is worth: good, put right, or for a person to decide.

Judging writes nothing and asks nobody: what it needs is given to it. All that is wrong with a row is told; the
first that can't be put right gives the row its fault.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, NamedTuple

from access.callers import Reach
from importing import cells
from importing.cells import Tidy
from importing.columns import Columns
from importing.places import Finding, Places, Said, Where, put_right
from importing.register import BRANCH, Register, Registered
from kit.coordinates import Point, looks_swapped, to_cgcs2000
from outlets import checks
from outlets.contacts import NOBODY, Contact
from schemas import hours
from schemas.codes import mod_11_10
from schemas.imports import FAULTS

CODES = ("outlet", "cnaps_code", "township_code", "county_code", "city_code")
NAMES = ("outlet_name", "bank", "city", "county", "township", "parent")
MOST = {"outlet_name": 100, "parent": 200, "bank": 100, "address": 200, "phone": 20, "hours": 200,
        "contact_name": 60, "contact_phone": 20}  # fmt: skip
SYSTEMS = {"": "cgcs2000", "cgcs2000": "cgcs2000", "国家2000": "cgcs2000", "wgs84": "wgs84",
           "gcj02": "gcj02", "高德": "gcj02", "腾讯": "gcj02", "bd09": "bd09", "百度": "bd09"}  # fmt: skip
KINDS = {
    "": "bank_branch", "银行网点": "bank_branch", "银行": "bank_branch", "自助": "self_service",
    "便民服务点": "convenience_point", "自助网点": "self_service", "经办大厅": "agency_hall",
    "基层平台": "grassroots",
}  # fmt: skip
CLASSES = {
    "": "basic",
    "基础": "basic",
    "基础网点": "basic",
    "优质": "premium",
    "优质网点": "premium",
}
STATUSES = {
    "": "applied", "申请": "applied", "申报": "applied", "运行": "active", "正常": "active",
    "营业": "active", "整改": "rectifying", "验收": "site_acceptance", "暂停": "suspended",
    "停业": "suspended", "退出": "exited", "撤销": "exited",
}  # fmt: skip
PROCEEDINGS = frozenset({"rectifying", "site_acceptance"})
"""States that only a proceeding leads to: no new outlet begins in one."""

CHOSEN = (
    ("kind", KINDS, "kind_unknown"), ("service_class", CLASSES, "class_unknown"),
    ("status", STATUSES, "status_unknown"),
)  # fmt: skip
"""Columns that hold one of a few words, said in Chinese or by our code."""

ALL_MATTERS = "全部"
"""In place of codes: all of the bank's agreement."""

KIND = "*"
"""Marks the name of a kind of banks."""

ENCODINGS = {"gb18030": "file_encoding_gbk", "utf-16": "file_encoding_utf16"}
"""Encodings that are told of; UTF-8 is what we ask for."""

ONCE = frozenset({"row_no", "outlet_name", "cnaps_code", "address", "phone", "lng", "lat"})
"""Columns in which each row says something else."""

KEPT = 20_000
LEGAL_FORM = re.compile(r"(股份有限公司|有限责任公司|有限公司)$")


def bank_key(name: str) -> str:
    """Reduce a bank's name to what tells it from others."""
    return LEGAL_FORM.sub("", name.replace("（", "(").replace("）", ")"))


def proposed_code(name: str) -> str:
    """Give the code of a bank that nobody has registered: the same for the same name, whoever proposes it."""
    return f"P{hashlib.sha256(bank_key(name).encode()).hexdigest()[:11].upper()}"


class Area(NamedTuple):
    """An area of the payment system."""

    name: str
    city: str
    county: str


@dataclass(frozen=True)
class Reference:
    """What rows are held against."""

    places: Places
    known: checks.Known
    reach: Reach
    banks: Mapping[str, str]
    """Code by name, by short names and by what is left of them."""
    bank_names: Mapping[str, str]
    closed: frozenset[str]
    classes: Mapping[str, Sequence[str]] | None
    """Classes of banks with their names; with `*` before it, one of a kind of banks. None: not loaded."""
    areas: Mapping[str, Area] | None
    area_counties: frozenset[str]
    """Counties that have an area of their own: one that is younger than the list has none."""
    matters: Mapping[str, str]
    """Base and local codes to base codes."""

    @property
    def proposes(self) -> bool:
        """Whether a bank hands this in, and an authority has to agree."""
        return bool(self.reach.banks)


@dataclass
class Row:
    """A row on its way through."""

    line: int
    row_no: str
    raw: Mapping[str, str]
    values: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    outlet: dict[str, Any] = field(default_factory=dict)
    registered: Registered | None = None
    number: str = ""
    """Of its outlet, once it is written."""

    contact: Contact = NOBODY
    parent: Registered | None = None
    """What the row's parent is, where it names one."""

    @property
    def waits(self) -> bool:
        """Whether it names a parent: that may stand further down, so that such rows come last."""
        return bool(self.values.get("parent"))

    def say(self, fault: str, at: str, *, fixed: str = "", **facts: object) -> None:
        """Note what is wrong."""
        self.findings.append(Finding(fault, at, facts, fixed))  # Fatal.

    def note(self, fault: str, at: str) -> None:
        """Note what is right and may be worth a look."""
        self.findings.append(Finding(fault, at, is_fatal=False))

    def mend(self, fault: str, at: str, fixed: str) -> None:
        """Note what was put right."""
        self.findings.append(put_right(fault, at, fixed))

    @property
    def is_bad(self) -> bool:
        """Whether a person has to decide."""
        return any(found.is_fatal for found in self.findings)

    @property
    def main(self) -> Finding | None:
        """What the row is told first."""
        found = [f for f in self.findings if f.fault not in SAID]
        worst = next((f for f in found if f.is_fatal), None)
        return worst or next((f for f in found if f.fixed), next(iter(found), None))

    @property
    def verdict(self) -> str:
        """`ok`, `fixed` or `rejected`."""
        if self.is_bad:
            return "rejected"
        return "fixed" if any(f.fixed and f.fault not in SAID for f in self.findings) else "ok"

    def report(self) -> list[str]:
        """Give the columns of the report, and the cells as they came."""
        main, details = self.main, []
        for found in self.findings:
            details.append(FAULTS[_words(found)].format_map(defaultdict(str, found.facts)))
        at = main.field if main else ""
        shown = [main.fault if main else "", at, "；".join(dict.fromkeys(details)),
                 self.raw.get(at, ""), main.fixed if main else ""]  # fmt: skip
        original = [text for name, text in self.raw.items() if name != "row_no"]
        return [str(self.line), self.row_no, self.verdict, *shown, *original]


SAID = frozenset({"hours_unread", "bank_proposed", "status_kept", "township_code_filled"})
"""What is told of a row in its detail only."""


def _words(found: Finding) -> str:
    return (
        "township_code_nbs_ambiguous"
        if found.fault == "township_code_nbs" and found.is_fatal
        else found.fault
    )


class Judge:
    """Judges the rows of one file, in their order."""

    def __init__(
        self,
        reference: Reference,
        columns: Columns,
        encoding: str = "utf-8",
        *,
        dry_run: bool = False,
    ) -> None:
        self._of, self._columns = reference, columns
        self._dry_run = dry_run
        self._encoding = ENCODINGS.get(encoding)
        self._is_register = columns.is_register
        self._at = [(name, places[0], places[1:]) for name, places in columns.at.items()]
        self._cnaps: dict[str, tuple[str, int, int]] = {}
        self._names: dict[int, str] = {}
        self._taken: dict[str, tuple[int, str]] = {}
        self._branches: set[int] = set()
        self._refused: dict[int, str] = {}
        self._classes: dict[str, frozenset[str]] = {}
        self._known: dict[tuple[str, str], tuple[str, tuple[Finding, ...]]] = {}
        self._n = 0

    @property
    def proposes(self) -> bool:
        """Whether a bank hands this in."""
        return self._of.proposes

    def start_again(self) -> None:
        """Begin with the file's first row once more."""
        self._n = 0

    # First: what can be done to cells without knowing anything else

    def tidy(self, line: int, cells_: Sequence[str], flag: str | None) -> Row:
        """Put the cells of a line into their columns, and clean them."""
        self._n += 1
        raw, contradictory = self._named(cells_)
        row = Row(line, raw.get("row_no", "").strip()[:20] or str(self._n), raw)
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
            filled = {cells_[n] for n in others if n < width and cells_[n].strip()}
            if filled:
                raw[name], *more = sorted(filled | ({raw[name]} if raw[name].strip() else set()))
                contradictory = name if more else contradictory
        return raw, contradictory

    def _cell(self, row: Row, name: str, text: str) -> str:
        """Clean a cell; what many rows say alike is cleaned once."""
        if not text:
            return ""
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

    def _cleaned(self, row: Row, name: str, text: str) -> str:
        value = text
        if not cells.is_plain(text):
            value = self._apply(row, name, cells.stripped(text))
            if cells.is_formula(value) and name != "row_no":
                row.say("formula_injection", name)
                return value
            if cells.ERROR.fullmatch(value):
                row.say("cell_error", name)
                return ""
        for step in STEPS.get(name, ()):
            value = self._apply(row, name, step(value))
        if name in MOST and len(value) > MOST[name]:
            row.say("too_long", name, most=MOST[name])
        if name in NAMES and cells.is_mojibake(value):
            row.say("mojibake", name)
        return value

    def _apply(self, row: Row, name: str, tidy: Tidy) -> str:
        if tidy.fault is not None:
            row.mend(tidy.fault, name, tidy.value)
        return tidy.value

    # Then: what the row says, held against what is known

    def judge(self, row: Row, register: Register) -> Row:
        """Judge a row; `register` holds the outlets that are there, as far as the batch names them."""
        if not row.values:
            return row
        self._numbered(row, register)
        self._by_itself(row)
        against = partial(self._against_register, register=register)
        parent = partial(self._parent, register=register)
        for step in (self._within_file, against, parent, self._by_the_rules, self._remember):
            if row.is_bad:
                break
            step(row)
        if row.is_bad:
            self._refused[self._called(row, row.values.get("outlet_name", ""))] = row.row_no
        if self._encoding is not None:
            row.note(self._encoding, "")
        return row

    def _numbered(self, row: Row, register: Register) -> None:
        """Find the outlet by our own number; cells that say what the register says need no other reason."""
        number = row.values.get("outlet", "")
        found = row.registered = register.numbered(number)
        if found is None:
            if number:
                row.say("outlet_unknown", "outlet")
            return
        for name, column in SAME_CELLS.items():
            said = getattr(found, column)
            if said and cells.stripped(row.raw.get(name, "")).value == said:
                row.values[name] = said
                row.findings = [one for one in row.findings if one.field != name]

    def _by_itself(self, row: Row) -> None:
        for step in (self._name, self._bank, self._number, self._where):
            step(row)
        for step in (self._point, self._phone, self._hours, self._matters, self._rest):
            step(row)

    def _name(self, row: Row) -> None:
        name = row.values.get("outlet_name", "")
        if not name:
            row.say("name_missing", "outlet_name")
            return
        if any(f.fault == "mojibake" for f in row.findings):
            return
        row.outlet["name"] = name
        if row.registered is not None and row.registered.name == name:
            return
        if (back := cells.BACK_OFFICE.search(name)) and not self._is_register:
            row.say("not_a_service_outlet", "outlet_name", word=back[0])
        if doubled := cells.DOUBLED.search(name):
            fixed = cells.DOUBLED.sub(r"\1", name)
            if self._is_register:
                row.mend("real_name_doubled_word", "outlet_name", fixed)
                row.outlet["name"] = fixed
            else:
                row.say("real_name_doubled_word", "outlet_name", fixed=fixed, word=doubled[1])
        if len(name) >= cells.CUT_AT:
            self._cut(row, name)

    def _cut(self, row: Row, name: str) -> None:
        for end, whole in cells.CUT.items():
            if name.endswith(end):
                row.outlet["name"] = name[: -len(end)] + whole
                row.mend("real_name_truncated", "outlet_name", row.outlet["name"])
                return
        if cells.CUT_MAYBE.search(name) and len(name) == cells.CUT_AT:
            row.say("name_cut", "outlet_name")

    def _bank(self, row: Row) -> None:
        name, own = row.values.get("bank", ""), self._of.reach.banks
        if not name and len(own) == 1:
            (row.outlet["bank"],) = own
        elif not name:
            row.say("bank_missing", "bank")
        else:
            known = self._of.banks.get(name) or self._of.banks.get(bank_key(name))
            row.outlet["bank"] = known or proposed_code(name)
            if own and known not in own:
                row.say("bank_not_yours", "bank")
            elif row.registered is not None and row.registered.bank == known:
                return
            elif known in self._of.closed:
                row.say("bank_closed", "bank")
            elif known is None:
                row.note("bank_proposed", "bank")

    def _number(self, row: Row) -> None:
        code = row.values.get("cnaps_code", "")
        row.outlet["cnaps"] = code or None
        if row.registered is not None and (code or None) in (None, row.registered.cnaps):
            row.outlet["cnaps"] = row.registered.cnaps
        elif not code:
            if chosen(KINDS, row.values.get("kind", "")) not in checks.POINTS_OF:
                row.say("cnaps_missing", "cnaps_code")
        elif bad := cells.code_fault(code):
            row.say(bad, "cnaps_code")
        elif not (code.isascii() and code.isdigit()):
            strange = "".join(dict.fromkeys(c for c in code if not (c.isascii() and c.isdigit())))
            row.say("cnaps_not_digits", "cnaps_code", found=strange[:6])
        elif len(code) != 12:
            row.say("cnaps_length", "cnaps_code", found=len(code))
        elif (right := mod_11_10(code[:11])) != code[11]:
            row.say("cnaps_check_digit", "cnaps_code", found=code[11], right=right)
        else:
            self._against_classes(row, code[:3])

    def _against_classes(self, row: Row, found: str) -> None:
        bank = self._of.bank_names.get(row.outlet.get("bank", ""), row.values.get("bank", ""))
        names = (self._of.classes or {}).get(found)
        if names is None or not bank:
            return
        fitting = self._fitting(bank)
        if found not in fitting and (fitting or not names[0].startswith(KIND)):
            said = "、".join(name.lstrip(KIND) for name in names)
            row.say("cnaps_bank_mismatch", "cnaps_code", found=found, bank=said)

    def _fitting(self, bank: str) -> frozenset[str]:
        if bank not in self._classes:
            self._classes[bank] = fitting(bank, self._of.classes or {})
        return self._classes[bank]

    def _where(self, row: Row) -> None:
        there = row.registered
        if there is not None and row.values.get("township_code") == there.division:
            row.outlet |= {"division": there.division, "village": there.village}
            return
        where = self._found(row)
        self._against_areas(row, where)
        row.findings += where.findings
        self._place(row, where)

    def _found(self, row: Row) -> Where:
        said = {
            name: row.values.get(name, "")
            for name in ("city", "county", "township", "county_code", "city_code")
        }
        code = row.values.get("township_code", "")
        if bad := cells.code_fault(code):
            row.say(bad, "township_code")
            code = ""
        return self._of.places.where(Said(**said, code=code), lowest=not self._is_register)

    def _against_areas(self, row: Row, where: Where) -> None:
        """Hold the area in the number against the county; decide which of the two is the odd one."""
        code = row.values.get("cnaps_code", "")
        area = (self._of.areas or {}).get(code[3:7]) if len(code) == 12 and code.isdigit() else None
        if area is None or not area.city or self._is_register:
            return
        county, city = where.county, where.city
        if county is None:
            agrees = not (where.is_county_doubtful and area.county)
        else:
            is_own = county.code == area.county
            has_none = not area.county or county.code not in self._of.area_counties
            agrees = is_own or (county.parent == area.city and has_none)
        if agrees or any(f.field == "cnaps_code" and f.is_fatal for f in row.findings):
            return
        unsupported = not row.values.get("township") and not row.values.get("township_code")
        if unsupported and city is not None and city.code == area.city:
            row.say("real_area_mismatch", "county", area=area.name)
        elif county is not None:
            row.say(
                "cnaps_area_mismatch",
                "cnaps_code",
                found=code[3:7],
                area=area.name,
                county=county.name,
            )

    def _place(self, row: Row, where: Where) -> None:
        if where.place is None:
            if not row.is_bad:
                row.say("county_missing", "county")
            return
        row.outlet |= {"division": where.place.code, "village": where.village}
        if self._of.places.is_bare(where.place) and where.place is where.county:
            row.note("county_without_townships", "township")
        if self._of.reach.areas and not where.place.code.startswith(self._of.reach.areas):
            row.say("outside_your_division", "county")

    def _point(self, row: Row) -> None:
        lng, lat = row.values.get("lng", ""), row.values.get("lat", "")
        if not lng and not lat:
            if "lng" in self._columns.at:
                row.note("coords_absent", "lng")
            return
        system = SYSTEMS.get(row.values.get("coordinate_system", "").lower().replace("-", ""))
        if not (lng and lat):
            row.say("coords_incomplete", "lng" if not lng else "lat")
        elif system is None:
            row.say("coordinate_system_unknown", "coordinate_system")
        elif not (cells.NUMBER.fullmatch(lng) and cells.NUMBER.fullmatch(lat)):
            row.say("coords_not_number", "lat" if cells.NUMBER.fullmatch(lng) else "lng")
        else:
            self._put_point(row, Point(float(lat), float(lng)), system)

    def _put_point(self, row: Row, point: Point, system: str) -> None:
        if looks_swapped(point):
            point = Point(point.lng, point.lat)
            fixed = f"{row.values['lat']} {row.values['lng']}"
            row.mend("coords_swapped", "lng", fixed)
        there = to_cgcs2000(point, system)
        row.outlet |= {"lat": there.lat, "lng": there.lng, "coordinate_system": system}
        if system not in ("cgcs2000", "wgs84"):
            row.outlet |= {"original_lat": point.lat, "original_lng": point.lng}

    def _phone(self, row: Row) -> None:
        for column in ("phone", "address"):
            if said := row.values.get(column, ""):
                row.outlet[column] = said
        said = row.values.get("contact_phone", "")
        if said and not checks.is_phone(said):
            row.say("phone_invalid", "contact_phone")
        row.contact = Contact(row.values.get("contact_name", ""), said)

    def _hours(self, row: Row) -> None:
        if said := row.values.get("hours", ""):
            columns, is_read = _opening(said)
            row.outlet |= {"hours": said, **columns}
            if not is_read:
                row.note("hours_unread", "hours")

    def _matters(self, row: Row) -> None:
        if "matters" not in self._columns.at:
            return
        codes, tidy = cells.matters(row.values.get("matters", ""))
        if codes == [ALL_MATTERS]:
            row.outlet["allowed"] = None
            return
        if row.registered is not None and (
            not codes or row.registered.says("allowed", sorted(codes))
        ):
            return  # Known by our number: nothing said is nothing changed.
        if not codes:
            row.say("matters_missing", "matters")
            return
        self._apply(row, "matters", tidy)
        strange = [code for code in codes if code not in self._of.matters]
        if strange:
            row.say("matter_unknown", "matters", found="、".join(strange)[:60])
        else:
            row.outlet["allowed"] = sorted({self._of.matters[code] for code in codes})

    def _rest(self, row: Row) -> None:
        for name, words, fault in CHOSEN:
            said = row.values.get(name, "")
            value = chosen(words, said)
            if value is None and not self._is_register:
                row.say(fault, name)
            elif said and value is not None:
                row.outlet[name] = value
        if said := row.values.get("windows", ""):
            if said.isdigit() and 1 <= int(said[:4]) <= 99:
                row.outlet["windows"] = int(said)
            else:
                row.say("windows_invalid", "windows")
        if said := row.values.get("licence", ""):
            row.outlet["licence"] = said.upper()

    # Last: other rows, and what is there already

    def _within_file(self, row: Row) -> None:
        if row.values.get("outlet"):
            return  # Its number tells it from others.
        cnaps, name = row.outlet["cnaps"], self._name_key(row)
        content = hash(tuple(v for k, v in sorted(row.values.items()) if k != "row_no"))
        before = self._cnaps.get(cnaps) if cnaps else None
        if before is not None:
            same, fault = before[2] == content, "duplicate_cnaps"
            row.say(
                "duplicate_row" if same or before[1] == name else fault, "cnaps_code", row=before[0]
            )
        elif name in self._names:
            row.say("duplicate_name", "outlet_name", row=self._names[name])

    def _name_key(self, row: Row) -> int:
        return hash(
            (
                row.outlet["bank"],
                row.outlet["name"],
                None if row.outlet["cnaps"] else row.outlet["division"],
            )
        )

    def _remember(self, row: Row) -> None:
        if row.values.get("outlet"):
            return
        content = hash(tuple(v for k, v in sorted(row.values.items()) if k != "row_no"))
        name = self._name_key(row)
        if row.outlet["cnaps"]:
            self._cnaps[row.outlet["cnaps"]] = (row.row_no, name, content)
        self._names[name] = row.row_no
        if self._dry_run and row.outlet.get("kind", BRANCH) == BRANCH:
            county = row.outlet["division"][:6]
            words = (row.outlet["name"], row.outlet["cnaps"])
            self._branches |= {self._within(row.outlet["bank"], w, county) for w in words if w}

    def again(self, row: Row, register: Register) -> None:
        """Hold a row against the register as it stands when it is written: others write, too."""
        before, row.registered = row.registered, None
        if self._same(row, register) != before:
            self._against_register(row, register)
        else:
            row.registered = before
        if row.waits and not row.is_bad:
            self._parent(row, register)
            self._by_the_rules(row, {"parent"})

    @staticmethod
    def _same(row: Row, register: Register) -> Registered | None:
        number = row.values.get("outlet")
        return register.numbered(number) if number else register.same(row.outlet)

    def _against_register(self, row: Row, register: Register) -> None:
        found = self._same(row, register)
        if found is None:
            if register.named(row.outlet["bank"], row.outlet["name"]) and row.outlet["cnaps"]:
                row.say("name_in_register", "outlet_name")
            self._new(row)
            return
        row.registered = found
        self._once(row, found)
        covers = self._of.reach.covers_outlet(
            outlet=found.number, bank=found.bank, division=found.division
        )
        if not covers:
            row.say("outlet_not_yours", "cnaps_code")
        elif found.bank != row.outlet["bank"]:
            row.say("bank_differs_from_register", "bank")
        elif found.name != row.outlet["name"]:
            row.say("name_differs_from_register", "outlet_name", fixed=found.name, name=found.name)
        elif row.outlet.pop("status", found.status) != found.status:
            row.note("status_kept", "status")
        self._leave(row, found)
        if found.has_left and not all(found.says(*said) for said in row.outlet.items()):
            row.say("outlet_has_left", "outlet")

    def _leave(self, row: Row, found: Registered) -> None:
        """Leave out what is so already, and what follows from it."""
        same = {name for name, value in row.outlet.items() if found.says(name, value)} - KEYS
        same |= FOLLOWING["hours"] if "hours" in same else set()
        same |= FOLLOWING["point"] if {"lat", "lng"} <= same else set()
        row.outlet = {name: value for name, value in row.outlet.items() if name not in same}
        row.outlet["cnaps"] = row.outlet["cnaps"] or found.cnaps

    def _once(self, row: Row, found: Registered) -> None:
        """Let one row only be about an outlet, whatever it is found by."""
        line, row_no = self._taken.setdefault(found.number, (row.line, row.row_no))
        if line != row.line:
            row.say("duplicate_row", "cnaps_code", row=row_no)

    def _parent(self, row: Row, register: Register) -> None:
        """Find the outlet that a point belongs to: registered, or to be by another row of this file."""
        words = parent_words(row)
        if not words:
            return
        if bad := cells.code_fault(words[0]):
            row.say(bad, "parent")
            return
        bank, county = row.outlet["bank"], row.outlet["division"][:6]
        found = register.parents(words, bank, county)
        if not found and {self._within(bank, word, county) for word in words} & self._branches:
            found = [Registered(TO_COME, "", bank, county, "applied", BRANCH)]
        if len(found) == 1:
            row.outlet["parent"], row.parent = found[0].number, found[0]
        elif found:
            row.say("parent_ambiguous", "parent", there="、".join(one.number for one in found))
        else:
            self._say_unknown(row, words)

    def _say_unknown(self, row: Row, words: Sequence[str]) -> None:
        refused = (self._refused.get(self._called(row, word)) for word in words)
        at = next((row_no for row_no in refused if row_no is not None), None)
        if at is not None:
            row.say("parent_refused", "parent", row=at)
        else:
            row.say("parent_unknown", "parent", found=words[-1])

    @staticmethod
    def _within(bank: str, word: str, county: str) -> int:
        return hash((bank, word, county))

    @staticmethod
    def _called(row: Row, word: str) -> int:
        return hash((row.values.get("bank", ""), word))

    def _new(self, row: Row) -> None:
        if row.outlet.get("status") in PROCEEDINGS:
            row.say("status_unknown", "status")
        if self._of.proposes and row.outlet.get("status", "applied") != "applied":
            row.outlet["status"] = "applied"
            row.mend("status_set_by_authority", "status", "applied")

    def _by_the_rules(self, row: Row, about: Set[str] | None = None) -> None:
        """Let the registry's own rules speak, which hold for every writer, on what the row changes."""
        before = row.registered._asdict() if row.registered else {"kind": BRANCH}
        if about is None:
            about = {n for n, v in row.outlet.items() if n not in before or before[n] != v}
            about -= {"status"} | ({"division", "village"} if self._is_register else set())
        known = self._of.known
        if row.parent is not None:
            known = known._replace(outlets={row.parent.number: row.parent})
        for fault in checks.faults({**before, **row.outlet}, known, about):
            if self._is_register and fault.at == "/division":
                continue
            name, at = RULES.get(
                (fault.at, fault.rule), RULES.get((fault.at, ""), ("content_invalid", ""))
            )
            row.say(name, at, words=fault.message.zh, there="")


RULES: Mapping[tuple[str, str], tuple[str, str]] = {
    ("/point", "county"): ("coords_outside_county", "lng"),
    ("/point", ""): ("coords_outside_china", "lng"),
    ("/phone", ""): ("phone_invalid", "phone"),
    ("/licence", ""): ("content_invalid", "licence"),
    ("/parent", "missing"): ("parent_missing", "parent"),
    ("/parent", ""): ("content_invalid", "parent"),
    ("/division", ""): ("content_invalid", "township_code"),
    ("/agreement", ""): ("content_invalid", "bank"),
}
"""The registry's own rules, in the words of a report."""

Step = Callable[[str], Tidy]
STEPS: Mapping[str, tuple[Step, ...]] = {
    **{name: (cells.code,) for name in (*CODES, "licence")},
    **{name: (cells.halfwidth,) for name in ("lng", "lat", "windows", "coordinate_system")},
    **{name: (cells.unbroken, cells.simplified) for name in NAMES},
    **{name: (cells.unbroken,) for name in ("kind", "service_class", "status", "contact_name")},
    "phone": (cells.phone,), "contact_phone": (cells.phone,), "address": (cells.unbroken,),
}  # fmt: skip


SAME_CELLS = {
    "outlet_name": "name", "address": "address", "phone": "phone", "hours": "hours",
}  # fmt: skip
"""Cells that are texts of the register as they are."""

KEYS = frozenset({"name", "bank", "cnaps", "division"})
"""Columns by which a row is known."""

FOLLOWING = {
    "hours": {"opening", "open_week", "open_holiday"},
    "point": {"coordinate_system", "original_lat", "original_lng"},
}
"""Columns that follow from others: what was handed in more exactly stays."""

TO_COME = "0" * 12
"""In place of the number of an outlet that a file would make first, where nothing is written."""


def chosen(words: Mapping[str, str], said: str) -> str | None:
    """Give the code of a word of a column; None where it is none. A code stands for itself."""
    return words.get(said, said if said in words.values() else None)


def parent_words(row: Row) -> list[str]:
    """List by what a row may name its parent: a number, its name, or its name after that of its bank."""
    said = row.values.get("parent", "")
    code = cells.code(said).value
    words = [code if code.isascii() and code.isdigit() else said]
    bank = row.values.get("bank", "")
    if bank and said.startswith(bank):
        words.append(said.removeprefix(bank).lstrip("/／|-—·:：,，、+"))
    return [word for word in words if word]


@lru_cache(maxsize=2000)
def _opening(said: str) -> tuple[dict[str, object], bool]:
    opening = hours.parse(said)
    return hours.columns(opening), opening is not None


def fitting(bank: str, classes: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """List the classes to which a bank's name belongs: its own, or those of banks of its kind."""
    said = [(name, code) for code, names in classes.items() for name in names]
    own = [(len(n), code) for n, code in said if n[:1] != KIND and bank.startswith(bank_key(n))]
    if own:
        return frozenset({max(own)[1]})
    return frozenset(code for name, code in said if name[:1] == KIND and name[1:] in bank)
