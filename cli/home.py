"""The folder of local state: whose it is, and which database serves it."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kit.embedded import OWNER, SERVICE, Cluster
from kit.settings import Settings


class HomeTaken(Exception):
    """Another start uses the folder now."""


@dataclass(frozen=True)
class Database:
    """Where the database is, for each of the two roles."""

    url: str
    owner_url: str
    cluster: Cluster | None


@contextmanager
def taken(home: Path) -> Iterator[None]:
    """Hold the folder for this process; the lock goes with the process, however that ends.

    Raises:
        HomeTaken: another holds it.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            who = file.read().strip() or "?"
            raise HomeTaken(
                f"SYT_HOME {home} is in use by process {who}: stop it, or set another SYT_HOME"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def cluster_of(home: Path) -> Cluster:
    """Find the embedded cluster of a home."""
    return Cluster.at(home.resolve() / "pg")


def database_of(settings: Settings, *, start: bool) -> Database:
    """Find the database, and start the embedded one if `start` and it is that.

    Raises:
        EmbeddedFailed: it can't be started.
    """
    if settings.database_url is not None:
        url = _asyncpg(settings.database_url)
        return Database(url, _asyncpg(settings.owner_url or url), None)
    cluster = cluster_of(settings.home)
    if start:
        cluster.start()
    return Database(cluster.url(SERVICE), cluster.url(OWNER), cluster)


def _asyncpg(url: str) -> str:
    """Let people write the URL that they write everywhere."""
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            return "postgresql+asyncpg://" + url.removeprefix(plain)
    return url


def say(text: str) -> None:
    """Tell the person at the keyboard; the log is on standard output, this on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
