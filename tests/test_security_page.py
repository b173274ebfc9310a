"""The page for assessors names controls by the tests that show them: each is there, and none is left out."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "---" not in line]
SHOWN = [line for line in ROWS if "`tests/" in line]
NAMED = sorted(set(re.findall(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`", PAGE)))


@pytest.mark.parametrize("file", sorted({file for file, _ in NAMED}))
def test_every_test_that_is_named_is_there(file: str) -> None:
    text = (ROOT / file).read_text()
    missing = [n for f, n in NAMED if f == file and not re.search(rf"def {n}\b", text)]
    assert missing == []


def test_every_control_and_duty_has_one() -> None:
    """The tables of threats and duties have their test in the last column; the table of data has none."""
    heads = {"| | threat | control | shown by |", "| duty | control | shown by |"}
    tables = re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE)
    asked = [t.splitlines()[2:] for t in tables if t.splitlines()[0] in heads]
    assert len(asked) == 9
    assert all("`tests/" in row for rows in asked for row in rows)
    assert len(NAMED) > 90


def test_each_boundary_and_each_letter_is_spoken_of() -> None:
    drawn = set(re.findall(r"B\d", PAGE.partition("```mermaid")[2].partition("```")[0]))
    headings = " ".join(re.findall(r"^### (.*)", PAGE, re.MULTILINE))
    assert drawn == set(re.findall(r"B\d", headings)) == {f"B{n}" for n in range(1, 9)}
    letters = "".join(row.split("|")[1] for row in SHOWN)
    assert set("STRIDE") <= set(letters)


def test_the_rules_of_bandit_are_on() -> None:
    """`S` for all that ships; tests and benches alone are left out."""
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "S" in lint["select"]
    assert not any(code.startswith("S") and code[1:2].isdigit() for code in lint["ignore"])
    loose = {name for name, codes in lint["per-file-ignores"].items() if "S" in codes}
    assert loose == {"tests/*", "bench/*", "torture/*"}
