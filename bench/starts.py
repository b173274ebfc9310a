"""`python -m bench.starts`: from the command to the first right answer, at first and later, on one home.

The line is a process that loads the libraries alone (the framework, the tables, the driver) and does nothing.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from bench import marks
from bench.processes import ROOT, new_home, service

PAGE = ROOT / "docs" / "performance.md"
LIBRARIES = "import fastapi, sqlmodel, sqlalchemy.ext.asyncio, asyncpg"
FIRST, LATER = 20.0, 4.0
"""Seconds that a first and a later start may take."""


def line() -> float:
    """Load the libraries; give the seconds."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", LIBRARIES], check=True)
    return time.perf_counter() - began


def start(home: Path) -> float:
    """Start the demonstration and stop it again; give the seconds until it was ready."""
    began = time.perf_counter()
    with service(home, 1):
        return time.perf_counter() - began


def _verdict(seconds: float, most: float) -> str:
    return f"{seconds:.1f} s (at most {most:g}: {'met' if seconds <= most else '**MISSED**'})"


def main() -> int:
    """Measure, print, and write it into the page; 1 where a figure is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.starts", description=__doc__)
    parser.add_argument("--times", type=int, default=7, help="later starts")
    wanted = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # Else sources are compiled at each start.
    with new_home() as home:
        line()
        first, pairs = start(home), [(line(), start(home)) for _ in range(wanted.times)]
    later = [seconds for _, seconds in pairs]
    most, least = max(later), min(later)
    ratio = median(seconds / beside for beside, seconds in pairs)
    result = (
        f"{marks.machine()}.\n\n"
        f"- first start, with the demonstration's data: {_verdict(first, FIRST)}\n"
        f"- {len(later)} later starts: {_verdict(median(later), LATER)}, {least:.1f} to {most:.1f} s;"
        f" {ratio:.1f} times the line ({median(b for b, _ in pairs):.2f} s)\n"
    )
    print(result)
    marks.write("starts", result, PAGE)
    return 0 if first <= FIRST and median(later) <= LATER else 1


if __name__ == "__main__":
    sys.exit(main())
