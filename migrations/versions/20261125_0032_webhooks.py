"""Subscriptions to events and their deliveries. What happened before there were any is not sent.

Revision ID: 0032
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

WRITTEN = {"grants": "SELECT, INSERT, UPDATE"}
FORGOTTEN = {"grants": "SELECT, INSERT, UPDATE, DELETE"}
WAITING = sa.text("state = 'waiting'")
INSTANT = sa.DateTime(timezone=True)

INDEXES = (
    ("scope", "webhook_subscription", ["scope_kind", "scope"], None),
    ("bank", "webhook_subscription", ["bank", "id"], None),
    ("agency", "webhook_subscription", ["agency", "id"], None),
    ("target", "webhook_subscription", ["target"], None),
    ("line", "webhook_delivery", ["subscription", "application", "seq"], WAITING),
    ("due", "webhook_delivery", ["subscription", "next_at"], WAITING),
    ("until", "webhook_delivery", ["until"], WAITING),
    ("newest", "webhook_delivery", ["subscription", "id"], None),
    ("state", "webhook_delivery", ["subscription", "state", "id"], None),
    ("application", "webhook_delivery", ["subscription", "application", "id"], None),
    ("created_at", "webhook_delivery", ["created_at"], None),
)


def upgrade() -> None:
    op.create_table(
        "webhook_subscription",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("url", sa.String(500), nullable=False),
        sa.Column("target", sa.String(420), nullable=False),
        sa.Column("scope_kind", sa.String(8), nullable=False),
        sa.Column("scope", sa.String(12), nullable=False),
        sa.Column("bank", sa.String(12)),
        sa.Column("agency", sa.String(6)),
        sa.Column("kinds", postgresql.ARRAY(sa.String(60)), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("why", sa.String(24)),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("from_seq", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(100), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary()),
        sa.Column("former_sealed", sa.LargeBinary()),
        sa.Column("former_until", INSTANT),
        sa.Column("last_delivered_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_subscription_pkey")),
        sa.CheckConstraint(
            "state IN ('active', 'paused', 'disabled', 'ended')",
            name=op.f("webhook_subscription_state_check"),
        ),
        sa.CheckConstraint(
            "scope_kind IN ('outlet', 'bank', 'agency')",
            name=op.f("webhook_subscription_scope_kind_check"),
        ),
        info=WRITTEN,
        if_not_exists=True,
    )
    op.create_table(
        "webhook_target",
        sa.Column("target", sa.String(420), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("openings", sa.Integer(), nullable=False),
        sa.Column("open_until", INSTANT),
        sa.PrimaryKeyConstraint("target", name=op.f("webhook_target_pkey")),
        info=FORGOTTEN,
        if_not_exists=True,
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("subscription", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.BigInteger(), nullable=False),
        sa.Column("event_at", INSTANT, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("application", sa.String(40), nullable=False),
        sa.Column("state", sa.String(9), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("next_at", INSTANT, nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.Column("attempts", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_delivery_pkey")),
        sa.UniqueConstraint(
            "subscription", "event", name=op.f("webhook_delivery_subscription_event_key")
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'delivered', 'dead', 'dropped')",
            name=op.f("webhook_delivery_state_check"),
        ),
        info=FORGOTTEN,
        if_not_exists=True,
    )
    for name, table, columns, where in INDEXES:
        op.create_index(
            f"{table}_{name}_idx", table, columns, postgresql_where=where, if_not_exists=True
        )
    op.create_table(
        "webhook_mark",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_mark_pkey")),
        sa.CheckConstraint("id = 1", name=op.f("webhook_mark_single_check")),
        info={"grants": "SELECT, UPDATE"},
        if_not_exists=True,
    )
    op.execute(
        "INSERT INTO webhook_mark (id, seq)"
        " SELECT 1, coalesce(max(seq), 0) FROM event_sequence ON CONFLICT DO NOTHING"
    )


def downgrade() -> None:
    for table in ("webhook_mark", "webhook_delivery", "webhook_target", "webhook_subscription"):
        op.drop_table(table, if_exists=True)
