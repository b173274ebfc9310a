"""Tokens of trusted issuers: what is believed, what is not, and what stops holding.

Keys are real ones, made here; a real provider is asked in `tests/slow/test_provider.py`.
"""

import asyncio
import base64
import hmac
import time
import warnings
from typing import Any

import httpx
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws, jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from pydantic import ValidationError

from access.errors import TokenInvalid
from access.issuers import (
    Issuers,
    IssuersUnusable,
    KeysRefused,
    UnknownKey,
    make_issuers,
    plain_subject,
)
from access.memory import RevokedMemory
from access.models import Revocation
from access.policy import Role
from access.tokens import Tokens
from api.issuers import Reader
from api.state import State
from kit.clock import now
from kit.crypto import KeyRing
from kit.settings import Settings, TrustedIssuer
from tests.make import Make

URL = "https://hr.test"
ALL = ["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519", "HS256", "none"]
ANY = JWSRegistry(algorithms=ALL)

RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
KEYS: dict[str, tuple[Key, str]] = {"rsa": (RSA, "RS256"), "ec": (EC, "ES256"), "ed": (ED, "EdDSA")}


def shown(*keys: Key) -> dict[str, Any]:
    """What an issuer shows of its keys."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


def claims(**changed: Any) -> dict[str, Any]:
    at = int(time.time())
    said = {
        "iss": URL,
        "sub": "alice",
        "aud": "syt",
        "iat": at,
        "exp": at + 600,
        "jti": "j",
        **changed,
    }
    return {name: value for name, value in said.items() if value is not None}


def made(kid: str = "ec", header: dict[str, Any] | None = None, **changed: Any) -> str:
    key, algorithm = KEYS[kid]
    head = {"alg": algorithm, "kid": kid, **(header or {})}
    return jws.serialize_compact(head, orjson.dumps(claims(**changed)), key, registry=ANY)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def raw(header: Any, payload: Any, signature: bytes = b"") -> str:
    return ".".join((b64(orjson.dumps(header)), b64(orjson.dumps(payload)), b64(signature)))


def by_secret(secret: bytes, kid: str, said: dict[str, Any]) -> str:
    """Sign with HMAC by hand: the library itself takes no public key for a secret."""
    signed = raw({"alg": "HS256", "kid": kid}, said).rpartition(".")[0]
    return f"{signed}.{b64(hmac.digest(secret, signed.encode(), 'sha256'))}"


def by_hand(header: Any, said: Any) -> str:
    """Sign with the curve's key by hand: the library itself writes no header that is wrong."""
    signed = raw(header, said).rpartition(".")[0]
    assert EC.private_key is not None
    r, s = decode_dss_signature(EC.private_key.sign(signed.encode(), ECDSA(SHA256())))
    return f"{signed}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@pytest.fixture
def trusting(ring: KeyRing) -> tuple[Tokens, Issuers, RevokedMemory]:
    issuers = make_issuers([
        TrustedIssuer(name="hr", url=URL, audience="syt", demands={
            "rights_admin": {"amr": ["mfa"], "acr": ["high", "highest"]},
        }),
        TrustedIssuer(name="other", url="https://other.test", audience="syt"),
    ])  # fmt: skip
    issuers.by_url[URL].take(shown(RSA, EC, ED))
    revoked = RevokedMemory()
    return Tokens(ring, local_people=False, issuers=issuers, revoked=revoked), issuers, revoked


@pytest.fixture
def ring() -> KeyRing:
    return KeyRing.make()


@pytest.fixture
def tokens(trusting: tuple[Tokens, Issuers, RevokedMemory]) -> Tokens:
    return trusting[0]


def refused(tokens: Tokens, token: str) -> None:
    with pytest.raises((TokenInvalid, UnknownKey)):
        tokens.check(token)


