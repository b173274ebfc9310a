"""The SDK's two faces: the same calls, plain and as coroutines."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx
from pydantic_core import to_json

from client.calls import JSON, Calls, enrolment
from client.errors import refused
from client.keys import KeyFile
from client.later import later
from client.wire import AsyncFace, SyncFace

if TYPE_CHECKING:
    import schemas.terminals
else:
    schemas = later("terminals")


class Client(SyncFace, Calls):
    """A terminal's calls; each waits for its answer."""

    def _open(self, **settings: Any) -> httpx.Client:
        return httpx.Client(**settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the line."""
        self.line.close()


class AsyncClient(AsyncFace, Calls):
    """A terminal's calls, as coroutines."""

    def _open(self, **settings: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(**settings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the line."""
        await self.line.aclose()


def enrol(
    base_url: str, code: str, file: KeyFile, *, audience: str | None = None, transport: Any = None
) -> "schemas.terminals.EnrolledView":
    """Make this device a terminal: a key is made here, and handed in with the code that its outlet was given.

    Broken off at any moment, the same call again ends it.

    Raises:
        Refused: the code is unknown, used or too old.
    """
    base, key = base_url.rstrip("/"), file.upcoming()
    body = enrolment(key, code, (audience or base).rstrip("/"))
    with httpx.Client(base_url=base, transport=transport, timeout=20) as line:
        answer = line.post("/v1/terminals", content=to_json(body), headers=JSON)
    if not answer.is_success:
        raise refused(answer)
    file.settle()
    return schemas.terminals.EnrolledView.model_validate_json(answer.content)
