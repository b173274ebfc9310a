"""Tables of applications. What is personal stands sealed; current state stands on the row."""

import uuid
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from applications.clocks import UNTOLD, told
from kit.clock import now, today
from kit.db import Instant
from kit.ids import uuid7

WORKING = ("accepted", "in_review", "in_second_review", "in_approval")
"""States in which a person of the agency has something to do: what work lists show."""

NEWEST = (sa.text("received_at DESC"), sa.text("number DESC"))
IN_WORK = sa.text("state IN ({})".format(", ".join(f"'{state}'" for state in WORKING)))
CLAIMED = sa.text(f"claimed_by IS NOT NULL AND {IN_WORK}")

OPEN = "state IN ({})".format(", ".join(f"'{state}'" for state in ("received", *WORKING)))
UNACCEPTED = sa.text("state = 'received'")
LAW_FIRST = sa.text(f"overdue_on <= due_on AND {OPEN}")
"""Accepted so late that the law's limit ends before the promise does."""
PROVISIONAL = sa.text(f"due_provisional AND {OPEN}")


UNSUPPLIED = sa.text("state = 'correction'")
IN_HAND = sa.text("state = 'delivered'")


NONE_YET: Mapping[str, Any] = {"server_default": sa.text("'{}'"), "nullable": False}


def _days() -> sa.Column[int]:
    """A count that a submission leaves out: it begins with none."""
    return sa.Column(sa.SmallInteger, server_default="0", nullable=False)


class Application(SQLModel, table=True):
    """One matter of one person, handed in at one outlet."""

    __tablename__ = "application"
    __table_args__ = (
        sa.UniqueConstraint("submitter", "idempotency_key"),
        sa.Index("application_outlet_newest_idx", "outlet", *NEWEST),
        sa.Index("application_agency_newest_idx", "agency", *NEWEST),
        sa.Index("application_newest_idx", *NEWEST),
        *(
            sa.Index(f"application_{'_'.join(by)}_idx", *by, NEWEST[0])
            for by in (
                ("outlet", "matter"), ("outlet", "agency"), ("agency", "matter"), ("matter",),
                ("outlet", "state", "light_told"), ("agency", "state", "light_told"),
                ("state", "light_told"),
            )
        ),
        sa.Index(
            "application_to_do_idx", "agency", "due_on", "number", "light_told", postgresql_where=IN_WORK
        ),
        sa.Index(
            "application_lit_idx", "agency", "light_told", "due_on", "number", postgresql_where=IN_WORK
        ),
        sa.Index("application_light_until_idx", "light_until", postgresql_where=sa.text(OPEN)),
        sa.Index(
            "application_claimed_idx", "claimed_by", "claimed_until", postgresql_where=CLAIMED
        ),
        sa.Index("application_unaccepted_idx", "due_on", postgresql_where=UNACCEPTED),
        sa.Index("application_unsupplied_idx", "due_on", postgresql_where=UNSUPPLIED),
        sa.Index("application_in_hand_idx", "due_on", postgresql_where=IN_HAND),
        sa.Index("application_law_first_idx", "overdue_on", postgresql_where=LAW_FIRST),
        sa.Index("application_provisional_idx", "due_on", postgresql_where=PROVISIONAL),
        sa.Index(
            "application_pooled_idx", "agency", *NEWEST, postgresql_where=sa.text("pooled")
        ),
        sa.Index("application_subject_newest_idx", "subject_index", NEWEST[0]),
        {"info": {"grants": "SELECT, INSERT, UPDATE"}},
    )  # fmt: skip

    number: str = Field(primary_key=True, max_length=40)
    submitter: str = Field(max_length=40, description="The terminal that handed it in.")
    idempotency_key: str = Field(max_length=64)
    body_digest: bytes = Field(description="HMAC of the body as parsed and key-sorted.")
    matter: str = Field(max_length=12)
    guide_version: int
    outlet: str = Field(max_length=12)
    teller: str = Field(max_length=20)
    agency: str = Field(max_length=6)
    step: int = Field(default=1, sa_type=sa.SmallInteger)
    risk_class: int = Field(sa_type=sa.SmallInteger)
    state: str = Field(max_length=24)
    version: int = 1
    pooled: bool = Field(
        default=False,
        sa_column=sa.Column(sa.Boolean, server_default=sa.false(), nullable=False),
        description="No rule named an agency: the city's has it, and finds out whose it is.",
    )

    received_at: datetime = Field(sa_type=Instant)
    captured_at: datetime | None = Field(default=None, sa_type=Instant)
    accepted_at: datetime | None = Field(default=None, sa_type=Instant)
    completed_at: datetime | None = Field(default=None, sa_type=Instant)
    legal_due_on: date | None = Field(default=None, sa_type=sa.Date)
    promised_due_on: date | None = Field(default=None, sa_type=sa.Date)
    due_provisional: bool = False
    calendar_generation: int = Field(default=0, sa_type=sa.BigInteger)
    due_on: date = Field(sa_type=sa.Date, description="The nearest day that someone waits for.")
    yellow_on: date = Field(sa_type=sa.Date)
    red_on: date = Field(sa_type=sa.Date)
    overdue_on: date | None = Field(default=None, sa_type=sa.Date)
    light_told: int = Field(
        default=0,
        sa_column=sa.Column(sa.SmallInteger, server_default="0", nullable=False),
        description="The light, 0 green to 3 overdue, on all days before `light_until`.",
    )
    light_until: date = Field(
        default=UNTOLD,
        sa_column=sa.Column(sa.Date, server_default=UNTOLD.isoformat(), nullable=False),
        description="First day on which the light is another one.",
    )

    corrected_at: datetime | None = Field(
        default=None, sa_type=Instant, description="When correction was asked for: once only."
    )
    supplied_at: datetime | None = Field(default=None, sa_type=Instant)
    stopped_at: datetime | None = Field(
        default=None, sa_type=Instant, description="Since when the clocks have stood."
    )
    corrected_days: int = Field(default=0, sa_column=_days())
    suspended_days: int = Field(default=0, sa_column=_days())
    extended_days: int = Field(default=0, sa_column=_days())
    proposal: str | None = Field(
        default=None,
        max_length=12,
        description="What waits for another to decide: refusal, suspension.",
    )
    step_began_at: datetime | None = Field(
        default=None, sa_type=Instant, description="Of a step after the first, or taken up again."
    )
    step_due_on: date | None = Field(default=None, sa_type=sa.Date)
    step_moved_from: int = Field(
        default=0,
        sa_column=_days(),
        description="Working days that the clocks had been moved by before this step began.",
    )
    past_steps: list[dict[str, Any]] = Field(
        default_factory=list,
        sa_column=sa.Column(JSONB, server_default="[]", nullable=False),
        description="Steps that ended, in their order: agency, days, letter, how, and by whom.",
    )
    barred: list[str] = Field(
        default_factory=list,
        sa_column=sa.Column(ARRAY(sa.String(110)), **NONE_YET),
        description="Posts of this step, and who may not hold them for what he did in another.",
    )
    notices_sealed: bytes | None = Field(
        default=None, description="What was told or proposed last: correction, suspension, refusal."
    )

    accepted_by: str | None = Field(default=None, max_length=80)
    reviewed_by: str | None = Field(default=None, max_length=80)
    second_reviewed_by: str | None = Field(default=None, max_length=80)
    decided_by: str | None = Field(default=None, max_length=80)
    outcome: str | None = Field(default=None, max_length=12)
    claimed_by: str | None = Field(default=None, max_length=80)
    claimed_until: datetime | None = Field(default=None, sa_type=Instant)

    documents: list[str] = Field(sa_type=ARRAY(sa.String(8)))
    materials: list[dict[str, Any]] = Field(sa_type=JSONB, description="Codes, file ids, promises.")
    subject_index: bytes = Field(description="Keyed hash of the subject's ID number.")
    sealed: bytes = Field(description="Applicant, subject, proxy and form.")
    result_sealed: bytes | None = Field(default=None)


