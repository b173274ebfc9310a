"""Indexes of the few open applications that are counted: not accepted, late by law first, provisional.

An ordinary submission is in none of them, so they cost it nothing. Nothing but counting needs them.

Revision ID: 0002
Revises: 0001
"""

from migrations.steps import add_index, drop_index

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OPEN = "state IN ('received', 'accepted', 'in_review', 'in_second_review', 'in_approval')"
INDEXES = {
    "application_unaccepted_idx": ("due_on", "state = 'received'"),
    "application_law_first_idx": ("overdue_on", f"overdue_on <= due_on AND {OPEN}"),
    "application_provisional_idx": ("due_on", f"due_provisional AND {OPEN}"),
}


def upgrade() -> None:
    for name, (column, where) in INDEXES.items():
        add_index(name, "application", [column], where=where)


def downgrade() -> None:
    for name in INDEXES:
        drop_index(name)
