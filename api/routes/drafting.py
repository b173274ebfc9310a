"""Guides on their way: versions of the master, layers of places, and what the rules say of them."""

from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import json
from api.deps import Held, IfMatch, Repeat, Session, identify, may, version_of
from api.openapi import VERSIONED, carries, refuses
from api.problems import language_of
from api.routes.matters import MatterCode
from api.state import State
from conformity.diff import differences
from conformity.findings import Class
from divisions.memory import Place
from kit.clock import today
from matters import queries
from matters.errors import LayerNotFound, MatterNotFound, VersionNotFound
from matters.models import GuideLayer, GuideVersion
from publishing import service
from publishing.rules import findings
from schemas.drafting import (
    DiffView,
    GuideActionRequest,
    LayerAsked,
    LayerView,
    LayerWanted,
    LintView,
    VersionView,
    VersionWanted,
)
from schemas.guides import GuideContent

router = APIRouter(prefix="/v1/matters/{matter}", tags=["guides"], route_class=ContractRoute)
Reader = Annotated[Caller, may(May.MATTER_READ)]
Checker = Annotated[Caller, may(May.GUIDE_READ)]
Drafter = Annotated[Caller, may(May.GUIDE_DRAFT)]
Number = Annotated[str, Path(max_length=10, description="Number of a version.")]
DivisionPath = Annotated[str, Path(max_length=12, description="City, county or township.")]
LARGEST_NUMBER = 2**31


async def known_matter(request: Request, matter: MatterCode) -> str:
    """Find the matter of the path."""
    await identify(request)
    state: State = request.app.state.syt
    if matter not in state.desk.catalogue.matters:
        raise MatterNotFound()
    return matter


KnownMatter = Annotated[str, Depends(known_matter)]


async def _version(
    request: Request, matter: str, number: str, session: Session, *, lock: bool = False
) -> GuideVersion:
    """Load a version; who may not see drafts finds none."""
    caller = await identify(request)
    known = number.isascii() and number.isdigit() and int(number) < LARGEST_NUMBER
    row = await queries.version(session, matter, int(number), lock=lock) if known else None
    if row is None or (row.published_by is None and not caller.may(May.GUIDE_READ)):
        raise VersionNotFound()
    return row


async def found_version(
    request: Request, matter: KnownMatter, version: Number, session: Session
) -> GuideVersion:
    """Load the version of the path."""
    return await _version(request, matter, version, session)


async def locked_version(
    request: Request, matter: KnownMatter, version: Number, session: Session
) -> GuideVersion:
    """Load the version of the path and hold its row."""
    return await _version(request, matter, version, session, lock=True)


Found = Annotated[GuideVersion, Depends(found_version, scope="function")]
Locked = Annotated[GuideVersion, Depends(locked_version, scope="function")]


class LayerOf(NamedTuple):
    """A matter, a place, and the place's layer if it has one."""

    matter: str
    place: Place
    row: GuideLayer | None


async def found_layer(
    request: Request, matter: KnownMatter, division: DivisionPath,
    narrow: Annotated[LayerAsked, Query()], session: Session,
) -> LayerOf:  # fmt: skip
    """Load the layer of the path; for who may not see drafts the newest that is or was published."""
    state: State = request.app.state.syt
    caller = await identify(request)
    place = state.desk.divisions.get(division, today())
    shown = not caller.may(May.GUIDE_READ)
    row = await queries.layer(session, matter, place.code, narrow.version, shown=shown)
    return LayerOf(matter, place, row)


FoundLayer = Annotated[LayerOf, Depends(found_layer, scope="function")]


def drafted(row: GuideVersion | GuideLayer | queries.DraftRow, caller: Caller) -> dict[str, Any]:
    """Say who had a hand in a version or a layer, and what the caller may do with it."""
    return {
        "matter": row.base_code, "version": row.version, "state": service.state_of(row),
        "effective_from": row.effective_from, "effective_to": row.effective_to,
        "revision": row.revision, "drafted_by": row.drafted_by, "edited_by": row.edited_by,
        "submitted_by": row.submitted_by, "published_by": row.published_by, "reason": row.reason,
        "actions": service.actions(caller, row),
    }  # fmt: skip


def _shown(row: GuideVersion | GuideLayer, caller: Caller, status: int = 200) -> Response:
    body = drafted(row, caller)
    if isinstance(row, GuideLayer):
        body |= {"division": row.division, "fields": row.content}
    else:
        body["guide"] = row.content
    return json(body, status, {"ETag": f'"{row.revision}"'})


CREATED: dict[int | str, dict[str, Any]] = {
    201: {"headers": carries("ETag", "Location", "Idempotent-Replayed")}
}


