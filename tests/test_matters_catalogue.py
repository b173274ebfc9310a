"""The catalogue's own files: codes by rule, links that hold, and what is said of one that does not."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from api.state import State
from cli.load import DATA, LoadFailed, load_catalogue, shipped_guide
from schemas.codes import (
    base_code_fault,
    handling_item_fault,
    implementation_code_fault,
    is_sample_code,
)

CATALOGUE = DATA / "catalogue"
REAL = (
    "11320829014341463H432201432500201",
    "11511012008562235K400201400800116",
    "1134182300329195864002014005002" + "01",
)
"""Handling items of public pages, in three provinces."""


def rows(name: str) -> list[dict[str, str]]:
    with (CATALOGUE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class TestCodes:
    @pytest.mark.parametrize("code", REAL)
    def test_codes_in_use_pass(self, code: str) -> None:
        assert handling_item_fault(code) is None
        assert implementation_code_fault(code[:31]) is None
        assert base_code_fault(code[19:31]) is None
        assert not is_sample_code(code[19:31])

    @pytest.mark.parametrize(
        ("code", "fault"),
        [
            ("33201490100", "form"),
            ("3320149010011", "form"),
            ("33201490100x", "form"),
            ("３３２０１４９０１００１", "form"),
            ("992014901001", "scope"),
            ("812014901001", "scope"),
            ("331114901001", "type"),
            ("332015901001", "department"),
            ("002014005002", None),
            ("332014901001", None),
        ],
    )
    def test_a_base_code_is_checked_part_by_part(self, code: str, fault: str | None) -> None:
        assert base_code_fault(code) == fault

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            (lambda code: code[:-2], "serial"),
            (lambda code: code[:-2] + "00", "serial"),
            (lambda code: code[:-2] + "1x", "serial"),
            (lambda code: "2" + code[1:], "body"),
            (lambda code: code[:17] + "X" + code[18:], "body"),
            (lambda code: code[:18] + "8" + code[19:], "level"),
            (lambda code: code[:19] + "99" + code[21:], "scope"),
            (lambda code: code[:23] + "99" + code[25:], "department"),
        ],
    )
    def test_a_composed_code_names_the_part_that_is_wrong(
        self, change: Callable[[str], str], fault: str
    ) -> None:
        assert handling_item_fault(change(REAL[0])) == fault

    def test_all_of_ours_pass_and_are_samples(self) -> None:
        for row in rows("matters.csv"):
            assert base_code_fault(row["base_code"]) is None, row
            assert is_sample_code(row["base_code"]), row
            assert row["national_code"] == "" or base_code_fault(row["national_code"]) is None

    def test_every_guides_codes_are_composed_by_the_rule(self) -> None:
        for file in (DATA / "matters").glob("*.yaml"):
            guide = shipped_guide(file.stem).guide
            assert handling_item_fault(f"{guide.implementation_code}01") is None


class TestEntries:
    def test_names_and_categories_are_those_of_the_guides(self) -> None:
        entries = {row["base_code"]: row for row in rows("matters.csv")}
        for file in (DATA / "matters").glob("*.yaml"):
            guide = shipped_guide(file.stem).guide
            entry = entries[file.name.partition(".")[0]]
            assert (guide.name, guide.category) == (entry["name"], entry["category"])
            assert guide.service_objects == entry["service_objects"].split()
            assert guide.insurance_kinds == entry["insurance_kinds"].split()

    def test_they_are_numbered_without_a_gap_and_say_what_they_are(self) -> None:
        numbers = {row["number"] for row in rows("matters.csv")}
        assert numbers == {str(n) for n in range(1, 122)} | {"5a"}
        assert {row["is_reconstruction"] for row in rows("matters.csv")} == {"true"}

    def test_what_is_fit_for_no_outlet_is_let_to_none(self) -> None:
        for row in rows("matters.csv"):
            if (
                row["fit"] in ("none", "forward")
                and (DATA / f"matters/{row['base_code']}.yaml").exists()
            ):
                guide = shipped_guide(row["base_code"]).guide
                assert guide.outlet.delegation in ("D0", "D1"), row

    def test_every_basis_of_a_guide_is_in_the_register(self) -> None:
        known = {row["document"] for row in rows("documents.csv")}
        for file in (DATA / "matters").glob("*.yaml"):
            for basis in shipped_guide(file.stem).guide.legal_bases:
                assert basis.document in known
                assert basis.article


class TestLoading:
    @pytest.mark.parametrize(
        ("file", "old", "new", "words"),
        [
            ("matters.csv", "332014910001,", "332015910001,", r"matters\.csv:\d+: base_code: .*department"),
            ("matters.csv", "332014910001,", "332014901001,", "matter 332014901001 stands here twice"),
            ("matters.csv", ",forward,", ",sometimes,", r"matters\.csv:\d+: fit"),
            ("matters.csv", ",national_code,", ",nationalcode,", r"matters\.csv:2: national_code"),
            ("matters.csv", ",332014901012,", ",332014901077,", "covered_by 332014901077 is not there"),
            ("items.csv", "16,老有所养", "17,老有所养", "item 17 stands here twice"),
            ("documents.csv", "in_force,2023-12-01", "replaced,2023-12-01", r"documents\.csv:\d+: the line"),
            ("documents.csv", "gbt_35616_2017,true", "gbt_35616_2016,true", "gbt_35616_2016|disagree"),
            ("documents.csv", "2023-12-01", "2023-13-01", r"documents\.csv:\d+: in_force_from"),
            ("packages.yaml", "summary:", "sumary:", r"packages\.yaml:5: .*did you mean `summary`"),
            ("packages.yaml", "332014919092", "332014919192", "matter 332014919192 is not there"),
        ],
    )  # fmt: skip
    async def test_what_is_wrong_is_named_and_nothing_is_stored(
        self, state: State, tmp_path: Path, file: str, old: str, new: str, words: str
    ) -> None:
        folder = tmp_path / "catalogue"
        shutil.copytree(CATALOGUE, folder)
        text = (folder / file).read_text(encoding="utf-8")
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(LoadFailed, match=words):
            await load_catalogue(state.sessions, folder)
        assert await load_catalogue(state.sessions, CATALOGUE) == 0

    async def test_a_missing_file_is_named(self, state: State, tmp_path: Path) -> None:
        with pytest.raises(LoadFailed, match=r"items\.csv"):
            await load_catalogue(state.sessions, tmp_path)