class TestBelieved:
    @pytest.mark.parametrize("kid", sorted(KEYS))
    def test_each_kind_of_key(self, tokens: Tokens, kid: str) -> None:
        found = tokens.check(made(kid))
        assert (found.subject, found.issuer, found.key) == ("hr:alice", "hr", kid)
        assert tokens.check(made(kid)) == found

    @pytest.mark.parametrize(
        "moved", [{"exp": -20, "iat": -60}, {"iat": 20}, {"nbf": 20}, {"nbf": -600}]
    )
    def test_within_the_skew(self, tokens: Tokens, moved: dict[str, int]) -> None:
        changed: dict[str, Any] = {name: time.time() + by for name, by in moved.items()}
        assert tokens.check(made(**changed)).subject == "hr:alice"

    def test_of_several_audiences_one_is_ours(self, tokens: Tokens) -> None:
        assert tokens.check(made(aud=["else", "syt"])).subject == "hr:alice"

    def test_long_and_odd_subjects_are_named_by_a_hash(self, tokens: Tokens) -> None:
        found = {
            tokens.check(made(sub=sub)).subject for sub in ("é", "a b", "a:b", "x" * 49, "hr:root")
        }
        assert len(found) == 5
        assert all(subject.startswith("hr:~") and len(subject) < 72 for subject in found)
        assert plain_subject("li.ming@hr") == "li.ming@hr"

    def test_people_of_two_issuers_are_two(
        self, trusting: tuple[Tokens, Issuers, RevokedMemory]
    ) -> None:
        tokens, issuers, _ = trusting
        issuers.by_url["https://other.test"].take(shown(EC))
        assert tokens.check(made(iss="https://other.test")).subject == "other:alice"
        assert tokens.check(made()).subject == "hr:alice"


