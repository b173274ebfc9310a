"""A row on its way through: what it says, what is wrong with it, and what it is told."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from judging import cells
from judging.cells import Tidy
from judging.places import Finding, put_right
from judging.register import Registered
from outlets.contacts import NOBODY, Contact
from schemas.imports import FAULTS

SAID = frozenset({"hours_unread", "bank_proposed", "status_kept", "township_code_filled"})
"""What is told of a row in its detail only."""


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

    def put(self, name: str, tidy: Tidy) -> str:
        """Take a cell that was put right, and note what had been wrong with it."""
        if tidy.fault is not None:
            self.mend(tidy.fault, name, tidy.value)
        return tidy.value

    @property
    def is_bad(self) -> bool:
        """Whether a person has to decide."""
        return bool(self.findings) and any(found.is_fatal for found in self.findings)

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


def _words(found: Finding) -> str:
    return (
        "township_code_nbs_ambiguous"
        if found.fault == "township_code_nbs" and found.is_fatal
        else found.fault
    )


def parent_words(row: Row) -> list[str]:
    """List by what a row may name its parent: a number, its name, or its name after that of its bank."""
    said = row.values.get("parent", "")
    if not said:
        return []
    code = cells.code(said).value
    words = [code if code.isascii() and code.isdigit() else said]
    bank = row.values.get("bank", "")
    if bank and said.startswith(bank):
        words.append(said.removeprefix(bank).lstrip("/／|-—·:：,，、+"))
    return [word for word in words if word]
