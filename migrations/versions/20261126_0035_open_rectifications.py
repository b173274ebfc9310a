"""Which rectifications are open, or late, is listed without a look at those that are closed.

Revision ID: 0035
Revises: 0034
"""

from migrations.steps import add_index, drop_index

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index("rectification_open_idx", "rectification", ["id"], where="state <> 'closed'")


def downgrade() -> None:
    drop_index("rectification_open_idx")
