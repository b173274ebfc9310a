"""Who was told of late work, and what was drawn to be checked.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

WRITTEN = {"grants": "SELECT, INSERT, UPDATE"}


def upgrade() -> None:
    op.create_table(
        "supervision_order",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("application", sa.String(40), nullable=False),
        sa.Column("agency", sa.String(6), nullable=False),
        sa.Column("outlet", sa.String(12), nullable=False),
        sa.Column("matter", sa.String(12), nullable=False),
        sa.Column("light", sa.String(8), nullable=False),
        sa.Column("waits_for", sa.String(12), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("told", postgresql.ARRAY(sa.String(80)), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sa.Column("answered_by", sa.String(80)),
        sa.Column("answer_sealed", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name=op.f("supervision_order_pkey")),
        sa.UniqueConstraint(
            "application",
            "light",
            "since",
            name=op.f("supervision_order_application_light_since_key"),
        ),
        sa.CheckConstraint(
            "light IN ('red', 'overdue')", name=op.f("supervision_order_light_check")
        ),
        info=WRITTEN,
        if_not_exists=True,
    )
    op.create_index(
        "supervision_order_agency_id_idx", "supervision_order", ["agency", "id"], if_not_exists=True
    )
    op.create_table(
        "spot_check",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("application", sa.String(40), nullable=False),
        sa.Column("agency", sa.String(6), nullable=False),
        sa.Column("outlet", sa.String(12), nullable=False),
        sa.Column("matter", sa.String(12), nullable=False),
        sa.Column("reason", sa.String(12), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True)),
        sa.Column("checked_by", sa.String(80)),
        sa.Column("corrected_at", sa.DateTime(timezone=True)),
        sa.Column("corrected_by", sa.String(80)),
        sa.Column("finding_sealed", sa.LargeBinary()),
        sa.Column("correction_sealed", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name=op.f("spot_check_pkey")),
        sa.UniqueConstraint("application", name=op.f("spot_check_application_key")),
        sa.CheckConstraint(
            "state IN ('open', 'fine', 'finding', 'corrected')", name=op.f("spot_check_state_check")
        ),
        sa.CheckConstraint(
            "reason IN ('matter', 'outlet', 'commitment')", name=op.f("spot_check_reason_check")
        ),
        info=WRITTEN,
        if_not_exists=True,
    )
    op.create_index("spot_check_agency_id_idx", "spot_check", ["agency", "id"], if_not_exists=True)
    op.create_index(
        "spot_check_open_idx",
        "spot_check",
        ["agency", "id"],
        postgresql_where=sa.text("state = 'open'"),
        if_not_exists=True,
    )
    op.create_table(
        "spot_stratum",
        sa.Column("agency", sa.String(6), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("key", sa.String(12), nullable=False),
        sa.Column("decided", sa.BigInteger(), nullable=False),
        sa.Column("drawn", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("agency", "kind", "key", name=op.f("spot_stratum_pkey")),
        info=WRITTEN,
        if_not_exists=True,
    )
    op.create_table(
        "spot_mark",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("spot_mark_pkey")),
        sa.CheckConstraint("id = 1", name=op.f("spot_mark_single_check")),
        info={"grants": "SELECT, UPDATE"},
        if_not_exists=True,
    )
    op.execute("INSERT INTO spot_mark (id, seq) VALUES (1, 0) ON CONFLICT DO NOTHING")


def downgrade() -> None:
    for table in ("spot_mark", "spot_stratum", "spot_check", "supervision_order"):
        op.drop_table(table, if_exists=True)