class TestRefused:
    @pytest.mark.parametrize(
        "changed",
        [
            {"iss": "https://else.test"}, {"iss": URL + "/"}, {"iss": None}, {"iss": 7}, {"iss": "syt"},
            {"iss": "https://other.test"},
            {"aud": "else"}, {"aud": None}, {"aud": ["else"]}, {"aud": {"syt": 1}}, {"aud": "syt2"},
            {"sub": None}, {"sub": ""}, {"sub": 7}, {"sub": ["alice"]},
            {"exp": None}, {"exp": time.time() - 40}, {"exp": "9999999999"}, {"exp": True},
            {"exp": float("1e13")}, {"exp": time.time() + 86400 * 9}, {"exp": -1},
            {"iat": None}, {"iat": time.time() + 3600}, {"iat": "now"}, {"iat": False},
            {"nbf": time.time() + 3600}, {"nbf": "x"},
        ],
    )  # fmt: skip
    def test_wrong_claims(self, tokens: Tokens, changed: dict[str, Any]) -> None:
        refused(tokens, made(**changed))

    @pytest.mark.parametrize(
        "header",
        [
            {"kid": "none"}, {"kid": None}, {"kid": 7}, {"kid": ["ec"]}, {"kid": {"ec": 1}},
            {"kid": "rsa"}, {"kid": "ed"}, {"kid": "../ec"}, {"kid": "hr ec"},
            {"alg": "none"}, {"typ": "logout+jwt"}, {"typ": "dpop+jwt"}, {"typ": 7},
            {"crit": ["exp"]}, {"crit": ["b64"], "b64": False},
        ],
    )  # fmt: skip
    def test_wrong_headers(self, tokens: Tokens, header: dict[str, Any]) -> None:
        """Signed rightly, whatever the header says."""
        assert tokens.check(by_hand({"alg": "ES256", "kid": "ec"}, claims()))
        refused(tokens, by_hand({"alg": "ES256", "kid": "ec", **header}, claims()))

    def test_no_signature_at_all(self, tokens: Tokens) -> None:
        for name in ("none", "None", "NONE", "nOnE", ""):
            for signature in (b"", b"x", b"0" * 64):
                refused(tokens, raw({"alg": name, "kid": "ec"}, claims(), signature))
                refused(tokens, raw({"alg": name}, claims(iss="syt"), signature))

    def test_a_public_key_is_no_shared_secret(self, tokens: Tokens) -> None:
        """Whoever reads our keys, or an issuer's, can't sign with them."""
        for key in (RSA, EC, ED):
            kid = str(key.as_dict(private=False)["kid"])
            public = key.public_key
            secrets = [
                public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
                public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
                orjson.dumps(key.as_dict(private=False)),
            ]
            for secret in secrets:
                for iss in (URL, "syt"):
                    refused(tokens, by_secret(secret, kid, claims(iss=iss)))

    def test_a_key_brought_along_is_not_taken(self, tokens: Tokens) -> None:
        own = ECKey.generate_key("P-256", {"kid": "ec"})
        header = {"alg": "ES256", "kid": "ec", "jwk": own.as_dict(private=False)}
        refused(tokens, jws.serialize_compact(header, orjson.dumps(claims()), own, registry=ANY))
        header = {"alg": "ES256", "kid": "ec", "jku": "https://evil.test/keys"}
        refused(tokens, jws.serialize_compact(header, orjson.dumps(claims()), own, registry=ANY))

    def test_one_kind_of_key_for_another_algorithm(self, tokens: Tokens) -> None:
        curve = ECKey.generate_key("P-384", {"kid": "ec"})
        head = {"alg": "ES384", "kid": "ec"}
        refused(tokens, jws.serialize_compact(head, orjson.dumps(claims()), curve, registry=ANY))

    @pytest.mark.parametrize("kid", sorted(KEYS))
    def test_a_token_changed_anywhere(self, tokens: Tokens, kid: str) -> None:
        """Each character of each part, to another one; what says the same bytes is the same token."""
        token = made(kid)
        header, payload, signature = token.split(".")
        ends = {len(header) - 1, len(header) + len(payload), len(token) - 1}
        for at, old in enumerate(token):
            if old == "." or at in ends:
                continue
            for new in {"A", "B", "_"} - {old}:
                refused(tokens, token[:at] + new + token[at + 1 :])
        for changed in (
            token[:-8], token + "AAAA", f"{header}.{payload}", f"{header}.{payload}.",
            f".{payload}.{signature}", f"{header}..{signature}", f"{token}.{signature}",
            f"{payload}.{header}.{signature}", "", ".", "..", "é" * 40, "x" * 9000,
        ):  # fmt: skip
            refused(tokens, changed)

    def test_parts_that_are_no_objects(self, tokens: Tokens) -> None:
        for part in (None, 7, "x", [], [1], True):
            refused(tokens, by_hand(part, claims()))
            refused(tokens, by_hand({"alg": "ES256", "kid": "ec"}, part))

    def test_parts_of_two_tokens(self, tokens: Tokens) -> None:
        one, two = made(sub="alice").split("."), made(sub="root").split(".")
        refused(tokens, ".".join((one[0], two[1], one[2])))

    def test_our_own_tokens_changed_anywhere(self, ring: KeyRing) -> None:
        local = Tokens(ring, local_people=True)
        for token in (
            local.for_person("anne", seconds=60),
            local.for_terminal("t", "330106000001", "330106000001-01", seconds=60),
        ):
            assert local.check(token)
            ends = {token.index(".") - 1, token.rindex(".") - 1, len(token) - 1}
            for at, old in enumerate(token):
                if old != "." and at not in ends:
                    refused(local, token[:at] + ("A" if old != "A" else "B") + token[at + 1 :])

    def test_the_local_issuer_speaks_for_nobody_elses_people(self, ring: KeyRing) -> None:
        local = Tokens(ring, local_people=True)
        assert local.check(local.for_person("alice", seconds=60)).subject == "alice"
        refused(local, local.for_person("hr:alice", seconds=60))

    def test_keys_of_another_ring(self, ring: KeyRing) -> None:
        refused(
            Tokens(ring, local_people=True),
            Tokens(KeyRing.make(), local_people=True).for_person("anne", seconds=60),
        )


