"""The sandbox's people at work: they follow the feed, and act by the table of `scripts`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx

from kit.clock import today
from sandbox.scripts import BODIES, ROLES, WANTS
from schemas.samples import BY_NUMBER

PURPOSE = {"purpose": "沙箱：核对是否样例申请人"}
STEPS = 12
"""Of one application at a time: more is a circle."""

OPEN = frozenset({"received", "accepted", "in_review", "in_second_review", "in_approval"})
"""States in which there may be something to do."""

PAGE = 200
Wait = Callable[[float], Awaitable[None]]


class People:
    """Persons of an agency in each role, by their tokens. Nothing is kept: who starts again reads the feed
    again, and what was done meanwhile is not offered any more."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        tokens: Mapping[str, str],
        *,
        pace: float,
        wait: Wait = asyncio.sleep,
    ) -> None:
        self._client, self._pace, self._wait = client, pace, wait
        self._who = {role: {"Authorization": f"Bearer {tokens[role]}"} for role in ROLES}
        self._after: str | None = None
        self._known: dict[str, tuple[str, ...]] = {}

    async def look(self) -> int:
        """Act on all that has happened since; tell how much that was.

        Raises:
            httpx.HTTPError: the service is away, or refuses; what was not done is done the next time.
        """
        query = {"limit": str(PAGE), **({"after": self._after} if self._after else {})}
        answer = await self._client.get("/v1/events", params=query, headers=self._who[ROLES[0]])
        page = answer.raise_for_status().json()
        for number in dict.fromkeys(event["application"] for event in page["items"]):
            await self._handle(number)
        self._after = page["next"]
        return len(page["items"])

    async def _handle(self, number: str) -> None:
        wants = await self._wants(number)
        for _ in range(STEPS if wants else 0):
            if not await self._step(number, wants):
                return
            await self._wait(self._pace)

    async def _wants(self, number: str) -> tuple[str, ...]:
        """Find out, once, whether an application is of a sample applicant; recorded like any look."""
        if number not in self._known:
            url, who = f"/v1/applications/{number}", self._who[ROLES[0]]
            seen = await self._client.get(url, headers=who)
            if seen.status_code == httpx.codes.NOT_FOUND:
                return ()  # Another agency's.
            if seen.raise_for_status().json()["state"] not in OPEN:
                return ()  # Nobody is looked at for nothing.
            answer = await self._client.post(f"{url}/reveal", json=PURPOSE, headers=who)
            applicant = answer.raise_for_status().json()["applicant"]
            sample = BY_NUMBER.get(applicant.get("id_number", ""))
            self._known[number] = WANTS[sample.outcome] if sample else ()
        return self._known[number]

    async def _step(self, number: str, wants: tuple[str, ...]) -> bool:
        """Take the most wanted action that somebody is offered; tell whether there was one."""
        offers: dict[str, tuple[str, dict[str, Any]]] = {}
        for role in reversed(ROLES):
            answer = await self._client.get(f"/v1/applications/{number}", headers=self._who[role])
            found = answer.raise_for_status().json()
            offers |= {action: (role, found) for action in found["actions"]}
        action = next((wanted for wanted in wants if wanted in offers), None)
        return action is not None and await self._act(number, action, *offers[action])

    async def _act(self, number: str, action: str, role: str, found: Mapping[str, Any]) -> bool:
        """Act; who was overtaken looks again, and what is refused is left to people."""
        answer = await self._client.post(
            f"/v1/applications/{number}/actions", json={"action": action, **BODIES[action](today())},
            headers={**self._who[role], "If-Match": f'"{found["version"]}"'},
        )  # fmt: skip
        return answer.is_success or answer.status_code == httpx.codes.PRECONDITION_FAILED
