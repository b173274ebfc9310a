"""Lives over HTTP as in the quick suite, many more of them, and all that is not listed tried at every step."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent


def test_what_is_listed_is_exactly_what_is_accepted_on_many_walks() -> None:
    """The number of walks is read once, when the test is loaded: so in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/test_life_over_http.py", "-n", "0", "-k", "listed"],
        cwd=ROOT, env={**os.environ, "LIFE_WALKS": "40"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
