"""Commands beside a service that runs, and without one."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cli.home import cluster_of
from cli.load import shipped_guide
from kit.embedded import DATABASE
from tests import make
from tests.slow.service import (
    ROOT,
    Service,
    assert_all_gone,
    assert_one_line,
    environment,
    new_home,
    running,
    starting,
    syt,
    syt_here,
    wait_for,
)

pytestmark = pytest.mark.slow

DATA = ROOT / "data"
FILES = {
    "divisions": DATA / "divisions" / "divisions.csv",
    "calendar": DATA / "calendar" / "cn_day_exceptions.csv",
    "agencies": DATA / "agencies.csv",
    "matters": DATA / "matters",
    "catalogue": DATA / "catalogue",
}


@pytest.fixture(scope="module")
def empty() -> Iterator[Service]:
    """A service without any data."""
    with new_home() as home, running(home, "serve") as service:
        yield service


@pytest.mark.parametrize("what", FILES)
def test_loading_twice_changes_nothing(empty: Service, what: str) -> None:
    first, second = (syt_here(empty.home, "load", what, str(FILES[what])) for _ in range(2))
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert (first.stderr == f"{what}: 0 changed\n") == (what == "catalogue")  # Guides need it.
    assert second.stderr == f"{what}: 0 changed\n"
    assert empty.is_ready()


def test_what_was_loaded_is_exported_byte_for_byte(empty: Service, tmp_path: Path) -> None:
    assert syt_here(empty.home, "load", "matters", str(FILES["matters"])).returncode == 0
    done = syt_here(empty.home, "export", "matters", "--to", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    written = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    assert written == {file.name: file.read_bytes() for file in FILES["matters"].iterdir()}


def test_a_command_of_its_own_stops_what_it_started(home: Path) -> None:
    done = syt(home, "load", "agencies", str(FILES["agencies"]))
    assert done.returncode == 0, done.stderr
    assert_all_gone(home)


class TestToken:
    def test_works_on_a_running_service_which_goes_on(self, demo: Service) -> None:
        done = syt(demo.home, "token", "reviewer", "330106")
        assert done.returncode == 0, done.stderr
        headers = {"Authorization": f"Bearer {done.stdout.strip()}"}
        url = f"{demo.url}/v1/tasks"
        wait_for(lambda: httpx.get(url, headers=headers).status_code == 200, 5)
        assert demo.is_ready()

    def test_without_a_service_it_starts_and_stops_the_database(self, spare: Path) -> None:
        done = syt(spare, "token", "reviewer", "330106")
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.split()) == 1
        assert_all_gone(spare)

    def test_during_a_start_it_waits(self, spare: Path) -> None:
        with starting(spare, "demo") as service:
            wait_for(lambda: (spare / "lock").read_text())
            done = syt(spare, "token", "reviewer", "330106")
            assert done.returncode == 0, done.stderr
            service.wait_ready()
            assert service.stop() == 0

    def test_two_at_once_take_turns(self, spare: Path) -> None:
        command = [sys.executable, "-m", "cli.main", "token", "reviewer", "330106"]
        both = [
            subprocess.Popen(
                command, cwd=ROOT, env=environment(spare),
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )
            for _ in range(2)
        ]  # fmt: skip
        assert [one.communicate()[1] for one in both] == [b"", b""]
        assert [one.returncode for one in both] == [0, 0]
        assert_all_gone(spare)

    def test_a_role_that_is_none_is_refused(self, home: Path) -> None:
        for role in ("king", "teller"):
            done = syt(home, "token", role, "330106")
            assert done.returncode == 2
            assert "Traceback" not in done.stderr


class TestWorker:
    def test_alone_it_tells_the_events_of_a_running_service(self, spare: Path) -> None:
        with running(spare, "demo", "--no-jobs") as service:
            teller = service.teller()
            answer = httpx.post(
                f"{service.url}/v1/applications", json=make.body(),
                headers={**teller, "Idempotency-Key": make.key()},
            )  # fmt: skip
            assert answer.status_code == 201, answer.text

            def told() -> list[dict[str, str]]:
                answer = httpx.get(f"{service.url}/v1/events", headers=teller)
                return list(answer.json()["items"])

            assert told() == []
            worker = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "worker"], cwd=ROOT, env=environment(spare),
                stdout=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            try:
                numbers = {event["application"] for event in wait_for(told)}
                assert numbers == {answer.json()["number"]}
                worker.send_signal(signal.SIGTERM)
                assert worker.wait(20) == 0
                assert service.is_ready()
            finally:
                worker.kill()
                worker.wait()

    def test_without_a_service_it_says_so(self, spare: Path) -> None:
        assert_one_line(syt(spare, "worker"), "no service")


GUIDE = shipped_guide(make.RECORD).model_dump(mode="json")
HEAD = "code,name,level,parent_code,lat,lng\n"
BROKEN = {
    "divisions: wrong columns": ("divisions", b"a,b\n1,2\n", "code"),
    "divisions: no CSV": ("divisions", b"\xff\xfe\x00\x80binary\x00", ""),
    "divisions: a level that is none": ("divisions", f"{HEAD}990000,甲,x,,,\n".encode(), ""),
    "divisions: a level out of range": ("divisions", f"{HEAD}990000,甲,7,,,\n".encode(), ""),
    "divisions: a row cut short": ("divisions", f"{HEAD}990000,甲\n".encode(), ""),
    "divisions: twice": ("divisions", f"{HEAD}990000,甲,1,,,\n990000,乙,1,,,\n".encode(), ""),
    "divisions: wrong at the end": (
        "divisions",
        (HEAD + "".join(f"99{n:04},甲,3,,,\n" for n in range(4000)) + "998888,乙,x,,,\n").encode(),
        "",
    ),
    "divisions: GB 18030": ("divisions", f"{HEAD}990000,浙江省,1,,,\n".encode("gb18030"), ""),
    "calendar: contradicting": (
        "calendar",
        "date,day_type,holiday\n2031-01-01,off,元旦\n2031-01-01,work,元旦\n".encode(),
        "2031-01-01",
    ),
    "calendar: no day": ("calendar", b"date,day_type,holiday\n2031-02-30,off,x\n", ""),
    "calendar: no kind": ("calendar", b"date,day_type,holiday\n2031-01-01,rest,x\n", "2031-01-01"),
    "calendar: years missing between": (
        "calendar", b"date,day_type,holiday\n2031-01-01,off,x\n2033-01-01,off,x\n", "year",
    ),
    "calendar: empty": ("calendar", b"", ""),
    "calendar: wrong columns": ("calendar", b"day,kind\n2031-01-01,off\n", "date"),
    "agencies: wrong columns": ("agencies", b"code\n990106\n", "name"),
    "agencies: a county twice": (
        "agencies",
        (
            "code,name,level,division,phone,covers\n"
            "990106,甲,county,990106,12333,990106\n990107,乙,county,990107,12333,990106\n"
        ).encode(),
        "",
    ),
    "agencies: a code too long": (
        "agencies",
        "code,name,level,division,phone,covers\n99010600,甲,county,990106,12333,990106\n".encode(),
        "",
    ),
    "matters: no YAML": ("matters", b"{", ""),
    "matters: no object": ("matters", b"[1, 2]", ""),
    "matters: no guide": ("matters", b'{"guide": {}}', ""),
    "matters: no UTF-8": ("matters", json.dumps(GUIDE, ensure_ascii=False).encode("gb18030"), ""),
    "matters: form is no schema": (
        "matters",
        json.dumps(
            GUIDE | {"guide": GUIDE["guide"] | {"version": 99, "form_schema": {"type": "nonsense"}}}
        ).encode(),
        "",
    ),
}  # fmt: skip
LEFT = """
SELECT (SELECT count(*) FROM division WHERE code LIKE '99%')
     + (SELECT count(*) FROM calendar_day WHERE day > '2030-01-01')
     + (SELECT count(*) FROM agency WHERE code LIKE '99%')
     + (SELECT count(*) FROM agency_coverage WHERE county LIKE '99%')
     + (SELECT count(*) FROM guide_version WHERE version = 99)
"""


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_one_line_and_loads_nothing(
    empty: Service, case: str, tmp_path: Path
) -> None:
    what, content, word = BROKEN[case]
    file = tmp_path / "broken"
    file.write_bytes(content)
    cluster = cluster_of(empty.home)
    before = cluster.psql(LEFT, database=DATABASE)
    done = syt_here(empty.home, "load", what, str(file))
    if what == "divisions":  # All that is wrong is told, a line for each.
        told = done.stderr.removeprefix("syt: ").splitlines()
        assert done.returncode == 1
        assert told
        assert all(line.startswith(f"{file}: line ") for line in told), done.stderr
        assert word in done.stderr
    else:
        assert_one_line(done, word)
    assert cluster.psql(LEFT, database=DATABASE) == before


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_is_not_there_is_told(empty: Service, what: str) -> None:
    assert_one_line(syt_here(empty.home, "load", what, "/nowhere/file"), "/nowhere/file")


def test_what_can_not_be_loaded_is_refused(home: Path) -> None:
    done = syt(home, "load", "people", "x")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
