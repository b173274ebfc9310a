"""The topology of the composition, as processes: the same secrets, roles, balancer and settings.

`python -m tests.slow.topology` runs it until Ctrl-C, to be looked at.
"""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from cli import card, demo
from cli.home import _asyncpg, say
from cli.login import ASSERTION_TYPE, assertion
from kit.crypto import KeyRing
from kit.db import make_engine, make_sessions
from kit.embedded import Cluster
from tests.slow.service import (
    ROOT,
    STOP_SECONDS,
    environment,
    free_port,
    new_home,
    processes,
    syt,
    wait_for,
)

HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
BUCKET = "syt-scans"
DRAIN = 2
NEEDED = {
    "migrate": ("syt_owner_url", "syt_database_url"),
    "api": ("syt_database_url", "syt_keys", "syt_receipt_key", "syt_files_options", "syt_cores"),
    "worker": (
        "syt_database_url",
        "syt_keys",
        "syt_signing_key",
        "syt_files_options",
        "syt_cores",
        "syt_sms_key",
    ),
}
"""Which secrets a service of the composition is given."""

UP = re.compile(r'haproxy_server_status\{proxy="(\w+)",server="(\w+)",state="UP"\} 1')


@dataclass
class Program:
    """One process of the topology, which can be stopped, killed and started again."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def home(self) -> Path:
        return self.folder / self.name

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=environment(self.home, self.env),
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    def stop(self) -> int:
        """Tell it to stop, as an operator does, and wait for its end."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """Kill it with all its children, as a machine that loses power does."""
        for pid in processes(self.home):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()


@dataclass
class Topology:
    """Database, store, two API processes, worker and balancer, in a folder."""

    folder: Path
    cluster: Cluster
    ports: dict[str, int] = field(
        default_factory=lambda: {
            name: free_port() for name in ("database", "store", "api1", "api2", "front", "inside")
        }
    )
    programs: dict[str, Program] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the world reaches it."""
        return f"https://localhost:{self.ports['front']}"

    @property
    def inside(self) -> str:
        """Where the balancer shows its figures."""
        return f"http://127.0.0.1:{self.ports['inside']}"

    @property
    def store(self) -> str:
        return f"http://127.0.0.1:{self.ports['store']}"

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    def trust(self) -> ssl.SSLContext:
        """Trust the certificate that was made for the balancer, and no other."""
        return ssl.create_default_context(cafile=self.secrets / "certificate.pem")

    def client(self) -> httpx.Client:
        """Make a client that comes through the balancer."""
        return httpx.Client(base_url=self.url, verify=self.trust(), timeout=30)

    def card(self) -> dict[str, Any]:
        """Who is there: the demonstration's outlet, terminal and people."""
        found: dict[str, Any] = json.loads((self.folder / "demo.json").read_text())
        return found

    def person(self, role: str) -> dict[str, str]:
        """Headers of a person on the card."""
        return {"Authorization": f"Bearer {self.card()['tokens'][role]}"}

    def sign_in_form(self) -> dict[str, str]:
        """Fill in the form with which the card's teller signs in; it holds once."""
        return {
            "grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion(self.card(), f"{self.url}/v1/oauth/token"),
        }  # fmt: skip

    def forget_attempts(self) -> None:
        """Forget how often somebody has signed in."""
        with contextlib.suppress(
            subprocess.CalledProcessError
        ):  # Its database may be away just now.
            self.sql("DELETE FROM attempt")

    def teller(self, client: httpx.Client) -> dict[str, str]:
        """Headers of the card's teller, who signs in through the balancer."""
        self.forget_attempts()
        answer = client.post("/v1/oauth/token", data=self.sign_in_form())
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def kept(self) -> set[str]:
        """Name all that lies in the store."""
        listed = httpx.get(f"{self.store}/{BUCKET}", params={"list-type": "2"}).text
        return set(re.findall("<Key>(.*?)</Key>", listed))

    def api(self, name: str) -> str:
        """Give the address of one API process, past the balancer."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def ready(self, name: str) -> bool:
        """Tell whether one API process says that it is ready."""
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.api(name)}/health/ready").status_code == 200
        return False

    def counted(self, proxy: str = "ready") -> set[str]:
        """Tell which servers of a backend the balancer takes to be up."""
        figures = httpx.get(f"{self.inside}/metrics").text
        return {server for where, server in UP.findall(figures) if where == proxy}

    def wait_counted(self, *names: str) -> None:
        """Wait until the balancer has exactly these servers."""
        wait_for(lambda: self.counted() == set(names), 60)

    def alive(self) -> bool:
        """Tell that all that was started runs, or say what is wrong.

        Raises:
            AssertionError: one has ended; the end of its log is quoted.
        """
        for program in self.programs.values():
            status = program.process.poll() if program.process else None
            assert status is None, (program.name, status, program.log.read_text()[-2000:])
        return True

    def start(self, name: str) -> None:
        self.programs[name].start()

    def restart(self, name: str) -> None:
        """Stop one and start it again, as an operator does: the next only when this one is counted."""
        status = self.programs[name].stop()
        assert status == 0, self.programs[name].log.read_text()[-2000:]
        self.start(name)
        if name.startswith("api"):
            wait_for(lambda: self.ready(name), 60)
            self.wait_counted("api1", "api2")

    def stop_database(self) -> None:
        self.cluster._ctl("stop", "-m", "fast", "-w")

    def start_database(self) -> None:
        self.cluster._ctl("start", "-w", "-l", "server.log")

    def sql(self, statement: str) -> str:
        """Ask the database as its superuser."""
        return _psql(self, "-d", "syt", "-c", statement)

    def end(self) -> None:
        """End all that runs, whatever became of it."""
        for program in reversed(self.programs.values()):
            program.kill()
        self.cluster.stop()


@contextlib.contextmanager
def topology() -> Iterator[Topology]:
    """Run the whole, ready behind the balancer; nothing of it is left at the end."""
    with new_home() as home:
        home.mkdir()
        made = Topology(home, Cluster.at(home / "foreign"))
        try:
            _make_secrets(made)
            _found_database(made)
            made.programs = _programs(made)
            _found_store(made)
            done = syt(home / "migrate", "migrate", seconds=300, env=_given(made, "migrate"))
            assert done.returncode == 0, done.stderr
            asyncio.run(_load(made))
            for name in ("api1", "api2", "worker", "balancer"):
                made.start(name)
            wait_for(lambda: httpx_answers(f"{made.inside}/health"))
            wait_for(lambda: made.alive() and made.counted() == {"api1", "api2"}, 60)
            yield made
        finally:
            made.end()


def httpx_answers(url: str) -> bool:
    """Tell whether somebody answers there, whatever he says."""
    with contextlib.suppress(httpx.TransportError):
        return bool(httpx.get(url).status_code)
    return False


def _make_secrets(made: Topology) -> None:
    subprocess.run(
        [sys.executable, "deploy/make_secrets.py", str(made.secrets), "--store", made.store,
         "--database", f"127.0.0.1:{made.ports['database']}"],
        cwd=ROOT, check=True,
    )  # fmt: skip
    for service, names in NEEDED.items():
        folder = made.folder / f"{service}-secrets"
        folder.mkdir()
        for name in names:
            shutil.copy(made.secrets / name, folder)


def _given(made: Topology, service: str) -> dict[str, str]:
    return {"SYT_SECRETS": str(made.folder / f"{service}-secrets")}


def _found_database(made: Topology) -> None:
    """Start a server that knows nothing of us, over TCP with passwords, and let the script found ours."""
    cluster, port = made.cluster, made.ports["database"]
    cluster.start()
    for statement in (
        "DROP DATABASE syt",
        "DROP ROLE syt_owner, syt_service",
        "ALTER SYSTEM SET listen_addresses = '127.0.0.1'",
        f"ALTER SYSTEM SET port = {port}",
    ):
        cluster.psql(statement)
    rules = "local all postgres peer map=syt\nhost all all 127.0.0.1/32 scram-sha-256\n"
    cluster._write("pg_hba.conf", rules)
    cluster._ctl("restart", "-w", "-l", "server.log")
    for _ in range(2):  # To run it again must be no harm.
        _psql(made, "-f", str(ROOT / "deploy" / "roles.sql"))


def _psql(made: Topology, *options: str) -> str:
    """Run psql as an administrator on the machine of the database."""
    done = subprocess.run(
        [made.cluster.binaries / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U",
         "postgres", "-h", str(made.cluster.sockets), "-p", str(made.ports["database"]), *options],
        env={"PATH": "/usr/bin:/bin", "SYT_SECRETS": str(made.secrets)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def _programs(made: Topology) -> dict[str, Program]:
    """Say how each is started: what the composition says, with addresses of this machine."""
    python, ports = sys.executable, made.ports
    serve = [python, "-m", "cli.main", "serve", "--no-jobs", "--no-migrate", "--port"]
    api = {
        "SYT_PUBLIC_URL": made.url, "SYT_FILES_URL": f"s3://{BUCKET}", "SYT_LOCAL_ISSUER": "true",
        "SYT_DRAIN_SECONDS": str(DRAIN), **_given(made, "api"),
    }  # fmt: skip
    worker = {"SYT_FILES_URL": f"s3://{BUCKET}", **_given(made, "worker")}
    balancer = {
        "SYT_FRONT": f"127.0.0.1:{ports['front']}", "SYT_INSIDE": f"127.0.0.1:{ports['inside']}",
        "SYT_API_1": f"127.0.0.1:{ports['api1']}", "SYT_API_2": f"127.0.0.1:{ports['api2']}",
        "SYT_CERTIFICATE": str(made.secrets / "certificate.pem"),
    }  # fmt: skip
    commands: dict[str, tuple[list[str], dict[str, str]]] = {
        "store": ([python, "-m", "moto.server", "-p", str(ports["store"])], {}),
        "api1": ([*serve, str(ports["api1"])], api),
        "api2": ([*serve, str(ports["api2"])], api),
        "worker": ([python, "-m", "cli.main", "worker"], worker),
        "balancer": ([HAPROXY or "haproxy", "-db", "-f", "deploy/haproxy.cfg"], balancer),
    }
    return {n: Program(n, command, env, made.folder) for n, (command, env) in commands.items()}


def _found_store(made: Topology) -> None:
    """Start the store and make its bucket, which SeaweedFS does by itself."""
    made.start("store")
    wait_for(lambda: httpx_answers(made.store))
    assert httpx.put(f"{made.store}/{BUCKET}").status_code == 200


async def _load(made: Topology) -> None:
    """Load the demonstration with the right of the service's role, and write its card."""
    read = {path.name: path.read_text() for path in made.secrets.iterdir()}
    engine = make_engine(_asyncpg(read["syt_database_url"]), pool_size=2)
    try:
        await demo.load_demo(make_sessions(engine), made.folder)
    finally:
        await engine.dispose()
    card.write(made.folder, KeyRing.parse(read["syt_keys"]), made.url)


def main() -> None:
    """Run it until Ctrl-C."""
    with topology() as made, contextlib.suppress(KeyboardInterrupt):
        say(f"{made.url}\nfigures of the balancer: {made.inside}/metrics\nlogs: {made.folder}")
        while True:
            time.sleep(1)


if __name__ == "__main__":
    main()
