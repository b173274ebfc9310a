"""A row on its way through: what it says, what is wrong with it, and what it is told."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from judging import cells
from judging.findings import Finding, Tidied
from judging.register import Registered
from outlets.contacts import NOBODY, Contact
from schemas.imports import FAULTS

SAID = frozenset({"hours_unread", "bank_proposed", "status_kept", "township_code_filled"})
"""What is told of a row in its detail only."""


@dataclass
class Row(Tidied):
    """A row on its way through."""

    outlet: dict[str, Any] = field(default_factory=dict)
    registered: Registered | None = None
    number: str = ""
    """Of its outlet, once it is written."""

    contact: Contact = NOBODY
    parent: Registered | None = None
    """What the row's parent is, where it names one."""

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


def row_of(
    names: Sequence[str],
    line: int,
    row_no: str,
    cells_: Sequence[str],
    values: Sequence[str] | None,
    findings: Iterable[Sequence[Any]],
) -> Row:
    """Make a row of what `Tidied.parts` gave, and of the names of its columns."""
    raw = dict(zip(names, cells_, strict=True))
    cleaned = dict(raw) if values is None else dict(zip(names, values, strict=False))
    return Row(line, row_no, raw, cleaned, [*map(Finding._make, findings)])


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
