"""An outlet keeps who suspended it and until when it was to be put right; its liaison person stands sealed.

Revision ID: 0033
Revises: 0032
"""

import sqlalchemy as sa
from alembic import op

from migrations.steps import add_index, drop_index

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

CLEAR = """
    UPDATE outlet SET contact_name = '', contact_phone = ''
        WHERE contact_name <> '' OR contact_phone <> '';
    UPDATE outlet_proposal SET fields = fields - 'contact_name' - 'contact_phone'
        WHERE fields ?| ARRAY['contact_name', 'contact_phone'];
    UPDATE registry_change SET fields = fields - 'contact_name' - 'contact_phone'
        WHERE kind = 'outlet' AND fields ?| ARRAY['contact_name', 'contact_phone']
"""
"""Persons are told of anew by the next file: a migration has no key to seal them by."""


def upgrade() -> None:
    authority = sa.Column("by_authority", sa.Boolean(), server_default="false", nullable=False)
    op.add_column("outlet", authority, if_not_exists=True)
    op.add_column("outlet", sa.Column("rectify_told", sa.Date(), nullable=True), if_not_exists=True)
    op.create_table(
        "outlet_contact",
        sa.Column("outlet", sa.String(12), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(80), nullable=False),
        sa.ForeignKeyConstraint(
            ["outlet"], ["outlet.number"], name=op.f("outlet_contact_outlet_fkey")
        ),
        sa.PrimaryKeyConstraint("outlet", name=op.f("outlet_contact_pkey")),
        info={"grants": "SELECT, INSERT, UPDATE"},
        if_not_exists=True,
    )
    for statement in CLEAR.split(";"):
        op.execute(statement)
    add_index(
        "outlet_rectify_by_idx", "outlet", ["rectify_by", "number"], where="status = 'rectifying'"
    )


def downgrade() -> None:
    drop_index("outlet_rectify_by_idx")
    op.drop_table("outlet_contact", if_exists=True)
    op.drop_column("outlet", "rectify_told", if_exists=True)
    op.drop_column("outlet", "by_authority", if_exists=True)
