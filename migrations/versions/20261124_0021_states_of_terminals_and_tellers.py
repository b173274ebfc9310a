"""Terminals and tellers have a third state, and are listed by when they were used. 2 of 2.

Revision ID: 0021
Revises: 0020
"""

from alembic import op

from migrations.steps import add_check, add_index, drop_index

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

STATES = {"terminal": "'active', 'suspended', 'retired'", "teller": "'active', 'suspended', 'left'"}
BEFORE = {"terminal": "'active', 'suspended'", "teller": "'active', 'left'"}


def upgrade() -> None:
    for table, states in STATES.items():
        add_check(f"{table}_states_check", table, f"status IN ({states})")
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {table}_status_check")
    add_index("terminal_used_on_idx", "terminal", ["used_on", "id"])
    add_index("teller_used_on_idx", "teller", ["used_on", "code"])


def downgrade() -> None:
    drop_index("teller_used_on_idx")
    drop_index("terminal_used_on_idx")
    op.execute("UPDATE terminal SET status = 'suspended' WHERE status = 'retired'")
    op.execute("UPDATE teller SET status = 'left' WHERE status = 'suspended'")
    for table, states in BEFORE.items():
        add_check(f"{table}_status_check", table, f"status IN ({states})")
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {table}_states_check")
