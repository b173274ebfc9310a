"""Subscriptions, and what is sent to them: signed, in order, at least once, never to where it must not go."""

import asyncio
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy.ext.asyncio import AsyncEngine

from access.policy import Role
from api.state import State
from kit.clock import now
from kit.db import transaction
from kit.ids import uuid7
from kit.settings import Settings
from tests import make as m
from tests.make import IDS, Make, Place
from tests.receivers import Receiver, Standing, receiving
from tests.test_events import tell
from webhooks import queries, service
from webhooks.models import Delivery
from webhooks.targets import is_open
from worker import posting, sequence, webhooks
from worker.posting import Poster
from worker.webhooks import Deliverer

Headers = dict[str, str]
URL = "https://bank.example/events"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.fixture(autouse=True)
def plain_http(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "settings", state.settings.model_copy(update={"webhook_http": True}))


async def subscribe(
    http: httpx.AsyncClient, who: Headers, url: str = URL, **wanted: Any
) -> dict[str, Any]:
    scope = wanted if {"outlet", "bank", "agency"} & set(wanted) else {"bank": "SRCB", **wanted}
    answer = await http.post(
        "/v1/subscriptions", json={"name": "推送", "url": url, **scope}, headers=who
    )
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def act(
    http: httpx.AsyncClient, who: Headers, made: dict[str, Any], action: str, **more: Any
) -> httpx.Response:
    return await http.post(
        f"/v1/subscriptions/{made['subscription']}/actions", json={"action": action, **more},
        headers=who | {"If-Match": f'"{made["version"]}"'},
    )  # fmt: skip


async def log_of(
    http: httpx.AsyncClient, who: Headers, made: dict[str, Any], **narrow: Any
) -> list[dict[str, Any]]:
    """The log, oldest first."""
    answer = await http.get(
        f"/v1/subscriptions/{made['subscription']}/deliveries", params=narrow, headers=who
    )
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items[::-1]


