"""Steps of migrations that do not stop the service: each runs outside of a transaction, and may run again."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

LIMITS = ("SET lock_timeout = '4s'", "SET statement_timeout = '60s'")
"""Who waits for a lock makes all who come later wait too: it is given up, and tried again by the runner."""

PATIENT = ("SET lock_timeout = '60s'", "SET statement_timeout = 0")
"""Of steps that hinder nobody while they wait: for transactions that were open before."""


@contextmanager
def _for_as_long_as_it_takes() -> Iterator[None]:
    """Leave the transaction, and be patient."""
    with op.get_context().autocommit_block():
        for limit in PATIENT:
            op.execute(limit)
        yield
        for limit in LIMITS:
            op.execute(limit)


def add_index(
    name: str, table: str, columns: Sequence[str | sa.TextClause], *, where: str | None = None,
    using: str = "btree",
) -> None:  # fmt: skip
    """Build an index beside the running service.

    One that was broken off stays behind, unusable and still written to: it is dropped first.
    """
    with _for_as_long_as_it_takes():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.create_index(
            name, table, list(columns), if_not_exists=True, postgresql_concurrently=True,
            postgresql_where=None if where is None else sa.text(where),
            postgresql_using=using,
        )  # fmt: skip


def add_check(name: str, table: str, condition: str) -> None:
    """Let rows hold to a condition: the old ones are looked through without a lock on writers."""
    op.execute(f"""
        DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = '{name}') THEN
                ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID;
            END IF;
        END $$
    """)
    with _for_as_long_as_it_takes():
        op.execute(f"DO $$ BEGIN ALTER TABLE {table} VALIDATE CONSTRAINT {name}; END $$")


def drop_index(name: str) -> None:
    """Drop an index beside the running service."""
    with _for_as_long_as_it_takes():
        op.drop_index(name, if_exists=True, postgresql_concurrently=True)
