"""Guides are drafted by one person and published by another, and places lay their own fields over them.

Columns come with defaults of the database, so that code which does not know them goes on writing.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in _added():
        op.add_column("guide_version", column, if_not_exists=True)
    op.create_table(
        "guide_layer",
        sa.Column("base_code", sa.String(12), nullable=False),
        sa.Column("division", sa.String(9), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("effective_to", sa.Date(), nullable=True),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.Column("drafted_by", sa.String(80), nullable=False),
        sa.Column("published_by", sa.String(80), nullable=True),
        *_added(),
        postgresql.ExcludeConstraint(
            (sa.column("base_code"), "="),
            (sa.column("division"), "="),
            (sa.literal_column("daterange(effective_from, effective_to)"), "&&"),
            where=sa.text("state = 'published'"),
            using="gist",
            name="guide_layer_period_excl",
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'published', 'withdrawn')", name="guide_layer_state_check"
        ),
        sa.ForeignKeyConstraint(
            ["base_code"], ["matter.base_code"], name="guide_layer_base_code_fkey"
        ),
        sa.PrimaryKeyConstraint("base_code", "division", "version", name="guide_layer_pkey"),
        if_not_exists=True,
    )
    op.create_index("guide_layer_generation_idx", "guide_layer", ["generation"], if_not_exists=True)
    op.create_index(
        "guide_layer_draft_key", "guide_layer", ["base_code", "division"], unique=True,
        if_not_exists=True, postgresql_where=sa.text("state = 'draft'"),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_table("guide_layer", if_exists=True)
    for column in _added():
        op.drop_column("guide_version", column.name, if_exists=True)


def _added() -> list[sa.Column]:
    return [
        sa.Column("edited_by", sa.String(80), nullable=True),
        sa.Column("submitted_by", sa.String(80), nullable=True),
        sa.Column("reason", sa.String(500), nullable=True),
        sa.Column("is_cut", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
    ]
