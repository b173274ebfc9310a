"""What crossed the wire, in order, as the rules look at it."""

import base64
import binascii
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import orjson

SUBMISSIONS = "/v1/applications"
BATCHES = "/v1/applications/batch"
TOKENS = "/v1/oauth/token"
KEYS = "/v1/receipt-keys"


def read(body: bytes) -> Any:
    """Read JSON; nothing where it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


@dataclass
class Exchange:
    """A request, and what was answered."""

    call: int
    at: float
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    """Names in small letters."""
    body: bytes
    status: int = 0
    """0 until there is an answer, and where the client never got one."""
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    answer: bytes = b""
    answered_at: float = 0.0
    fault: str | None = None
    """What was put in."""

    @property
    def sent(self) -> Any:
        """The body as JSON."""
        return read(self.body)

    @property
    def got(self) -> Any:
        """The answer as JSON."""
        return read(self.answer)

    @property
    def code(self) -> str:
        """Code of a refusal, else nothing."""
        got = self.got if self.status >= 400 else None
        return str(got.get("code", "")) if isinstance(got, dict) else ""

    @property
    def token(self) -> str:
        """The bearer token that it was sent with."""
        return self.headers.get("authorization", "").partition(" ")[2]

    @property
    def is_submission(self) -> bool:
        """Whether something is handed in: alone, or many together."""
        return self.method == "POST" and self.path in (SUBMISSIONS, BATCHES)

    @property
    def is_action(self) -> bool:
        """Whether something is done to an application."""
        return (
            self.method == "POST"
            and self.path.startswith(f"{SUBMISSIONS}/")
            and self.path.endswith("/actions")
        )

    @property
    def number(self) -> str:
        """Number of the application that the path names, else nothing."""
        parts = self.path.split("/")
        return parts[3] if len(parts) > 3 and parts[3].startswith("SYT") else ""

    @property
    def same(self) -> tuple[Any, ...]:
        """What a repeat of this call has in common with it: all but its token, its name and its key."""
        sent = self.sent
        said = orjson.dumps(sent, option=orjson.OPT_SORT_KEYS) if sent is not None else self.body
        return self.method, self.path, self.query, said

    def handed_in(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give each application that it hands in, with its key."""
        sent = self.sent
        if self.path == SUBMISSIONS and isinstance(sent, dict):
            yield self.headers.get("idempotency-key", ""), sent
        items = sent.get("items") if self.path == BATCHES and isinstance(sent, dict) else None
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict) and isinstance(item.get("application"), dict):
                yield str(item.get("key", "")), item["application"]

    def shown(self) -> Iterator[dict[str, Any]]:
        """Give each application that the answer shows, wherever it stands in it."""
        if self.status < 400:
            yield from _applications(self.got)

    def assertion(self) -> dict[str, Any]:
        """Give the claims of an assertion that is handed in, unchecked; nothing where there is none."""
        fields = dict(part.partition("=")[::2] for part in self.body.decode("latin-1").split("&"))
        parts = unquote(fields.get("client_assertion", "")).split(".")
        try:
            claims = read(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        except (IndexError, binascii.Error):
            return {}
        return claims if isinstance(claims, dict) else {}


def _applications(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from _applications(item)
    elif isinstance(value, dict):
        if "state" in value and ("number" in value or "application" in value):
            yield {**value, "number": value.get("number", value.get("application"))}
        for item in value.values():
            yield from _applications(item)


class Journal:
    """All exchanges of a session."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.exchanges: list[Exchange] = []
        self.clock = clock
        self.began = clock()

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self.exchanges)

    def note(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> Exchange:
        """Note a request."""
        found = Exchange(len(self.exchanges) + 1, self.clock(), method, path, query, headers, body)
        self.exchanges.append(found)
        return found

    def after(self, exchange: Exchange) -> Iterator[Exchange]:
        """Give what came later."""
        return iter(self.exchanges[exchange.call :])

    def submissions(self) -> Iterator[Exchange]:
        """Give what handed something in."""
        return (exchange for exchange in self if exchange.is_submission)

    def of(self, applicant: str) -> Iterator[tuple[Exchange, dict[str, Any]]]:
        """Give what handed something in for an applicant, and what that was."""
        for exchange in self.submissions():
            for _, application in exchange.handed_in():
                if number_of(application) == applicant:
                    yield exchange, application


def number_of(application: Mapping[str, Any]) -> str:
    """Give the number of the applicant's paper."""
    applicant = application.get("applicant")
    found = applicant if isinstance(applicant, dict) else {}
    return str(found.get("id_number") or found.get("credit_code") or "").upper()
