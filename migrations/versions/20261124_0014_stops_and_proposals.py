"""What correction, suspension and extension leave on a row, and whose day the timers look for.

The columns are not named by a submission, and no submission is in one of the indexes.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

from migrations.steps import add_index, drop_index

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

INSTANTS = ("corrected_at", "supplied_at", "stopped_at")
DAYS = ("corrected_days", "suspended_days", "extended_days")
OTHERS = {"proposal": sa.String(12), "notices_sealed": sa.LargeBinary()}
INDEXES = {
    "application_unsupplied_idx": "state = 'correction'",
    "application_in_hand_idx": "state = 'delivered'",
}


def upgrade() -> None:
    for name in INSTANTS:
        op.add_column(
            "application", sa.Column(name, sa.DateTime(timezone=True)), if_not_exists=True
        )
    for name in DAYS:
        column = sa.Column(name, sa.SmallInteger(), server_default="0", nullable=False)
        op.add_column("application", column, if_not_exists=True)
    for name, kind in OTHERS.items():
        op.add_column("application", sa.Column(name, kind), if_not_exists=True)
    for name, where in INDEXES.items():
        add_index(name, "application", ["due_on"], where=where)


def downgrade() -> None:
    for name in INDEXES:
        drop_index(name)
    for name in (*INSTANTS, *DAYS, *OTHERS):
        op.drop_column("application", name, if_exists=True)
