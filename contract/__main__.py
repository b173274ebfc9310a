"""`python -m contract OLD NEW [DECIDED]`: 1 and a line for each break where NEW would break callers of OLD.

DECIDED lists breaks that were decided on, a line each as it is printed; `#` begins a remark. One that fits
nothing is told too: the list is emptied with the next release.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from contract.breaks import accepted, breaks

HINT = "clients of the released contract would break; keep it, or decide on it in"


def main(arguments: Sequence[str]) -> int:
    """Compare two files."""
    old, new, *more = map(Path, arguments)
    known = [line for path in more for line in _decided(path.read_text("utf-8"))]
    found = breaks(json.loads(old.read_text("utf-8")), json.loads(new.read_text("utf-8")))
    left, idle = accepted(found, known)
    for one in left:
        print(one)  # noqa: T201
    for line in idle:
        print(f"decided on, and not so: {line}")  # noqa: T201
    if left:
        print(f"{len(left)} breaks: {HINT} {' '.join(map(str, more)) or 'a third file'}")  # noqa: T201
    return 1 if left or idle else 0


def _decided(text: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
