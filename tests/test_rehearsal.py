"""The conformance kit: who does right is found to, and each wrong is found by its name."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from access.policy import Role
from api.state import State
from rehearsal import report
from rehearsal.faults import FAULTS, Chooser
from rehearsal.journal import Journal
from rehearsal.relay import Relay
from rehearsal.rules import LOGS, RULES, Rule, Verdict, in_logs, judge
from rehearsal.session import Place, serving
from sandbox.people import People
from sandbox.scripts import ROLES
from schemas.codes import id_fault
from schemas.samples import BY_OUTCOME, SAMPLES, Outcome, Sample
from tests.make import Make
from tests.terminal_of_a_bank import CARD, GivenUp, Terminal
from tests.test_events import tell

FOLLOWED = 4
"""Looks at each application, with the sandbox's people at work in between."""


class Clock:
    """Time that passes where somebody waits, and nowhere else."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def wait(self, seconds: float) -> None:
        self.now += seconds


class World:
    """A sandbox with its people, and the kit before it."""

    def __init__(self, state: State, make: Make, http: httpx.AsyncClient, clock: Clock) -> None:
        self.state, self.make, self.http = state, make, http
        self.clock, self.journal = clock, Journal(clock)
        self.people: People | None = None
        self.url = ""

    async def hire(self) -> People:
        """Make the sandbox's people when they are needed: most wrongs are done before them."""
        who = {role: await self.make.person(Role(role)) for role in ROLES}
        tokens = {r: w["Authorization"].removeprefix("Bearer ") for r, w in who.items()}
        return People(self.http, tokens, pace=1.0, wait=self.clock.wait)

    async def work(self) -> None:
        """Let the sandbox's people do all there is to be done."""
        self.people = self.people or await self.hire()
        await tell(self.state)
        while await self.people.look():
            await tell(self.state)

    @asynccontextmanager
    async def at(self, kind: type[Terminal]) -> AsyncIterator[Terminal]:
        """A bank's terminal, pointed at the kit."""
        place = await self.make.place()
        async with httpx.AsyncClient(base_url=self.url) as http:
            audience = "http://outlet.test/v1/oauth/token"
            terminal = kind(http, place.terminal, place.key, place.teller, audience)

            async def pause(answer: httpx.Response) -> None:
                await self.clock.wait(float(answer.headers.get("retry-after", "0")))

            if kind.pause is Terminal.pause:
                terminal.pause = pause  # type: ignore[method-assign]
            yield terminal

    def broken(self) -> set[str]:
        return {f.rule.code for f in report.judged(self.journal) if f.verdict is Verdict.BROKEN}


@pytest.fixture
async def world(
    app: FastAPI, state: State, make: Make, http: httpx.AsyncClient
) -> AsyncIterator[World]:
    clock = Clock()
    made = World(state, make, http, clock)
    chooser = Chooser(FAULTS)
    relay = Relay(http, made.journal, chooser, wait=clock.wait)
    async with serving(relay.app(), Place("127.0.0.1", 0)) as place:
        made.url = place.url
        yield made


async def whole(world: World, terminal: Terminal) -> list[str]:
    """Hand in every sample applicant, and follow each to its end."""
    numbers = await terminal.submit_all()
    for _ in range(FOLLOWED):
        await world.work()
        for number in numbers:
            await terminal.follow(number)
    return numbers


