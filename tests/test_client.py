"""The SDK: its calls against the application itself, over whole and over broken lines."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey

from access.policy import Role
from applications.models import Application
from cli.problems import ROOT, classes, known
from client import AsyncClient, Client, KeyFile, LineDown, Patience, Refused, TerminalKey, enrol
from client import problems as p
from client.errors import Malformed, refusal
from client.uploads import FIRST
from kit.db import Sessions
from tests import make as m
from tests.lines import BASE, QUICK, Bridge, Line, client_of, key_of, plain_client_of
from tests.make import Make, Place
from tests.test_submitting import rows
from tests.test_uploads import LARGE
from worker.sequence import tell


@pytest.fixture
async def line(app: FastAPI, http: httpx.AsyncClient) -> Line:
    return Line(app)


@pytest.fixture
async def place(make: Make) -> Place:
    return await make.place()


@pytest.fixture
async def client(line: Line, place: Place) -> AsyncIterator[AsyncClient]:
    async with client_of(line, place) as made:
        yield made


def once(fate: str, path: str = "/v1/applications") -> Callable[[httpx.Request], str]:
    """The first request to a path has a fate of its own."""
    fates = iter([fate])
    return lambda request: next(fates, "") if request.url.path == path else ""


class TestCalls:
    async def test_from_key_to_delivery(
        self, client: AsyncClient, make: Make, http: httpx.AsyncClient
    ) -> None:
        made = await client.submit(m.body(m.RECORD, accept=False))
        assert made.state == "received"
        shown = await client.application(made.number)
        assert (shown.number, shown.applicant["name"]) == (made.number, "测**")
        assert [a.number for a in (await client.applications()).items] == [made.number]
        gone = await client.act(shown, "withdraw", reason="申请人撤回")
        assert (gone.state, gone.version) == ("withdrawn", shown.version + 1)
        kinds = [e.kind for e in (await client.history(made.number)).items]
        assert kinds == ["application.received", "application.withdrawn"]

    async def test_guides_and_matters(self, client: AsyncClient, place: Place) -> None:
        guide = await client.guide(m.PENSION, division="330106")
        assert (guide.matter, guide.outlet_delegation) == (m.PENSION, "D2")
        found = await client.matters("cxjmyl", outlet=place.outlet)
        assert m.PENSION in [entry.matter for entry in found.items]
        assert (await client.matter(m.PENSION)).versions

    async def test_the_plain_face_is_the_same(self, line: Line, place: Place) -> None:
        def work() -> tuple[str, str, int]:
            with plain_client_of(line, place) as plain:
                made = plain.submit(m.body())
                return (
                    made.number,
                    plain.application(made.number).number,
                    len(plain.reserve_numbers(3)),
                )

        made, shown, numbers = await asyncio.to_thread(work)
        assert (made, numbers) == (shown, 3)

    async def test_one_token_serves_until_it_is_not_believed(
        self, client: AsyncClient, line: Line
    ) -> None:
        await client.me()
        await client.me()
        assert line.count("/v1/oauth/token") == 1
        token = client._tokens[client.teller]
        client._tokens[client.teller] = token._replace(text="x" + token.text)
        await client.me()
        assert line.count("/v1/oauth/token") == 2

    async def test_a_clock_that_is_off_is_corrected(
        self, client: AsyncClient, line: Line, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ticks = time.time
        device = SimpleNamespace(time=lambda: ticks() - 86_400, monotonic=time.monotonic)
        monkeypatch.setattr("client.keys.time", device)
        monkeypatch.setattr("client.calls.time", device)
        await client.me()
        assert line.count("/v1/oauth/token") == 2
        assert (await client.submit(m.body())).number

    async def test_another_tellers_token(self, client: AsyncClient, make: Make) -> None:
        client.teller = "NOBODY-01"
        with pytest.raises(p.TellerInactive):
            await client.me()


class TestBrokenLines:
    @pytest.mark.parametrize("fate", ["before", "after"])
    async def test_an_application_is_made_once(
        self, client: AsyncClient, line: Line, sessions: Sessions, fate: str
    ) -> None:
        line.fate = once(fate)
        made = await client.submit(m.body())
        assert line.count("/v1/applications") == 2
        assert [row.number for row in await rows(sessions, Application)] == [made.number]

    async def test_it_gives_up_in_the_end_and_goes_on_later(
        self, client: AsyncClient, line: Line, sessions: Sessions
    ) -> None:
        line.fate = lambda request: "after" if request.url.path == "/v1/applications" else ""
        k = m.key()
        with pytest.raises(LineDown):
            await client.submit(m.body(), key=k)
        assert line.count("/v1/applications") == QUICK.tries
        line.fate = lambda _: ""
        made = await client.submit(m.body(), key=k)
        assert [row.number for row in await rows(sessions, Application)] == [made.number]

    async def test_what_can_not_be_repeated_is_not(self, client: AsyncClient, line: Line) -> None:
        made = await client.submit(m.body(accept=False))
        path = f"/v1/applications/{made.number}/documents/REC.pdf"
        line.fate = once("after", path)
        with pytest.raises(LineDown):
            await client.paper(made.number, "REC", "交申请人")
        assert line.count(path) == 1
        line.fate = once("before", path)
        assert (await client.paper(made.number, "REC", "交申请人")).startswith(b"%PDF")

    async def test_a_lost_token_is_asked_for_with_another_assertion(
        self, client: AsyncClient, line: Line
    ) -> None:
        line.fate = once("after", "/v1/oauth/token")
        await client.me()
        assert line.count("/v1/oauth/token") == 2

    async def test_it_waits_as_long_as_it_is_told(self, place: Place) -> None:
        """A service that is busy says how long; waits are drawn, and never shorter than that."""
        answers: Iterator[httpx.Response] = iter([
            httpx.Response(429, headers={"Retry-After": "2"}, json={}), httpx.Response(503, json={}),
        ])  # fmt: skip
        waits: list[float] = []

        class Watched(AsyncClient):
            async def _do(self, effect: Any) -> Any:
                if hasattr(effect, "seconds"):
                    waits.append(effect.seconds)
                    return None
                return next(answers, httpx.Response(200, json=TOKEN))

        patience = Patience(tries=5, first=0.5, longest=4)
        async with Watched(
            BASE, place.terminal, key_of(place), place.teller, patience=patience
        ) as own:
            assert await own.run(own.token(place.teller)) == "t"
        assert 2 <= waits[0] <= 2.5
        assert 0 <= waits[1] <= 1


TOKEN = {"access_token": "t", "token_type": "Bearer", "expires_in": 900}


class TestErrors:
    def test_every_problem_has_its_class(self) -> None:
        """Make it anew with `make problems`."""
        assert (ROOT / "client" / "problems.py").read_text() == classes()
        assert {code for code, _ in known()} <= set(Refused.by_code)

    async def test_all_that_is_wrong_comes_typed(self, client: AsyncClient) -> None:
        with pytest.raises(p.ContentInvalid) as caught:
            await client.submit(m.body(consent=False, materials=[]))
        assert {"/consent", "/materials/id_card"} <= {error.at for error in caught.value.errors}
        with pytest.raises(p.GuideSuperseded) as old:
            await client.submit(m.body(guide_version=77))
        assert old.value.facts == {"guide_version": 1}
        with pytest.raises(p.ApplicationNotFound):
            await client.application("SYT330106202611230000120000106")

    def test_what_is_no_problem_document_is_told_too(self) -> None:
        """A proxy's page, and a code of a later release."""
        assert type(refusal(400, None)) is Malformed
        assert refusal(502, None).passes
        later = {
            "type": "/x",
            "code": "not-yet-known",
            "title": "t",
            "detail": "d",
            "instance": "i",
        }
        found = refusal(409, {**later, "status": 409, "more": 1})
        assert (type(found).__name__, found.facts) == ("Conflict", {"more": 1})


