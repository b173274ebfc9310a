"""Rights are applied for, checked, approved and granted; looking is told to the auditor; doors count.

A grant that is on its way has generation 0, which no process reads: the release before knows no states.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.steps import add_index, drop_index

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

INDEXES = (
    ("rights_grant_area_idx", "rights_grant", ("area", "id")),
    ("access_record_at_idx", "access_record", ("at", "id")),
    ("access_record_agency_at_idx", "access_record", ("agency", "at", "id")),
    ("access_record_subject_at_idx", "access_record", ("subject", "at", "id")),
    ("access_record_person_at_idx", "access_record", ("person", "at", "id")),
)
TABLES = ("access_alert", "call_share", "attempt", "issuer_keys", "revocation", "grant_step")
KINDS = "('issuers'), ('revocations')"


def upgrade() -> None:
    for table, columns in _added().items():
        for column in columns:
            op.add_column(table, column, if_not_exists=True)
    _tables_of_rights()
    _tables_of_tokens()
    _tables_of_the_door()
    op.execute(
        f"INSERT INTO generation (kind, value) SELECT column1, 0 FROM (VALUES {KINDS}) k ON CONFLICT DO NOTHING"
    )
    for name, table, by in INDEXES:
        add_index(name, table, by)


def downgrade() -> None:
    for name, *_ in INDEXES:
        drop_index(name)
    for table in TABLES:
        op.drop_table(table, if_exists=True)
    op.execute("DELETE FROM generation WHERE kind IN ('issuers', 'revocations')")
    for table, columns in _added().items():
        for column in columns:
            op.drop_column(table, column.name, if_exists=True)


def _tables_of_rights() -> None:
    op.create_table(
        "grant_step",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.String(12), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("reason", sa.String(24), nullable=True),
        sa.ForeignKeyConstraint(["grant_id"], ["rights_grant.id"], name="grant_step_grant_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="grant_step_pkey"),
        if_not_exists=True,
    )
    op.create_index("grant_step_grant_id_idx", "grant_step", ["grant_id"], if_not_exists=True)
    op.create_table(
        "access_alert",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rule", sa.String(20), nullable=False),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("agency", sa.String(6), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("window_from", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="access_alert_pkey"),
        sa.UniqueConstraint(
            "subject", "rule", "window_from", name="access_alert_subject_rule_window_from_key"
        ),
        if_not_exists=True,
    )
    op.create_index("access_alert_agency_idx", "access_alert", ["agency", "id"], if_not_exists=True)


def _tables_of_tokens() -> None:
    op.create_table(
        "revocation",
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("value", sa.String(200), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(80), nullable=False),
        sa.Column("reason", sa.String(24), nullable=False),
        sa.CheckConstraint(
            "kind IN ('token', 'person', 'terminal', 'key')", name="revocation_kind_check"
        ),
        sa.PrimaryKeyConstraint("id", name="revocation_pkey"),
        if_not_exists=True,
    )
    for column in ("generation", "expires_at"):
        op.create_index(f"revocation_{column}_idx", "revocation", [column], if_not_exists=True)
    op.create_table(
        "issuer_keys",
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(20), nullable=False),
        sa.Column("url", sa.String(200), nullable=False),
        sa.Column("keys", postgresql.JSONB(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="issuer_keys_pkey"),
        if_not_exists=True,
    )
    op.create_index("issuer_keys_generation_idx", "issuer_keys", ["generation"], if_not_exists=True)


def _tables_of_the_door() -> None:
    op.create_table(
        "attempt",
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="attempt_pkey"),
        if_not_exists=True,
    )
    op.create_index("attempt_expires_at_idx", "attempt", ["expires_at"], if_not_exists=True)
    op.create_table(
        "call_share",
        sa.Column("process", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("process", "name", name="call_share_pkey"),
        prefixes=["UNLOGGED"],
        if_not_exists=True,
    )
    op.create_index("call_share_at_idx", "call_share", ["at"], if_not_exists=True)


def _added() -> dict[str, list[sa.Column]]:
    return {
        "rights_grant": [
            sa.Column("state", sa.String(12), server_default="active", nullable=False),
            sa.Column("version", sa.Integer(), server_default="1", nullable=False),
            sa.Column("applied_by", sa.String(80), nullable=True),
            sa.Column("checked_by", sa.String(80), nullable=True),
            sa.Column("approved_by", sa.String(80), nullable=True),
            sa.Column("confirm_by", sa.Date(), nullable=True),
            sa.Column("area", sa.String(6), server_default="", nullable=False),
            sa.Column("agency", sa.String(6), nullable=True),
            sa.Column("bank", sa.String(12), nullable=True),
        ],
        "access_record": [
            sa.Column("kind", sa.String(12), server_default="reveal", nullable=False),
            sa.Column("person", sa.LargeBinary(), nullable=True),
            sa.Column("outlet", sa.String(12), nullable=True),
            sa.Column("agency", sa.String(6), nullable=True),
            sa.Column("elsewhere", sa.Boolean(), server_default=sa.false(), nullable=False),
            sa.Column("address", sa.String(45), nullable=True),
        ],
    }