@event.listens_for(Application, "before_insert")
@event.listens_for(Application, "before_update")
def _tell_light(_: object, __: object, row: Application) -> None:
    """Keep the light beside the days and the state that it follows from, whoever changed them."""
    row.light_told, row.light_until = told(row, today())


class ApplicationPart(SQLModel, table=True):
    """An agency that had a step of an application: it goes on seeing it, wherever it is now.

    The day of receipt stands beside, so that an agency's list is read from an index in its order.
    """

    __tablename__ = "application_part"
    __table_args__ = (
        sa.Index(
            "application_part_agency_newest_idx", "agency", sa.text("received_at DESC"),
            sa.text("application DESC"),
        ),
        {"info": {"grants": "SELECT, INSERT"}},
    )  # fmt: skip

    application: str = Field(primary_key=True, max_length=40)
    agency: str = Field(primary_key=True, max_length=6)
    received_at: datetime = Field(sa_type=Instant)


class NumberBlock(SQLModel, table=True):
    """Serials of an outlet's day that are kept for one terminal, which gives them out without a line."""

    __tablename__ = "number_block"
    __table_args__ = (
        sa.CheckConstraint("last >= first", name="serials"),
        sa.Index("number_block_terminal_key", "terminal", "day", "first", unique=True),
        sa.Index("number_block_outlet_key", "outlet", "day", "first", unique=True),
        {"info": {"grants": "SELECT, INSERT, DELETE"}},
    )

    id: uuid.UUID = Field(default_factory=uuid7, primary_key=True)
    terminal: uuid.UUID
    outlet: str = Field(max_length=12)
    day: date = Field(
        sa_type=sa.Date, index=True, description="Of reservation; part of the numbers."
    )
    first: int
    last: int
    reserved_at: datetime = Field(default_factory=now, sa_type=Instant)
