"""Starts: how long they take, what they leave behind for a visitor, and who may start where."""

import os
import signal
import stat
import sys
import time
from pathlib import Path

import httpx
import pytest

from cli.login import assertion
from tests.slow.conftest import Made
from tests.slow.service import (
    Service,
    assert_all_gone,
    assert_one_line,
    free_port,
    processes,
    running,
    starting,
    syt,
    wait_for,
)

pytestmark = pytest.mark.slow

PEOPLE = {
    "outlet_manager", "bank_admin", "acceptance_officer", "reviewer", "second_reviewer", "approver",
    "outlet_admin", "outlet_admin_province", "matter_admin", "matter_admin_2", "rights_admin",
    "auditor", "control_officer", "agency_head",
}  # fmt: skip


def test_a_first_and_a_later_start_take_seconds(
    made: Made, demo: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bounds only catch a hang: a clock in a test flickers with the machine."""
    with capsys.disabled():
        sys.stdout.write(
            f"\nready after {made.first_start:.1f} s at first, {demo.seconds:.1f} s later\n"
        )
    assert made.first_start < 60
    assert demo.seconds < 30


class TestCard:
    def test_has_what_the_contract_says_and_is_ours_alone(self, demo: Service) -> None:
        card = demo.card
        assert set(card) >= {"base_url", "outlet", "terminal", "teller", "tokens"}
        assert set(card["terminal"]) >= {"id", "private_jwk"}
        assert "d" in card["terminal"]["private_jwk"]
        assert set(card["tokens"]) == PEOPLE
        assert card["base_url"] == demo.url
        assert stat.S_IMODE((demo.home / "demo.json").stat().st_mode) == 0o600

    def test_is_written_anew_before_ready(self, made: Made, spare: Path) -> None:
        (spare / "demo.json").unlink()
        with starting(spare, "demo", "--no-jobs") as service:
            wait_for(service.is_ready)
            assert (spare / "demo.json").exists()
            assert (spare / "demo.json").read_text() != made.card

    @pytest.mark.parametrize("name", sorted(PEOPLE))
    def test_every_token_works(self, demo: Service, name: str) -> None:
        answer = httpx.get(f"{demo.url}/v1/matters", headers=demo.person(name))
        assert answer.status_code == 200, answer.text

    def test_its_terminal_can_sign_in_once_with_an_assertion(self, demo: Service) -> None:
        teller = demo.teller()
        answer = httpx.get(f"{demo.url}/v1/applications", headers=teller)
        assert answer.status_code == 200, answer.text

    def test_another_audience_is_refused(self, demo: Service) -> None:
        signed = assertion(demo.card, "http://elsewhere/v1/oauth/token")
        form = {
            "grant_type": "client_credentials", "client_assertion": signed,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }  # fmt: skip
        answer = httpx.post(f"{demo.url}/v1/oauth/token", data=form)
        assert 400 <= answer.status_code < 500

    def test_demo_login_prints_a_tellers_token(self, demo: Service) -> None:
        done = syt(demo.home, "demo-login")
        assert done.returncode == 0, done.stderr
        headers = {"Authorization": f"Bearer {done.stdout.strip()}"}
        answer = httpx.get(f"{demo.url}/v1/terminals/me", headers=headers)
        assert answer.status_code in (200, 404), answer.text
        answer = httpx.get(f"{demo.url}/v1/applications", headers=headers)
        assert answer.status_code == 200, answer.text

    def test_demo_login_without_a_demonstration_says_so(self, home: Path) -> None:
        assert_one_line(syt(home, "demo-login"), "no demonstration")


class TestOneHome:
    def test_a_second_start_is_told_who_has_it(self, demo: Service) -> None:
        second = syt(demo.home, "serve", "--port", str(free_port()))
        assert_one_line(second, str(demo.process.pid), "SYT_HOME")
        assert demo.is_ready()

    def test_of_two_first_starts_at_once_one_wins(self, home: Path) -> None:
        with (
            starting(home, "serve", "--no-jobs") as one,
            starting(home, "serve", "--no-jobs") as other,
        ):
            wait_for(lambda: 1 in (one.process.poll(), other.process.poll()))
            lost, won = (one, other) if one.process.poll() == 1 else (other, one)
            assert str(won.process.pid) in lost.said()
            assert len(lost.said().strip().splitlines()) == 1
            won.wait_ready()
            assert won.stop() == 0
        assert_all_gone(home)


class TestPort:
    def test_a_taken_port_is_told_before_anything_is_made(self, demo: Service, home: Path) -> None:
        began = time.monotonic()
        taken = syt(home, "serve", "--port", str(demo.port))
        assert_one_line(taken, str(demo.port))
        assert time.monotonic() - began < 10
        assert not (home / "pg").exists()
        assert processes(home) == {}

    def test_the_port_of_a_start_under_way_is_taken_too(self, home: Path, spare: Path) -> None:
        """Neither listens yet: then the system lets two sockets that say "reuse" have one port."""
        with starting(home, "serve") as first:
            wait_for(lambda: (home / "pg").exists() or list(home.glob("pg.init-*")))
            assert_one_line(syt(spare, "serve", "--port", str(first.port)), str(first.port))
            first.wait_ready()

    def test_an_address_that_is_not_ours_is_told(self, home: Path) -> None:
        assert_one_line(syt(home, "serve", "--host", "192.0.2.1"), "192.0.2.1")


class TestSettings:
    def test_what_is_wrong_is_named_without_its_value(self, home: Path) -> None:
        done = syt(home, "serve", env={"SYT_LOG": "chatty", "SYT_POOL_SIZE": "hunter2"})
        assert_one_line(done, "SYT_LOG", "SYT_POOL_SIZE")
        assert "hunter2" not in done.stderr

    def test_unreadable_keys_are_told(self, home: Path) -> None:
        assert_one_line(
            syt(home, "serve", "--port", str(free_port()), env={"SYT_KEYS": "{"}), "key ring"
        )
        assert_all_gone(home)

    def test_the_owners_address_reaches_no_child(self, demo: Service) -> None:
        for pid in demo.children("api") + demo.children("worker"):
            assert b"SYT_OWNER_URL=" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_serve_with_several_processes_believes_no_local_people_and_ends_with_its_terminal(
    spare: Path,
) -> None:
    """Three things of one start: a start takes seconds."""
    with running(spare, "serve", "--workers", "2") as service:
        assert len(service.children("api")) == 2
        assert len(service.children("worker")) == 1
        answer = httpx.get(f"{service.url}/v1/matters", headers=service.person("reviewer"))
        assert answer.status_code == 401
        os.kill(service.process.pid, signal.SIGHUP)
        assert service.process.wait(30) == 0
    assert_all_gone(spare)
