"""The filled server of the run before, as long as nothing that fills it has changed.

To make a cluster, migrate it and load the reference data takes longer than most files of tests; to lay a
copy of its files takes next to nothing.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from kit.clock import today

ROOT = Path(__file__).parent.parent
FILLS = (
    "migrations",
    "data",
    "kit",
    "schemas",
    "divisions",
    "agencies",
    "outlets",
    "matters",
    "routing",
    "cli",
    "tests/conftest.py",
)
"""What has a hand in the template: by their bytes it is known again."""

KEPT = 2
"""So many copies stay; the branch that one works on and the one that it is held against."""


def lay(data: Path) -> bool:
    """Lay the kept cluster into the new folder `data`, with its owners; tell whether there was one."""
    kept = _place()
    if not kept.exists():
        return False
    _copy(kept, data)
    return True


def keep(data: Path) -> None:
    """Keep a filled and stopped cluster. Two runs at once both may: one of them stays, whole."""
    beside = Path(tempfile.mkdtemp(prefix="new-", dir=_folder()))
    _copy(data, beside / "pg")
    with contextlib.suppress(OSError):  # Another was faster.
        (beside / "pg").rename(_place())
    shutil.rmtree(beside, ignore_errors=True)
    older = sorted(_folder().glob("pg-*"), key=lambda kept: kept.stat().st_mtime, reverse=True)
    for left in older[KEPT:]:
        shutil.rmtree(left, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.rmdir()
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def _folder() -> Path:
    folder = ROOT / ".pytest_cache" / "templates"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _place() -> Path:
    digest = hashlib.sha256(f"{today()} {os.geteuid()}".encode())
    for name in FILLS:
        base = ROOT / name
        for path in sorted(base.rglob("*")) if base.is_dir() else [base]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(ROOT)).encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return _folder() / f"pg-{digest.hexdigest()[:16]}"