class TestMade:
    async def test_the_secret_is_shown_once(
        self, http: httpx.AsyncClient, make: Make, owner: AsyncEngine
    ) -> None:
        who, key = await make.person(Role.BANK_ADMIN, "SRCB"), {"Idempotency-Key": m.key()}
        body = {"name": "核心系统", "url": URL, "bank": "SRCB", "kinds": ["application.granted"]}
        first = await http.post("/v1/subscriptions", json=body, headers=who | key)
        made = first.json()
        assert (first.status_code, first.headers["ETag"]) == (201, '"1"')
        assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", made["secret"])
        assert first.headers["Location"].endswith(f"/v1/subscriptions/{made['subscription']}")
        assert (made["state"], made["bank"], made["kinds"]) == ("active", "SRCB", body["kinds"])
        again = await http.post("/v1/subscriptions", json=body, headers=who | key)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.json() == {**made, "secret": None}
        other = await http.post("/v1/subscriptions", json=body | {"name": "x"}, headers=who | key)
        assert other.json()["code"] == "idempotency-key-reused"
        one = await http.get(f"/v1/subscriptions/{made['subscription']}", headers=who)
        assert "secret" not in one.json()
        listed = (await http.get("/v1/subscriptions", headers=who)).json()["items"]
        assert [row["subscription"] for row in listed] == [made["subscription"]]
        async with owner.connect() as connection:
            rows = await connection.execute(sa.text("SELECT s::text FROM webhook_subscription s"))
            assert made["secret"][6:] not in rows.scalar_one()

    async def test_all_that_is_wrong_is_told_at_once(
        self, http: httpx.AsyncClient, make: Make, state: State, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            state, "settings", state.settings.model_copy(update={"webhook_http": False})
        )
        who = await make.person(Role.BANK_ADMIN, "SRCB")
        body = {"name": "x", "url": "http://u:p@localhost/?q", "bank": "SRCB", "agency": "330106"}
        answer = await http.post("/v1/subscriptions", json=body, headers=who)
        assert answer.json()["code"] == "subscription-invalid"
        assert [e["rule"] for e in answer.json()["errors"]] == ["one_of", "https", "plain", "host"]

    @pytest.mark.parametrize(
        "host",
        [
            "localhost", "x.localhost", "2130706433", "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1",
            "1.2.3.4.5", "a..b", "-a.example", "a_.example.", "%6c", "例.example", "x.example:0",
            "x.example:99999", "[::1",
        ],
    )  # fmt: skip
    async def test_hosts_that_are_written_wrongly(
        self, http: httpx.AsyncClient, make: Make, host: str
    ) -> None:
        who = await make.person(Role.BANK_ADMIN, "SRCB")
        body = {"name": "x", "url": f"https://{host}/x", "bank": "SRCB"}
        answer = await http.post("/v1/subscriptions", json=body, headers=who)
        assert answer.status_code == (201 if host == "a_.example." else 422), answer.text

    async def test_only_for_a_unit_of_one_s_own(self, http: httpx.AsyncClient, make: Make) -> None:
        place = await make.place()
        bank, other = [await make.person(Role.BANK_ADMIN, b) for b in ("SRCB", "SPSB")]
        head = await make.person(Role.AGENCY_HEAD, "330106")
        for who, scope, status in (
            (bank, {"bank": "SRCB"}, 201), (bank, {"outlet": place.outlet}, 201), (bank, {"bank": "SPSB"}, 403),
            (other, {"outlet": place.outlet}, 403), (bank, {"agency": "330106"}, 403),
            (bank, {"outlet": "999999999999"}, 403), (head, {"agency": "330106"}, 201),
            (head, {"agency": "330105"}, 403), (head, {"bank": "SRCB"}, 403),
            (make.teller(place), {"outlet": place.outlet}, 403),
        ):  # fmt: skip
            body = {"name": "x", "url": URL, **scope}
            answer = await http.post("/v1/subscriptions", json=body, headers=who)
            assert answer.status_code == status, (scope, answer.text)

    async def test_who_sees_which(self, http: httpx.AsyncClient, make: Make) -> None:
        place, far = await make.place(), await make.place(county="330205")
        bank = await make.person(Role.BANK_ADMIN, "SRCB")
        whole = await subscribe(http, bank)
        here = await subscribe(http, bank, outlet=place.outlet)
        there = await subscribe(http, bank, outlet=far.outlet)
        head = await make.person(Role.AGENCY_HEAD, "330106")
        agency = await subscribe(http, head, agency="330106")
        every = [whole, here, there, agency]
        for who, seen in (
            (bank, [whole, here, there]), (head, [agency]),
            (await make.person(Role.AUDITOR, "330000"), every),
            (await make.person(Role.AUDITOR, "330100"), [here, agency]),
            (await make.person(Role.CONTROL_OFFICER, "330200"), [there]),
            (await make.person(Role.BANK_ADMIN, "SPSB"), []),
        ):  # fmt: skip
            found = (await http.get("/v1/subscriptions", headers=who)).json()["items"]
            assert [r["subscription"] for r in found] == [r["subscription"] for r in seen[::-1]]
            for one in every:
                path = f"/v1/subscriptions/{one['subscription']}"
                for url in (path, f"{path}/deliveries"):
                    answer = await http.get(url, headers=who)
                    assert answer.status_code == (200 if one in seen else 404)
        assert (await http.get("/v1/subscriptions/x", headers=bank)).status_code == 404

    async def test_changes_and_their_versions(self, http: httpx.AsyncClient, make: Make) -> None:
        who = await make.person(Role.BANK_ADMIN, "SRCB")
        made = await subscribe(http, who)
        url = f"/v1/subscriptions/{made['subscription']}"
        body = {"url": "https://other.example:8443/x", "kinds": ["application.denied"]}
        assert (await http.patch(url, json=body, headers=who)).status_code == 428
        both = await asyncio.gather(
            *(http.patch(url, json=body, headers=who | {"If-Match": '"1"'}) for _ in range(2))
        )
        assert sorted(a.status_code for a in both) == [200, 412]
        changed = (await http.get(url, headers=who)).json()
        assert (changed["url"], changed["kinds"], changed["version"]) == (
            body["url"],
            body["kinds"],
            2,
        )
        wrong = await http.patch(
            url, json={"url": "https://127.1/x"}, headers=who | {"If-Match": '"2"'}
        )
        assert wrong.json()["code"] == "subscription-invalid"
        assert (await http.patch(url, json={"bank": "SPSB"}, headers=who)).status_code == 422

    async def test_states_and_actions(self, http: httpx.AsyncClient, make: Make) -> None:
        who, made = await make.person(Role.BANK_ADMIN, "SRCB"), None
        made = await subscribe(http, who)
        for action, state, actions in (
            ("pause", "paused", ["resume", "rotate", "redeliver", "end"]),
            ("pause", None, None),
            ("resume", "active", ["pause", "rotate", "redeliver", "end"]),
            ("redeliver", "active", ["pause", "rotate", "redeliver", "end"]),
            ("end", "ended", []),
            ("resume", None, None),
        ):  # fmt: skip
            answer = await act(http, who, made, action)
            if state is None:
                assert answer.json()["code"] == "subscription-action-not-allowed"
                assert answer.json()["actions"] == made["actions"]
            else:
                made = answer.json()
                assert (made["state"], made["actions"], made["secret"]) == (state, actions, None)
        auditor = await make.person(Role.AUDITOR, "330000")
        seen = await http.get(f"/v1/subscriptions/{made['subscription']}", headers=auditor)
        assert seen.json()["actions"] == []

    async def test_so_many_and_no_more(
        self, http: httpx.AsyncClient, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "MOST", 2)
        who = await make.person(Role.BANK_ADMIN, "SRCB")
        body = {"name": "x", "url": URL, "bank": "SRCB"}
        both = await asyncio.gather(
            *(http.post("/v1/subscriptions", json=body, headers=who) for _ in range(4))
        )
        assert sorted(a.status_code for a in both) == [201, 201, 409, 409]


@dataclass
class Stand:
    """A target, and what sends to it."""

    receiver: Receiver
    url: str
    deliverer: Deliverer
    state: State
    owner: AsyncEngine
    http: httpx.AsyncClient

    async def tell(self) -> None:
        await tell(self.state)

    async def send(self) -> None:
        """Make the deliveries of what happened, and send all that is due."""
        await self.tell()
        for _ in range(2):  # Twice makes nothing more.
            await self.deliverer.spread(self.state.sessions)
        async with transaction(self.state.sessions) as session:
            targets = await queries.due_targets(session, now())
        await asyncio.gather(*(self._empty(target) for target in targets))

    async def _empty(self, target: str) -> None:
        while await self.deliverer.send_some(target):
            pass

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        async with self.owner.begin() as connection:
            found = await connection.execute(sa.text(statement), values)
            return [tuple(row) for row in found] if found.returns_rows else []

    async def come_due(self) -> None:
        await self.sql(
            "UPDATE webhook_delivery SET next_at = now() - interval '1 s' WHERE state = 'waiting'"
        )
        await self.sql("UPDATE webhook_target SET open_until = NULL")


