"""A terminal killed with -9, and its line cut, at many moments of chance: nothing lost, nothing sent twice."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from client import Store
from tests.make import IDS
from tests.slow.cutting import CuttingLine
from tests.slow.service import ROOT, Service
from tests.slow.teller import KEY

MOST = 40
LIVES = 12
"""As many terminals are killed at most; the last is left to end its work."""


def pages(demo: Service, path: str, who: dict[str, str]) -> list[dict[str, Any]]:
    found, after = [], None
    while True:
        params = {"limit": 200} | ({"after": after} if after else {})
        page = httpx.get(f"{demo.url}{path}", headers=who, params=params).json()
        found += page["items"]
        after = page["next"]
        if after is None:
            return found


def live(folder: Path, line: CuttingLine, demo: Service, seed: str, seconds: float | None) -> bool:
    """Let a terminal live so long after it began to work; tell whether it came to the end of its work."""
    command = [
        sys.executable, "-m", "tests.slow.teller", str(folder), f"http://127.0.0.1:{line.port}", demo.url,
        seed, str(MOST),
    ]  # fmt: skip
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            _, said = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return False
    assert process.returncode == 0 or b"LineDown" in said, said.decode()
    return process.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("nth", range(2))
def test_killed_and_cut_at_random_points(demo: Service, tmp_path: Path, nth: int) -> None:
    seed = time.time_ns() + nth
    print(f"seed {seed}", flush=True)  # noqa: T201 -- shown where it fails
    chance = random.Random(seed)
    (tmp_path / "card.json").write_text(json.dumps(demo.card))
    who = demo.teller()
    before = {one["number"] for one in pages(demo, "/v1/applications", who)}
    kills, ended = 0, False
    with CuttingLine(demo.port, chance) as line:
        for life in range(LIVES):
            ended = live(tmp_path, line, demo, f"{seed}-{life}", chance.uniform(0.0, 1.0))
            if ended:
                break
            kills += 1
        line.is_whole = True
        assert ended or live(tmp_path, line, demo, f"{seed}-last", None), f"{seed=}"
        assert line.dropped > 0, f"{seed=}: the line was never cut"
    assert kills > 0, f"{seed=}: nobody was killed"
    check(demo, tmp_path, before, f"{seed=} {kills=} {line.dropped=}")


def check(demo: Service, folder: Path, before: set[str], said: str) -> None:
    """Compare what was promised, what the terminal's store holds, and what the service has."""
    promised = [json.loads(text) for text in (folder / "promised.jsonl").read_text().splitlines()]
    store = Store(folder / "terminal.db", KEY)
    kept = store.rows()
    store.close()
    assert {row.state for row in kept} == {"sent"}, said
    assert {number for *_, number in promised} <= {row.number for row in kept}, said
    made = [
        one for one in pages(demo, "/v1/applications", demo.teller()) if one["number"] not in before
    ]
    assert Counter(one["number"] for one in made) == Counter(row.number for row in kept), said
    assert len(kept) == MOST, said
    order = {one["number"]: one["received_at"] for one in made}
    for person in range(len(IDS)):
        numbers = [number for _, who, number in sorted(promised) if who == person]
        assert numbers == sorted(numbers, key=order.__getitem__), said
