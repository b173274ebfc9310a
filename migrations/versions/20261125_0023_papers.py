"""Papers of applications: their words, sealed as they were when they were issued.

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "document",
        sa.Column("number", sa.String(44), nullable=False),
        sa.Column("application", sa.String(40), nullable=False),
        sa.Column("code", sa.String(3), nullable=False),
        sa.Column("nth", sa.SmallInteger(), nullable=False),
        sa.Column("event", sa.BigInteger(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agency", sa.String(6), nullable=False),
        sa.Column("outlet", sa.String(12)),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("document_pkey")),
        sa.UniqueConstraint(
            "application", "code", "nth", name=op.f("document_application_code_nth_key")
        ),
        info={"grants": "SELECT, INSERT, UPDATE (sealed)"},
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_table("document", if_exists=True)
