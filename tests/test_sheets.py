"""Sheets of guides: whole, readable, the same for the same guide, and made beside the work of the process."""

import asyncio
import base64
import hashlib
import re
import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from html import unescape
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
import segno

from api.state import State
from kit.clock import today
from matters.compiled import CompiledGuide
from sheets import printing
from sheets.content import Sheet, compose
from sheets.errors import SheetsBusy
from sheets.press import Press
from tests.make import PENSION, Make

NASTY = '<script>alert(1)</script> #panic("x") *a* _b_ $c$ `d` ] } {{ sheet }} \\ "'
ADDRESS = "http://outlet.test/g/332014901003"
MANY = 18


class Pdf:
    """Just enough of a reader to see which glyphs a print shows, and which characters they are."""

    def __init__(self, made: bytes) -> None:
        found = re.finditer(rb"(\d+) 0 obj\s(.*?)\sendobj", made, re.DOTALL)
        self._objects = {int(m[1]): m[2] for m in found}
        self.pages = [o for o in self._objects.values() if re.search(rb"/Type\s*/Page\b", o)]
        self.glyphs = [glyph for page in self.pages for glyph in self._shown(page)]

    @property
    def text(self) -> str:
        return "".join(character for _, character in self.glyphs)

    def _stream(self, body: bytes) -> bytes:
        raw = body.split(b"stream\n", 1)[1].rsplit(b"endstream", 1)[0]
        return zlib.decompress(raw) if b"FlateDecode" in body else raw

    def _ref(self, name: bytes, body: bytes) -> bytes:
        found = re.search(name + rb"\s*\[?(\d+) 0 R", body)
        assert found, name
        return self._objects[int(found[1])]

    def _fonts(self, page: bytes) -> dict[bytes, dict[int, str]]:
        inner = page if b"/Font" in page else self._ref(b"/Resources", page)
        named = re.search(rb"/Font\s*<<(.*?)>>", inner, re.DOTALL)
        assert named
        return {
            m[1]: self._characters(self._objects[int(m[2])])
            for m in re.finditer(rb"/(\w+) (\d+) 0 R", named[1])
        }

    def _characters(self, font: bytes) -> dict[int, str]:
        """Read the map from glyphs to text that search, copying and reading aloud go by."""
        cmap = self._stream(self._ref(b"/ToUnicode", font))
        pairs = re.findall(rb"<([0-9a-fA-F]{4})>\s*<([0-9a-fA-F]+)>\s*\n", cmap)
        return {int(g, 16): bytes.fromhex(t.decode()).decode("utf-16-be") for g, t in pairs}

    def _shown(self, page: bytes) -> Iterator[tuple[int, str]]:
        fonts, current = self._fonts(page), dict[int, str]()
        for font, raw in _words(self._stream(self._ref(b"/Contents", page))):
            current = fonts[font] if font else current
            for at in range(0, len(raw), 2):
                glyph = int.from_bytes(raw[at : at + 2], "big")
                yield glyph, current.get(glyph, "\ufffd")


ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
TOKENS = re.compile(rb"\\.|[()]|/(\w+) [\d.]+ Tf|<([0-9a-fA-F]+)>", re.DOTALL)


