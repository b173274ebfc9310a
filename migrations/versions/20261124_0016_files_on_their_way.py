"""Files that come in parts, which applications use files, and what is to be removed from the store.

Files that are there already are kept: what uses them was not written down. For a day, so are those that
come while processes of the release before may still hand in applications; where there are no
applications yet, there is no such process.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.steps import add_index, drop_index

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

KEPT_FOR_A_DAY = """
    DO $$
    BEGIN
        IF EXISTS (SELECT FROM application) THEN
            EXECUTE format(
                'ALTER TABLE stored_file ALTER COLUMN kept SET DEFAULT now() < %L::timestamptz',
                now() + interval '1 day'
            );
        ELSE
            ALTER TABLE stored_file ALTER COLUMN kept SET DEFAULT false;
        END IF;
    END $$
"""


def upgrade() -> None:
    kept = sa.Column("kept", sa.Boolean(), server_default=sa.true(), nullable=False)
    op.add_column("stored_file", kept, if_not_exists=True)
    op.execute(KEPT_FOR_A_DAY)
    op.create_table(
        "file_use",
        sa.Column("file", sa.String(80), nullable=False),
        sa.Column("application", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("file", "application", name=op.f("file_use_pkey")),
        if_not_exists=True,
    )
    op.create_table(
        "file_upload",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("outlet", sa.String(12), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("parts", postgresql.ARRAY(sa.String(120)), nullable=False),
        sa.Column("holder", sa.String(36), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("metadata_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("file", sa.String(80), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("file_upload_pkey")),
        if_not_exists=True,
    )
    op.create_index(
        op.f("file_upload_expires_at_idx"), "file_upload", ["expires_at"], if_not_exists=True
    )
    op.create_table(
        "file_leftover",
        sa.Column("path", sa.String(120), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("path", name=op.f("file_leftover_pkey")),
        if_not_exists=True,
    )
    op.create_index(
        op.f("file_leftover_due_at_idx"), "file_leftover", ["due_at"], if_not_exists=True
    )
    add_index("stored_file_unkept_idx", "stored_file", ["created_at"], where="NOT kept")


def downgrade() -> None:
    drop_index("stored_file_unkept_idx")
    for table in ("file_leftover", "file_upload", "file_use"):
        op.drop_table(table, if_exists=True)
    op.drop_column("stored_file", "kept", if_exists=True)
