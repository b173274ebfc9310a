"""Matters that an agency's core system completes in one call: against the simulated one, over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import select
from starlette.responses import JSONResponse
from starlette.responses import Response as StarletteResponse
from starlette.types import Receive, Scope, Send

from access.policy import Role
from api.state import State
from applications import instant
from applications.draft import HOLD
from applications.models import Application
from connectors.client import HttpCore
from connectors.cores import Cores
from connectors.errors import CoreAway, Why
from connectors.models import CoreCall, CoreMark, Difference
from connectors.service import Refusal, ask
from kit.clock import now
from kit.db import transaction
from kit.settings import Settings
from schemas.connectors import Completion, Facts
from schemas.guides import Delegation
from simulated_core.rules import FAILING, MISBEHAVING, Fault
from simulated_core.store import SCHEMA, make_schema
from supervision import reconciling
from supervision import service as supervision
from tests import make as m
from tests.cores import Stand, standing
from tests.make import IDS, PENSION, RECORD, Make, Place
from tests.test_events import tell
from tests.test_submitting import rows

CHANGE, ACCOUNT, CARD, ELIGIBILITY, UNIT = (
    "332014901009", "332014901010", "332014901012", "332014901019", "332014901020",
)  # fmt: skip
LIST = "/v1/reconciliations"


@pytest.fixture(scope="module")
async def stand(settings: Settings) -> AsyncIterator[Stand]:
    url = settings.database_url or ""
    await make_schema(settings.owner_url or "", make_url(url).username or "")
    with standing(url) as found:
        yield found


@pytest.fixture
async def core(stand: Stand, state: State, http: httpx.AsyncClient) -> AsyncIterator[Stand]:
    """The simulated core, well behaved and empty, serving the city of the tests' outlets."""
    stand.behave()
    await stand.run(f"TRUNCATE {SCHEMA}.completion")
    before = state.counter
    cores = stand.cores()
    state.counter = before._replace(cores=cores)
    yield stand
    state.counter = before
    await cores.close()


@pytest.fixture
async def place(make: Make) -> Place:
    return await make.place()


def cores_of(state: State) -> Cores:
    return state.counter.cores


async def work(state: State, *, later: timedelta = timedelta(0), workers: int = 1) -> int:
    """Let workers do what is due: lease, call, settle. Tell how many calls they took."""
    cores, desk = cores_of(state), state.desk

    async def one() -> int:
        async with transaction(state.sessions) as session:
            taken = await instant.lease(session, desk, cores, now() + later)
        for lease in taken:
            await instant.finish(state.sessions, desk, cores, lease)
        return len(taken)

    return sum(await asyncio.gather(*(one() for _ in range(workers))))


async def only(state: State, table: Any) -> Any:
    (found,) = await rows(state.sessions, table)
    return found


async def hand_in(
    http: httpx.AsyncClient, make: Make, place: Place, matter: str = RECORD, **changed: Any
) -> dict[str, Any]:
    answer = await m.submit(http, make.teller(place), m.body(matter, **changed))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def person(id_number: str) -> dict[str, Any]:
    return {**m.body()["applicant"], "id_number": id_number}


def sample(fault: Fault) -> dict[str, Any]:
    return person(next(number for number, is_of in MISBEHAVING.items() if is_of is fault))


