"""A server that was killed is started again, whatever it left behind."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.home import cluster_of
from kit.embedded import Cluster
from tests.slow.service import wait_for

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def somebody(cluster: Cluster) -> Iterator[int]:
    """A process of the server's user that has nothing to do with it."""
    who = cluster.user.pw_uid if cluster.user else None
    process = subprocess.Popen(["sleep", "60"], user=who, cwd="/")
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def test_number_of_a_killed_server_is_another_process_by_now(home: Path) -> None:
    """In a container numbers come round soon, and a dead server may stay unfetched for ever."""
    home.mkdir(mode=0o755)
    cluster = cluster_of(home)
    cluster.start()
    try:
        old = int((cluster.data / "postmaster.pid").read_text().partition("\n")[0])
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: not cluster.running())
        time.sleep(1)  # What is left of it ends.
        with somebody(cluster) as pid:
            for lock in (cluster.data / "postmaster.pid", *cluster.sockets.glob(".s.*.lock")):
                lock.write_text(lock.read_text().replace(str(old), str(pid), 1))
            cluster.start()
            assert cluster.psql("SELECT 1") == "1"
    finally:
        cluster.stop()
