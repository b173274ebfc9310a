"""The express lane: the busiest calls, when nothing about them is out of the ordinary.

What a framework does for a call that has nothing wrong costs more than half of a look-up. A lane answers
the plain case, and gives None for everything else (a fault of any kind, a query, a condition), which then
goes the documented way: so there is one place for each refusal, and the lane can only ever say yes.
"""

import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from access.callers import Caller
from access.policy import May
from api.body import LARGEST, MEMBERS, PARSED_ALREADY, ContractRequest
from api.conditional import tagged
from api.deps import KEY, identify, identify_always
from api.problems import answer_to
from api.routes.applications import BatchRoute, submit_application, submit_batch
from kit.clock import today
from kit.errors import DomainError
from schemas.applications import ApplicationSubmit, BatchRequest

B = TypeVar("B", bound=BaseModel)

PLACE = re.compile(rb"(?:division=(?P<division>[0-9]{6}(?:[0-9]{3}){0,2}))?")
"""No query, or a place alone: how a terminal asks."""


class Lane(NamedTuple):
    """A call that may be answered ahead of the router."""

    method: str
    form: re.Pattern[str]
    path: str
    """The route's template, for metrics."""
    quick: Callable[[ContractRequest], Awaitable[Response | None]]
    largest: int = LARGEST
    members: int = MEMBERS


async def plain_guide(request: ContractRequest) -> Response | None:
    """Answer who asks for today's guide with a token that holds."""
    query = PLACE.fullmatch(request.scope["query_string"])
    if query is None:
        return None
    try:
        caller = await identify_always(request)
        matter = request.scope["path_params"]["matter"]
        division = query["division"].decode() if query["division"] else None
        guide = request.app.state.syt.desk.catalogue.look_up(matter, division, today())
    except DomainError:
        return None
    return tagged(request, guide.body, guide.etag) if caller.may(May.MATTER_READ) else None


async def _handed_in(request: ContractRequest, kind: type[B]) -> tuple[Caller, B] | None:
    """Read what is handed in: of the right shape, and from who may."""
    try:
        caller = await identify(request)
        wanted = kind.model_validate(await request.json())
    except (DomainError, ValidationError):
        return None
    plain = request.headers.get("content-type") == "application/json"
    return (caller, wanted) if plain and caller.may(May.APPLICATION_SUBMIT) else None


async def plain_submission(request: ContractRequest) -> Response | None:
    """Take a submission whose shape is right, from who may hand in."""
    key = request.headers.get("idempotency-key", "")
    read = await _handed_in(request, ApplicationSubmit) if KEY.fullmatch(key) else None
    if read is None:
        return None
    caller, wanted = read
    return await submit_application(request, wanted, key, caller)


async def plain_batch(request: ContractRequest) -> Response | None:
    """Take a batch whose shape is right, from who may hand in."""
    read = await _handed_in(request, BatchRequest)
    if read is None:
        return None
    caller, wanted = read
    return await submit_batch(request, wanted, caller)


LANES: tuple[Lane, ...] = (
    Lane(
        "GET", re.compile(r"/v1/matters/(?P<matter>[0-9]{12})/guide"), "/v1/matters/{matter}/guide",
        plain_guide,
    ),
    Lane("POST", re.compile(r"/v1/applications"), "/v1/applications", plain_submission),
    Lane(
        "POST", re.compile(r"/v1/applications/batch"), "/v1/applications/batch", plain_batch,
        BatchRoute.largest, BatchRoute.members,
    ),
)  # fmt: skip


class Express:
    """ASGI middleware that tries the lanes first: those that `app.state.lanes` names."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a plain call, or pass it on with what was read of it."""
        if scope["type"] == "http":
            for lane in scope["app"].state.lanes:
                if lane.method == scope["method"] and (found := lane.form.fullmatch(scope["path"])):
                    scope["path_params"], scope["route"] = found.groupdict(), lane
                    if await self._answered(lane, scope, receive, send):
                        return
                    break
        await self._app(scope, receive, send)

    async def _answered(self, lane: Lane, scope: Scope, receive: Receive, send: Send) -> bool:
        request = ContractRequest(scope, receive, lane.largest, lane.members)
        try:
            answer = await lane.quick(request)
        except Exception as error:
            answer = await answer_to(request, error)
        if answer is None:
            scope[PARSED_ALREADY] = request
            return False
        await answer(scope, receive, send)
        return True
