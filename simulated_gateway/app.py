"""The simulated gateway: takes messages, drops repeats by their id, and fails as it is told to."""

import asyncio
import itertools
import random
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

MARK = {"X-Simulated": "sms-gateway"}
"""On every answer: nobody is to take this for a real one."""

FAULTS = ("away", "refuse", "garbage", "slow", "lost_answer")


@dataclass
class Faults:
    """How often it fails, each from 0 (never) to 1 (always)."""

    away: float = 0.0
    """503, and nothing taken."""
    refuse: float = 0.0
    """422: the number can't be reached."""
    garbage: float = 0.0
    """Taken, and answered with what is no JSON."""
    slow: float = 0.0
    """Answered after `seconds`."""
    lost_answer: float = 0.0
    """Taken, and answered with 500: the sender can't know."""
    seconds: float = 30.0

    def happens(self, name: str) -> bool:
        """Draw whether a fault happens now."""
        return bool(random.random() < getattr(self, name))  # noqa: S311 -- a simulation


@dataclass
class Gateway:
    """What it has taken."""

    faults: Faults = field(default_factory=Faults)
    messages: dict[str, dict[str, str]] = field(default_factory=dict)
    """By the sender's id, in the order in which they first came."""
    repeats: int = 0
    taken: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it has taken any."""
    serial: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def take(self, request: Request) -> Response:
        """Take a message."""
        faults = self.faults
        if faults.happens("away"):
            return JSONResponse({"error": "away"}, 503, MARK)
        said = await request.json()
        if faults.happens("refuse"):
            return JSONResponse({"error": "unreachable number"}, 422, MARK)
        self._keep(said)
        if faults.happens("slow"):
            await asyncio.sleep(faults.seconds)
        if faults.happens("lost_answer"):
            return JSONResponse({"error": "lost"}, 500, MARK)
        if faults.happens("garbage"):
            return PlainTextResponse("<html>", 200, MARK)
        return JSONResponse(
            {"id": said["id"], "message": self.messages[said["id"]]["message"]}, 202, MARK
        )

    def _keep(self, said: dict[str, str]) -> None:
        self.taken.set()
        if said["id"] in self.messages:
            self.repeats += 1
        else:
            self.messages[said["id"]] = {**said, "message": f"SIM-{next(self.serial)}"}

    async def show(self, _: Request) -> Response:
        """Show what was taken: a simulation has nothing to hide."""
        shown = {"messages": list(self.messages.values()), "repeats": self.repeats}
        return JSONResponse(shown, 200, MARK)


def make_app(gateway: Gateway) -> Starlette:
    """Put it together."""
    return Starlette(
        routes=[
            Route("/messages", gateway.take, methods=["POST"]),
            Route("/messages", gateway.show, methods=["GET"]),
        ]
    )
