"""Matters are there without a guide too: what they belong to, what they are called, what they rest on.

Columns come with defaults of the database, so that code which does not know them goes on writing.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXTS = {
    "number": 8, "group_name": 40, "category": 40, "fit": 8, "covered_by": 12, "national_code": 12,
}  # fmt: skip
LISTS = {
    "service_objects": sa.String(1), "insurance_kinds": sa.String(3), "items": sa.Integer(),
    "aliases": sa.String(40),
}  # fmt: skip


def upgrade() -> None:
    for column in _columns():
        op.add_column("matter", column, if_not_exists=True)
    _make_item()
    _make_legal_document()
    op.create_table(
        "package",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("package", sa.String(40), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("package", name="package_pkey"),
        if_not_exists=True,
    )


def downgrade() -> None:
    for table in ("package", "legal_document", "item"):
        op.drop_table(table, if_exists=True)
    for column in _columns():
        op.drop_column("matter", column.name, if_exists=True)


def _columns() -> list[sa.Column]:
    texts = (
        sa.Column(name, sa.String(length), server_default="", nullable=False)
        for name, length in TEXTS.items()
    )
    lists = (
        sa.Column(name, postgresql.ARRAY(kind), server_default="{}", nullable=False)
        for name, kind in LISTS.items()
    )
    mark = sa.Column("is_reconstruction", sa.Boolean(), server_default=sa.false(), nullable=False)
    return [*texts, *lists, mark]


def _make_item() -> None:
    op.create_table(
        "item",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("item", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("aspect", sa.String(20), nullable=False),
        sa.Column("category", sa.String(40), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.PrimaryKeyConstraint("item", name="item_pkey"),
        if_not_exists=True,
    )


def _make_legal_document() -> None:
    op.create_table(
        "legal_document",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("document", sa.String(60), nullable=False),
        sa.Column("number", sa.String(100), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("in_force_from", sa.Date(), nullable=True),
        sa.Column("ended_on", sa.Date(), nullable=True),
        sa.Column("replaces", sa.String(60), nullable=True),
        sa.Column("is_verified", sa.Boolean(), nullable=False),
        sa.Column("note", sa.String(200), nullable=False),
        sa.CheckConstraint(
            "state IN ('in_force', 'replaced', 'abolished')", name="legal_document_state_check"
        ),
        sa.CheckConstraint(
            "state = 'in_force' OR ended_on IS NOT NULL", name="legal_document_ended_check"
        ),
        sa.ForeignKeyConstraint(
            ["replaces"], ["legal_document.document"], name="legal_document_replaces_fkey"
        ),
        sa.PrimaryKeyConstraint("document", name="legal_document_pkey"),
        if_not_exists=True,
    )
