"""Faults of lines and services that are put in, each once: which call meets which. Data, and nothing random.

What is counted are new calls: a repeat of one that met a fault is let through, so that a client that does
right gets on.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

from rehearsal.journal import Exchange

PROBLEM = "application/problem+json"


class Refusal(NamedTuple):
    """An answer that is given in the service's place, as the service gives it."""

    status: int
    code: str
    title: str
    retry_after: int | None = None

    def body(self) -> bytes:
        """Write it."""
        said = {"type": f"/problems/{self.code}", "code": self.code, "title": self.title}
        return orjson.dumps({**said, "status": self.status, "detail": self.title})

    def headers(self) -> Mapping[str, str]:
        """Give its headers."""
        later = {"Retry-After": str(self.retry_after)} if self.retry_after else {}
        known = {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}
        return {"Content-Type": PROBLEM, **later, **known}


class Fault(NamedTuple):
    """Something that goes wrong with the nth new call of a kind."""

    name: str
    kind: str
    nth: int
    refusal: Refusal | None = None
    """Answered so, and not passed on; else it is passed on, and the answer is changed."""
    seconds: float = 0.0
    """So late is the answer."""
    loses: bool = False
    """The line breaks before the answer is there: what was done is done."""
    tampers: bool = False
    """A receipt is answered whose signature does not hold."""


LOST, SLOW, TAMPERED = "answer_lost", "answer_slow", "receipt_tampered"
AWAY, EXPIRED, RUNNING, STALE, BUSY = "away", "token_expired", "still_running", "stale", "too_many"

FAULTS = (
    Fault(LOST, "submit", 1, loses=True),
    Fault(AWAY, "submit", 2, Refusal(503, "database-away", "数据库暂不可用", 2)),
    Fault(EXPIRED, "submit", 3, Refusal(401, "token-invalid", "令牌无效或已过期")),
    Fault(RUNNING, "submit", 4, Refusal(409, "idempotency-key-in-progress", "同一请求仍在处理", 1)),
    Fault(SLOW, "submit", 5, seconds=6.0),
    Fault(STALE, "act", 1, Refusal(412, "version-stale", "办件已有变动")),
    Fault(BUSY, "read", 3, Refusal(429, "too-many-requests", "请求过多", 1)),
    Fault(TAMPERED, "paper", 1, tampers=True),
)


def kind_of(exchange: Exchange) -> str:
    """Tell which kind of call it is."""
    return next((kind for kind, holds in KINDS.items() if holds(exchange)), "other")


KINDS: Mapping[str, Callable[[Exchange], bool]] = {
    "submit": lambda e: e.is_submission,
    "act": lambda e: e.is_action,
    "paper": lambda e: e.method == "GET" and "/documents/" in e.path and e.path.endswith(".json"),
    "read": lambda e: e.method == "GET" and bool(e.number),
}


class Chooser:
    """Chooses the fault that a call meets; each is used once."""

    def __init__(self, faults: tuple[Fault, ...] = FAULTS) -> None:
        self._faults = {(fault.kind, fault.nth): fault for fault in faults}
        self._met: set[tuple[Any, ...]] = set()
        self._counted: dict[str, int] = {}

    def choose(self, exchange: Exchange) -> Fault | None:
        """Give the fault for a call, if it meets one. Each read is new; else what was not sent before."""
        kind = kind_of(exchange)
        if kind != "read" and exchange.same in self._met:
            return None
        self._counted[kind] = self._counted.get(kind, 0) + 1
        fault = self._faults.get((kind, self._counted[kind]))
        if fault is not None:
            exchange.fault = fault.name
        self._met.add(exchange.same)
        return fault


def tampered(body: bytes) -> bytes:
    """Change a receipt as a forger would: another day, under the same signature."""
    told = orjson.loads(body)
    parts = told["receipt"].split(":")
    parts[2] = "20200101"
    return orjson.dumps({**told, "receipt": ":".join(parts)})
