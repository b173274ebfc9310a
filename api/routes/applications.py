"""Applications: handing in, reading, acting."""

from datetime import datetime
from time import perf_counter
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import Response

from access.callers import Caller
from access.errors import Forbidden
from access.policy import May
from api.body import LARGEST, MEMBERS, ContractRoute
from api.conditional import json
from api.deps import (
    KEY,
    Held,
    IfMatch,
    Key,
    Locked,
    Repeat,
    Session,
    Visible,
    address_of,
    may,
    version_of,
)
from api.figures import ACKNOWLEDGED
from api.openapi import VERSIONED, carries, refuses
from api.paging import Pager
from api.problems import documented, misshapen, told
from applications import handing_in, queries, service, views
from applications.draft import Filing, Shared
from applications.handing_in import Answer
from applications.models import Application
from events import queries as events
from events.service import shown
from kit.clock import now, today
from kit.errors import DomainError
from kit.repeats import made_before
from looking.service import Look, record
from schemas.applications import (
    ActionRequest,
    ApplicationDetail,
    ApplicationFilter,
    ApplicationMade,
    ApplicationSubmit,
    ApplicationView,
    BatchItem,
    BatchMade,
    BatchRequest,
    RevealRequest,
)
from schemas.base import Listing, Page
from schemas.events import EventView

router = APIRouter(prefix="/v1/applications", tags=["applications"], route_class=ContractRoute)
Reader = Annotated[Caller, may(May.APPLICATION_READ)]


MADE: dict[int | str, dict[str, Any]] = {
    201: {"headers": carries("Location", "ETag", "Idempotent-Replayed")}
}


@router.post("", status_code=201, response_model=ApplicationMade, responses=MADE | refuses(409))
async def submit_application(
    request: Request,
    wanted: ApplicationSubmit,
    key: Key,
    caller: Annotated[Caller, may(May.APPLICATION_SUBMIT)],
) -> Response:
    """Hand in an application. Send the same `Idempotency-Key` and body to retry safely.

    What the outlet is entrusted with whole (D3) is completed in this call where the agency's core system
    passes it; a warning `core-away` tells that it will be later, `machine-check-failed` that a person decides.
    """
    if caller.terminal is None:
        raise Forbidden(private="a teller away from a terminal")
    state, began = request.app.state.syt, perf_counter()
    canonical = orjson.dumps(request.state.parsed, option=orjson.OPT_SORT_KEYS)
    answer = await handing_in.submit(state.counter, caller, wanted, key=key, canonical=canonical)
    location = f"{state.settings.public_url}/v1/applications/{answer.body['number']}"
    headers = {"Location": location, "ETag": f'"{answer.body["version"]}"'}
    if answer.replayed:
        headers["Idempotent-Replayed"] = "true"
    ACKNOWLEDGED.observe(perf_counter() - began - answer.at_core)
    return json(answer.body, 201, headers)


class BatchRoute(ContractRoute):
    """A route whose body holds a hundred applications."""

    largest, members = 4 * LARGEST, 5 * MEMBERS


batches = APIRouter(prefix=router.prefix, tags=["applications"], route_class=BatchRoute)


@batches.post("/batch", response_model=BatchMade)
async def submit_batch(
    request: Request, wanted: BatchRequest, caller: Annotated[Caller, may(May.APPLICATION_SUBMIT)]
) -> Response:
    """Hand in a hundred applications at most. Each is answered as if it came alone; what fails harms no other.

    `key` is the `Idempotency-Key` of each: the same batch again makes nothing twice.
    """
    if caller.terminal is None:
        raise Forbidden(private="a teller away from a terminal")
    began, at = perf_counter(), now()
    shared = Shared()
    filings = [_filing(caller, item, at, shared) for item in wanted.items]
    taken = [filing for filing in filings if isinstance(filing, Filing)]
    made = iter(await handing_in.submit_all(request.app.state.syt.counter, taken))
    outcomes = [next(made) if isinstance(one, Filing) else one for one in filings]
    for _ in filter(_is_made, outcomes):
        ACKNOWLEDGED.observe(perf_counter() - began)
    return json({"items": [_answered(request, outcome) for outcome in outcomes]})


def _is_made(outcome: Answer | Exception) -> bool:
    return isinstance(outcome, Answer)


