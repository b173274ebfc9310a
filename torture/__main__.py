"""`python -m torture`: harm a real service under load, and reckon that nothing was lost."""

import argparse
import asyncio
import random
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType

from bench.processes import ROOT, BenchFailed, new_home
from torture import report
from torture.faults import KINDS
from torture.people import gather
from torture.run import Run, torture
from torture.stand import Stand, standing

WORKERS = 2
ALL = ",".join(KINDS)
WHOLE = 600.0
"""Seconds of a run that is written down: a shorter or narrower one is a smoke run."""

SHOWN = 40
"""Violations that are printed in full."""


def suffer(home: Path, run: Run, seconds: float, names: list[str]) -> str:
    """Run everything on a service of our own; give the result as Markdown."""
    with standing(home, WORKERS) as stand:
        asyncio.run(_torture(stand, run, seconds, names))
        return report.text(run, stand.cluster.psql("SHOW server_version"))


async def _torture(stand: Stand, run: Run, seconds: float, names: list[str]) -> None:
    people = await gather(stand.home)
    await torture(stand, people, run, seconds, names)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__)
    parser.add_argument("--seconds", type=float, default=900, help="of storm; 900 unless told")
    parser.add_argument("--seed", type=int, help="draws the faults; another each time unless told")
    parser.add_argument("--faults", default=ALL, help="kinds, with commas between")
    parser.add_argument("--log", type=Path, help="where the log of the service is kept")
    options = parser.parse_args()
    if unknown := set(options.faults.split(",")) - KINDS.keys():
        parser.error(f"no such faults: {', '.join(sorted(unknown))}; there are {ALL}")
    return options


def say(what: str) -> None:
    """Tell the person at the keyboard."""
    print(f"torture: {what}", file=sys.stderr, flush=True)


def _stop(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> int:
    """Torture, print, and write the page; 1 when anything was lost or answered wrongly."""
    options = _options()
    signal.signal(signal.SIGTERM, _stop)
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    run = Run(seed)
    say(f"seed {seed}: the same plan of faults by --seconds {options.seconds:g} --seed {seed}"
        f" --faults {options.faults}")  # fmt: skip
    try:
        with new_home() as home:
            try:
                result = suffer(home, run, options.seconds, options.faults.split(","))
            finally:
                if options.log:
                    shutil.copy(home / "service.log", options.log)
    except BenchFailed as error:
        say(str(error))
        return 1
    print(result)
    for wrong in run.wrong[:SHOWN]:
        say(wrong)
    say(f"seed {seed}: {len(run.wrong)} violations")
    if options.seconds >= WHOLE and options.faults == ALL and not run.wrong:
        report.write(ROOT / "docs" / "reliability.md", result)
    return 1 if run.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