def saying(answer: Callable[[str], StarletteResponse]) -> httpx.ASGITransport:
    """A core that says what it is told to."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(scope["path"])(scope, receive, send)

    return httpx.ASGITransport(app=app)


def codes(made: dict[str, Any]) -> list[str]:
    """Warnings, but for those that samples of this kind always get."""
    found = [warning["code"] for warning in made["warnings"]]
    return [code for code in found if code not in ("id-place-unknown", "likely-duplicate")]


class TestInOneCall:
    async def test_is_completed_in_the_agencys_name(
        self, http: httpx.AsyncClient, make: Make, state: State, core: Stand, place: Place
    ) -> None:
        teller = make.teller(place)
        answer = await m.submit(http, teller)
        made = answer.json()
        (there,) = await core.completions()
        assert (answer.status_code, made["state"]) == (201, "completed")
        assert (made["decided_by"], made["outcome"]) == ("system", "granted")
        assert made["documents"] == ["REC", "ACP", "STL"]
        assert made["actions"] == ["deliver"]
        assert codes(made) == []
        assert made["result"]["core_reference"] == there["reference"]
        assert (made["result"]["verify_code"], made["result"]["simulated"]) == ("***", True)
        assert answer.headers["etag"] == f'"{made["version"]}"' == '"2"'
        found = (await http.get(f"/v1/applications/{made['number']}", headers=teller)).json()
        assert (found["state"], found["result"]) == ("completed", made["result"])
        told = await http.get(f"/v1/applications/{made['number']}/events", headers=teller)
        assert [e["kind"] for e in told.json()["items"]] == [
            "application.received", "application.accepted", "application.completed",
        ]  # fmt: skip
        delivered = await m.act(http, teller, made, "deliver", way="counter", received_by="测试甲")
        assert delivered.json()["state"] == "delivered"
        url = f"/v1/applications/{made['number']}/documents"
        papers = (await http.get(url, headers=teller)).json()["items"]
        assert [paper["code"] for paper in papers] == ["REC", "ACP", "STL", "RCH"]
        said = (await http.get(f"{url}/STL.json", headers=teller)).json()
        assert (said["outlet"], said["on_behalf"]) == (None, None)
        call = await only(state, CoreCall)
        assert (call.state, call.asked, call.reference) == ("done", False, there["reference"])

    async def test_nothing_personal_leaves_the_seal(
        self, http: httpx.AsyncClient, make: Make, state: State, core: Stand, place: Place,
        owner: AsyncEngine,
    ) -> None:  # fmt: skip
        await hand_in(http, make, place)
        async with owner.connect() as connection:
            for table in ("application", "core_call", "event"):
                text = await connection.scalar(
                    sa.text(f"SELECT string_agg(t::text, '') FROM {table} t")
                )
                assert "测试甲" not in text
                assert IDS[0] not in text

    @pytest.mark.parametrize(
        ("matter", "form", "instant"),
        [
            (CARD, {}, True), (ELIGIBILITY, {}, True), (CHANGE, {}, True), (ACCOUNT, {}, True),
            (CHANGE, {"change_kind": "key", "new_name": "测试乙", "new_phone": None,
                      "new_address": None}, False),
            (ACCOUNT, {"account_kind": "own_bank_account"}, False), (PENSION, {}, False),
        ],
    )  # fmt: skip
    async def test_only_what_the_guide_lets(
        self, http: httpx.AsyncClient, make: Make, core: Stand, place: Place, matter: str,
        form: dict[str, Any], instant: bool,
    ) -> None:  # fmt: skip
        wanted = m.body(matter)
        filled = {n: v for n, v in {**wanted["form"], **form}.items() if v is not None}
        given = {item["code"] for item in wanted["materials"]}
        teller = make.teller(place)
        for code in await self._missing(http, teller, {**wanted, "form": filled}, given):
            file = await http.post(
                "/v1/files", files={"file": ("a.pdf", b"%PDF-1.7\n" + b"x" * 500)}, headers=teller
            )
            wanted["materials"].append({"code": code, "file": file.json()["file"]})
        made = await m.submit(http, teller, {**wanted, "form": filled})
        assert made.status_code == 201, made.text
        assert (made.json()["state"] == "completed") is instant
        assert len(await core.completions()) == instant

    async def _missing(
        self,
        http: httpx.AsyncClient,
        teller: dict[str, str],
        wanted: dict[str, Any],
        given: set[str],
    ) -> list[str]:
        """Which materials the guide wants beside those that need no paper."""
        answer = await m.submit(http, teller, {**wanted, "accept": False})
        faults = answer.json().get("errors", [])
        return [f["at"].rpartition("/")[2] for f in faults if f["rule"] == "required"]

    async def test_a_units_certificate(
        self, http: httpx.AsyncClient, make: Make, core: Stand, place: Place
    ) -> None:
        def unit(code: str) -> dict[str, Any]:
            return {
                "kind": "organization", "name": "测试单位", "credit_code": code,
                "phone": "0571-80000001",
            }  # fmt: skip

        good = await hand_in(http, make, place, UNIT, applicant=unit("91339900YY0000036A"))
        bad = await hand_in(http, make, place, UNIT, applicant=unit("11339900YY0000028P"))
        assert (good["state"], bad["state"]) == ("completed", "accepted")
        assert codes(bad) == ["machine-check-failed"]

    async def test_not_where_the_outlet_may_only_accept_or_was_not_asked_to(
        self, http: httpx.AsyncClient, make: Make, core: Stand, place: Place, state: State
    ) -> None:
        received = await hand_in(http, make, place, accept=False)
        assert received["state"] == "received"
        elsewhere = await hand_in(http, make, place, form={
            "insured_place": "330206", "certificate_kind": "insured_certificate",
        })  # fmt: skip
        assert (elsewhere["agency"]["code"], elsewhere["state"]) == ("330206", "accepted")
        registry = state.desk.registry
        bank = registry.outlet(place.outlet).agreement or ""
        before = registry.agreements[bank]
        registry.agreements[bank] = before._replace(max_delegation=Delegation.D2)
        state.desk.derived.forget()
        try:
            accepted = await hand_in(http, make, place)
        finally:
            registry.agreements[bank] = before
            state.desk.derived.forget()
        assert (accepted["state"], codes(accepted)) == ("accepted", [])
        assert await core.completions() == []
        assert await rows(state.sessions, CoreCall) == []

    @pytest.mark.parametrize(
        ("number", "matter"),
        [
            ("339900188808080084", RECORD),
            ("339900189912319993", ELIGIBILITY),
            ("339900188803030301", CARD),
            ("339900188804040405", ACCOUNT),
        ],
    )
    async def test_a_failed_check_goes_to_a_reviewer_and_denies_nothing(
        self, http: httpx.AsyncClient, make: Make, state: State, core: Stand, place: Place,
        number: str, matter: str,
    ) -> None:  # fmt: skip
        teller, reviewer = make.teller(place), await make.person(Role.REVIEWER)
        k, wanted = m.key(), m.body(matter, applicant=person(number))
        first = await self._with_papers(http, teller, wanted)
        made = (await m.submit(http, teller, first, k=k)).json()
        assert (made["state"], made["outcome"]) == ("accepted", None)
        assert codes(made) == ["machine-check-failed"]
        again = (await m.submit(http, teller, first, k=k)).json()
        assert (again["number"], codes(again)) == (made["number"], ["machine-check-failed"])
        told = await http.get(f"/v1/applications/{made['number']}/events", headers=reviewer)
        last = told.json()["items"][-1]
        assert last["kind"] == "application.machine_check_failed"
        assert last["facts"]["failed"] == [FAILING[number]]
        claimed = await http.post("/v1/tasks/claim", json={"limit": 5}, headers=reviewer)
        assert [one["number"] for one in claimed.json()["items"]] == [made["number"]]
        assert await work(state, later=HOLD * 4) == 0
        assert await core.completions() == []

    async def _with_papers(
        self, http: httpx.AsyncClient, teller: dict[str, str], wanted: dict[str, Any]
    ) -> dict[str, Any]:
        given = {item["code"] for item in wanted["materials"]}
        for code in await self._missing(http, teller, wanted, given):
            file = await http.post(
                "/v1/files", files={"file": ("a.pdf", b"%PDF-1.7\n" + b"x" * 500)}, headers=teller
            )
            wanted["materials"].append({"code": code, "file": file.json()["file"]})
        return wanted

    async def test_a_repeat_completes_nothing_again(
        self, http: httpx.AsyncClient, make: Make, core: Stand, place: Place
    ) -> None:
        teller, k = make.teller(place), m.key()
        answers = await asyncio.gather(*(m.submit(http, teller, k=k) for _ in range(4)))
        later = await m.submit(http, teller, k=k)
        assert {a.status_code for a in answers} == {201}
        assert len({a.json()["number"] for a in answers}) == 1
        assert later.json()["state"] == "completed"
        assert later.headers["idempotent-replayed"] == "true"
        assert len(await core.completions()) == 1

    async def test_what_no_person_decided_is_drawn_for_checks(
        self, http: httpx.AsyncClient, make: Make, core: Stand, place: Place, state: State
    ) -> None:
        """Also of risk class 2, which of persons' decisions never is drawn by lot."""
        teller = make.teller(place)
        wanted = await self._with_papers(http, teller, m.body(CHANGE))
        for _ in range(20):
            made = (await m.submit(http, teller, wanted)).json()
            assert made["state"] == "completed"
        await tell(state)
        async with transaction(state.sessions) as session:
            await supervision.draw(session, now())
        controller = await make.person(Role.CONTROL_OFFICER, "330000")
        drawn = (await http.get("/v1/spot-checks", headers=controller)).json()["items"]
        assert 1 <= len(drawn) <= 2
        assert {one["matter"] for one in drawn} == {CHANGE}


