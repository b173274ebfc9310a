"""Each row of a file judged: good, put right, or for a person to decide.

All that is wrong with a row is told; the first that can't be put right gives the row its fault.
"""

from collections.abc import Mapping, Sequence, Set
from functools import partial

from judging import cells
from judging.columns import Columns
from judging.content import Content
from judging.reference import Reference
from judging.register import BRANCH, Register, Registered
from judging.rows import Row, parent_words
from judging.words import PROCEEDINGS
from outlets import checks

ENCODINGS = {"gb18030": "file_encoding_gbk", "utf-16": "file_encoding_utf16"}
"""Encodings that are told of; UTF-8 is what we ask for."""
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
SAME_CELLS = {
    "outlet_name": "name", "address": "address", "phone": "phone", "hours": "hours",
}  # fmt: skip
"""Cells that are texts of the register as they are."""

KEYS = frozenset({"name", "bank", "cnaps", "division"})
"""Columns by which a row is known."""

FOLLOWING = {
    "hours": {"opening"},
    "point": {"coordinate_system", "original_lat", "original_lng"},
}
"""Columns that follow from others: what was handed in more exactly stays."""

TO_COME = "0" * 12
"""In place of the number of an outlet that a file would make first, where nothing is written."""


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
        self._of, self._dry_run, self._is_register = reference, dry_run, columns.is_register
        self._content = Content(reference, columns)
        self._encoding = ENCODINGS.get(encoding)
        self._cnaps: dict[str, int] = {}
        """Of which name a number is."""
        self._names: dict[int, str] = {}
        self._taken: dict[str, tuple[int, str]] = {}
        self._branches: set[int] = set()
        self._refused: dict[int, str] = {}

    @property
    def proposes(self) -> bool:
        """Whether a bank hands this in, and an authority has to agree."""
        return self._of.proposes

    def judge(self, row: Row, register: Register) -> Row:
        """Judge a row; `register` holds the outlets that are there, as far as the batch names them."""
        if not row.values:
            return row
        self._numbered(row, register)
        self._content.read(row)
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

    def _within_file(self, row: Row) -> None:
        if row.values.get("outlet"):
            return  # Its number tells it from others.
        cnaps, name = row.outlet["cnaps"], self._name_key(row)
        before = self._cnaps.get(cnaps) if cnaps else None
        if before is not None:
            fault = "duplicate_row" if before == name else "duplicate_cnaps"
            row.say(fault, "cnaps_code", row=self._names[before])
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
        name = self._name_key(row)
        if row.outlet["cnaps"]:
            self._cnaps[row.outlet["cnaps"]] = name
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
