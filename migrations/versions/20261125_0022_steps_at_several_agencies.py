"""Steps of an application at several agencies: the clock of each, who had one, and who may not do the next.

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from migrations.steps import add_index

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def _columns() -> list[sa.Column]:
    return [
        sa.Column("step_began_at", sa.DateTime(timezone=True)),
        sa.Column("step_due_on", sa.Date()),
        sa.Column("step_moved_from", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("past_steps", JSONB(), server_default="[]", nullable=False),
        sa.Column("barred", ARRAY(sa.String(110)), server_default="{}", nullable=False),
    ]


def upgrade() -> None:
    for column in _columns():
        op.add_column("application", column, if_not_exists=True)
    op.create_table(
        "application_part",
        sa.Column("application", sa.String(40), nullable=False),
        sa.Column("agency", sa.String(6), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("application", "agency", name="application_part_pkey"),
        if_not_exists=True,
    )
    add_index(
        "application_part_agency_newest_idx", "application_part",
        ["agency", sa.text("received_at DESC"), sa.text("application DESC")],
    )  # fmt: skip


def downgrade() -> None:
    op.drop_table("application_part", if_exists=True)
    for column in _columns():
        op.drop_column("application", column.name, if_exists=True)
