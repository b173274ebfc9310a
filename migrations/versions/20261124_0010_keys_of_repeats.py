"""Keys under which calls may be sent again, of all but applications.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idempotency_key",
        sa.Column("submitter", sa.String(100), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("body_digest", sa.LargeBinary(), nullable=False),
        sa.Column("resource", sa.String(80), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("submitter", "key", name=op.f("idempotency_key_pkey")),
        info={"grants": "SELECT, INSERT, DELETE"},
        if_not_exists=True,
    )
    op.create_index(
        op.f("idempotency_key_at_idx"), "idempotency_key", ["at"], unique=False, if_not_exists=True
    )


def downgrade() -> None:
    op.drop_table("idempotency_key", if_exists=True)
