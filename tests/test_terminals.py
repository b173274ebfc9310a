"""Terminals: their keys, their states, and who looks after them."""

import asyncio
import base64
import time
import uuid
from datetime import timedelta
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey
from sqlmodel import select

from access.policy import Role
from api.app import create_app
from api.state import State, running
from kit.clock import now, today
from kit.db import Sessions, transaction
from kit.settings import Settings
from outlets.models import Terminal, TerminalKey
from terminals import service
from terminals.keys import EIGHTH, PRIME, SMALL, thumbprint
from terminals.models import Enrolment
from tests import make as m
from tests.make import Make, Place
from tests.statements import statements
from tests.test_access import exchange

Json = dict[str, Any]
Headers = dict[str, str]


def url(outlet: str, *more: str) -> str:
    return "/".join((f"/v1/outlets/{outlet}/terminals", *more))


def fresh() -> ECKey:
    return ECKey.generate_key("P-256")


def public(key: Any) -> Json:
    found: Json = key.as_dict(private=False)
    found.pop("kid", None)
    return found


async def enrol(
    http: httpx.AsyncClient, who: Headers, outlet: str, key: Any, **more: Any
) -> httpx.Response:
    body = {"name": "窗口一", "public_jwk": public(key), **more}
    return await http.post(url(outlet), json=body, headers=who)


async def act(
    http: httpx.AsyncClient, who: Headers, terminal: Json, action: str, **more: Any
) -> httpx.Response:
    return await http.post(
        url(terminal["outlet"], terminal["terminal"], "actions"),
        json={"action": action, **more},
        headers={**who, "If-Match": f'"{terminal["version"]}"'},
    )


async def shown(http: httpx.AsyncClient, who: Headers, place: Place) -> Json:
    answer = await http.get(url(place.outlet, place.terminal), headers=who)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def manager(make: Make, place: Place) -> Headers:
    return await make.person(Role.OUTLET_MANAGER, place.outlet)


def at(place: Place, terminal: str, key: Any) -> Place:
    return Place(place.outlet, terminal, key, place.teller)


