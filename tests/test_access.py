"""Who may call: assertions, tokens, and every operation by every role."""

import time
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from access.policy import May, Role
from access.tokens import Tokens
from api.state import State
from outlets.models import Outlet, Teller, Terminal
from tests import make as m
from tests.make import Make, Place

TOKEN = "/v1/oauth/token"
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
OPEN = {
    ("POST", "/v1/oauth/token"), ("GET", "/health/live"), ("GET", "/health/ready"),
    ("GET", "/metrics"), ("GET", "/docs"), ("GET", "/problems"), ("GET", "/problems/{code}"),
    ("POST", "/v1/progress"), ("POST", "/v1/progress/rating"),
    ("GET", "/p/{number}"), ("POST", "/p/{number}"),
    ("POST", "/p/{number}/rating"),
    ("GET", "/g/{matter}"), ("OPTIONS", "/v1/uploads"), ("POST", "/v1/terminals"),
    ("GET", "/v1/receipt-keys"),
}  # fmt: skip
"""Operations without a token, by hand."""


async def exchange(http: httpx.AsyncClient, assertion: str) -> httpx.Response:
    form = {
        "grant_type": "client_credentials", "client_assertion_type": TYPE,
        "client_assertion": assertion,
    }  # fmt: skip
    return await http.post(TOKEN, data=form)


