"""Which agency does a step is said by rules, which an operator loads; what no rule settles the city takes.

The two rules that come with it say what the code said before, so that nothing changes until others are loaded.

Revision ID: 0027
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op

from migrations.steps import add_index

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

AS_BEFORE = """
    INSERT INTO routing_rule
        (rule, position, matter, step, basis, field, area, decided_by, valid_from, source, generation)
    VALUES
        ('guide', 900, '*', 0, 'step', '', '330000', 'step', '2000-01-01', '指南各环节的规定', 0),
        ('elsewhere', 950, '*', 0, 'step', '', '*', 'stay', '2000-01-01',
         '外省办理的环节由上一环节的机构记录函件并等待', 0)
    ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    op.create_table(
        "routing_rule",
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.String(40), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("matter", sa.String(12), nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False),
        sa.Column("basis", sa.String(20), nullable=False),
        sa.Column("field", sa.String(40), nullable=False),
        sa.Column("area", sa.String(9), nullable=False),
        sa.Column("decided_by", sa.String(8), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date()),
        sa.Column("source", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("rule", name="routing_rule_pkey"),
        sa.CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="period"),
        if_not_exists=True,
    )
    op.create_index(
        "routing_rule_generation_idx", "routing_rule", ["generation"], if_not_exists=True
    )
    op.execute(AS_BEFORE)
    op.execute("INSERT INTO generation (kind, value) VALUES ('routing', 0) ON CONFLICT DO NOTHING")
    pooled = sa.Column("pooled", sa.Boolean(), server_default=sa.false(), nullable=False)
    op.add_column("application", pooled, if_not_exists=True)
    add_index(
        "application_pooled_idx", "application",
        ["agency", sa.text("received_at DESC"), sa.text("number DESC")], where="pooled",
    )  # fmt: skip


def downgrade() -> None:
    op.drop_column("application", "pooled", if_exists=True)
    op.execute("DELETE FROM generation WHERE kind = 'routing'")
    op.drop_table("routing_rule", if_exists=True)
