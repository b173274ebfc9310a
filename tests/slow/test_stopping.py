"""Ends: whatever the moment, nothing of ours is left."""

import contextlib
import signal
import time
from pathlib import Path

import httpx
import pytest

from cli.home import cluster_of
from kit.embedded import DATABASE, EmbeddedFailed
from tests import make
from tests.slow.service import assert_all_gone, running, starting, wait_for

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(spare: Path, number: signal.Signals) -> None:
    with running(spare, "demo") as service:
        teller = {**service.teller(), "Idempotency-Key": make.key()}
        answer = httpx.post(f"{service.url}/v1/applications", json=make.body(), headers=teller)
        assert answer.status_code == 201, answer.text
        service.process.send_signal(number)
        time.sleep(0.2)
        assert service.stop(number) == 0  # Twice is no worse than once.
        assert "Traceback" not in service.said()
    assert_all_gone(spare)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_first_start_can_be_stopped_at_any_time(home: Path, number: signal.Signals) -> None:
    """While initdb runs, while it migrates, while it loads; what was made serves the next start."""
    moments = (
        lambda: list(home.glob("pg.init-*")),
        lambda: (home / "pg" / "postmaster.pid").exists(),
        lambda: _has_divisions(home),
    )
    for moment in moments:
        with starting(home, "demo") as service:
            wait_for(moment, 60)
            assert service.stop(number) == 0, service.said()
            assert "Traceback" not in service.said()
        assert_all_gone(home)


def _has_divisions(home: Path) -> bool:
    """Tell whether loading has begun."""
    with contextlib.suppress(EmbeddedFailed):
        return cluster_of(home).psql("SELECT 1 FROM division LIMIT 1", database=DATABASE) == "1"
    return False


@pytest.mark.parametrize("seconds", [0.05, 0.5, 1.0, 1.8])
def test_a_later_start_can_be_stopped_at_any_time(spare: Path, seconds: float) -> None:
    """Before the very first line of ours the system ends it; then nothing has been started yet."""
    with starting(spare, "demo") as service:
        time.sleep(seconds)
        assert service.stop() in (0, -signal.SIGTERM), service.said()
        assert "Traceback" not in service.said()
    assert_all_gone(spare)
