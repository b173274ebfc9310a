"""Sheets as a page and as a print. Both take some time: they are made in the press's own thread."""

import base64
import hashlib
import io
import re
import threading
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import orjson
import segno
import typst
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sheets.content import Sheet

HERE = Path(__file__).parent
FONTS = HERE.parent / "data" / "fonts"

SIZES = ("11.5pt", "10.8pt", "10pt", "9.2pt", "8.4pt", "7.6pt")
"""Sizes of letters, tried from the first on until a print has two pages; under the last none can read."""

PAGES = 2
PAGE = re.compile(rb"/Type\s*/Page\b")
HELD = threading.Lock()
"""Typst's compiler is used by one thread at a time."""


def qr(address: str) -> str:
    """Draw the code of an address, with the quiet zone that scanners need, as SVG."""
    drawn = io.BytesIO()
    segno.make(address, error="m", micro=False).save(
        drawn, kind="svg", xmldecl=False, omitsize=True, border=4, svgclass=None, lineclass=None,
        light="#fff",
    )  # fmt: skip
    return drawn.getvalue().decode().strip()


@cache
def _pages() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


STYLE = (HERE / "sheet.css").read_text("utf-8")
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of the page: its own style, and nothing else from anywhere."""


def print_html(sheet: Sheet) -> bytes:
    """Make the page."""
    template = _pages().get_template("sheet.html")
    # The style and the drawing are ours; everything else is escaped.
    page = template.render(sheet=sheet, style=Markup(STYLE), qr=Markup(qr(sheet.address)))  # noqa: S704
    return page.encode()


@cache
def _compiler() -> typst.Compiler:
    return typst.Compiler(
        str(HERE / "sheet.typ"), root=str(HERE), font_paths=[str(FONTS)], ignore_system_fonts=True
    )


def print_pdf(sheet: Sheet) -> bytes:
    """Make the print: the same bytes for the same sheet, tagged, on two pages wherever that can be read.

    The words go in as data, so that none of them is ever taken for markup.
    """
    words = {"sheet": orjson.dumps(asdict(sheet)).decode(), "qr": qr(sheet.address)}
    with HELD:
        tries = (_print(words, size) for size in SIZES)
        return next((made for made in tries if _pages_of(made) <= PAGES), None) or _print(
            words, SIZES[-1]
        )


def _print(words: dict[str, str], size: str) -> bytes:
    """Print by PDF/UA-1; without its promise where a character is in no font of ours and becomes a box."""
    inputs = {**words, "size": size}
    try:
        made = _compiler().compile(
            format="pdf", sys_inputs=inputs, timestamp=0, pdf_standards=["ua-1"]
        )
    except typst.TypstError:
        made = _compiler().compile(format="pdf", sys_inputs=inputs, timestamp=0)
    if not isinstance(made, bytes):
        raise TypeError("a PDF is one file")
    return made


def _pages_of(made: bytes) -> int:
    return len(PAGE.findall(made))


class Kind(NamedTuple):
    """A form in which a sheet is given."""

    media_type: str
    make: Callable[[Sheet], bytes]


KINDS = {
    "html": Kind("text/html; charset=utf-8", print_html),
    "pdf": Kind("application/pdf", print_pdf),
}


def _edition() -> str:
    """Name all that decides how a sheet looks beside its guide: who has an older look gets the new one."""
    parts = [p.read_bytes() for p in sorted(HERE.iterdir()) if p.is_file()]
    parts += [version(name).encode() for name in ("typst", "segno", "jinja2")]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


EDITION = _edition()


def tag_of(kind: str, guide: str, place: str, address: str) -> str:
    """Give the tag of a sheet from its guide's tag, before it is made."""
    parts = "\0".join((EDITION, kind, guide, place, address))
    return f'"{hashlib.sha256(parts.encode()).hexdigest()[:24]}"'
