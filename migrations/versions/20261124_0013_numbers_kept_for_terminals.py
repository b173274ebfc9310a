"""Blocks of numbers that terminals reserve.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "number_block",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("terminal", sa.Uuid(), nullable=False),
        sa.Column("outlet", sa.String(12), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("reserved_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("last >= first", name=op.f("number_block_serials_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("number_block_pkey")),
        info={"grants": "SELECT, INSERT, DELETE"},
        if_not_exists=True,
    )
    for name, columns in INDEXES.items():
        op.create_index(
            name, "number_block", columns, unique=name.endswith("key"), if_not_exists=True
        )


INDEXES = {
    "number_block_day_idx": ["day"],
    "number_block_terminal_key": ["terminal", "day", "first"],
    "number_block_outlet_key": ["outlet", "day", "first"],
}


def downgrade() -> None:
    op.drop_table("number_block", if_exists=True)
