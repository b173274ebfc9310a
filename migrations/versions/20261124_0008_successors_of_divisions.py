"""A division that is abolished names what took its place.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column(
        "successors", postgresql.ARRAY(sa.String(9)), server_default="{}", nullable=False
    )
    op.add_column("division", column, if_not_exists=True)


def downgrade() -> None:
    op.drop_column("division", "successors", if_exists=True)
