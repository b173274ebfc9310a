"""Papers as prints: the same bytes for the same words."""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import typst

from documents.compose import shown
from sheets.printing import FONTS, HELD, qr

HERE = Path(__file__).parent


@cache
def _compiler() -> typst.Compiler:
    return typst.Compiler(
        str(HERE / "paper.typ"), root=str(HERE), font_paths=[str(FONTS)], ignore_system_fonts=True
    )


def worded(
    content: Mapping[str, Any], receipt: str, public_url: str, query_code: str
) -> dict[str, Any]:
    """Give all that stands on a print, with its signed receipt. Without the query code it is a copy to look
    at: masked, and what is scanned from it opens nothing but the question for a code.
    """
    place = f"{public_url}/p/{content['application']}"
    address = f"{place}#{query_code}" if query_code else place
    ours = {"place": place, "address": address, "query_code": query_code, "receipt": receipt}
    return shown(content, masked=not query_code) | ours


def print_paper(words: Mapping[str, Any]) -> bytes:
    """Print a paper, by PDF/UA-1; without its promise where a character is in no font of ours.

    Takes a good part of a second: not for the event loop.
    """
    inputs = {
        "paper": orjson.dumps(words).decode(), "qr": qr(words["address"]), "receipt": qr(words["receipt"]),
    }  # fmt: skip
    with HELD:
        try:
            made = _compiler().compile(
                format="pdf", sys_inputs=inputs, timestamp=0, pdf_standards=["ua-1"]
            )
        except typst.TypstError:
            made = _compiler().compile(format="pdf", sys_inputs=inputs, timestamp=0)
    if not isinstance(made, bytes):
        raise TypeError("a PDF is one file")
    return made


def _edition() -> str:
    parts = [p.read_bytes() for p in sorted(HERE.iterdir()) if p.is_file()]
    parts += [version(name).encode() for name in ("typst", "segno")]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


EDITION = _edition()
"""Names all that decides how a paper looks beside its words."""


def tag_of(words: Mapping[str, Any]) -> str:
    """Give the tag of a print from its words, before it is made."""
    said = orjson.dumps(words, option=orjson.OPT_SORT_KEYS)
    return f'"{hashlib.sha256(EDITION.encode() + said).hexdigest()[:24]}"'
