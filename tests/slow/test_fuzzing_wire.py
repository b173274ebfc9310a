"""Raw bytes on a socket: what no client library would send is answered or hung up on, and never kept."""

import json
import random
import socket
from collections.abc import Iterator

import pytest

from kit.settings import Settings
from tests import make as m
from tests.make import IDS
from tests.slow.fuzzing import Running, calls, served
from tests.slow.test_fuzzing import SEEDS

pytestmark = pytest.mark.slow

SECONDS = 10
"""After which a connection counts as hanging: the server has been told that nothing more will come."""

PATIENCE = 0.2
"""For how long a server that waits for more is let wait."""

MUTATIONS = 400
NAME = "秘密某某某"
SECRETS = (NAME.encode(), IDS[0].encode(), b"13900000001")


@pytest.fixture(scope="module")
def running(settings: Settings) -> Iterator[Running]:
    with served(settings) as running:
        yield running


def exchange(running: Running, sent: bytes) -> bytes:
    """Send bytes and read until the server hangs up; where it waits, tell it that there are no more."""
    answer, told = b"", False
    with socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE) as connection:
        try:
            connection.sendall(sent)
            while True:
                try:
                    if not (piece := connection.recv(65536)):
                        return answer
                    answer += piece
                except TimeoutError:
                    assert not told, "the connection hangs"
                    connection.shutdown(socket.SHUT_WR)
                    connection.settimeout(SECONDS)
                    told = True
        except (ConnectionResetError, BrokenPipeError):
            return answer  # Hung up on before all was sent: as good as an answer.


def statuses(answer: bytes) -> list[int]:
    """Read the status of each answer on a connection; none where it was hung up on."""
    lines = (part.split(b"\r\n", 1)[0] for part in answer.split(b"HTTP/1.1 ")[1:])
    return [int(line[:3]) for line in lines]


def assert_sound(running: Running, sent: bytes) -> list[int]:
    """No fault of the server's, nothing personal in the answer, and the service is still there."""
    answer = exchange(running, sent)
    found = statuses(answer)
    assert all(status < 500 for status in found), answer[:500]
    if any(status >= 400 for status in found):
        assert not any(secret in answer for secret in SECRETS), answer[:500]
    return found


def request(
    running: Running, *lines: str, body: bytes = b"", start: str = "POST /v1/applications HTTP/1.1"
) -> bytes:
    token = running.callers["a teller"]["Authorization"]
    head = [start, "Host: outlet.test", f"Authorization: {token}", *lines]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def submission() -> bytes:
    wanted = m.body()
    wanted["applicant"]["name"] = NAME
    return json.dumps(wanted).encode()


def whole(running: Running) -> bytes:
    """A submission that is right; sent whole, it is taken."""
    body = submission()
    return request(
        running, f"Idempotency-Key: {m.key()}", "Content-Type: application/json",
        f"Content-Length: {len(body)}", "Connection: close", body=body,
    )  # fmt: skip


def test_the_call_that_the_others_are_made_of_is_right(running: Running) -> None:
    assert statuses(exchange(running, whole(running))) == [201]


HEADS = {
    "two lengths that differ": ("Content-Length: 5", "Content-Length: 6"),
    "a negative length": ("Content-Length: -1",),
    "a length that is no number": ("Content-Length: 5x",),
    "a length beyond counting": (f"Content-Length: {'9' * 400}",),
    "a length and chunks": ("Content-Length: 5", "Transfer-Encoding: chunked"),
    "an unknown coding": ("Transfer-Encoding: rot13",),
    "a huge header": (f"X-Long: {'x' * 200_000}",),
    "very many headers": tuple(f"X-{n}: {n}" for n in range(5000)),
    "a NUL in a header": ("X-Odd: a\0b",),
    "a folded header": ("X-Odd: a", " folded"),
    "a header without a colon": ("X-Odd",),
    "a header without a name": (": x",),
    "bytes beyond ASCII": ("X-Request-Id: \xff\xfe", "Idempotency-Key: \xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9"),
    "a line within a request id": ("X-Request-Id: a\rSet-Cookie: b",),
    "two tokens": ("Authorization: Bearer x",),
    "a token of another kind": ("Authorization: \xff",),
    "an upgrade": ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x"),
    "an expectation": ("Expect: 100-continue", "Content-Length: 2"),
    "a compressed body": ("Content-Encoding: gzip", "Content-Length: 2"),
    "a type that is none": ("Content-Type: ;;;=", "Content-Length: 2"),
    "a language that is none": ("Accept-Language: \xff;q=nan,,;", "Content-Length: 2"),
}  # fmt: skip

