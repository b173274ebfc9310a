"""One demonstration is made for all slow tests; those that do harm to one get a copy."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.slow.service import Service, assert_all_gone, new_home, running


@dataclass(frozen=True)
class Made:
    """A demonstration that was made and stopped again."""

    home: Path
    first_start: float
    card: str


@pytest.fixture(scope="session")
def made() -> Iterator[Made]:
    with new_home() as home:
        with running(home, "demo") as service:
            card = (home / "demo.json").read_text()
            assert service.stop() == 0
        assert_all_gone(home)
        yield Made(home, service.seconds, card)


def _copy(made: Made, home: Path) -> None:
    """With the owners of the files: PostgreSQL takes no others."""
    subprocess.run(["cp", "-a", str(made.home), str(home)], check=True)


@pytest.fixture(scope="session")
def demo(made: Made) -> Iterator[Service]:
    """A demonstration that runs, to be looked at and used, not to be harmed."""
    with new_home() as home:
        _copy(made, home)
        with running(home, "demo") as service:
            yield service


@pytest.fixture
def spare(made: Made) -> Iterator[Path]:
    """The home of a demonstration that does not run; a test may do to it what it likes."""
    with new_home() as home:
        _copy(made, home)
        yield home


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that is not there yet."""
    with new_home() as fresh:
        yield fresh
