"""Spreadsheets of outlets are taken in; lists of the payment system that they are held against.

Revision ID: 0026
Revises: 0025
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.steps import add_index, drop_index

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

ALL = {"grants": "SELECT, INSERT, UPDATE, DELETE"}
STATES = "'queued', 'running', 'done', 'failed'"
COUNTS = ("batches", "rows", "ok", "fixed", "rejected", "created", "changed", "proposed")


def _texts(name: str, length: int) -> sa.Column:
    return sa.Column(name, postgresql.ARRAY(sa.String(length)), server_default="{}", nullable=False)


def _count(name: str) -> sa.Column:
    return sa.Column(name, sa.Integer(), server_default="0", nullable=False)


def upgrade() -> None:
    _make_imports()
    _make_reports()
    op.create_table(
        "cnaps_class",
        sa.Column("code", sa.String(3), nullable=False),
        _texts("names", 60),
        sa.Column("is_group", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("cnaps_class_pkey")),
        info=ALL,
        if_not_exists=True,
    )
    op.create_table(
        "cnaps_area",
        sa.Column("code", sa.String(4), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("city", sa.String(6), nullable=False),
        sa.Column("county", sa.String(6), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("cnaps_area_pkey")),
        info=ALL,
        if_not_exists=True,
    )
    add_index("outlet_name_idx", "outlet", ["name"])


def _make_imports() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "outlet_import",
        sa.Column("created_at", instant, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("path", sa.String(80), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("asked_by", sa.String(80), nullable=False),
        sa.Column("asked_role", sa.String(32), nullable=False),
        _texts("banks", 12),
        _texts("areas", 9),
        sa.Column("progress", sa.Double(), nullable=False),
        *map(_count, COUNTS),
        sa.Column("format", sa.String(8), nullable=True),
        sa.Column("encoding", sa.String(16), nullable=True),
        _texts("notes", 24),
        sa.Column("failure", sa.String(24), nullable=True),
        sa.Column("failure_about", sa.String(200), nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=True),
        sa.Column("held_until", instant, nullable=True),
        _count("taken"),
        sa.Column("finished_at", instant, nullable=True),
        sa.CheckConstraint(f"state IN ({STATES})", name=op.f("outlet_import_state_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("outlet_import_pkey")),
        info=ALL,
        if_not_exists=True,
    )
    op.create_index(
        "outlet_import_waiting_idx", "outlet_import", ["created_at"], if_not_exists=True,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )  # fmt: skip
    op.create_index(
        "outlet_import_created_at_idx", "outlet_import", ["created_at"], if_not_exists=True
    )


def _make_reports() -> None:
    op.create_table(
        "outlet_import_report",
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("of_import", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["of_import"], ["outlet_import.id"], ondelete="CASCADE",
            name=op.f("outlet_import_report_of_import_fkey"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("outlet_import_report_pkey")),
        info=ALL,
        if_not_exists=True,
    )  # fmt: skip
    op.create_index(
        op.f("outlet_import_report_of_import_idx"), "outlet_import_report", ["of_import"],
        if_not_exists=True,
    )  # fmt: skip


def downgrade() -> None:
    drop_index("outlet_name_idx")
    for table in ("cnaps_area", "cnaps_class", "outlet_import_report", "outlet_import"):
        op.drop_table(table)
