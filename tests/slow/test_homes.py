"""Folders that make it hard: closed, long, oddly named, half made."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.home import cluster_of
from tests.slow.service import (
    ROOT,
    assert_all_gone,
    assert_one_line,
    environment,
    processes,
    running,
    sweep,
    syt,
    wait_for,
)

pytestmark = pytest.mark.slow

ODD = '浙江 省\'s "home" $HOME `x`, 100%'
LONG = "/".join(["a" * 60, "b" * 60])


@pytest.fixture(params=["closed", "long", "odd"])
def hard(request: pytest.FixtureRequest) -> Iterator[Path]:
    outer = Path(tempfile.mkdtemp(prefix="syt-slow-"))
    outer.chmod(0o700 if request.param == "closed" else 0o755)
    names = {"closed": "home", "long": f"{LONG}/浙江 省", "odd": ODD}
    home = outer / names[request.param]
    try:
        yield home
    finally:
        sweep(home)
        shutil.rmtree(outer, ignore_errors=True)


def test_it_starts_and_stops_in_a_hard_folder(hard: Path) -> None:
    with running(hard, "serve") as service:
        cluster = cluster_of(hard)
        assert cluster.sockets.stat().st_mode & 0o777 == 0o700
        assert cluster.data.stat().st_mode & 0o777 == 0o700
        assert len(os.fsencode(cluster.sockets / ".s.PGSQL.5432.lock")) <= 107
        assert cluster.psql("SHOW listen_addresses") == ""
        assert service.stop() == 0
    assert_all_gone(hard)
    done = syt(hard, "migrate")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("also_initdb", [True, False])
def test_an_initdb_cut_short_is_made_again(home: Path, also_initdb: bool) -> None:
    """One that goes on after its parent was killed must not spoil the next start's either."""
    first = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "migrate"], cwd=ROOT, env=environment(home),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    wait_for(lambda: [f for f in home.glob("pg.init-*/*") if f.name == "base"])
    first.kill()
    first.wait()
    for pid in processes(home) if also_initdb else ():
        os.kill(pid, signal.SIGKILL)
    again = syt(home, "migrate")
    assert again.returncode == 0, again.stderr
    assert again.stderr == "up to date\n"
    wait_for(lambda: not processes(home))
    assert_all_gone(home)


def test_numbers_of_processes_that_are_gone_are_no_hindrance(home: Path) -> None:
    """As after a power cut; in a container another process soon has the same number."""
    done = syt(home, "migrate")
    assert (done.returncode, done.stderr) == (0, "up to date\n")
    (home / "lock").write_text(f"{os.getpid()} serve")
    stale = home / "pg" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{home / 'pg'}\n1\n5432\n{home / 'pg.run'}\n\n\nready\n")
    assert not cluster_of(home).running()
    done = syt(home, "migrate")
    assert (done.returncode, done.stderr) == (0, "up to date\n")
    assert_all_gone(home)


def test_what_is_no_cluster_is_left_alone(home: Path) -> None:
    (home / "pg").mkdir(parents=True)
    (home / "pg" / "letters.txt").write_text("dear")
    assert_one_line(syt(home, "migrate"), "pg")
    assert (home / "pg" / "letters.txt").read_text() == "dear"


def test_a_link_that_we_did_not_make_is_not_followed(home: Path, tmp_path: Path) -> None:
    home.mkdir()
    (home / "pg").symlink_to(tmp_path)
    assert_one_line(syt(home, "migrate"), "link")
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_is_a_file_is_told(home: Path) -> None:
    home.write_text("")
    assert_one_line(syt(home, "migrate"), str(home))


def test_a_socket_folder_of_another_user_is_not_taken_over(home: Path) -> None:
    deep = home / LONG
    cluster = cluster_of(deep)
    cluster.sockets.mkdir()
    os.chown(cluster.sockets, 65534, 65534)
    try:
        assert_one_line(syt(deep, "migrate"), str(cluster.sockets), "another user")
        assert cluster.sockets.stat().st_uid == 65534
    finally:
        sweep(deep)
