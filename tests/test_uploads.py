"""Resumable uploads: parts, broken lines, two at once, and what is refused."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from api.state import State
from files import sweeping, uploads
from files.models import FileLeftover, FileUpload, StoredFile
from kit.db import Sessions
from tests.make import Make
from tests.test_files import PDF, send
from tests.test_submitting import rows

URL = "/v1/uploads"
TUS = {"Tus-Resumable": "1.0.0"}
PART = {**TUS, "Content-Type": "application/offset+octet-stream"}
LARGE = b"%PDF-1.7\n" + bytes(range(256)) * 12_000
"""More than two pieces."""


async def begin(
    http: httpx.AsyncClient, who: dict[str, str], length: int, **more: str
) -> httpx.Response:
    return await http.post(URL, headers={**who, **TUS, "Upload-Length": str(length), **more})


async def add(
    http: httpx.AsyncClient,
    who: dict[str, str],
    at: str,
    offset: int,
    part: bytes | AsyncIterator[bytes],
    **more: str,
) -> httpx.Response:
    headers = {**who, **PART, "Upload-Offset": str(offset), **more}
    return await http.patch(at, content=part, headers=headers)


async def started(http: httpx.AsyncClient, who: dict[str, str], length: int) -> str:
    answer = await begin(http, who, length)
    assert answer.status_code == 201, answer.text
    where = answer.headers["location"]
    assert where.startswith("http://outlet.test/v1/uploads/")
    return str(where)


async def offset(http: httpx.AsyncClient, who: dict[str, str], at: str) -> int:
    answer = await http.head(at, headers={**who, **TUS})
    assert answer.status_code == 200
    return int(answer.headers["upload-offset"])


def objects(state: State) -> list[Path]:
    return [p for p in (state.settings.home / "files").rglob("*") if p.is_file()]


@pytest.fixture(autouse=True)
def _empty_store(state: State) -> None:
    for path in objects(state):
        path.unlink()


@pytest.fixture
async def who(make: Make) -> dict[str, str]:
    return make.teller(await make.place())


class Line:
    """A connection of which a test says what comes over it, and when it breaks."""

    def __init__(self, app: FastAPI, who: dict[str, str], at: str, offset: int) -> None:
        headers = {**who, **PART, "Upload-Offset": str(offset), "Host": "outlet.test"}
        self._scope: dict[str, Any] = {
            "type": "http", "http_version": "1.1", "method": "PATCH", "scheme": "http",
            "path": httpx.URL(at).path, "raw_path": b"", "query_string": b"", "root_path": "",
            "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
            "client": ("127.0.0.1", 1), "server": ("outlet.test", 80),
        }  # fmt: skip
        self._coming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self._task = asyncio.create_task(app(self._scope, self._coming.get, self._send))

    async def _send(self, message: Any) -> None:
        self.sent.append(message)

    async def give(self, part: bytes) -> None:
        await self._coming.put({"type": "http.request", "body": part, "more_body": True})

    async def end(self) -> int:
        await self._coming.put({"type": "http.request", "body": b"", "more_body": False})
        return await self._answered()

    async def breaks(self) -> int:
        await self._coming.put({"type": "http.disconnect"})
        return await self._answered()

    async def _answered(self) -> int:
        await self._task
        return int(self.sent[0]["status"])


async def until(holds: Any) -> None:
    """Let the loop turn until something holds."""
    for _ in range(2000):
        if await holds():
            return
        await asyncio.sleep(0)
    raise AssertionError


class TestWhole:
    @pytest.mark.parametrize("step", [700_001, 1024 * 1024, 5_000_000])
    async def test_parts_become_the_file_that_one_piece_would(
        self, http: httpx.AsyncClient, who: dict[str, str], state: State, step: int
    ) -> None:
        at = await started(http, who, len(LARGE))
        for start in range(0, len(LARGE), step):
            answer = await add(http, who, at, start, LARGE[start : start + step])
            assert answer.status_code == 204, answer.text
            assert answer.headers["tus-resumable"] == "1.0.0"
            assert int(answer.headers["upload-offset"]) == min(start + step, len(LARGE))
        shown = (await http.get(at, headers=who)).json()
        once = (await send(http, who, LARGE)).json()
        assert {name: shown[name] for name in once} == once
        assert answer.headers["upload-file"] == once["file"]
        back = await http.get(f"/v1/files/{once['file']}", headers=who)
        assert back.content == LARGE
        assert len(objects(state)) == 1

    async def test_nothing_stands_in_clear_on_its_way(
        self, http: httpx.AsyncClient, who: dict[str, str], state: State, sessions: Sessions
    ) -> None:
        name = base64.b64encode("王小明.pdf".encode()).decode()
        answer = await begin(http, who, len(LARGE), **{"Upload-Metadata": f"filename {name},x"})
        at = answer.headers["location"]
        await add(http, who, at, 0, LARGE[:2_000_000])
        stored = b"".join(p.read_bytes() for p in objects(state))
        assert len(stored) > 2_000_000
        assert not any(LARGE[i : i + 32] in stored for i in range(0, 1_900_000, 99_991))
        head = await http.head(at, headers={**who, **TUS})
        assert head.headers["upload-metadata"] == f"filename {name},x"
        assert (head.headers["upload-length"], head.headers["cache-control"]) == (
            str(len(LARGE)), "no-store",
        )  # fmt: skip
        kept = (await rows(sessions, FileUpload))[0].metadata_sealed
        assert name.encode() not in kept

    async def test_many_small_parts_make_few_pieces(
        self, http: httpx.AsyncClient, who: dict[str, str], state: State, sessions: Sessions
    ) -> None:
        at = await started(http, who, len(PDF))
        for start in range(0, 30_000, 1000):
            await add(http, who, at, start, PDF[start : start + 1000])
        assert len(objects(state)) == 1
        assert len((await rows(sessions, FileUpload))[0].parts) == 1
        answer = await add(http, who, at, 30_000, PDF[30_000:])
        back = await http.get(f"/v1/files/{answer.headers['upload-file']}", headers=who)
        assert back.content == PDF

    async def test_the_protocol_says_what_it_speaks(self, http: httpx.AsyncClient) -> None:
        answer = await http.options(URL)
        assert answer.status_code == 204
        assert answer.headers["tus-version"] == "1.0.0"
        assert answer.headers["tus-max-size"] == str(20 * 1024 * 1024)
        assert set(answer.headers["tus-extension"].split(",")) == {
            "creation", "expiration", "checksum", "termination",
        }  # fmt: skip

    async def test_a_part_after_the_end_changes_nothing(
        self, http: httpx.AsyncClient, who: dict[str, str]
    ) -> None:
        at = await started(http, who, len(PDF))
        first = await add(http, who, at, 0, PDF)
        again = await add(http, who, at, len(PDF), b"")
        assert (again.status_code, again.headers["upload-file"]) == (
            204, first.headers["upload-file"],
        )  # fmt: skip
        assert (await add(http, who, at, 0, PDF)).status_code == 409


class TestLines:
    async def test_a_line_that_breaks_loses_nothing_that_came(
        self, app: FastAPI, http: httpx.AsyncClient, who: dict[str, str]
    ) -> None:
        at = await started(http, who, len(LARGE))
        line = Line(app, who, at, 0)
        for start in range(0, 1_500_000, 100_000):
            await line.give(LARGE[start : start + 100_000])
        assert await line.breaks() == 400
        assert await offset(http, who, at) == 1_500_000
        answer = await add(http, who, at, 1_500_000, LARGE[1_500_000:])
        back = await http.get(f"/v1/files/{answer.headers['upload-file']}", headers=who)
        assert back.content == LARGE

    async def test_a_line_that_breaks_at_once_changes_nothing(
        self, app: FastAPI, http: httpx.AsyncClient, who: dict[str, str]
    ) -> None:
        at = await started(http, who, len(PDF))
        await add(http, who, at, 0, PDF[:10])
        assert await Line(app, who, at, 10).breaks() == 400
        assert await offset(http, who, at) == 10
        assert (await add(http, who, at, 10, PDF[10:])).headers["upload-file"]

    async def test_of_two_at_once_the_later_one_goes_on(
        self, app: FastAPI, http: httpx.AsyncClient, who: dict[str, str], sessions: Sessions
    ) -> None:
        """The first one's line is dead, and nobody has told us."""
        at = await started(http, who, len(LARGE))

        async def held() -> bool:
            return (await rows(sessions, FileUpload))[0].holder is not None

        line = Line(app, who, at, 0)
        await line.give(LARGE[:300_000])
        await until(held)
        second = await add(http, who, at, 0, LARGE)
        assert second.status_code == 204
        assert await line.end() == 409
        back = await http.get(f"/v1/files/{second.headers['upload-file']}", headers=who)
        assert back.content == LARGE

    async def test_ten_at_once_make_one_file(
        self, http: httpx.AsyncClient, who: dict[str, str], sessions: Sessions, state: State
    ) -> None:
        at = await started(http, who, len(PDF))
        answers = await asyncio.gather(*(add(http, who, at, 0, PDF) for _ in range(10)))
        assert sorted({a.status_code for a in answers}) == [204, 409]
        assert sum(a.status_code == 204 for a in answers) == 1
        assert {a.json()["code"] for a in answers if a.status_code == 409} == {"upload-offset"}
        assert len(await rows(sessions, StoredFile)) == 1
        upload = (await rows(sessions, FileUpload))[0]
        assert (upload.received, upload.file) == (
            len(PDF),
            (await rows(sessions, StoredFile))[0].id,
        )


