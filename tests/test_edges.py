"""Edges: what every answer says, who may call from a page, how often, and what stops guessing."""

import asyncio
import base64
import time
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from joserfc.jwk import ECKey
from pydantic import ValidationError

from access import service
from access.policy import Role
from api.app import create_app
from api.edge import OVER_TLS, SAFE
from api.sharing import Sharing
from api.state import State
from kit.buckets import MOST, NOISE, Buckets
from kit.db import transaction
from kit.settings import Settings
from outlets.models import Teller, Terminal
from tests import make as m
from tests.make import Make, Place
from tests.test_access import exchange

ORIGIN = "https://counter.test"


class TestHeaders:
    async def test_every_answer_has_them(
        self, http: httpx.AsyncClient, make: Make, monkeypatch: pytest.MonkeyPatch, state: State
    ) -> None:
        """Of the express lane, of the framework, of refusals, of pages, and of what nobody expected."""
        who = make.teller(await make.place())
        guide = f"/v1/matters/{m.RECORD}/guide"
        tag = (await http.get(guide, headers=who)).headers["etag"]
        answers = [
            await http.get(guide, headers=who),
            await http.get(guide, headers={**who, "If-None-Match": tag}),
            await http.get("/v1/matters", headers=who), await http.get("/v1/matters"),
            await m.submit(http, who), await http.delete("/v1/matters"), await http.get("/nowhere"),
            await http.get("/docs"), await http.get("/problems"), await http.get("/openapi.json"),
            await http.get("/health/live"), await http.get("/metrics"), await http.options("/v1/matters"),
        ]  # fmt: skip
        monkeypatch.setattr(state, "finder", None)
        answers.append(await http.get("/v1/outlets", headers=who))
        assert {answer.status_code for answer in answers} >= {200, 201, 304, 401, 404, 405, 500}
        for answer in answers:
            for name, value in SAFE.items():
                found = answer.headers.get_list(name.decode())
                assert len(found) == 1, (answer.url, name)
                if name not in (b"content-security-policy", b"cache-control"):
                    assert found == [value.decode()]
            assert "server" not in answer.headers
            assert "strict-transport-security" not in answer.headers
            assert "'unsafe" not in answer.headers["content-security-policy"]
        assert answers[0].headers["cache-control"] == "private, no-cache"

    async def test_over_tls_it_says_so(self, settings: Settings) -> None:
        known = settings.model_copy(update={"public_url": "https://syt.test"})
        async with _client(create_app(known)) as http:
            answer = await http.get("/health/live")
        assert answer.headers[OVER_TLS[0].decode()] == OVER_TLS[1].decode()

    async def test_a_style_is_ours_or_none(self, http: httpx.AsyncClient) -> None:
        page = await http.get("/problems")
        style = page.text.partition("<style>")[2].partition("</style>")[0]
        import hashlib  # noqa: PLC0415

        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in page.headers["content-security-policy"]


def _client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://outlet.test")


class TestOrigins:
    ASKED = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}  # noqa: RUF012

    async def test_none_by_default(self, http: httpx.AsyncClient) -> None:
        for answer in (
            await http.options("/v1/applications", headers=self.ASKED),
            await http.get("/health/live", headers={"Origin": ORIGIN}),
        ):
            assert not [name for name in answer.headers if name.startswith("access-control")]

    async def test_those_that_are_named(self, settings: Settings) -> None:
        known = settings.model_copy(update={"cors_origins": frozenset({ORIGIN})})
        async with _client(create_app(known)) as http:
            asked = await http.options("/v1/applications", headers=self.ASKED)
            other = await http.options(
                "/v1/applications", headers=self.ASKED | {"Origin": "https://evil.test"}
            )
            got = await http.get("/health/live", headers={"Origin": ORIGIN})
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, ORIGIN)
        assert (other.status_code, "access-control-allow-origin" in other.headers) == (400, False)
        assert got.headers["access-control-allow-origin"] == ORIGIN
        assert "access-control-allow-credentials" not in asked.headers

    @pytest.mark.parametrize(
        "origin",
        [
            "*",
            "https://*.test",
            "https://a.test/",
            "a.test",
            "null",
            "https://u@a.test",
            "file://x",
        ],
    )
    def test_one_host_each(self, origin: str) -> None:
        with pytest.raises(ValidationError):
            Settings(cors_origins=frozenset({origin}))


