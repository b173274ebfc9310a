"""Tables of the catalogue."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, ExcludeConstraint
from sqlmodel import Field, SQLModel

from kit.db import Dated, Stamped, one_of

EMPTY: Mapping[str, Any] = {"server_default": ""}
"""Columns that came later: code that does not know them leaves them empty."""


def _codes(name: str, length: int) -> sa.Column[Any]:
    return sa.Column(name, ARRAY(sa.String(length)), server_default="{}", nullable=False)


class Matter(Stamped, Dated, table=True):
    """A matter (事项), by its base code."""

    __tablename__ = "matter"

    base_code: str = Field(primary_key=True, max_length=12)
    name: str = Field(max_length=200)
    pinyin: str = Field(max_length=400, description="Syllables, with blanks between them.")
    initials: str = Field(max_length=100)
    number: str = Field(
        default="", max_length=8, sa_column_kwargs=EMPTY, description="Running number in the list."
    )
    group_name: str = Field(default="", max_length=40, sa_column_kwargs=EMPTY)
    category: str = Field(default="", max_length=40, sa_column_kwargs=EMPTY)
    service_objects: list[str] = Field(default_factory=list, sa_column=_codes("service_objects", 1))
    insurance_kinds: list[str] = Field(default_factory=list, sa_column=_codes("insurance_kinds", 3))
    items: list[int] = Field(
        default_factory=list,
        sa_column=sa.Column("items", ARRAY(sa.Integer()), server_default="{}", nullable=False),
        description="Which of the 18 items it belongs to.",
    )
    fit: str = Field(
        default="", max_length=8, sa_column_kwargs=EMPTY, description="For which outlets it is fit."
    )
    covered_by: str = Field(
        default="",
        max_length=12,
        sa_column_kwargs=EMPTY,
        description="Matter whose guide covers this one too.",
    )
    national_code: str = Field(default="", max_length=12, sa_column_kwargs=EMPTY)
    aliases: list[str] = Field(
        default_factory=list,
        sa_column=_codes("aliases", 40),
        description="What people call it.",
    )
    alias_pinyin: list[str] = Field(
        default_factory=list,
        sa_column=_codes("alias_pinyin", 200),
        description="How those are said, in the same order.",
    )
    is_reconstruction: bool = Field(
        default=False,
        sa_column_kwargs={"server_default": sa.false()},
        description="Its entry was put together by us, not taken from an official list.",
    )


class Item(Dated, table=True):
    """One of the 18 items of the national standard of basic public services that are ours."""

    __tablename__ = "item"

    item: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    aspect: str = Field(max_length=20)
    category: str = Field(max_length=40)
    name: str = Field(max_length=60)


class LegalDocument(Dated, table=True):
    """A law, notice or standard that guides rest on."""

    __tablename__ = "legal_document"
    __table_args__ = (
        one_of("state", ("in_force", "replaced", "abolished")),
        sa.CheckConstraint("state = 'in_force' OR ended_on IS NOT NULL", name="ended"),
    )

    document: str = Field(primary_key=True, max_length=60)
    number: str = Field(max_length=100)
    title: str = Field(max_length=200)
    kind: str = Field(max_length=20)
    state: str = Field(max_length=10)
    in_force_from: date | None = Field(default=None, sa_type=sa.Date)
    ended_on: date | None = Field(
        default=None, sa_type=sa.Date, description="First day on which it is not in force."
    )
    replaces: str | None = Field(default=None, foreign_key="legal_document.document", max_length=60)
    is_verified: bool = Field(description="Whether its name and number were found in a source.")
    note: str = Field(max_length=200)


class Package(Dated, table=True):
    """Matters of one occasion that share one form (一件事)."""

    __tablename__ = "package"

    package: str = Field(primary_key=True, max_length=40)
    content: dict[str, Any] = Field(sa_type=JSONB)


class Drafted(SQLModel):
    """Columns of what one person writes, another publishes, and nobody changes after that."""

    effective_from: date = Field(sa_type=sa.Date)
    effective_to: date | None = Field(
        default=None, sa_type=sa.Date, description="First day on which it is not in force."
    )
    is_cut: bool = Field(
        default=False,
        sa_column_kwargs={"server_default": sa.false()},
        description="It ends because another begins: if that one is withdrawn, it goes on.",
    )
    state: str = Field(max_length=12)
    content: dict[str, Any] = Field(sa_type=JSONB)
    drafted_by: str = Field(max_length=80)
    edited_by: str | None = Field(default=None, max_length=80)
    editors: list[str] = Field(
        default_factory=list,
        sa_type=ARRAY(sa.String(80)),
        nullable=False,
        sa_column_kwargs={"server_default": "{}"},
        description="All who wrote it, each once: none of them publishes it.",
    )
    submitted_by: str | None = Field(
        default=None, max_length=80, description="A draft with it waits to be published."
    )
    published_by: str | None = Field(default=None, max_length=80)
    reason: str | None = Field(
        default=None, max_length=500, description="Why it was sent back or withdrawn."
    )
    revision: int = Field(
        default=1,
        sa_column_kwargs={"server_default": "1"},
        description="Raised by every change: what a client sends back in If-Match.",
    )


def _one_at_a_time(table: str, *key: str) -> ExcludeConstraint:
    """Let no two published rows of a key be in force on one day."""
    return ExcludeConstraint(
        *((column, "=") for column in key),
        (sa.literal_column("daterange(effective_from, effective_to)"), "&&"),
        where=sa.text("state = 'published'"),
        using="gist",
        name=f"{table}_period_excl",
    )


STATES = ("draft", "published", "withdrawn")


class GuideVersion(Drafted, Stamped, Dated, table=True):
    """One version of a matter's guide, with its period in force; immutable once it is published."""

    __tablename__ = "guide_version"
    __table_args__ = (
        _one_at_a_time("guide_version", "base_code"),
        one_of("state", STATES),
        sa.Index(
            "guide_version_draft_idx",
            "base_code",
            "version",
            postgresql_where=sa.text("state = 'draft'"),
        ),
    )

    base_code: str = Field(primary_key=True, foreign_key="matter.base_code", max_length=12)
    version: int = Field(primary_key=True)
    packed: bytes | None = Field(
        default=None,
        description="The content, once it is published, as processes hold it: they read all at their start.",
    )


class GuideLayer(Drafted, Stamped, Dated, table=True):
    """What a city, a county or a township says otherwise than the province, field by field."""

    __tablename__ = "guide_layer"
    __table_args__ = (
        _one_at_a_time("guide_layer", "base_code", "division"),
        one_of("state", STATES),
        sa.Index(
            "guide_layer_draft_key",
            "base_code",
            "division",
            unique=True,
            postgresql_where=sa.text("state = 'draft'"),
        ),
    )

    base_code: str = Field(primary_key=True, foreign_key="matter.base_code", max_length=12)
    division: str = Field(primary_key=True, max_length=9)
    version: int = Field(primary_key=True)
