"""Scans over poor lines: in parts, by the tus protocol 1.0, taken up where the line broke."""

import base64
import hashlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import httpx

from client.errors import LineDown, Refused
from client.retrying import Attempts, Patience
from client.wire import Pause, Send, Steps
from schemas.files import FileView, UploadView

TUS = {"Tus-Resumable": "1.0.0"}
PART = {**TUS, "Content-Type": "application/offset+octet-stream"}
SMALLEST, FIRST, LARGEST = 32 * 1024, 128 * 1024, 1024 * 1024
"""Bytes of a part: on a good line they grow, on a bad one less has to be sent again."""

GONE, MOVED = 404, frozenset({409, 460})
"""The upload is no more; a part did not fit or did not come whole: where it stands is asked for."""

Progress = Callable[[int, int], None]
"""Told how many bytes of how many the service has."""


class Source(Protocol):
    """What is sent."""

    @property
    def size(self) -> int: ...  # noqa: D102
    def read(self, offset: int, size: int) -> bytes: ...  # noqa: D102


class Bytes(NamedTuple):
    """What is in memory."""

    content: bytes

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self.content)

    def read(self, offset: int, size: int) -> bytes:
        """Give some."""
        return self.content[offset : offset + size]


class File(NamedTuple):
    """What is in a file."""

    path: Path

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return self.path.stat().st_size

    def read(self, offset: int, size: int) -> bytes:
        """Give some."""
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(size)


class Sending(NamedTuple):
    """An upload that is wanted."""

    source: Source
    progress: Progress
    begun: Callable[[str], None]
    """Told the upload's id before any byte of it is sent, to take it up after the process was ended."""


Call = Callable[[Send], Steps[httpx.Response]]
"""Sends once, with a token."""


def source_of(what: bytes | Path | Source) -> Source:
    """Take bytes or a file for what is sent."""
    if isinstance(what, bytes):
        return Bytes(what)
    return File(what) if isinstance(what, Path) else what


def send(call: Call, patience: Patience, wanted: Sending, resume: str | None) -> Steps[FileView]:
    """Send all of it, from where it stands; give the file that it has become."""
    attempts, size = patience.attempts(), FIRST
    stands: UploadView | None = None
    while True:
        try:
            if stands is None:
                stands = yield from _stands(call, wanted, resume)
                resume = stands.upload
            wanted.progress(stands.offset, stands.length)
            if stands.file is not None:
                return _file(stands)
            stands = yield from _add(call, wanted, stands, size)
            size = min(LARGEST, size * 2)
            attempts.again()
        except (Refused, LineDown) as error:
            if isinstance(error, Refused) and error.status == GONE:
                resume = None
            size, stands = max(SMALLEST, size // 2), None
            yield from _wait(attempts, error)


def _stands(call: Call, wanted: Sending, resume: str | None) -> Steps[UploadView]:
    """Ask where an upload stands; begin one where there is none."""
    if resume is not None:
        answer = yield from call(Send("GET", f"/v1/uploads/{resume}"))
        return UploadView.model_validate_json(answer.content)
    headers = {**TUS, "Upload-Length": str(wanted.source.size)}
    answer = yield from call(Send("POST", "/v1/uploads", headers=headers))
    made = UploadView.model_validate_json(answer.content)
    wanted.begun(made.upload)
    return made


def _add(call: Call, wanted: Sending, stands: UploadView, size: int) -> Steps[UploadView | None]:
    """Send one part; give where the upload stands, None where that is to be asked for."""
    part = wanted.source.read(stands.offset, size)
    digest = base64.b64encode(hashlib.sha256(part).digest()).decode()
    headers = {
        **PART, "Upload-Offset": str(stands.offset), "Upload-Checksum": f"sha256 {digest}",
    }  # fmt: skip
    request = Send("PATCH", f"/v1/uploads/{stands.upload}", headers=headers, content=part)
    answer = yield from call(request)
    offset = int(answer.headers["Upload-Offset"])
    return None if offset == stands.length else stands.model_copy(update={"offset": offset})


def _wait(attempts: Attempts, error: Exception) -> Generator[Pause, Any, None]:
    """Wait before another part is tried.

    Raises:
        Exception: the same, where nothing is to be hoped for.
    """
    if isinstance(error, Refused) and not (error.passes or error.status in MOVED | {GONE}):
        raise error
    said = error.retry_after if isinstance(error, Refused) else None
    wait = attempts.wait(said)
    if wait is None:
        raise error
    yield Pause(wait)


def _file(stands: UploadView) -> FileView:
    return FileView.model_validate(stands.model_dump(include=set(FileView.model_fields)))
