"""Receipts: checked without us by whoever has the key, and refused when anything in them was changed."""

import dataclasses
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from api.state import State
from cli.main import app as syt
from documents import printing
from kit.receipts import FORM, Receipt, ReceiptFalse, Why, compare, digest_of, read, write
from kit.settings import Settings
from kit.signing import (
    RECEIPTS,
    load_receipt_signer,
    load_signer,
    make_pem,
    public_pem,
    read_signer,
)
from sheets.printing import qr
from tests.make import Make
from tests.test_documents import NAME, denied, printed, refused
from tests.test_sheets import Pdf, squeezed

SIGNER = read_signer(make_pem(), RECEIPTS)
SAID = Receipt(
    "SYT330106202611250000120000106-REC-1",
    date(2026, 11, 25),
    "330106000012",
    b"\x07" * 32,
    SIGNER.id,
)
WRITTEN = write(SAID, SIGNER)
FIELDS = ("version", "document", "day", "outlet", "digest", "key", "signature")
OTHERS = {
    "version": "SYT2", "document": "SYT330106202611250000120000106-REC-2", "day": "20261124",
    "outlet": "330106000013", "digest": WRITTEN.split(":")[4][1:] + "A", "key": "0123456789ABCDEF",
    "signature": WRITTEN.split(":")[6][1:] + "A",
}  # fmt: skip


def why(text: str, signer: Any = SIGNER) -> Why:
    with pytest.raises(ReceiptFalse) as caught:
        read(text, signer.trusted)
    return caught.value.why


def test_it_says_what_was_written() -> None:
    assert read(WRITTEN, SIGNER.trusted) == SAID
    agency = SAID._replace(outlet=None)
    assert read(write(agency, SIGNER), SIGNER.trusted) == agency


def test_a_code_holds_it_closely() -> None:
    """Letters that a QR code packs two in eleven bits; nothing that a scanner might change."""
    assert re.fullmatch(r"[0-9A-Z:-]+", WRITTEN)
    assert len(WRITTEN) < 250


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_was_changed(field: str) -> None:
    parts = WRITTEN.split(":")
    parts[FIELDS.index(field)] = OTHERS[field]
    expected = {"version": {Why.FORM}, "key": {Why.KEY}, "signature": {Why.FORM, Why.SIGNATURE}}
    assert why(":".join(parts)) in expected.get(field, {Why.FORM, Why.SIGNATURE})


def test_any_character_that_was_changed_dropped_or_put_in() -> None:
    """Also the last one of a base32 text, of which several stand for the same bytes."""
    for n, character in enumerate(WRITTEN):
        other = "B" if character != "B" else "C"
        for text in (
            WRITTEN[:n] + other + WRITTEN[n + 1 :], WRITTEN[:n] + WRITTEN[n + 1 :],
            WRITTEN[:n] + other + WRITTEN[n:], WRITTEN[:n] + character.lower() + WRITTEN[n + 1 :],
        ):  # fmt: skip
            if text != WRITTEN:
                why(text)


@pytest.mark.parametrize(
    "text", ["", "SYT1", WRITTEN + "\n", " " + WRITTEN, WRITTEN * 9, "SYT1" + ":" * 6]
)
def test_what_is_none(text: str) -> None:
    assert why(text) is Why.FORM


def test_a_day_that_is_none() -> None:
    assert why(WRITTEN.replace(":20261125:", ":20261325:")) is Why.FORM


def test_another_key_by_the_same_name_is_not_believed() -> None:
    """Who forges one names our key, or brings his own along."""
    forger = read_signer(make_pem(), RECEIPTS)
    mine = write(SAID, forger)
    assert why(mine) is Why.KEY
    assert why(mine.replace(forger.id.upper(), SIGNER.id.upper())) is Why.SIGNATURE


def test_a_signature_for_something_else_is_none() -> None:
    """The same key under evidence signs other words, though they look alike."""
    other = dataclasses.replace(SIGNER, purpose=b"syt-evidence-1\n")
    assert why(write(SAID, other)) is Why.SIGNATURE


def test_what_was_signed_before_the_key_was_replaced_is_still_believed() -> None:
    newer = make_pem()
    signer = read_signer(newer + public_pem(SIGNER.public), RECEIPTS)
    assert read(WRITTEN, signer.trusted) == SAID
    assert read(write(SAID, signer), signer.trusted).key == signer.id
    assert why(WRITTEN, read_signer(newer, RECEIPTS)) is Why.KEY