STARTS = {
    "a bad escape": "GET /v1/matters/%zz HTTP/1.1",
    "an escape cut short": "GET /v1/matters/%e4%b HTTP/1.1",
    "bytes that are no UTF-8": "GET /v1/matters/%ff%fe HTTP/1.1",
    "a lone surrogate": "GET /v1/matters/%ed%a0%80 HTTP/1.1",
    "a NUL in a path": "GET /v1/applications/%00 HTTP/1.1",
    "a NUL in a query": "GET /v1/outlets?q=%00 HTTP/1.1",
    "a NUL in a file": "GET /v1/files/a%00b HTTP/1.1",
    "no UTF-8 in a query": "GET /v1/outlets?q=%ff%ed%a0%80 HTTP/1.1",
    "no UTF-8 in a guide's place": "GET /v1/matters/332014901008/guide?division=%ff HTTP/1.1",
    "raw bytes in a path": "GET /v1/matters/\xff\xfe HTTP/1.1",
    "raw bytes in a query": "GET /v1/outlets?q=\xff HTTP/1.1",
    "a mark of bytes": "GET /v1/applications?after=%ff%00 HTTP/1.1",
    "ten thousand parameters": f"GET /v1/outlets?{'&'.join(['limit=1'] * 10_000)} HTTP/1.1",
    "a path that climbs": "GET /../../etc/passwd HTTP/1.1",
    "a path that climbs in escapes": "GET /v1/files/..%2f..%2fkeys.json HTTP/1.1",
    "a path of slashes": f"GET {'/' * 5000} HTTP/1.1",
    "a long path": f"GET /v1/applications/{'x' * 60_000} HTTP/1.1",
    "a whole address": "GET http://elsewhere.test/v1/matters HTTP/1.1",
    "an authority": "CONNECT elsewhere.test:443 HTTP/1.1",
    "a star": "OPTIONS * HTTP/1.1",
    "a method of nobody": "BREW /v1/matters HTTP/1.1",
    "an old version": "GET /v1/matters HTTP/0.9",
    "a future version": "GET /v1/matters HTTP/9.9",
    "no version": "GET /v1/matters",
    "the other protocol": "PRI * HTTP/2.0",
    "no line at all": "",
}

BODIES = {
    "a lone surrogate": b'{"matter": "\\ud800"}',
    "surrogates the wrong way round": b'{"matter": "\\udc00\\ud800"}',
    "deep lists": b"[" * 500_000,
    "deep objects": b'{"a":' * 150_000,
    "the same name twice": b'{"matter": "332014901008", "matter": "x", "matter": null}',
    "a number beyond counting": b'{"guide_version": 1' + b"0" * 5000 + b"}",
    "a fraction beyond counting": b'{"guide_version": 1e308}',
    "a whole number of 64 bits and more": b'{"guide_version": 18446744073709551616}',
    "no number": b'{"guide_version": NaN}',
    "no end of a number": b'{"guide_version": -Infinity}',
    "a NUL": b'{"matter": "\\u0000"}',
    "a bare NUL": b'{"matter": "\0"}',
    "another encoding": "{}".encode("utf-16"),
    "a mark of byte order": b"\xef\xbb\xbf{}",
    "no UTF-8": b'{"matter": "\xff\xfe"}',
    "nothing": b"",
    "very many members": b"[" + b"1," * 200_000 + b"1]",
    "more than is taken": b'"' + b"x" * 3_000_000 + b'"',
}

CHUNKS = {
    "a size that is none": b"zz\r\n{}\r\n0\r\n\r\n",
    "a negative size": b"-2\r\n{}\r\n0\r\n\r\n",
    "a size beyond counting": b"f" * 40 + b"\r\n{}\r\n0\r\n\r\n",
    "a chunk that is longer than it says": b"1\r\n{}\r\n0\r\n\r\n",
    "a chunk that never comes": b"ff\r\n{}",
    "no last chunk": b"2\r\n{}\r\n",
    "a trailer with a token": b"2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\n\r\n",
    "chunks without line ends": b"2{}0",
    "very many chunks": b"1\r\n \r\n" * 20_000 + b"2\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("what", HEADS)
def test_heads(running: Running, what: str) -> None:
    found = assert_sound(running, request(running, *HEADS[what], "Connection: close", body=b"{}"))
    assert all(status >= 400 for status in found if status >= 200)


@pytest.mark.parametrize("what", STARTS)
def test_first_lines(running: Running, what: str) -> None:
    assert_sound(running, request(running, "Connection: close", start=STARTS[what]))


@pytest.mark.parametrize("what", BODIES)
def test_bodies(running: Running, what: str) -> None:
    body, key = BODIES[what], f"Idempotency-Key: {m.key()}"
    kind = "Content-Type: application/json"
    found = assert_sound(
        running,
        request(running, key, kind, f"Content-Length: {len(body)}", "Connection: close", body=body),
    )
    assert found in ([], [400], [413], [422])


@pytest.mark.parametrize("what", CHUNKS)
def test_chunks(running: Running, what: str) -> None:
    lines = ("Transfer-Encoding: chunked", f"Idempotency-Key: {m.key()}", "Connection: close")
    found = assert_sound(running, request(running, *lines, body=CHUNKS[what]))
    assert found in ([], [400], [413], [422])


def test_a_call_that_is_cut_anywhere_leaves_nothing_half_done(running: Running) -> None:
    sent = whole(running)
    for end in range(0, len(sent), 37):
        found = assert_sound(running, sent[:end])
        assert found == [] or found[0] >= 400


def broken(sent: bytes, chance: random.Random) -> bytes:
    """Do one to four things to a call: a byte changed, put in, taken out, or a part said twice."""
    changed = bytearray(sent)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed))
        end = min(len(changed), at + chance.randint(1, 40))
        changed[at:end] = chance.choice(
            (
                bytes([chance.randrange(256)]) + changed[at + 1 : end],
                chance.choice((b"\0", b"\r\n", b" ", b":", b"%", b",", b"{", b'"', b"\xff", b"0"))
                + changed[at:end],
                b"",
                changed[at:end] * 2,
            )
        )
    return bytes(changed)


@pytest.mark.parametrize("seed", SEEDS)
def test_calls_that_are_broken_somehow(running: Running, seed: str) -> None:
    print(f"FUZZ_SEED={SEEDS[seed]}")  # noqa: T201 -- shown where it fails
    chance = random.Random(SEEDS[seed])
    met = {
        status
        for _ in range(MUTATIONS)
        for status in assert_sound(running, broken(whole(running), chance))
    }
    assert {201, 400, 422} <= met
    with calls() as session:
        assert session.get(f"{running.url}/health/ready").status_code == 200
