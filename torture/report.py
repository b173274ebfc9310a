"""What a run came to, as a page."""

import os
import platform
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from bench import report
from kit.clock import today
from torture.crash import Crash
from torture.faults import KINDS
from torture.reckoning import CHECKS
from torture.run import Run

PAGE = Path(__file__).with_name("page.md")
"""What the page says round the result, where there is none yet."""


def text(run: Run, postgres: str) -> str:
    """Write the result as Markdown."""
    minutes = run.seconds / 60
    kills = sum(run.done[name] for name, kind in KINDS.items() if kind.kills)
    kills += len(run.crashes)
    return f"""{today():%Y-%m-%d}, Python {platform.python_version()}, PostgreSQL {postgres}, \
{platform.system()} on {platform.machine()} with {os.cpu_count()} cores shared by all; \
seed {run.seed}, {minutes:.1f} minutes of storm, **{kills} kills** ({kills / minutes:.0f} a minute).

| harm | times |
| --- | --- |
{_rows((kind.label, f"{run.done[name]:,}") for name, kind in KINDS.items())}

| acknowledged | times | lost, doubled or half |
| --- | --- | --- |
{_rows(_kept(run))}

Answers: {_answers(run)}. {
        "**WRONG**: " + str(len(run.wrong)) + " violations."
        if run.wrong
        else f"No violation of any of the {len(CHECKS)} reckonings."
    }

| PostgreSQL brought down | times | slowest answer, s | just before | healed after, s: median | longest |
| --- | --- | --- | --- | --- | --- |
{_rows(_crashes(run.crashes))}
"""


def _rows(rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _kept(run: Run) -> Iterable[tuple[str, ...]]:
    journal = run.journal
    keys = {made.key for made in journal.made}
    read = sum(len(reader.events) for reader in journal.readers.values())
    for what, times, checks in (
        ("applications", len(keys), ("kept_once", "asked_for", "numbers", "whole")),
        ("submissions repeated with the same key, same number", len(journal.made) - len(keys),
         ("kept_once",)),
        ("claims, actions and releases", len(journal.acted), ("actions", "holders")),
        ("files", len(journal.stored), ("files",)),
        (f"events in the feed, read by {len(journal.readers)} readers {read:,} times", run.events,
         ("order", "readers")),
    ):  # fmt: skip
        yield what, f"{times:,}", str(sum(one.startswith(checks) for one in run.wrong))


def _answers(run: Run) -> str:
    return ", ".join(f"{times:,} {what}" for what, times in run.journal.answers.most_common())


def _crashes(crashes: Iterable[Crash]) -> Iterable[tuple[str, ...]]:
    ways: dict[str, list[Crash]] = defaultdict(list)
    for one in crashes:
        ways[one.way].append(one)
    for way, seen in ways.items():
        healed = [one.healed for one in seen]
        slowest = max(one.slowest for one in seen)
        calm = max(one.calm for one in seen)
        yield (
            way,
            str(len(seen)),
            f"{slowest:.1f}",
            f"{calm:.1f}",
            f"{median(healed):.1f}",
            f"{max(healed):.1f}",
        )


def write(path: Path, result: str) -> None:
    """Put the result between the marks of the page; make the page where there is none yet."""
    if not path.exists():
        path.write_text(PAGE.read_text())
    report.write(path, result)
