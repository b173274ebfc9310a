"""Traces reach a collector, tell nothing personal, and harm nobody when it is away."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from access.policy import Role
from kit import telemetry
from kit.settings import Settings
from tests import make as m
from tests.make import IDS, Make

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
SECONDS = 30.0
FAST = {"OTEL_BSP_SCHEDULE_DELAY": "100"}


@dataclass
class Collector:
    """Takes spans as a collector does: protobuf over HTTP."""

    status: int = 200
    requests: list[ExportTraceServiceRequest] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    @property
    def resources(self) -> list[ResourceSpans]:
        return [found for request in self.requests for found in request.resource_spans]

    def spans(self, service: str) -> list[Span]:
        return [
            span
            for resource in self.resources if named(resource) == service
            for scope in resource.scope_spans for span in scope.spans
        ]  # fmt: skip

    def wait_for(self, service: str, name: str) -> Span:
        deadline = time.monotonic() + SECONDS
        while not (found := [s for s in self.spans(service) if s.name == name]):
            assert time.monotonic() < deadline, {s.name for s in self.spans(service)}
            time.sleep(0.05)
        return found[0]


def named(resource: ResourceSpans) -> str:
    found = {a.key: a.value.string_value for a in resource.resource.attributes}
    return str(found["service.name"])


@contextlib.contextmanager
def collecting(status: int = 200) -> Iterator[tuple[Collector, str]]:
    collector = Collector(status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                collector.raw.append(body)
                collector.requests.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(collector.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Api:
    """An API process of its own."""

    url: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(SECONDS)


def environment(settings: Settings, more: Mapping[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SYT_", "OTEL_"))}
    return {
        **kept, "SYT_HOME": str(settings.home), "SYT_DATABASE_URL": settings.database_url or "",
        "SYT_PUBLIC_URL": settings.public_url, "SYT_LOCAL_ISSUER": "true", **FAST, **more,
    }  # fmt: skip


@contextlib.contextmanager
def serving(settings: Settings, **more: str) -> Iterator[Api]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-m", "api", str(listener.fileno())], cwd=ROOT,
            env=environment(settings, more), pass_fds=[listener.fileno()], stdout=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        assert httpx.get(f"{url}/health/ready", timeout=SECONDS).status_code == 200
        yield Api(url, process)
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def working(settings: Settings, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "worker"], cwd=ROOT, env=environment(settings, more),
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def attributes(span: Span) -> dict[str, str]:
    return {a.key: a.value.string_value or str(a.value.int_value) for a in span.attributes}


@pytest.fixture
async def callers(make: Make, clean: None) -> tuple[dict[str, str], dict[str, str]]:
    """Headers of a teller and of a reviewer."""
    return make.teller(await make.place()), await make.person(Role.REVIEWER)


SECRET = "3300990199secret"
PARENT = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
SENT = {"traceparent": PARENT, "tracestate": f"who={SECRET}", "baggage": f"a={SECRET}"}


def call_all(url: str, teller: dict[str, str], reviewer: dict[str, str]) -> str:
    """What the express lane answers, what the router answers, what nobody does; gives the number made."""
    with httpx.Client(base_url=url, headers=teller, timeout=SECONDS) as client:
        guide = client.get(f"/v1/matters/{m.RECORD}/guide?division=330106", headers=SENT)
        keyed = {**SENT, "Idempotency-Key": m.key()}
        made = client.post("/v1/applications", json=m.body(), headers=keyed)
        number: str = made.json()["number"]
        client.get(f"/v1/applications/{number}?x={SECRET}", headers=reviewer)
        client.get("/v1/outlets", params={"q": SECRET})
        lost = client.request("PROPFIND", f"/none/{SECRET}")
    assert [answer.status_code for answer in (guide, made, lost)] == [200, 201, 404]
    return number


def test_calls_are_traced_by_their_templates(
    settings: Settings, callers: tuple[dict[str, str], dict[str, str]]
) -> None:
    with (
        collecting() as (collector, endpoint),
        serving(settings, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as api,
    ):
        number = call_all(api.url, *callers)
        lane = collector.wait_for("syt-api", "POST /v1/applications")
        for name in (
            "GET /v1/matters/{matter}/guide", "GET /v1/applications/{number}", "GET /v1/outlets", "HTTP",
        ):  # fmt: skip
            collector.wait_for("syt-api", name)
        api.stop()
    assert (lane.kind, lane.trace_id.hex()) == (Span.SPAN_KIND_SERVER, PARENT.split("-")[1])
    assert attributes(lane)["http.route"] == "/v1/applications"
    assert attributes(lane)["http.response.status_code"] == "201"
    names = [span.name for span in collector.spans("syt-api")]
    assert names.count("GET /v1/applications/{number}") == 1  # Not by the framework once more.
    everything = b"".join(collector.raw)
    for word in (number, SECRET, IDS[0], "测试甲", "13900000001", "330106", m.RECORD):
        assert word.encode() not in everything, word


def test_what_was_not_sent_yet_is_sent_at_the_end(settings: Settings) -> None:
    slow = {"OTEL_BSP_SCHEDULE_DELAY": "600000", "OTEL_SERVICE_NAME": "named-by-the-operator"}
    with (
        collecting() as (collector, endpoint),
        serving(settings, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, **slow) as api,
    ):
        assert httpx.get(f"{api.url}/health/live").status_code == 200
        assert not collector.requests
        api.stop()
        collector.wait_for("named-by-the-operator", "GET /health/live")


def test_tasks_of_the_worker_are_traced(settings: Settings) -> None:
    with (
        collecting() as (collector, endpoint),
        working(settings, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as process,
    ):
        for name in ("sequence", "housekeeping", "watch"):
            collector.wait_for("syt-worker", name)
        process.terminate()
        assert process.wait(SECONDS) == 0


@pytest.mark.parametrize("how", ["refuses", "never answers"])
def test_a_collector_that_fails_harms_nobody(settings: Settings, how: str) -> None:
    with contextlib.ExitStack() as stack:
        if how == "refuses":
            endpoint = stack.enter_context(collecting(503))[1]
        else:
            silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        api = stack.enter_context(serving(settings, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint))
        with httpx.Client(base_url=api.url, timeout=5) as client:
            assert {client.get("/health/ready").status_code for _ in range(200)} == {200}
        api.stop()
        assert api.process.returncode in (0, -signal.SIGTERM)  # Nobody had to kill it.


def test_nothing_is_loaded_when_no_collector_is_named(settings: Settings) -> None:
    code = (
        "import sys; from api.app import create_app; from api.edge import Edge; app = create_app();"
        "from kit.telemetry import traces\nwith traces('x'): pass\n"
        "assert type(app._front) is Edge\n"
        "assert not [n for n in sys.modules if n.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))]"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(settings, {}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_when_it_is_wanted(
    variables: dict[str, str], wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*telemetry.ENDPOINTS, "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert telemetry.wanted() is wanted


def test_a_worker_without_an_api_shows_its_own_figures(settings: Settings) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    with working(settings, SYT_METRICS_PORT=str(port)):
        deadline, text = time.monotonic() + SECONDS, ""
        while 'syt_task_done_at_seconds{task="watch"}' not in text:
            assert time.monotonic() < deadline, text
            with contextlib.suppress(httpx.TransportError):
                text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
            time.sleep(0.1)
    for name in ("syt_feed_lag_seconds", "syt_applications_late", "syt_events_told_total"):
        assert name in text
