"""Scans: streamed, sealed, read by who may."""

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from access.policy import Role
from api.state import State
from files.models import StoredFile
from kit.db import Sessions
from tests import make as m
from tests.make import PENSION, Make
from tests.test_submitting import rows

URL = "/v1/files"
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 3000
OTHERS = {
    "image/jpeg": b"\xff\xd8\xff\xe0" + b"j" * 700,
    "image/png": b"\x89PNG\r\n\x1a\n" + b"p" * 10,
    "application/ofd": b"PK\x03\x04" + b"\0" * 26 + b"OFD.xml" + b"o" * 600,
}


async def send(
    http: httpx.AsyncClient, who: dict[str, str], content: bytes, name: str = "file"
) -> httpx.Response:
    return await http.post(URL, files={name: ("scan", content)}, headers=who)


async def test_comes_back_as_it_went(http: httpx.AsyncClient, make: Make, state: State) -> None:
    who = make.teller(await make.place())
    made = (await send(http, who, PDF)).json()
    assert (made["sha256"], made["size"], made["media_type"]) == (
        sha256(PDF).hexdigest(), len(PDF), "application/pdf",
    )  # fmt: skip
    back = await http.get(f"{URL}/{made['file']}", headers=who)
    assert (back.content, back.headers["content-type"]) == (PDF, "application/pdf")
    stored = b"".join(
        p.read_bytes() for p in (state.settings.home / "files").rglob("*") if p.is_file()
    )
    assert PDF[:64] not in stored
    assert PDF[300:364] not in stored


@pytest.mark.parametrize("kind", OTHERS)
async def test_kinds(http: httpx.AsyncClient, make: Make, kind: str) -> None:
    answer = await send(http, make.teller(await make.place()), OTHERS[kind])
    assert (answer.status_code, answer.json()["media_type"]) == (201, kind)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "file-missing"),
        (b"MZ" + b"\0" * 900, 415, "file-kind-unsupported"),
        (b"%PDF", 415, "file-kind-unsupported"),
        (b"%PDF-" + b"x" * 20 * 1024 * 1024, 413, "file-too-large"),
    ],
    ids=["empty", "lies", "short", "large"],
)
async def test_refused_and_nothing_kept(
    http: httpx.AsyncClient,
    make: Make,
    sessions: Sessions,
    state: State,
    content: bytes,
    status: int,
    code: str,
) -> None:
    folder = state.settings.home / "files"
    before = {p for p in folder.rglob("*") if p.is_file()}
    answer = await send(http, make.teller(await make.place()), content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await rows(sessions, StoredFile) == []
    assert {p for p in folder.rglob("*") if p.is_file()} == before


async def test_largest_that_is_taken(http: httpx.AsyncClient, make: Make) -> None:
    content = b"%PDF-" + b"x" * (20 * 1024 * 1024 - 5)
    assert (await send(http, make.teller(await make.place()), content)).status_code == 201


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("application/json", b"{}", "file-missing"),
        ("multipart/form-data", b"", "file-missing"),
        ("multipart/form-data; boundary=b", b"", "upload-malformed"),
        ("multipart/form-data; boundary=b", b"--b\r\nnonsense", "upload-malformed"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n%PDF-1.7 broken off',
            "upload-malformed",
        ),
    ],
)
async def test_malformed(
    http: httpx.AsyncClient, make: Make, kind: str, body: bytes, code: str
) -> None:
    who = make.teller(await make.place())
    answer = await http.post(URL, content=body, headers={**who, "Content-Type": kind})
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["code"] == code


async def test_other_field_is_no_file(http: httpx.AsyncClient, make: Make) -> None:
    answer = await send(http, make.teller(await make.place()), PDF, name="upload")
    assert answer.json()["code"] == "file-missing"


async def test_streamed_upload_in_small_pieces(http: httpx.AsyncClient, make: Make) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'

    async def pieces() -> AsyncIterator[bytes]:
        whole = head + PDF + b"\r\n--b--\r\n"
        for start in range(0, len(whole), 7001):
            yield whole[start : start + 7001]

    who = {**make.teller(await make.place()), "Content-Type": "multipart/form-data; boundary=b"}
    answer = await http.post(URL, content=pieces(), headers=who)
    assert answer.json()["sha256"] == sha256(PDF).hexdigest()


async def test_read_by_the_deciding_agency_and_nobody_else(
    http: httpx.AsyncClient, make: Make
) -> None:
    who = make.teller(await make.place())
    file = (await send(http, who, PDF)).json()["file"]
    wanted: dict[str, Any] = m.body(PENSION)
    wanted["materials"] = [
        {"code": "id_card", "exemption": "card_read"}, {"code": "claim_form", "file": file},
    ]  # fmt: skip
    made = (await m.submit(http, who, wanted)).json()
    at = {"application": made["number"]}
    reviewer, other = await make.person(Role.REVIEWER), await make.person(Role.REVIEWER, "330105")
    assert (await http.get(f"{URL}/{file}", params=at, headers=reviewer)).content == PDF
    stranger = make.teller(await make.place())
    for headers, params in (
        (reviewer, {}), (other, at), (stranger, at), (stranger, {}), (reviewer, {"application": "x"}),
    ):  # fmt: skip
        answer = await http.get(f"{URL}/{file}", params=params, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "file-not-found")
    for junk in ("x", "%00", "é", file[:-2] + "xx"):
        assert (await http.get(f"{URL}/{junk}", headers=who)).status_code == 404


async def test_a_store_that_refuses_is_a_503_and_then_goes_on(
    http: httpx.AsyncClient, make: Make, sessions: Sessions, state: State
) -> None:
    """A plain file stands where the folder was: nothing can be written there, nothing read."""
    who = make.teller(await make.place())
    file = (await send(http, who, PDF)).json()["file"]
    folder = state.settings.home / "files"
    away = folder.rename(folder.with_name("files.away"))
    folder.touch()
    try:
        refused = await send(http, who, PDF), await http.get(f"{URL}/{file}", headers=who)
    finally:
        folder.unlink()
        away.rename(folder)
    for answer in refused:
        assert (answer.status_code, answer.json()["code"]) == (503, "files-away")
        assert "Retry-After" in answer.headers
    assert len(await rows(sessions, StoredFile)) == 1
    assert (await http.get(f"{URL}/{file}", headers=who)).content == PDF
    for path in filter(Path.is_file, folder.rglob("*")):
        path.unlink()
    lost = await http.get(f"{URL}/{file}", headers=who)
    assert (lost.status_code, lost.json()["code"]) == (404, "file-not-found")
