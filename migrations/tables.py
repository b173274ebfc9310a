"""All tables there are."""

from importlib import import_module

from sqlalchemy import MetaData
from sqlmodel import SQLModel

MODULES = (
    "access.models", "agencies.models", "applications.models", "archives.models", "connectors.models",
    "custody.models", "divisions.models", "documents.models", "events.models", "evidence.models",
    "files.models", "importing.models", "kit.generations", "kit.repeats", "kit.workdays", "matters.models",
    "notices.models", "outlets.models", "ratings.models", "routing.models", "supervision.models",
    "terminals.models",
    "webhooks.models",
)  # fmt: skip
"""Modules with tables, by name: an import that nobody uses is one that a linter may drop. A test holds
the list against the tree."""


QUEUE = ("pgqueuer", "pgqueuer_log", "pgqueuer_schedules", "pgqueuer_statistics")
"""Tables of the job queue, which are the library's: no model of ours tells of them."""


def metadata() -> MetaData:
    """Load every table and give what is known of them."""
    for name in MODULES:
        import_module(name)
    return SQLModel.metadata
