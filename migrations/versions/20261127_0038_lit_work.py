"""What is to be done in a light, by an index that has the light before the day: among ten million applications
the planner, which takes an agency's share, its states and their lights for independent of each other, expected a
handful of red ones, and sorted fifty thousand.

Revision ID: 0038
Revises: 0037
"""

from migrations.steps import add_index, drop_index

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

IN_WORK = "state IN ('accepted', 'in_review', 'in_second_review', 'in_approval')"


def upgrade() -> None:
    add_index(
        "application_lit_idx", "application", ["agency", "light_told", "due_on", "number"],
        where=IN_WORK,
    )  # fmt: skip


def downgrade() -> None:
    drop_index("application_lit_idx")
