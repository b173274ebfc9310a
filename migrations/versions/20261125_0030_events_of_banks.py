"""Events by bank, for the feed of a bank: filled by the database itself, whichever release tells them.

Revision ID: 0030
Revises: 0029
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

CHUNK = 20_000

FUNCTION = """
CREATE OR REPLACE FUNCTION event_of_bank_told() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public AS $$
BEGIN
    INSERT INTO event_of_bank (seq, bank)
    SELECT t.seq, o.bank FROM told t JOIN outlet o ON o.number = t.outlet
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$
"""
TRIGGER = """
CREATE OR REPLACE TRIGGER event_sequence_of_bank AFTER INSERT ON event_sequence
REFERENCING NEW TABLE AS told FOR EACH STATEMENT EXECUTE FUNCTION event_of_bank_told()
"""
FILL = f"""
DO $$
DECLARE upto bigint; last bigint;
BEGIN
    SELECT coalesce(min(seq) - 1, 0), coalesce(max(seq), 0) INTO upto, last FROM event_sequence;
    WHILE upto < last LOOP
        INSERT INTO event_of_bank (seq, bank)
        SELECT t.seq, o.bank FROM event_sequence t JOIN outlet o ON o.number = t.outlet
        WHERE t.seq > upto AND t.seq <= upto + {CHUNK}
        ON CONFLICT DO NOTHING;
        upto := upto + {CHUNK};
        COMMIT;
    END LOOP;
END $$
"""
"""Chunk by chunk: one long writer would hold up the feed."""


def upgrade() -> None:
    op.create_table(
        "event_of_bank",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bank", sa.String(12), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("event_of_bank_pkey")),
        info={"grants": "SELECT"},
        if_not_exists=True,
    )
    op.create_index(
        "event_of_bank_bank_seq_idx", "event_of_bank", ["bank", "seq"], if_not_exists=True
    )
    op.execute(FUNCTION)
    op.execute(TRIGGER)
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        op.execute(FILL)
        op.execute("SET statement_timeout = '60s'")


def downgrade() -> None:
    op.execute("DROP TRIGGER IF EXISTS event_sequence_of_bank ON event_sequence")
    op.execute("DROP FUNCTION IF EXISTS event_of_bank_told()")
    op.drop_table("event_of_bank", if_exists=True)
