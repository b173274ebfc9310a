"""What a terminal installs: calls of the service, plain and asynchronous, and work without a line."""

from client import problems
from client.calls import Application, Outcome
from client.errors import ClientError, LineDown, Refused
from client.faces import AsyncClient, Client, enrol
from client.keys import KeyFile, TerminalKey
from client.queue import AsyncQueue, Queue, Report
from client.retrying import Patience
from client.store import Store
from client.work import Receipt, Waiting

__all__ = [
    "Application",
    "AsyncClient",
    "AsyncQueue",
    "Client",
    "ClientError",
    "KeyFile",
    "LineDown",
    "Outcome",
    "Patience",
    "Queue",
    "Receipt",
    "Refused",
    "Report",
    "Store",
    "TerminalKey",
    "Waiting",
    "enrol",
    "problems",
]
