"""The register of personal archives: whose is where, lent or on its way, and what was done with it.

Revision ID: 0034
Revises: 0033
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

ARCHIVE, ENTRY = "personnel_archive", "archive_entry"


def upgrade() -> None:
    op.create_table(
        ARCHIVE,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("agency", sa.String(6), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kept_since", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date()),
        sa.Column("application", sa.String(40)),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("personnel_archive_pkey")),
        sa.UniqueConstraint("token", name=op.f("personnel_archive_token_key")),
        sa.CheckConstraint(
            "state IN ('kept', 'lent', 'transferring', 'transferred')",
            name=op.f("personnel_archive_state_check"),
        ),
        sa.CheckConstraint(
            "(state = 'lent') = (due_on IS NOT NULL)", name=op.f("personnel_archive_loan_check")
        ),
        sa.CheckConstraint(
            "(state IN ('lent', 'transferring')) = (application IS NOT NULL)",
            name=op.f("personnel_archive_held_check"),
        ),
        info={"grants": "SELECT, INSERT, UPDATE"},
        if_not_exists=True,
    )
    for name, columns in (
        ("agency_id", ["agency", "id"]), ("agency_state_id", ["agency", "state", "id"]),
    ):  # fmt: skip
        op.create_index(f"personnel_archive_{name}_idx", ARCHIVE, columns, if_not_exists=True)
    op.create_index(
        "personnel_archive_lent_idx", ARCHIVE, ["agency", "due_on"],
        postgresql_where=sa.text("state = 'lent'"), if_not_exists=True,
    )  # fmt: skip
    op.create_table(
        ENTRY,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("archive", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deed", sa.String(12), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("agency", sa.String(6), nullable=False),
        sa.Column("application", sa.String(40)),
        sa.Column("due_on", sa.Date()),
        sa.Column("note_sealed", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name=op.f("archive_entry_pkey")),
        sa.ForeignKeyConstraint(
            ["archive"], ["personnel_archive.id"], name=op.f("archive_entry_archive_fkey")
        ),
        info={"grants": "SELECT, INSERT, UPDATE (note_sealed)"},
        if_not_exists=True,
    )
    op.create_index("archive_entry_archive_id_idx", ENTRY, ["archive", "id"], if_not_exists=True)


def downgrade() -> None:
    op.drop_table(ENTRY, if_exists=True)
    op.drop_table(ARCHIVE, if_exists=True)
