"""Four more indexes of outlets go that no statement reads: lists by status, kind, class and agreement are answered
from memory. Each new outlet had to be entered in all of them.

Revision ID: 0039
Revises: 0038
"""

from migrations.steps import add_index, drop_index

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

UNREAD = ("status", "kind", "service_class", "agreement")


def upgrade() -> None:
    for name in UNREAD:
        drop_index(f"outlet_{name}_number_idx")


def downgrade() -> None:
    for name in UNREAD:
        add_index(f"outlet_{name}_number_idx", "outlet", [name, "number"])
