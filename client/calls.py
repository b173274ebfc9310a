"""What a terminal can ask of the service: each call once, as steps (client.wire)."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter
from pydantic_core import from_json, to_json

from client import uploads
from client.errors import LineDown, Refused, refusal, refused
from client.later import later
from client.retrying import NEVER, Patience
from client.uploads import Progress, Source
from client.wire import Give, Pause, Send, Steps, operation, streaming

if TYPE_CHECKING:
    import schemas.applications
    import schemas.base
    import schemas.drafting
    import schemas.events
    import schemas.guides
    import schemas.matters
    import schemas.terminals
    from client.keys import KeyFile, TerminalKey
    from schemas.applications import ApplicationDetail, ApplicationMade, ApplicationView
    from schemas.base import Page
    from schemas.events import EventView
    from schemas.files import FileView
    from schemas.terminals import NumberView

    Application = schemas.applications.ApplicationSubmit | Mapping[str, Any]
else:
    Application = Mapping[str, Any]
    schemas = later("applications", "base", "drafting", "events", "guides", "matters", "terminals")

M = TypeVar("M", bound=BaseModel)
Mend = Callable[[Refused, httpx.Response], bool]
"""Mends what a refusal complains of; tells whether it did."""

BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TOKENS = "/v1/oauth/token"
EARLY = 60
"""Seconds before its end at which a token is not used any more."""

SAFE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
JSON = {"Content-Type": "application/json"}
WAIT = 25
"""Seconds that a question for news waits for some."""


class Token(NamedTuple):
    """A teller's token, and until when (on the monotonic clock) it serves."""

    text: str
    until: float


class Outcome(NamedTuple):
    """What became of one of a batch: `made`, or the refusal."""

    made: schemas.applications.ApplicationMade | None
    refusal: Refused | None
    replayed: bool


def fresh_key() -> str:
    """Make an idempotency key."""
    return uuid.uuid4().hex


def enrolment(key: TerminalKey, code: str, audience: str, ahead: float = 0.0) -> dict[str, Any]:
    """What hands in a key: the code that its outlet was given, and a proof that the private part is here."""
    proof = key.proof(code, f"{audience}/v1/terminals", ahead)
    return {"code": code, "public_jwk": key.public_jwk, "proof": proof}


def body_of(application: Application) -> dict[str, Any]:
    """Give the body of a submission: what is not said is left out."""
    if isinstance(application, schemas.applications.ApplicationSubmit):
        return application.model_dump(mode="json", exclude_none=True)
    return dict(application)


