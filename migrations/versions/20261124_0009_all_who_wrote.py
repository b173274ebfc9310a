"""Drafts keep all who wrote them, not only the first and the last: none of them publishes.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = ("guide_version", "guide_layer")


def upgrade() -> None:
    for table in TABLES:
        column = sa.Column(
            "editors", postgresql.ARRAY(sa.String(80)), server_default="{}", nullable=False
        )
        op.add_column(table, column, if_not_exists=True)


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "editors", if_exists=True)