def _words(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Read what is shown, and which font is chosen; brackets within a string may stand in pairs."""
    depth = start = 0
    for token in TOKENS.finditer(content):
        if token[0] == b"(":
            depth, start = depth + 1, start if depth else token.end()
        elif token[0] == b")":
            depth -= 1
            if depth == 0:
                yield b"", _plain(content[start : token.start()])
        elif depth == 0:
            yield token[1] or b"", bytes.fromhex((token[2] or b"").decode())


def _plain(string: bytes) -> bytes:
    return re.sub(
        rb"\\([0-7]{1,3}|.)",
        lambda m: bytes([int(m[1], 8)]) if m[1].isdigit() else ESCAPES.get(m[1], m[1]),
        string,
        flags=re.DOTALL,
    )


def guide_of(state: State, matter: str = PENSION) -> CompiledGuide:
    return state.desk.catalogue.resolve(matter, None, today())


def sheet_of(state: State, place: str = "", **changed: Any) -> Sheet:
    """The sheet of a shipped guide, with some fields of the guide changed."""
    compiled = guide_of(state)
    guide = compiled.guide.model_copy(update=changed)
    return compose(replace(compiled, guide=guide), place, ADDRESS)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@pytest.mark.slow
async def test_each_guide_is_on_two_pages_with_all_that_is_to_be_brought(state: State) -> None:
    guides = state.desk.catalogue.in_force(today())
    assert len(guides) >= 14
    for compiled in guides:
        sheet, guide = compose(compiled, "", ADDRESS), compiled.guide
        made = Pdf(printing.print_pdf(sheet))
        page = squeezed(unescape(printing.print_html(sheet).decode()))
        assert len(made.pages) <= 2, guide.name
        wanted = [
            guide.name, guide.summary, guide.consult_phone, guide.handle_address, guide.handle_time,
            guide.remedy, guide.source_note, guide.result.name, "工作日", "样例",
            *guide.accept_conditions, *(b.law for b in guide.legal_bases),
            *(m.name for m in guide.materials), *(step.name for step in guide.flow),
        ]  # fmt: skip
        for words in map(squeezed, wanted):
            assert words in page, (guide.name, words)
            assert words in squeezed(made.text), (guide.name, words)
        assert 0 not in {glyph for glyph, _ in made.glyphs}, guide.name


@pytest.mark.parametrize(("code", "name"), [("330902105", "干𬒗镇"), ("331181004", "鿎石街道")])
async def test_rare_characters_are_no_boxes(
    http: httpx.AsyncClient, make: Make, code: str, name: str
) -> None:
    teller = make.teller(await make.place())
    answer = await http.get(f"/v1/matters/{PENSION}/guide.pdf?division={code}", headers=teller)
    made = Pdf(answer.content)
    assert name in made.text
    assert 0 not in {glyph for glyph, _ in made.glyphs}


async def test_what_the_font_lacks_is_a_box_and_no_failure(state: State) -> None:
    """A sheet with a box is better than none; this also shows that the tests above see boxes."""
    boxed, whole = (
        printing.print_pdf(sheet_of(state, place="\U00031cea村")),
        printing.print_pdf(sheet_of(state)),
    )
    assert 0 in {glyph for glyph, _ in Pdf(boxed).glyphs}
    assert (b"pdfuaid" in whole, b"pdfuaid" in boxed) == (True, False)


async def test_no_word_of_a_guide_is_markup(state: State) -> None:
    sheet = sheet_of(state, name=NASTY, summary=NASTY, remedy=NASTY, accept_conditions=[NASTY])
    page = printing.print_html(sheet).decode()
    assert "<script" not in page
    assert unescape(page).count(NASTY) >= 4
    assert squeezed(Pdf(printing.print_pdf(sheet)).text).count(squeezed(NASTY)) >= 4


@pytest.mark.slow
async def test_letters_get_smaller_until_there_are_two_pages(state: State) -> None:
    first = guide_of(state).guide.materials[0]
    long = [first.model_copy(update={"name": f"第{n}项材料"}) for n in range(MANY)]
    assert len(Pdf(printing.print_pdf(sheet_of(state, materials=long))).pages) == 2
    longest = Pdf(printing.print_pdf(sheet_of(state, materials=long * 6)))
    assert len(longest.pages) > 2
    assert longest.text.count("第1项材料") == 6


async def test_the_print_is_the_same_for_the_same_guide(state: State) -> None:
    first = printing.print_pdf(sheet_of(state))
    printing.print_pdf(sheet_of(state, place="别处"))
    printing._compiler.cache_clear()
    assert printing.print_pdf(sheet_of(state)) == first
    assert b"/Lang(zh-CN)" in first.replace(b"/Lang (", b"/Lang(")
    assert b"/MarkInfo" in first
    assert b"D:20260101" in first


async def test_the_code_leads_to_the_open_page(http: httpx.AsyncClient, make: Make) -> None:
    place = {"Authorization": make.teller(await make.place())["Authorization"]}
    page = await http.get(
        f"/v1/matters/{PENSION}/guide.html?division=330106000000&on=2026-11-23", headers=place
    )
    address = f"http://outlet.test/g/{PENSION}?division=330106"
    assert drawn(page.text) == [bytes(row) for row in segno.make(address, error="m").matrix]
    opened = await http.get(address)
    assert opened.status_code == 200
    assert "浙江省杭州市西湖区" in opened.text


def drawn(page: str) -> list[bytes]:
    """Read the squares of a code back from its drawing; the quiet zone is four squares wide."""
    size = int(re.findall(r'viewBox="0 0 (\d+) \d+"', page)[0])
    squares = [bytearray(size) for _ in range(size)]
    path = re.findall(r'stroke="#000" d="([^"]+)"', page)[0]
    x = y = 0.0
    for command, first, second in re.findall(r"([Mmh])(-?[\d.]+)(?:[ ,]?(-?[\d.]+))?", path):
        if command == "h":
            squares[int(y)][int(x) : int(x) + int(first)] = b"\1" * int(first)
            x += int(first)
        else:
            back = command == "M"
            x, y = float(first) + (0 if back else x), float(second) + (0 if back else y)
    return [bytes(row[4:-4]) for row in squares[4:-4]]


async def test_the_page_fetches_nothing_and_runs_nothing(http: httpx.AsyncClient) -> None:
    answer = await http.get(f"/g/{PENSION}")
    page, policy = answer.text, answer.headers["content-security-policy"]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert '<html lang="zh-CN">' in page
    assert not re.search(r"<script|<link|<img|\bsrc=|\bon\w+=|url\(|@import|\bstyle=", page)
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
    assert page.count("☐") == page.count('<th scope="row">') >= 5


async def test_headers_of_a_print(http: httpx.AsyncClient, make: Make) -> None:
    teller = make.teller(await make.place())
    url = f"/v1/matters/{PENSION}/guide.pdf"
    first = await http.get(url, headers=teller)
    assert first.headers["content-type"] == "application/pdf"
    assert first.content.startswith(b"%PDF-")
    plain, full = first.headers["content-disposition"].split("; filename")[1:]
    assert plain == f'="{PENSION}-1.pdf"'
    assert unquote(full.removeprefix("*=UTF-8''")) == "城乡居民养老保险待遇申领-办事指南-第1版.pdf"
    again = await http.get(url, headers={**teller, "If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    page = await http.get(url.replace("pdf", "html"), headers=teller)
    elsewhere = await http.get(f"{url}?division=330106", headers=teller)
    assert len({first.headers["etag"], page.headers["etag"], elsewhere.headers["etag"]}) == 3


REFUSED = """
/v1/matters/332014901003/guide.pdf                 -      401 token-missing
/v1/matters/332014901003/guide.html                -      401 token-missing
/v1/matters/999999999999/guide.pdf                 teller 404 matter-not-found
/v1/matters/332014901003/guide.html?on=1999-01-01  teller 404 guide-not-found
/v1/matters/332014901003/guide.pdf?on=yesterday    teller 422 request-invalid
/v1/matters/332014901003/guide.pdf?division=3301   teller 422 request-invalid
/g/999999999999                                    -      404 matter-not-found
/g/332014901003?division=x                         -      422 request-invalid
"""


async def test_refusals_are_problems(http: httpx.AsyncClient, make: Make) -> None:
    teller = make.teller(await make.place())
    for url, who, status, code in map(str.split, REFUSED.strip().splitlines()):
        answer = await http.get(url, headers=teller if who == "teller" else {})
        assert (answer.status_code, answer.json()["code"]) == (int(status), code), url
        assert answer.headers["content-type"] == "application/problem+json"


async def test_the_process_goes_on_while_a_sheet_is_made_once_for_all(state: State) -> None:
    press, made, go_on = Press(), [], threading.Event()

    def make() -> bytes:
        assert go_on.wait(30)
        made.append(1)
        return b"sheet"

    asked = [asyncio.create_task(press.get("a", make)) for _ in range(5)]
    await asyncio.sleep(0)
    asked[0].cancel()  # Who asked first hangs up; the others still get theirs.
    await asyncio.sleep(0)
    go_on.set()  # Had the making held the loop up, nobody would come to say this.
    assert await asyncio.gather(*asked[1:]) == [b"sheet"] * 4
    assert await press.get("a", make) == b"sheet"
    assert made == [1]


async def test_what_fails_is_tried_anew() -> None:
    press, tries = Press(), iter([ValueError("torn"), None])

    def make() -> bytes:
        if (fault := next(tries)) is not None:
            raise fault
        return b"sheet"

    with pytest.raises(ValueError, match="torn"):
        await press.get("a", make)
    assert await press.get("a", make) == b"sheet"


async def test_memory_and_queue_are_bounded() -> None:
    press, go_on, made = Press(kept=25, waiting=2), threading.Event(), []

    def make(name: str) -> bytes:
        assert go_on.wait(30)
        made.append(name)
        return bytes(10)

    asked = [asyncio.create_task(press.get(n, lambda n=n: make(n))) for n in "ab"]  # type: ignore[misc]
    await asyncio.sleep(0)
    with pytest.raises(SheetsBusy):
        await press.get("c", lambda: make("c"))
    go_on.set()
    await asyncio.gather(*asked)
    for name in "acb":  # "c" takes the place of the one that nobody asked for since.
        await press.get(name, lambda n=name: make(n))  # type: ignore[misc]
    assert made == ["a", "b", "c", "b"]


def test_an_end_of_the_period_is_named_as_its_last_day(state: State) -> None:
    ended = replace(guide_of(state), effective_to=date(2027, 1, 1))
    assert compose(ended, "", ADDRESS).edition == "第1版，2026年1月1日起施行，2026年12月31日止"


async def test_a_place_that_is_not_there_has_no_sheet(http: httpx.AsyncClient) -> None:
    for place in ("999999", "330104"):
        answer = await http.get(f"/g/{PENSION}?division={place}")
        assert (answer.status_code, answer.headers["content-type"]) == (
            404,
            "application/problem+json",
        )
