"""Four indexes of outlets go that no question is answered by: others begin with the same columns, and who asks
what is open now is answered from memory. Each new outlet had to be entered in all of them.

Revision ID: 0036
Revises: 0035
"""

from migrations.steps import add_index, drop_index

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

COVERED = ("bank", "agreement", "division")
"""Columns with which `outlet_*_number_idx` begins as well."""


def upgrade() -> None:
    drop_index("outlet_open_week_idx")
    for name in COVERED:
        drop_index(f"outlet_{name}_idx")


def downgrade() -> None:
    for name in COVERED:
        add_index(f"outlet_{name}_idx", "outlet", [name])
    add_index("outlet_open_week_idx", "outlet", ["open_week"], using="gist")
