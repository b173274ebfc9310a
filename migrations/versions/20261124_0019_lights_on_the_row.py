"""The light of an application on its row, so that lists by light are read from an index in their order.

Submissions name both columns; whoever changes the days or lets a clock run again without naming them (the
release before, a statement by hand) leaves the light untold, and a worker tells it. The new indexes take the
place of old ones.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

from migrations.steps import add_index, drop_index

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

NEWEST = sa.text("received_at DESC")
WORKING = "state IN ('accepted', 'in_review', 'in_second_review', 'in_approval')"
OPEN = "state IN ('received', 'accepted', 'in_review', 'in_second_review', 'in_approval')"
UNTOLD = "2000-01-01"
BY = (("outlet", "state"), ("agency", "state"), ("state",))

FUNCTION = f"""
CREATE OR REPLACE FUNCTION application_light_untold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.{OPEN} THEN
        NEW.light_until := '{UNTOLD}';
    ELSE
        NEW.light_told := 0;
    END IF;
    RETURN NEW;
END $$
"""
TRIGGER = f"""
CREATE OR REPLACE TRIGGER application_light_untold BEFORE UPDATE ON application FOR EACH ROW
WHEN ((NEW.light_told, NEW.light_until) = (OLD.light_told, OLD.light_until)
    AND ((NEW.{OPEN}) IS DISTINCT FROM (OLD.{OPEN})
        OR (NEW.yellow_on, NEW.red_on, NEW.overdue_on)
            IS DISTINCT FROM (OLD.yellow_on, OLD.red_on, OLD.overdue_on)))
EXECUTE FUNCTION application_light_untold()
"""


def upgrade() -> None:
    told = sa.Column("light_told", sa.SmallInteger(), server_default="0", nullable=False)
    until = sa.Column("light_until", sa.Date(), server_default=UNTOLD, nullable=False)
    for column in (told, until):
        op.add_column("application", column, if_not_exists=True)
    op.execute(FUNCTION)
    op.execute(TRIGGER)
    for columns in BY:
        add_index(_name(columns, "light_told"), "application", [*columns, "light_told", NEWEST])
    add_index(
        "application_to_do_idx", "application", ["agency", "due_on", "number", "light_told"],
        where=WORKING,
    )  # fmt: skip
    add_index("application_light_until_idx", "application", ["light_until"], where=OPEN)
    for columns in BY:
        drop_index(_name(columns))
    drop_index("application_work_idx")


def downgrade() -> None:
    for columns in BY:
        add_index(_name(columns), "application", [*columns, NEWEST])
        drop_index(_name(columns, "light_told"))
    add_index("application_work_idx", "application", ["agency", "due_on", "number"], where=WORKING)
    for name in ("application_to_do_idx", "application_light_until_idx"):
        drop_index(name)
    op.execute("DROP TRIGGER IF EXISTS application_light_untold ON application")
    op.execute("DROP FUNCTION IF EXISTS application_light_untold()")
    for name in ("light_told", "light_until"):
        op.drop_column("application", name, if_exists=True)


def _name(columns: tuple[str, ...], *more: str) -> str:
    return f"application_{'_'.join((*columns, *more))}_idx"
