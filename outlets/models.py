"""Tables of the registry."""

import uuid
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, ExcludeConstraint
from sqlmodel import Field, SQLModel

from kit.db import Dated, Instant, Stamped, one_of
from kit.ids import uuid7
from schemas.guides import ServiceClass
from schemas.outlets import BankStatus, OutletKind, OutletStatus
from schemas.terminals import TellerStatus, TerminalStatus

CHANGED = ("bank", "agreement", "outlet", "terminal", "teller")
"""What keeps a history."""


EMPTY: Mapping[str, Any] = {"server_default": ""}
"""Columns that came later: code that does not know them leaves them empty."""

SYSTEMS = ("cgcs2000", "wgs84", "gcj02", "bd09")
"""Systems in which a point may be handed in. The first two are one for any use here."""


def _codes(name: str, length: int) -> sa.Column[Any]:
    return sa.Column(name, ARRAY(sa.String(length)), server_default="{}", nullable=False)


def _small(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.SmallInteger, server_default="0", nullable=False)


class Bank(Stamped, Dated, table=True):
    """A bank's legal entity that co-operates, or that somebody proposes."""

    __tablename__ = "bank"
    __table_args__ = (one_of("status", get_args(BankStatus)),)

    code: str = Field(primary_key=True, max_length=12)
    name: str = Field(max_length=100, description="Of the legal entity, in full.")
    bank_class: str = Field(max_length=3, description="First three digits of its CNAPS numbers.")
    status: str = Field(
        default="active", max_length=12, sa_column_kwargs={"server_default": "active"}
    )
    short_names: list[str] = Field(
        default_factory=list,
        sa_column=_codes("short_names", 40),
        description="What spreadsheets call it.",
    )
    credit_code: str | None = Field(default=None, max_length=18)
    proposed_by: str = Field(default="", max_length=80, sa_column_kwargs=EMPTY)
    version: int = Field(default=1, sa_column_kwargs={"server_default": "1"})


class Agreement(Stamped, Dated, table=True):
    """A service agreement between an agency and a bank (服务协议, 经办条例 33)."""

    __tablename__ = "agreement"
    __table_args__ = (sa.CheckConstraint("valid_to >= valid_from", name="period"),)

    number: str = Field(primary_key=True, max_length=40)
    bank: str = Field(foreign_key="bank.code", max_length=12, index=True)
    division: str = Field(
        max_length=6, index=True, description="The division whose agency is the party."
    )
    agency: str = Field(default="", max_length=6, sa_column_kwargs=EMPTY)
    valid_from: date = Field(sa_type=sa.Date)
    valid_to: date = Field(sa_type=sa.Date, index=True, description="Last day.")
    ended_on: date | None = Field(
        default=None, sa_type=sa.Date, description="First day without it, where it ends early."
    )
    end_reason: str = Field(default="", max_length=500, sa_column_kwargs=EMPTY)
    matters: list[str] | None = Field(
        default=None, sa_type=ARRAY(sa.String(12)), description="Base codes; null: all."
    )
    max_delegation: str = Field(default="D3", max_length=2, description="Links entrusted at most.")
    delegations: dict[str, str] = Field(
        default_factory=dict,
        sa_column=sa.Column("delegations", JSONB, server_default="{}", nullable=False),
        description="Matters for which less is entrusted: base code to D0..D3.",
    )
    data_scope: list[str] = Field(
        default_factory=list,
        sa_column=_codes("data_scope", 24),
        description="Which data of a person the bank may be shown.",
    )
    liability: str = Field(default="", max_length=2000, sa_column_kwargs=EMPTY)
    replaces: str | None = Field(default=None, max_length=40, index=True)
    expiry_told: date | None = Field(
        default=None, sa_type=sa.Date, description="The last day of which its end has been told."
    )
    recorded_by: str = Field(default="", max_length=80, sa_column_kwargs=EMPTY)
    version: int = Field(default=1, sa_column_kwargs={"server_default": "1"})


