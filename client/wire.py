"""Calls as steps that do no input or output themselves, and the two ways to take them.

An operation is written once, as a generator: it says what to send and how long to wait, and is told what
came of it. `SyncFace` and `AsyncFace` take such steps; nothing else differs between them.
"""

import time
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping
from functools import wraps
from typing import Any, Concatenate, Generic, NamedTuple, ParamSpec, TypeVar, overload

import httpx

P = ParamSpec("P")
T = TypeVar("T")


class Send(NamedTuple):
    """A request; its answer comes back, or `httpx.TransportError` is thrown."""

    method: str
    path: str
    params: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = {}
    content: bytes | None = None
    data: Mapping[str, str] | None = None
    timeout: float | None = None


class Pause(NamedTuple):
    """A wait, in seconds."""

    seconds: float


class Give(NamedTuple):
    """Something for whoever follows a stream."""

    value: Any


Steps = Generator[Send | Pause | Give, Any, T]


def _next(steps: Steps[Any], outcome: Any) -> Send | Pause | Give:
    """Tell steps what came of the last one; give the next."""
    return steps.throw(outcome) if isinstance(outcome, Exception) else steps.send(outcome)


def _request(send: Send) -> dict[str, Any]:
    wanted = send._asdict()
    timeout = wanted.pop("timeout")
    return {"url": wanted.pop("path"), **wanted} | ({} if timeout is None else {"timeout": timeout})


class SyncFace:
    """Takes steps one after another, and waits."""

    line: httpx.Client

    def run(self, steps: Steps[T]) -> T:
        """Take steps to their end."""
        outcome: Any = None
        while True:
            try:
                effect = _next(steps, outcome)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            outcome = self._do(effect)

    def flow(self, steps: Steps[Any]) -> Iterator[Any]:
        """Take steps, and give on what they give."""
        outcome: Any = None
        while True:
            try:
                effect = _next(steps, outcome)
            except StopIteration:
                return
            outcome = None
            if isinstance(effect, Give):
                yield effect.value
            else:
                outcome = self._do(effect)

    def _do(self, effect: Send | Pause | Give) -> Any:
        try:
            if isinstance(effect, Send):
                return self.line.request(**_request(effect))
            return time.sleep(effect.seconds) if isinstance(effect, Pause) else None
        except httpx.TransportError as lost:
            return lost


class AsyncFace:
    """Takes steps as a coroutine."""

    line: httpx.AsyncClient

    async def run(self, steps: Steps[T]) -> T:
        """Take steps to their end."""
        outcome: Any = None
        while True:
            try:
                effect = _next(steps, outcome)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            outcome = await self._do(effect)

    async def flow(self, steps: Steps[Any]) -> AsyncIterator[Any]:
        """Take steps, and give on what they give."""
        outcome: Any = None
        while True:
            try:
                effect = _next(steps, outcome)
            except StopIteration:
                return
            outcome = None
            if isinstance(effect, Give):
                yield effect.value
            else:
                outcome = await self._do(effect)

    async def _do(self, effect: Send | Pause | Give) -> Any:
        try:
            if isinstance(effect, Send):
                return await self.line.request(**_request(effect))
            if isinstance(effect, Pause):
                import asyncio  # noqa: PLC0415 -- a plain terminal has no use for it

                return await asyncio.sleep(effect.seconds)
            return None
        except httpx.TransportError as lost:
            return lost


class operation(Generic[P, T]):
    """A method written as steps: a plain call at a `SyncFace`, a coroutine at an `AsyncFace`."""

    def __init__(self, steps: Callable[Concatenate[Any, P], Steps[T]]) -> None:
        self.steps = steps
        self.__doc__ = steps.__doc__

    @overload
    def __get__(self, face: None, owner: object) -> "operation[P, T]": ...
    @overload
    def __get__(self, face: SyncFace, owner: object) -> Callable[P, T]: ...
    @overload
    def __get__(self, face: AsyncFace, owner: object) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, face: Any, owner: object) -> Any:
        if face is None:
            return self

        @wraps(self.steps)
        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            return face.run(self.steps(face, *args, **kwargs))

        return call


class stream(Generic[P, T]):
    """A method whose steps give things as they come: an iterator, or an asynchronous one."""

    def __init__(
        self, steps: Callable[Concatenate[Any, P], Steps[None]], of: Callable[[], type[T]]
    ) -> None:
        self.steps = steps
        self.__doc__ = steps.__doc__

    @overload
    def __get__(self, face: None, owner: object) -> "stream[P, T]": ...
    @overload
    def __get__(self, face: SyncFace, owner: object) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, face: AsyncFace, owner: object) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, face: Any, owner: object) -> Any:
        if face is None:
            return self

        @wraps(self.steps)
        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            return face.flow(self.steps(face, *args, **kwargs))

        return call


def streaming(
    of: Callable[[], type[T]],
) -> Callable[[Callable[Concatenate[Any, P], Steps[None]]], stream[P, T]]:
    """Make steps that give things of a type a stream of such."""
    return lambda steps: stream(steps, of)