class TestKeys:
    @pytest.mark.parametrize(
        "faulty",
        [
            {}, {"keys": []}, {"keys": None}, {"keys": {"kid": "x"}}, {"keys": ["x", None, 7]},
            {"keys": [{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0", "kid": "o"}]},
            {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "e"}]},
            {"keys": [{**EC.as_dict(private=False), "use": "enc"}]},
            {"keys": [{k: v for k, v in EC.as_dict(private=False).items() if k != "kid"}]},
            {"keys": [{**EC.as_dict(private=False), "alg": "HS256"}]},
            {"keys": [{**EC.as_dict(private=False), "alg": "RS256"}]},
            {"keys": [{"kty": "unheard", "kid": "u"}]},
        ],
    )  # fmt: skip
    def test_what_holds_no_key_changes_nothing(
        self, trusting: tuple[Tokens, Issuers, RevokedMemory], faulty: dict[str, Any]
    ) -> None:
        tokens, issuers, _ = trusting
        with pytest.raises(KeysRefused):
            issuers.by_url[URL].take(faulty)
        assert tokens.check(made()).subject == "hr:alice"

    def test_short_keys_are_passed_over(
        self, trusting: tuple[Tokens, Issuers, RevokedMemory]
    ) -> None:
        issuer = trusting[1].by_url[URL]
        with warnings.catch_warnings(action="ignore", category=SecurityWarning):
            short = RSAKey.generate_key(1024, {"kid": "short"})
            issuer.take(shown(short, EC))
        assert set(issuer.keys) == {"ec"}

    def test_algorithms_that_are_not_wanted(self) -> None:
        issuers = make_issuers(
            [TrustedIssuer(name="hr", url=URL, audience="syt", algorithms=frozenset({"RS256"}))]
        )
        issuer = issuers.by_url[URL]
        issuer.take(shown(RSA, EC, ED))
        assert {kid: known.algorithms for kid, known in issuer.keys.items()} == {"rsa": ("RS256",)}

    def test_a_key_that_is_shown_no_more_ends_tokens_that_were_checked(
        self, trusting: tuple[Tokens, Issuers, RevokedMemory]
    ) -> None:
        tokens, issuers, _ = trusting
        token = made("rsa")
        tokens.check(token)
        issuers.by_url[URL].take(shown(EC))
        with pytest.raises(UnknownKey):
            tokens.check(token)
        issuers.by_url[URL].take(shown(EC, RSA))
        assert tokens.check(token).subject == "hr:alice"

    def test_a_key_id_given_to_another_key(
        self, trusting: tuple[Tokens, Issuers, RevokedMemory]
    ) -> None:
        tokens, issuers, _ = trusting
        token = made("ec")
        fresh = ECKey.generate_key("P-256", {"kid": "ec"})
        issuers.by_url[URL].take(shown(fresh))
        refused(tokens, token)


class TestLearning:
    """A token with a key that is not known: one reading a minute, and none for keys that are."""

    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        asked: list[str] = []

        async def fetch(issuer: Any) -> dict[str, Any]:
            asked.append(issuer.name)
            await asyncio.sleep(0)
            return shown(EC, RSA)

        monkeypatch.setattr("api.issuers.fetch", fetch)
        return asked

    @pytest.fixture
    async def people(self, state: State, make: Make, monkeypatch: pytest.MonkeyPatch) -> Issuers:
        issuers = make_issuers([TrustedIssuer(name="hr", url=URL, audience="syt")])
        issuers.by_url[URL].take(shown(EC))
        monkeypatch.setattr(state, "reader", Reader(issuers, state.sessions))
        monkeypatch.setattr(
            state, "tokens", Tokens(state.keys, local_people=False, issuers=issuers)
        )
        await make.person(Role.AUDITOR, "330000", subject="hr:alice")
        return issuers

    async def test_known_keys_ask_nobody(
        self, http: httpx.AsyncClient, people: Issuers, asked: list[str]
    ) -> None:
        who = {"Authorization": f"Bearer {made('ec')}"}
        assert (await http.get("/v1/applications", headers=who)).status_code == 200
        assert asked == []

    async def test_an_unknown_key_is_read_once(
        self, http: httpx.AsyncClient, people: Issuers, asked: list[str]
    ) -> None:
        """Many at once too, and those that are nobody's ask no more within the minute."""
        who = {"Authorization": f"Bearer {made('rsa')}"}
        answers = await asyncio.gather(
            *(http.get("/v1/applications", headers=who) for _ in range(8))
        )
        assert {answer.status_code for answer in answers} == {200}
        for kid in ("x", "y", "z"):
            forged = {"Authorization": f"Bearer {made('ec', {'kid': kid})}"}
            answer = await http.get("/v1/applications", headers=forged)
            assert (answer.status_code, answer.json()["code"]) == (401, "token-invalid")
        assert asked == ["hr"]

    async def test_other_processes_take_the_keys_from_the_database(
        self, people: Issuers, asked: list[str], state: State
    ) -> None:
        await state.reader.learn(people.by_url[URL])
        other = make_issuers([TrustedIssuer(name="hr", url=URL, audience="syt")])
        foreign = make_issuers([TrustedIssuer(name="hr", url="https://moved.test", audience="syt")])
        async with state.sessions() as session:
            await other.load(session, 0)
            await foreign.load(session, 0)
        assert set(other.by_url[URL].keys) == {"ec", "rsa"}
        assert foreign.by_url["https://moved.test"].keys == {}

    async def test_an_issuer_that_is_away_stops_nobody_whose_key_is_known(
        self, http: httpx.AsyncClient, people: Issuers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def away(issuer: Any) -> dict[str, Any]:
            raise httpx.ConnectError("away")

        monkeypatch.setattr("api.issuers.fetch", away)
        unknown = {"Authorization": f"Bearer {made('rsa')}"}
        known = {"Authorization": f"Bearer {made('ec')}"}
        assert (await http.get("/v1/applications", headers=unknown)).status_code == 401
        assert (await http.get("/v1/applications", headers=known)).status_code == 200


class TestProof:
    """`acr` and `amr`, demanded by role."""

    @pytest.mark.parametrize(
        ("said", "strong"),
        [
            ({"acr": "high", "amr": ["pwd", "mfa"]}, True),
            ({"acr": "highest", "amr": ["mfa"]}, True),
            ({"acr": "high", "amr": ["pwd"]}, False),
            ({"acr": "low", "amr": ["mfa"]}, False),
            ({"amr": ["mfa"]}, False),
            ({"acr": "high"}, False),
            ({"acr": "high", "amr": "mfa"}, False),
            ({"acr": ["high"], "amr": ["mfa"]}, False),
            ({"acr": "high", "amr": [["mfa"], {"mfa": 1}]}, False),
            ({}, False),
        ],
    )
    def test_roles_are_withheld(self, tokens: Tokens, said: dict[str, Any], strong: bool) -> None:
        found = tokens.check(made(**said)).withheld
        assert found == (frozenset() if strong else {Role.RIGHTS_ADMIN})

    async def test_what_is_withheld_says_so(
        self, http: httpx.AsyncClient, make: Make, state: State, monkeypatch: pytest.MonkeyPatch,
        tokens: Tokens,
    ) -> None:  # fmt: skip
        await make.person(Role.RIGHTS_ADMIN, "330100", subject="hr:alice")
        monkeypatch.setattr(state, "tokens", tokens)
        weak, strong = made(), made(acr="high", amr=["mfa"])
        url = "/v1/revocations"
        answer = await http.get(url, headers={"Authorization": f"Bearer {weak}"})
        assert (answer.status_code, answer.json()["code"]) == (403, "stronger-proof-needed")
        answer = await http.get(url, headers={"Authorization": f"Bearer {strong}"})
        assert answer.status_code == 200


class TestRevoked:
    @pytest.mark.parametrize(
        ("kind", "value"),
        [("token", "j"), ("person", "hr:alice"), ("key", "hr ec")],
    )
    async def test_what_was_checked_before_ends(
        self, trusting: tuple[Tokens, Issuers, RevokedMemory], kind: str, value: str
    ) -> None:
        tokens, _, revoked = trusting
        old = made()
        assert tokens.check(old)
        revoked._until[(kind, value)] = time.time()
        with pytest.raises(TokenInvalid):
            tokens.check(old)
        others: Any = {"token": {"jti": "k"}, "person": {"sub": "bob"}, "key": {"kid": "rsa"}}[kind]
        assert tokens.check(made(**others))
        revoked._until[(kind, value)] = time.time() - 120
        assert tokens.check(made(jti="j"))

    async def test_bites_where_it_is_told(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        """Of a person, a terminal and a token; what is made later holds."""
        place, admin = await make.place(), await make.person(Role.RIGHTS_ADMIN, "330100")
        await make.person(Role.REVIEWER, "330106", subject="lost")
        token = state.tokens.for_person("lost", seconds=60)
        kept = make.teller(place)
        jti = orjson.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["jti"]
        person = {"Authorization": f"Bearer {token}"}
        for kind, value, who in (
            ("token", jti, person), ("person", "lost", person), ("terminal", place.terminal, kept),
        ):  # fmt: skip
            assert (await http.get("/v1/matters", headers=who)).status_code == 200
            answer = await http.post(
                "/v1/revocations", json={"kind": kind, "value": value, "reason": "lost"},
                headers=admin,
            )  # fmt: skip
            assert answer.status_code == 201, answer.text
            await make.settle()
            answer = await http.get("/v1/matters", headers=who)
            assert (answer.status_code, answer.json()["code"]) == (401, "token-invalid")
            state.tokens._revoked._until.clear()
        listed = await http.get("/v1/revocations", headers=admin)
        assert [row["kind"] for row in listed.json()["items"]] == ["terminal", "person", "token"]

    async def test_each_answers_for_his_own(
        self, http: httpx.AsyncClient, make: Make, state: State
    ) -> None:
        place = await make.place()
        await make.person(Role.REVIEWER, "330106", subject="of-xihu")
        city, other, province = [
            await make.person(Role.RIGHTS_ADMIN, scope) for scope in ("330100", "330200", "330000")
        ]
        cases = [
            (city, "person", "of-xihu", 201), (other, "person", "of-xihu", 403),
            (province, "person", "of-xihu", 201), (city, "person", "nobody", 403),
            (province, "person", "nobody", 201), (city, "terminal", place.terminal, 201),
            (other, "terminal", place.terminal, 403), (city, "key", "hr ec", 403),
            (province, "key", "hr ec", 201), (other, "token", "some-jti", 201),
        ]  # fmt: skip
        for who, kind, value, status in cases:
            body = {"kind": kind, "value": value, "reason": "misuse"}
            answer = await http.post("/v1/revocations", json=body, headers=who)
            assert answer.status_code == status, (kind, value, answer.text)
        await make.settle()
        state.tokens._revoked._until.clear()

    async def test_is_read_again_by_a_fresh_process(self, state: State) -> None:
        async with state.sessions() as session, session.begin():
            session.add(Revocation(
                kind="person", value="gone", at=now(), expires_at=now(), made_by="x", reason="left",
                generation=1,
            ))  # fmt: skip
            fresh = RevokedMemory()
            await session.flush()
            await fresh.load(session, 0)
            await session.rollback()
        assert ("person", "gone") in fresh._until


class TestSettings:
    GOOD = {"name": "hr", "url": URL, "audience": "syt"}  # noqa: RUF012

    @pytest.mark.parametrize(
        "changed",
        [
            {"url": "http://hr.test"}, {"url": "ftp://hr.test"}, {"url": "https://hr.test?x=1"},
            {"url": "https://"}, {"name": "HR"}, {"name": "a:b"}, {"name": ""}, {"audience": ""},
            {"algorithms": ["HS256"]}, {"algorithms": ["none"]}, {"skew": 3600}, {"extra": 1},
            {"demands": {"rights_admin": {"acr": "high"}}}, {"longest": 10**9},
        ],
    )  # fmt: skip
    def test_what_is_not_safe_is_not_taken(self, changed: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            TrustedIssuer.model_validate(self.GOOD | changed)

    def test_read_as_json(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SYT_ISSUERS", orjson.dumps([self.GOOD]).decode())
        assert Settings().issuers == (TrustedIssuer.model_validate(self.GOOD),)
        here = self.GOOD | {"url": "http://127.0.0.1:5000"}
        assert TrustedIssuer.model_validate(here).url == here["url"]

    def test_names_and_roles_are_there_once(self) -> None:
        good = TrustedIssuer.model_validate(self.GOOD)
        with pytest.raises(IssuersUnusable, match="share"):
            make_issuers([good, good])
        demanding = self.GOOD | {"demands": {"rights_admn": {"amr": ["mfa"]}}}
        with pytest.raises(IssuersUnusable, match="rights_admn"):
            make_issuers([TrustedIssuer.model_validate(demanding)])


def test_the_keys_of_these_tests_are_what_they_say() -> None:
    """Else every refusal here would prove nothing."""
    for kid, (key, algorithm) in KEYS.items():
        assert jwt.decode(made(kid), KeySet([key]), algorithms=[algorithm]).claims["sub"] == "alice"
