"""Guides as files: what is wrong is told with its line, and what is right comes back byte for byte."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml as other_yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from api.state import State
from cli import load
from cli.export import export_matters
from cli.load import DATA, LoadFailed, load_matters, shipped_guide
from kit import yaml
from kit.db import transaction
from kit.yaml import YamlFault
from matters.files import MAX_BYTES, FileUnreadable, read_guide, write_guide
from schemas.forms import in_order
from schemas.guides import GuideFile
from tests.make import RECORD

FILES = sorted((DATA / "matters").glob("*.yaml"))
CITATIONS = {
    row["document"]: (row["title"], row["number"])
    for row in load.read_csv(DATA / "catalogue" / "documents.csv")
}
SHIPPED = (DATA / "matters" / f"{RECORD}.yaml").read_text()

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | TEXTS
    | st.floats(allow_nan=False, allow_infinity=False).map(lambda n: round(n % 1e6, 3)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


class TestYaml:
    @pytest.mark.slow
    @settings(max_examples=400, deadline=None)
    @given(value=st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4))
    def test_what_is_written_is_read_alike_by_us_and_by_others(self, value: dict[str, Any]) -> None:
        text = yaml.write(value)
        assert yaml.read(text.encode())[0] == value
        assert other_yaml.safe_load(text) == value
        assert yaml.write(yaml.read(text.encode())[0]) == text

    @pytest.mark.parametrize(
        "text", ["no", "ON", "null", "~", "1", "1e3", "0x1f", "12:30", "2026-01-01", ".inf", "- a",
                 "a: b", "a #b", " a", "a ", "*a", "&a", "!a", "{a", "=", "<<", "", "\u2028", "\ufeff",
                 "a\nb", "\t", "'", '"', "\\", "%", "@", "`", "|", ">", "y", "\x85", "\x00", "。"],
    )  # fmt: skip
    def test_a_text_stays_a_text(self, text: str) -> None:
        written = yaml.write({"a": text, text or "k": [text, text]})
        assert yaml.read(written.encode())[0]["a"] == text
        assert other_yaml.safe_load(written)["a"] == text

    def test_a_long_text_is_folded_without_blanks(self) -> None:
        text = "社会保险经办机构办理。" * 30
        written = yaml.write({"a": {"b": [text]}})
        assert yaml.read(written.encode())[0]["a"]["b"] == [text]
        assert max(map(len, written.splitlines())) < 60
        assert len(written.splitlines()) > 6

    @pytest.mark.parametrize(
        ("text", "line", "words"),
        [
            ("a: 1\nb: 2\na: 3\n", 3, "`a` stands here again (first: line 1)"),
            ("a: &x 1\nb: *x\n", 1, "anchors and aliases"),
            ("a: 1\nb: *x\n", 2, "anchors and aliases"),
            ("a: !!python/object:os.system x\n", 1, "tags"),
            ("a: 1\n---\nb: 2\n", 2, "a second document"),
            ("a: 1\n\tb: 2\n", 2, "tab"),
            ("a: [1\n", 2, "did not find expected"),
            ("a: 1\n? [b]\n: 2\n", 2, "a name must stand here"),
            ("", 1, "empty"),
            ("a: " + "[" * 60 + "]" * 60, 1, "too deeply"),
            ("a: [" + "1," * yaml.NODES + "1]", 1, "too much"),
            ("a: \x01\n", 1, "character"),
        ],
    )
    def test_what_may_hold_a_surprise_is_refused(self, text: str, line: int, words: str) -> None:
        with pytest.raises(YamlFault) as error:
            yaml.read(text.encode())
        assert (error.value.line, words in error.value.words) == (line, True), error.value.words

    def test_bytes_that_are_no_utf_8_are_refused_with_their_line(self) -> None:
        with pytest.raises(YamlFault, match="line 2: this is not UTF-8"):
            yaml.read("a: 1\nb: 中\n".encode("gb18030"))

    def test_a_bomb_of_aliases_is_refused_at_its_first_anchor(self) -> None:
        bomb = "a: &a [x]\n" + "".join(
            f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n"
            for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        )
        with pytest.raises(YamlFault, match="line 1"):
            yaml.read(bomb.encode())


def broken(old: str, new: str) -> list[str]:
    assert old in SHIPPED, old
    with pytest.raises(FileUnreadable) as error:
        read_guide(SHIPPED.replace(old, new, 1).encode(), CITATIONS)
    return [f"{line}: {words}" for line, words in error.value.faults]


def line_of(text: str) -> int:
    return next(n for n, line in enumerate(SHIPPED.splitlines(), start=1) if text in line)


class TestFaults:
    def test_a_misspelt_field_names_its_line_and_the_nearest_right_name(self) -> None:
        line = line_of("necessity: required")
        assert broken("necessity: required", "necesity: required") == [
            f"{line_of('- code: id_card')}: guide/materials/0: `necessity` is missing",
            f"{line}: guide/materials/0: there is no field `necesity`; did you mean `necessity`?",
        ]

    def test_a_field_at_the_wrong_place_is_named(self) -> None:
        (fault,) = broken("guide:\n", "guide:\n  versoin: 2\n")
        assert fault == "4: guide: there is no field `versoin`"

    def test_a_code_without_quotes_says_so(self) -> None:
        (fault,) = broken('consult_phone: "12333"', "consult_phone: 12333")
        assert fault.startswith(f"{line_of('consult_phone')}: guide/consult_phone")
        assert fault.endswith("put it in quotes")

    def test_a_value_that_is_not_allowed_is_named(self) -> None:
        (fault,) = broken("delegation: D3", "delegation: D7")
        assert fault.startswith(f"{line_of('delegation: D3')}: guide/outlet/delegation:")

    def test_a_document_that_the_register_does_not_hold_is_named(self) -> None:
        (fault,) = broken("document: record_rules", "document: record_rule")
        assert f"{line_of('record_rules')}: " in fault
        assert "did you mean `record_rules`?" in fault

    def test_an_empty_register_says_what_to_do(self) -> None:
        with pytest.raises(FileUnreadable, match="load the catalogue first"):
            read_guide(SHIPPED.encode(), {})

    def test_a_form_that_is_no_schema_names_its_line(self) -> None:
        (fault,) = broken("type: object", "type: objekt")
        assert fault.startswith(f"{line_of('type: object')}: guide/form_schema")

    def test_all_faults_are_told_at_once(self) -> None:
        text = SHIPPED.replace("delegation: D3", "delegation: D7").replace(
            "version: 1", "version: 0"
        )
        with pytest.raises(FileUnreadable) as error:
            read_guide(text.replace("record_rules", "x").encode(), CITATIONS)
        assert len(error.value.faults) == 3

    def test_what_is_too_long_is_not_read(self) -> None:
        with pytest.raises(FileUnreadable, match="longer than"):
            read_guide(b"a: 1\n" * MAX_BYTES, CITATIONS)


class TestForms:
    def test_fields_keep_their_order_through_a_store_that_has_none(self) -> None:
        for file in FILES:
            guide = shipped_guide(file.stem)
            lost = json.loads(json.dumps(guide.model_dump(mode="json"), sort_keys=True))
            again = GuideFile.model_validate(lost)
            assert write_guide(again) == file.read_text()
            fields = list(again.guide.form_schema["properties"])
            assert fields == list(guide.guide.form_schema["properties"])

    @pytest.mark.parametrize(
        "form", [{}, {"properties": 1}, {"properties": {"a": 1}, "x-order": "a"},
                 {"properties": {"a": {}, "b": {}}, "x-order": ["b", 1, "c", ["a"]]}],
    )  # fmt: skip
    def test_a_form_that_is_none_stays_what_it_is(self, form: dict[str, Any]) -> None:
        ordered = in_order(form)
        assert in_order(ordered) == ordered
        assert set(form) <= set(ordered)

    def test_named_fields_come_first(self) -> None:
        form = {"properties": {"a": {}, "b": {}, "c": {}}, "x-order": ["c", "a"]}
        assert list(in_order(form)["properties"]) == ["c", "a", "b"]


class TestInAndOut:
    async def test_all_come_back_byte_for_byte(self, state: State, tmp_path: Path) -> None:
        """The tests' database was filled from these files."""
        await export_matters(state.sessions, tmp_path)
        for file in FILES:
            assert (tmp_path / file.name).read_bytes() == file.read_bytes(), file.name
        assert len({file.name.partition(".")[0] for file in FILES}) == 22
        assert await export_matters(state.sessions, tmp_path) == 0

    async def test_loading_what_is_there_changes_nothing(self, state: State) -> None:
        assert await load_matters(state.sessions, DATA / "matters") == 0
        assert await load.load_catalogue(state.sessions, DATA / "catalogue") == 0

    async def test_versions_are_files_of_their_own(self, state: State, tmp_path: Path) -> None:
        code = "332014901990"
        folder = tmp_path / "in"
        folder.mkdir()
        first = SHIPPED.replace(RECORD, code)
        later = date.today() + timedelta(days=30)  # noqa: DTZ011
        second = first.replace("version: 1", "version: 2").replace("2026-01-01", str(later), 1)
        (folder / f"{code}.yaml").write_text(second)
        (folder / f"{code}.1.yaml").write_text(first)
        assert await load_matters(state.sessions, folder) == 2
        await export_matters(state.sessions, tmp_path / "out")
        assert (tmp_path / "out" / f"{code}.yaml").read_text() == second
        assert (tmp_path / "out" / f"{code}.1.yaml").read_text() == first

    async def test_one_bad_file_keeps_all_out(self, state: State, tmp_path: Path) -> None:
        good = SHIPPED.replace(RECORD, "332014901991")
        (tmp_path / "332014901991.yaml").write_text(good)
        bad = good.replace("332014901991", "332014901992").replace("necessity:", "necesity:", 1)
        (tmp_path / "332014901992.yaml").write_text(bad)
        with pytest.raises(LoadFailed, match=r"332014901992\.yaml:\d+: .*necesity"):
            await load_matters(state.sessions, tmp_path)
        await self.nothing_of(state, "332014901991")

    async def test_one_that_the_database_refuses_keeps_all_out(
        self, state: State, tmp_path: Path
    ) -> None:
        (tmp_path / "1.yaml").write_text(SHIPPED.replace(RECORD, "332014901993"))
        (tmp_path / "2.yaml").write_text(SHIPPED.replace("12333", "12345"))
        with pytest.raises(LoadFailed, match=r"2\.yaml: "):
            await load_matters(state.sessions, tmp_path)
        await self.nothing_of(state, "332014901993")

    async def test_a_hundred_megabytes_are_refused_unread(
        self, state: State, tmp_path: Path
    ) -> None:
        huge = tmp_path / "huge.yaml"
        with huge.open("wb") as file:
            file.truncate(100 << 20)
        with pytest.raises(LoadFailed, match="longer than"):
            await load_matters(state.sessions, huge)

    async def nothing_of(self, state: State, code: str) -> None:
        async with transaction(state.sessions) as session:
            connection = await session.connection()
            count = sa.text("SELECT count(*) FROM matter WHERE base_code = :code")
            assert await connection.scalar(count, {"code": code}) == 0