class TestChecksums:
    @pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
    async def test_a_part_that_differs_is_not_kept(
        self, http: httpx.AsyncClient, who: dict[str, str], algorithm: str
    ) -> None:
        at = await started(http, who, len(LARGE))
        part = LARGE[:2_500_000]
        right = base64.b64encode(hashlib.new(algorithm, part).digest()).decode()
        said = {"Upload-Checksum": f"{algorithm} {right}"}
        wrong = await add(http, who, at, 0, part[:-1] + b"!", **said)
        assert (wrong.status_code, wrong.json()["code"]) == (460, "checksum-mismatch")
        assert wrong.headers["tus-resumable"] == "1.0.0"
        assert await offset(http, who, at) == 0
        assert (await add(http, who, at, 0, part, **said)).status_code == 204
        assert await offset(http, who, at) == len(part)

    @pytest.mark.parametrize(
        "said", ["md5 1B2M2Y8AsgTpgAmY7PhCfg==", "sha1", "sha1 é", "sha1 AA=="]
    )
    async def test_what_is_no_checksum(
        self, http: httpx.AsyncClient, who: dict[str, str], said: str
    ) -> None:
        at = await started(http, who, len(PDF))
        headers = {**who, **PART, "Upload-Offset": "0"}
        answer = await http.patch(
            at,
            content=PDF,
            headers=[*headers.items(), ("Upload-Checksum", said.encode())],  # type: ignore[arg-type]
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "checksum-unknown")

    async def test_a_part_with_a_checksum_that_breaks_off_is_not_kept(
        self, app: FastAPI, http: httpx.AsyncClient, who: dict[str, str]
    ) -> None:
        at = await started(http, who, len(LARGE))
        line = Line(app, who | {"Upload-Checksum": "sha1 " + "A" * 27 + "="}, at, 0)
        await line.give(LARGE[:1_500_000])
        assert await line.breaks() == 400
        assert await offset(http, who, at) == 0


