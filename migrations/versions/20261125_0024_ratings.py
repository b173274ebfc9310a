"""Ratings, their figures, and what is done about poor ones.

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

WRITTEN = {"grants": "SELECT, INSERT, UPDATE"}
COUNTS = ("grade_1", "grade_2", "grade_3", "grade_4", "grade_5", "closed", "in_time", "excused")


def upgrade() -> None:
    op.create_table(
        "rating",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("rated_on", sa.Date(), nullable=False),
        sa.Column("outlet", sa.String(12), nullable=False),
        sa.Column("agency", sa.String(6), nullable=False),
        sa.Column("matter", sa.String(12), nullable=False),
        sa.Column("grade", sa.SmallInteger(), nullable=False),
        sa.Column("channel", sa.String(8), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.String(16)), nullable=False),
        sa.Column("text_sealed", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name=op.f("rating_pkey")),
        sa.UniqueConstraint("token", name=op.f("rating_token_key")),
        sa.CheckConstraint("grade BETWEEN 1 AND 5", name=op.f("rating_grade_check")),
        sa.CheckConstraint("channel IN ('counter', 'progress')", name=op.f("rating_channel_check")),
        info={"grants": "SELECT, INSERT, UPDATE (text_sealed)"},
        if_not_exists=True,
    )
    op.create_table(
        "rating_figure",
        sa.Column("outlet", sa.String(12), nullable=False),
        sa.Column("agency", sa.String(6), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTS),
        sa.PrimaryKeyConstraint("outlet", "agency", "month", name=op.f("rating_figure_pkey")),
        info=WRITTEN,
        if_not_exists=True,
    )
    op.create_index(
        "rating_figure_agency_outlet_idx", "rating_figure", ["agency", "outlet"], if_not_exists=True
    )
    op.create_table(
        "rectification",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("rating", sa.Uuid(), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("outlet", sa.String(12), nullable=False),
        sa.Column("agency", sa.String(6), nullable=False),
        sa.Column("responsible", sa.String(8), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("callback_result", sa.String(20)),
        sa.Column("changed_at", sa.DateTime(timezone=True)),
        sa.Column("changed_by", sa.String(80)),
        sa.Column("told_at", sa.DateTime(timezone=True)),
        sa.Column("told", postgresql.ARRAY(sa.String(80)), nullable=False),
        sa.Column("about_sealed", sa.LargeBinary()),
        sa.Column("notes_sealed", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name=op.f("rectification_pkey")),
        sa.UniqueConstraint("rating", name=op.f("rectification_rating_key")),
        sa.ForeignKeyConstraint(["rating"], ["rating.id"], name=op.f("rectification_rating_fkey")),
        sa.CheckConstraint(
            "state IN ('open', 'contacted', 'fixed', 'explained', 'appealed', 'closed')",
            name=op.f("rectification_state_check"),
        ),
        sa.CheckConstraint(
            "responsible IN ('outlet', 'agency')", name=op.f("rectification_responsible_check")
        ),
        info=WRITTEN,
        if_not_exists=True,
    )
    for column in ("outlet", "agency"):
        op.create_index(
            f"rectification_{column}_id_idx", "rectification", [column, "id"], if_not_exists=True
        )
    op.create_index(
        "rectification_untold_idx",
        "rectification",
        ["due_on"],
        postgresql_where=sa.text("told_at IS NULL AND state <> 'closed'"),
        if_not_exists=True,
    )


def downgrade() -> None:
    for table in ("rectification", "rating_figure", "rating"):
        op.drop_table(table, if_exists=True)