class Outlet(Stamped, Dated, table=True):
    """A bank outlet or a convenience point. Its number is ours: county 6 + serial 6."""

    __tablename__ = "outlet"
    __table_args__ = (
        one_of("kind", get_args(OutletKind)),
        one_of("service_class", ServiceClass, "class"),
        one_of("status", get_args(OutletStatus)),
        one_of("coordinate_system", SYSTEMS),
        sa.CheckConstraint("(lat IS NULL) = (lng IS NULL)", name="point"),
        *(sa.Index(f"outlet_{name}_number_idx", name, "number") for name in ("bank", "division")),
        sa.Index("outlet_bank_division_idx", "bank", "division"),
        sa.Index(
            "outlet_rectify_by_idx",
            "rectify_by",
            "number",
            postgresql_where=sa.text("status = 'rectifying'"),
        ),
    )

    number: str = Field(primary_key=True, max_length=12)
    name: str = Field(max_length=100, index=True)
    pinyin: str = Field(
        default="", max_length=800, sa_column_kwargs=EMPTY, description="Blanks between syllables."
    )
    initials: str = Field(default="", max_length=200, sa_column_kwargs=EMPTY)
    bank: str = Field(foreign_key="bank.code", max_length=12)
    agreement: str | None = Field(default=None, foreign_key="agreement.number", max_length=40)
    kind: str = Field(max_length=20)
    service_class: str = Field(max_length=8)
    status: str = Field(max_length=16)
    status_since: datetime | None = Field(default=None, sa_type=Instant)
    suspended_from: str | None = Field(
        default=None, max_length=16, description="Status to which it returns when it is resumed."
    )
    failed_checks: int = Field(
        default=0, sa_column=_small("failed_checks"), description="One after another: two end it."
    )
    by_authority: bool = Field(
        default=False,
        sa_column_kwargs={"server_default": "false"},
        description="Suspended by the outlet administrator: no bank resumes it.",
    )
    rectify_by: date | None = Field(default=None, sa_type=sa.Date, description="Last day.")
    rectify_told: date | None = Field(
        default=None,
        sa_type=sa.Date,
        description="The last day of which it was told that it has passed.",
    )
    grade: str | None = Field(default=None, max_length=12, description="Of the last sheet.")
    checked_at: datetime | None = Field(default=None, sa_type=Instant)
    division: str = Field(max_length=9, description="Township, or county without any.")
    village: str | None = Field(default=None, max_length=12, description="12 digits, where known.")
    address: str = Field(max_length=200)
    lat: float | None = Field(default=None, sa_type=sa.Double, description="CGCS2000.")
    lng: float | None = Field(default=None, sa_type=sa.Double)
    coordinate_system: str = Field(
        default="cgcs2000",
        max_length=8,
        sa_column_kwargs={"server_default": "cgcs2000"},
        description="In which the point was handed in.",
    )
    original_lat: float | None = Field(default=None, sa_type=sa.Double)
    original_lng: float | None = Field(default=None, sa_type=sa.Double)
    phone: str = Field(default="", max_length=20)
    hours: str = Field(default="", max_length=200, description="As the outlet says them.")
    opening: dict[str, Any] | None = Field(
        default=None,
        sa_type=JSONB(none_as_null=True),
        description="`schemas.hours.Opening`; null: not known.",
    )
    windows: int = Field(default=1, sa_type=sa.SmallInteger)
    equipment: list[str] = Field(default_factory=list, sa_column=_codes("equipment", 24))
    zones: list[str] = Field(default_factory=list, sa_column=_codes("zones", 16))
    contact_name: str = Field(
        default="",
        max_length=60,
        sa_column_kwargs=EMPTY,
        description="Empty, as the next: `OutletContact` holds it sealed. Code before it knows them.",
    )
    contact_phone: str = Field(default="", max_length=20, sa_column_kwargs=EMPTY)
    cnaps: str | None = Field(default=None, max_length=12, index=True)
    licence: str | None = Field(
        default=None, max_length=15, index=True, description="Number of its financial licence."
    )
    parent: str | None = Field(default=None, foreign_key="outlet.number", max_length=12, index=True)
    allowed: list[str] | None = Field(
        default=None,
        sa_type=ARRAY(sa.String(12)),
        description="Base codes of matters it keeps to; null: all of its agreement.",
    )
    denied: list[str] = Field(default_factory=list, sa_column=_codes("denied", 12))
    opened_on: date | None = Field(default=None, sa_type=sa.Date)
    closed_on: date | None = Field(default=None, sa_type=sa.Date)
    proposed_by: str = Field(default="", max_length=80, sa_column_kwargs=EMPTY)
    approved_by: str | None = Field(default=None, max_length=80)
    is_sample: bool = False
    version: int = 1


