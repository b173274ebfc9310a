"""What rows are held against: lists, the register's rules, and how far the caller reaches."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from access.callers import Reach
from judging.places import Places
from outlets import checks

KIND = "*"
"""Marks the name of a kind of banks."""

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


def fitting(bank: str, classes: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """List the classes to which a bank's name belongs: its own, or those of banks of its kind."""
    said = [(name, code) for code, names in classes.items() for name in names]
    own = [(len(n), code) for n, code in said if n[:1] != KIND and bank.startswith(bank_key(n))]
    if own:
        return frozenset({max(own)[1]})
    return frozenset(code for name, code in said if name[:1] == KIND and name[1:] in bank)
