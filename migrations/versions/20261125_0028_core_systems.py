"""What agencies' core systems are asked, and where they differ from what is held here.

Revision ID: 0028
Revises: 0027
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

WRITTEN = {"grants": "SELECT, INSERT, UPDATE"}


def upgrade() -> None:
    op.create_table(
        "core_call",
        sa.Column("application", sa.String(40), nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False),
        sa.Column("core", sa.String(40), nullable=False),
        sa.Column("agency", sa.String(6), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("asked", sa.Boolean(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("why", sa.String(12)),
        sa.Column("failed", postgresql.ARRAY(sa.String(40))),
        sa.Column("reference", sa.String(60)),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("application", "step", name=op.f("core_call_pkey")),
        sa.CheckConstraint(
            "state IN ('due', 'done', 'handed', 'dropped')", name=op.f("core_call_state_check")
        ),
        info=WRITTEN,
        if_not_exists=True,
    )
    op.create_index(
        "core_call_due_idx",
        "core_call",
        ["due_at"],
        postgresql_where=sa.text("state = 'due'"),
        if_not_exists=True,
    )
    op.create_index(
        "core_call_core_settled_at_idx", "core_call", ["core", "settled_at"], if_not_exists=True
    )
    op.create_table(
        "core_mark",
        sa.Column("core", sa.String(40), nullable=False),
        sa.Column("upto", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("core", name=op.f("core_mark_pkey")),
        info=WRITTEN,
        if_not_exists=True,
    )
    op.create_table(
        "core_difference",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("core", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("application", sa.String(40), nullable=False),
        sa.Column("agency", sa.String(6), nullable=False),
        sa.Column("reference_here", sa.String(60)),
        sa.Column("reference_there", sa.String(60), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.Column("settled_by", sa.String(80)),
        sa.Column("settlement_sealed", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name=op.f("core_difference_pkey")),
        sa.UniqueConstraint(
            "core",
            "kind",
            "application",
            "reference_there",
            name=op.f("core_difference_core_kind_application_reference_there_key"),
        ),
        sa.CheckConstraint(
            "kind IN ('unknown_here', 'not_completed_here', 'reference_differs', 'twice_there', "
            "'missing_there')",
            name=op.f("core_difference_kind_check"),
        ),
        sa.CheckConstraint(
            "state IN ('open', 'settled')", name=op.f("core_difference_state_check")
        ),
        info=WRITTEN,
        if_not_exists=True,
    )
    op.create_index(
        "core_difference_agency_id_idx", "core_difference", ["agency", "id"], if_not_exists=True
    )


def downgrade() -> None:
    op.drop_table("core_difference")
    op.drop_table("core_mark")
    op.drop_table("core_call")
