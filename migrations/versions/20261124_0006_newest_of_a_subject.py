"""An index that gives a subject's newest applications, for the warning of a likely duplicate.

The one before began the same and went on with the matter. A submission's statement is planned once in a
connection's life, on an empty table too; there PostgreSQL held the index of a matter's newest for as good, and
each submission read all of its matter.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa

from migrations.steps import add_index, drop_index

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NEWEST = sa.text("received_at DESC")


def upgrade() -> None:
    add_index("application_subject_newest_idx", "application", ["subject_index", NEWEST])
    drop_index("application_subject_idx")


def downgrade() -> None:
    add_index("application_subject_idx", "application", ["subject_index", "matter", NEWEST])
    drop_index("application_subject_newest_idx")
