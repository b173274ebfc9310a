"""A published guide is kept packed as well: processes read all versions at their start, thousands of them.

What was published before is packed by the background process; until then it is read as it is.

Revision ID: 0037
Revises: 0036
"""

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


FUNCTION = """
CREATE OR REPLACE FUNCTION guide_version_unpacked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.packed := NULL;
    RETURN NEW;
END $$
"""
TRIGGER = """
CREATE OR REPLACE TRIGGER guide_version_unpacked BEFORE UPDATE OF content ON guide_version FOR EACH ROW
WHEN (NEW.content IS DISTINCT FROM OLD.content)
EXECUTE FUNCTION guide_version_unpacked()
"""
"""Nobody changes what is published; who mends it by hand all the same is not served what it was."""


def upgrade() -> None:
    op.execute("ALTER TABLE guide_version ADD COLUMN IF NOT EXISTS packed bytea")
    # It is packed already: to try again takes time, and to read it would too.
    op.execute("ALTER TABLE guide_version ALTER COLUMN packed SET STORAGE EXTERNAL")
    op.execute(FUNCTION)
    op.execute(TRIGGER)


def downgrade() -> None:
    op.execute("DROP TRIGGER IF EXISTS guide_version_unpacked ON guide_version")
    op.execute("DROP FUNCTION IF EXISTS guide_version_unpacked()")
    op.drop_column("guide_version", "packed", if_exists=True)
