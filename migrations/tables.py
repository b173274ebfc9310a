"""All tables there are."""

from importlib import import_module
from pathlib import Path

from sqlalchemy import MetaData
from sqlmodel import SQLModel

ALSO = ("kit.generations", "kit.workdays")
"""Tables of `kit`, which has no `models.py`."""


def metadata() -> MetaData:
    """Load every table and give what is known of them.

    Found, not listed: a listed import is one that a linter may drop.
    """
    root = Path(__file__).parent.parent
    names = [f"{found.parent.name}.models" for found in sorted(root.glob("*/models.py"))]
    for name in (*names, *ALSO):
        import_module(name)
    return SQLModel.metadata