async def finish_slow(world: World, numbers: list[str], http: httpx.AsyncClient) -> None:
    """Stand in for the core system, which a test of the kit does not run."""
    slow = numbers[[s.outcome for s in SAMPLES].index(Outcome.SLOW)]
    who = await world.make.person(Role.REVIEWER)
    for action in ({"action": "take"}, {"action": "grant", "opinion": "符合", "result": {}}):
        seen = (await http.get(f"/v1/applications/{slow}", headers=who)).json()
        answer = await http.post(
            f"/v1/applications/{slow}/actions", json=action,
            headers={**who, "If-Match": f'"{seen["version"]}"'},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text


async def test_who_does_right_keeps_every_rule_and_meets_every_fault(
    world: World, http: httpx.AsyncClient
) -> None:
    async with world.at(Terminal) as terminal:
        numbers = await whole(world, terminal)
        await finish_slow(world, numbers, http)
        await terminal.follow(numbers[-1])
        ends = [(await terminal.look(number))["state"] for number in numbers]
    found = report.judged(world.journal)
    assert {f.rule.code: f.wrong for f in found if f.verdict is Verdict.BROKEN} == {}
    assert {f.rule.code for f in found if f.verdict is Verdict.UNSEEN} == set()
    assert report.status(found) == 0
    assert {exchange.fault for exchange in world.journal} - {None} == {f.name for f in FAULTS}
    assert ends == ["delivered", "delivered", "refused", "delivered", "delivered", "delivered"]
    assert len(set(numbers)) == len(SAMPLES)
    said = report.as_text(world.journal, found)
    assert "违反 0 条" in said
    told = json.dumps(report.as_json(world.url, world.journal, found), ensure_ascii=False)
    for sample in SAMPLES:
        assert sample.id_number not in told + said


GRANTED, CORRECTION = BY_OUTCOME[Outcome.GRANTED], BY_OUTCOME[Outcome.CORRECTION]


class AnotherKey(Terminal):
    def broken(self, headers: dict[str, str]) -> None:
        headers["Idempotency-Key"] = self.new_key()


class OneKey(Terminal):
    def new_key(self) -> str:
        return "always-the-same"


class GivesUp(Terminal):
    def broken(self, headers: dict[str, str]) -> None:
        raise GivenUp


class Hurried(Terminal):
    async def pause(self, answer: httpx.Response) -> None:
        return


class OldAssertion(Terminal):
    def jti(self) -> str:
        return "1" * 32


class OldToken(Terminal):
    async def unknown(self) -> None:
        return


class ManyTokens(Terminal):
    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        self.token = ""
        return await super().call(method, path, **more)


class NoCondition(Terminal):
    async def correct(self, number: str) -> None:
        body = {"action": "supply", "materials": CARD, "form": await self.form()}
        await self.call("POST", f"/v1/applications/{number}/actions", json=body)


class Blind(Terminal):
    async def read_again(self, number: str, seen: Any) -> Any:
        return seen


class Stubborn(Terminal):
    async def correct(self, number: str) -> None:
        seen = await self.look(number)
        body = {"action": "deliver", "way": "counter", "received_by": "样例"}
        for _ in range(4):
            headers = {"If-Match": f'"{seen["version"]}"'}
            await self.call(
                "POST", f"/v1/applications/{number}/actions", json=body, headers=headers
            )


class Misspelt(Terminal):
    def application(self, sample: Sample, guide: Any) -> dict[str, Any]:
        return {**super().application(sample, guide), "remark": "x"}


class Talkative(Terminal):
    async def look(self, number: str) -> Any:
        headers = {"X-Request-Id": f"look-{GRANTED.id_number}"}
        return (await self.call("GET", f"/v1/applications/{number}", headers=headers)).json()


class OneByOne(Terminal):
    def slips(self, sample: Sample, body: dict[str, Any]) -> list[dict[str, Any]]:
        return [{**body, "materials": [], "form": {}}, {**body, "materials": []}]


class Anew(Terminal):
    async def correct(self, number: str) -> None:
        await self.submit(CORRECTION)


class Forgetful(Terminal):
    async def get(self, path: str) -> Any:
        return (await self.call("GET", path)).json()


class Trusting(Terminal):
    def believes(self, receipt: str) -> bool:
        return True


class Keyless(Trusting):
    async def learn_keys(self) -> None:
        return


class Gone(Terminal):
    async def follow(self, number: str) -> None:
        return


Does = Callable[[World, Terminal], Awaitable[None]]


async def hand_in(world: World, terminal: Terminal) -> None:
    for sample in SAMPLES[:4]:
        try:
            await terminal.submit(sample)
        except GivenUp:
            continue


async def be_corrected(world: World, terminal: Terminal) -> None:
    number = await terminal.submit(CORRECTION)
    for _ in range(2):
        await world.work()
        await terminal.follow(number)


async def be_granted(world: World, terminal: Terminal) -> None:
    number = await terminal.submit(GRANTED)
    await world.work()
    await terminal.follow(number)


WRONG: dict[str, tuple[type[Terminal], Does, set[str]]] = {
    "same-key-again": (AnotherKey, hand_in, set()),
    "idempotency-key": (OneKey, hand_in, set()),
    "not-given-up": (GivesUp, hand_in, set()),
    "waits-as-told": (Hurried, hand_in, set()),
    "fresh-assertion": (OldAssertion, hand_in, {"not-given-up"}),
    "token-renewed": (OldToken, hand_in, set()),
    "token-kept": (ManyTokens, hand_in, set()),
    "if-match": (NoCondition, be_corrected, {"correction-supplied"}),
    "reads-again": (Blind, be_corrected, set()),
    "offered-actions": (Stubborn, be_corrected, {"nothing-hopeless", "correction-supplied", "reads-again"}),
    "nothing-hopeless": (Stubborn, be_corrected, {"offered-actions", "correction-supplied", "reads-again"}),
    "well-formed": (Misspelt, hand_in, set()),
    "nothing-personal-in-addresses": (Talkative, be_granted, set()),
    "all-faults-mended": (OneByOne, be_granted, set()),
    "correction-supplied": (Anew, be_corrected, set()),
    "known-again": (Forgetful, hand_in, set()),
    "receipt-checked": (Trusting, be_granted, set()),
}  # fmt: skip
"""Each rule, who breaks it, by which doing, and what else that must break."""


@pytest.mark.slow  # A bank served whole, once for each wrong.
@pytest.mark.parametrize("code", WRONG)
async def test_each_wrong_is_found_by_its_name(world: World, code: str) -> None:
    kind, does, also = WRONG[code]
    async with world.at(kind) as terminal:
        await does(world, terminal)
    found = {broken for broken in world.broken() if not broken.startswith("outcome-")}
    assert found == {code} | also
    assert report.status(report.judged(world.journal)) == 1


async def test_who_has_no_keys_checks_nothing(world: World) -> None:
    async with world.at(Keyless) as terminal:
        await be_granted(world, terminal)
    assert world.broken() == {"receipt-checked"}


async def test_who_follows_nothing_sees_no_outcome(world: World) -> None:
    async with world.at(Gone) as terminal:
        await hand_in(world, terminal)
    assert {c for c in world.broken() if c.startswith("outcome-")} == {
        f"outcome-{sample.outcome.value}" for sample in SAMPLES[:4]
    }


async def test_what_never_came_about_proves_nothing(world: World) -> None:
    found = report.judged(world.journal)
    assert {f.verdict for f in found} == {Verdict.UNSEEN}
    assert report.status(found) == 3


async def test_logs_are_searched_for_what_was_handed_in(world: World) -> None:
    async with world.at(Terminal) as terminal:
        await terminal.submit(GRANTED)
    clean, dirty = "submitted 1\n", f"ok\nPOST {GRANTED.phone}\n"
    for text, verdict in ((clean, Verdict.KEPT), (dirty, Verdict.BROKEN)):
        found = judge(Rule(*LOGS, in_logs([text])), world.journal)
        assert found.verdict is verdict
    assert "第 2 行" in found.wrong[0].wrong
    assert GRANTED.phone not in found.wrong[0].wrong


async def test_where_something_is_is_told_as_the_relay_has_it(world: World) -> None:
    async with world.at(Terminal) as terminal:
        await terminal.submit(GRANTED)
        made = world.journal.exchanges[-1]
        place = made.answer_headers["location"]
        assert place.startswith(f"{world.url}/v1/applications/SYT")
        assert (await terminal.call("GET", place)).status_code == 200


def test_every_rule_has_a_client_that_breaks_it() -> None:
    named = {rule.code for rule in RULES if not rule.code.startswith("outcome-")}
    assert named == set(WRONG)


def test_sample_applicants_are_nobody_and_each_of_another_kind() -> None:
    from datetime import date  # noqa: PLC0415

    for sample in SAMPLES:
        assert id_fault(sample.id_number, date(2026, 1, 1)) is None
        assert sample.id_number.startswith("3399001889")
    assert {sample.outcome for sample in SAMPLES} == set(Outcome)
