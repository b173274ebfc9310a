"""Notices to applicants. What happened before there were any is told of no more.

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

LISTS = {
    "kind": (
        "'receipt', 'acceptance', 'correction', 'refusal', 'suspension', 'extension', 'completion'"
    ),
    "state": "'waiting', 'told', 'undelivered'",
    "way": "'counter', 'sms', 'page', 'phone', 'visit', 'post'",
}


def upgrade() -> None:
    op.create_table(
        "notice",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("application", sa.String(40), nullable=False),
        sa.Column("event", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("outlet", sa.String(12), nullable=False),
        sa.Column("agency", sa.String(6), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True)),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("fault", sa.String(24)),
        sa.Column("way", sa.String(8)),
        sa.Column("told_at", sa.DateTime(timezone=True)),
        sa.Column("proof", sa.String(120)),
        sa.Column("seen_at", sa.DateTime(timezone=True)),
        sa.Column("note_sealed", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name=op.f("notice_pkey")),
        sa.UniqueConstraint("event", name=op.f("notice_event_key")),
        *(
            sa.CheckConstraint(f"{name} IN ({values})", name=op.f(f"notice_{name}_check"))
            for name, values in LISTS.items()
        ),
        info={"grants": "SELECT, INSERT, UPDATE"},
        if_not_exists=True,
    )
    for name, columns in (
        ("notice_application_event_idx", ["application", "event"]),
        ("notice_agency_state_idx", ["agency", "state", "id"]),
        ("notice_outlet_state_idx", ["outlet", "state", "id"]),
    ):
        op.create_index(name, "notice", columns, if_not_exists=True)
    op.create_index(
        "notice_next_at_idx",
        "notice",
        ["next_at"],
        postgresql_where=sa.text("state = 'waiting'"),
        if_not_exists=True,
    )
    op.create_table(
        "notice_mark",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("notice_mark_pkey")),
        sa.CheckConstraint("id = 1", name=op.f("notice_mark_single_check")),
        info={"grants": "SELECT, UPDATE"},
        if_not_exists=True,
    )
    op.execute(
        "INSERT INTO notice_mark (id, seq)"
        " SELECT 1, coalesce(max(seq), 0) FROM event_sequence ON CONFLICT DO NOTHING"
    )


def downgrade() -> None:
    for table in ("notice_mark", "notice"):
        op.drop_table(table, if_exists=True)
