"""What a terminal installs: calls of the service, plain and asynchronous, and work without a line.

Each name loads what it needs when it is first used, so that a program that imports this starts at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from client import problems as problems
    from client.calls import Outcome as Outcome
    from client.errors import ClientError as ClientError
    from client.errors import LineDown as LineDown
    from client.errors import Refused as Refused
    from client.faces import AsyncClient as AsyncClient
    from client.faces import Client as Client
    from client.faces import enrol as enrol
    from client.keys import KeyFile as KeyFile
    from client.keys import TerminalKey as TerminalKey
    from client.queue import AsyncQueue as AsyncQueue
    from client.queue import Queue as Queue
    from client.queue import Report as Report
    from client.retrying import Patience as Patience
    from client.store import Store as Store
    from client.work import Receipt as Receipt
    from client.work import Waiting as Waiting

WHERE = {
    "calls": ("Outcome",),
    "errors": ("ClientError", "LineDown", "Refused"),
    "faces": ("AsyncClient", "Client", "enrol"),
    "keys": ("KeyFile", "TerminalKey"),
    "queue": ("AsyncQueue", "Queue", "Report"),
    "retrying": ("Patience",),
    "store": ("Store",),
    "work": ("Receipt", "Waiting"),
}
"""Where each name stands."""

HOME = {name: module for module, names in WHERE.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "problems":
        return import_module("client.problems")
    if name not in HOME:
        raise AttributeError(name)
    return getattr(import_module(f"client.{HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*HOME, "problems"])
