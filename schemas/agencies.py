"""Agencies, on the wire."""

from typing import Literal

from schemas.base import Response


class AgencyView(Response):
    """A handling agency (经办机构)."""

    agency: str
    name: str
    level: Literal["province", "city", "county"]
    division: str
    phone: str
