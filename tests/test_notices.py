"""Telling applicants: each notice in its order, at least once, by a way and with a proof, or on a list."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import uvicorn
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from access.policy import Role
from api.state import State
from kit.clock import now
from kit.db import transaction
from notices import service
from simulated_gateway.app import FAULTS, Faults, Gateway, make_app
from tests import make as m
from tests.make import IDS, Make
from tests.test_accepting import received
from tests.test_documents import denied, granted, printed, took
from tests.test_events import tell
from tests.test_progress import ask
from worker import telling
from worker.sms import SmsGateway, make_client
from worker.telling import Sender

PHONE = "13900000001"


class Stand:
    """A simulated gateway on a port of its own, and a worker's sender that is set to it."""

    def __init__(self, state: State, gateway: Gateway, url: str) -> None:
        settings = state.settings.model_copy(update={"sms_url": url, "sms_key": SecretStr("a key")})
        self.state, self.gateway = state, gateway
        self.client = make_client(settings)
        self.sender = Sender(SmsGateway(self.client), lambda: state.desk, "http://outlet.test")

    @property
    def sent(self) -> list[dict[str, str]]:
        return list(self.gateway.messages.values())

    async def send(self) -> None:
        await self.sender.send(self.state.sessions)

    @contextmanager
    def failing(self, **faults: float) -> Iterator[None]:
        before, self.gateway.faults = self.gateway.faults, Faults(**faults)
        yield
        self.gateway.faults = before


@pytest.fixture
async def stand(state: State) -> AsyncIterator[Stand]:
    gateway, listening = Gateway(), socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(make_app(gateway), log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve([listening]))
    made = Stand(state, gateway, f"http://127.0.0.1:{listening.getsockname()[1]}")
    yield made
    await made.client.aclose()
    server.should_exit = True
    await serving


async def make_notices(state: State) -> None:
    await tell(state)
    for _ in range(2):  # Twice makes nothing more.
        await telling.make(state.sessions)


async def come_due(owner: AsyncEngine) -> None:
    async with owner.begin() as connection:
        await connection.execute(
            sa.text("UPDATE notice SET next_at = now() - interval '1 s', leased_until = NULL"
                    " WHERE state = 'waiting'")
        )  # fmt: skip


async def listed(http: httpx.AsyncClient, who: dict[str, str], query: str = "") -> list[Any]:
    answer = await http.get(f"/v1/notices{query}", headers=who)
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["items"]
    return found[::-1]


async def test_every_kind_is_told_in_order_without_a_name(
    http: httpx.AsyncClient, make: Make, state: State, stand: Stand, owner: AsyncEngine
) -> None:
    numbers = [(await granted(http, make))[1], (await denied(http, make))[1]]
    await make_notices(state)
    for _ in range(6):
        await come_due(owner)
        await stand.send()
    officer = await make.person(Role.ACCEPTANCE_OFFICER)
    rows = await listed(http, officer)
    assert {row["state"] for row in rows} == {"told"}
    of = {n: [row["kind"] for row in rows if row["application"] == n] for n in numbers}
    assert of[numbers[0]] == ["receipt", "acceptance", "suspension", "extension", "completion"]
    assert of[numbers[1]] == ["receipt", "correction", "acceptance", "completion"]
    for row in rows:
        assert (row["way"], row["proof"][:4], row["tries"]) == ("sms", "SIM-", 1)
        assert row["told_at"] is not None
    for number in numbers:
        texts = [one["text"] for one in stand.sent if number in one["text"]]
        assert all(service.SAID[k] in t for k, t in zip(of[number], texts, strict=True))
    assert {one["to"] for one in stand.sent} == {PHONE}
    for secret in ("测试甲", "测**", IDS[0], PHONE):
        assert all(secret not in one["text"] for one in stand.sent)


