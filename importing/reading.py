"""A spreadsheet turned into rows of tidy cells, in a process of its own: `python -m importing.reading`.

Bytes come by standard input and batches of rows leave by standard output, as JSON, packed: whoever takes them
is slower, and what waits for him takes a tenth of the room. What somebody uploads may be made to break whoever
reads it, so memory and time are limited from outside, and nobody else is harmed.
"""

import csv
import io
import re
import resource
import sys
import zipfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from itertools import chain, islice
from typing import Any, BinaryIO, NamedTuple

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetVisibleEnum,
)

from importing.kinds import WAITING, Unreadable, kind, packed
from importing.tables import tidied
from judging.columns import is_heading

MEMORY, SECONDS = 1 << 30, 900
BATCH = 500
LOOKED_AT = 30
"""Lines from the top among which headings are looked for."""

LONGEST_CELL = 4000
MOST_CELLS = 256
MOST_LINES = 1_048_577
JOINED = 10
"""Lines that one record may go over: a quotation mark that nobody closed would else swallow the file."""

UNPACKED = 600 << 20
ENTRIES = 2000
LOCKED = "EncryptedPackage".encode("utf-16-le")
"""What a workbook under a password holds in place of its sheets."""

DENSE = 40_000_000
"""Cells between the first and the last of a sheet: they are held one by one, empty or not."""


class Line(NamedTuple):
    """A record of the file."""

    at: int
    """Number of its first line, from 1 on."""
    cells: list[str]
    flag: str | None = None
    done: float = 0.0
    """Share of the file that has been read."""


# Text


def _physical(source: BinaryIO, head: bytes) -> Iterator[bytes]:
    """Cut bytes into lines; both encodings of text leave the bytes of line ends alone."""
    held = head
    while True:
        piece = source.read(1 << 20)
        held += piece
        lines = re.split(rb"\r\n|\n|\r(?!\Z)", held) if piece else re.split(rb"\r\n|\n|\r", held)
        yield from lines[:-1]
        held = lines[-1]
        if len(held) > 1 << 22:
            raise Unreadable("not_a_spreadsheet")
        if not piece:
            if held:
                yield held
            return