def make_deliverer(state: State, allowed: Any = LOOPBACK) -> Deliverer:
    made = Deliverer(state.settings, state.keys, Poster(allowed))
    made._sessions = state.sessions
    return made


@pytest.fixture(scope="module")
async def standing() -> AsyncIterator[Standing]:
    async with receiving() as standing:
        yield standing


@pytest.fixture
async def stand(
    state: State, owner: AsyncEngine, http: httpx.AsyncClient, standing: Standing
) -> AsyncIterator[Stand]:
    deliverer = make_deliverer(state)
    standing.receiver = Receiver()
    yield Stand(standing.receiver, standing.url, deliverer, state, owner, http)
    await deliverer.close()
    async with owner.begin() as connection:
        await connection.execute(sa.text("DELETE FROM pgqueuer"))


@pytest.fixture
async def place(make: Make) -> Place:
    return await make.place()


@pytest.fixture
async def bank(make: Make) -> Headers:
    return await make.person(Role.BANK_ADMIN, "SRCB")


class TestSent:
    async def test_each_event_once_in_order_signed_and_without_a_name(
        self, stand: Stand, http: httpx.AsyncClient, make: Make, place: Place, bank: Headers
    ) -> None:
        teller = make.teller(place)
        before = (await m.submit(http, teller)).json()  # Of what was before nothing is sent.
        await stand.tell()
        made = await subscribe(http, bank, f"{stand.url}/ok/a")
        numbers = [(await m.submit(http, teller)).json()["number"] for _ in range(3)]
        await m.act(http, teller, {"number": numbers[1], "version": 1}, "withdraw", reason="不办了")
        await stand.send()
        came = stand.receiver.came
        assert sorted(stand.receiver.numbers()) == sorted(
            [f"{n} {kind}" for n in numbers for kind in ("received", "accepted")] + [f"{numbers[1]} withdrawn"]
        )  # fmt: skip
        assert [r.split()[1] for r in stand.receiver.numbers() if numbers[1] in r] == [
            "received", "accepted", "withdrawn",
        ]  # fmt: skip
        feed = {e["id"]: e for e in (await http.get("/v1/events", headers=bank)).json()["items"]}
        for one in came:
            assert one.is_signed_by(made["secret"])
            assert not one.is_signed_by(service.make_secret())
            assert one.data == feed[one.headers["webhook-id"]]
            assert one.headers["content-type"] == "application/json"
            for secret in ("测试甲", "不办了", IDS[0], "13900000001"):
                assert secret not in one.body.decode()
        assert before["number"] not in {one.data["application"] for one in came}
        log = await log_of(http, bank, made)
        assert [(d["state"], d["tries"], d["attempts"][0]["status"]) for d in log] == [
            ("delivered", 1, 204)
        ] * 7  # fmt: skip
        assert {d["event"] for d in log} == {one.headers["webhook-id"] for one in came}
        shown = (await http.get(f"/v1/subscriptions/{made['subscription']}", headers=bank)).json()
        assert shown["last_delivered_at"] is not None

    async def test_to_whom_it_concerns_and_of_the_kinds_that_are_wanted(
        self, stand: Stand, http: httpx.AsyncClient, make: Make, place: Place, bank: Headers
    ) -> None:
        other = await make.place()
        head = await make.person(Role.AGENCY_HEAD, "330106")
        await subscribe(http, bank, f"{stand.url}/ok/outlet", outlet=place.outlet)
        await subscribe(http, bank, f"{stand.url}/ok/kinds", kinds=["application.accepted"])
        await subscribe(http, head, f"{stand.url}/ok/agency", agency="330106")
        elsewhere = await make.person(Role.AGENCY_HEAD, "330105")
        await subscribe(http, elsewhere, f"{stand.url}/ok/none", agency="330105")
        second = await make.person(Role.BANK_ADMIN, "SPSB")
        await subscribe(http, second, f"{stand.url}/ok/none", bank="SPSB")
        paused = await subscribe(http, bank, f"{stand.url}/ok/paused")
        paused = (await act(http, bank, paused, "pause")).json()
        for where in (place, other):
            await m.submit(http, make.teller(where))
        await stand.send()
        count = {
            p: len(stand.receiver.numbers(f"/ok/{p}"))
            for p in ("outlet", "kinds", "agency", "none", "paused")
        }
        assert count == {"outlet": 2, "kinds": 2, "agency": 4, "none": 0, "paused": 0}
        assert {c.data["outlet"] for c in stand.receiver.came if c.path == "/ok/outlet"} == {
            place.outlet
        }
        await act(http, bank, paused, "resume")
        await stand.send()
        assert (
            len(stand.receiver.numbers("/ok/paused")) == 4
        )  # What came while it was paused is not lost.

    async def test_an_old_secret_holds_for_a_while_beside_the_new(
        self, stand: Stand, http: httpx.AsyncClient, make: Make, place: Place, bank: Headers
    ) -> None:
        made = await subscribe(http, bank, f"{stand.url}/ok")
        turned = (await act(http, bank, made, "rotate", overlap=2)).json()
        assert turned["secret"] not in (None, made["secret"])
        assert turned["former_until"] is not None
        await m.submit(http, make.teller(place))
        await stand.send()
        assert all(
            c.is_signed_by(s)
            for c in stand.receiver.came
            for s in (made["secret"], turned["secret"])
        )
        await stand.sql("UPDATE webhook_subscription SET former_until = now()")
        stand.receiver.came.clear()
        await m.submit(http, make.teller(place))
        await stand.send()
        assert stand.receiver.came
        assert not any(c.is_signed_by(made["secret"]) for c in stand.receiver.came)
        assert all(c.is_signed_by(turned["secret"]) for c in stand.receiver.came)

    async def test_what_fails_holds_up_its_own_application_and_no_other(
        self, stand: Stand, http: httpx.AsyncClient, make: Make, place: Place, bank: Headers
    ) -> None:
        made = await subscribe(http, bank, f"{stand.url}/ok")
        teller = make.teller(place)
        first, second = [(await m.submit(http, teller)).json()["number"] for _ in range(2)]
        await stand.tell()
        await stand.deliverer.spread(stand.state.sessions)
        await stand.sql(  # Its head has failed, and is to be tried again in an hour.
            "UPDATE webhook_delivery SET next_at = now() + interval '1 hour'"
            " WHERE application = :n AND kind = 'application.received'", n=first,
        )  # fmt: skip
        await stand.send()
        assert stand.receiver.numbers() == [f"{second} received", f"{second} accepted"]
        async with transaction(stand.state.sessions) as session:
            assert (
                await queries.due_targets(session, now()) == []
            )  # Nobody looks for it over and over.
        await stand.come_due()
        await stand.send()
        assert stand.receiver.numbers()[2:] == [f"{first} received", f"{first} accepted"]
        assert len(await log_of(http, bank, made, application=first)) == 2

    @pytest.mark.parametrize(
        ("path", "fault", "status"),
        [
            ("500", "failed", 500),
            ("404", "refused", 404),
            ("429", "too_many", 429),
            ("redirect", "redirect", 302),
        ],
    )
    async def test_what_is_not_taken_is_tried_again_after_a_growing_pause(
        self, stand: Stand, http: httpx.AsyncClient, make: Make, place: Place, bank: Headers,
        path: str, fault: str, status: int,
    ) -> None:  # fmt: skip
        made = await subscribe(http, bank, f"{stand.url}/{path}")
        await m.submit(http, make.teller(place))
        pauses = []
        for nth in range(3):
            await stand.send()
            head = (await log_of(http, bank, made))[0]
            assert (head["state"], head["tries"]) == ("waiting", nth + 1)
            assert (head["attempts"][-1]["fault"], head["attempts"][-1]["status"]) == (
                fault,
                status,
            )
            ((seconds,),) = await stand.sql(
                "SELECT extract(epoch FROM next_at - now()) FROM webhook_delivery ORDER BY seq LIMIT 1"
            )
            pauses.append(float(seconds))
            await stand.come_due()
        assert 2 < pauses[0] < 7 < pauses[1] < 25 < pauses[2] < 97
        assert {c.path for c in stand.receiver.came} == {f"/{path}"}  # No redirect is followed.
        assert len({c.headers["webhook-id"] for c in stand.receiver.came}) == 1
        assert len(stand.receiver.came) == 3
        stand.receiver.answers[f"/{path}"] = 200
        await stand.send()
        assert [d["state"] for d in await log_of(http, bank, made)] == ["delivered"] * 2

    async def test_a_target_that_asks_for_a_pause_gets_it(
        self, stand: Stand, http: httpx.AsyncClient, make: Make, place: Place, bank: Headers
    ) -> None:
        await subscribe(http, bank, f"{stand.url}/later")
        await m.submit(http, make.teller(place))
        await stand.send()
        ((seconds,),) = await stand.sql(
            "SELECT extract(epoch FROM next_at - now()) FROM webhook_delivery ORDER BY seq LIMIT 1"
        )
        assert 550 < float(seconds) <= 600

    async def test_gone_is_gone_until_somebody_resumes(
        self, stand: Stand, http: httpx.AsyncClient, make: Make, place: Place, bank: Headers
    ) -> None:
        made = await subscribe(http, bank, f"{stand.url}/410")
        await m.submit(http, make.teller(place))
        await stand.send()
        url = f"/v1/subscriptions/{made['subscription']}"
        shown = (await http.get(url, headers=bank)).json()
        assert (shown["state"], shown["why"], len(stand.receiver.came)) == ("disabled", "gone", 1)
        await m.submit(
            http, make.teller(place)
        )  # Of what happens meanwhile nothing is kept for it.
        await stand.come_due()
        await stand.send()
        assert len(stand.receiver.came) == 1
        stand.receiver.answers["/410"] = 200
        assert (await act(http, bank, shown, "resume")).json()["state"] == "active"
        new = (await m.submit(http, make.teller(place))).json()["number"]
        await stand.send()
        assert f"{new} accepted" in stand.receiver.numbers()
        assert len(await log_of(http, bank, made)) == 4

    async def test_a_hanging_target_is_given_up_and_a_huge_answer_is_not_read(
        self, stand: Stand, http: httpx.AsyncClient, make: Make, place: Place, bank: Headers,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(posting, "SECONDS", 0.2)
        monkeypatch.setattr(posting, "DRAIN", 0.2)
        hanging = await subscribe(http, bank, f"{stand.url}/hang")
        huge = await subscribe(http, bank, f"{stand.url}/huge")
        await m.submit(http, make.teller(place))
        await stand.send()
        (first, *_) = await log_of(http, bank, hanging)
        assert (first["attempts"][0]["fault"], first["attempts"][0]["status"]) == ("timeout", None)
        assert [d["state"] for d in await log_of(http, bank, huge)] == ["delivered"] * 2
        assert len(stand.receiver.connections) == 3  # Neither was used again.

    async def test_so_many_calls_at_once_and_no_more(
        self, stand: Stand, http: httpx.AsyncClient, make: Make, place: Place, bank: Headers,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(webhooks, "PARALLEL", 3)
        for _ in range(2):
            await subscribe(http, bank, f"{stand.url}/slow")
        for _ in range(4):
            await m.submit(http, make.teller(place))
        await stand.send()
        assert (len(stand.receiver.came), stand.receiver.most) == (16, 3)


class Calling:
    """Posts one message, with nothing of ours behind it."""

    def __init__(self) -> None:
        self._posters: dict[Any, Poster] = {}

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Let no socket be opened; give where one would have led."""
        opened: list[str] = []

        def refuse(_: Any, row: Any) -> Any:
            opened.append(row[4][0])
            raise ConnectionRefusedError(111, "refused")

        monkeypatch.setattr(posting.Checked, "open_socket", refuse)
        return opened

    async def post(
        self, url: str, allowed: Any = (), certificates: Path | None = None
    ) -> service.Outcome:
        which = (allowed, certificates)
        if which not in self._posters:
            self._posters[which] = Poster(*which)
        parcel = service.Parcel(
            Delivery.model_construct(subscription=uuid7()), "1", b'{"type":"x"}'
        )
        return await self._posters[which].post(url, parcel, [service.make_secret()])

    async def close(self) -> None:
        for poster in self._posters.values():
            await poster.close()


@pytest.fixture
async def calling() -> AsyncIterator[Calling]:
    made = Calling()
    yield made
    await made.close()


class TestAddresses:
    async def test_where_nobody_allows_it_no_inner_address_is_connected_to(
        self, stand: Stand, http: httpx.AsyncClient, make: Make, place: Place, bank: Headers
    ) -> None:
        """Also one that became inner after it was written: only what is connected to counts."""
        made = await subscribe(http, bank, f"{stand.url}/ok")
        await m.submit(http, make.teller(place))
        await stand.deliverer.close()
        stand.deliverer._poster = Poster()
        await stand.send()
        assert stand.receiver.came == []
        (first, *_) = await log_of(http, bank, made)
        assert (first["attempts"][0]["fault"], first["attempts"][0]["status"]) == ("address", None)

    @pytest.mark.parametrize(
        "answers",
        [
            ["127.0.0.1"], ["10.0.0.8"], ["169.254.169.254"], ["::1"], ["::ffff:127.0.0.1"], ["fe80::1%eth0"],
            ["fd00:ec2::254"], ["93.184.216.34", "192.168.1.1"], ["2606:2800:220:1::1", "::ffff:10.0.0.1"],
            ["64:ff9b::7f00:1"], ["2002:7f00:1::"], ["0.0.0.0"], ["100.64.0.1"], ["224.0.0.1"], ["240.0.0.1"],
            [],
        ],
    )  # fmt: skip
    async def test_names_that_lead_inside(
        self, calling: Calling, monkeypatch: pytest.MonkeyPatch, answers: list[str]
    ) -> None:
        monkeypatch.setattr(
            posting, "resolve", lambda *_: [(0, 0, 0, "", (a, 443)) for a in answers]
        )
        opened = calling.watch(monkeypatch)
        assert (await calling.post("https://bank.example/x")).fault == "address"
        assert opened == []

    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "10.0.0.8", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]"]
    )  # fmt: skip
    async def test_addresses_that_are_written_as_such_are_looked_at_too(
        self, calling: Calling, monkeypatch: pytest.MonkeyPatch, host: str
    ) -> None:
        """Nobody resolves them: they are looked at where the socket is opened, and none is."""
        sockets: list[Any] = []
        monkeypatch.setattr(socket, "socket", lambda *_, **__: sockets.append(1))
        assert (await calling.post(f"http://{host}:9/x")).fault == "address"
        assert sockets == []

    def test_a_network_that_is_allowed_opens_itself_and_nothing_more(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SYT_WEBHOOK_NETWORKS", '["10.20.0.0/16", "fd12::/16"]')
        allowed = Settings().webhook_networks
        for address, is_allowed in (
            ("10.20.3.4", True), ("::ffff:10.20.3.4", True), ("fd12::1", True), ("93.184.216.34", True),
            ("10.21.0.1", False), ("127.0.0.1", False), ("fd13::1", False), ("::ffff:169.254.169.254", False),
        ):  # fmt: skip
            assert is_open(ipaddress.ip_address(address), allowed) == is_allowed, address

    async def test_a_name_that_answers_otherwise_a_moment_later_leads_nowhere_else(
        self, calling: Calling, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was looked at is what is connected to: the name itself is never given on."""
        answers = iter(["93.184.216.34", "127.0.0.1"])
        monkeypatch.setattr(posting, "resolve", lambda *_: [(0, 0, 0, "", (next(answers), 443))])
        opened = calling.watch(monkeypatch)
        assert (await calling.post("https://rebinding.example/x")).fault == "unreachable"
        assert opened == ["93.184.216.34"]
        assert (await calling.post("https://rebinding.example/x")).fault == "address"
        assert opened == ["93.184.216.34"]

    async def test_a_name_that_never_comes_is_not_waited_for(
        self, calling: Calling, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(posting, "CONNECT", 0.1)
        over = threading.Event()
        monkeypatch.setattr(posting, "resolve", lambda *_: [over.wait(10)])
        assert (await calling.post("https://slow.example/x")).fault == "timeout"
        over.set()


class TestConnections:
    async def test_one_is_kept_for_many_messages(
        self, stand: Stand, http: httpx.AsyncClient, make: Make, place: Place, bank: Headers,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(webhooks, "PARALLEL", 2)
        await subscribe(http, bank, f"{stand.url}/200")
        for _ in range(5):
            await m.submit(http, make.teller(place))
        await stand.send()
        assert len(stand.receiver.came) == 10
        assert len(stand.receiver.connections) <= 2

    async def test_one_that_the_target_has_ended_is_not_used_again(self, calling: Calling) -> None:
        async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")  # And not a word of its ending.
            await writer.drain()
            writer.close()
            came.append(1)

        came: list[int] = []
        async with await asyncio.start_server(answer_once, "127.0.0.1") as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
            for _ in range(3):
                assert (await calling.post(url, LOOPBACK)).fault is None
                await asyncio.sleep(0.05)
        assert len(came) == 3

    @pytest.mark.parametrize(
        "said", [b"", b"HTTP/1.1 2", b"\x00\xff" * 40, b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000]
    )  # fmt: skip
    async def test_what_is_no_answer_is_broken_and_nothing_worse(
        self, calling: Calling, said: bytes
    ) -> None:
        async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(said)
            writer.close()

        async with await asyncio.start_server(say, "127.0.0.1") as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
            outcome = await calling.post(url, LOOPBACK)
        assert (outcome.fault, outcome.status, outcome.is_alive) == ("broken", None, False)

    async def test_a_certificate_is_held_against_the_name_and_not_the_address(
        self, calling: Calling, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The name is resolved by us, and stays what the target has to prove."""
        context, trusted = certificate_of("bank.example", tmp_path)
        monkeypatch.setattr(posting, "resolve", lambda *_: [(0, 0, 0, "", ("127.0.0.1", 0))])

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

        heads: list[str] = []
        async with await asyncio.start_server(take, "127.0.0.1", ssl=context) as server:
            at = f"{server.sockets[0].getsockname()[1]}/x"
            for name, certificates, fault in (
                ("bank.example", trusted, None), ("bank.example", None, "tls"),
                ("other.example", trusted, "tls"),
            ):  # fmt: skip
                assert (
                    await calling.post(f"https://{name}:{at}", LOOPBACK, certificates)
                ).fault == fault
        assert len(heads) == 1
        assert f"Host: bank.example:{at[:-2]}" in heads[0]


def certificate_of(name: str, folder: Path) -> tuple[ssl.SSLContext, Path]:
    """What a server with a certificate for a name is made with, and the file by which it is believed."""
    key, named = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
    )
    builder = x509.CertificateBuilder(named, named, key.public_key(), x509.random_serial_number())
    signed = (
        builder.not_valid_before(now() - timedelta(days=1)).not_valid_after(now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, private)
    return context, certificate


class TestSilent:
    async def dead(self, stand: Stand) -> str:
        """An address at which nothing listens."""
        async with receiving() as closed:
            return closed.url

    async def test_a_dead_target_is_left_alone_and_keeps_no_other_waiting(
        self, stand: Stand, http: httpx.AsyncClient, make: Make, place: Place, bank: Headers
    ) -> None:
        gone = await subscribe(http, bank, f"{await self.dead(stand)}/ok")
        await subscribe(http, bank, f"{stand.url}/ok")
        for _ in range(10):
            await m.submit(http, make.teller(place))
        await stand.send()
        assert len(stand.receiver.came) == 20
        tried = [d for d in await log_of(http, bank, gone) if d["tries"]]
        assert service.FAILURES <= len(tried) <= webhooks.PARALLEL
        assert {d["attempts"][0]["fault"] for d in tried} == {"unreachable"}
        shown = (await http.get(f"/v1/subscriptions/{gone['subscription']}", headers=bank)).json()
        assert shown["held_back_until"] is not None
        await stand.sql("UPDATE webhook_delivery SET next_at = now() - interval '1 s'")
        await stand.send()  # Due, and left alone all the same.
        assert len([d for d in await log_of(http, bank, gone) if d["tries"]]) == len(tried)

    async def test_one_call_asks_whether_it_is_back(
        self, stand: Stand, http: httpx.AsyncClient, make: Make, place: Place, bank: Headers
    ) -> None:
        path, url = "/500/x", f"{stand.url}/500/x"
        made = await subscribe(http, bank, url)
        for _ in range(8):
            await m.submit(http, make.teller(place))
        await stand.send()
        before = len(stand.receiver.came)
        for opening in (2, 3):
            await stand.come_due()
            await stand.send()
            assert len(stand.receiver.came) == before + opening - 1
            ((openings, seconds),) = await stand.sql(
                "SELECT openings, extract(epoch FROM open_until - now()) FROM webhook_target"
            )
            assert openings == opening
            assert 0.7 < float(seconds) / (15 * 2 ** (opening - 1)) < 1.3
        stand.receiver.answers[path] = 200
        await stand.come_due()
        await stand.send()
        assert await stand.sql("SELECT * FROM webhook_target") == []
        assert {d["state"] for d in await log_of(http, bank, made)} == {"delivered"}

    async def test_another_unit_s_failures_at_the_same_host_are_not_ours(
        self, stand: Stand, http: httpx.AsyncClient, make: Make, place: Place, bank: Headers
    ) -> None:
        head = await make.person(Role.AGENCY_HEAD, "330106")
        await subscribe(http, head, f"{stand.url}/500", agency="330106")
        await subscribe(http, bank, f"{stand.url}/ok")
        for _ in range(8):
            await m.submit(http, make.teller(place))
        await stand.send()
        assert len(stand.receiver.numbers("/ok")) == 16

    async def dead_line(
        self, stand: Stand, make: Make, place: Place, bank: Headers
    ) -> tuple[dict[str, Any], list[str]]:
        """Two applications of which nothing was taken for three days; of the first the time is over."""
        made = await subscribe(stand.http, bank, f"{stand.url}/404")
        numbers = [
            (await m.submit(stand.http, make.teller(place))).json()["number"] for _ in range(2)
        ]
        await stand.send()
        age = "SELECT DISTINCT extract(epoch FROM until - created_at) FROM webhook_delivery"
        assert [int(days) for (days,) in await stand.sql(age)] == [3 * 86400]
        await stand.sql(
            "UPDATE webhook_delivery SET until = now() - interval '1 s', next_at = now()"
            " WHERE application = :n", n=numbers[0],
        )  # fmt: skip
        await stand.send()  # The last try, and then that of the next of the line.
        return made, numbers

    async def test_after_three_days_it_is_dead_and_may_be_sent_by_hand(
        self, stand: Stand, http: httpx.AsyncClient, make: Make, place: Place, bank: Headers
    ) -> None:
        made, (one, two) = await self.dead_line(stand, make, place, bank)
        dead = await log_of(http, bank, made, state="dead")
        assert [(d["application"], d["kind"]) for d in dead] == [
            (one, "application.received"), (one, "application.accepted"),
        ]  # fmt: skip
        assert dead[0]["actions"] == ["redeliver"]
        waiting = await log_of(http, bank, made, state="waiting")
        assert {d["application"] for d in waiting} == {two}
        stand.receiver.answers["/404"] = 200
        stand.receiver.came.clear()
        url = f"/v1/subscriptions/{made['subscription']}/deliveries/{dead[0]['delivery']}/actions"
        body, version = {"action": "redeliver"}, {"If-Match": f'"{dead[0]["version"]}"'}
        both = await asyncio.gather(
            *(http.post(url, json=body, headers=bank | version) for _ in "12")
        )
        assert sorted(a.status_code for a in both) == [200, 412]
        await stand.send()
        assert stand.receiver.numbers() == [f"{one} received"]
        assert stand.receiver.came[0].headers["webhook-id"] == dead[0]["event"]
        (again, *_) = await log_of(http, bank, made, application=one)
        version = {"If-Match": f'"{again["version"]}"'}
        repeated = await http.post(url, json=body, headers=bank | version)  # Also what was taken.
        assert repeated.status_code == 200
        await stand.send()
        assert stand.receiver.numbers() == [f"{one} received"] * 2

    async def test_all_that_is_dead_at_once(
        self, stand: Stand, http: httpx.AsyncClient, make: Make, place: Place, bank: Headers
    ) -> None:
        made, (one, _) = await self.dead_line(stand, make, place, bank)
        stand.receiver.answers["/404"] = 200
        stand.receiver.came.clear()
        shown = (await http.get(f"/v1/subscriptions/{made['subscription']}", headers=bank)).json()
        assert (await act(http, bank, shown, "redeliver")).status_code == 200
        await stand.send()
        assert stand.receiver.numbers() == [f"{one} received", f"{one} accepted"]
        states = [d["state"] for d in await log_of(http, bank, made, application=one)]
        assert states == ["delivered"] * 2

    async def test_what_nobody_could_try_is_given_up_too_and_the_log_is_not_kept_for_ever(
        self, stand: Stand, http: httpx.AsyncClient, make: Make, place: Place, bank: Headers
    ) -> None:
        made = await subscribe(http, bank, f"{stand.url}/ok")
        await act(http, bank, made, "pause")
        await m.submit(http, make.teller(place))
        await stand.send()
        await webhooks.tidy(stand.state.sessions)
        assert len(await log_of(http, bank, made, state="waiting")) == 2
        await stand.sql("UPDATE webhook_delivery SET until = now() - interval '1 hour'")
        await asyncio.gather(*(webhooks.tidy(stand.state.sessions) for _ in range(2)))
        assert len(await log_of(http, bank, made, state="dead")) == 2
        await webhooks.watch(stand.state.sessions)
        assert webhooks.DEAD._value.get() == 2
        await stand.sql("UPDATE webhook_delivery SET created_at = now() - interval '31 days'")
        await webhooks.tidy(stand.state.sessions)
        assert await log_of(http, bank, made) == []

    def test_pauses_grow_and_differ_and_sum_to_three_days(self) -> None:
        for tries in range(1, 20):
            some = [service.pause_after(tries) for _ in range(50)]
            assert len(set(some)) > 40
            middle = min(timedelta(seconds=5) * 4 ** (tries - 1), timedelta(hours=12))
            assert all(middle * 0.8 <= pause <= middle * 1.2 for pause in some)
        assert service.pause_after(1, 30) >= timedelta(seconds=30)
        assert service.pause_after(1, float("inf")) < timedelta(minutes=1)
        assert service.pause_after(1, 1e9) == timedelta(hours=1)

    async def test_tries_that_are_remembered_are_bounded(
        self, stand: Stand, http: httpx.AsyncClient, make: Make, place: Place, bank: Headers
    ) -> None:
        made = await subscribe(http, bank, f"{stand.url}/404")
        await m.submit(http, make.teller(place))
        for _ in range(service.ATTEMPTS + 3):
            await stand.send()
            await stand.come_due()
        (head, _) = await log_of(http, bank, made)
        assert len(head["attempts"]) == service.ATTEMPTS
        times = [attempt["at"] for attempt in head["attempts"]]
        assert times == sorted(times)


async def eventually(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.025)
    raise AssertionError("it did not come to be")


class TestQueue:
    async def test_two_workers_send_each_once_and_in_order(
        self,
        stand: Stand,
        http: httpx.AsyncClient,
        make: Make,
        place: Place,
        bank: Headers,
        state: State,
    ) -> None:
        """By the real queue; another target hangs meanwhile, and nobody waits for it."""
        for n in range(3):
            await subscribe(http, bank, f"{stand.url}/ok/{n}")
        head = await make.person(Role.AGENCY_HEAD, "330106")
        await subscribe(http, head, f"{stand.url}/hang", agency="330106")
        workers = [make_deliverer(state) for _ in range(2)]
        running = [
            asyncio.create_task(task.run(state.sessions))
            for worker in workers
            for task in worker.tasks()[:2]
        ]
        running.append(asyncio.create_task(sequence.TASK.run(state.sessions)))
        teller = make.teller(place)
        numbers = [(await m.submit(http, teller)).json()["number"] for _ in range(8)]
        try:
            await eventually(lambda: len(stand.receiver.numbers("/ok")) >= 48)
            await asyncio.sleep(0.3)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            for worker in workers:
                await worker.close()
        for n in range(3):
            came = stand.receiver.numbers(f"/ok/{n}")
            assert len(came) == len(set(came)) == 16
            for number in numbers:
                mine = [row for row in came if number in row]
                assert mine == [f"{number} received", f"{number} accepted"]

    async def test_a_job_of_a_worker_that_was_killed_is_taken_up(
        self,
        stand: Stand,
        http: httpx.AsyncClient,
        make: Make,
        place: Place,
        bank: Headers,
        state: State,
    ) -> None:
        """It had sent without saying so: the message comes again, under the same id."""
        await subscribe(http, bank, f"{stand.url}/ok")
        await m.submit(http, make.teller(place))
        await stand.tell()
        await stand.deliverer.spread(state.sessions)
        async with transaction(state.sessions) as session:
            (target,) = await queries.due_targets(session, now())
            ((line,), *_) = [await service.take(session, state.keys, target, now())]
        await stand.deliverer._poster.post(line.url, line.parcels[0], line.secrets)
        await stand.sql(
            "UPDATE pgqueuer SET status = 'picked', queue_manager_id = gen_random_uuid(),"
            " heartbeat = now() - interval '1 minute'"
        )
        running = asyncio.create_task(stand.deliverer.tasks()[1].run(state.sessions))
        try:
            await eventually(lambda: len(stand.receiver.came) >= 3)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
        ids = [c.headers["webhook-id"] for c in stand.receiver.came]
        assert ids == [ids[0], ids[0], ids[2]]
        assert [r.split()[1] for r in stand.receiver.numbers()] == [
            "received",
            "received",
            "accepted",
        ]

    async def test_who_settles_later_changes_nothing(
        self,
        stand: Stand,
        http: httpx.AsyncClient,
        make: Make,
        place: Place,
        bank: Headers,
        state: State,
    ) -> None:
        """A worker that stood still says at last that it failed: the other's success stays."""
        made = await subscribe(http, bank, f"{stand.url}/ok")
        await m.submit(http, make.teller(place))
        await stand.tell()
        await stand.deliverer.spread(state.sessions)
        async with transaction(state.sessions) as session:
            (target,) = await queries.due_targets(session, now())
            lines = await service.take(session, state.keys, target, now())
        await stand.send()
        late = [
            service.Outcome(p, now(), 5, None, "timeout", is_alive=False) for p in lines[0].parcels
        ]
        async with transaction(state.sessions) as session:
            await service.settle(session, target, late, now())
        assert {d["state"] for d in await log_of(http, bank, made)} == {"delivered"}

    async def test_an_event_is_fanned_out_once_by_two(
        self,
        stand: Stand,
        http: httpx.AsyncClient,
        make: Make,
        place: Place,
        bank: Headers,
        state: State,
    ) -> None:
        await subscribe(http, bank, f"{stand.url}/ok")
        for _ in range(5):
            await m.submit(http, make.teller(place))
        await stand.tell()
        others = [make_deliverer(state) for _ in range(3)]
        await asyncio.gather(*(one.spread(state.sessions) for one in others for _ in range(3)))
        assert await stand.sql("SELECT count(*) FROM webhook_delivery") == [(10,)]
        assert await stand.sql("SELECT count(*) FROM pgqueuer") == [(1,)]
        for one in others:
            await one.close()
