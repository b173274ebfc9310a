"""What the bench found, as a table."""

import math
import os
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.load import Round
from kit.clock import today

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
PAGE = Path(__file__).with_name("page.md")
"""What the page says round the table, where there is none yet."""

HEAD = (
    "workers", "load", "req/s", "p50 ms", "p99 ms", "line", "line req/s", "line p50", "line p99",
    "ratio", "least", "aim", "",
)  # fmt: skip


@dataclass
class Line:
    """One kind of load on the service, beside the same load on its reference line."""

    workers: int
    load: str
    reference: str
    targets: tuple[float, float] | None
    """Least and aimed-at ratio."""
    service: list[Round] = field(default_factory=list)
    beside: list[Round] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Median over the pairs of rounds: two that ran one after the other share their noise."""
        pairs = zip(self.service, self.beside, strict=False)
        return median([a.rate / b.rate for a, b in pairs if b.rate] or [math.nan])

    def cells(self) -> list[str]:
        """Write the cells of its row."""
        least, aim = (f"{target:.2f}" for target in self.targets) if self.targets else ("–", "–")
        return [
            str(self.workers), self.load, *_figures(self.service), self.reference,
            *_figures(self.beside), f"{self.ratio:.2f}", least, aim, self.verdict(),
        ]  # fmt: skip

    def verdict(self) -> str:
        """Tell how the ratio stands to its targets."""
        return "" if self.targets is None else _verdict(self.ratio, *self.targets)

    def errors(self) -> Counter[str]:
        """Count errors by status, on the service and on its line."""
        found: Counter[str] = Counter()
        for who, rounds in (("service", self.service), (self.reference, self.beside)):
            for one in rounds:
                found.update({f"{who} {status}": n for status, n in one.errors.items()})
        return found


@dataclass(frozen=True)
class Memory:
    """The largest API process after the load."""

    workers: int
    pss: float
    """MiB."""
    rss: float
    """MiB."""

    LEAST, AIM = 300, 200

    def text(self) -> str:
        """Tell it in a line."""
        verdict = _verdict(-self.pss, -self.LEAST, -self.AIM)
        return (
            f"Memory of an API process, {self.workers} worker(s), after the load: "
            f"PSS {self.pss:.0f} MiB, RSS {self.rss:.0f} MiB "
            f"(PSS below {self.LEAST}, aim below {self.AIM}: {verdict})."
        )


def _verdict(value: float, least: float, aim: float) -> str:
    return "aim met" if value >= aim else "met" if value >= least else "**MISSED**"


def _figures(rounds: Sequence[Round]) -> list[str]:
    if not rounds:
        return ["–"] * 3
    rate, p50, p99 = (median(getattr(r, name) for r in rounds) for name in ("rate", "p50", "p99"))
    return [f"{rate:,.0f}", f"{p50:.1f}", f"{p99:.1f}"]


def text(
    lines: Sequence[Line], memories: Sequence[Memory], postgres: str, rounds: int, seconds: float
) -> str:
    """Write the result as Markdown."""
    rows = [list(HEAD), ["---"] * len(HEAD), *(line.cells() for line in lines)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"""{today():%Y-%m-%d}, Python {platform.python_version()}, PostgreSQL {postgres}, \
{platform.system()} on {platform.machine()} with {os.cpu_count()} cores shared by all; \
medians of {rounds} rounds of {seconds:g} s.

{table}

{chr(10).join(f"- {memory.text()}" for memory in memories)}
"""


def write(path: Path, result: str) -> None:
    """Put the result between the marks of the file; make the file where it is missing."""
    page = (path if path.exists() else PAGE).read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{before}{BEGIN}\n{result}{END}{after}")
