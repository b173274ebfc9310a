"""Tables of the registry."""

import uuid
from datetime import date, datetime
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from kit.db import Dated, Instant, Stamped, one_of
from kit.ids import uuid7
from schemas.guides import ServiceClass
from schemas.outlets import OutletKind, OutletStatus


class Bank(Stamped, Dated, table=True):
    """A bank's legal entity that co-operates."""

    __tablename__ = "bank"

    code: str = Field(primary_key=True, max_length=12)
    name: str = Field(max_length=100)
    bank_class: str = Field(max_length=3, description="First three digits of its CNAPS numbers.")


class Agreement(Stamped, Dated, table=True):
    """A service agreement between an agency and a bank (服务协议, 经办条例 33)."""

    __tablename__ = "agreement"
    __table_args__ = (sa.CheckConstraint("valid_to >= valid_from", name="period"),)

    number: str = Field(primary_key=True, max_length=40)
    bank: str = Field(foreign_key="bank.code", max_length=12, index=True)
    division: str = Field(max_length=6, description="The division whose agency is the party.")
    valid_from: date = Field(sa_type=sa.Date)
    valid_to: date = Field(sa_type=sa.Date, description="Last day.")
    ended_on: date | None = Field(default=None, sa_type=sa.Date)
    matters: list[str] | None = Field(
        default=None, sa_type=ARRAY(sa.String(12)), description="Base codes; null: all."
    )
    max_delegation: str = Field(default="D3", max_length=2, description="Links entrusted at most.")


class Outlet(Stamped, Dated, table=True):
    """A bank outlet or a convenience point. Its number is ours: county 6 + serial 6."""

    __tablename__ = "outlet"
    __table_args__ = (
        one_of("kind", get_args(OutletKind)),
        one_of("service_class", ServiceClass, "class"),
        one_of("status", get_args(OutletStatus)),
    )

    number: str = Field(primary_key=True, max_length=12)
    name: str = Field(max_length=100)
    bank: str = Field(foreign_key="bank.code", max_length=12, index=True)
    agreement: str | None = Field(
        default=None, foreign_key="agreement.number", max_length=40, index=True
    )
    kind: str = Field(max_length=20)
    service_class: str = Field(max_length=8)
    status: str = Field(max_length=16)
    division: str = Field(max_length=9, index=True, description="Township, or county without any.")
    address: str = Field(max_length=200)
    lat: float | None = Field(default=None, sa_type=sa.Double, description="CGCS2000.")
    lng: float | None = Field(default=None, sa_type=sa.Double)
    phone: str = Field(default="", max_length=20)
    hours: str = Field(default="", max_length=200)
    windows: int = Field(default=1, sa_type=sa.SmallInteger)
    cnaps: str | None = Field(default=None, max_length=12)
    parent: str | None = Field(default=None, foreign_key="outlet.number", max_length=12)
    is_sample: bool = False
    version: int = 1


class Terminal(Stamped, Dated, table=True):
    """A device at an outlet, known by its public key."""

    __tablename__ = "terminal"
    __table_args__ = (one_of("status", ("active", "suspended")),)

    id: uuid.UUID = Field(default_factory=uuid7, primary_key=True)
    outlet: str = Field(foreign_key="outlet.number", max_length=12, index=True)
    name: str = Field(max_length=60)
    status: str = Field(default="active", max_length=12)
    public_jwk: dict[str, Any] = Field(sa_type=JSONB)
    last_seen_at: datetime | None = Field(default=None, sa_type=Instant)
    version: int = 1


class Teller(Stamped, Dated, table=True):
    """A bank's person at one outlet (综合柜员). The name stays with the bank."""

    __tablename__ = "teller"
    __table_args__ = (one_of("status", ("active", "left")),)

    code: str = Field(primary_key=True, max_length=20)
    outlet: str = Field(foreign_key="outlet.number", max_length=12, index=True)
    status: str = Field(default="active", max_length=12)
    qualified_until: date | None = Field(
        default=None, sa_type=sa.Date, description="Last day of the training's validity."
    )
    version: int = 1
