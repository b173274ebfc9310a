"""Tables of routing."""

from datetime import date

import sqlalchemy as sa
from sqlmodel import Field

from kit.db import Stamped


class RoutingRule(Stamped, table=True):
    """Which agency does a step, where, and in which period. Of those that apply the first one decides."""

    __tablename__ = "routing_rule"
    __table_args__ = (
        sa.CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="period"),
    )

    rule: str = Field(primary_key=True, max_length=40)
    position: int = Field(sa_type=sa.SmallInteger, description="The smaller goes first.")
    matter: str = Field(max_length=12, description="`*`: every one.")
    step: int = Field(sa_type=sa.SmallInteger, description="0: every one.")
    basis: str = Field(max_length=20, description="Which place decides; `step`: the step's own.")
    field: str = Field(max_length=40, description="Of the form, where the basis is `form_field`.")
    area: str = Field(max_length=9, description="Where the place must lie; `*`: anywhere.")
    decided_by: str = Field(
        max_length=8,
        description="A level whose agency covers the place, `step` (the step's level), `stay` (who did the "
        "step before), or an agency's code.",
    )
    valid_from: date = Field(sa_type=sa.Date)
    valid_to: date | None = Field(
        default=None, sa_type=sa.Date, description="First day on which it is not in force."
    )
    source: str = Field(
        max_length=200, description="On what it rests: an entrusting letter, a law."
    )