class TestRefusals:
    @pytest.mark.parametrize(
        ("length", "status", "code"),
        [("0", 422, "file-missing"), (str(20 * 1024 * 1024 + 1), 413, "file-too-large"),
         ("-1", 422, "request-invalid"), ("x", 422, "request-invalid")],
    )  # fmt: skip
    async def test_lengths_are_judged_before_a_byte_comes(
        self, http: httpx.AsyncClient, who: dict[str, str], length: str, status: int, code: str
    ) -> None:
        answer = await http.post(URL, headers={**who, **TUS, "Upload-Length": length})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["tus-resumable"] == "1.0.0"

    async def test_a_lie_about_the_kind_ends_it_early(
        self, http: httpx.AsyncClient, who: dict[str, str], state: State
    ) -> None:
        at = await started(http, who, 5_000_000)
        answer = await add(http, who, at, 0, b"MZ" + b"\0" * 2_000_000)
        assert (answer.status_code, answer.json()["code"]) == (415, "file-kind-unsupported")
        assert (await http.head(at, headers={**who, **TUS})).status_code == 404
        assert objects(state) == []

    async def test_a_short_lie_is_found_at_the_end(
        self, http: httpx.AsyncClient, who: dict[str, str], state: State
    ) -> None:
        at = await started(http, who, 6)
        await add(http, who, at, 0, b"%P")
        answer = await add(http, who, at, 2, b"NG!!")
        assert (answer.status_code, answer.json()["code"]) == (415, "file-kind-unsupported")
        assert objects(state) == []

    async def test_more_than_was_announced(
        self, http: httpx.AsyncClient, who: dict[str, str], sessions: Sessions
    ) -> None:
        at = await started(http, who, len(PDF) - 1)
        answer = await add(http, who, at, 0, PDF)
        assert (answer.status_code, answer.json()["code"]) == (413, "upload-past-length")
        assert await rows(sessions, StoredFile) == []

    async def test_elsewhere_than_it_stands(
        self, http: httpx.AsyncClient, who: dict[str, str]
    ) -> None:
        at = await started(http, who, len(PDF))
        await add(http, who, at, 0, PDF[:100])
        for start in (0, 99, 101):
            answer = await add(http, who, at, start, PDF[start:])
            assert (answer.status_code, answer.json()["code"]) == (409, "upload-offset")
            assert answer.json()["offset"] == 100

    async def test_other_versions_types_and_outlets(
        self, http: httpx.AsyncClient, who: dict[str, str], make: Make
    ) -> None:
        at = await started(http, who, len(PDF))
        stranger = make.teller(await make.place())
        for headers, status in (
            ({**who, **PART, "Upload-Offset": "0", "Tus-Resumable": "0.2.2"}, 412),
            ({**who, "Content-Type": PART["Content-Type"], "Upload-Offset": "0"}, 412),
            ({**who, **TUS, "Content-Type": "application/pdf", "Upload-Offset": "0"}, 415),
            ({**stranger, **PART, "Upload-Offset": "0"}, 404),
            ({**stranger, **PART}, 404),
            ({**who, **PART}, 422),
            ({**PART, "Upload-Offset": "0"}, 401),
        ):
            answer = await http.patch(at, content=PDF, headers=headers)
            assert answer.status_code == status, answer.text
            assert answer.headers["tus-resumable"] == "1.0.0"
        assert (await http.head(at, headers={**stranger, **TUS})).status_code == 404
        assert (await http.get(at, headers=stranger)).status_code == 404
        assert (await http.delete(at, headers={**stranger, **TUS})).status_code == 404
        assert await offset(http, who, at) == 0

    @pytest.mark.parametrize("said", ["filename é", ",", "a b c", "a " + "A" * 1100, "a =,b"])
    async def test_metadata_that_are_none(
        self, http: httpx.AsyncClient, who: dict[str, str], said: str
    ) -> None:
        headers = {**who, **TUS, "Upload-Length": "9"}
        answer = await http.post(
            URL,
            headers=[*headers.items(), ("Upload-Metadata", said.encode())],  # type: ignore[arg-type]
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "upload-metadata")

    async def test_a_store_that_refuses_keeps_what_was_told(
        self, http: httpx.AsyncClient, who: dict[str, str], state: State
    ) -> None:
        at = await started(http, who, len(LARGE))
        await add(http, who, at, 0, LARGE[:1_200_000])
        folder = state.settings.home / "files"
        away = folder.rename(folder.with_name("files.away"))
        folder.touch()
        try:
            refused = await add(http, who, at, 1_200_000, LARGE[1_200_000:])
        finally:
            folder.unlink()
            away.rename(folder)
        assert (refused.status_code, refused.json()["code"]) == (503, "files-away")
        assert await offset(http, who, at) == 1_200_000
        answer = await add(http, who, at, 1_200_000, LARGE[1_200_000:])
        back = await http.get(f"/v1/files/{answer.headers['upload-file']}", headers=who)
        assert back.content == LARGE


