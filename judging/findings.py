"""What is found wrong with a row, or was put right; and a row as it is before anything is held against it.

Loaded by the process that reads a file, which has little memory: nothing of the database, no models.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from judging.cells import Tidy


class Finding(NamedTuple):
    """Something that is wrong with a row, or was put right."""

    fault: str
    field: str
    facts: Mapping[str, object] = {}
    fixed: str = ""
    is_fatal: bool = True


def put_right(fault: str, field_: str, fixed: str) -> Finding:
    """Tell of something that was put right."""
    return Finding(fault, field_, fixed=fixed, is_fatal=False)


@dataclass
class Tidied:
    """A row whose cells have been put into their columns, and cleaned."""

    line: int
    row_no: str
    raw: Mapping[str, str]
    values: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

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
    def waits(self) -> bool:
        """Whether it names a parent: that may stand further down, so that such rows come last."""
        return bool(self.values.get("parent"))

    def parts(self) -> list[Any]:
        """Give what it says, short, for another process; None as values: the cells are as they came."""
        values = None if self.values == self.raw else [*self.values.values()]
        return [self.line, self.row_no, [*self.raw.values()], values, self.findings]
