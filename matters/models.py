"""Tables of the catalogue."""

from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlmodel import Field

from kit.db import Dated, Stamped, one_of


class Matter(Stamped, Dated, table=True):
    """A matter (事项), by its base code."""

    __tablename__ = "matter"

    base_code: str = Field(primary_key=True, max_length=12)
    name: str = Field(max_length=200)
    pinyin: str = Field(max_length=400)
    initials: str = Field(max_length=100)


class GuideVersion(Stamped, Dated, table=True):
    """One immutable version of a matter's guide, with its period in force."""

    __tablename__ = "guide_version"
    __table_args__ = (
        ExcludeConstraint(
            ("base_code", "="),
            (sa.literal_column("daterange(effective_from, effective_to)"), "&&"),
            where=sa.text("state = 'published'"),
            using="gist",
            name="guide_version_period_excl",
        ),
        one_of("state", ("draft", "published", "withdrawn")),
    )

    base_code: str = Field(primary_key=True, foreign_key="matter.base_code", max_length=12)
    version: int = Field(primary_key=True)
    effective_from: date = Field(sa_type=sa.Date)
    effective_to: date | None = Field(
        default=None, sa_type=sa.Date, description="First day on which it is not in force."
    )
    state: str = Field(max_length=12)
    content: dict[str, Any] = Field(sa_type=JSONB)
    drafted_by: str = Field(max_length=80)
    published_by: str | None = Field(default=None, max_length=80)
