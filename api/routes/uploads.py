"""Scans over poor lines: resumable uploads by the tus protocol, version 1.0."""

from collections.abc import AsyncIterator, Callable, Coroutine
from email.utils import format_datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, identify, may
from api.openapi import carries, refuses
from api.problems import answered
from api.routes.files import outlet_of, shown
from api.state import State
from files import queries, uploads
from files.errors import UploadMalformed, UploadMediaType, UploadVersion
from files.kinds import LARGEST
from files.models import FileUpload
from files.uploads import Checksum
from kit.clock import CHINA
from kit.db import transaction
from schemas.files import UploadView

VERSION = "1.0.0"
EXTENSIONS = "creation,expiration,checksum,termination"
PART = "application/offset+octet-stream"
SPOKEN = {
    "Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": str(LARGEST),
    "Tus-Checksum-Algorithm": ",".join(uploads.ALGORITHMS),
}  # fmt: skip


class TusRoute(ContractRoute):
    """A route whose every answer says which version of tus it speaks, also when it refuses."""

    largest = LARGEST + 1024
    """What is more than announced is told by its own name."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the version into what the route answers."""
        handle = super().get_route_handler()

        async def speaking(request: Request) -> Response:
            try:
                answer = await handle(request)
            except Exception as error:
                answer = await answered(request, error)
            answer.headers["Tus-Resumable"] = VERSION
            if answer.status_code == 412:
                answer.headers["Tus-Version"] = VERSION
            return answer

        return speaking


router = APIRouter(prefix="/v1/uploads", tags=["files"], route_class=TusRoute)
Writer = Annotated[Caller, may(May.FILE_WRITE)]
Spoken = Annotated[str | None, Header(alias="Tus-Resumable", description=f"`{VERSION}`.")]
Length = Annotated[int, Header(alias="Upload-Length", ge=0, description="Bytes of the whole file.")]
Offset = Annotated[
    int, Header(alias="Upload-Offset", ge=0, description="Where the part begins: what HEAD says.")
]
Metadata = Annotated[
    str | None,
    Header(alias="Upload-Metadata", description="Kept sealed, and given back; decides nothing."),
]
Sum = Annotated[
    str | None,
    Header(
        alias="Upload-Checksum", description="`sha1` or `sha256`, a space, Base64 of the part's."
    ),
]


async def visible_upload(
    request: Request, upload: Annotated[str, Path(max_length=60)]
) -> FileUpload:
    """Load the upload of the path, if it is of the caller's outlet."""
    caller = await identify(request)
    state: State = request.app.state.syt
    return await uploads.find(state.vault, upload, caller.outlet or "")


Mine = Annotated[FileUpload, Depends(visible_upload, scope="function")]


def _speak(version: str | None) -> None:
    """Go on only with who speaks as we do.

    Raises:
        UploadVersion: another version, or none.
    """
    if version != VERSION:
        raise UploadVersion()


def _standing(row: FileUpload) -> dict[str, str]:
    """Say in headers where an upload stands."""
    known = {"Upload-Offset": str(row.received), "Upload-Expires": _http_date(row)}
    return known | ({"Upload-File": row.file} if row.file else {})


def _http_date(row: FileUpload) -> str:
    return format_datetime(row.expires_at, usegmt=True)


STANDING = ("Tus-Resumable", "Upload-Offset", "Upload-Expires", "Upload-File")
GREETED: dict[int | str, dict[str, Any]] = {
    204: {"headers": carries(*SPOKEN, "Tus-Resumable"), "description": "What is spoken."}
}


@router.options("", status_code=204, responses=GREETED)
async def show_upload_protocol() -> Response:
    """Tell which version and extensions of tus are spoken. Asks for no token."""
    return Response(status_code=204, headers=SPOKEN)


MADE: dict[int | str, dict[str, Any]] = {
    201: {"headers": carries("Location", "Tus-Resumable", "Upload-Expires", "Upload-Offset")}
}


