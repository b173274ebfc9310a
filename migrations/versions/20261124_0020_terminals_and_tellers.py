"""Terminals get keys that overlap and are known for ever, tellers their posts; both say when they were used.

1 of 2: what is new. Columns come with defaults of the database, so that code which does not know them goes on writing.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TODAY = sa.text("(now() AT TIME ZONE 'Asia/Shanghai')::date")
TABLES = ("terminal_enrolment", "teller_post", "terminal_key")


def _added() -> dict[str, list[sa.Column]]:
    def instant(name: str) -> sa.Column:
        return sa.Column(name, sa.DateTime(timezone=True), nullable=True)

    def both() -> list[sa.Column]:
        return [
            sa.Column("by_authority", sa.Boolean(), server_default="false", nullable=False),
            sa.Column("used_on", sa.Date(), nullable=True),
        ]

    return {
        "terminal": [
            *both(), sa.Column("former_jwk", postgresql.JSONB(), nullable=True),
            instant("former_until"), instant("tokens_from"),
        ],
        "teller": [
            *both(), instant("last_seen_at"), sa.Column("qualified_on", sa.Date(), nullable=True),
            sa.Column("certificate", sa.String(40), nullable=True),
        ],
    }  # fmt: skip


def upgrade() -> None:
    for table, columns in _added().items():
        for column in columns:
            op.add_column(table, column, if_not_exists=True)
        # Set apart: with the column it would write all rows under a lock.
        op.alter_column(table, "used_on", server_default=TODAY)
        op.execute(f"UPDATE {table} SET used_on = {TODAY.text} WHERE used_on IS NULL")
    _make_keys()
    _make_posts()
    _make_enrolments()


def _make_keys() -> None:
    op.create_table(
        "terminal_key",
        sa.Column("x", sa.String(43), nullable=False),
        sa.Column("terminal", sa.Uuid(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["terminal"], ["terminal.id"], name=op.f("terminal_key_terminal_fkey")
        ),
        sa.PrimaryKeyConstraint("x", name=op.f("terminal_key_pkey")),
        info={"grants": "SELECT, INSERT"},
        if_not_exists=True,
    )
    op.create_index(
        op.f("terminal_key_terminal_idx"), "terminal_key", ["terminal"], if_not_exists=True
    )
    op.execute(
        "INSERT INTO terminal_key (x, terminal, begun_at) SELECT public_jwk->>'x', id, created_at "
        "FROM terminal WHERE length(public_jwk->>'x') <= 43 ORDER BY id ON CONFLICT DO NOTHING"
    )


def _make_posts() -> None:
    op.create_table(
        "teller_post",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("teller", sa.String(20), nullable=False),
        sa.Column("outlet", sa.String(12), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("ended_at >= begun_at", name=op.f("teller_post_period_check")),
        postgresql.ExcludeConstraint(
            (sa.column("teller"), "="),
            (sa.literal_column("tstzrange(begun_at, ended_at)"), "&&"),
            using="gist",
            name="teller_post_period_excl",
        ),
        sa.ForeignKeyConstraint(["teller"], ["teller.code"], name=op.f("teller_post_teller_fkey")),
        sa.ForeignKeyConstraint(
            ["outlet"], ["outlet.number"], name=op.f("teller_post_outlet_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("teller_post_pkey")),
        if_not_exists=True,
    )
    op.create_index("teller_post_teller_idx", "teller_post", ["teller", "id"], if_not_exists=True)
    op.create_index(op.f("teller_post_outlet_idx"), "teller_post", ["outlet"], if_not_exists=True)
    op.execute(
        "INSERT INTO teller_post (teller, outlet, begun_at) SELECT code, outlet, created_at "
        "FROM teller t WHERE status <> 'left' "
        "AND NOT EXISTS (SELECT 1 FROM teller_post p WHERE p.teller = t.code)"
    )


def _make_enrolments() -> None:
    op.create_table(
        "terminal_enrolment",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("outlet", sa.String(12), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("terminal", sa.Uuid(), nullable=True),
        sa.Column("overlap_hours", sa.Integer(), nullable=False),
        sa.Column("code_index", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(80), nullable=False),
        sa.Column("made_role", sa.String(32), nullable=False),
        sa.Column("used_by", sa.Uuid(), nullable=True),
        sa.Column("used_key", sa.String(43), nullable=True),
        sa.ForeignKeyConstraint(
            ["outlet"], ["outlet.number"], name=op.f("terminal_enrolment_outlet_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["terminal"], ["terminal.id"], name=op.f("terminal_enrolment_terminal_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("terminal_enrolment_pkey")),
        sa.UniqueConstraint("code_index", name=op.f("terminal_enrolment_code_index_key")),
        info={"grants": "SELECT, INSERT, UPDATE, DELETE"},
        if_not_exists=True,
    )
    op.create_index(
        op.f("terminal_enrolment_expires_at_idx"), "terminal_enrolment", ["expires_at"],
        if_not_exists=True,
    )  # fmt: skip


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table, if_exists=True)
    for table, columns in _added().items():
        for column in columns:
            op.drop_column(table, column.name, if_exists=True)
