"""Matters are found by how the names that people use are said.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column(
        "alias_pinyin", postgresql.ARRAY(sa.String(200)), server_default="{}", nullable=False
    )
    op.add_column("matter", column, if_not_exists=True)


def downgrade() -> None:
    op.drop_column("matter", "alias_pinyin", if_exists=True)
