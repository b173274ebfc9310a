"""The registry as a spreadsheet: streamed, in the form in which it can be handed in again."""

import asyncio
import csv
import io
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import date
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any

import xlsxwriter
from fastapi import APIRouter, Query
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.deps import Held, may
from api.openapi import carries, refuses
from api.routes.imports import download
from api.routes.outlets import asked_of
from api.state import State
from importing.service import harmless
from judging.columns import ORDER
from judging.words import ALL_MATTERS, CLASSES, KINDS, STATUSES
from kit.clock import today
from outlets.memory import OutletInfo
from schemas.imports import ExportAsked

router = APIRouter(prefix="/v1/outlets/export", tags=["outlets"], route_class=ContractRoute)
COLUMNS = ("outlet", *ORDER[1:], "kind", "service_class", "status", "windows", "parent")
WORDS = {
    name: {code: word for word, code in reversed(words.items()) if word}
    for name, words in (("kind", KINDS), ("service_class", CLASSES), ("status", STATUSES))
}
"""What people call the codes of some columns: of several words the first that an import takes."""

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SHEET = 1_048_575
"""Rows of a sheet below its headings: more go to the next one."""

SOME, PIECE = 500, 1 << 18
"""Rows between which other calls are let through, and bytes of a workbook."""

ONE_AT_A_TIME = asyncio.Semaphore(1)
"""Workbooks that a process makes at once: each keeps a core busy."""

EXPORT: dict[int | str, Any] = {
    200: {
        "headers": carries("Content-Disposition", "Cache-Control"),
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            XLSX: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.get("", response_class=Response, responses=EXPORT | refuses(404))
async def export_outlets(
    narrow: Annotated[ExportAsked, Query()],
    caller: Annotated[Caller, may(May.OUTLET_READ)],
    held: Held,
) -> Response:
    """Export outlets, narrowed as in the list, as CSV (UTF-8 or GB 18030) or XLSX.

    Its columns are those of an import, which finds outlets by `outlet` again: a file that nobody has changed
    changes nothing. In CSV, what a spreadsheet would run begins with an apostrophe.
    """
    wanted = asked_of(held, narrow)
    await held.finder.ready()
    rows = _rows(held.finder.matching(wanted, ""), held, today())
    if narrow.format == "xlsx":
        return download(_workbook(rows), "outlets.xlsx", XLSX)
    charset = narrow.encoding.removesuffix("-sig")
    return download(_lines(rows, narrow.encoding), "outlets.csv", f"text/csv; charset={charset}")


def _rows(found: Iterable[OutletInfo], held: State, day: date) -> Iterator[list[str]]:
    return (_row(outlet, held, day) for outlet in found)


def _row(outlet: OutletInfo, held: State, day: date) -> list[str]:
    divisions = held.desk.divisions
    line = [divisions.find(code, day) for code in divisions.line(outlet.division, day)]
    names = {place.level: place.name for place in line if place is not None}
    said = {
        **outlet._asdict(), "outlet_name": outlet.name, "cnaps_code": outlet.cnaps,
        "bank": held.desk.registry.banks.get(outlet.bank, outlet.bank), "city": names.get(2),
        "county": names.get(3), "township": names.get(4), "township_code": outlet.division,
        "matters": ALL_MATTERS if outlet.allowed is None else ";".join(sorted(outlet.allowed)),
        **{name: words[getattr(outlet, name)] for name, words in WORDS.items()},
    }  # fmt: skip
    return ["" if said[name] is None else str(said[name]) for name in COLUMNS]


async def _lines(rows: Iterator[list[str]], encoding: str) -> AsyncIterator[bytes]:
    """Write CSV; GB 18030 has every character that Unicode has, those of rare place names too."""
    codec = "gb18030" if encoding == "gb18030" else "utf-8"
    yield (b"\xef\xbb\xbf" if encoding == "utf-8-sig" else b"") + _csv([COLUMNS]).encode()
    while some := list(islice(rows, SOME)):
        yield _csv(some).encode(codec)
        await asyncio.sleep(0)  # Others have their turn.


def _csv(rows: Iterable[Iterable[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([map(harmless, row) for row in rows])
    return out.getvalue()


async def _workbook(rows: Iterator[list[str]]) -> AsyncIterator[bytes]:
    """Write a workbook row by row to a disk, then send it: its table of contents comes last."""
    with tempfile.TemporaryDirectory(prefix="syt-export-") as folder:
        path = Path(folder) / "outlets.xlsx"
        async with ONE_AT_A_TIME:
            await asyncio.to_thread(_write, path, rows, folder)
        with path.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, PIECE):
                yield piece


def _write(path: Path, rows: Iterator[list[str]], folder: str) -> None:
    """Write every cell as a text: nothing of it is a formula, and codes keep their digits."""
    with xlsxwriter.Workbook(path, {"constant_memory": True, "tmpdir": folder}) as book:
        as_text = book.add_format({"num_format": "@"})
        while True:
            sheet = book.add_worksheet()
            sheet.set_column(0, len(COLUMNS) - 1, 16, as_text)
            full = False
            for n, line in enumerate(chain([COLUMNS], islice(rows, SHEET))):
                full = n == SHEET
                for at, cell in enumerate(line):
                    sheet.write_string(n, at, cell, as_text)
            if not full:
                return