class TestKeys:
    async def test_a_device_is_enrolled_and_its_key_turned_over(
        self, http: httpx.AsyncClient, make: Make, line: Line, tmp_path: Path
    ) -> None:
        place = await make.place()
        manager = await make.person(Role.OUTLET_MANAGER, place.outlet)

        async def code(**more: Any) -> str:
            wanted = {"name": "村点一号机", **more}
            path = f"/v1/outlets/{place.outlet}/terminals/enrolments"
            answer = await http.post(path, json=wanted, headers=manager)
            return str(answer.json()["code"])

        file, first = KeyFile(tmp_path / "terminal.key", b"passphrase"), await code()
        made = await asyncio.to_thread(enrol, BASE, first, file, transport=Bridge(line))
        assert made.outlet == place.outlet
        assert (tmp_path / "terminal.key").stat().st_mode & 0o777 == 0o600
        assert b"ENCRYPTED" in (tmp_path / "terminal.key").read_bytes()
        await make.settle()
        async with client_of(line, dataclasses.replace(place, terminal=made.terminal)) as own:
            own.key = file.load()
            assert (await own.me()).terminal == made.terminal
            before = own.key.public_jwk
            again = await code(terminal=made.terminal, overlap_hours=0)
            line.fate = once("after", "/v1/terminals")
            await own.rotate_key(file, again)
            assert own.key.public_jwk != before
            await make.settle()
            assert (await own.me()).terminal == made.terminal
            own.key, own._tokens = TerminalKey.from_jwk(OLD), {}
            with pytest.raises(p.ClientInvalid):
                await own.me()

    async def test_a_key_on_its_way_is_taken_up_after_a_power_cut(
        self, http: httpx.AsyncClient, make: Make, line: Line, tmp_path: Path, place: Place
    ) -> None:
        manager = await make.person(Role.OUTLET_MANAGER, place.outlet)
        path = f"/v1/outlets/{place.outlet}/terminals/enrolments"
        wanted = {"name": "终端", "terminal": place.terminal, "overlap_hours": 0}
        code = (await http.post(path, json=wanted, headers=manager)).json()["code"]
        file = KeyFile(tmp_path / "key")
        file.path.write_bytes(key_of(place).to_pem())
        async with client_of(line, place) as own:
            line.fate = lambda request: "after" if request.url.path == "/v1/terminals" else ""
            with pytest.raises(LineDown):
                await own.rotate_key(file, code)
        line.fate = lambda _: ""
        await make.settle()
        async with client_of(line, place) as back:
            await back.rotate_key(KeyFile(tmp_path / "key"), code)
            await make.settle()
            assert (await back.me()).terminal == place.terminal
        assert not file.coming.exists()

    def test_signatures_are_those_of_another_library(self) -> None:
        key = TerminalKey.generate()
        said = key.assertion("t", "teller", "aud")
        public = ECKey.import_key(dict[str, str | list[str]](key.public_jwk))
        claims = jwt.decode(said, public, algorithms=["ES256"]).claims
        assert (claims["iss"], claims["teller"], claims["aud"]) == ("t", "teller", "aud")
        again = TerminalKey.from_pem(key.to_pem(b"x"), b"x")
        assert again.public_jwk == key.public_jwk
        with pytest.raises(ValueError, match="P-256"):
            TerminalKey.from_pem(OTHER.as_pem(private=True))