def _unmixed(lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Decode each line by itself, and say by which encoding."""
    for n, line in enumerate(lines):
        line = line.removeprefix(b"\xef\xbb\xbf") if n == 0 else line
        if line.isascii():
            yield line.decode(), ""
            continue
        for encoding in ("utf-8", "gb18030"):
            try:
                yield line.decode(encoding), encoding
                break
            except UnicodeDecodeError:
                continue
        else:
            yield line.decode("utf-8", "replace"), "unknown"


def _wide(source: BinaryIO, head: bytes, encoding: str) -> Iterator[tuple[str, str]]:
    stream = io.TextIOWrapper(
        io.BufferedReader(_Rest(head, source), 1 << 16), encoding, "replace", newline=None
    )
    for line in stream:
        yield line.rstrip("\r\n").lstrip("\ufeff"), "utf-16"


class _Rest(io.RawIOBase):
    """A stream of which the beginning has been taken already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head[: len(buffer)] or self._rest.read(len(buffer))
        self._head = self._head[len(data) :] if self._head else b""
        buffer[: len(data)] = data
        return len(data)


def _delimiter(text: str) -> str:
    return max("\t,;|，", key=text.count)


def _split(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:
        return text.split(delimiter)


class _Records:
    """Takes records off lines; one whose quotation mark is not closed is one line, and told."""

    def __init__(self, lines: Iterator[tuple[str, str]]) -> None:
        self._lines, self._at = lines, 0
        self._back: list[tuple[str, str]] = []
        self.delimiter, self.width = ",", MOST_CELLS

    def _next(self) -> tuple[str, str] | None:
        return self._back.pop() if self._back else next(self._lines, None)

    def __iter__(self) -> Iterator[tuple[int, str, str | None, str]]:
        while (first := self._next()) is not None:
            self._at += 1
            taken = self._joined(first) if first[0].count('"') % 2 else [first]
            text = "\n".join(one for one, _ in taken)
            is_open = text.count('"') % 2 == 1
            yield self._at, text, "quote_unclosed" if is_open else None, _worst(taken)
            self._at += len(taken) - 1

    def _joined(self, first: tuple[str, str]) -> list[tuple[str, str]]:
        """Join the lines of a record, unless what comes of it is none."""
        taken = [first]
        while len(taken) <= JOINED and (more := self._next()) is not None:
            taken.append(more)
            if more[0].count('"') % 2:
                break
        cells = _split("\n".join(text for text, _ in taken), self.delimiter)
        swallowed = any("\n" in c and c.count(self.delimiter) > 4 for c in cells)
        if (
            taken[-1][0].count('"') % 2
            and len(taken) > 1
            and not swallowed
            and len(cells) <= self.width
        ):
            return taken
        self._back += reversed(taken[1:])
        return [first]


def _worst(taken: list[tuple[str, str]]) -> str:
    used = {encoding for _, encoding in taken} - {""}
    return "unknown" if len(used) > 1 else next(iter(used), "")


def _text(lines: Iterator[tuple[str, str]], size: int) -> Iterator[tuple[Line, str]]:
    """Give records with their encoding."""
    records, seen, delimiter = _Records(lines), 0, ""
    for at, text, flag, encoding in records:
        seen += len(text.encode("utf-8", "replace")) + 1
        if not text.strip():
            continue
        if at <= LOOKED_AT and (not delimiter or text.count(delimiter) < 2):
            records.delimiter = delimiter = _delimiter(text)
        cells = [cell[:LONGEST_CELL] for cell in _split(text, delimiter)[:MOST_CELLS]]
        if records.width == MOST_CELLS and is_heading(cells):
            records.width = len(cells)
        yield Line(at, cells, flag, min(seen / max(size, 1), 1.0)), encoding


# Workbooks


def _safe(data: bytes) -> None:
    """Refuse an archive that is none, is locked, or unpacks to more than any sheet of ours.

    Every entry is unpacked once and thrown away: what its head says may be a lie.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = archive.infolist()
        names = {entry.filename for entry in entries}
        if not names & {"xl/workbook.xml", "xl/workbook.bin", "content.xml"}:
            raise Unreadable("not_a_spreadsheet")
        if any(entry.flag_bits & 1 for entry in entries):
            raise Unreadable("password")
        if len(entries) > ENTRIES or sum(entry.file_size for entry in entries) > UNPACKED:
            raise Unreadable("too_large_inside")
        for entry in entries:
            with archive.open(entry) as opened:
                while opened.read(1 << 20):
                    pass
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, ValueError, RuntimeError):
        raise Unreadable("broken") from None


def _cell(value: Any) -> str:
    """Write a cell as a person would have typed it."""
    if isinstance(value, str):
        return value[:LONGEST_CELL]
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(timedelta(seconds=value.seconds)) if isinstance(value, timedelta) else str(value)


def _open(data: bytes) -> CalamineWorkbook:
    try:
        return CalamineWorkbook.from_filelike(io.BytesIO(data))
    except PasswordError:
        raise Unreadable("password") from None
    except (CalamineError, ValueError, OSError) as error:
        locked = "ncrypted" in str(error) or "assword" in str(error)
        raise Unreadable("password" if locked else "broken") from None


def _below(sheet: CalamineSheet) -> dict[tuple[int, int], tuple[int, int]]:
    """Map each cell of a merge that goes down to the one that holds its value."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or ():
        if (bottom - top) * (right - left + 1) <= 10_000 and left == right:
            found |= {(row, left): (top, left) for row in range(top + 1, bottom + 1)}
    return found


def _sheet(sheet: CalamineSheet) -> Iterator[Line]:
    if sheet.start is None:
        return
    if sheet.height * sheet.width > DENSE:
        raise Unreadable("too_large_inside")
    top, left = sheet.start
    merged = _below(sheet)
    kept: dict[tuple[int, int], str] = {}
    whole = max(sheet.height, 1)
    for n, row in enumerate(sheet.iter_rows()):
        cells = [_cell(value) for value in row[:MOST_CELLS]]
        if merged:
            _fill(cells, n + top, left, merged, kept)
        if any(cell.strip() for cell in cells):
            yield Line(n + top + 1, cells, None, (n + 1) / whole)


def _fill(
    cells: list[str], row: int, left: int, merged: dict[tuple[int, int], tuple[int, int]],
    kept: dict[tuple[int, int], str],
) -> None:  # fmt: skip
    for n, cell in enumerate(cells):
        source = merged.get((row, n + left))
        if source is not None and not cell:
            cells[n] = kept.get(source, "")
        elif cell:
            kept[row, n + left] = cell


def _chosen(book: CalamineWorkbook) -> tuple[list[Line], Iterator[Line], list[str]]:
    """Find the first sheet in sight that has headings; name those that are passed over."""
    over: list[str] = []
    found: tuple[list[Line], Iterator[Line]] | None = None
    for meta in book.sheets_metadata:
        if meta.visible is not SheetVisibleEnum.Visible:
            over.append("sheet_hidden")
            continue
        if found is not None:
            over.append("sheet_ignored")
            continue
        try:
            lines = _sheet(book.get_sheet_by_name(meta.name))
        except CalamineError:
            over.append("sheet_ignored")
            continue
        top = list(islice(lines, LOOKED_AT))
        if any(is_heading(line.cells) for line in top):
            found = top, lines
        else:
            over.append("sheet_ignored")
    if found is None:
        raise Unreadable("no_headings")
    return *found, sorted(set(over))


# The process


def _workbook(data: bytes, kind: str) -> Iterator[dict[str, Any]]:
    if kind == "zip":
        _safe(data)
    elif LOCKED in data:
        raise Unreadable("password")
    book = _open(data)
    del data  # Which the book has taken over, and which is as large as the file.
    top, rest, notes = _chosen(book)
    del book  # Of which the sheet has taken what it needs.
    yield {"format": "xls" if kind == "xls" else "xlsx", "encoding": None, "notes": notes}
    yield from _batches(chain(top, rest))


def _batches(lines: Iterator[Line]) -> Iterator[dict[str, Any]]:
    batch: list[Line] = []
    for n, line in enumerate(lines):
        if n > MOST_LINES:
            raise Unreadable("too_many_rows")
        batch.append(line)
        if len(batch) == BATCH:
            yield {"lines": batch}
            batch = []
    if batch:
        yield {"lines": batch}


def _plain(source: BinaryIO, head: bytes, kind: str, size: int) -> Iterator[dict[str, Any]]:
    lines = _unmixed(_physical(source, head)) if kind == "bytes" else _wide(source, head, kind)
    records = _text(lines, size)
    top = list(islice(records, 400))
    if not any(is_heading(line.cells) for line, _ in top[:LOOKED_AT]):
        raise Unreadable("no_headings")
    used = [encoding for _, encoding in top if encoding]
    main = max(dict.fromkeys(used), key=used.count, default="utf-8")
    yield {"format": "csv", "encoding": main, "notes": []}
    yield from _batches(_flagged(top, records, main))


def _flagged(
    top: list[tuple[Line, str]], rest: Iterator[tuple[Line, str]], main: str
) -> Iterator[Line]:
    """Flag what is written in another encoding than the file."""
    for line, encoding in chain(top, rest):
        if encoding in ("", main):
            yield line
        else:
            name = {"gb18030": "gbk", "utf-8": "utf8"}.get(encoding, encoding)
            yield line._replace(flag=f"line_encoding_{name}")


def read(source: BinaryIO, size: int) -> Iterator[dict[str, Any]]:
    """Say what a file is, then give its lines batch by batch.

    Raises:
        Unreadable: it is no spreadsheet, or one that can't be read.
    """
    head = source.read(1 << 16)
    what = kind(head)
    if what == "html":
        raise Unreadable("html")
    if what in ("zip", "xls"):
        yield from _workbook(head + source.read(), what)
    else:
        yield from _plain(source, head, what, size)


def messages(source: BinaryIO, size: int, *, waiting: bool) -> Iterator[dict[str, Any]]:
    """Give what `read` does, its lines tidied, and how it ended."""
    try:
        yield from tidied(read(source, size), waiting=waiting)
    except Unreadable as failure:
        yield {"failed": str(failure)}
    except MemoryError:
        yield {"failed": "too_large_inside"}
    except Exception as error:  # A library that was given something it can't take.
        yield {"failed": "unreadable", "error": type(error).__name__}
    else:
        yield {"end": True}


def main() -> None:
    """Read standard input, of as many bytes as the first argument says; give the rows that the second names."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    out = sys.stdout.buffer
    size, waiting = int(sys.argv[1]), sys.argv[2] == WAITING
    for message in messages(sys.stdin.buffer, size, waiting=waiting):
        out.write(packed(message))
    out.flush()


if __name__ == "__main__":
    main()