class OutletContact(SQLModel, table=True):
    """The liaison person of an outlet (联络员), sealed: name and telephone, for who looks after the outlet."""

    __tablename__ = "outlet_contact"
    __table_args__ = ({"info": {"grants": "SELECT, INSERT, UPDATE"}},)

    outlet: str = Field(primary_key=True, foreign_key="outlet.number", max_length=12)
    sealed: bytes
    version: int = 1
    changed_at: datetime = Field(sa_type=Instant)
    changed_by: str = Field(max_length=80)


class RegistryChange(SQLModel, table=True):
    """One change of one row of the registry: who, when, what it was and what it is. Never changed.

    A row that is made has no fields: what it was made as is what it is, less all changes since.
    """

    __tablename__ = "registry_change"
    __table_args__ = (
        one_of("kind", CHANGED),
        sa.Index("registry_change_kind_key_idx", "kind", "key", "id"),
        {"info": {"grants": "SELECT, INSERT"}},
    )

    id: int | None = Field(
        default=None,
        sa_column=sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    )
    kind: str = Field(max_length=12)
    key: str = Field(max_length=40)
    version: int
    at: datetime = Field(sa_type=Instant)
    actor: str = Field(max_length=80)
    actor_role: str = Field(max_length=32)
    action: str = Field(max_length=24)
    reason: str = Field(default="", max_length=500)
    fields: dict[str, Any] = Field(sa_type=JSONB, description="Name to [before, after].")


class AcceptanceSheet(SQLModel, table=True):
    """A sheet of a site acceptance or an inspection, as it was filled in. Never changed."""

    __tablename__ = "acceptance_sheet"
    __table_args__ = (
        one_of("occasion", ("acceptance", "inspection")),
        sa.CheckConstraint("total BETWEEN 0 AND 100", name="total"),
        sa.Index("acceptance_sheet_outlet_filled_idx", "outlet", "filled_at"),
        {"info": {"grants": "SELECT, INSERT"}},
    )

    id: uuid.UUID = Field(default_factory=uuid7, primary_key=True)
    outlet: str = Field(foreign_key="outlet.number", max_length=12)
    occasion: str = Field(max_length=12)
    inspected_on: date = Field(sa_type=sa.Date)
    filled_at: datetime = Field(sa_type=Instant)
    filled_by: str = Field(max_length=80)
    points: dict[str, Any] = Field(sa_type=JSONB, description="Item to points; null: not yet.")
    vetoes: list[str] = Field(sa_column=_codes("vetoes", 24))
    total: int = Field(sa_type=sa.SmallInteger)
    grade: str = Field(max_length=12)
    passed: bool
    remarks: str = Field(default="", max_length=2000)


class OutletProposal(Dated, table=True):
    """A change of an outlet that one side proposes and the other decides."""

    __tablename__ = "outlet_proposal"
    __table_args__ = (
        one_of("state", ("pending", "approved", "refused", "withdrawn", "superseded")),
        sa.Index("outlet_proposal_outlet_idx", "outlet", "id"),
        sa.Index(
            "outlet_proposal_pending_key",
            "outlet",
            unique=True,
            postgresql_where=sa.text("state = 'pending'"),
        ),
        sa.Index("outlet_proposal_state_idx", "state", "id"),
    )

    id: uuid.UUID = Field(default_factory=uuid7, primary_key=True)
    outlet: str = Field(foreign_key="outlet.number", max_length=12)
    base_version: int = Field(description="Version of the outlet that it was made for.")
    fields: dict[str, Any] = Field(sa_type=JSONB, description="Name to the value wanted.")
    reason: str = Field(default="", max_length=500)
    state: str = Field(default="pending", max_length=12)
    proposed_by: str = Field(max_length=80)
    decided_by: str | None = Field(default=None, max_length=80)
    decided_at: datetime | None = Field(default=None, sa_type=Instant)
    words: str = Field(default="", max_length=500, description="Why it was refused.")
    version: int = 1


