"""What can be asked of a core: to complete an application, once, whatever becomes of an answer."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import NamedTuple, TypeVar

import stamina

from connectors.client import Core
from connectors.errors import CoreAway, Why
from schemas.connectors import Completion, Facts, Held

Answer = TypeVar("Answer")

ATTEMPTS, FIRST_PAUSE, LONGEST_PAUSE = 3, 0.1, 2.0
"""How often the same is asked within the time there is, and seconds between."""

PAGES = 10_000
"""Of one list at most: one that never ends is no list."""

AGAIN = frozenset({Why.REFUSED, Why.BROKEN, Why.STATUS})
"""What may be over in a moment. Who is slow or talks nonsense is not asked again at once."""


class Refusal(NamedTuple):
    """Machine checks that an application failed: a person decides."""

    failed: list[str]


Outcome = Completion | Refusal | CoreAway


async def ask(core: Core, facts: Facts, *, asked: bool, within: float) -> Outcome:
    """Have an application checked and completed within so many seconds.

    Where it may have been completed by an earlier call (`asked`), the core is asked first what it holds: an
    answer that came too late is then taken up, and nothing is completed twice.
    """
    until, doubt = time.monotonic() + within, asked
    try:
        if asked:
            found = await _tried(lambda left: core.find(facts.key, left), until)
            doubt = False
            if found is not None:
                return _of(facts, found, core)
        verdicts = await _tried(lambda left: core.check(facts, left), until)
        if all(verdict.passes for verdict in verdicts):
            made = await _tried(lambda left: core.complete(facts, left), until)
            if isinstance(made, Completion):
                return made
            verdicts = made
    except CoreAway as away:
        away.asked = away.asked or doubt
        return away
    return Refusal([verdict.check for verdict in verdicts if not verdict.passes])


def _of(facts: Facts, found: Completion, core: Core) -> Completion:
    """Take what was found only if it is of this application."""
    if found.application != facts.application:
        raise CoreAway(core.name, Why.FOREIGN, asked=True)
    return found


def _may_pass(error: Exception) -> bool:
    return isinstance(error, CoreAway) and error.why in AGAIN and not error.asked


async def _tried(call: Callable[[float], Awaitable[Answer]], until: float) -> Answer:
    """Call, and call again after a pause while that can change nothing twice and there is time."""
    left = until - time.monotonic()
    async for attempt in stamina.retry_context(
        on=_may_pass, attempts=ATTEMPTS, timeout=max(0.001, left), wait_initial=FIRST_PAUSE,
        wait_max=LONGEST_PAUSE, wait_jitter=FIRST_PAUSE,
    ):  # fmt: skip
        with attempt:
            return await call(until - time.monotonic())
    raise LookupError("there is always an attempt")


async def held(core: Core, since: datetime, until: datetime, within: float) -> AsyncIterator[Held]:
    """Give all that a core says it completed in a time, page by page.

    Raises:
        CoreAway: it can't be told.
    """
    after: str | None = None
    for _ in range(PAGES):
        page = await core.completed(since, until, after, within)
        for item in page.items:
            yield item
        if page.next is None:
            return
        after = page.next
    raise CoreAway(core.name, Why.GARBAGE, asked=False)