class Calls:
    """Calls of one terminal and the teller at it.

    `audience` is what the service calls itself, where that is not the address it is reached at. Every call that
    can be repeated is: with the same `Idempotency-Key` where it makes something.
    """

    def __init__(
        self, base_url: str, terminal: str, key: TerminalKey, teller: str, *,
        audience: str | None = None, patience: Patience | None = None, transport: Any = None,
    ) -> None:  # fmt: skip
        self.base_url = base_url.rstrip("/")
        self.terminal, self.key, self.teller = terminal, key, teller
        self.audience = (audience or self.base_url).rstrip("/")
        self.patience = patience or Patience()
        self.ahead = 0.0
        """Seconds by which the service's clock is before the terminal's, as far as is known."""
        self._tokens: dict[str, Token] = {}
        self.line = self._open(
            base_url=self.base_url, timeout=self.patience.answer, transport=transport,
            headers={"Accept-Language": "zh", "Accept": "application/json"},
        )  # fmt: skip

    def _open(self, **settings: Any) -> Any:
        """Open the line, of the kind of the face."""
        raise NotImplementedError

    # The way of every call

    def call(
        self, send: Send, patience: Patience | None = None, *, teller: str | None = None,
        signed: bool = True,
    ) -> Steps[httpx.Response]:  # fmt: skip
        """Send with a token, and again where that can do no harm; give an answer that is no refusal.

        Raises:
            LineDown: no answer came.
            Refused: the service refused.
        """
        who = teller or self.teller

        def made() -> Steps[Send]:
            if not signed:
                return send
            token = yield from self.token(who, patience)
            return send._replace(headers={**send.headers, "Authorization": f"Bearer {token}"})

        def signs_in_anew(problem: Refused, _: httpx.Response) -> bool:
            return problem.status == 401 and self._tokens.pop(who, None) is not None

        return (yield from self._attempt(made, patience, signs_in_anew))

    def _attempt(
        self, make: Callable[[], Steps[Send]], patience: Patience | None, mend: Mend
    ) -> Steps[httpx.Response]:
        """Send what `make` makes until it is answered; what `mend` mends, once, is tried again at once."""
        attempts, mended = (patience or self.patience).attempts(), False
        while True:
            send = yield from make()
            try:
                answer: httpx.Response = yield send
            except httpx.TransportError as lost:
                wait = attempts.wait() if _again(send, lost) else None
                if wait is None:
                    raise LineDown(type(lost).__name__) from lost
            else:
                if answer.is_success:
                    return answer
                problem = refused(answer)
                if not mended and (mended := mend(problem, answer)):
                    continue
                wait = attempts.wait(problem.retry_after) if problem.passes else None
                if wait is None:
                    raise problem
            yield Pause(wait)

    def token(self, teller: str, patience: Patience | None = None) -> Steps[str]:
        """Give a teller's token; asks for one where there is none that serves."""
        known = self._tokens.get(teller)
        if known is None or known.until <= time.monotonic():
            known = self._tokens[teller] = yield from self._sign_in(teller, patience)
        return known.text

    def _sign_in(self, teller: str, patience: Patience | None) -> Steps[Token]:
        """Exchange an assertion for a token; one without an answer is used up, so each try signs another."""

        def made() -> Steps[Send]:
            yield from ()
            return self._asking(teller)

        answer = yield from self._attempt(made, patience, self._correct_clock)
        view = from_json(answer.content)
        return Token(view["access_token"], time.monotonic() + view["expires_in"] - EARLY)

    def _asking(self, teller: str) -> Send:
        said = self.key.assertion(self.terminal, teller, self.audience + TOKENS, self.ahead)
        form = {
            "grant_type": "client_credentials", "client_assertion_type": BEARER,
            "client_assertion": said,
        }  # fmt: skip
        return Send("POST", TOKENS, data=form)

    def _correct_clock(self, problem: Refused, answer: httpx.Response) -> bool:
        """Learn from a refusal how far the device's clock is off: many a village's is."""
        said = answer.headers.get("date")
        if problem.facts.get("reason") != "exp" or said is None:
            return False
        self.ahead = parsedate_to_datetime(said).timestamp() - time.time()
        return True

    def _get(self, kind: type[M], path: str, **params: Any) -> Steps[M]:
        asked = {name: _written(v) for name, v in params.items() if v is not None}
        answer = yield from self.call(Send("GET", path, params=asked))
        return kind.model_validate_json(answer.content)

    def _post(
        self, path: str, body: Any, *, key: str | None = None, teller: str | None = None,
        headers: Mapping[str, str] | None = None, patience: Patience | None = None,
    ) -> Steps[httpx.Response]:  # fmt: skip
        named = {"Idempotency-Key": key} if key is not None else {}
        send = Send(
            "POST", path, headers={**JSON, **named, **(headers or {})}, content=to_json(body)
        )
        return (yield from self.call(send, patience, teller=teller))

    # The terminal itself

    @operation
    def me(self) -> Steps[schemas.terminals.OwnView]:
        """Ask what the terminal may do, and how far its clock is off."""
        said = datetime.now().astimezone()
        view = yield from self._get(schemas.terminals.OwnView, "/v1/terminals/me", device_time=said)
        self.ahead = -(view.clock_difference or 0.0)
        return view

    @operation
    def reserve_numbers(self, count: int, *, key: str | None = None) -> Steps[list[NumberView]]:
        """Reserve numbers for receipts that are given without a line."""
        answer = yield from self._post(
            "/v1/terminals/me/numbers", {"count": count}, key=key or fresh_key()
        )
        return TypeAdapter(list[schemas.terminals.NumberView]).validate_json(answer.content)

    @operation
    def rotate_key(self, file: KeyFile, code: str) -> Steps[None]:
        """Give the terminal another key, with the code that its outlet was given for it.

        The new key is kept before it is sent; whatever breaks off in between, the same call again ends it.
        """
        coming = file.upcoming()
        body = to_json(enrolment(coming, code, self.audience, self.ahead))
        yield from self.call(
            Send("POST", "/v1/terminals", headers=JSON, content=body), signed=False
        )
        self.key = file.settle()
        self._tokens.clear()

    # The catalogue

    @operation
    def matters(
        self, /, q: str | None = None, *, outlet: str | None = None, limit: int = 50,
        after: str | None = None, **narrow: Any,
    ) -> Steps[schemas.base.Page[schemas.matters.MatterEntry]]:  # fmt: skip
        """Find matters by name, code, pinyin or initials."""
        asked = {"q": q, "outlet": outlet, "limit": limit, "after": after, **narrow}
        return (
            yield from self._get(
                schemas.base.Page[schemas.matters.MatterEntry], "/v1/matters", **asked
            )
        )

    @operation
    def matter(self, matter: str) -> Steps[schemas.matters.MatterDetail]:
        """Show a matter and its versions."""
        return (yield from self._get(schemas.matters.MatterDetail, f"/v1/matters/{matter}"))

    @operation
    def guide(
        self, matter: str, *, division: str | None = None, on: date | None = None
    ) -> Steps[schemas.guides.GuideView]:
        """Show the guide of a matter for a place and a day."""
        path = f"/v1/matters/{matter}/guide"
        return (yield from self._get(schemas.guides.GuideView, path, division=division, on=on))

    @operation
    def changes(
        self, after: str | None = None, *, limit: int = 50
    ) -> Steps[schemas.drafting.ChangesView]:
        """Ask what a copy of the catalogue has to take over."""
        path = "/v1/catalogue/changes"
        return (yield from self._get(schemas.drafting.ChangesView, path, after=after, limit=limit))

    # Applications

    @operation
    def submit(self, application: Application, *, key: str | None = None) -> Steps[ApplicationMade]:
        """Hand in an application. Keep `key` where the same is to be asked for again: it is made once."""
        answer = yield from self._post(
            "/v1/applications", body_of(application), key=key or fresh_key()
        )
        return schemas.applications.ApplicationMade.model_validate_json(answer.content)

    @operation
    def submit_batch(
        self, items: Sequence[tuple[str, Application]], *, teller: str | None = None,
        patience: Patience | None = None,
    ) -> Steps[list[Outcome]]:  # fmt: skip
        """Hand in a hundred applications at most, each with its key; what fails harms no other."""
        body = {"items": [{"key": k, "application": body_of(a)} for k, a in items]}
        answer = yield from self._post(
            "/v1/applications/batch", body, teller=teller, patience=patience
        )
        return [_outcome(item) for item in from_json(answer.content)["items"]]

    @operation
    def application(self, number: str) -> Steps[ApplicationDetail]:
        """Show an application, what is personal masked."""
        return (
            yield from self._get(
                schemas.applications.ApplicationDetail, f"/v1/applications/{number}"
            )
        )

    @operation
    def applications(
        self, /, *, limit: int = 50, after: str | None = None, **narrow: Any
    ) -> Steps[Page[ApplicationView]]:
        """List the outlet's applications, newest first."""
        asked = {"limit": limit, "after": after, **narrow}
        return (
            yield from self._get(
                schemas.base.Page[schemas.applications.ApplicationView], "/v1/applications", **asked
            )
        )

    @operation
    def act(
        self,
        /,
        application: ApplicationView,
        action: str,
        *,
        key: str | None = None,
        **fields: Any,
    ) -> Steps[ApplicationView]:
        """Take an action on an application as it was last seen: `deliver`, `supply`, `withdraw` …"""
        path = f"/v1/applications/{application.number}/actions"
        seen = {"If-Match": f'"{application.version}"'}
        body = {"action": action, **fields}
        answer = yield from self._post(path, body, key=key or fresh_key(), headers=seen)
        return schemas.applications.ApplicationView.model_validate_json(answer.content)

    @operation
    def paper(self, number: str, code: str, purpose: str) -> Steps[bytes]:
        """Get a paper of an application (`REC`, `ACP` …) as PDF, to be handed over; it is recorded."""
        path = f"/v1/applications/{number}/documents/{code}.pdf"
        answer = yield from self._post(path, {"purpose": purpose})
        return answer.content

    # Scans

    @operation
    def upload(
        self, what: bytes | Path | Source, *, progress: Progress | None = None,
        resume: str | None = None, begun: Callable[[str], None] | None = None,
        patience: Patience | None = None,
    ) -> Steps[FileView]:  # fmt: skip
        """Send a scan in parts, taken up where the line broke; `resume` names an upload begun before.

        Raises:
            LineDown, Refused: with nothing lost; the upload may be taken up within a day.
        """

        def quiet(*_: Any) -> None:
            return None

        wanted = uploads.Sending(uploads.source_of(what), progress or quiet, begun or quiet)
        once = partial(self.call, patience=NEVER)
        return (yield from uploads.send(once, patience or self.patience, wanted, resume))

    # What happens

    @operation
    def history(self, number: str, after: str | None = None) -> Steps[Page[EventView]]:
        """List what happened to an application, oldest first."""
        path = f"/v1/applications/{number}/events"
        return (
            yield from self._get(
                schemas.base.Page[schemas.events.EventView], path, after=after, limit=200
            )
        )

    @operation
    def events(
        self, /, after: str | None = None, *, limit: int = 200, wait: int = 0, **narrow: Any
    ) -> Steps[schemas.events.EventPage]:
        """Read the feed; `next` is never null: it is where to go on. `wait`: seconds to wait for news."""
        asked = {"after": after, "limit": limit, "wait": wait or None, **narrow}
        known = {name: _written(v) for name, v in asked.items() if v is not None}
        slow = self.patience.answer + wait
        answer = yield from self.call(Send("GET", "/v1/events", params=known, timeout=slow))
        return schemas.events.EventPage.model_validate_json(answer.content)

    @streaming(lambda: schemas.events.EventPage)
    def follow(
        self, /, after: str | None = None, *, wait: int = WAIT, pause: float = 5.0, **narrow: Any
    ) -> Steps[None]:
        """Follow the feed for ever, page by page. Keep a page's `next` once all of it was dealt with.

        A line that is down is waited for, `pause` seconds at a time.
        """
        while True:
            try:
                page = yield from Calls.events.steps(self, after, wait=wait, **narrow)
            except (LineDown, Refused) as error:
                if isinstance(error, Refused) and not error.passes:
                    raise
                yield Pause(pause)
                continue
            after = page.next
            if page.items:
                yield Give(page)


def _again(send: Send, lost: httpx.TransportError) -> bool:
    """Tell whether a request whose answer was lost may be sent again."""
    unsent = isinstance(lost, httpx.ConnectError | httpx.ConnectTimeout)
    repeatable = send.method in SAFE or "Idempotency-Key" in send.headers
    return unsent or repeatable or send.path in HARMLESS


HARMLESS = frozenset({TOKENS, "/v1/applications/batch", "/v1/uploads", "/v1/terminals"})
"""Each try signs another assertion; a batch holds a key for each item; an upload that nobody knows of ends by
itself; the same key is enrolled once."""


def _outcome(item: Mapping[str, Any]) -> Outcome:
    if item["status"] == 201:
        made = schemas.applications.ApplicationMade.model_validate(item["body"])
        return Outcome(made, None, bool(item.get("replayed")))
    return Outcome(None, refusal(item["status"], item["body"]), replayed=False)


def _written(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