TODAY = sa.text("(now() AT TIME ZONE 'Asia/Shanghai')::date")


def _used_on() -> sa.Column[Any]:
    """When it was used last, or began: what has never been used is found among what is used no more."""
    return sa.Column("used_on", sa.Date, server_default=TODAY)


class Terminal(Stamped, Dated, table=True):
    """A device at an outlet, known by its public key; after a rotation for a while also by the one before."""

    __tablename__ = "terminal"
    __table_args__ = (
        one_of("status", get_args(TerminalStatus), "states"),
        sa.Index("terminal_used_on_idx", "used_on", "id"),
    )

    id: uuid.UUID = Field(default_factory=uuid7, primary_key=True)
    outlet: str = Field(foreign_key="outlet.number", max_length=12, index=True)
    name: str = Field(max_length=60)
    status: str = Field(default="active", max_length=12)
    by_authority: bool = Field(
        default=False,
        sa_column_kwargs={"server_default": "false"},
        description="Suspended by the outlet administrator: no bank resumes it.",
    )
    public_jwk: dict[str, Any] = Field(sa_type=JSONB)
    former_jwk: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))
    former_until: datetime | None = Field(default=None, sa_type=Instant)
    tokens_from: datetime | None = Field(
        default=None, sa_type=Instant, description="Tokens issued before it hold no more."
    )
    last_seen_at: datetime | None = Field(default=None, sa_type=Instant)
    used_on: date | None = Field(default=None, sa_column=_used_on())
    version: int = 1


class TerminalKey(SQLModel, table=True):
    """Every key that any terminal ever had. One that is known is never taken again."""

    __tablename__ = "terminal_key"
    __table_args__ = ({"info": {"grants": "SELECT, INSERT"}},)

    x: str = Field(
        primary_key=True,
        max_length=43,
        description="`x` of the JWK: two keys that share it share their secret.",
    )
    terminal: uuid.UUID = Field(foreign_key="terminal.id", index=True)
    begun_at: datetime = Field(sa_type=Instant)


class Teller(Stamped, Dated, table=True):
    """A bank's person at one outlet (综合柜员). The name stays with the bank."""

    __tablename__ = "teller"
    __table_args__ = (
        one_of("status", get_args(TellerStatus), "states"),
        sa.Index("teller_used_on_idx", "used_on", "code"),
    )

    code: str = Field(primary_key=True, max_length=20)
    outlet: str = Field(foreign_key="outlet.number", max_length=12, index=True)
    status: str = Field(default="active", max_length=12)
    by_authority: bool = Field(
        default=False,
        sa_column_kwargs={"server_default": "false"},
        description="Suspended by the outlet administrator: no bank resumes it.",
    )
    qualified_until: date | None = Field(
        default=None, sa_type=sa.Date, description="Last day of the training's validity."
    )
    qualified_on: date | None = Field(default=None, sa_type=sa.Date)
    certificate: str | None = Field(default=None, max_length=40)
    last_seen_at: datetime | None = Field(default=None, sa_type=Instant)
    used_on: date | None = Field(default=None, sa_column=_used_on())
    version: int = 1


class TellerPost(SQLModel, table=True):
    """A teller's time at an outlet; never two at once."""

    __tablename__ = "teller_post"
    __table_args__ = (
        sa.CheckConstraint("ended_at >= begun_at", name="period"),
        ExcludeConstraint(
            (sa.column("teller"), "="),
            (sa.literal_column("tstzrange(begun_at, ended_at)"), "&&"),
            using="gist",
            name="teller_post_period_excl",
        ),
        sa.Index("teller_post_teller_idx", "teller", "id"),
    )

    id: int | None = Field(
        default=None,
        sa_column=sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    )
    teller: str = Field(foreign_key="teller.code", max_length=20)
    outlet: str = Field(foreign_key="outlet.number", max_length=12, index=True)
    begun_at: datetime = Field(sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)
