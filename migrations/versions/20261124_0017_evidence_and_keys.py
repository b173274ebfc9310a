"""The chain of evidence, check values of keys, and how far values are sealed again.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import UserDefinedType

from migrations.steps import add_index, drop_index

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


class Xid8(UserDefinedType):
    def get_col_spec(self, **_):
        return "xid8"


XID = sa.text("pg_current_xact_id()")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("event_text", sa.Column("commitment", sa.LargeBinary()), if_not_exists=True)
    op.add_column(
        "access_record", sa.Column("purpose_commitment", sa.LargeBinary()), if_not_exists=True
    )
    op.add_column("access_record", sa.Column("xid", Xid8(), server_default=XID), if_not_exists=True)
    op.create_table(
        "access_sequence",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record", sa.Uuid(), nullable=False),
        sa.Column("xid", Xid8(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("access_sequence_pkey")),
        sa.UniqueConstraint("record", name=op.f("access_sequence_record_key")),
        if_not_exists=True,
    )
    op.create_table(
        "evidence_block",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("statement", sa.String(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.String(16), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("evidence_block_pkey")),
        if_not_exists=True,
    )
    op.create_index(op.f("evidence_block_at_idx"), "evidence_block", ["at"], if_not_exists=True)
    op.create_table(
        "evidence_span",
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("stream", sa.String(16), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("leaves", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("block", "stream", name=op.f("evidence_span_pkey")),
        if_not_exists=True,
    )
    op.create_index(
        "evidence_span_stream_first_idx", "evidence_span", ["stream", "first"], if_not_exists=True
    )
    op.create_table(
        "evidence_key",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("evidence_key_pkey")),
        if_not_exists=True,
    )
    op.create_table(
        "ring_key",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("suite", sa.String(8), nullable=False),
        sa.Column("check_value", sa.LargeBinary(), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("lost_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("ring_key_pkey")),
        if_not_exists=True,
    )
    op.create_table(
        "resealing",
        sa.Column("place", sa.String(80), nullable=False),
        sa.Column("key", sa.String(16), nullable=False),
        sa.Column("after", sa.String(80), nullable=False),
        sa.Column("looked_at", sa.BigInteger(), nullable=False),
        sa.Column("sealed_again", sa.BigInteger(), nullable=False),
        sa.Column("passed_over", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("place", name=op.f("resealing_pkey")),
        if_not_exists=True,
    )
    add_index("access_record_xid_idx", "access_record", ["xid", "id"])


def downgrade() -> None:
    drop_index("access_record_xid_idx")
    for table in (
        "resealing", "ring_key", "evidence_key", "evidence_span", "evidence_block", "access_sequence",
    ):  # fmt: skip
        op.drop_table(table)
    op.drop_column("access_record", "xid")
    op.drop_column("access_record", "purpose_commitment")
    op.drop_column("event_text", "commitment")
