"""Scans: streamed in and out, sealed on the way."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse

from access.callers import Caller
from access.errors import Forbidden
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import NUMBER, Held, Session, address_of, may
from api.openapi import carries, refuses
from applications import queries
from applications.models import Application
from applications.steps import agencies_of
from files import queries as files
from files import service, stores
from files.errors import FileEmpty, FileNotFound, UploadMalformed
from files.kinds import LARGEST as LARGEST_FILE
from files.models import StoredFile
from files.proof import proves
from looking.service import Look, record
from schemas.files import FileAsked, FileView

LARGEST = LARGEST_FILE + 64 * 1024
"""The file and what multipart adds to it."""


class UploadRoute(ContractRoute):
    """A route whose body may be a file."""

    largest = LARGEST


router = APIRouter(prefix="/v1/files", tags=["files"], route_class=UploadRoute)
UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}


@router.post(
    "", status_code=201, response_model=FileView, openapi_extra=UPLOAD, responses=refuses(415)
)
async def upload_file(
    request: Request,
    caller: Annotated[Caller, may(May.FILE_WRITE)],
    held: Held,
) -> Response:
    """Store a scan: PDF, JPEG, PNG or OFD by its content, at most 20 MiB.

    The same bytes again are the same file. What no application uses is removed after seven days.
    """
    row = await service.store(held.vault, outlet_of(caller), file_part(request))
    return json(shown(row), 201)


def outlet_of(caller: Caller) -> str:
    """Give the outlet whose files a caller stores.

    Raises:
        Forbidden: a teller away from a terminal.
    """
    if caller.outlet is None:
        raise Forbidden(private="a teller away from a terminal")
    return caller.outlet


def shown(row: StoredFile) -> dict[str, Any]:
    """Answer with a file."""
    return {
        "file": row.id, "sha256": row.sha256.hex(), "size": row.size, "media_type": row.media_type,
    }  # fmt: skip


async def file_part(request: Request) -> AsyncIterator[bytes]:
    """Give the bytes of the part `file` while they arrive: a library's spool file would be in clear.

    Raises:
        UploadMalformed, FileEmpty: no multipart, broken off, or without that part.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise FileEmpty()
    reader = _Parts()
    try:
        parser = MultipartParser(options[b"boundary"], reader.callbacks())
        async for piece in request.stream():
            parser.write(piece)
            if reader.parts > 1:
                raise UploadMalformed()
            for held in reader.taken():
                yield held
        parser.finalize()
    except (FormParserError, ClientDisconnect, UnicodeError):
        raise UploadMalformed() from None
    if not reader.ended:
        raise UploadMalformed()


class _Parts:
    """Collects the bytes of the part named `file`."""

    def __init__(self) -> None:
        self.ended, self.parts = False, 0
        self._pieces: list[bytes] = []
        self._field = self._value = b""
        self._wanted = False

    def callbacks(self) -> Any:
        """What the parser calls."""
        return {
            "on_part_begin": self._begin, "on_header_field": self._on_field,
            "on_header_value": self._on_value, "on_header_end": self._on_header,
            "on_part_data": self._on_data, "on_end": self._end,
        }  # fmt: skip

    def taken(self) -> list[bytes]:
        """Take what has been collected."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def _begin(self) -> None:
        self._wanted, self._field, self._value = False, b"", b""

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        if self._field.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            self._wanted = options.get(b"name") == b"file"
            self.parts += self._wanted
        self._field = self._value = b""

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._wanted:
            self._pieces.append(data[start:end])

    def _end(self) -> None:
        self.ended = True


KINDS = ("application/pdf", "image/jpeg", "image/png", "application/ofd")
"""Media types of scans."""

SCAN: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": carries(
            "Content-Disposition",
            "X-Content-Type-Options",
            "Cache-Control",
            "Content-Security-Policy",
        ),
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in KINDS},
    }
}

KEPT_SHUT = {
    "Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "no-store",
}  # fmt: skip
"""A scan is saved, never shown as a page of ours: it may hold whatever somebody scanned."""


@router.get("/{file}", response_class=StreamingResponse, responses=SCAN)
async def download_file(
    request: Request,
    file: Annotated[str, Path(max_length=120)],
    caller: Annotated[Caller, may(May.FILE_READ)],
    held: Held,
    session: Session,
    narrow: Annotated[FileAsked, Query()],
) -> Response:
    """Read a scan: its own outlet, or who may see an application that has it among its materials."""
    row = await files.get(session, file) if file.isascii() and file.isprintable() else None
    if row is None:
        raise FileNotFound()
    if caller.outlet is None or not proves(held.keys, row.id, caller.outlet):
        found = await _of_application(session, caller, row, narrow.application)
        look = Look(
            "file", "materials", address_of(request), found.number, found.subject_index,
            found.outlet, found.agency,
        )  # fmt: skip
        await record(session, held.keys, caller, look)
    plain = await stores.get(held.vault, row.path)
    first = await anext(plain)  # What can't be read is told before the answer has begun.
    headers = KEPT_SHUT | {"Content-Length": str(row.size)}
    return StreamingResponse(_following(first, plain), headers=headers, media_type=row.media_type)


async def _following(first: bytes, plain: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in plain:
        yield piece


async def _of_application(
    session: Session, caller: Caller, row: StoredFile, number: str | None
) -> Application:
    """Find the application that a scan belongs to, among those whose scans the caller may read.

    Raises:
        FileNotFound: it belongs to none of them.
    """
    known = number is not None and NUMBER.fullmatch(number) is not None
    found = await queries.get(session, caller, number or "") if known else None
    reach = caller.reach(May.FILE_READ)
    if found is None or not (found.outlet in reach.outlets or agencies_of(found) & reach.agencies):
        raise FileNotFound()
    if not any(m.get("file") == row.id for m in found.materials):
        raise FileNotFound()
    return found
