"""Scans in an S3 store, over HTTP: kept, resumed, removed; and a store that is away or never answers."""

import asyncio
import contextlib
import json
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from api.state import State, running
from files import sweeping
from files.models import FileLeftover, StoredFile
from files.uploads import LATE
from kit.settings import Settings
from tests.make import Make
from tests.slow.service import free_port
from tests.test_files import PDF, send
from tests.test_submitting import rows
from tests.test_sweeping import WEEK
from tests.test_uploads import LARGE, TUS, add, age, offset, started

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

BUCKET = "scans"
SECRET = "test"
FULL = b"%PDF-" + bytes(range(256)) * (20 * 1024 * 4 - 1)
"""Nearly 20 MiB: more than one part of the store's own."""


class Bucket:
    """What the store itself says of what it holds."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._s3 = boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1",
            aws_access_key_id=SECRET, aws_secret_access_key=SECRET,
            config=Config(s3={"addressing_style": "path"}, proxies={}),
        )  # fmt: skip

    def make(self) -> None:
        self._s3.create_bucket(Bucket=BUCKET)

    def keys(self) -> list[str]:
        return [o["Key"] for o in self._s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())]

    def bytes(self) -> bytes:
        return b"".join(
            self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in self.keys()
        )

    def begun(self) -> list[Any]:
        """Uploads of several parts that were neither ended nor given up."""
        return list(self._s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ()))


@contextlib.contextmanager
def serving(port: int) -> Iterator[Bucket]:
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    httpx.post(f"http://127.0.0.1:{port}/moto-api/reset", trust_env=False)
    try:
        yield Bucket(port)
    finally:
        server.stop()


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with serving(free_port()) as found:
        found.make()
        yield found


def by_environment(settings: Settings, port: int, patch: pytest.MonkeyPatch) -> Settings:
    """The settings of a process whose store an operator has named."""
    patch.setenv("SYT_FILES_URL", f"s3://{BUCKET}")
    patch.setenv("SYT_FILES_OPTIONS", json.dumps({
        "endpoint": f"http://127.0.0.1:{port}", "region": "us-east-1",
        "access_key_id": SECRET, "secret_access_key": SECRET,
        "virtual_hosted_style_request": False,
        "client_options": {"allow_http": True, "read_timeout": "2s", "connect_timeout": "1s"},
        "retry_config": {"max_retries": 1, "retry_timeout": 3},
    }))  # fmt: skip
    named = settings.model_dump(exclude={"files_url", "files_options"})
    return Settings(**named)


@contextlib.asynccontextmanager
async def client(settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, State]]:
    app = create_app(settings)
    async with running(app.state.syt):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://outlet.test") as http:
            yield http, app.state.syt


async def test_a_scan_comes_goes_and_is_removed(
    settings: Settings,
    bucket: Bucket,
    owner: AsyncEngine,
    clean: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = by_environment(settings, bucket.port, monkeypatch)
    async with client(ours) as (http, state):
        who = await _teller(state)
        for content in (PDF, FULL):
            file = (await send(http, who, content)).json()["file"]
            assert (await http.get(f"/v1/files/{file}", headers=who)).content == content
        assert len(bucket.keys()) == 2
        assert not any(PDF[i : i + 64] in bucket.bytes() for i in (0, 300, 5000))
        await age(owner, StoredFile, "created_at", WEEK)
        assert (await sweeping.sweep(state.sessions, state.vault.files)).removed == 2
        assert bucket.keys() == []


async def test_parts_lie_in_the_store_until_they_are_whole(
    settings: Settings,
    bucket: Bucket,
    owner: AsyncEngine,
    clean: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each part through another process: nothing of an upload is in the memory of one."""
    ours = by_environment(settings, bucket.port, monkeypatch)
    async with client(ours) as (one, state), client(ours) as (other, beside):
        who = await _teller(state)
        await beside.follower.look()
        at = await started(one, who, len(LARGE))
        for start in range(0, len(LARGE), 900_000):
            http = other if start // 900_000 % 2 else one
            answer = await add(http, who, at, start, LARGE[start : start + 900_000])
            assert answer.status_code == 204, answer.text
        assert len(bucket.keys()) == 1
        back = await one.get(f"/v1/files/{answer.headers['upload-file']}", headers=who)
        assert back.content == LARGE
        left = await started(one, who, len(LARGE))
        await add(other, who, left, 0, LARGE[:2_500_000])
        assert len(bucket.keys()) == 4
        await one.delete(left, headers={**who, **TUS})
        assert len(bucket.keys()) == 1
        await age(owner, FileLeftover, "due_at", LATE)
        await sweeping.sweep(state.sessions, state.vault.files)
        assert bucket.begun() == []


