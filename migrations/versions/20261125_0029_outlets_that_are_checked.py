"""An outlet keeps the grade of its last sheet, an agreement the last day of which its end has been told.

Revision ID: 0029
Revises: 0028
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

ADDED = (
    ("outlet", "grade", sa.String(12)),
    ("outlet", "checked_at", sa.DateTime(timezone=True)),
    ("agreement", "expiry_told", sa.Date()),
)


def upgrade() -> None:
    for table, name, kind in ADDED:
        op.add_column(table, sa.Column(name, kind, nullable=True), if_not_exists=True)


def downgrade() -> None:
    for table, name, _ in ADDED:
        op.drop_column(table, name, if_exists=True)
