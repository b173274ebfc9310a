"""Pages with parts of several benches: each run writes its own."""

import os
import platform
from pathlib import Path

from bench.processes import ROOT
from kit.clock import today

PAGE = ROOT / "docs" / "scale.md"
REGISTRY = ROOT / "docs" / "registry.md"
FIRST = Path(__file__).with_name("scale.md")
"""What the page says round the figures, where there is none yet."""


def write(part: str, result: str, page_: Path = PAGE) -> None:
    """Put a result between the marks of its part."""
    begin, end = f"<!-- {part}:begin -->", f"<!-- {part}:end -->"
    page = (page_ if page_.exists() else FIRST).read_text()
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    page_.write_text(f"{before}{begin}\n{result}{end}{after}")


def machine() -> str:
    """Tell when and on what it ran."""
    return (
        f"{today():%Y-%m-%d}, Python {platform.python_version()}, {platform.system()} on "
        f"{platform.machine()} with {os.cpu_count()} cores shared by all"
    )