class TestEnrolling:
    @pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
    @pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "Ed25519"])
    async def test_it_signs_in_and_hands_in(
        self, http: httpx.AsyncClient, make: Make, algorithm: str
    ) -> None:
        key: Any = fresh() if algorithm == "ES256" else OKPKey.generate_key("Ed25519")
        place = await make.place()
        made = await enrol(http, await manager(make, place), place.outlet, key)
        assert made.status_code == 201, made.text
        terminal = made.json()
        assert made.headers["location"].endswith(url(place.outlet, terminal["terminal"]))
        assert (terminal["status"], terminal["version"], made.headers["etag"]) == (
            "active",
            1,
            '"1"',
        )
        assert terminal["keys"] == [
            {"thumbprint": key.thumbprint(), "curve": public(key)["crv"], "until": None}
        ]
        await make.settle()
        claims = {
            "iss": terminal["terminal"], "sub": terminal["terminal"], "jti": uuid.uuid4().hex,
            "aud": "http://outlet.test/v1/oauth/token", "exp": int(time.time()) + 60,
            "teller": place.teller,
        }  # fmt: skip
        signed = jwt.encode({"alg": algorithm}, claims, key, algorithms=[algorithm])
        token = await exchange(http, signed)
        assert token.status_code == 200, token.text
        who = {"Authorization": f"Bearer {token.json()['access_token']}"}
        assert (await m.submit(http, who)).status_code == 201

    @pytest.mark.parametrize(
        ("role", "scope", "status"),
        [
            (Role.OUTLET_MANAGER, None, 201), (Role.BANK_ADMIN, "SRCB", 201),
            (Role.OUTLET_MANAGER, "330106000001", 404), (Role.BANK_ADMIN, "SICB", 404),
            (Role.OUTLET_ADMIN, "330106", 403), (Role.OUTLET_ADMIN, "330105", 404),
            (Role.AUDITOR, "330000", 403), (Role.REVIEWER, "330106", 404),
        ],
    )  # fmt: skip
    async def test_who_may(
        self, http: httpx.AsyncClient, make: Make, role: Role, scope: str | None, status: int
    ) -> None:
        place = await make.place()
        who = await make.person(role, scope or place.outlet)
        assert (await enrol(http, who, place.outlet, fresh())).status_code == status
        seen = await http.get(url(place.outlet), headers=who)
        reads = {Role.OUTLET_ADMIN, Role.AUDITOR}
        assert seen.status_code == (
            200 if status == 201 or (status == 403 and role in reads) else status
        )

    async def test_a_repeat_makes_no_second_one(self, http: httpx.AsyncClient, make: Make) -> None:
        place, key = await make.place(), fresh()
        who = await manager(make, place) | {"Idempotency-Key": m.key()}
        first, again = [await enrol(http, who, place.outlet, key) for _ in range(2)]
        assert first.json() == again.json()
        assert again.headers["idempotent-replayed"] == "true"
        assert len((await http.get(url(place.outlet), headers=who)).json()["items"]) == 2

    async def test_a_key_is_taken_once_anywhere(self, http: httpx.AsyncClient, make: Make) -> None:
        one, two = await make.place(), await make.place()
        who, other = await manager(make, one), await manager(make, two)
        key = fresh()
        assert (await enrol(http, who, one.outlet, key)).status_code == 201
        mirrored = public(key) | {"y": _negated(public(key)["y"])}
        for body in (public(key), public(one.key), mirrored):
            again = await http.post(
                url(two.outlet), json={"name": "x", "public_jwk": body}, headers=other
            )
            assert (again.status_code, again.json()["code"]) == (409, "key-taken")

    async def test_a_key_handed_in_at_once_is_one_terminals(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions
    ) -> None:
        places, key = [await make.place() for _ in range(4)], fresh()
        who = await make.person(Role.BANK_ADMIN, "SRCB")
        found = await asyncio.gather(*(enrol(http, who, p.outlet, key) for p in places))
        assert sorted(a.status_code for a in found) == [201, 409, 409, 409]
        async with transaction(sessions) as session:
            known = select(TerminalKey).where(TerminalKey.x == public(key)["x"])
            assert len((await session.exec(known)).all()) == 1

    async def test_an_outlet_has_room_for_so_many(
        self, http: httpx.AsyncClient, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "MOST", 3)
        place = await make.place()
        who = await manager(make, place)
        found = await asyncio.gather(*(enrol(http, who, place.outlet, fresh()) for _ in range(4)))
        assert sorted(a.status_code for a in found) == [201, 201, 409, 409]


def _negated(y: str) -> str:
    prime = 2**256 - 2**224 + 2**192 + 2**96 - 1
    number = prime - int.from_bytes(base64.urlsafe_b64decode(y + "="), "big")
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()


def _okp(y: int, sign: int = 0) -> Json:
    raw = (y | sign << 255).to_bytes(32, "little")
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": base64.urlsafe_b64encode(raw).rstrip(b"=").decode(),
    }


NONE = base64.urlsafe_b64encode(b"\1" * 32).rstrip(b"=").decode()
D = -121665 * pow(121666, -1, PRIME) % PRIME


