"""An index of the few versions that are still drafts, for the list of what waits.

Revision ID: 0015
Revises: 0014
"""

from migrations.steps import add_index, drop_index

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

NAME = "guide_version_draft_idx"


def upgrade() -> None:
    add_index(NAME, "guide_version", ["base_code", "version"], where="state = 'draft'")


def downgrade() -> None:
    drop_index(NAME)