class TestSharedLimits:
    """Two processes are two `Sharing`s on one database."""

    @pytest.fixture
    def still(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("kit.buckets.time.monotonic", lambda: 1000.0)

    def two(self, state: State) -> tuple[Sharing, Sharing]:
        return (
            Sharing(Buckets(100, 500), state.sessions), Sharing(Buckets(100, 500), state.sessions)
        )  # fmt: skip

    def spend(self, sharing: Sharing, name: str, calls: int) -> int:
        return sum(sharing.buckets.take(name) for _ in range(calls))

    async def test_processes_give_one_limit_together(
        self, state: State, clean: None, still: None
    ) -> None:
        one, two = self.two(state)
        assert (self.spend(one, "t", 300), self.spend(two, "t", 300)) == (300, 300)
        for sharing in (one, two, one):
            await sharing.exchange()
            self.spend(sharing, "t", 0)
        # What each has left is what both have not used: the burst of 500 is spent, and owed for.
        assert self.spend(two, "t", 1) == 0
        assert self.spend(one, "t", 300) <= 200

    async def test_what_was_told_is_taken_once(
        self, state: State, clean: None, still: None
    ) -> None:
        one, two = self.two(state)
        self.spend(one, "t", 100)
        await one.exchange()
        for _ in range(3):
            self.spend(two, "t", NOISE)
            await two.exchange()
        assert self.spend(two, "t", 1000) == 500 - 100 - 3 * NOISE

    async def test_others_are_left_alone(self, state: State, clean: None, still: None) -> None:
        one, two = self.two(state)
        self.spend(one, "a", 400)
        self.spend(two, "b", 400)
        for sharing in (one, two):
            await sharing.exchange()
        assert (self.spend(one, "a", 500), self.spend(two, "b", 500)) == (100, 100)

    async def test_the_quiet_cost_nothing(
        self, state: State, clean: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, _ = self.two(state)
        self.spend(one, "t", NOISE - 1)
        monkeypatch.setattr("api.sharing.transaction", None)  # To ask the database would fail.
        await one.exchange()

    def test_only_the_busiest_are_told(self) -> None:
        buckets = Buckets(100, 500)
        for nth in range(MOST + 10):
            for _ in range(NOISE + (nth >= 10)):
                buckets.take(f"t{nth}")
        told = buckets.taken()
        assert len(told) == MOST
        assert set(told.values()) == {NOISE + 1}
        assert buckets.taken() == {}

    def test_what_is_owed_is_no_more_than_a_burst(self, monkeypatch: pytest.MonkeyPatch) -> None:
        at = [0.0]
        monkeypatch.setattr("kit.buckets.time.monotonic", lambda: at[0])
        buckets = Buckets(100, 500)
        buckets.take_for_others({"t": 10**6})
        at[0] = 5.02
        assert buckets.take("t")
        assert not buckets.take("t")

    def test_who_rests_is_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        at = [0.0]
        monkeypatch.setattr("kit.buckets.time.monotonic", lambda: at[0])
        buckets = Buckets(100, 500)
        for name in ("a", "b"):
            for _ in range(200):
                buckets.take(name)
        at[0] = 1.0
        buckets.forget_idle()
        assert set(buckets._levels) == {"a", "b"}
        at[0] = 3.0
        buckets.take("b")
        buckets.forget_idle()
        assert set(buckets._levels) == {"b"}


class TestDoor:
    async def test_wrong_signatures_lock_no_terminal_out(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        """Whoever knows its id may fail as often as he likes: the terminal gets its token."""
        place, other = await make.place(), ECKey.generate_key("P-256")
        forged = make.assertion(Place(place.outlet, place.terminal, other, place.teller))
        answers = [await exchange(http, forged) for _ in range(service.FORGED.tries + 2)]
        codes = [answer.json()["code"] for answer in answers]
        assert codes == ["client-invalid"] * service.FORGED.tries + ["too-many-attempts"] * 2
        assert answers[-1].status_code == 429
        assert int(answers[-1].headers["retry-after"]) > 0
        assert (await exchange(http, make.assertion(place))).status_code == 200

    async def test_a_replay_locks_nobody_out(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        captured = make.assertion(place)
        assert (await exchange(http, captured)).status_code == 200
        codes = [
            (await exchange(http, captured)).json()["code"] for _ in range(service.FORGED.tries + 1)
        ]
        assert codes == ["assertion-reused"] * service.FORGED.tries + ["too-many-attempts"]
        assert (await exchange(http, make.assertion(place))).status_code == 200

    async def test_guessing_tellers_locks_who_has_the_key(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place = await make.place()
        for _ in range(service.GUESSED.tries):
            wrong = await exchange(http, make.assertion(place, teller="guess"))
            assert wrong.json()["code"] == "teller-inactive"
        locked = await exchange(http, make.assertion(place))
        assert (locked.status_code, locked.json()["code"]) == (429, "too-many-attempts")

    async def test_a_guess_that_is_captured_counts_once(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place = await make.place()
        captured = make.assertion(place, teller="guess")
        for _ in range(service.GUESSED.tries + 2):
            await exchange(http, captured)
        assert (await exchange(http, make.assertion(place))).status_code == 200

    async def test_a_suspended_terminal_is_not_locked_for_asking(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place = await make.place()
        await make.change(Terminal, id=place.terminal, status="suspended")
        for _ in range(service.GUESSED.tries + 2):
            answer = await exchange(http, make.assertion(place))
            assert answer.json()["code"] == "terminal-suspended"
        await make.change(Terminal, id=place.terminal, status="active")
        assert (await exchange(http, make.assertion(place))).status_code == 200

    async def test_tokens_are_counted_exactly(
        self, http: httpx.AsyncClient, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        few = service.ISSUED._replace(tries=3)
        monkeypatch.setattr("api.routes.oauth.ISSUED", few)
        place = await make.place()
        answers = await asyncio.gather(*(exchange(http, make.assertion(place)) for _ in range(6)))
        assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 429, 429, 429]

    async def test_a_window_ends(self, state: State, clean: None) -> None:
        short = service.FORGED._replace(tries=1, within=service.FORGED.within * 0)
        async with transaction(state.sessions) as session:
            for _ in range(3):
                await service.count_try(session, short, "t", "address")

    async def test_one_address_has_its_limit(
        self, http: httpx.AsyncClient, make: Make, state: State, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(state, "doors", Buckets(0, 2))
        place = await make.place()
        codes = [(await exchange(http, make.assertion(place))).status_code for _ in range(3)]
        assert codes == [200, 200, 429]


class TestAssertionsTampered:
    async def test_two_at_once_with_one_jti(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        one, other = (
            make.assertion(place, jti="the-same-jti"),
            make.assertion(place, jti="the-same-jti", exp=int(time.time()) + 90),
        )
        answers = await asyncio.gather(*(exchange(http, a) for a in (one, other, one, other)))
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]

    async def test_the_same_jti_of_two_terminals(self, http: httpx.AsyncClient, make: Make) -> None:
        for place in (await make.place(), await make.place()):
            answer = await exchange(http, make.assertion(place, jti="everybodys-jti"))
            assert answer.status_code == 200

    @pytest.mark.parametrize(
        ("exp", "nbf", "status"),
        [(25, 25, 200), (320, None, 200), (340, None, 401), (60, 40, 401), (-1, None, 401)],
    )
    async def test_clocks_that_differ(
        self, http: httpx.AsyncClient, make: Make, exp: int, nbf: int | None, status: int
    ) -> None:
        at = int(time.time())
        more: dict[str, Any] = {} if nbf is None else {"nbf": at + nbf}
        answer = await exchange(http, make.assertion(await make.place(), exp=at + exp, **more))
        assert answer.status_code == status

    async def test_changed_in_any_claim(
        self, http: httpx.AsyncClient, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each claim replaced by another right one, under the old signature."""
        monkeypatch.setattr("api.routes.oauth.FORGED", service.FORGED._replace(tries=1000))
        place, other = await make.place(), await make.place()
        header, payload, signature = make.assertion(place).split(".")
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=="))
        changes: dict[str, Any] = {
            "iss": other.terminal, "sub": other.terminal, "exp": claims["exp"] + 60,
            "jti": "another-jti", "teller": other.teller, "aud": [claims["aud"]],
        }  # fmt: skip
        assert set(changes) == set(claims)
        for name, value in changes.items():
            changed = orjson.dumps({**claims, name: value})
            part = base64.urlsafe_b64encode(changed).decode().rstrip("=")
            answer = await exchange(http, f"{header}.{part}.{signature}")
            assert (answer.status_code, answer.json()["code"]) == (401, "client-invalid"), name
        for at in range(0, len(signature) - 1, 3):
            wrong = signature[:at] + ("A" if signature[at] != "A" else "B") + signature[at + 1 :]
            answer = await exchange(http, f"{header}.{payload}.{wrong}")
            assert answer.status_code == 401

    async def test_a_teller_who_left_a_moment_ago(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place = await make.place()
        who = make.teller(place)
        assert (await http.get("/v1/matters", headers=who)).status_code == 200
        await make.change(Teller, code=place.teller, status="left")
        assert (await http.get("/v1/matters", headers=who)).status_code == 403


class TestSecrets:
    async def test_none_stands_in_logs_or_problems(
        self, http: httpx.AsyncClient, make: Make, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Tokens that are refused, assertions that fail, and keys of repeats."""
        place = await make.place()
        teller, forged = make.teller(place), make.assertion(place, aud="else")
        broken = teller["Authorization"][:-6] + "AAAAAA"
        repeat = "a-key-of-a-repeat-0815"
        head = await make.person(Role.AGENCY_HEAD, "330106")
        answers = [
            await exchange(http, forged),
            await http.get("/v1/matters", headers={"Authorization": broken}),
            await http.post("/v1/grants", json={"x": broken}, headers={**head, "Idempotency-Key": repeat}),
            await http.get(f"/v1/applications/{broken[7:60]}", headers=teller),
            await http.get("/v1/applications", params={"after": broken[7:100]}, headers=teller),
        ]  # fmt: skip
        said = "".join(answer.text for answer in answers) + "".join(capsys.readouterr())
        assert {answer.status_code for answer in answers} == {401, 404, 422}
        for secret in (forged, broken[7:], broken[7:60], repeat, head["Authorization"][7:]):
            assert secret not in said