class TestAway:
    @pytest.mark.parametrize(
        ("fault", "asked", "there"),
        [
            (Fault.DOWN, False, 0),
            (Fault.ERROR, False, 0),
            (Fault.LATE, True, 1),
            (Fault.GARBAGE, True, 1),
            (Fault.FOREIGN, True, 1),
            (Fault.ERROR_AFTER, True, 1),
        ],
    )
    async def test_is_kept_told_and_finished_once(
        self, http: httpx.AsyncClient, make: Make, state: State, core: Stand, place: Place,
        fault: Fault, asked: bool, there: int,
    ) -> None:  # fmt: skip
        core.behave(fault=fault, late=4)
        teller, k = make.teller(place), m.key()
        made = (await m.submit(http, teller, k=k)).json()
        assert (made["state"], made["version"], codes(made)) == ("accepted", 1, ["core-away"])
        assert made["result"] is None
        call = await only(state, CoreCall)
        assert (call.state, call.asked) == ("due", asked)
        assert len(await core.completions()) == there
        again = (await m.submit(http, teller, k=k)).json()
        assert (again["state"], codes(again)) == ("accepted", ["core-away"])

        core.behave()
        assert await work(state) == 0  # Not before its pause is over.
        assert await work(state, later=timedelta(minutes=2), workers=2) == 1
        again = (await m.submit(http, teller, k=k)).json()
        assert (again["state"], codes(again)) == ("completed", [])
        (one,) = await core.completions()
        assert again["result"]["core_reference"] == one["reference"]
        assert await work(state, later=timedelta(hours=1)) == 0

    async def test_what_may_be_completed_there_is_kept_from_people(
        self, http: httpx.AsyncClient, make: Make, state: State, core: Stand, place: Place
    ) -> None:
        teller, reviewer = make.teller(place), await make.person(Role.REVIEWER)
        made = await hand_in(http, make, place, applicant=sample(Fault.GARBAGE))
        assert made["actions"] == []
        refused = await m.act(http, teller, made, "withdraw", reason="不办了")
        assert (refused.status_code, refused.json()["code"]) == (409, "core-asked")
        refused = await m.act(http, reviewer, made, "take")
        assert (refused.status_code, refused.json()["code"]) == (409, "core-asked")
        claimed = await http.post("/v1/tasks/claim", json={"limit": 5}, headers=reviewer)
        assert claimed.json()["items"] == []
        await work(state, later=timedelta(minutes=2))
        found = await http.get(f"/v1/applications/{made['number']}", headers=teller)
        assert found.json()["state"] == "completed"

    async def test_what_can_not_be_completed_there_a_reviewer_may_take(
        self, http: httpx.AsyncClient, make: Make, state: State, core: Stand, place: Place
    ) -> None:
        core.behave(fault=Fault.DOWN)
        reviewer = await make.person(Role.REVIEWER)
        made = await hand_in(http, make, place)
        core.behave()
        taken = await m.act(http, reviewer, made, "take")
        assert taken.json()["state"] == "in_review"
        assert await work(state, later=timedelta(minutes=2)) == 0
        assert (await only(state, CoreCall)).state == "dropped"
        assert await core.completions() == []

    async def test_what_went_to_another_agency_is_dropped(
        self, http: httpx.AsyncClient, make: Make, state: State, core: Stand, place: Place
    ) -> None:
        core.behave(fault=Fault.DOWN)
        reviewer = await make.person(Role.REVIEWER)
        made = await hand_in(http, make, place)
        core.behave()
        taken = (await m.act(http, reviewer, made, "take")).json()
        gone = await m.act(
            http, reviewer, taken, "transfer", agency="330109", reason="参保地在萧山"
        )
        assert (gone.status_code, await work(state, later=timedelta(minutes=2))) == (200, 0)
        row, call = await only(state, Application), await only(state, CoreCall)
        assert (row.state, row.agency, call.state) == ("accepted", "330109", "dropped")
        assert await core.completions() == []

    @pytest.mark.slow
    async def test_slow_completes_later_than_it_is_asked_again(
        self, http: httpx.AsyncClient, make: Make, state: State, core: Stand, place: Place
    ) -> None:
        """The first call comes to its end while the core says that it holds nothing: the key settles it."""
        core.behave(fault=Fault.SLOW, late=2.2)
        made = await hand_in(http, make, place)
        assert codes(made) == ["core-away"]
        await work(state, later=timedelta(minutes=2))
        found = await only(state, Application)
        assert found.state == "completed"
        assert len(await core.completions()) == 1

    async def test_a_killed_process_leaves_what_another_takes_up(
        self, http: httpx.AsyncClient, make: Make, state: State, core: Stand, place: Place,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """Killed after the core has completed it, before that was written: found there, not done again."""

        async def killed(*_: object) -> None:
            raise ConnectionError

        with monkeypatch.context() as patch:
            patch.setattr(instant, "settle", killed)
            made = await hand_in(http, make, place)
        assert (made["state"], codes(made), made["actions"]) == ("accepted", ["core-away"], [])
        assert await work(state, later=timedelta(seconds=40)) == 0
        assert await work(state, later=timedelta(seconds=50), workers=2) == 1
        row = await only(state, Application)
        assert (row.state, len(await core.completions())) == ("completed", 1)

    async def test_an_answer_after_the_lease_changes_nothing(
        self, http: httpx.AsyncClient, make: Make, state: State, core: Stand, place: Place
    ) -> None:
        core.behave(fault=Fault.DOWN)
        await hand_in(http, make, place)
        core.behave()
        cores, desk = cores_of(state), state.desk
        async with transaction(state.sessions) as session:
            (first,) = await instant.lease(session, desk, cores, now() + timedelta(minutes=1))
        async with transaction(state.sessions) as session:
            (second,) = await instant.lease(session, desk, cores, now() + timedelta(minutes=5))
        assert (first.attempt, second.attempt) == (2, 3)
        await instant.finish(state.sessions, desk, cores, first)
        assert (await only(state, Application)).state == "accepted"
        await instant.finish(state.sessions, desk, cores, second)
        await instant.finish(state.sessions, desk, cores, second)
        assert (await only(state, Application)).state == "completed"
        assert len(await core.completions()) == 1

    async def test_batches_are_kept_and_finished_by_the_worker(
        self, http: httpx.AsyncClient, make: Make, state: State, core: Stand, place: Place
    ) -> None:
        teller = make.teller(place)
        items = [
            {"key": m.key(), "application": m.body(applicant=person(number))}
            for number in (*IDS, "339900188808080084")
        ]
        items.append({"key": m.key(), "application": m.body("332014901001")})
        answer = await http.post("/v1/applications/batch", json={"items": items}, headers=teller)
        bodies = [one["body"] for one in answer.json()["items"]]
        assert [body.get("state") for body in bodies[:4]] == ["accepted"] * 4
        assert [codes(body) for body in bodies[:4]] == [["core-later"]] * 4
        assert await core.completions() == []
        assert await work(state, workers=2) == 4
        again = await http.post("/v1/applications/batch", json={"items": items}, headers=teller)
        bodies = [one["body"] for one in again.json()["items"]]
        assert [body["state"] for body in bodies[:4]] == ["completed"] * 3 + ["accepted"]
        assert len(await core.completions()) == 3


class TestCore:
    def facts(self, number: str = IDS[0], application: str = "SYT-000001") -> Facts:
        return Facts(
            application=application, step=1, matter=RECORD, guide_version=1, agency="330106",
            outlet="330106000001", accepted_at=now(), applicant=person(number), subject=None,
            proxy=None, form={},
        )  # fmt: skip

    async def test_a_breaker_opens_and_lets_one_through_to_see(self, core: Stand) -> None:
        core.behave(fault=Fault.DOWN)
        client, clock = core.core(), [0.0]
        client.breaker._clock = lambda: clock[0]
        outcomes = []
        for _ in range(7):
            with pytest.raises(CoreAway) as away:
                await client.find("SYT-000001-1", 2)
            outcomes.append(away.value.why)
        assert outcomes == [Why.STATUS] * 5 + [Why.OPEN] * 2
        core.behave()
        with pytest.raises(CoreAway):
            await client.find("SYT-000001-1", 2)
        clock[0] += 6
        assert await client.find("SYT-000001-1", 2) is None
        assert not client.breaker.is_open
        await client.close()

    async def test_who_is_away_for_a_moment_is_asked_again(self, core: Stand) -> None:
        core.behave(fault=Fault.DOWN)
        client = core.core()
        asking = asyncio.create_task(ask(client, self.facts(), asked=False, within=8))
        await asyncio.sleep(0.05)
        core.behave()
        assert isinstance(await asking, Completion)
        await client.close()

    async def test_a_refused_connection_can_have_done_nothing(self) -> None:
        client = HttpCore(Stand("http://127.0.0.1:9", "").system())
        away = await ask(client, self.facts(), asked=False, within=1)
        assert isinstance(away, CoreAway)
        assert (away.why, away.asked) == (Why.REFUSED, False)
        away = await ask(client, self.facts(), asked=True, within=1)
        assert isinstance(away, CoreAway)
        assert away.asked
        await client.close()

    @pytest.mark.parametrize(
        "answer",
        [
            b"", b"null", b"[]", b"{", b"\xff\xfe", b'{"application": "SYT-000001", "verdicts": []}',
            b'{"application": "SYT-000001", "verdicts": [{"check": "alive", "passes": "yes"}]}',
            b'{"application": "SYT-000001", "verdicts": [{"check": "<b>", "passes": true}]}',
            b'{"application": "SYT-2", "verdicts": [{"check": "alive", "passes": true}]}',
            b'{"application": "SYT-000001", "verdicts": "' + b"x" * 300_000 + b'"}',
            b"[" * 100_000,
        ],
        ids=lambda answer: answer[:70].decode(errors="replace"),
    )  # fmt: skip
    async def test_garbage_is_no_answer(self, answer: bytes, stand: Stand) -> None:
        client = HttpCore(stand.system(), saying(lambda _: StarletteResponse(answer)))
        away = await ask(client, self.facts(), asked=False, within=2)
        assert isinstance(away, CoreAway)
        assert (away.why in (Why.GARBAGE, Why.FOREIGN), away.asked) == (True, False)
        await client.close()

    async def test_a_check_that_fails_at_the_last_moment_is_a_refusal(self, stand: Stand) -> None:
        def answer(path: str) -> StarletteResponse:
            passes = path == "/v1/checks"
            verdict = {"check": "alive", "passes": passes}
            said = {"application": "SYT-000001", "verdicts": [verdict]}
            return JSONResponse(said, 200 if passes else 409)

        client = HttpCore(stand.system(), saying(answer))
        outcome = await ask(client, self.facts(), asked=False, within=2)
        assert outcome == Refusal(["alive"])
        await client.close()

    def test_the_nearest_core_serves(self, stand: Stand) -> None:
        near = stand.system(name="near", agencies=["330106"])
        far = stand.system(name="far", agencies=["330000"])
        cores = Cores([far, near])
        assert [getattr(cores.of(a, RECORD), "name", None) for a in ("330106", "330109")] == [
            "near", "far",
        ]  # fmt: skip
        assert cores.of("330106", PENSION) is None

    @pytest.mark.parametrize(
        "wrong",
        [
            {"url": "http://core.example.cn"},
            {"agencies": []},
            {"agencies": ["440000"]},
            {"matters": ["1"]},
            {"budget": 0},
            {"name": "A B"},
            {"colour": "red"},
        ],
        ids=str,
    )
    def test_settings_that_are_wrong_are_refused(self, stand: Stand, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            stand.system(**wrong)

    def test_two_cores_for_the_same_are_refused(self, stand: Stand) -> None:
        one = stand.system().model_dump(mode="json")
        with pytest.raises(ValueError, match="two cores"):
            Settings(cores=[one, {**one, "name": "other"}])


class TestReconciling:
    async def compare(self, state: State) -> int:
        cores = cores_of(state)
        core, at = cores.named("simulated"), now()
        window = (at - timedelta(hours=1), at + timedelta(minutes=1))
        return await reconciling.compare(
            state.sessions, state.desk, core, cores.area("simulated"), window
        )

    async def test_finds_what_differs_and_nothing_else(
        self, http: httpx.AsyncClient, make: Make, state: State, core: Stand, place: Place
    ) -> None:
        made = [await hand_in(http, make, place, applicant=person(number)) for number in IDS]
        right, lost, other = (one["number"] for one in made)
        assert await self.compare(state) == 0
        table = f"{SCHEMA}.completion"
        await core.run(f"DELETE FROM {table} WHERE application = $1", lost)
        await core.run(f"UPDATE {table} SET reference = 'SIM-X' WHERE application = $1", other)
        await core.run(
            f"INSERT INTO {table} (key, application, reference, result)"
            " VALUES ('SYT0-1-x', 'SYT0', 'SIM-Y', '{}')"
        )
        await core.run(
            f"INSERT INTO {table} (key, nth, application, reference, result)"
            " VALUES ($1, 1, $2, 'SIM-Z', '{}')",
            f"{right}-1", right,
        )  # fmt: skip
        assert await self.compare(state) == 4
        assert await self.compare(state) == 0
        controller = await make.person(Role.CONTROL_OFFICER, "330000")
        listed = (await http.get(LIST, headers=controller)).json()["items"]
        assert {(one["kind"], one["application"], one["reference_there"]) for one in listed} == {
            ("missing_there", lost, None), ("reference_differs", other, "SIM-X"),
            ("unknown_here", "SYT0", "SIM-Y"), ("twice_there", right, "SIM-Z"),
        }  # fmt: skip
        told = await http.get(f"/v1/applications/{lost}/events", headers=controller)
        last = told.json()["items"][-1]
        assert (last["kind"], last["facts"]["differs"]) == (
            "application.core_differs", "missing_there",
        )  # fmt: skip
        narrow = {"kind": "unknown_here", "core": "simulated", "state": "open"}
        only_one = await http.get(LIST, headers=controller, params=narrow)
        assert [one["agency"] for one in only_one.json()["items"]] == ["330100"]

    async def test_what_a_person_decided_and_the_core_completed_too(
        self, http: httpx.AsyncClient, make: Make, state: State, core: Stand, place: Place
    ) -> None:
        made = await hand_in(http, make, place, applicant=person("339900188808080084"))
        assert codes(made) == ["machine-check-failed"]
        await core.run(
            f"INSERT INTO {SCHEMA}.completion (key, application, reference, result)"
            " VALUES ($1, $2, 'SIM-Q', '{}')",
            f"{made['number']}-1", made["number"],
        )  # fmt: skip
        assert await self.compare(state) == 1
        assert (await only(state, Difference)).kind == "not_completed_here"

    async def test_what_is_under_way_is_no_difference(
        self, http: httpx.AsyncClient, make: Make, state: State, core: Stand, place: Place
    ) -> None:
        core.behave(fault=Fault.ERROR_AFTER)
        await hand_in(http, make, place)
        assert await self.compare(state) == 0
        core.behave(fault=Fault.TWICE)
        await work(state, later=timedelta(minutes=2))
        assert await self.compare(state) == 0

    async def test_marks_go_on_and_wait_for_a_core_that_is_away(
        self, core: Stand, state: State
    ) -> None:
        cores, at = cores_of(state), now()
        client = cores.named("simulated")

        async def once(moment: Any) -> int:
            return await reconciling.reconcile(state.sessions, state.desk, client, "330100", moment)

        assert await once(at) == 0
        core.behave(fault=Fault.DOWN)
        with pytest.raises(CoreAway):
            await once(at)
        core.behave()
        for _ in range(6):
            assert await once(at) == 0
        async with transaction(state.sessions) as session:
            mark = (await session.exec(select(CoreMark))).one()
            assert mark.upto == at - reconciling.GRACE

    async def test_is_settled_once_by_a_control_officer_of_the_area(
        self, http: httpx.AsyncClient, make: Make, state: State, core: Stand, place: Place
    ) -> None:
        made = await hand_in(http, make, place)
        await core.run(f"TRUNCATE {SCHEMA}.completion")
        await self.compare(state)
        here, auditor = (
            await make.person(Role.CONTROL_OFFICER, "330100"),
            await make.person(Role.AUDITOR, "330100"),
        )
        elsewhere = await make.person(Role.CONTROL_OFFICER, "330200")
        (one,) = (await http.get(LIST, headers=here)).json()["items"]
        assert (one["application"], one["actions"]) == (made["number"], ["settle"])
        (seen,) = (await http.get(LIST, headers=auditor)).json()["items"]
        assert seen["actions"] == []
        assert (await http.get(LIST, headers=elsewhere)).json()["items"] == []

        async def settle(who: dict[str, str], version: int = 1) -> httpx.Response:
            return await http.post(
                f"{LIST}/{one['id']}/actions", headers={**who, "If-Match": f'"{version}"'},
                json={"action": "settle", "text": "核心系统已补录"},
            )  # fmt: skip

        assert (await settle(elsewhere)).status_code == 404
        assert (await settle(auditor)).status_code == 403
        assert (await settle(here, 7)).status_code == 412
        done = await settle(here)
        assert (done.status_code, done.json()["state"]) == (200, "settled")
        assert done.json()["settlement"] == "核心系统已补录"
        assert (await settle(here, 2)).status_code == 409
