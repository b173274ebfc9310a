"""The registry keeps all of an outlet, its history, its sheets of acceptance, and what is proposed.

Columns come with defaults of the database, so that code which does not know them goes on writing.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.steps import add_check, add_index, drop_index

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = ("outlet_proposal", "acceptance_sheet", "registry_change")
CHECKS = {
    "bank_status_check": ("bank", "status IN ('active', 'proposed', 'closed')"),
    "outlet_coordinate_system_check": (
        "outlet", "coordinate_system IN ('cgcs2000', 'wgs84', 'gcj02', 'bd09')",
    ),
    "outlet_point_check": ("outlet", "(lat IS NULL) = (lng IS NULL)"),
}  # fmt: skip
INDEXES = {
    "agreement_division_idx": ("agreement", ["division"]),
    "agreement_valid_to_idx": ("agreement", ["valid_to"]),
    "agreement_replaces_idx": ("agreement", ["replaces"]),
    "outlet_cnaps_idx": ("outlet", ["cnaps"]),
    "outlet_licence_idx": ("outlet", ["licence"]),
    "outlet_parent_idx": ("outlet", ["parent"]),
    "outlet_bank_division_idx": ("outlet", ["bank", "division"]),
    **{
        f"outlet_{name}_number_idx": ("outlet", [name, "number"])
        for name in ("bank", "status", "kind", "service_class", "division", "agreement")
    },
}


def upgrade() -> None:
    for table, columns in _added().items():
        for column in columns:
            op.add_column(table, column, if_not_exists=True)
    _make_changes()
    _make_sheets()
    _make_proposals()
    for name, (table, condition) in CHECKS.items():
        add_check(name, table, condition)
    for name, (table, columns) in INDEXES.items():
        add_index(name, table, columns)
    add_index("outlet_open_week_idx", "outlet", ["open_week"], using="gist")


def downgrade() -> None:
    drop_index("outlet_open_week_idx")
    for name in INDEXES:
        drop_index(name)
    for table in TABLES:
        op.drop_table(table, if_exists=True)
    for name, (table, _) in CHECKS.items():
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")
    for table, columns in _added().items():
        for column in columns:
            op.drop_column(table, column.name, if_exists=True)


def _text(name: str, length: int) -> sa.Column:
    return sa.Column(name, sa.String(length), server_default="", nullable=False)


def _codes(name: str, length: int) -> sa.Column:
    kind = postgresql.ARRAY(sa.String(length))
    return sa.Column(name, kind, server_default="{}", nullable=False)


def _may(name: str, kind: sa.types.TypeEngine) -> sa.Column:
    return sa.Column(name, kind, nullable=True)


def _version() -> sa.Column:
    return sa.Column("version", sa.Integer(), server_default="1", nullable=False)


def _added() -> dict[str, list[sa.Column]]:
    return {
        "bank": [
            sa.Column("status", sa.String(12), server_default="active", nullable=False),
            _codes("short_names", 40),
            _may("credit_code", sa.String(18)),
            _text("proposed_by", 80),
            _version(),
        ],
        "agreement": [
            _text("agency", 6),
            _text("end_reason", 500),
            sa.Column("delegations", postgresql.JSONB(), server_default="{}", nullable=False),
            _codes("data_scope", 24),
            _text("liability", 2000),
            _may("replaces", sa.String(40)),
            _text("recorded_by", 80),
            _version(),
        ],
        "outlet": [
            _text("pinyin", 800),
            _text("initials", 200),
            _may("status_since", sa.DateTime(timezone=True)),
            _may("suspended_from", sa.String(16)),
            sa.Column("failed_checks", sa.SmallInteger(), server_default="0", nullable=False),
            _may("rectify_by", sa.Date()),
            _may("village", sa.String(12)),
            sa.Column("coordinate_system", sa.String(8), server_default="cgcs2000", nullable=False),
            _may("original_lat", sa.Double()),
            _may("original_lng", sa.Double()),
            _may("opening", postgresql.JSONB()),
            _may("open_week", postgresql.INT4MULTIRANGE()),
            _may("open_holiday", postgresql.INT4MULTIRANGE()),
            _codes("equipment", 24),
            _codes("zones", 16),
            _text("contact_name", 60),
            _text("contact_phone", 20),
            _may("licence", sa.String(15)),
            _may("allowed", postgresql.ARRAY(sa.String(12))),
            _codes("denied", 12),
            _may("opened_on", sa.Date()),
            _may("closed_on", sa.Date()),
            _text("proposed_by", 80),
            _may("approved_by", sa.String(80)),
        ],
    }


def _make_changes() -> None:
    op.create_table(
        "registry_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("key", sa.String(40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("actor_role", sa.String(32), nullable=False),
        sa.Column("action", sa.String(24), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("fields", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('bank', 'agreement', 'outlet', 'terminal', 'teller')",
            name="registry_change_kind_check",
        ),
        sa.PrimaryKeyConstraint("id", name="registry_change_pkey"),
        if_not_exists=True,
    )
    op.create_index(
        "registry_change_kind_key_idx", "registry_change", ["kind", "key", "id"], if_not_exists=True
    )


def _make_sheets() -> None:
    op.create_table(
        "acceptance_sheet",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("outlet", sa.String(12), nullable=False),
        sa.Column("occasion", sa.String(12), nullable=False),
        sa.Column("inspected_on", sa.Date(), nullable=False),
        sa.Column("filled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("filled_by", sa.String(80), nullable=False),
        sa.Column("points", postgresql.JSONB(), nullable=False),
        _codes("vetoes", 24),
        sa.Column("total", sa.SmallInteger(), nullable=False),
        sa.Column("grade", sa.String(12), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("remarks", sa.String(2000), nullable=False),
        sa.CheckConstraint(
            "occasion IN ('acceptance', 'inspection')", name="acceptance_sheet_occasion_check"
        ),
        sa.CheckConstraint("total BETWEEN 0 AND 100", name="acceptance_sheet_total_check"),
        sa.ForeignKeyConstraint(["outlet"], ["outlet.number"], name="acceptance_sheet_outlet_fkey"),
        sa.PrimaryKeyConstraint("id", name="acceptance_sheet_pkey"),
        if_not_exists=True,
    )
    op.create_index(
        "acceptance_sheet_outlet_filled_idx", "acceptance_sheet", ["outlet", "filled_at"],
        if_not_exists=True,
    )  # fmt: skip


def _make_proposals() -> None:
    op.create_table(
        "outlet_proposal",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outlet", sa.String(12), nullable=False),
        sa.Column("base_version", sa.Integer(), nullable=False),
        sa.Column("fields", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("proposed_by", sa.String(80), nullable=False),
        sa.Column("decided_by", sa.String(80), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("words", sa.String(500), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state IN ('pending', 'approved', 'refused', 'withdrawn', 'superseded')",
            name="outlet_proposal_state_check",
        ),
        sa.ForeignKeyConstraint(["outlet"], ["outlet.number"], name="outlet_proposal_outlet_fkey"),
        sa.PrimaryKeyConstraint("id", name="outlet_proposal_pkey"),
        if_not_exists=True,
    )
    op.create_index(
        "outlet_proposal_outlet_idx", "outlet_proposal", ["outlet", "id"], if_not_exists=True
    )
    op.create_index(
        "outlet_proposal_state_idx", "outlet_proposal", ["state", "id"], if_not_exists=True
    )
    op.create_index(
        "outlet_proposal_pending_key", "outlet_proposal", ["outlet"], unique=True,
        if_not_exists=True, postgresql_where=sa.text("state = 'pending'"),
    )  # fmt: skip