@pytest.mark.parametrize("lie", [b"MZ" + b"\0" * 9_000_000, FULL + b"x" * 2_000_000, FULL])
async def test_what_is_refused_or_breaks_off_leaves_nothing(
    settings: Settings, bucket: Bucket, clean: None, monkeypatch: pytest.MonkeyPatch, lie: bytes
) -> None:
    """Of the first kind the beginning tells, of the second the end, of the third the line."""
    ours = by_environment(settings, bucket.port, monkeypatch)
    async with client(ours) as (http, state):
        who = await _teller(state)
        body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + lie
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        answer = await http.post("/v1/files", content=body, headers={**who, **kind})
        assert answer.status_code in (400, 413, 415)
        assert bucket.keys() == []
        assert bucket.begun() == []
        assert await rows(state.sessions, StoredFile) == []


async def test_a_store_that_is_away_is_told_of_soon_and_nothing_is_half_done(
    settings: Settings, clean: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    ours = by_environment(settings, port, monkeypatch)
    async with client(ours) as (http, state):
        who = await _teller(state)
        began = asyncio.get_running_loop().time()
        away = await send(http, who, PDF)
        assert (away.status_code, away.json()["code"]) == (503, "files-away")
        assert asyncio.get_running_loop().time() - began < 15
        at = await started(http, who, len(PDF))
        assert (await add(http, who, at, 0, PDF)).status_code == 503
        assert await offset(http, who, at) == 0
        assert await rows(state.sessions, StoredFile) == []
        with serving(port) as bucket:
            bucket.make()
            file = (await send(http, who, PDF)).json()["file"]
            assert (await add(http, who, at, 0, PDF)).headers["upload-file"] == file
        gone = await http.get(f"/v1/files/{file}", headers=who)
        assert (gone.status_code, gone.json()["code"]) == (503, "files-away")


async def test_a_store_that_never_answers_is_away(
    settings: Settings, clean: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        ours = by_environment(settings, deaf.getsockname()[1], monkeypatch)
        async with client(ours) as (http, state):
            who = await _teller(state)
            began = asyncio.get_running_loop().time()
            slow = await send(http, who, PDF)
            assert (slow.status_code, slow.json()["code"]) == (503, "files-away")
            assert asyncio.get_running_loop().time() - began < 15
            assert await rows(state.sessions, StoredFile) == []


async def test_memory_stays_flat_while_files_come_in(
    settings: Settings, clean: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten at once, 200 MiB in all, into a folder: no more than a few pieces of each are held."""
    async with client(settings) as (http, state):
        who = await _teller(state)
        await _slowly(http, who, b"warm")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await asyncio.gather(*(_slowly(http, who, bytes([n])) for n in range(10)))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 60 * 1024, f"{grown} KiB"


async def _slowly(http: httpx.AsyncClient, who: dict[str, str], mark: bytes) -> None:
    """Send 20 MiB that are never in one piece."""

    async def pieces() -> AsyncIterator[bytes]:
        yield (
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n%PDF-' + mark
        )
        for _ in range(20 * 16 - 1):
            yield bytes(64 * 1024)
            await asyncio.sleep(0)
        yield b"\r\n--b--\r\n"

    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await http.post("/v1/files", content=pieces(), headers={**who, **kind})
    assert answer.status_code == 201, answer.text


async def _teller(state: State) -> dict[str, str]:
    make = Make(state)
    return make.teller(await make.place())
