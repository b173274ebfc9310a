"""Indexes for lists by state, matter and agency: a page costs the same however many rows there are.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa

from migrations.steps import add_index, drop_index

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NEWEST = sa.text("received_at DESC")
INDEXES = (
    ("outlet", "state"), ("outlet", "matter"), ("outlet", "agency"),
    ("agency", "state"), ("agency", "matter"), ("state",), ("matter",),
)  # fmt: skip
CLAIMED = """claimed_by IS NOT NULL
    AND state IN ('accepted', 'in_review', 'in_second_review', 'in_approval')"""


def upgrade() -> None:
    for columns in INDEXES:
        add_index(_name(columns), "application", [*columns, NEWEST])
    add_index(
        "application_claimed_idx", "application", ["claimed_by", "claimed_until"], where=CLAIMED
    )


def downgrade() -> None:
    drop_index("application_claimed_idx")
    for columns in INDEXES:
        drop_index(_name(columns))


def _name(columns: tuple[str, ...]) -> str:
    return f"application_{'_'.join(columns)}_idx"