class TestEnds:
    async def test_termination_removes_what_came(
        self, http: httpx.AsyncClient, who: dict[str, str], state: State
    ) -> None:
        at = await started(http, who, len(LARGE))
        await add(http, who, at, 0, LARGE[:2_000_000])
        assert len(objects(state)) > 1
        assert (await http.delete(at, headers={**who, **TUS})).status_code == 204
        assert objects(state) == []
        for answer in (
            await http.head(at, headers={**who, **TUS}), await add(http, who, at, 0, LARGE),
            await http.delete(at, headers={**who, **TUS}),
        ):  # fmt: skip
            assert answer.status_code == 404

    async def test_a_file_outlives_its_upload(
        self, http: httpx.AsyncClient, who: dict[str, str], state: State
    ) -> None:
        at = await started(http, who, len(PDF))
        file = (await add(http, who, at, 0, PDF)).headers["upload-file"]
        await http.delete(at, headers={**who, **TUS})
        await sweeping.sweep(state.sessions, state.vault.files)
        assert (await http.get(f"/v1/files/{file}", headers=who)).content == PDF

    async def test_what_nobody_goes_on_with_expires(
        self, http: httpx.AsyncClient, who: dict[str, str], state: State, owner: AsyncEngine
    ) -> None:
        at = await started(http, who, len(LARGE))
        part = await add(http, who, at, 0, LARGE[:2_000_000])
        assert part.headers["upload-expires"].endswith("GMT")
        await age(owner, FileUpload, "expires_at", uploads.LIFE)
        assert (await http.head(at, headers={**who, **TUS})).status_code == 404
        assert (await sweeping.sweep(state.sessions, state.vault.files)).expired == 1
        await age(owner, FileLeftover, "due_at", uploads.LATE)
        assert (await sweeping.sweep(state.sessions, state.vault.files)).removed == 1
        assert objects(state) == []
        assert await rows(state.sessions, FileLeftover) == []

    async def test_what_comes_after_the_end_is_no_file(
        self, app: FastAPI, http: httpx.AsyncClient, who: dict[str, str], sessions: Sessions
    ) -> None:
        at = await started(http, who, len(PDF))

        async def held() -> bool:
            return (await rows(sessions, FileUpload))[0].holder is not None

        line = Line(app, who, at, 0)
        await until(held)
        await http.delete(at, headers={**who, **TUS})
        await line.give(PDF)
        assert await line.end() == 409
        assert await rows(sessions, StoredFile) == []


async def age(owner: AsyncEngine, table: Any, column: str, by: timedelta) -> None:
    """Let rows be older than they are."""
    async with owner.begin() as connection:
        moved = {column: getattr(table, column) - by}
        await connection.execute(sa.update(table).values(moved))