@router.post(
    "", status_code=201, response_model=UploadView, responses=MADE | refuses(400, 412, 413)
)
async def create_upload(
    caller: Writer, held: Held, length: Length, metadata: Metadata = None, version: Spoken = None
) -> Response:
    """Begin an upload in parts (tus, creation): at most 20 MiB, told from `Upload-Length`."""
    outlet = outlet_of(caller)
    _speak(version)
    row = await uploads.create(held.vault, outlet, length, metadata)
    where = {"Location": f"{held.settings.public_url}{router.prefix}/{row.id}"}
    return json(await _shown(held, row), 201, _standing(row) | where)


async def _shown(held: State, row: FileUpload) -> dict[str, Any]:
    """Answer with an upload, and with the file once it is one."""
    file: dict[str, Any] = dict.fromkeys(("file", "sha256", "size", "media_type"))
    if row.file is not None:
        async with transaction(held.sessions) as session:
            file = shown(await queries.get(session, row.file))
    stands = {"upload": row.id, "offset": row.received, "length": row.length}
    return stands | {"expires_at": row.expires_at.astimezone(CHINA)} | file


ASKED: dict[int | str, dict[str, Any]] = {
    200: {"headers": carries(*STANDING, "Upload-Length", "Upload-Metadata", "Cache-Control")}
}


@router.head("/{upload}", responses=ASKED | refuses(412), response_class=Response)
async def get_upload_offset(
    row: Mine, caller: Writer, held: Held, version: Spoken = None
) -> Response:
    """Ask where an upload stands (tus)."""
    outlet_of(caller)
    _speak(version)
    given = uploads.metadata_of(held.keys, row)
    headers = _standing(row) | {"Upload-Length": str(row.length), "Cache-Control": "no-store"}
    return Response(headers=headers | ({"Upload-Metadata": given} if given else {}))


@router.get(
    "/{upload}",
    response_model=UploadView,
    responses={200: {"headers": carries("Tus-Resumable", "Cache-Control")}},
)
async def get_upload(row: Mine, caller: Writer, held: Held) -> Response:
    """Show an upload, and the file that it has become: who lost the last answer asks here."""
    outlet_of(caller)
    return json(await _shown(held, row), headers={"Cache-Control": "no-store"})


BODY = {
    "requestBody": {
        "required": True, "content": {PART: {"schema": {"type": "string", "format": "binary"}}},
    }
}  # fmt: skip
ADDED: dict[int | str, dict[str, Any]] = {
    204: {"headers": carries(*STANDING), "description": "The part is kept."}
}


@router.patch(
    "/{upload}", status_code=204, openapi_extra=BODY, responses=ADDED | refuses(409, 412, 415, 460)
)
async def add_to_upload(
    request: Request,
    row: Mine,
    caller: Writer,
    held: Held,
    offset: Offset,
    checksum: Sum = None,
    version: Spoken = None,
) -> Response:
    """Add a part (tus). A line that breaks loses nothing that came; `Upload-File` names the whole file."""
    outlet_of(caller)
    _speak(version)
    if request.headers.get("content-type") != PART:
        raise UploadMediaType()
    known = Checksum.parse(checksum) if checksum is not None else None
    row = await uploads.receive(held.vault, row, offset, _part(request), known)
    return Response(status_code=204, headers=_standing(row))


async def _part(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect:
        raise UploadMalformed() from None


ENDED: dict[int | str, dict[str, Any]] = {
    204: {"headers": carries("Tus-Resumable"), "description": "It is no more."}
}


@router.delete("/{upload}", status_code=204, responses=ENDED | refuses(412))
async def end_upload(row: Mine, caller: Writer, held: Held, version: Spoken = None) -> Response:
    """End an upload (tus, termination), and remove what came. A file that it has become stays."""
    outlet_of(caller)
    _speak(version)
    await uploads.terminate(held.vault, row)
    return Response(status_code=204)
