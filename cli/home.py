"""The folder of local state: whose it is, and which database serves it."""

import asyncio
import fcntl
import hashlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kit.embedded import DATABASE, OWNER, SERVICE, Cluster
from kit.settings import Settings

ROOT = Path(__file__).parent.parent
SERVING = "serve"
"""What a start of the service is called in the lock, in contrast to a command that is soon done."""

PATIENCE = 60.0
"""Seconds that a command waits for a service that is just starting, or for another command."""


class Mark(NamedTuple):
    """Says in an embedded database that this very code has done something: to load all that would find out
    whether it is to be done again is half of a start's time."""  # fmt: skip

    on: str
    """Bears the mark as its comment."""
    found_in: str
    """The same as the catalogue of the database has it."""
    files: tuple[str, ...]
    """What decides over what is done."""

    def stands(self, cluster: Cluster) -> bool:
        """Tell whether it was done, by this code."""
        asked = f"SELECT obj_description({self.found_in})"
        return cluster.psql(asked, role=OWNER, database=DATABASE) == self._digest()

    def put(self, cluster: Cluster) -> None:
        """Say that it was done."""
        said = f"COMMENT ON {self.on} IS '{self._digest()}'"
        cluster.psql(said, role=OWNER, database=DATABASE)

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for file in sorted(found for pattern in self.files for found in ROOT.glob(pattern)):
            digest.update(file.read_bytes() + b"\0")
        return digest.hexdigest()


MIGRATED = Mark(
    "TABLE alembic_version", "to_regclass('alembic_version'), 'pg_class'",
    ("migrations/*.py", "migrations/versions/*.py", "*/models.py", "kit/*.py"),
)  # fmt: skip
"""The tables and grants are as they are to be."""

FILLED = Mark(
    "SCHEMA simulated_core", "to_regnamespace('simulated_core'), 'pg_namespace'",
    ("cli/demo.py", "cli/card.py", "cli/sample.py", "simulated_core/store.py"),
)  # fmt: skip
"""The demonstration is there."""


class HomeTaken(Exception):
    """Another process uses the folder now."""


class NotServed(Exception):
    """No service runs on the folder."""


@dataclass(frozen=True)
class Database:
    """Where the database is, for each of the two roles."""

    url: str
    owner_url: str
    cluster: Cluster | None


@contextmanager
def taken(home: Path, what: str = SERVING) -> Iterator[bool]:
    """Hold the folder for this process; the lock goes with the process, however that ends.

    Tells whether the last holder was killed.

    Raises:
        HomeTaken: another holds it.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise HomeTaken(
                f"SYT_HOME {home} is in use by process {_holder(home)[0]}:"
                " stop it, or set another SYT_HOME"
            ) from None
        file.seek(0)
        killed = bool(file.read().strip())
        file.truncate(0)
        file.write(f"{os.getpid()} {what}")
        file.flush()
        try:
            yield killed
        finally:
            file.truncate(0)


def _holder(home: Path) -> tuple[str, str]:
    """Read who holds the folder, and for what; a holder writes that just after it has the lock."""
    for _ in range(50):
        words = (home / "lock").read_text().split()
        if len(words) == 2:
            return words[0], words[1]
        time.sleep(0.02)
    return "?", "?"


def cluster_of(home: Path) -> Cluster:
    """Find the embedded cluster of a home."""
    return Cluster.at(home.resolve() / "pg")


def database_of(settings: Settings) -> Database:
    """Find the database; nothing is started.

    Raises:
        EmbeddedFailed: it is to be the embedded one, which can't be on this machine.
    """
    if settings.database_url is not None:
        url = _asyncpg(settings.database_url)
        return Database(url, _asyncpg(settings.owner_url or url), None)
    cluster = cluster_of(settings.home)
    return Database(cluster.url(SERVICE), cluster.url(OWNER), cluster)


@contextmanager
def database_for_command(settings: Settings) -> Iterator[Database]:
    """Give a command the database: a running service's as it is, or one started for it alone.

    Raises:
        EmbeddedFailed, DatabaseUnfit: it can't be started.
        HomeTaken: it did not become free.
    """
    database = database_of(settings)
    deadline = time.monotonic() + PATIENCE
    while database.cluster is not None:
        try:
            with taken(settings.home, "command"):
                yield from _started(database, database.cluster)
                return
        except HomeTaken:
            serving = _holder(settings.home)[1] == SERVING
            if serving and is_served(database.cluster):
                break
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
    yield database


def served_database(settings: Settings) -> Database:
    """Give the database of a service that runs elsewhere.

    Raises:
        NotServed: it is to be the embedded one, and that does not run.
    """
    database = database_of(settings)
    if database.cluster is not None and not is_served(database.cluster):
        raise NotServed(
            f"no service runs on SYT_HOME {settings.home}: start one, or set SYT_DATABASE_URL"
        )
    return database


def _started(database: Database, cluster: Cluster) -> Iterator[Database]:
    try:
        cluster.start()
        bring_up_to_date(database)
        yield database
    finally:
        cluster.stop()


def is_served(cluster: Cluster) -> bool:
    """Tell whether the cluster runs and is up to date."""
    return cluster.running() and MIGRATED.stands(cluster)


def bring_up_to_date(database: Database) -> None:
    """Migrate; an embedded database says by a mark that this very code has done it.

    Raises:
        DatabaseUnfit: it can't be.
    """
    cluster = database.cluster
    if cluster is not None and MIGRATED.stands(cluster):
        return
    from migrations.runner import migrate  # noqa: PLC0415 -- seldom needed, and long to load

    asyncio.run(migrate(database.owner_url, database.url))
    if cluster is not None:
        MIGRATED.put(cluster)


def _asyncpg(url: str) -> str:
    """Let people write the URL that they write everywhere."""
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            url = "postgresql+asyncpg://" + url.removeprefix(plain)
    return url.replace("sslmode=", "ssl=")


def say(text: str) -> None:
    """Tell the person at the keyboard; the log is on standard output, this on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