OLD: dict[str, Any] = ECKey.generate_key("P-256").as_dict(private=True)
OTHER = ECKey.generate_key("P-384")


class TestUploads:
    async def test_a_broken_line_sends_no_byte_twice_that_came(
        self, client: AsyncClient, line: Line
    ) -> None:
        parts = iter(range(100))
        cut = {1: "before", 3: "after", 4: "before"}

        def fate(request: httpx.Request) -> str:
            return cut.get(next(parts), "") if request.method == "PATCH" else ""

        line.fate = fate
        seen: list[tuple[int, int]] = []
        made = await client.upload(LARGE, progress=lambda done, size: seen.append((done, size)))
        assert (made.size, made.media_type) == (len(LARGE), "application/pdf")
        dones = [done for done, _ in seen]
        assert dones == sorted(dones)
        assert (dones[0], seen[-1]) == (0, (len(LARGE), len(LARGE)))
        again = await client.upload(LARGE)
        assert again.file == made.file

    async def test_it_is_taken_up_by_its_name(
        self, client: AsyncClient, line: Line, tmp_path: Path
    ) -> None:
        (tmp_path / "scan.pdf").write_bytes(LARGE)
        begun: list[str] = []
        line.fate = lambda request: "after" if request.method == "PATCH" else ""
        with pytest.raises(LineDown):
            await client.upload(tmp_path / "scan.pdf", begun=begun.append)
        line.fate = lambda _: ""
        first: list[int] = []
        made = await client.upload(
            tmp_path / "scan.pdf", resume=begun[0], progress=lambda done, _: first.append(done)
        )
        assert made.size == len(LARGE)
        assert first[0] >= FIRST

    async def test_what_is_no_scan_is_refused_at_once(
        self, client: AsyncClient, line: Line
    ) -> None:
        with pytest.raises(p.FileKindUnsupported):
            await client.upload(b"MZ" + b"\0" * 900)
        assert sum(method == "PATCH" for method, _ in line.sent) == 1

    async def test_an_upload_that_is_no_more_is_begun_anew(self, client: AsyncClient) -> None:
        gone = "00000000-0000-7000-8000-000000000000"
        assert (await client.upload(LARGE[:5000], resume=gone)).size == 5000


class TestFollowing:
    async def test_pages_come_as_they_are_told(
        self, client: AsyncClient, line: Line, sessions: Sessions
    ) -> None:
        made = await client.submit(m.body(accept=False))
        await tell(sessions)
        line.fate = once("before", "/v1/events")
        async for page in client.follow(pause=0.001):
            numbers = [event.application for event in page.items]
            break
        assert numbers == [made.number]
        assert (await client.events(page.next)).items == []


def test_both_faces_offer_the_same() -> None:
    def named(face: type[Any]) -> set[str]:
        return {name for name in dir(face) if not name.startswith("_")} - {"close", "aclose"}

    assert named(Client) == named(AsyncClient)