@router.post(
    "/versions", status_code=201, response_model=VersionView, responses=CREATED | refuses(409)
)
async def draft_version(
    matter: KnownMatter, wanted: VersionWanted, caller: Drafter, session: Session, held: Held,
    asked: Repeat,
) -> Response:  # fmt: skip
    """Draft the next version of the master; its number is given."""
    row, is_repeat = await service.draft_version(
        session, caller, matter, wanted, keys=held.keys, asked=asked
    )
    answer = _shown(row, caller, 201)
    if is_repeat:
        answer.headers["Idempotent-Replayed"] = "true"
    base = held.settings.public_url.rstrip("/")
    answer.headers["Location"] = f"{base}/v1/matters/{matter}/versions/{row.version}"
    return answer


@router.get("/versions/{version}", response_model=VersionView, responses=VERSIONED)
async def get_version(row: Found, caller: Reader) -> Response:
    """Show a version: one that is or was published to all, a draft to who works on guides."""
    return _shown(row, caller)


@router.put("/versions/{version}", response_model=VersionView, responses=VERSIONED)
async def redraft_version(
    row: Locked, wanted: VersionWanted, caller: Drafter, session: Session, if_match: IfMatch = None
) -> Response:
    """Write a draft anew."""
    service.ensure(caller, May.GUIDE_DRAFT, service.division_of(row))
    revision = version_of(if_match)
    return _shown(await service.redraft_version(session, caller, row, wanted, revision), caller)


@router.post("/versions/{version}/actions", response_model=VersionView, responses=VERSIONED)
async def act_on_version(
    row: Found, wanted: GuideActionRequest, caller: Drafter, session: Session, held: Held,
    if_match: IfMatch = None,
) -> Response:  # fmt: skip
    """Submit, publish, send back or withdraw a version. Who wrote it does not publish it."""
    service.ensure(caller, service.NEEDS[wanted.action], service.division_of(row))
    revision, divisions = version_of(if_match), held.desk.divisions
    return _shown(
        await service.act(session, caller, row, wanted, revision, divisions=divisions), caller
    )


@router.get("/versions/{version}/lint", response_model=LintView)
async def lint_version(
    request: Request, row: Found, caller: Checker, session: Session, held: Held
) -> Response:
    """Say what the rules say of a version, and which layers it would make illegal."""
    language = language_of(request)
    found = await findings(session, row, held.desk.divisions)
    errors = sum(finding.level is Class.ERROR for finding in found)
    listed = [
        {"code": f.code, "at": f.at, "level": f.level, "message": f.words.within(language)}
        for f in found
    ]
    return json(
        {
            "matter": row.base_code, "version": row.version, "errors": errors,
            "warnings": len(found) - errors, "findings": listed,
        }
    )  # fmt: skip


@router.get("/versions/{version}/diff/{other}", response_model=DiffView)
async def diff_versions(
    request: Request, row: Found, other: Number, caller: Reader, session: Session
) -> Response:
    """Say in what another version differs from this one, field by field."""
    after = await _version(request, row.base_code, other, session)
    found = differences(
        GuideContent.model_validate(row.content), GuideContent.model_validate(after.content)
    )
    return json(
        {
            "matter": row.base_code, "before": row.version, "after": after.version,
            "differences": [difference._asdict() for difference in found],
        }
    )  # fmt: skip


@router.get("/layers/{division}", response_model=LayerView, responses=VERSIONED)
async def get_layer(found: FoundLayer, caller: Reader) -> Response:
    """Show the layer of a place that is worked on or in force."""
    if found.row is None:
        raise LayerNotFound()
    return _shown(found.row, caller)


@router.put("/layers/{division}", response_model=LayerView, responses=VERSIONED)
async def draft_layer(
    found: FoundLayer, wanted: LayerWanted, caller: Drafter, session: Session, held: Held,
    if_match: IfMatch = None,
) -> Response:  # fmt: skip
    """Draft the layer of a place: the guide's own fields. `If-Match` where it has one already."""
    service.ensure(caller, May.GUIDE_DRAFT, found.place.code)
    revision = version_of(if_match) if found.row is not None else None
    key, divisions = (found.matter, found.place), held.desk.divisions
    row = await service.draft_layer(
        session, caller, key, wanted, revision=revision, divisions=divisions
    )
    return _shown(row, caller)


@router.post("/layers/{division}/actions", response_model=LayerView, responses=VERSIONED)
async def act_on_layer(
    found: FoundLayer, wanted: GuideActionRequest, caller: Drafter, session: Session, held: Held,
    if_match: IfMatch = None,
) -> Response:  # fmt: skip
    """Submit, publish, send back or withdraw the layer of a place."""
    if found.row is None:
        raise LayerNotFound()
    service.ensure(caller, service.NEEDS[wanted.action], found.place.code)
    revision, divisions = version_of(if_match), held.desk.divisions
    return _shown(
        await service.act(session, caller, found.row, wanted, revision, divisions=divisions), caller
    )