class TestAssertions:
    async def test_gives_a_token_that_works(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        answer = await exchange(http, make.assertion(place))
        assert answer.status_code == 200, answer.text
        assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 900)
        who = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        made = await m.submit(http, who)
        assert (made.json()["outlet"], made.json()["teller"]) == (place.outlet, place.teller)

    async def test_holds_once(self, http: httpx.AsyncClient, make: Make) -> None:
        assertion = make.assertion(await make.place())
        assert (await exchange(http, assertion)).status_code == 200
        again = await exchange(http, assertion)
        assert (again.status_code, again.json()["code"]) == (401, "assertion-reused")

    @pytest.mark.parametrize(
        ("claims", "reason"),
        [
            ({"exp": int(time.time()) - 5}, "exp"),
            ({"exp": int(time.time()) + 3600}, "exp"),
            ({"exp": "soon"}, "exp"),
            ({"exp": None}, "exp"),
            ({"aud": "http://elsewhere/v1/oauth/token"}, "aud"),
            ({"aud": None}, "aud"),
            ({"sub": "someone"}, "sub"),
            ({"jti": "x"}, "jti"),
            ({"jti": None}, "jti"),
            ({"teller": None}, "teller"),
            ({"teller": 7}, "teller"),
            ({"nbf": int(time.time()) + 3600}, "nbf"),
            ({"iss": "00000000-0000-7000-8000-00000000dead"}, "iss"),
            ({"iss": "no uuid"}, "iss"),
            ({"iss": 7}, "iss"),
        ],
    )
    async def test_wrong_claims(
        self, http: httpx.AsyncClient, make: Make, claims: dict[str, Any], reason: str
    ) -> None:
        answer = await exchange(http, make.assertion(await make.place(), **claims))
        assert (answer.status_code, answer.json()["code"]) == (401, "client-invalid")
        assert answer.json()["reason"] == reason

    async def test_foreign_key_and_other_algorithms(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place, other = await make.place(), ECKey.generate_key("P-256")
        forged = make.assertion(Place(place.outlet, place.terminal, other, place.teller))
        claims = {"iss": place.terminal, "sub": place.terminal}
        hmac = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key("x" * 32))
        none = "eyJhbGciOiJub25lIn0." + hmac.split(".")[1] + "."
        for assertion in (forged, hmac, none, "junk", "a.b.c", "é" * 40, ""):
            answer = await exchange(http, assertion)
            assert answer.status_code in (401, 422), assertion
            assert answer.json()["code"] in ("client-invalid", "request-invalid")

    async def test_suspended_terminal_and_teller_who_left(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place = await make.place()
        await make.change(Teller, code=place.teller, status="left")
        answer = await exchange(http, make.assertion(place))
        assert (answer.status_code, answer.json()["code"]) == (403, "teller-inactive")
        await make.change(Terminal, id=place.terminal, status="suspended")
        answer = await exchange(http, make.assertion(place))
        assert (answer.status_code, answer.json()["code"]) == (403, "terminal-suspended")

    async def test_teller_of_another_outlet(self, http: httpx.AsyncClient, make: Make) -> None:
        place, other = await make.place(), await make.place()
        answer = await exchange(http, make.assertion(place, teller=other.teller))
        assert answer.json()["code"] == "teller-inactive"


class TestTokens:
    async def test_none_junk_and_expired(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        place = await make.place()
        old = state.tokens.for_terminal(place.terminal, place.outlet, place.teller, seconds=-1)
        url = "/v1/applications"
        assert (await http.get(url)).json()["code"] == "token-missing"
        for token in ("junk", old, "a.b.c", old[:-2] + "AA"):
            answer = await http.get(url, headers={"Authorization": f"Bearer {token}"})
            assert (answer.status_code, answer.json()["code"]) == (401, "token-invalid")
            assert answer.headers["www-authenticate"] == "Bearer"

    async def test_suspension_ends_a_token_that_is_known(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place = await make.place()
        who = make.teller(place)
        assert (await http.get("/v1/applications", headers=who)).status_code == 200
        await make.change(Terminal, id=place.terminal, status="suspended")
        answer = await http.get("/v1/applications", headers=who)
        assert (answer.status_code, answer.json()["code"]) == (403, "terminal-suspended")

    async def test_person_without_a_grant_may_nothing(
        self, http: httpx.AsyncClient, state: State
    ) -> None:
        who = {"Authorization": f"Bearer {state.tokens.for_person('nobody', seconds=60)}"}
        assert (await http.get("/v1/matters", headers=who)).json()["code"] == "forbidden"

    def test_local_people_only_while_switched_on(self, state: State) -> None:
        off = Tokens(state.keys, local_people=False)
        with pytest.raises(Exception, match="token-invalid"):
            off.check(state.tokens.for_person("someone", seconds=60))

    async def test_stale_memory_answers_503_to_all_but_look_ups(
        self, http: httpx.AsyncClient, make: Make, state: State, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        who = make.teller(await make.place())
        monkeypatch.setattr("kit.generations.TOO_OLD", -1.0)
        answer = await m.submit(http, who)
        assert (answer.status_code, answer.json()["code"]) == (503, "rights-not-current")
        assert answer.headers["retry-after"] == "2"
        assert (await http.get(f"/v1/matters/{m.RECORD}/guide", headers=who)).status_code == 200
        assert (await http.get("/health/live")).status_code == 200
        assert (await http.get("/health/ready")).status_code == 503

    async def test_too_many_calls_of_one_terminal(
        self, http: httpx.AsyncClient, make: Make, state: State, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        who, other = make.teller(await make.place()), make.teller(await make.place())
        monkeypatch.setattr(state.buckets, "_burst", 3.0)
        monkeypatch.setattr(state.buckets, "_rate", 0.0)
        codes = [(await http.get("/v1/matters", headers=who)).status_code for _ in range(5)]
        assert codes == [200, 200, 200, 429, 429]
        assert (await http.get("/v1/matters", headers=other)).status_code == 200

    async def test_a_call_counts_once(
        self, http: httpx.AsyncClient, make: Make, state: State, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also one that goes the long way, or asks for who calls again."""
        who = make.teller(await make.place())
        monkeypatch.setattr(state.buckets, "_rate", 0.0)
        monkeypatch.setattr(state.buckets, "_burst", 4.0)
        made = await m.submit(http, who, m.body(consent=False))
        shown = await http.get("/v1/applications/SYT" + "0" * 27, headers=who)
        wrong = await m.submit(http, who, {"matter": "x"})
        assert [made.status_code, shown.status_code, wrong.status_code] == [422, 404, 422]
        assert (await http.get("/v1/matters", headers=who)).status_code == 200
        assert (await http.get("/v1/matters", headers=who)).status_code == 429


def operations(app: FastAPI) -> dict[tuple[str, str], Any]:
    """Read off the OpenAPI document, as a client would: `app.routes` is a tree, not a list."""
    return {
        (method.upper(), path): operation
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    }


def needed(operation: dict[str, Any]) -> list[str]:
    return [s for need in operation.get("security", []) for scopes in need.values() for s in scopes]


class TestEveryOperation:
    def test_names_one_permission(self, app: FastAPI) -> None:
        found = operations(app)
        assert len(found) > 15
        bare = {at for at, operation in found.items() if len(needed(operation)) != 1}
        assert bare == OPEN

    def test_every_permission_of_an_operation_exists(self, app: FastAPI) -> None:
        used = {scope for operation in operations(app).values() for scope in needed(operation)}
        assert used <= set(May)

    async def test_without_a_token_is_401(self, app: FastAPI, http: httpx.AsyncClient) -> None:
        for (method, path), _ in operations(app).items():
            if (method, path) not in OPEN:
                answer = await http.request(method, fill(path), content=b"{not json")
                assert answer.status_code == 401, (method, path)

    async def test_invisible_is_404_before_403(
        self, app: FastAPI, http: httpx.AsyncClient, make: Make
    ) -> None:
        """Operations on one application: who can't see it, whatever the role, learns nothing."""
        made = (await m.submit(http, make.teller(await make.place()))).json()
        strangers = [
            await make.person(Role.REVIEWER, "330105"), await make.person(Role.OUTLET_ADMIN, "330106"),
            await make.person(Role.BANK_ADMIN, "SRCB"), make.teller(await make.place()),
            await make.person(Role.AUDITOR, "330200"),
        ]  # fmt: skip
        for (method, path), _ in operations(app).items():
            if "{number}" not in path or (method, path) in OPEN:
                continue
            for stranger in strangers:
                for number in (made["number"], "SYT" + "0" * 27, "x", "%00"):
                    url = path.replace("{number}", number)
                    answer = await http.request(method, url, headers=stranger, json={"x": 1})
                    assert (answer.status_code, answer.json()["code"]) == (
                        404,
                        "application-not-found",
                    )

    async def test_areas_reach_what_lies_within(self, http: httpx.AsyncClient, make: Make) -> None:
        made = (await m.submit(http, make.teller(await make.place()))).json()
        url = f"/v1/applications/{made['number']}"
        for area in ("330000", "330100", "330106"):
            auditor = await make.person(Role.AUDITOR, area)
            assert (await http.get(url, headers=auditor)).status_code == 200
            assert (await http.get(url, headers=auditor)).json()["actions"] == []


def fill(path: str) -> str:
    return (
        path.replace("{matter}", m.RECORD).replace("{outlet}", "0" * 12).replace("{file}", "x")
        .replace("{number}", "SYT" + "0" * 27).replace("{version}", "1").replace("{other}", "1")
        .replace("{division}", "330106")
    )  # fmt: skip


async def test_claims_in_a_token_never_grant(
    http: httpx.AsyncClient, make: Make, state: State
) -> None:
    token = state.tokens._make("someone-else", 60, {"role": "reviewer", "scope": "330106"})
    answer = await http.get("/v1/tasks", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403


async def test_outlet_of_a_terminal_that_moved(http: httpx.AsyncClient, make: Make) -> None:
    """A token names the outlet it was made for; the terminal's new one needs a new token."""
    place, other = await make.place(), await make.place()
    who = make.teller(place)
    await make.change(Terminal, id=place.terminal, outlet=other.outlet)
    assert (await http.get("/v1/applications", headers=who)).json()["code"] == "token-invalid"
    await make.change(Outlet, number=other.outlet, status="active")