def _is_on_curve(y: int) -> bool:
    square = (y * y - 1) * pow(D * y * y + 1, -1, PRIME) % PRIME
    return pow(square, (PRIME - 1) // 2, PRIME) == 1


OFF = next(y for y in range(2, 50) if not _is_on_curve(y))


class TestKeys:
    @pytest.mark.parametrize("y", sorted(SMALL))
    @pytest.mark.parametrize("sign", [0, 1])
    async def test_of_small_order(
        self, http: httpx.AsyncClient, make: Make, y: int, sign: int
    ) -> None:
        await self._is_refused(http, make, _okp(y, sign), "key-unusable")

    @pytest.mark.parametrize(
        "jwk",
        [
            _okp(PRIME),
            _okp(PRIME + 1),
            _okp(OFF),
            {"kty": "EC", "crv": "P-256", "x": NONE, "y": NONE},
        ],
    )
    async def test_that_are_no_points(self, http: httpx.AsyncClient, make: Make, jwk: Json) -> None:
        await self._is_refused(http, make, jwk, "key-unusable")

    async def test_written_in_another_way(self, http: httpx.AsyncClient, make: Make) -> None:
        """The last character has two bits that say nothing: a known key would pass as another."""
        jwk = public(fresh())
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        at = letters.index(jwk["x"][-1])
        await self._is_refused(
            http, make, jwk | {"x": jwk["x"][:-1] + letters[at ^ 1]}, "key-unusable"
        )

    @pytest.mark.parametrize(
        ("jwk", "rule"),
        [
            (ECKey.generate_key("P-256").as_dict(private=True), "private_key"),
            (OKPKey.generate_key("Ed25519").as_dict(private=True), "private_key"),
            ({"kty": "oct", "k": "AAAA"}, "private_key"),
            (ECKey.generate_key("P-384").as_dict(private=False), None),
            (ECKey.generate_key("secp256k1").as_dict(private=False), None),
            (OKPKey.generate_key("Ed448").as_dict(private=False), None),
            (OKPKey.generate_key("X25519").as_dict(private=False), None),
            ({**public(ECKey.generate_key("P-256")), "alg": "EdDSA"}, "key_parts"),
            ({**_okp(4), "y": NONE}, "key_parts"),
            ({**_okp(4), "kty": "EC"}, "key_parts"),
            ({"kty": "EC", "crv": "P-256", "x": NONE}, "key_parts"),
            ({**_okp(4), "x": "short"}, None),
            ({**_okp(4), "use": "enc"}, None),
            ({**_okp(4), "x5u": "https://elsewhere.test"}, "extra_forbidden"),
            ({}, "missing"), ("text", None), (None, None),
        ],
    )  # fmt: skip
    async def test_of_other_kinds(
        self, http: httpx.AsyncClient, make: Make, jwk: Any, rule: str | None
    ) -> None:
        answer = await self._is_refused(http, make, jwk, "request-invalid")
        if rule is not None:
            assert rule in {fault["rule"] for fault in answer.json()["errors"]}
        if isinstance(jwk, dict) and "d" in jwk:
            assert jwk["d"] not in answer.text

    async def _is_refused(
        self, http: httpx.AsyncClient, make: Make, jwk: Any, code: str
    ) -> httpx.Response:
        place = await make.place()
        body = {"name": "窗口", "public_jwk": jwk}
        answer = await http.post(url(place.outlet), json=body, headers=await manager(make, place))
        assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
        return answer

    def test_the_list_of_small_orders_is_whole(self) -> None:
        """Eight times such a point is nothing: counted out on the curve itself."""

        def plus(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
            cross = D * a[0] * b[0] * a[1] * b[1]
            x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + cross, -1, PRIME)
            y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - cross, -1, PRIME)
            return x % PRIME, y % PRIME

        x2 = (EIGHTH * EIGHTH - 1) * pow(D * EIGHTH * EIGHTH + 1, -1, PRIME) % PRIME
        x = pow(x2, (PRIME + 3) // 8, PRIME)
        x = x if x * x % PRIME == x2 else x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME
        assert x * x % PRIME == x2
        point, found = (x, EIGHTH), set()
        for _ in range(8):
            found.add(point[1])
            point = plus(point, (x, EIGHTH))
        assert point == (x, EIGHTH)
        assert found == SMALL

    def test_thumbprints_are_those_of_the_rfc(self) -> None:
        key = OKPKey.generate_key("Ed25519")
        assert thumbprint(key.as_dict(private=False)) == key.thumbprint()


class TestCodes:
    async def _leave(
        self, http: httpx.AsyncClient, who: Headers, outlet: str, **more: Any
    ) -> httpx.Response:
        body = {"name": "村口便民点", **more}
        return await http.post(url(outlet, "enrolments"), json=body, headers=who)

    async def _use(
        self, http: httpx.AsyncClient, code: str, key: Any, **claims: Any
    ) -> httpx.Response:
        said = {
            "aud": "http://outlet.test/v1/terminals", "exp": int(time.time()) + 60, "jti": code, **claims,
        }  # fmt: skip
        proof = jwt.encode({"alg": "ES256"}, said, key)
        body = {"code": code, "public_jwk": public(key), "proof": proof}
        return await http.post("/v1/terminals", json=body)

    async def test_a_device_hands_in_its_key_by_itself(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place, key = await make.place(), fresh()
        leave = await self._leave(http, await manager(make, place), place.outlet)
        assert (leave.status_code, leave.headers["cache-control"]) == (201, "no-store")
        used = await self._use(http, leave.json()["code"], key)
        assert used.status_code == 201, used.text
        body = used.json()
        assert (body["outlet"], body["name"]) == (place.outlet, "村口便民点")
        assert body["thumbprint"] == key.thumbprint()
        await make.settle()
        new = at(place, body["terminal"], key)
        assert (await exchange(http, make.assertion(new))).status_code == 200

    async def test_it_holds_once_and_the_same_again_is_answered_alike(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place, key = await make.place(), fresh()
        code = (await self._leave(http, await manager(make, place), place.outlet)).json()["code"]
        first, again = await self._use(http, code, key), await self._use(http, code, key)
        assert (first.json(), first.status_code) == (again.json(), again.status_code)
        other = await self._use(http, code, fresh())
        assert (other.status_code, other.json()["code"]) == (401, "enrolment-invalid")

    async def test_two_devices_at_once(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        who = await manager(make, place)
        code = (await self._leave(http, who, place.outlet)).json()["code"]
        found = await asyncio.gather(*(self._use(http, code, fresh()) for _ in range(4)))
        assert sorted(a.status_code for a in found) == [201, 401, 401, 401]
        assert len((await http.get(url(place.outlet), headers=who)).json()["items"]) == 2

    async def test_it_holds_for_minutes(
        self, http: httpx.AsyncClient, make: Make, sessions: Sessions
    ) -> None:
        place = await make.place()
        leave = (await self._leave(http, await manager(make, place), place.outlet)).json()
        async with transaction(sessions) as session:
            row = await session.get_one(Enrolment, uuid.UUID(leave["enrolment"]))
            row.expires_at = now()
            session.add(row)
        late = await self._use(http, leave["code"], fresh())
        assert (late.status_code, late.json()["code"]) == (401, "enrolment-invalid")

    @pytest.mark.parametrize(
        "claims", [{"jti": "other"}, {"aud": "http://elsewhere"}, {"exp": 1}, {"exp": 2**33}]
    )
    async def test_the_private_key_is_proved(
        self, http: httpx.AsyncClient, make: Make, claims: Json
    ) -> None:
        place = await make.place()
        code = (await self._leave(http, await manager(make, place), place.outlet)).json()["code"]
        answer = await self._use(http, code, fresh(), **claims)
        assert (answer.status_code, answer.json()["reason"]) == (422, "proof")
        proof = jwt.encode({"alg": "ES256"}, {"jti": code}, fresh())
        body = {"code": code, "public_jwk": public(fresh()), "proof": proof}
        stolen = await http.post("/v1/terminals", json=body)
        assert (stolen.status_code, stolen.json()["code"]) == (422, "key-unusable")
        assert (await self._use(http, code, fresh())).status_code == 201

    async def test_who_asks_again_is_told_the_same_code(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place = await make.place()
        who = await manager(make, place) | {"Idempotency-Key": m.key()}
        first, again = [await self._leave(http, who, place.outlet) for _ in range(2)]
        assert first.json() == again.json()
        assert (
            first.json()["code"]
            != (await self._leave(http, await manager(make, place), place.outlet)).json()["code"]
        )

    async def test_it_replaces_a_key(self, http: httpx.AsyncClient, make: Make) -> None:
        place, key = await make.place(), fresh()
        who = await manager(make, place)
        leave = await self._leave(http, who, place.outlet, terminal=place.terminal, overlap_hours=2)
        used = await self._use(http, leave.json()["code"], key)
        assert used.json()["terminal"] == place.terminal
        await make.settle()
        for each in (place, at(place, place.terminal, key)):
            assert (await exchange(http, make.assertion(each))).status_code == 200
        elsewhere = await self._leave(
            http, await manager(make, await make.place()), place.outlet, terminal=place.terminal
        )
        assert elsewhere.status_code == 404

    async def test_a_guess_is_told_nothing(self, http: httpx.AsyncClient) -> None:
        answer = await self._use(http, "2222-2222-2222", fresh())
        assert (answer.status_code, answer.json()["code"]) == (401, "enrolment-invalid")
        assert (await self._use(http, "guess", fresh())).status_code == 422


class TestRotation:
    async def test_both_keys_hold_until_the_overlap_ends(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place, key = await make.place(), fresh()
        who = await manager(make, place)
        old = make.teller(place)
        before = await shown(http, who, place)
        done = await act(http, who, before, "rotate", public_jwk=public(key), overlap_hours=1)
        assert done.status_code == 200, done.text
        former, current = place.key.thumbprint(), key.thumbprint()
        assert [k["thumbprint"] for k in done.json()["keys"]] == [current, former]
        await make.settle()
        new = at(place, place.terminal, key)
        for each in (place, new):
            assert (await exchange(http, make.assertion(each))).status_code == 200
        assert (await http.get("/v1/terminals/me", headers=old)).status_code == 200
        await make.change(Terminal, id=place.terminal, former_until=now())
        late = await exchange(http, make.assertion(place))
        assert (late.status_code, late.json()["reason"]) == (401, "signature")
        assert (await exchange(http, make.assertion(new))).status_code == 200
        assert [k["thumbprint"] for k in (await shown(http, who, place))["keys"]] == [current]

    async def test_without_overlap_all_ends_at_once(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place, key = await make.place(), fresh()
        who, old = await manager(make, place), make.teller(place)
        before = await shown(http, who, place)
        await act(http, who, before, "rotate", public_jwk=public(key), overlap_hours=0)
        await make.settle()
        assert (await exchange(http, make.assertion(place))).status_code == 401
        held = await http.get("/v1/terminals/me", headers=old)
        assert (held.status_code, held.json()["code"]) == (401, "token-invalid")
        token = (await exchange(http, make.assertion(at(place, place.terminal, key)))).json()
        fresh_one = {"Authorization": f"Bearer {token['access_token']}"}
        assert (await http.get("/v1/terminals/me", headers=fresh_one)).status_code == 200

    async def test_no_key_comes_back(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        who = await manager(make, place)
        before = await shown(http, who, place)
        same = await act(http, who, before, "rotate", public_jwk=public(place.key))
        assert (same.status_code, same.json()["code"]) == (409, "key-taken")
        assert (await shown(http, who, place))["version"] == before["version"]

    async def test_it_needs_a_key(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        who = await manager(make, place)
        answer = await act(http, who, await shown(http, who, place), "rotate")
        assert (answer.status_code, answer.json()["code"]) == (422, "staff-not-valid")
        assert [f["at"] for f in answer.json()["errors"]] == ["/public_jwk"]


class TestStates:
    async def test_suspending_ends_tokens_and_resuming_brings_none_back(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place = await make.place()
        who, old = await manager(make, place), make.teller(place)
        assert (await m.submit(http, old)).status_code == 201
        held = await act(http, who, await shown(http, who, place), "suspend", reason="lost")
        assert (held.status_code, held.json()["status"]) == (200, "suspended")
        await make.settle()
        stopped = await m.submit(http, old)
        assert (stopped.status_code, stopped.json()["code"]) == (403, "terminal-suspended")
        assert (await exchange(http, make.assertion(place))).status_code == 403
        back = await act(http, who, held.json(), "resume", reason="returned")
        assert back.json()["status"] == "active"
        await make.settle()
        assert (await m.submit(http, old)).status_code == 401
        token = (await exchange(http, make.assertion(place))).json()["access_token"]
        assert (await m.submit(http, {"Authorization": f"Bearer {token}"})).status_code == 201

    async def test_what_the_authority_holds_down_no_bank_raises(
        self, http: httpx.AsyncClient, make: Make
    ) -> None:
        place = await make.place()
        who, authority = await manager(make, place), await make.person(Role.OUTLET_ADMIN, "330106")
        mine = await shown(http, authority, place)
        assert mine["actions"] == ["suspend"]
        held = (await act(http, authority, mine, "suspend", reason="security")).json()
        assert held["actions"] == ["resume"]
        seen = await shown(http, who, place)
        assert seen["actions"] == ["rename", "rotate", "retire"]
        refused = await act(http, who, seen, "resume")
        assert (refused.status_code, refused.json()["code"]) == (409, "staff-action-not-allowed")
        assert (await act(http, authority, held, "resume")).json()["status"] == "active"

    async def test_retired_is_for_ever(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        who = await manager(make, place)
        gone = await act(http, who, await shown(http, who, place), "retire", reason="replaced")
        assert (gone.json()["status"], gone.json()["actions"]) == ("retired", [])
        await make.settle()
        assert (await exchange(http, make.assertion(place))).status_code == 403
        for action in ("resume", "suspend", "rotate", "rename", "retire"):
            answer = await act(http, who, gone.json(), action, reason="other", name="x")
            assert (answer.status_code, answer.json()["actions"]) == (409, [])

    async def test_versions(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        who = await manager(make, place)
        seen = await shown(http, who, place)
        where, body = (
            url(place.outlet, place.terminal, "actions"),
            {"action": "rename", "name": "新"},
        )
        assert (await http.post(where, json=body, headers=who)).status_code == 428
        assert (await act(http, who, seen, "rename", name="新名")).json()["name"] == "新名"
        stale = await act(http, who, seen, "rename", name="旧")
        assert (stale.status_code, stale.json()["code"]) == (412, "staff-stale")
        assert stale.json()["version"] == 2

    async def test_of_two_at_once_one_wins(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        who = await manager(make, place)
        seen = await shown(http, who, place)
        found = await asyncio.gather(
            act(http, who, seen, "suspend", reason="lost"),
            act(http, who, seen, "retire", reason="broken"),
            act(http, who, seen, "rotate", public_jwk=public(fresh())),
        )
        assert sorted(a.status_code for a in found) == [200, 412, 412]

    async def test_history_tells_who_did_what(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        who = await manager(make, place)
        seen = await shown(http, who, place)
        seen = (await act(http, who, seen, "rotate", public_jwk=public(fresh()))).json()
        await act(http, who, seen, "suspend", reason="stolen")
        answer = await http.get(url(place.outlet, place.terminal, "history"), headers=who)
        assert [(c["action"], c["role"], c["reason"]) for c in answer.json()["items"]] == [
            ("create", "operator", ""), ("rotate", "outlet_manager", ""),
            ("suspend", "outlet_manager", "stolen"),
        ]  # fmt: skip
        assert answer.json()["items"][2]["fields"] == {"status": ["active", "suspended"]}
        assert str(place.key.as_dict(private=False)["x"]) not in answer.text

    async def test_anothers_is_not_found(self, http: httpx.AsyncClient, make: Make) -> None:
        one, two = await make.place(), await make.place()
        who = await manager(make, one)
        for path in (
            url(one.outlet, two.terminal),
            url(two.outlet, two.terminal),
            url(one.outlet, "x"),
        ):
            for tail in ("", "/history"):
                assert (await http.get(path + tail, headers=who)).status_code == 404
            body = {"action": "suspend", "reason": "lost"}
            gone = await http.post(path + "/actions", json=body, headers=who | {"If-Match": '"1"'})
            assert gone.status_code == 404


async def test_a_suspension_bites_in_every_process(
    http: httpx.AsyncClient, make: Make, settings: Settings
) -> None:
    """Another process, which is told by nobody and looks once a second."""
    place = await make.place()
    who, old = await manager(make, place), make.teller(place)
    app = create_app(settings)
    async with running(app.state.syt) as other:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://outlet.test") as there:
            assert (await there.get("/v1/terminals/me", headers=old)).status_code == 200
            await act(http, who, await shown(http, who, place), "suspend", reason="stolen")
            await other.follower.look()
            answer = await there.get("/v1/terminals/me", headers=old)
            assert (answer.status_code, answer.json()["code"]) == (403, "terminal-suspended")


class TestUse:
    async def test_it_is_noted_once_a_day(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        place = await make.place()
        who, mine = await manager(make, place), make.teller(place)
        assert (await shown(http, who, place))["last_used_on"] is None
        async with statements(state) as sent:
            for _ in range(5):
                await http.get("/v1/terminals/me", headers=mine)
        assert sent == []
        await state.usage.write()
        seen = await shown(http, who, place)
        assert (seen["last_used_on"], seen["version"]) == (today().isoformat(), 1)
        await http.get("/v1/terminals/me", headers=mine)
        async with statements(state) as sent:
            await state.usage.write()
        assert sent == []

    async def test_what_could_not_be_written_is_written_later(
        self, http: httpx.AsyncClient, make: Make, state: State, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place = await make.place()

        async def away(*_: object) -> None:
            raise ConnectionError

        await http.get("/v1/terminals/me", headers=make.teller(place))
        with monkeypatch.context() as broken:
            broken.setattr("terminals.queries.note_terminals", away)
            await state.usage.write()
        await state.usage.write()
        assert (await shown(http, await manager(make, place), place))["last_used_on"]

    async def test_those_unused_for_90_days(self, http: httpx.AsyncClient, make: Make) -> None:
        county = "330382"
        long, lately, gone = [await make.place(county=county) for _ in range(3)]
        for place, days in ((long, 90), (lately, 89), (gone, 400)):
            await make.change(
                Terminal, id=place.terminal, used_on=today() - timedelta(days=days),
                status="retired" if place is gone else "active",
            )  # fmt: skip
        for role, scope in (
            (Role.OUTLET_ADMIN, county), (Role.OUTLET_ADMIN, "330300"), (Role.BANK_ADMIN, "SRCB"),
            (Role.OUTLET_MANAGER, long.outlet), (Role.AUDITOR, "330000"),
        ):  # fmt: skip
            who = await make.person(role, scope)
            answer = await http.get(
                "/v1/terminals", params={"unused_days": 90, "division": county}, headers=who
            )
            assert [t["terminal"] for t in answer.json()["items"]] == [long.terminal], role
        stranger = await make.person(Role.OUTLET_ADMIN, "330105")
        answer = await http.get("/v1/terminals", params={"unused_days": 90}, headers=stranger)
        assert long.terminal not in answer.text

    async def test_pages_go_through_all_of_them(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        who = await manager(make, place)
        made = [
            (await enrol(http, who, place.outlet, fresh())).json()["terminal"] for _ in range(4)
        ]
        for where in (url(place.outlet), "/v1/terminals"):
            found: list[str] = []
            after = None
            while True:
                params = {"limit": 2} | ({"after": after} if after else {})
                page = (await http.get(where, params=params, headers=who)).json()
                found += [t["terminal"] for t in page["items"]]
                if (after := page["next"]) is None:
                    break
            assert sorted(found) == sorted([place.terminal, *made])
            assert len(found) == 5
        wrong = await http.get(url(place.outlet), params={"stauts": "x"}, headers=who)
        assert wrong.status_code == 422