async def test_a_receipt_may_be_handed_over_and_is_not_sent_then(
    http: httpx.AsyncClient, make: Make, state: State, stand: Stand
) -> None:
    """Printed before or after the worker has heard of it; what nobody prints is sent half an hour later."""
    teller, early = await received(http, make)
    late = await took(await m.submit(http, teller, m.body(accept=False)))
    left = await took(await m.submit(http, teller, m.body(accept=False)))
    await printed(http, teller, early["number"], "REC")
    await make_notices(state)
    await printed(http, teller, late["number"], "REC")
    await stand.send()
    rows = {row["application"]: row for row in await listed(http, teller)}
    for number in (early["number"], late["number"]):
        assert (rows[number]["state"], rows[number]["way"]) == ("told", "counter")
        assert rows[number]["proof"].startswith("printed by teller:")
    waiting = rows[left["number"]]
    assert (waiting["state"], waiting["tries"], stand.sent) == ("waiting", 0, [])
    async with transaction(state.sessions) as session:
        soon = await service.take(session, state.desk, "", now() + timedelta(minutes=31))
    assert [message.notice.application for message in soon] == [left["number"]]


async def test_a_later_one_waits_for_an_earlier(
    http: httpx.AsyncClient, make: Make, state: State, stand: Stand, owner: AsyncEngine
) -> None:
    teller = make.teller(await make.place())
    await m.submit(http, teller)
    await make_notices(state)
    await come_due(owner)
    with stand.failing(away=1):
        await stand.send()
        await stand.send()
    assert [(row["tries"], row["fault"]) for row in await listed(http, teller)] == [
        (1, "answered-503"), (0, None),
    ]  # fmt: skip
    for _ in range(2):
        await come_due(owner)
        await stand.send()
    assert ["受理" in one["text"].split("）")[1][:3] for one in stand.sent] == [False, True]


@pytest.mark.parametrize("fault", ["away", "garbage", "lost_answer"])
async def test_what_fails_is_tried_again_and_then_stands_on_the_list(
    http: httpx.AsyncClient, make: Make, state: State, stand: Stand, owner: AsyncEngine, fault: str
) -> None:
    teller, _ = await received(http, make)
    await make_notices(state)
    pauses = []
    with stand.failing(**{fault: 1}):
        for _ in range(len(service.PAUSES) + 1):
            await come_due(owner)
            await stand.send()
            (row,) = await listed(http, teller)
            pauses.append(row["state"])
            await stand.send()  # Not due yet: nothing happens.
    assert pauses == ["waiting"] * len(service.PAUSES) + ["undelivered"]
    (row,) = await listed(http, teller, "?state=undelivered")
    assert (row["tries"], row["way"]) == (len(service.PAUSES) + 1, None)
    assert len(stand.sent) == (0 if fault == "away" else 1)  # Repeats are dropped by their id.
    assert stand.gateway.repeats == (0 if fault == "away" else len(service.PAUSES))
    url, version = f"/v1/notices/{row['id']}/actions", {"If-Match": f'"{row["version"]}"'}
    officer = await make.person(Role.ACCEPTANCE_OFFICER)
    said = {"action": "told", "way": "phone", "text": "已电话告知本人"}
    both = await asyncio.gather(
        *(http.post(url, json=said, headers=who | version) for who in (officer, teller))
    )
    assert sorted(answer.status_code for answer in both) == [200, 412]
    (row,) = await listed(http, officer)
    assert (row["state"], row["way"], row["note"]) == ("told", "phone", said["text"])
    again = await http.post(url, json=said, headers=officer | {"If-Match": f'"{row["version"]}"'})
    assert (again.status_code, again.json()["code"]) == (409, "notice-told")
    assert await listed(http, officer, "?state=undelivered") == []


async def test_a_refused_number_is_not_tried_again_and_progress_tells_it(
    http: httpx.AsyncClient, make: Make, state: State, stand: Stand, owner: AsyncEngine
) -> None:
    teller, made = await received(http, make)
    await make_notices(state)
    await come_due(owner)
    with stand.failing(refuse=1):
        await stand.send()
    (row,) = await listed(http, teller)
    assert (row["state"], row["fault"], row["tries"]) == ("undelivered", "refused-422", 1)
    assert (await ask(http, made["number"], made["query_code"])).status_code == 200
    (row,) = await listed(http, teller)
    assert (row["state"], row["way"], row["seen_at"]) == ("told", "page", row["told_at"])