def test_the_api_signs_by_a_key_of_its_own(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert load_receipt_signer(settings).id != load_signer(settings).id
    assert load_receipt_signer(settings).id == load_receipt_signer(settings).id
    assert (tmp_path / "receipts.pem").stat().st_mode & 0o077 == 0


def test_words_are_compared_whole() -> None:
    words = {
        "title": "收件凭证",
        "list": [["身份证", "已提交"]],
        "is_sample": True,
        "day": [2026, 11, 25],
    }
    receipt = SAID._replace(digest=digest_of(words))
    compare(receipt, dict(reversed(words.items())))
    for changed in (words | {"title": "受理通知书"}, words | {"more": 1}, {"title": "收件凭证"}):
        with pytest.raises(ReceiptFalse) as caught:
            compare(receipt, changed)
        assert caught.value.why is Why.WORDS


async def paper(http: httpx.AsyncClient, who: dict[str, str], number: str, code: str) -> Any:
    answer = await http.get(f"/v1/applications/{number}/documents/{code}.json", headers=who)
    assert answer.status_code == 200, answer.text
    return answer.json()


class TestService:
    async def test_every_paper_has_one_that_holds(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        teller, number = await denied(http, make)
        keys = state.receipts.trusted
        listed = (await http.get(f"/v1/applications/{number}/documents", headers=teller)).json()
        for item in listed["items"]:
            told = await paper(http, teller, number, f"{item['code']}-{item['nth']}")
            receipt = read(told["receipt"], keys)
            compare(receipt, told["words"])
            assert (receipt.document, receipt.application) == (item["document"], number)
            assert f"{receipt.day}" == item["issued_at"][:10]
            assert receipt.outlet == item["outlet"]

    async def test_nothing_personal_is_in_it_or_beside_it(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        """The digest is of masked words: a name can't be guessed from it either."""
        teller, number = await denied(http, make)
        told = await paper(http, teller, number, "NST")
        said = json.dumps(told, ensure_ascii=False)
        for secret in (NAME, "累计缴费未满15年"):
            assert secret not in said
        assert FORM.fullmatch(told["receipt"])
        assert told["words"]["applicant"] == "测**"

    async def test_print_and_copy_carry_the_same_code(
        self, http: httpx.AsyncClient, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        teller, number = await refused(http, make)
        drawn: list[str] = []

        def draw(text: str) -> str:
            drawn.append(text)
            return qr(text)

        monkeypatch.setattr(printing, "qr", draw)
        made = await printed(http, teller, number, "NGA")
        copy = await http.get(f"/v1/applications/{number}/documents/NGA.pdf", headers=teller)
        receipt = (await paper(http, teller, number, "NGA"))["receipt"]
        assert drawn.count(receipt) == 2
        for content in (made.content, copy.content):
            assert "验真码" in squeezed(Pdf(content).text)

    async def test_the_keys_are_anybodys(self, http: httpx.AsyncClient, state: State) -> None:
        answer = await http.get("/v1/receipt-keys")
        assert [item["key"] for item in answer.json()["items"]] == [state.receipts.id]
        known = {"If-None-Match": answer.headers["etag"]}
        assert (await http.get("/v1/receipt-keys", headers=known)).status_code == 304

    async def test_a_paper_that_is_not_there_or_not_yours(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        teller, number = await refused(http, make)
        other = make.teller(await make.place())
        for who, code, expected in (
            (teller, "STL", "document-not-found"), (other, "NGA", "application-not-found"),
        ):  # fmt: skip
            url = f"/v1/applications/{number}/documents/{code}.json"
            answer = await http.get(url, headers=who)
            assert (answer.status_code, answer.json()["code"]) == (404, expected)


class TestCommand:
    """`syt check-receipt`, with files alone: no service is there."""

    def run(self, text: str, keys: Path, *more: str) -> tuple[int, str]:
        done = CliRunner().invoke(syt, ["check-receipt", text, "--keys", str(keys), *more])
        return done.exit_code, done.output

    @pytest.fixture
    async def saved(
        self, http: httpx.AsyncClient, make: Make, tmp_path: Path
    ) -> tuple[str, Path, Path]:
        teller, number = await refused(http, make)
        told = await paper(http, teller, number, "NGA")
        keys, words = tmp_path / "keys.json", tmp_path / "words.json"
        keys.write_bytes((await http.get("/v1/receipt-keys")).content)
        words.write_text(json.dumps(told, ensure_ascii=False))
        return told["receipt"], keys, words

    def test_ours(self, saved: tuple[str, Path, Path]) -> None:
        receipt, keys, words = saved
        status, said = self.run(receipt, keys, "--words", str(words))
        assert (status, "验真通过" in said) == (0, True)

    def test_not_ours(self, saved: tuple[str, Path, Path], tmp_path: Path) -> None:
        receipt, keys, words = saved
        changed = json.loads(words.read_text())
        changed["words"]["agency"] = "另一机构"
        words.write_text(json.dumps(changed))
        for text, more, reason in (
            (receipt.replace("-NGA-", "-STL-"), (), "签名不符"),
            (WRITTEN, (), "不在公钥表内"),
            (receipt[:-1], (), "不是本平台的验真码"),
            (receipt, ("--words", str(words)), "与文书内容不符"),
        ):
            status, said = self.run(text, keys, *more)
            assert (status, reason in said) == (1, True), said

    def test_keys_that_are_none(self, tmp_path: Path) -> None:
        keys = tmp_path / "keys.json"
        for text in ("", "{}", '{"items":[{"key":"a","public_key":"AAAA"}]}', "[]"):
            keys.write_text(text)
            assert self.run(WRITTEN, keys)[0] == 3
        assert self.run(WRITTEN, tmp_path / "none.json")[0] == 3

    def test_keys_in_pem(self, tmp_path: Path) -> None:
        (tmp_path / "keys.pem").write_text(public_pem(SIGNER.public))
        assert self.run(WRITTEN, tmp_path / "keys.pem")[0] == 0
