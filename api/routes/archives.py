"""The register of personal archives (流动人员人事档案)."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, IfMatch, Repeat, Session, address_of, identify, may, version_of
from api.openapi import VERSIONED, carries, refuses
from api.paging import Pager
from applications import archiving
from applications.draft import subject_index
from archives import queries, service
from archives.errors import ArchiveNotFound
from archives.models import PersonnelArchive
from kit.clock import today
from kit.repeats import made_before
from looking.service import Look, record
from schemas.archives import (
    ArchiveAction,
    ArchiveEntered,
    ArchiveEntryView,
    ArchiveFilter,
    ArchiveFound,
    ArchiveSearch,
    ArchiveView,
)
from schemas.base import Listing, Page

router = APIRouter(prefix="/v1/archives", tags=["archives"], route_class=ContractRoute)
Reader = Annotated[Caller, may(May.ARCHIVE_READ)]
Keeper = Annotated[Caller, may(May.ARCHIVE_KEEP)]
MADE: dict[int | str, Any] = {201: {"headers": carries("Location", "ETag", "Idempotent-Replayed")}}


async def visible_archive(
    request: Request,
    archive: Annotated[str, Path(max_length=40, description="Id of an archive.")],
    session: Session,
) -> PersonnelArchive:
    """Load the archive of the path, if the caller may see it."""
    caller = await identify(request)
    try:
        row = await queries.get(session, caller, uuid.UUID(archive))
    except ValueError:
        row = None
    if row is None:
        raise ArchiveNotFound()
    return row


Visible = Annotated[PersonnelArchive, Depends(visible_archive, scope="function")]


@router.get("", response_model=Page[ArchiveView])
async def list_archives(
    narrow: Annotated[ArchiveFilter, Query()], caller: Reader, held: Held, session: Session
) -> Response:
    """List archives, newest first; `overdue` those that were lent and have not come back in time."""
    pager = Pager(held, "archives", caller, narrow)
    after = uuid.UUID(str(pager.position[0])) if pager.position else None
    rows = await queries.page(session, caller, narrow, after, today())

    def show(row: PersonnelArchive) -> dict[str, Any]:
        return service.shown(row, caller, held.keys)

    return json(pager.page(rows, narrow.limit, lambda row: [str(row.id)], show))


@router.post("", status_code=201, response_model=ArchiveView, responses=MADE | refuses(409))
async def enter_archive(
    wanted: ArchiveEntered, caller: Keeper, held: Held, session: Session, asked: Repeat
) -> Response:
    """Enter an archive that an agency has kept since before it stood in the register."""
    found = service.token(held.keys, wanted.person.id_number).hex()
    earlier = await made_before(session, held.keys, asked, found)
    known = await queries.of_person(session, caller, bytes.fromhex(earlier)) if earlier else None
    row = known or await service.enter(session, held.keys, caller, wanted)
    headers = {
        "Location": f"{held.settings.public_url}/v1/archives/{row.id}", "ETag": f'"{row.version}"'
    }  # fmt: skip
    if known is not None:
        headers["Idempotent-Replayed"] = "true"
    return json(service.shown(row, caller, held.keys), 201, headers)


@router.post("/search", response_model=ArchiveFound)
async def search_archives(
    request: Request, wanted: ArchiveSearch, caller: Reader, held: Held, session: Session
) -> Response:
    """Find a person's archive by the number, for a purpose; recorded before it is told."""
    person = subject_index(held.keys, wanted.id_number)
    look = Look("search", wanted.purpose, address_of(request), person=person)
    await record(session, held.keys, caller, look)
    row = await queries.of_person(session, caller, service.token(held.keys, wanted.id_number))
    found = [service.shown(row, caller, held.keys)] if row is not None else []
    return json({"items": found})


@router.get("/{archive}", response_model=ArchiveView, responses=VERSIONED)
async def get_archive(row: Visible, caller: Reader, held: Held) -> Response:
    """Show an archive; whose it is masked."""
    return json(service.shown(row, caller, held.keys), headers={"ETag": f'"{row.version}"'})


@router.get("/{archive}/entries", response_model=Page[ArchiveEntryView])
async def list_archive_entries(
    row: Visible,
    narrow: Annotated[Listing, Query()],
    caller: Reader,
    held: Held,
    session: Session,
) -> Response:
    """List what was done with an archive, and who was let look into it; newest first."""
    pager = Pager(held, f"archive-entries\0{row.id}", caller, narrow)
    after = uuid.UUID(str(pager.position[0])) if pager.position else None
    rows = await queries.entries(session, row.id, after, narrow.limit)
    return json(
        pager.page(
            rows, narrow.limit, lambda one: [str(one.id)],
            lambda one: service.shown_entry(one, held.keys),
        )
    )  # fmt: skip


@router.post("/{archive}/actions", response_model=ArchiveView, responses=VERSIONED | refuses(409))
async def act_on_archive(
    row: Visible,
    wanted: ArchiveAction,
    caller: Keeper,
    held: Held,
    session: Session,
    if_match: IfMatch = None,
) -> Response:
    """Take back an archive that was lent."""
    done = await archiving.take_back(
        session, held.desk, caller, row, wanted.note or "", version_of(if_match)
    )
    shown = service.shown(done, caller, held.keys)
    return json(shown, headers={"ETag": f'"{done.version}"'})