async def test_a_killed_worker_s_message_is_sent_by_another_under_the_same_id(
    http: httpx.AsyncClient, make: Make, state: State, stand: Stand, owner: AsyncEngine
) -> None:
    """It had taken the message, and sent it, and was gone before it could say so."""
    teller, _ = await received(http, make)
    await make_notices(state)
    await come_due(owner)
    at = now()
    async with transaction(state.sessions) as session:
        (message,) = await service.take(session, state.desk, "http://outlet.test", at)
    await stand.sender._gateway.send(message.id, message.phone, message.text)
    async with transaction(state.sessions) as session:
        assert await service.take(session, state.desk, "", at + timedelta(seconds=59)) == []
    await come_due(owner)
    await stand.send()
    (row,) = await listed(http, teller)
    assert (row["state"], row["tries"], len(stand.sent), stand.gateway.repeats) == ("told", 2, 1, 1)


async def test_of_many_workers_at_once_each_notice_is_sent_by_one(
    http: httpx.AsyncClient, make: Make, state: State, stand: Stand, owner: AsyncEngine
) -> None:
    teller = make.teller(await make.place())
    for _ in range(6):
        await m.submit(http, teller, m.body(accept=False))
    await make_notices(state)
    await come_due(owner)
    await asyncio.gather(*(stand.send() for _ in range(4)))
    assert (len(stand.sent), stand.gateway.repeats) == (6, 0)


async def test_no_transaction_is_open_while_the_gateway_is_slow(
    http: httpx.AsyncClient, make: Make, state: State, stand: Stand, owner: AsyncEngine
) -> None:
    await received(http, make)
    await make_notices(state)
    await come_due(owner)
    with stand.failing(slow=1, seconds=0.6):
        sending = asyncio.create_task(stand.send())
        await asyncio.wait_for(stand.gateway.taken.wait(), 10)
        async with owner.connect() as connection:
            rows = await connection.execute(
                sa.text(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND state LIKE 'idle in%' AND query LIKE '%notice%'"
                )
            )
            assert rows.scalar() == 0
        await sending


async def test_without_a_gateway_it_stands_on_the_list(
    http: httpx.AsyncClient, make: Make, state: State, owner: AsyncEngine
) -> None:
    teller, _ = await received(http, make)
    await make_notices(state)
    await come_due(owner)
    await Sender(service.NoGateway(), None, "").send(state.sessions)
    (row,) = await listed(http, teller, "?state=undelivered")
    assert (row["fault"], row["actions"]) == ("no-gateway", ["told"])
    stranger = make.teller(await make.place())
    assert await listed(http, stranger) == []
    url = f"/v1/notices/{row['id']}/actions"
    said = {"action": "told", "way": "phone"}
    for id_, who, status in (
        (row["id"], stranger, 404),
        ("x", teller, 404),
        (row["id"], teller, 428),
    ):
        answer = await http.post(url.replace(str(row["id"]), str(id_)), json=said, headers=who)
        assert answer.status_code == status
    wrong = await http.post(url, json={"action": "told", "way": "sms"}, headers=teller)
    assert wrong.status_code == 422


async def test_no_number_stands_in_the_table(
    http: httpx.AsyncClient, make: Make, state: State, stand: Stand, owner: AsyncEngine
) -> None:
    await received(http, make)
    await make_notices(state)
    await come_due(owner)
    await stand.send()
    async with owner.connect() as connection:
        rows = (await connection.execute(sa.text("SELECT n::text FROM notice n"))).scalars().all()
    assert len(rows) == 1
    assert PHONE not in rows[0]
    assert "测试" not in rows[0]


def test_the_simulation_says_what_it_is() -> None:
    assert set(FAULTS) == {f for f in replace(Faults()).__dict__ if f != "seconds"}