def _filing(caller: Caller, item: BatchItem, at: datetime, shared: Shared) -> Filing | DomainError:
    """Read one of a batch; what is wrong with its shape is refused as it would be alone."""
    faults: list[Any] = []
    if not isinstance(item.key, str) or KEY.fullmatch(item.key) is None:
        faults.append({"loc": ("header", "Idempotency-Key"), "type": "string_pattern_mismatch"})
    try:
        wanted = ApplicationSubmit.model_validate(item.application)
    except ValidationError as error:
        faults += [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
    if faults:
        return misshapen(faults)
    canonical = orjson.dumps(item.application, option=orjson.OPT_SORT_KEYS)
    return Filing(caller, wanted, item.key, canonical, at, shared, kept=True)


def _answered(request: Request, outcome: Answer | Exception) -> dict[str, Any]:
    """Answer one of a batch: status and body of a call of its own."""
    if isinstance(outcome, Answer):
        replayed = {"replayed": True} if outcome.replayed else {}
        return {"status": 201, "body": outcome.body, **replayed}
    status, body = documented(request, told(outcome))
    return {"status": status, "body": body}


@router.get("", response_model=Page[ApplicationView])
async def list_applications(
    narrow: Annotated[ApplicationFilter, Query()], caller: Reader, held: Held, session: Session
) -> Response:
    """List the applications that the caller may see, newest first."""
    pager = Pager(held, "applications", caller, narrow)
    position = pager.position
    after = (datetime.fromisoformat(position[0]), str(position[1])) if position else None
    rows = await queries.page(session, caller, narrow, after, today())
    at = now()

    def show(row: Application) -> dict[str, Any]:
        return views.view(row, caller, held.desk, at)

    return json(
        pager.page(rows, narrow.limit, lambda r: [r.received_at.isoformat(), r.number], show)
    )


@router.get("/{number}", response_model=ApplicationDetail, responses=VERSIONED)
async def get_application(row: Visible, caller: Reader, held: Held) -> Response:
    """Show an application, what is personal masked."""
    body = views.detail(row, caller, held.desk, now())
    return json(body, headers={"ETag": f'"{row.version}"'})


@router.post("/{number}/reveal", response_model=ApplicationDetail)
async def reveal_application(
    request: Request,
    row: Visible,
    wanted: RevealRequest,
    caller: Annotated[Caller, may(May.APPLICATION_REVEAL)],
    held: Held,
    session: Session,
) -> Response:
    """Show an application in full, for a purpose; recorded before it is shown."""
    look = Look(
        "reveal", wanted.purpose, address_of(request), row.number, row.subject_index, row.outlet,
        row.agency,
    )  # fmt: skip
    await record(session, held.keys, caller, look)
    return json(views.detail(row, caller, held.desk, now(), revealed=True))


ACTED: dict[int | str, dict[str, Any]] = {200: {"headers": carries("ETag", "Idempotent-Replayed")}}


@router.post("/{number}/actions", response_model=ApplicationView, responses=ACTED)
async def act_on_application(
    row: Locked,
    wanted: ActionRequest,
    caller: Annotated[Caller, may(May.APPLICATION_ACT)],
    held: Held,
    session: Session,
    asked: Repeat,
    if_match: IfMatch = None,
) -> Response:
    """Take an action. `actions` of an application lists those that the caller may take now.

    Sent again with the same `Idempotency-Key` it is not taken twice: the application is shown as it stands.
    """
    service.may_ask(caller, row, wanted)
    version = version_of(if_match)
    earlier = await made_before(session, held.keys, asked, row.number)
    if earlier is None:
        row = await service.act(session, held.desk, caller, row, wanted, version)
    headers = {"ETag": f'"{row.version}"'} | ({"Idempotent-Replayed": "true"} if earlier else {})
    return json(views.view(row, caller, held.desk, now()), headers=headers)


@router.get("/{number}/events", response_model=Page[EventView])
async def list_application_events(
    row: Visible,
    narrow: Annotated[Listing, Query()],
    caller: Reader,
    held: Held,
    session: Session,
) -> Response:
    """List what happened to an application, oldest first."""
    pager = Pager(held, f"application-events\0{row.number}", caller, narrow)
    position = pager.position
    after = int(position[0]) if position else 0
    rows = await events.of_application(session, row.number, after, narrow.limit + 1)
    return json(pager.page(rows, narrow.limit, lambda e: [e.id], shown))
