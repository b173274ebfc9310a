"""Spreadsheets of outlets, handed in; and what became of each row."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response, StreamingResponse

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import KEY, Held, Session, may
from api.openapi import carries, refuses
from api.problems import RequestInvalid
from api.routes.files import UPLOAD, file_part
from files.stores import try_to_remove
from importing import service
from importing.models import OutletImport
from kit.db import transaction
from kit.errors import Fault, Words
from kit.ids import uuid7
from kit.repeats import Asked, made_before
from schemas.imports import FAILURES, NOTES, ImportAsked, ImportView, ReportAsked


class ImportRoute(ContractRoute):
    """A route whose body may be a spreadsheet."""

    largest = service.LARGEST + 64 * 1024


router = APIRouter(prefix="/v1/outlets/imports", tags=["outlets"], route_class=ImportRoute)
Importer = Annotated[Caller, may(May.OUTLET_IMPORT)]
Id = Annotated[str, Path(max_length=40)]
TAKEN: dict[int | str, Any] = {202: {"headers": carries("Location", "Idempotent-Replayed")}}


@router.post(
    "", status_code=202, response_model=ImportView, openapi_extra=UPLOAD,
    responses=TAKEN | refuses(409, 415),
)  # fmt: skip
async def import_outlets(
    request: Request, caller: Importer, held: Held, wanted: Annotated[ImportAsked, Query()]
) -> Response:
    """Hand in a spreadsheet of outlets: CSV (UTF-8, GB 18030, UTF-16), XLSX or XLS, at most 64 MiB.

    It is judged row by row in the background. A bank's administrator brings in own outlets, which are proposed;
    an outlet administrator any of the division. The same file again changes nothing.
    """
    key = _key(request)
    path, arriving = await service.receive(held.vault, file_part(request))
    made = service.begun(uuid7(), path, arriving.size, caller, dry_run=wanted.dry_run)
    asked = None
    if key is not None:
        said = f"{request.method} {request.url.path}?{wanted.dry_run}\n".encode() + arriving.digest
        asked = Asked(caller.id, key, said)
    async with transaction(held.sessions) as session:
        earlier = await made_before(session, held.keys, asked, str(made.id))
        if earlier is None:
            session.add(made)
        else:
            made = await service.visible(session, caller, earlier)
    if earlier is not None:
        await try_to_remove(held.vault.files, path)
    headers = {"Location": f"{held.settings.public_url}/v1/outlets/imports/{made.id}"}
    again = {"Idempotent-Replayed": "true"} if earlier else {}
    return json(_view(made), 202, headers | again)


def _key(request: Request) -> str | None:
    """Read the idempotency key; the body is not JSON, so that its digest stands for it.

    Raises:
        RequestInvalid: it is none.
    """
    key = request.headers.get("idempotency-key")
    if key is not None and not KEY.fullmatch(key):
        words = Words("须为8至64个可见ASCII字符", "8 to 64 visible ASCII characters")
        raise RequestInvalid(faults=[Fault("/header/Idempotency-Key", "form", words)])
    return key


@router.get("/{id}", response_model=ImportView)
async def get_import(id: Id, caller: Importer, session: Session) -> Response:
    """Show how an import stands."""
    return json(_view(await service.visible(session, caller, id)))


CSV: dict[int | str, Any] = {
    200: {
        "headers": carries("Content-Disposition", "Cache-Control"),
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}


@router.get("/{id}/report.csv", response_class=StreamingResponse, responses=CSV)
async def get_import_report(
    id: Id, caller: Importer, held: Held, session: Session, wanted: Annotated[ReportAsked, Query()]
) -> Response:
    """Read what became of each row, with its cells as they came: mend them here and send the file again.

    Of an import that still runs, as far as it has come. What a spreadsheet would run begins with an apostrophe.
    """
    found = await service.visible(session, caller, id)
    lines = service.report(held.sessions, held.keys, found.id)
    return download(
        _encoded(lines, wanted.encoding), f"{found.id}.csv", f"text/csv; charset={wanted.charset}"
    )


def download(pieces: AsyncIterator[bytes], name: str, media_type: str) -> Response:
    """Answer with a file that is saved, never shown."""
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store",
    }  # fmt: skip
    return StreamingResponse(pieces, headers=headers, media_type=media_type)


async def _encoded(lines: AsyncIterator[str], encoding: str) -> AsyncIterator[bytes]:
    if encoding == "utf-8-sig":
        yield b"\xef\xbb\xbf"
    async for text in lines:
        yield text.encode("gb18030" if encoding == "gb18030" else "utf-8")


def _view(row: OutletImport) -> dict[str, Any]:
    told = [{"code": note, "message": NOTES[note]} for note in row.notes]
    failure = None
    if row.failure is not None:
        words = FAILURES[row.failure].format(columns=row.failure_about)
        failure = {"code": row.failure, "message": words}
    columns = (
        "state", "dry_run", "progress", "rows", "ok", "fixed", "rejected", "created", "changed",
        "proposed", "format", "encoding", "created_at", "finished_at",
    )  # fmt: skip
    return {
        "id": str(row.id), **{name: getattr(row, name) for name in columns}, "notes": told,
        "failure": failure,
    }  # fmt: skip
